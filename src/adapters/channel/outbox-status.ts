import type { Kept, Rows } from './outbox-row.ts'

/** The most rows of a kind that a process reads which does not hold them. */
const MOST = 1_000
/** So long it says the same. */
const SAME_MS = 5_000

export interface SurfaceStatus {
  /** Messages that wait. */
  waiting: number
  /** ISO; since when the oldest waits. */
  oldest?: string
  /** Messages that the surface refuses as they are, and why it refused the last. */
  refused: number
  refusal?: string
  /** There may be more of either, and older ones. */
  atLeast?: true
}

export function statusOf(out: Iterable<Kept>, parked: Iterable<Kept>): SurfaceStatus {
  const status: SurfaceStatus = { waiting: 0, refused: 0 }
  let last: Kept['row']['refusal']
  for (const { row } of out) {
    status.waiting++
    if (status.oldest === undefined || row.since < status.oldest) status.oldest = row.since
  }
  for (const { row } of parked) {
    status.refused++
    if (row.refusal !== undefined && (last === undefined || row.refusal.at > last.at)) last = row.refusal
  }
  if (last !== undefined) status.refusal = last.next === '' ? last.why : `${last.why} Next: ${last.next}`
  return status
}

/**
 * How it stands as the store has it, for a process that holds no rows itself: counted up to 1,000 of each kind, read at most every
 * five seconds however often it is asked. Throws the store's faults.
 */
export function createStoredStatus(rows: Rows, steady: () => number): () => Promise<SurfaceStatus> {
  let known: { at: number; status: SurfaceStatus } | undefined
  let reading: Promise<SurfaceStatus> | undefined

  const read = async () => {
    const at = steady()
    const [out, parked] = await Promise.all([rows.waiting(MOST), rows.refused(MOST)])
    const more = out.length >= MOST || parked.length >= MOST
    const status: SurfaceStatus = { ...statusOf(out, parked), ...(more ? { atLeast: true } : {}) }
    known = { at, status }
    return status
  }

  return () => {
    if (known !== undefined && steady() - known.at < SAME_MS) return Promise.resolve(known.status)
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }
}
