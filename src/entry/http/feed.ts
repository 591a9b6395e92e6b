import { newId } from '../../lib/id.ts'
import type { Change } from '../../ports/console.ts'

/** A change with its number; the numbers of one feed ascend without ever being used twice. */
export interface Numbered {
  n: number
  change: Change
}

/** What is new, for everybody who listens, and the last of it for those who come back. */
export interface Feed {
  /** Names this run of the process: numbers begin anew with the next. */
  readonly boot: string
  /** Number of the newest change; 0 before the first. */
  readonly newest: number
  publish(change: Change): void
  /** What came after number `n`, ascending, one per key; undefined when the feed no longer knows all of it. */
  since(n: number): Numbered[] | undefined
  /** Told of every change at once. Returns the function that ends it. */
  listen(listener: (numbered: Numbered) => void): () => void
  /** Changes were missed, nobody knows which: whoever shows something has to ask for all of it again. */
  lose(): void
  /** Told when changes were missed. Returns the function that ends it. */
  onLoss(listener: () => void): () => void
}

/** Keys of different channels or threads never meet: a message's key is unique. */
export function keyOf({ kind, key }: Change): string {
  return `${kind} ${key}`
}

/**
 * A feed that remembers the newest change of each of the last `size` keys: a key that changes often takes one place, so a short
 * memory reaches far back.
 */
export function createFeed(options: { size?: number; boot?: string } = {}): Feed {
  const size = options.size ?? 4096
  // In the order of their numbers: a key that changes again is put at the end.
  const ring = new Map<string, Numbered>()
  const listeners = new Set<(numbered: Numbered) => void>()
  const losses = new Set<() => void>()
  let newest = 0
  /** All changes above this number are still there, or have been replaced by one of the same key that is. */
  let forgotten = 0
  return {
    boot: options.boot ?? newId(),
    get newest() {
      return newest
    },
    publish(change) {
      const numbered = { n: ++newest, change }
      const key = keyOf(change)
      ring.delete(key)
      ring.set(key, numbered)
      if (ring.size > size) {
        for (const [oldest, { n }] of ring) {
          ring.delete(oldest)
          forgotten = n
          break
        }
      }
      for (const listener of listeners) listener(numbered)
    },
    since(n) {
      if (n < forgotten || n > newest) return undefined
      // From the end: who comes back has mostly missed little.
      const missed: Numbered[] = []
      for (const numbered of [...ring.values()].reverse()) {
        if (numbered.n <= n) break
        missed.push(numbered)
      }
      return missed.reverse()
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    lose() {
      ring.clear()
      forgotten = ++newest
      for (const listener of losses) listener()
    },
    onLoss(listener) {
      losses.add(listener)
      return () => void losses.delete(listener)
    },
  }
}
