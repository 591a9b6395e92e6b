import { isDeepStrictEqual } from 'node:util'
import { toDocument } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { AuditEntryView, AuditPage } from '../ports/console.ts'
import type { Json, Store } from '../ports/store.ts'
import {
  AUDIT_STREAM,
  type AuditFields,
  type AuditHead,
  auditEntrySchema,
  GENESIS,
  macOf,
  type Verdict,
  verifyChain,
} from './audit-chain.ts'

/** Where somebody acts from. */
export interface From {
  /** terminal, console, slack, … */
  surface: string
  /** The network address, where there is one. */
  address?: string
}

export interface Note {
  /** Person id, or `unknown`. */
  who: string
  from: From
  /** `release.approve`; an action of the policy table, or what else is worth knowing, such as `access.sign-in`. */
  action: string
  target: string
  result: 'done' | 'refused' | 'failed'
  why?: string
  /** What the target was before and after. */
  before?: Json
  after?: Json
}

export interface Audit {
  /**
   * Adds an entry. Never throws, and never stands in the way of what it notes: an abort counts although the disk is full. An
   * entry that cannot be written is logged whole as an error, and kept and tried again until it is in the chain (with the time
   * at which it happened). True when it is there already.
   */
  note(note: Note): Promise<boolean>
  /** Newest first; `before` is the number of the last entry seen. `action` is a whole name, or its area (`release`). */
  page(where: { person?: string; action?: string; before?: number; limit: number }): Promise<AuditPage>
  head(): Promise<AuditHead>
  verify(kept?: Partial<AuditHead>): Promise<Verdict>
  /** Tries once more what could not be written; how many entries still wait. Called before the store is closed. */
  flush(): Promise<number>
}

export interface AuditOptions {
  store: Store
  /** 32 bytes, from `auditKey`. */
  key: Uint8Array
  clock: () => Date
  log: Log
  /** Masks secrets. */
  redact?: (text: string) => string
  /** Milliseconds before what could not be written is tried again; doubled each time, up to a minute. */
  retryMs?: number
}

/** Characters that a field may have: what people and hosts write is capped, not trusted. */
const LONGEST = { who: 80, from: 200, action: 80, target: 200, why: 500, state: 4000 }
/** Entries that wait in memory while the store is away. Beyond it they stand in the log only, and an entry says how many. */
const MOST_WAITING = 1000
const SCAN = 500

