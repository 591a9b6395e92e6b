import type { Kept, OutboxRow, Rows } from './outbox-row.ts'

const FIRST_MS = 60_000
const MOST_MS = 300_000
/** Between two rounds, and the most that are tried in one: reasons may differ from message to message. */
const ROUND_MS = 1_000
const MOST_AT_ONCE = 20

/**
 * What a surface refused is tried again, as somebody may have done what it takes: of each place and reason one message, after a
 * minute, then after longer and longer, up to five minutes. When it goes through, the others of its place follow at once.
 */
export interface Retries {
  /** A new holder tries one of each place and reason at once. Throws the store's faults. */
  begin(): Promise<void>
  /** A message was refused. True when nothing was refused in this place for this reason before. */
  refused(key: string, place: string, why: string): boolean
  /** A message went through: if that was one of the tries, the others of its place wait for their turn now. Throws the store's faults. */
  passed(key: string, place: string): Promise<void>
  /** Tries what is due, and says in how many milliseconds something is due again; Infinity for never. Throws the store's faults. */
  round(): Promise<number>
  /** Milliseconds until the next round is due. */
  wait(): number
  forget(): void
}

export function createRetries(given: {
  waitingRows: ReadonlyMap<string, Kept>
  refusedRows: ReadonlyMap<string, Kept>
  rows: Rows
  steady: () => number
  clock: () => Date
  held: () => boolean
  keep: (kept: Kept | undefined) => void
}): Retries {
  const { waitingRows, refusedRows, rows, steady, clock, held, keep } = given
  const groups = new Map<string, { tries: number; notBefore: number }>()
  /** Messages that are being tried, with their group. */
  const trying = new Map<string, string>()

  const again = async (key: string) => {
    keep(
      await rows.change(key, (row) =>
        row?.refused === true && held()
          ? { ...row, waiting: true, refused: false, since: clock().toISOString() }
          : undefined,
      ),
    )
  }
  const known = (id: string, notBefore: number) => {
    const group = groups.get(id) ?? { tries: 0, notBefore }
    groups.set(id, group)
    return group
  }
  const wait = () => {
    const first = Math.min(Number.POSITIVE_INFINITY, ...[...groups.values()].map(({ notBefore }) => notBefore))
    return Math.max(ROUND_MS, first - steady())
  }

  const round = async () => {
    const now = steady()
    const parked = Map.groupBy(refusedRows.values(), ({ row }) => groupOf(row.place, row.refusal?.why))
    // Edited back, or shown there no more.
    for (const key of trying.keys()) if (!waitingRows.has(key)) trying.delete(key)
    const underWay = new Set(trying.values())
    for (const id of groups.keys()) if (!parked.has(id) && !underWay.has(id)) groups.delete(id)
    let left = MOST_AT_ONCE
    for (const [id, all] of parked) {
      const group = known(id, now + FIRST_MS)
      const one = next(all, refusedRows)
      if (group.notBefore > now || one === undefined || left-- <= 0) continue
      group.notBefore = now + Math.min(FIRST_MS * 2 ** group.tries, MOST_MS)
      group.tries++
      trying.set(one.key, id)
      await again(one.key)
    }
    return wait()
  }

  return {
    begin: async () => {
      groups.clear()
      trying.clear()
      for (const { row } of refusedRows.values()) known(groupOf(row.place, row.refusal?.why), steady())
      await round()
    },
    refused: (key, place, why) => {
      trying.delete(key)
      const id = groupOf(place, why)
      const first = !groups.has(id)
      known(id, steady() + FIRST_MS)
      return first
    },
    passed: async (key, place) => {
      if (!trying.delete(key)) return
      for (const { row } of [...refusedRows.values()]) if (row.place === place) await again(row.key)
    },
    round,
    wait,
    forget: () => {
      groups.clear()
      trying.clear()
    },
  }
}

const groupOf = (place: string, why = '') => `${place}\n${why}`

/** A head before what stands under it, then the one that was tried longest ago, and among those the most urgent. */
function next(all: readonly Kept[], parked: ReadonlyMap<string, Kept>): OutboxRow | undefined {
  const under = ({ thread }: OutboxRow) => (thread !== undefined && parked.has(thread) ? 1 : 0)
  const at = ({ refusal }: OutboxRow) => (refusal === undefined ? 0 : Date.parse(refusal.at))
  const before = (a: OutboxRow, b: OutboxRow) => under(a) - under(b) || at(a) - at(b) || a.rank - b.rank
  let first: OutboxRow | undefined
  for (const { row } of all) if (first === undefined || before(row, first) < 0) first = row
  return first
}
