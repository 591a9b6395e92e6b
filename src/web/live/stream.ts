import { API, queryString } from '../api.ts'
import { readChange, type Start, type Tell } from './news.ts'

/** How long it is waited before a stream that the browser has given up is opened anew, by the number of failures in a row. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000]
/** The server sends a beat every 15 s: a line that is silent for longer than two of them is dead, whatever the browser says. */
export const SILENCE_MS = 40_000

/**
 * One stream of the server's events, opened again whenever it breaks or falls silent. Returns the function that ends it. Why it
 * broke cannot be told from an EventSource (a refusal looks like a cut line): who follows it asks for the session.
 */
export function openStream(start: Start, tell: Tell): () => void {
  let source: EventSource | undefined
  let opening: ReturnType<typeof setTimeout> | undefined
  let watching: ReturnType<typeof setTimeout> | undefined
  let { lastId, missed } = start
  let failures = 0

  const open = () => {
    source = new EventSource(`${API}/events${queryString({ lastEventId: lastId })}`)
    heard()
    source.addEventListener('open', () => {
      failures = 0
      heard()
      // A stream that is opened anew before it had any event cannot say from where on it missed some.
      if (missed && lastId === '') tell({ type: 'reset' }, lastId)
      missed = false
      tell({ type: 'line', line: 'open' }, lastId)
    })
    source.addEventListener('change', (event) => {
      note(event)
      const change = readChange(event.data)
      if (change !== undefined) tell({ type: 'change', change }, lastId)
    })
    source.addEventListener('reset', (event) => {
      note(event)
      tell({ type: 'reset' }, lastId)
    })
    source.addEventListener('beat', (event) => {
      note(event)
      tell({ type: 'beat' }, lastId)
    })
    source.addEventListener('error', () => {
      missed = true
      tell({ type: 'line', line: 'lost' }, lastId)
      if (source?.readyState === EventSource.CLOSED) again()
    })
  }
  const note = (event: MessageEvent) => {
    if (event.lastEventId !== '') lastId = event.lastEventId
    heard()
  }
  const heard = () => {
    clearTimeout(watching)
    watching = setTimeout(() => {
      missed = true
      tell({ type: 'line', line: 'lost' }, lastId)
      again()
    }, SILENCE_MS)
  }
  const again = () => {
    source?.close()
    clearTimeout(opening)
    clearTimeout(watching)
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]
    failures += 1
    opening = setTimeout(open, wait)
  }

  open()
  return () => {
    clearTimeout(opening)
    clearTimeout(watching)
    source?.close()
  }
}
