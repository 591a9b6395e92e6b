import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { asFault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Change } from '../../ports/console.ts'
import type { Entry, Json, Store } from '../../ports/store.ts'
import { type Feed, keyOf } from './feed.ts'

const STREAM = 'changes'
/** Changes are gathered for so long, and of one key only the last is told. */
const GATHER_MS = 200
/** Changes in one entry; a document may be 16 MiB, and this is far below. */
const MOST_IN_ENTRY = 500
/** Entries that are read at once. */
const PAGE = 200
/** A process that could not reach the store for longer asks for everything anew. */
const KEEP_MS = 10 * 60_000

const changeSchema: z.ZodType<Change> = z.object({
  kind: z.enum(['message', 'release', 'output', 'host', 'session', 'incident']),
  key: z.string(),
  channel: z.string().optional(),
  thread: z.string().optional(),
})
/** A version of Rollcall that knows more kinds may share the store: what is not known here is left out. */
const entrySchema = z.object({ by: z.string(), changes: z.array(z.unknown()) })

export interface Relay {
  /** Tells the other processes that share the store. The feed of this one is its caller's affair. */
  publish(change: Change): void
  /** From now on changes go out and come in. */
  start(): void
  /** Tells what it still has, and ends. */
  stop(): Promise<void>
}

interface RelayOptions {
  /** Not the watched one: what is told here is no change of its own. */
  store: Pick<Store, 'append' | 'read' | 'last' | 'trim'>
  feed: Pick<Feed, 'publish' | 'lose'>
  log: Pick<Log, 'warn'>
  /** So often the changes of others are looked for; 500 ms unless told. */
  pollMs?: number
  /** Milliseconds for which entries are kept at least; ten minutes unless told. */
  keepMs?: number
}

/**
 * Changes by the other processes that share the store, over the stream `changes`: each writes what it has done, in batches under
 * its own name, reads what the others wrote, and forgets what is old. Who does not use it alone learns of nothing here by itself:
 * without other processes a relay is not needed.
 * An entry is written after the document that it speaks of, so whoever is told finds that document, or a newer one.
 */
export function createRelay({ store, feed, log, pollMs = 500, keepMs = KEEP_MS }: RelayOptions): Relay {
  const me = randomUUID()
  const waiting = new Map<string, Change>()
  /** Where the stream ended at moments of the steady clock, oldest first: no other process's clock is asked. */
  const ends: { at: number; seq: number }[] = []
  let writing: NodeJS.Timeout | undefined
  let polling: NodeJS.Timeout | undefined
  let lastWrite = Number.NEGATIVE_INFINITY
  let next: number | undefined
  let late = false
  let failing = false
  let started = false
  let turn: Promise<void> = Promise.resolve()

  /** One thing at a time; what fails is tried again by whoever comes next, and told once. */
  const inTurn = (task: string, work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work).then(
      () => {
        failing = false
      },
      (error: unknown) => {
        if (!failing) log.warn({ code: asFault(error).code, task }, 'changes not relayed')
        failing = true
      },
    )
    return turn
  }

  const write = async (): Promise<void> => {
    lastWrite = performance.now()
    while (waiting.size > 0) {
      const some = [...waiting].slice(0, MOST_IN_ENTRY)
      await store.append(STREAM, { by: me, changes: some.map(([, change]) => ({ ...change }) as Json) })
      // What has changed again meanwhile is told again.
      for (const [key, change] of some) if (waiting.get(key) === change) waiting.delete(key)
    }
  }

  const writeSoon = (): void => {
    if (!started || writing !== undefined || waiting.size === 0) return
    const wait = Math.max(0, lastWrite + GATHER_MS - performance.now())
    writing = setTimeout(() => {
      writing = undefined
      void inTurn('write', write).then(writeSoon)
    }, wait).unref()
  }

  const tell = ({ entry }: Entry): void => {
    const parsed = entrySchema.safeParse(entry)
    if (!parsed.success || parsed.data.by === me) return
    for (const each of parsed.data.changes) {
      const change = changeSchema.safeParse(each)
      if (change.success) feed.publish(change.data)
    }
  }

  const read = async (): Promise<void> => {
    if (next === undefined) {
      const [last] = await store.last(STREAM, 1)
      next = last === undefined ? 0 : last.seq + 1
      // The store was away at the start: what was told meanwhile is not known.
      if (late) feed.lose()
      return
    }
    for (;;) {
      const entries: Entry[] = await store.read(STREAM, next, PAGE)
      const [first] = entries
      if (first === undefined) return
      if (first.seq > next) feed.lose()
      for (const entry of entries) tell(entry)
      next = (entries.at(-1)?.seq ?? next) + 1
    }
  }

  const forget = async (): Promise<void> => {
    const now = performance.now()
    const newest = ends.at(-1)
    if (next !== undefined && (newest === undefined || now - newest.at >= keepMs / 10))
      ends.push({ at: now, seq: next })
    const old = ends.findLast(({ at }) => now - at >= keepMs)
    if (old === undefined) return
    await store.trim(STREAM, old.seq)
    ends.splice(0, ends.indexOf(old) + 1)
  }

  const poll = async (): Promise<void> => {
    try {
      await read()
    } catch (error) {
      late = next === undefined
      throw error
    }
    await forget()
  }
  const pollAgain = (): void => {
    if (!started) return
    polling = setTimeout(() => void inTurn('read', poll).then(pollAgain), pollMs).unref()
  }

  return {
    publish(change) {
      const key = keyOf(change)
      waiting.delete(key)
      waiting.set(key, change)
      writeSoon()
    },
    start() {
      if (started) return
      started = true
      void inTurn('read', poll).then(pollAgain)
      writeSoon()
    },
    async stop() {
      if (!started) return
      started = false
      clearTimeout(polling)
      clearTimeout(writing)
      await inTurn('write', write)
    },
  }
}
