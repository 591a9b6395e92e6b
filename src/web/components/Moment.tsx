import { useEffect, useState } from 'react'
import { duration, fullMoment, moment } from '../format.ts'
import { useLanguage } from '../i18n/index.tsx'

/** A moment in the person's time zone; the whole of it on hover. */
export function Moment({ at }: { at: string }) {
  const { language } = useLanguage()
  return (
    <time dateTime={at} title={fullMoment(at, language)}>
      {moment(at, language)}
    </time>
  )
}

/** A span of time in seconds; with `since` it runs. */
export function Duration({ seconds, since }: { seconds?: number; since?: string }) {
  const { language } = useLanguage()
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (since === undefined) return
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [since])
  const shown = since === undefined ? seconds : (now - new Date(since).getTime()) / 1000
  return shown === undefined || Number.isNaN(shown) ? null : (
    <span className="duration">{duration(shown, language)}</span>
  )
}
