import type { Kept } from './outbox-row.ts'

export interface SurfaceStatus {
  /** Messages that wait. */
  waiting: number
  /** ISO; since when the oldest waits. */
  oldest?: string
  /** Messages that the surface refuses as they are, and why it refused the last. */
  refused: number
  refusal?: string
}

export function statusOf(out: readonly Kept[], parked: readonly Kept[]): SurfaceStatus {
  const oldest = out.map(({ row }) => row.since).sort()[0]
  const refusals = parked.flatMap(({ row }) => row.refusal ?? [])
  const last = refusals.sort((a, b) => b.at.localeCompare(a.at))[0]
  return {
    waiting: out.length,
    ...(oldest === undefined ? {} : { oldest }),
    refused: parked.length,
    ...(last === undefined ? {} : { refusal: last.next === '' ? last.why : `${last.why} Next: ${last.next}` }),
  }
}
