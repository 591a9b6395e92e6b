import { setImmediate } from 'node:timers/promises'
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
  macOf,
  readEntries,
  readTail,
  type Verdict,
  verifyChain,
} from './audit-chain.ts'
import { type AuditHeads, FORGED, holds } from './audit-head.ts'

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

interface Where {
  person?: string
  action?: string
  result?: Note['result']
}

export interface Audit {
  /**
   * Adds an entry. Never throws, and never stands in the way of what it notes: an abort counts although the disk is full. An
   * entry that cannot be written is logged whole as an error, and kept and tried again until it is in the chain (with the time
   * at which it happened). True when it is there already.
   */
  note(note: Note): Promise<boolean>
  /** Newest first; `before` is the number of the last entry seen. `action` is a whole name, or its area (`release`). */
  page(where: Where & { before?: number; limit: number }): Promise<AuditPage>
  head(): Promise<AuditHead>
  /** Reads the whole chain, against the head that was kept beside the key and, if one is given, against another one. */
  verify(kept?: Partial<AuditHead>): Promise<Verdict>
  /** Whether the chain has the head that was kept beside the key: one read, for the start. */
  stands(): Promise<boolean>
  /** Tries once more what could not be written; how many entries still wait. Called before the store is closed. */
  flush(): Promise<number>
}

export interface AuditOptions {
  store: Store
  /** 32 bytes, from `auditKey`. */
  key: Uint8Array
  clock: () => Date
  log: Log
  /** Keeps the chain's head outside of the store. */
  heads?: AuditHeads
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
  const { store, key, clock, log, heads } = options
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
      tail ??= await readTail(store)
      const seq = tail.entries
      const mac = macOf(key, tail.head, seq, entry)
      doubtful = { seq, mac }
      const taken = await store.append(AUDIT_STREAM, { ...entry, mac }, seq)
      doubtful = undefined
      tail = taken === undefined ? undefined : { entries: seq + 1, head: mac }
      if (taken !== undefined) {
        heads?.keep({ entries: seq + 1, head: mac })
        return
      }
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

  /** What can be read of the entries from `from` to before `end`; what cannot breaks the chain, and that is for `verify` to say. */
  const entriesOf = async (from: number, end: number): Promise<AuditEntryView[]> => {
    const found: AuditEntryView[] = []
    for (let at = from; at < end; ) {
      const part = await readEntries(store, at, end - at)
      for (const each of part) {
        const parsed = 'unreadable' in each ? undefined : auditEntrySchema.safeParse(each.entry)
        if (parsed?.success && each.seq < end) found.push({ seq: each.seq, ...parsed.data })
      }
      at = (part.at(-1)?.seq ?? end) + 1
    }
    return found
  }

  /** Who and what the log names, as far as it was read; entries are only ever added. */
  const names = { people: new Set<string>(), actions: new Set<string>(), until: 0 }
  const learnNames = async (entries: number): Promise<void> => {
    for (let from = names.until; from < entries; from += SCAN) {
      const end = Math.min(entries, from + SCAN)
      for (const { who, action } of await entriesOf(from, end)) {
        names.people.add(who)
        names.actions.add(action)
      }
      names.until = Math.max(names.until, end)
      // A long log is read once, and others go on in between.
      await setImmediate()
    }
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

    async page({ person, action, result, before, limit }) {
      const { entries, head } = await readTail(store)
      await learnNames(entries)
      const found: AuditEntryView[] = []
      for (let end = Math.min(before ?? entries, entries); end > 0 && found.length <= limit; end -= SCAN) {
        const from = Math.max(0, end - SCAN)
        for (const { seq, ...entry } of (await entriesOf(from, end)).reverse()) {
          const fits =
            (person === undefined || entry.who === person) &&
            (result === undefined || entry.result === result) &&
            (action === undefined || entry.action === action || entry.action.startsWith(`${action}.`))
          if (fits) found.push({ seq, ...entry })
        }
      }
      return {
        entries: found.slice(0, limit),
        more: found.length > limit,
        head,
        people: sorted(names.people),
        actions: sorted(names.actions),
      }
    },

    head: () => readTail(store),
    async verify(kept) {
      // Before the chain, which others may add to in the meantime.
      const own = await heads?.read()
      const verdict = await verifyChain(store, key, kept, own === 'forged' ? undefined : own)
      if (!verdict.ok || own !== 'forged') return verdict
      return { ...verdict, ok: false, brokenAt: verdict.entries, why: FORGED }
    },
    stands: async () => holds(store, await heads?.read()),
    async flush() {
      const left = await inTurn(drain)
      await heads?.flush()
      return left
    },
  }
}

const same = (text: string) => text
const sorted = (names: Set<string>): string[] => [...names].sort()

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
