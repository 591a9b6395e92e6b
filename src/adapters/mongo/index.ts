import { setTimeout as sleep } from 'node:timers/promises'
import type { Filter } from 'mongodb'
import { Fault } from '../../lib/fault.ts'
import { checkCollection, checkField, checkId, checkNumber, documentText } from '../../lib/store-arguments.ts'
import type { Json, Row, Store } from '../../ports/store.ts'
import { confirm } from './confirm.ts'
import {
  bulkTimings,
  type Connection,
  connect,
  type DocumentRow,
  newToken,
  parseText,
  type Timings,
} from './connect.ts'
import { isDuplicate, tooLarge } from './faults.ts'
import { fieldsOf, whereFilter } from './fields.ts'
import { idOf, keyOf, prefixFilter } from './ids.ts'
import { refuseUnfinishedCopy } from './load.ts'
import { type Index, makeIndexes, migrate } from './schema.ts'
import { createStreams, maxText } from './streams.ts'

export { MongoConfig } from './config.ts'
export type { Timings } from './connect.ts'
export type { Index } from './schema.ts'

export interface MongoOptions {
  /** The connection string; it is told to nobody. */
  uri: string
  /** Of Rollcall alone. */
  database: string
  /** Fields that `find` is asked for often. */
  indexes: Index[]
  timings?: Timings
  /**
   * Milliseconds for which a server that is away is tried again at the start; 0 when left out, for commands that end soon. A wrong
   * password, an unusable address or a database of a newer Rollcall is told at once.
   */
  waitMs?: number
  /** Told why, each time before it is tried again; without address and password. */
  waiting?: (why: Fault) => void
}

/** Milliseconds between two tries at the start. */
const startPauseMs = 1000

/** How many writes of a document are remembered by their tokens. */
const remembered = 8

/**
 * The Store on MongoDB, which several processes may share. It needs no sessions and no transactions: every write changes one
 * document. Every call resolves once a majority has it in its journals. A document is kept as its JSON text, which BSON could not
 * carry without a change, beside those of its fields that `find` may ask for.
 * Besides Fault `store.unavailable` it throws `store.not-json`, `store.bad-argument` (defects of the caller) and, on opening,
 * `store.newer-schema` and `store.copy-unfinished`. A wrong password is `store.unavailable` without `retry`.
 */
export async function createMongoStore(options: MongoOptions): Promise<Store> {
  for (const { collection, field } of options.indexes) {
    checkCollection(collection)
    checkField(field)
  }
  const connection = await patiently(options)
  const { db, call, close } = connection
  const rows = (collection: string) => db.collection<DocumentRow>(checkCollection(collection))
  const rowOf = ({ _id, version, text }: Pick<DocumentRow, '_id' | 'version' | 'text'>): Row => ({
    id: idOf(_id),
    version,
    document: parseText(text),
  })

  return {
    get: async (collection, id) => {
      const from = rows(collection)
      if (!id.isWellFormed()) return undefined
      return call(async () => {
        const row = await from.findOne({ _id: keyOf(id) })
        return row === null ? undefined : rowOf(row)
      })
    },

    insert: async (collection, id, document) => {
      const { text, f } = encode(document)
      const into = rows(collection)
      const token = newToken()
      const row = { _id: keyOf(checkId(id)), version: 1, text, f, tokens: [token] }
      return call(async () => {
        try {
          await into.insertOne({ ...row })
          return true
        } catch (error) {
          if (!isDuplicate(error)) throw error
          // It may be our own, from a call whose answer was lost.
          return confirm(async (options) => (await into.findOne({ _id: row._id, tokens: token }, options)) !== null)
        }
      })
    },

    put: async (collection, id, document, version) => {
      const { text, f } = encode(document)
      const into = rows(collection)
      if (!id.isWellFormed()) return undefined
      const _id = keyOf(id)
      const token = newToken()
      return call(async (again) => {
        const change = {
          $set: { version: version + 1, text, f },
          $push: { tokens: { $each: [token], $slice: -remembered } },
        }
        const { matchedCount } = await into.updateOne({ _id, version }, change)
        if (matchedCount === 1) return version + 1
        if (!again) return undefined
        const mine = await confirm(async (options) => (await into.findOne({ _id, tokens: token }, options)) !== null)
        return mine ? version + 1 : undefined
      })
    },

    find: async (collection, query = {}) => {
      const from = rows(collection)
      const filter: Filter<DocumentRow> = whereFilter(query.where ?? {})
      const range = prefixFilter(query.prefix === undefined || query.prefix === '' ? '' : checkId(query.prefix))
      if (range !== undefined) filter._id = range
      const limit = query.limit === undefined ? undefined : checkNumber(query.limit, 'limit')
      if (limit === 0) return []
      return call(async () => {
        const sort = { _id: query.descending ? -1 : 1 } as const
        // A limit of 0 is none.
        const found = from.find(filter, { sort, limit: limit ?? 0, projection: { version: 1, text: 1 } })
        return (await found.toArray()).map(rowOf)
      })
    },

    ...createStreams(connection),
    close,
  }
}

async function patiently(options: MongoOptions): Promise<Connection> {
  const until = performance.now() + (options.waitMs ?? 0)
  for (;;) {
    try {
      await prepare(options)
      return await connect(options.uri, options.database, options.timings)
    } catch (error) {
      const left = until - performance.now()
      if (!(error instanceof Fault) || error.code !== 'store.unavailable' || !error.retry || left <= 0) throw error
      options.waiting?.(error)
      await sleep(Math.min(startPauseMs, left))
    }
  }
}

/** Schema and indexes, on a connection of their own: an index on many rows takes longer than any other call may. */
async function prepare({ uri, database, indexes, timings }: MongoOptions): Promise<void> {
  const connection = await connect(uri, database, bulkTimings(timings))
  try {
    await refuseUnfinishedCopy(connection)
    await migrate(connection, timings)
    await makeIndexes(connection, indexes)
  } finally {
    await connection.close()
  }
}

function encode(document: Json): Pick<DocumentRow, 'text' | 'f'> {
  const text = documentText(document)
  // The fields are those of the text: toJSON and undefined have had their say.
  const f = fieldsOf(parseText(text))
  let bytes = Buffer.byteLength(text)
  for (const [name, value] of f) bytes += name.length + (typeof value === 'string' ? Buffer.byteLength(value) : 96) + 16
  if (bytes > maxText) throw tooLarge()
  return { text, f }
}
