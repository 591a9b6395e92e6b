import { useQueryClient } from '@tanstack/react-query'
import { App } from 'antd'
import { type ComponentType, lazy, Suspense, useEffect, useLayoutEffect, useRef } from 'react'
import { Link, Route, Routes, useLocation } from 'react-router'
import type { PersonView, SessionView } from '../ports/console.ts'
import { speak, whenTurnedAway } from './api.ts'
import { ErrorBoundary } from './components/ErrorBoundary.tsx'
import { ErrorState, Loading } from './components/Feedback.tsx'
import { useLanguage, useT } from './i18n/index.tsx'
import { keys } from './keys.ts'
import { LiveProvider } from './live/provider.tsx'
import { useSession } from './queries.ts'
import { SessionProvider } from './session.tsx'
import { Shell } from './shell/Shell.tsx'
import { SignIn } from './shell/SignIn.tsx'
import { useSignIn } from './shell/sign-in.ts'
import { Channel } from './views/channel/Channel.tsx'
import { entersAs, hasLeft, heedOthers, isChosenHere } from './who.ts'

const Release = lazy(() => import('./views/release/index.tsx'))
const Fleet = lazy(() => import('./views/fleet/index.tsx'))
const History = lazy(() => import('./views/history/index.tsx'))
const Alerts = lazy(() => import('./views/alerts/index.tsx'))
const Incident = lazy(() => import('./views/alerts/incident.tsx'))
const Audit = lazy(() => import('./views/audit/index.tsx'))

/** The whole console: who one is first, then what one looks at. */
export function Console() {
  const session = useSession()
  const { propose } = useLanguage()
  useAnswersIn()
  useDoubts()
  const known = useChange(session.data?.person)
  const proposed = session.data?.language
  useEffect(() => {
    if (proposed !== undefined) propose(proposed)
  }, [proposed, propose])

  if (session.data === undefined) {
    if (session.error === null) return <Loading whole />
    return <ErrorState error={session.error} retry={() => void session.refetch()} whole />
  }
  const { person } = session.data
  if (person === null) return <Door session={session.data} known={known} />
  return (
    <SessionProvider value={{ ...session.data, person }}>
      <LiveProvider key={person.id}>
        <Shell>
          <Views />
        </Shell>
      </LiveProvider>
    </SessionProvider>
  )
}

/** The server answers in the language of the page: what is held is asked for again when that changes. */
function useAnswersIn(): void {
  const client = useQueryClient()
  const { language } = useLanguage()
  const before = useRef<string>(undefined)
  useLayoutEffect(() => {
    speak(language)
    if (before.current !== undefined && before.current !== language) void client.invalidateQueries()
    before.current = language
  }, [client, language])
}

/** It is asked anew who one is when the server turns one away, and when another tab says that it is somebody else. */
function useDoubts(): void {
  const client = useQueryClient()
  useEffect(() => {
    whenTurnedAway(() => void client.invalidateQueries({ queryKey: keys.session }))
    const deaf = heedOthers(client)
    return () => {
      whenTurnedAway(() => {})
      deaf()
    }
  }, [client])
}

/** Tells when one has become somebody else, but not in this tab. Returns whether anybody has been here since the page opened. */
function useChange(person: PersonView | null | undefined): boolean {
  const t = useT()
  const { message } = App.useApp()
  const before = useRef<string>(undefined)
  useEffect(() => {
    if (person === null || person === undefined) return
    if (before.current !== undefined && before.current !== person.id && !isChosenHere()) {
      void message.success(t('person.acting', { name: person.name }))
    }
    before.current = person.id
  }, [person, message, t])
  return before.current !== undefined
}

/** On the first visit to the sandbox one is its first person at once, and may be another later; elsewhere one signs in. */
function Door({ session, known }: { session: SessionView; known: boolean }) {
  const become = useSignIn()
  const { mutate, isIdle, isPending } = become
  const first = entersAs(session, { known, left: hasLeft() })
  useEffect(() => {
    if (first !== undefined && isIdle) mutate({ person: first })
  }, [first, isIdle, mutate])
  if (first !== undefined && (isIdle || isPending)) return <Loading whole />
  return <SignIn session={session} />
}

function Views() {
  return (
    <Routes>
      <Route path="/" element={<Channel />} />
      <Route path="/releases" element={<Page view={History} />} />
      <Route path="/releases/:id" element={<Page view={Release} />} />
      <Route path="/fleet" element={<Page view={Fleet} />} />
      <Route path="/alerts" element={<Page view={Alerts} />} />
      <Route path="/alerts/:id" element={<Page view={Incident} />} />
      <Route path="/audit" element={<Page view={Audit} />} />
      <Route path="*" element={<NotFound />} />
    </Routes>
  )
}

/** A view that is loaded when it is first looked at. It scrolls by itself; the focus goes to it when it opens. */
function Page({ view: View }: { view: ComponentType }) {
  const { pathname } = useLocation()
  const page = useRef<HTMLDivElement>(null)
  const shown = useRef('')
  useEffect(() => {
    if (shown.current !== pathname) page.current?.focus({ preventScroll: true })
    shown.current = pathname
  }, [pathname])
  return (
    <div className="page" ref={page} tabIndex={-1}>
      <ErrorBoundary key={pathname}>
        <Suspense fallback={<Loading />}>
          <View />
        </Suspense>
      </ErrorBoundary>
    </div>
  )
}

function NotFound() {
  const t = useT()
  return (
    <div className="page">
      <div className="feedback">
        <h1>{t('app.not-found')}</h1>
        <Link to="/">{t('app.to-channel')}</Link>
      </div>
    </div>
  )
}