/** The audit log: a stream of the store, chained by HMAC. Entries are added one after the other, also by several processes. */
export function createAudit(options: AuditOptions): Audit {
  const { store, key, clock, log } = options
  const waiting: AuditFields[] = []
  let lost = 0
  let tail: AuditHead | undefined
  /** Where an entry went whose writing ended in a fault: it may be there all the same. */
  let doubtful: { seq: number; mac: string } | undefined
  let turn: Promise<unknown> = Promise.resolve()
  let delay = options.retryMs ?? 1000
  let timer: NodeJS.Timeout | undefined

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(work)
    turn = result.catch(() => undefined)
    return result
  }

  const readTail = async (): Promise<AuditHead> => {
    const [last] = await store.last(AUDIT_STREAM, 1)
    if (last === undefined) return { entries: 0, head: GENESIS }
    const mac =
      typeof last.entry === 'object' && last.entry !== null && 'mac' in last.entry ? last.entry.mac : undefined
    return { entries: last.seq + 1, head: typeof mac === 'string' ? mac : GENESIS }
  }

  /** Puts one entry at the end of the chain. The number is claimed together with the writing: two writers never fork it. */
  const append = async (entry: AuditFields): Promise<void> => {
    if (doubtful !== undefined) {
      const [there] = await store.read(AUDIT_STREAM, doubtful.seq, 1)
      const written = isDeepStrictEqual(there, { seq: doubtful.seq, entry: { ...entry, mac: doubtful.mac } })
      doubtful = undefined
      tail = undefined
      if (written) return
    }
    for (;;) {
      tail ??= await readTail()
      const seq = tail.entries
      const mac = macOf(key, tail.head, seq, entry)
      doubtful = { seq, mac }
      const taken = await store.append(AUDIT_STREAM, { ...entry, mac }, seq)
      doubtful = undefined
      tail = taken === undefined ? undefined : { entries: seq + 1, head: mac }
      if (taken !== undefined) return
    }
  }

  /** Writes what waits, in order, up to the first that cannot be written. */
  const drain = async (): Promise<number> => {
    try {
      for (let entry = waiting[0]; entry !== undefined; entry = waiting[0]) {
        await append(entry)
        waiting.shift()
      }
      if (lost > 0) {
        await append(fieldsOf({ ...overflow, why: `${lost} entries stand in the log of the process only` }))
        lost = 0
      }
      delay = options.retryMs ?? 1000
    } catch (error) {
      const { code, say } = toDocument(error)
      log.error({ code, say, waiting: waiting.length }, 'audit entries wait to be written')
      again()
    }
    return waiting.length
  }

  const again = (): void => {
    if (timer !== undefined) return
    // Nobody stays alive for it: `flush` is the last try.
    timer = setTimeout(() => {
      timer = undefined
      void inTurn(drain)
    }, delay).unref()
    delay = Math.min(delay * 2, 60_000)
  }

  const fieldsOf = (note: Note): AuditFields => {
    const clean = (text: string, most: number) => cap((options.redact ?? same)(text), most)
    const { surface, address } = note.from
    const state = (value: Json | undefined) =>
      value === undefined ? undefined : capState(value, options.redact ?? same)
    return JSON.parse(
      JSON.stringify({
        at: clock().toISOString(),
        who: clean(note.who, LONGEST.who),
        from: clean(address === undefined ? surface : `${surface} ${address}`, LONGEST.from),
        action: clean(note.action, LONGEST.action),
        target: clean(note.target, LONGEST.target),
        result: note.result,
        why: note.why === undefined ? undefined : clean(note.why, LONGEST.why),
        before: state(note.before),
        after: state(note.after),
      }),
    )
  }

  const overflow = {
    who: 'unknown',
    from: { surface: 'rollcall' },
    action: 'access.audit',
    target: 'audit',
    result: 'failed',
  } as const

  return {
    note(note) {
      const entry = fieldsOf(note)
      return inTurn(async () => {
        if (waiting.length >= MOST_WAITING) {
          lost++
          log.error({ audit: entry }, 'audit entry not written')
          return false
        }
        waiting.push(entry)
        const left = await drain()
        if (left > 0) log.error({ audit: entry }, 'audit entry not written')
        return left === 0
      })
    },

    async page({ person, action, before, limit }) {
      const { entries, head } = await readTail()
      const found: AuditEntryView[] = []
      for (let end = Math.min(before ?? entries, entries); end > 0 && found.length <= limit; end -= SCAN) {
        const from = Math.max(0, end - SCAN)
        const part = (await store.read(AUDIT_STREAM, from, end - from)).filter(({ seq }) => seq < end)
        for (const { seq, entry } of part.reverse()) {
          const parsed = auditEntrySchema.safeParse(entry)
          // What is no entry breaks the chain, and that is for `verify` to say.
          if (!parsed.success) continue
          const fits =
            (person === undefined || parsed.data.who === person) &&
            (action === undefined || parsed.data.action === action || parsed.data.action.startsWith(`${action}.`))
          if (fits) found.push({ seq, ...parsed.data })
        }
      }
      return { entries: found.slice(0, limit), more: found.length > limit, head }
    },

    head: readTail,
    verify: (kept) => verifyChain(store, key, kept),
    flush: () => inTurn(drain),
  }
}

const same = (text: string) => text

/** Whole characters, at most `most`, with an ellipsis in place of the rest. */
function cap(text: string, most: number): string {
  const whole = text.toWellFormed()
  if (whole.length <= most) return whole
  return `${whole.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** A state that is too long to keep is kept as the beginning of its text. */
function capState(value: Json, redact: (text: string) => string): Json {
  const text = redact(JSON.stringify(value))
  if (text.length > LONGEST.state) return cap(text, LONGEST.state)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
