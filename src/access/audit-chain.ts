import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Entry, Json, Store } from '../ports/store.ts'

export const AUDIT_STREAM = 'audit'

/** What the first entry's mac is chained to. */
export const GENESIS = '0'.repeat(64)

/** Read and checked this many at a time. */
const PAGE = 500

export const auditEntrySchema = z.object({
  at: z.string(),
  who: z.string(),
  from: z.string(),
  action: z.string(),
  target: z.string(),
  result: z.enum(['done', 'refused', 'failed']),
  why: z.string().optional(),
  before: z.json().optional(),
  after: z.json().optional(),
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

/**
 * Reads the whole chain. What is missing at its end, only somebody can know who has kept an earlier head: `kept` is that head,
 * with or without its number of entries.
 */
export async function verifyChain(store: Store, key: Uint8Array, kept?: Partial<AuditHead>): Promise<Verdict> {
  let head = GENESIS
  let next = 0
  let seen = kept?.head === undefined
  for (;;) {
    const page = await store.read(AUDIT_STREAM, next, PAGE)
    for (const entry of page) {
      const broken = breakOf(entry, next, key, head)
      if (typeof broken === 'string') return { ok: false, brokenAt: next, why: broken, entries: next, head }
      head = broken.mac
      next++
      if (kept?.head === head && (kept.entries === undefined || kept.entries === next)) seen = true
    }
    if (page.length < PAGE) break
  }
  const wanted = kept?.entries ?? 0
  const broken = (why: string): Verdict => ({ ok: false, brokenAt: next, why, entries: next, head })
  if (next < wanted) return broken(`${wanted - next} of ${wanted} entries are missing at the end`)
  if (!seen && kept?.head !== GENESIS) return broken('the head that was kept is not in this chain: its end was removed')
  return { ok: true, entries: next, head }
}

/** What is wrong with this entry as number `seq`, or its mac. */
function breakOf(found: Entry, seq: number, key: Uint8Array, previous: string): string | { mac: string } {
  if (found.seq !== seq) return `entry ${seq} is missing, entry ${found.seq} follows`
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
