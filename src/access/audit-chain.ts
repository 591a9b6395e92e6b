import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import type { Entry, Json, Store } from '../ports/store.ts'

export const AUDIT_STREAM = 'audit'

/** What the first entry's mac is chained to. */
export const GENESIS = '0'.repeat(64)

/** Read and checked this many at a time. */
const PAGE = 500

/** As it was stored, not a copy: that would lose a key such as `__proto__`, and the mac with it. */
const state = z.custom<Json>()

export const auditEntrySchema = z.object({
  at: z.string(),
  who: z.string(),
  from: z.string(),
  action: z.string(),
  target: z.string(),
  result: z.enum(['done', 'refused', 'failed']),
  why: z.string().optional(),
  before: state.optional(),
  after: state.optional(),
})
export type AuditFields = z.infer<typeof auditEntrySchema>

/** The fields that count, in whatever order the store returned them, and the mac. */
const storedSchema = auditEntrySchema.extend({ mac: z.string() }).strict()

/**
 * One text for one value, whatever the order of its keys: keys sorted by UTF-16 code units, no spaces, numbers and strings as
 * JSON.stringify writes them (the rules of RFC 8785); members without a value are left out.
 */
export function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item ?? null)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
  return `{${members.join(',')}}`
}

/**
 * HMAC-SHA256 (RFC 2104) over the previous mac, the entry's number and its canonical text: who has no key can change, remove or
 * move no entry without every later mac being wrong.
 */
export function macOf(key: Uint8Array, previous: string, seq: number, entry: AuditFields): string {
  return createHmac('sha256', key)
    .update(`rollcall-audit/1\n${previous}\n${seq}\n${canonical(entry)}`)
    .digest('hex')
}

export interface AuditHead {
  /** How many entries the chain has. */
  entries: number
  /** The newest mac, 64 hexadecimal digits; zeros for an empty chain. */
  head: string
}

export type Verdict = AuditHead & ({ ok: true } | { ok: false; brokenAt: number; why: string })

/** An entry, or the number of one that the store has and nobody can read. */
export type Found = Entry | { seq: number; unreadable: true }

/**
 * Entries with seq >= from, in order, at most `limit`. One that is damaged is named, instead of hiding the others of its page;
 * what follows it is not read any more. Fault `store.unavailable` (retry) when the store is away.
 */
export async function readEntries(store: Store, from: number, limit: number): Promise<Found[]> {
  try {
    return await store.read(AUDIT_STREAM, from, limit)
  } catch (error) {
    if (!isDamage(error)) throw error
    if (limit === 1) {
      // A store that is closed or no database at all says the same; it cannot answer where nothing stands either.
      await store.read(AUDIT_STREAM, Number.MAX_SAFE_INTEGER, 1)
      return [{ seq: from, unreadable: true }]
    }
    const half = Math.ceil(limit / 2)
    const first = await readEntries(store, from, half)
    const last = first.at(-1)
    if (last === undefined || 'unreadable' in last) return first
    return [...first, ...(await readEntries(store, last.seq + 1, limit - first.length))]
  }
}

/**
 * What the next entry is chained to. After an entry that is damaged the chain begins anew, broken there as `verifyChain` says: what
 * happens from now on is written down all the same.
 */
export async function readTail(store: Store): Promise<AuditHead> {
  try {
    const [last] = await store.last(AUDIT_STREAM, 1)
    if (last === undefined) return { entries: 0, head: GENESIS }
    const parsed = storedSchema.safeParse(last.entry)
    return { entries: last.seq + 1, head: parsed.success ? parsed.data.mac : GENESIS }
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  // The number of the last entry, by halving: no entry stands at `high` or behind it, one does at `low` or behind it.
  const any = async (seq: number) => (await readEntries(store, seq, 1)).length > 0
  let [low, high] = [0, 1]
  while (await any(high)) [low, high] = [high, high * 2]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (await any(middle)) low = middle
    else high = middle
  }
  return { entries: high, head: GENESIS }
}

/** The mac of the entry with this number; undefined when there is none, or none that can be read. */
export async function macAt(store: Store, seq: number): Promise<string | undefined> {
  const [found] = await readEntries(store, seq, 1)
  if (found === undefined || found.seq !== seq || 'unreadable' in found) return undefined
  const parsed = storedSchema.safeParse(found.entry)
  return parsed.success ? parsed.data.mac : undefined
}

/**
 * Reads the whole chain. What is missing at its end, only somebody can know who has kept an earlier head: `kept` are such heads,
 * with or without their numbers of entries.
 */
export async function verifyChain(
  store: Store,
  key: Uint8Array,
  ...kept: (Partial<AuditHead> | undefined)[]
): Promise<Verdict> {
  let head = GENESIS
  let next = 0
  const unseen = new Set(kept.map((each) => each ?? {}))
  const see = (): void => {
    for (const each of unseen) {
      if (each.head !== undefined && each.head !== head) continue
      if (each.entries === undefined || (each.head === undefined ? each.entries <= next : each.entries === next))
        unseen.delete(each)
    }
  }
  see()
  for (;;) {
    const page = await readEntries(store, next, PAGE)
    for (const entry of page) {
      const broken = breakOf(entry, next, key, head)
      if (typeof broken === 'string') return { ok: false, brokenAt: next, why: broken, entries: next, head }
      head = broken.mac
      next++
      see()
    }
    if (page.length < PAGE) break
  }
  const broken = (why: string): Verdict => ({ ok: false, brokenAt: next, why, entries: next, head })
  const wanted = Math.max(0, ...kept.map((each) => each?.entries ?? 0))
  if (next < wanted) return broken(`${wanted - next} of ${wanted} entries are missing at the end`)
  if (unseen.size > 0) return broken('the head that was kept is not in this chain: its end was removed')
  return { ok: true, entries: next, head }
}

/** What may be a row that is not what was written: it will not be better later, as a store that is busy may be. */
function isDamage(error: unknown): boolean {
  return error instanceof Fault && error.code === 'store.unavailable' && !error.retry
}

/** Whether this entry was made with this key, after an entry with the mac `previous`. */
export function hasMac(entry: Entry, key: Uint8Array, previous: string): boolean {
  return typeof breakOf(entry, entry.seq, key, previous) !== 'string'
}

/** What is wrong with this entry as number `seq`, or its mac. */
function breakOf(found: Found, seq: number, key: Uint8Array, previous: string): string | { mac: string } {
  if (found.seq !== seq) return `entry ${seq} is missing, entry ${found.seq} follows`
  if ('unreadable' in found) return `entry ${seq} cannot be read`
  const parsed = storedSchema.safeParse(found.entry)
  if (!parsed.success) return `entry ${seq} has not the form of an entry`
  const { mac, ...entry } = parsed.data
  const right = Buffer.from(macOf(key, previous, seq, entry), 'hex')
  const there = Buffer.from(mac, 'hex')
  if (right.length === there.length && timingSafeEqual(right, there)) return { mac }
  return seq === 0
    ? 'entry 0 was changed, or the key is not the one that the chain was made with'
    : `entry ${seq} was changed, moved, or put in`
}
