import type { Queue } from './outbox-deliver.ts'
import { byUrgency } from './outbox-rank.ts'
import type { Kind } from './outbox-rates.ts'
import { type Kept, kindOf, type OutboxRow } from './outbox-row.ts'

/** What goes out next in one place, with what may go with it; or in how many milliseconds something may (Infinity: nothing waits). */
export type Choice = { key: string; queue: Queue } | { next: number }

/**
 * The most urgent row of a place that its rates let through. A reply waits for its head, and a line that is being merged for the
 * message that it is merged into. `waiting` are all waiting rows by key, `wait` tells the milliseconds that a kind and rank have to
 * wait, and `now` is the time by which rows age (milliseconds since 1970).
 */
export function choose(
  rows: readonly Kept[],
  given: { waiting: ReadonlyMap<string, Kept>; wait: (kind: Kind, rank: number) => number; now: number },
): Choice {
  const { waiting, wait, now } = given
  const inDoubt = rows.filter(({ row }) => row.noting === true || row.sendingSince !== undefined)
  const merging = new Set(inDoubt.flatMap(({ row }) => (row.carries ?? []).map(({ key }) => key)))
  const free = rows.filter((kept) => !merging.has(kept.row.key) && !isHeadless(kept, waiting))
  // A few ranks, and perhaps many rows.
  const waits = new Map<string, number>()
  for (const { row } of free) {
    const sort = sortOf(row)
    if (!waits.has(sort)) waits.set(sort, wait(kindOf(row), row.rank))
  }
  if (![...waits.values()].some((ms) => ms <= 0)) return { next: Math.min(Number.POSITIVE_INFINITY, ...waits.values()) }
  const order = byUrgency(now)
  const ready = free.toSorted((a, b) => order(a.row, b.row))
  const chosen = ready.find(({ row }) => (waits.get(sortOf(row)) ?? 0) <= 0)
  if (chosen === undefined) return { next: Number.POSITIVE_INFINITY }
  return { key: chosen.row.key, queue: { ready, heads: new Set(rows.flatMap(({ row }) => row.thread ?? [])) } }
}

const sortOf = (row: OutboxRow) => `${kindOf(row)} ${row.rank}`

/** A reply whose head still waits in the same place, and stands nowhere yet. */
function isHeadless({ row }: Kept, waiting: ReadonlyMap<string, Kept>): boolean {
  const head = row.thread === undefined ? undefined : waiting.get(row.thread)?.row
  if (head === undefined || head.place !== row.place) return false
  return head.mergedInto === undefined && head.shown?.identity === undefined
}
