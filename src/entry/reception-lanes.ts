import { createHash } from 'node:crypto'
import type { Store } from '../ports/store.ts'

/** Numbers that are taken at the same moment in one lane are few; older ones have their row, or never get one. */
const NEAR = 4
/** So many numbers of a lane stay in the store. */
const KEPT = 16
const MOST_MISSING = 1000

/**
 * The order within each lane, over all processes that share the store and whatever their clocks say: whoever accepts something
 * appends its row's id to the stream of the lane, and the sequence number is the order. The number is taken before the row is
 * written, so a process that dies in between leaves a number without a row.
 */
export interface Lanes {
  /** The next place in the lane, as a text that sorts. Throws what the store throws. */
  take(lane: string, id: string): Promise<string>
  /**
   * Whether a number shortly before this one has no row yet: it may be written just now. A number that stays without one is
   * waited for once, as long as the patience, by this process's steady clock.
   */
  missing(lane: string, order: string): Promise<boolean>
}

export function createLanes(store: Store, collection: string, patienceMs: number): Lanes {
  const since = new Map<string, number>()
  const streamOf = (lane: string) => `inbox-lane/${createHash('sha256').update(lane).digest('hex').slice(0, 32)}`

  return {
    async take(lane, id) {
      const stream = streamOf(lane)
      const seq = (await store.append(stream, { id })) ?? 0
      if (seq > 0 && seq % KEPT === 0) await store.trim(stream, seq - KEPT)
      return orderOf(seq)
    },
    async missing(lane, order) {
      const seq = seqOf(order)
      if (seq === undefined || seq === 0) return false
      const stream = streamOf(lane)
      const before = await store.read(stream, Math.max(0, seq - NEAR), NEAR)
      let found = false
      for (const { seq: other, entry } of before) {
        const id = idOf(entry)
        if (other >= seq || id === undefined) continue
        const key = `${stream} ${other}`
        if ((await store.get(collection, id)) !== undefined) {
          since.delete(key)
          continue
        }
        if (since.size >= MOST_MISSING) since.clear()
        const seen = since.get(key) ?? performance.now()
        since.set(key, seen)
        if (performance.now() - seen < patienceMs) found = true
      }
      return found
    },
  }
}

/** Sorts after the orders of earlier versions, which begin with a digit. */
function orderOf(seq: number): string {
  return `n${String(seq).padStart(15, '0')}`
}

function seqOf(order: string): number | undefined {
  return /^n\d{15}$/.test(order) ? Number(order.slice(1)) : undefined
}

function idOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('id' in entry)) return undefined
  return typeof entry.id === 'string' ? entry.id : undefined
}
