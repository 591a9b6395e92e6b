import { Tabs } from 'antd'
import { type ReactNode, useEffect, useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import type { ReleaseDetail } from '../../../ports/console.ts'
import { API } from '../../api.ts'
import { Buttons } from '../../components/Buttons.tsx'
import { ErrorState, Loading } from '../../components/Feedback.tsx'
import { Duration, Moment } from '../../components/Moment.tsx'
import { StateTag } from '../../components/State.tsx'
import { duration } from '../../format.ts'
import { useLanguage, useT } from '../../i18n/index.tsx'
import { useRelease } from '../../queries.ts'
import { PageHead } from '../shared/ui.tsx'
import { progressOf, secondsLeft } from './facts.ts'
import { Gate } from './gate.tsx'
import { HostDrawer } from './host.tsx'
import { Plan } from './plan.tsx'
import { Progress } from './progress.tsx'
import './head.css'
import { Thread } from './thread.tsx'

const TABS = ['progress', 'gate', 'plan', 'thread'] as const
type Tab = (typeof TABS)[number]

/** One release: where it stands, what may be done about it now, and everything that led there. */
export default function Release() {
  const t = useT()
  const { id = '' } = useParams()
  const release = useRelease(id)
  if (release.data === undefined) {
    if (release.error === null) return <Loading />
    return (
      <div className="v-view">
        <PageHead title={t('release.title', { id })} />
        <ErrorState error={release.error} retry={() => void release.refetch()} />
        <Link className="v-link" to="/releases">
          {t('release.to-history')}
        </Link>
      </div>
    )
  }
  return <Shown key={id} release={release.data} />
}

function Shown({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const [params, setParams] = useSearchParams()
  const tab = TABS.find((each) => each === params.get('tab')) ?? firstTab(release)
  const host = progressOf(release).find((each) => each.host === params.get('host'))
  const set = (name: string, value: string | undefined) =>
    setParams(
      (old) => {
        const next = new URLSearchParams(old)
        if (value === undefined) next.delete(name)
        else next.set(name, value)
        return next
      },
      { replace: true },
    )
  const openHost = (name: string) => set('host', name)
  const content: Record<Tab, ReactNode> = {
    progress: <Progress release={release} onHost={openHost} />,
    gate: <Gate release={release} />,
    plan: <Plan release={release} />,
    thread: <Thread channel={release.channel} card={`${release.id}/card`} />,
  }
  return (
    <div className="v-view release">
      <Head release={release} />
      <Tabs
        activeKey={tab}
        onChange={(key) => set('tab', key)}
        destroyOnHidden
        items={TABS.map((key) => ({
          key,
          label: t(`release.tab.${key}`),
          children: <div className="rel-tab">{content[key]}</div>,
        }))}
      />
      <HostDrawer host={host} onClose={() => set('host', undefined)} />
    </div>
  )
}

/** What one looks for first: before the rollout the plan, afterwards how far it is. */
function firstTab(release: ReleaseDetail): Tab {
  return release.startedAt === undefined ? 'plan' : 'progress'
}

function Head({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const { service, current, candidate, id, approvals, approvalsNeeded } = release
  const names = approvals.map(({ by }) => by).join(', ')
  return (
    <section className="rel-head" data-tone={release.tone}>
      <PageHead
        title={
          <>
            {service}{' '}
            <span className="rel-versions">
              {current === null ? null : (
                <>
                  <span className="rel-from">{current}</span> →{' '}
                </>
              )}
              {candidate}
            </span>
          </>
        }
        facts={
          <span className="rel-state">
            <StateTag state={release.state} tone={release.tone} /> <span>{id}</span>
            <a
              className="v-link"
              href={`${API}/releases/${encodeURIComponent(id)}/issue`}
              target="_blank"
              rel="noreferrer"
            >
              {t('release.json')}
            </a>
          </span>
        }
      />
      <Headline release={release} />
      <dl className="rel-facts">
        <div>
          <dt>{t('release.requested-by')}</dt>
          <dd>{release.requester}</dd>
        </div>
        <div>
          <dt>{t('release.approved-by')}</dt>
          <dd>
            {names === '' ? t('release.nobody') : names}{' '}
            <span className="muted">{t('release.approvals', { done: approvals.length, needed: approvalsNeeded })}</span>
          </dd>
        </div>
        <div>
          <dt>{t(release.startedAt === undefined ? 'release.requested' : 'release.started')}</dt>
          <dd>
            <Moment at={release.startedAt ?? release.createdAt} />
          </dd>
        </div>
        {release.startedAt === undefined ? null : (
          <div>
            <dt>{t('release.elapsed')}</dt>
            <dd>{release.over ? <Duration seconds={release.seconds} /> : <Duration since={release.startedAt} />}</dd>
          </div>
        )}
        <Remaining release={release} />
        {release.planHash === '' ? null : (
          <div>
            <dt>{t('release.plan-word')}</dt>
            <dd className="v-mono" title={release.planHash}>
              {release.planHash.slice(0, 12)}
            </dd>
          </div>
        )}
      </dl>
      <div className="rel-actions">
        <Buttons buttons={release.buttons} about={`${id} ${service} ${candidate}`} />
      </div>
    </section>
  )
}

/** The state in one sentence. While hosts are observed the time that is left runs; the server's sentence stands still. */
function Headline({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const { language } = useLanguage()
  const { now: where, headline, state, batches } = release
  const until = state === 'rolling out' && where?.doing === 'observing' ? where.until : undefined
  const now = useNow(until !== undefined)
  if (where === undefined || until === undefined) return <p className="rel-headline">{headline}</p>
  const left = Math.max(0, Math.ceil((Date.parse(until) - now) / 1000))
  return (
    <p className="rel-headline">
      {t('release.observing', { batch: where.batch, batches, time: duration(left, language) })}
    </p>
  )
}

/** Milliseconds since 1970, anew every second while `running`. */
function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!running) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [running])
  return now
}

function Remaining({ release }: { release: ReleaseDetail }) {
  const t = useT()
  const { language } = useLanguage()
  const now = useNow(release.state === 'rolling out')
  const left = secondsLeft(release, now)
  if (left === undefined) return null
  return (
    <div>
      <dt>{t('release.remaining')}</dt>
      <dd title={t('release.remaining-hint')}>{t('release.about', { time: duration(Math.ceil(left), language) })}</dd>
    </div>
  )
}
