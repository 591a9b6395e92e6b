import type { ServerResponse } from 'node:http'
import { type Feed, keyOf, type Numbered } from './feed.ts'

/** Changes of different keys that wait for one reader; who is behind by more is told to ask for everything again. */
const MOST_PENDING = 4096
/** A reader that has taken nothing for so long is cut off; it comes back with the number of what it has seen last. */
const STALLED_MS = 5 * 60_000

export interface Reader {
  offer(numbered: Numbered): void
  /** Writes what waits, unless the reader has not taken the last of it yet. */
  flush(): void
  /** A sign of life, when the reader takes what it is sent; the end of one that has taken nothing for too long. */
  beat(): void
  reset(): void
  /** Writes what waits, and ends: why it ends may be the last of it. */
  end(): void
}

/**
 * One reader of the feed. What it has not taken yet waits as one change per key, so a slow reader costs a bounded amount of
 * memory, loses nothing, and holds nobody up.
 */
export function createReader(
  response: ServerResponse,
  feed: Pick<Feed, 'boot' | 'newest'>,
  stalledMs = STALLED_MS,
): Reader {
  // Ascending by number: a key that changes again moves to the end. So the last number written covers all before it.
  const pending = new Map<string, Numbered>()
  let blocked = false
  let blockedSince = 0
  let resetDue = false

  const write = (text: string): void => {
    if (response.writableEnded || response.destroyed) return
    if (response.write(text)) return
    blocked = true
    blockedSince = Date.now()
  }
  const flush = (): void => {
    if (blocked) return
    if (resetDue) {
      resetDue = false
      pending.clear()
      write(`id: ${feed.boot}-${feed.newest}\nevent: reset\ndata: {}\n\n`)
    }
    for (const [key, numbered] of pending) {
      if (blocked) return
      pending.delete(key)
      write(frame(feed.boot, numbered))
    }
  }
  response.on('drain', () => {
    blocked = false
    flush()
  })
  return {
    offer(numbered) {
      const key = keyOf(numbered.change)
      pending.delete(key)
      pending.set(key, numbered)
      if (pending.size <= MOST_PENDING) return
      pending.clear()
      resetDue = true
    },
    flush,
    beat() {
      // An event and not a comment, which a browser keeps from the page. Without an id: it is nothing that can be missed.
      if (!blocked) return write('event: beat\ndata: {}\n\n')
      if (Date.now() - blockedSince > stalledMs) response.destroy()
    },
    reset() {
      resetDue = true
    },
    end() {
      flush()
      response.end()
      // Who takes nothing does not take the end either.
      setTimeout(() => response.destroy(), 200).unref()
    },
  }
}

function frame(boot: string, { n, change }: Numbered): string {
  return `id: ${boot}-${n}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`
}
