import type { Line, News, Start, Tell } from './news.ts'
import { SILENCE_MS } from './stream.ts'

/** Of the lock that the leading tab holds, and of the channel on which it passes on what it hears. */
const NAME = 'rollcall-events'
/** A tab that leads but passes nothing on is asked, and given up after this. */
const ANSWER_MS = 10_000

/** What the tabs of one browser have in common. */
export interface Hall {
  locks: Pick<LockManager, 'request'>
  channel: () => BroadcastChannel
}

/** What tabs tell each other: news of the stream, or the question how the line is. */
type Note = { news: News; lastId: string } | { ask: true }

type Open = (start: Start, tell: Tell) => () => void

/** Undefined where the browser has no Web Locks (they need https or loopback) or no BroadcastChannel. */
export function hallOf(scope: {
  navigator?: Partial<Navigator>
  BroadcastChannel?: typeof BroadcastChannel
}): Hall | undefined {
  const { navigator, BroadcastChannel: Channel } = scope
  if (navigator?.locks === undefined || Channel === undefined) return undefined
  return { locks: navigator.locks, channel: () => new Channel(NAME) }
}

/**
 * One stream for all tabs of a browser, which allows six connections to a server over HTTP/1.1. The tab that holds the lock leads:
 * it reads the stream and passes everything on. When it closes, the next in the queue goes on where it left off. A leader that
 * has died with its lock (a tab that hangs) is noticed by its silence, and its lock is taken. Without a hall, the tab has a
 * stream of its own. Returns the function that ends it.
 */
export function share(open: Open, tell: Tell, hall: Hall | undefined): () => void {
  if (hall === undefined) return open({ lastId: '', missed: false }, tell)
  const { locks } = hall
  const channel = hall.channel()
  let waiting = new AbortController()
  const joined = Date.now()
  let lastId = ''
  let line: Line = 'connecting'
  /** Ends the stream and gives the lock back; undefined while another tab leads. */
  let leave: (() => void) | undefined
  let watching: ReturnType<typeof setTimeout> | undefined
  let ended = false

  const post = (note: Note) => channel.postMessage(note)
  const take: Tell = (news, id) => {
    lastId = id
    if (news.type === 'line') line = news.line
    tell(news, id)
  }

  const lead = () =>
    new Promise<void>((resolve) => {
      clearTimeout(watching)
      // Who takes over passes on what came in between. The first tab has missed nothing: it has only just asked for everything.
      const takesOver = line !== 'connecting' || Date.now() - joined > 1000
      const end = open({ lastId, missed: takesOver }, (news, id) => {
        take(news, id)
        post({ news, lastId: id })
      })
      leave = () => {
        leave = undefined
        end()
        resolve()
      }
    })
  const queue = (steal: boolean) => {
    waiting.abort()
    waiting = new AbortController()
    const { signal } = waiting
    const options: LockOptions = steal ? { steal: true } : { signal }
    locks
      .request(NAME, options, () => (ended ? undefined : lead()))
      .catch(() => {
        if (signal.aborted) return
        // The browser refuses locks here: a stream of its own, as without a hall.
        if (leave === undefined) return void lead()
        // Another tab took the lock, since this one had seemed dead: it follows from now on.
        leave()
        queue(false)
        watch()
      })
  }
  const watch = () => {
    clearTimeout(watching)
    if (leave !== undefined || ended) return
    watching = setTimeout(() => {
      take({ type: 'line', line: 'lost' }, lastId)
      post({ ask: true })
      watching = setTimeout(() => queue(true), ANSWER_MS)
    }, SILENCE_MS)
  }

  channel.addEventListener('message', ({ data }: MessageEvent<Note>) => {
    if (leave !== undefined) {
      if ('ask' in data) post({ news: { type: 'line', line }, lastId })
      return
    }
    if (!('news' in data)) return
    watch()
    const { news } = data
    const recovered = line === 'lost' && news.type !== 'line'
    take(news, data.lastId)
    // The leader lives after all: it tells how the line is when it is asked.
    if (recovered) post({ ask: true })
  })
  post({ ask: true })
  watch()
  queue(false)
  return () => {
    ended = true
    clearTimeout(watching)
    waiting.abort()
    leave?.()
    channel.close()
  }
}
