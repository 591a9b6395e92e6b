import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Db, MongoClient } from 'mongodb'
import type { Json } from '../../ports/store.ts'
import { closedFault, damaged, isPassing, mongoFault, unusableAddress } from './faults.ts'
import type { Comparable } from './fields.ts'

/** Milliseconds. */
export interface Timings {
  /** How long a call waits for a server that can take it. Default 5,000. */
  selectMs?: number
  /** How long a connection may be made, and an answer may take. Default 5,000. */
  answerMs?: number
  /** From when on a call that lost its connection is not made again. Default 10,000. */
  callMs?: number
  /** How long an answer may take while schema and indexes are made, or rows are copied. Default 60,000. */
  bulkMs?: number
  /** How long the schema's lease lives without a beat of the one who migrates. Default 10,000. */
  leaseMs?: number
}

export interface DocumentRow {
  _id: string
  version: number
  text: string
  f: Map<string, Comparable> | Record<string, Comparable>
  /** Of the last writes, newest last: who wrote what, should an answer get lost. */
  tokens: string[]
}

/** The newest entry of a stream; the older ones lie in `_entries`. */
export interface Head {
  _id: string
  seq: number
  text: string
  token: string
  /** Entries below it are forgotten. */
  trimmed: number
}

export interface EntryRow {
  stream: string
  seq: number
  text: string
  token: string
}

/** Names that no collection of Rollcall can have. */
export const own = { about: '_rollcall', heads: '_heads', entries: '_entries' }

export interface Connection {
  db: Db
  database: string
  /** From when on a call is not made again. */
  callMs: number
  /** Runs one call: made again while the error passes and there is time (`again` is true then), with every error as a Fault. */
  call<T>(work: (again: boolean) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * Connects, and says at once when it cannot. Writes are acknowledged by a majority, from its journals, and reads go to the
 * primary, so that each call sees what resolved before it. Writes are made again by the driver where the server has sessions, and
 * by `call` everywhere: each write carries a token by which its own trace is known,
 * and counts once a majority has that trace.
 */
export async function connect(uri: string, database: string, timings: Timings = {}): Promise<Connection> {
  const { selectMs = 5_000, answerMs = 5_000, callMs = 10_000 } = timings
  let client: MongoClient
  try {
    client = new MongoClient(uri, {
      appName: 'rollcall',
      // Below the time-out of the socket: the server says what it lacks, and the connection is not cut.
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: Math.max(1, Math.floor(answerMs * 0.8)) },
      readPreference: 'primary',
      // A call that fails is made again here, once for all.
      retryReads: false,
      serverSelectionTimeoutMS: selectMs,
      waitQueueTimeoutMS: selectMs,
      connectTimeoutMS: answerMs,
      socketTimeoutMS: answerMs,
    })
  } catch {
    throw unusableAddress(database)
  }
  let closed = false
  const running = new Set<Promise<unknown>>()

  const attempt = async <T>(work: (again: boolean) => Promise<T>): Promise<T> => {
    const until = performance.now() + callMs
    for (let tries = 0; ; tries++) {
      try {
        return await work(tries > 0)
      } catch (error) {
        if (!isPassing(error) || performance.now() > until) throw mongoFault(error, database)
        await sleep(Math.min(20 * 2 ** tries, 500))
      }
    }
  }
  const call = async <T>(work: (again: boolean) => Promise<T>): Promise<T> => {
    if (closed) throw closedFault(database)
    const one = attempt(work)
    running.add(one)
    try {
      return await one
    } finally {
      running.delete(one)
    }
  }
  const close = async () => {
    if (closed) return
    closed = true
    await Promise.allSettled(running)
    await client.close()
  }

  try {
    await attempt(() => client.connect())
  } catch (error) {
    await close()
    throw error
  }
  return { db: client.db(database), database, callMs, call, close }
}

/** For calls that may take long. */
export function bulkTimings(timings: Timings = {}): Timings {
  const { bulkMs = 60_000 } = timings
  return { ...timings, answerMs: bulkMs, callMs: Math.max(bulkMs, timings.callMs ?? 0) }
}

export function newToken(): string {
  return randomBytes(9).toString('base64url')
}

/** A stored text as its document. Throws Fault `store.unavailable` when somebody else has changed it. */
export function parseText(text: unknown): Json {
  if (typeof text === 'string') {
    try {
      return JSON.parse(text)
    } catch {
      // Without the cause: its message quotes the document.
    }
  }
  throw damaged()
}
