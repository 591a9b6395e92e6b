import { type ReactNode, useEffect, useRef, useState } from 'react'
import { NavLink } from 'react-router'
import logo from '../assets/rollcall.svg'
import { ToneIcon } from '../components/State.tsx'
import { type Key, useT } from '../i18n/index.tsx'
import { useLine } from '../live/provider.tsx'
import { useIncidents } from '../queries.ts'
import { useMe } from '../session.tsx'
import { PersonMenu } from './PersonMenu.tsx'
import { SurfaceBanner } from './SurfaceBanner.tsx'
import { Switches } from './Switches.tsx'

/** Where one may go; `needs` is the action without which there is nothing to see. */
const PLACES: { to: string; key: Key; end: boolean; needs?: string; counts?: boolean }[] = [
  { to: '/', key: 'app.channel', end: true },
  { to: '/releases', key: 'app.releases', end: false },
  { to: '/fleet', key: 'app.fleet', end: false },
  { to: '/alerts', key: 'app.alerts', end: false, needs: 'alerts.read', counts: true },
  { to: '/audit', key: 'app.audit', end: false, needs: 'audit.read' },
]

/** What stands around every view: name, places, the line to the server, language, appearance and the person. */
export function Shell({ children }: { children: ReactNode }) {
  const t = useT()
  const { may } = useMe()
  const places = PLACES.filter(({ needs }) => needs === undefined || may.includes(needs))
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t('app.skip')}
      </a>
      <header className="top">
        <NavLink to="/" className="brand" end>
          <img src={logo} alt="" width={26} height={26} />
          <span>Rollcall</span>
        </NavLink>
        <nav className="places" aria-label={t('app.menu')}>
          {places.map(({ to, key, end, counts }) => (
            <NavLink key={to} to={to} end={end}>
              {t(key)}
              {counts === true ? <OpenCount /> : null}
            </NavLink>
          ))}
        </nav>
        <div className="top-tools">
          <LineSign />
          <Switches />
          <PersonMenu />
        </div>
      </header>
      <LineBanner />
      <SurfaceBanner />
      <main className="content" id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  )
}

/** How many incidents are open; nothing when none is. */
function OpenCount() {
  const t = useT()
  const [page] = useIncidents({ state: 'open' }).data?.pages ?? []
  if (page === undefined || page.incidents.length === 0) return null
  const { incidents, more } = page
  const worst = incidents.some(({ severity, state }) => severity === 'critical' && state === 'firing')
  return (
    <span className="count" data-tone={worst ? 'bad' : 'warn'}>
      <span aria-hidden="true">{`${incidents.length}${more ? '+' : ''}`}</span>
      <span className="sr-only">{t('app.alerts-open', { count: incidents.length })}</span>
    </span>
  )
}

function LineSign() {
  const t = useT()
  const line = useLine()
  if (line === 'lost') return null
  return (
    <span className="line" data-line={line}>
      <span className="line-dot" aria-hidden="true" />
      <span className="line-word">{t(line === 'open' ? 'live.open' : 'live.connecting')}</span>
    </span>
  )
}

/** Tells that the line was lost, and for a moment that it is back. */
function LineBanner() {
  const t = useT()
  const line = useLine()
  const [back, setBack] = useState(false)
  const wasLost = useRef(false)
  useEffect(() => {
    if (line === 'lost') {
      wasLost.current = true
      setBack(false)
      return
    }
    if (line !== 'open' || !wasLost.current) return
    wasLost.current = false
    setBack(true)
    const timer = setTimeout(() => setBack(false), 4000)
    return () => clearTimeout(timer)
  }, [line])
  return (
    <div role="status" className="banner-place">
      {line === 'lost' ? (
        <div className="banner" data-tone="warn">
          <ToneIcon tone="warn" />
          {t('live.lost')}
        </div>
      ) : null}
      {back ? (
        <div className="banner" data-tone="good">
          <ToneIcon tone="good" />
          {t('live.back')}
        </div>
      ) : null}
    </div>
  )
}
