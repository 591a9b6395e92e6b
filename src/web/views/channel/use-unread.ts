import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import type { MessageView } from '../../../ports/console.ts'
import { unreadAfter } from './news.ts'

/** The marker goes this long after everything has been read. */
const MARKED_MS = 15_000

/**
 * How many messages came after the one seen last, and the number of the first of them, where the reading stopped. What was seen
 * is kept on this machine; on the first visit nothing counts as new.
 */
export function useUnread(
  channel: string,
  messages: MessageView[],
  atEnd: boolean,
): { unread: number; marker?: number } {
  const stored = `rollcall.seen.${channel}`
  const [seen, setSeen] = useState(() => readNumber(localStorage.getItem(stored)))
  const [marker, setMarker] = useState<number>()
  const first = useRef(true)
  const last = messages.at(-1)?.number

  useLayoutEffect(() => {
    if (messages.length === 0) return
    const next = seen === undefined ? undefined : messages.find((view) => view.number > seen)?.number
    const reading = atEnd && document.visibilityState === 'visible'
    if (next !== undefined && (first.current || !reading)) setMarker((now) => now ?? next)
    first.current = false
  }, [messages, seen, atEnd])

  useEffect(() => {
    const read = () => {
      if (!atEnd || last === undefined || last === seen || document.visibilityState !== 'visible') return
      setSeen(last)
      localStorage.setItem(stored, String(last))
    }
    read()
    document.addEventListener('visibilitychange', read)
    return () => document.removeEventListener('visibilitychange', read)
  }, [atEnd, last, seen, stored])

  useEffect(() => {
    if (marker === undefined || !atEnd) return
    const timer = setTimeout(() => setMarker(undefined), MARKED_MS)
    return () => clearTimeout(timer)
  }, [marker, atEnd])

  return { unread: seen === undefined ? 0 : unreadAfter(messages, seen), marker }
}

function readNumber(text: string | null): number | undefined {
  const value = Number(text)
  return text === null || !Number.isInteger(value) ? undefined : value
}
