import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { Fault } from '../../lib/fault.ts'
import { checkCollection, checkField, checkId, checkNumber, documentText } from '../../lib/store-arguments.ts'
import type { Entry, Json, Query, Row, Store } from '../../ports/store.ts'
import { closedFault, storeFault } from './faults.ts'
import { findStatement } from './query.ts'
import { type Index, openDatabase } from './schema.ts'
import { createWrites } from './writes.ts'

export { SqliteConfig } from './config.ts'
export { type FolderLock, lockFolder } from './lock.ts'
export type { Index } from './schema.ts'

export interface SqliteOptions {
  /** Holds `rollcall.db` and its log; created with mode 0700 when it is missing. */
  folder: string
  /** Fields that `find` is asked for often; each costs a little at every write to that collection. */
  indexes?: Index[]
  /** Bytes that the database may grow to, its log apart; beyond it writes fail and reads go on. No limit by default. */
  maxBytes?: number
  /** Milliseconds that a commit waits for one of another process; the event loop waits with it. Default 5,000. */
  busyMs?: number
}

/**
 * The Store on an embedded SQLite file. Every call resolves after its commit is on disk; calls of one turn of the event
 * loop share one commit. Besides Fault `store.unavailable` it throws `store.not-json`, `store.bad-argument` (defects of the
 * caller) and, on opening, `store.newer-schema`. It does not lock the folder: see `lockFolder`.
 */
export async function createSqliteStore(options: SqliteOptions): Promise<Store> {
  const folder = resolve(options.folder)
  const file = resolve(folder, 'rollcall.db')
  const indexes = options.indexes ?? []
  for (const { collection, field } of indexes) {
    checkCollection(collection)
    checkField(field)
  }
  const db = await opening(file, async () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return openDatabase(file, { indexes, maxBytes: options.maxBytes, busyMs: options.busyMs ?? 5_000 })
  })
  const writes = createWrites(db)

  const selectOne = db.prepare('SELECT version, document FROM documents WHERE collection = ? AND id = ?')
  const insertOne = db.prepare(
    'INSERT INTO documents (collection, id, version, document) VALUES (?, ?, 1, ?) ON CONFLICT DO NOTHING',
  )
  const updateOne = db.prepare(
    'UPDATE documents SET document = ?, version = version + 1 WHERE collection = ? AND id = ? AND version = ?',
  )
  const appendNext = db.prepare(
    `INSERT INTO entries (stream, seq, entry)
     SELECT ?1, coalesce(max(seq) + 1, 0), ?2 FROM entries WHERE stream = ?1 RETURNING seq`,
  )
  const appendAt = db.prepare(
    `INSERT INTO entries (stream, seq, entry)
     SELECT ?1, ?3, ?2 WHERE ?3 >= 0 AND ?3 > (SELECT coalesce(max(seq), -1) FROM entries WHERE stream = ?1)`,
  )
  const selectEntries = db.prepare('SELECT seq, entry FROM entries WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT ?')
  const selectLast = db.prepare(
    'SELECT seq, entry FROM (SELECT seq, entry FROM entries WHERE stream = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq',
  )
  const forget = db.prepare(
    'DELETE FROM entries WHERE stream = ?1 AND seq < ?2 AND seq < (SELECT max(seq) FROM entries WHERE stream = ?1)',
  )
  const finds = new Map<string, StatementSync>()
  let closed = false

  /** Runs one call with every error as a Fault. */
  const call = async <T>(work: () => T | Promise<T>): Promise<T> => {
    if (closed) throw closedFault(file)
    try {
      return await work()
    } catch (error) {
      throw storeFault(error, file)
    }
  }

  const decode = (text: unknown): Json => {
    try {
      return JSON.parse(String(text))
    } catch {
      // Without the cause: its message quotes the document.
      throw new Fault('store.unavailable', {
        say: `${file} holds a document that cannot be read.`,
        next: `stop Rollcall, put a backup of ${file} in its place`,
      })
    }
  }

  return {
    get: (collection, id) =>
      call((): Row | undefined => {
        const row = selectOne.get(checkCollection(collection), id)
        return row && { id, version: Number(row.version), document: decode(row.document) }
      }),

    insert: (collection, id, document) =>
      call(() => {
        const values = [checkCollection(collection), checkId(id), documentText(document)] as const
        return writes.add(() => insertOne.run(...values).changes === 1, values[2].length)
      }),

    put: (collection, id, document, version) =>
      call(() => {
        const values = [documentText(document), checkCollection(collection), id, version] as const
        return writes.add(() => (updateOne.run(...values).changes === 1 ? version + 1 : undefined), values[0].length)
      }),

    find: (collection, query: Query = {}) =>
      call(() => {
        const { sql, values } = findStatement(collection, query)
        const statement = finds.get(sql) ?? db.prepare(sql)
        finds.set(sql, statement)
        return statement
          .all(...values)
          .map((row): Row => ({ id: String(row.id), version: Number(row.version), document: decode(row.document) }))
      }),

    append: (stream, entry, at) =>
      call(() => {
        checkId(stream)
        const text = documentText(entry)
        if (at === undefined) return writes.add(() => Number(appendNext.get(stream, text)?.seq), text.length)
        checkNumber(at, 'sequence number')
        return writes.add(() => (appendAt.run(stream, text, at).changes === 1 ? at : undefined), text.length)
      }),

    read: (stream, from = 0, limit) =>
      call(() => {
        const count = limit === undefined ? -1 : checkNumber(limit, 'limit')
        return selectEntries
          .all(stream, checkNumber(from, 'sequence number'), count)
          .map((row): Entry => ({ seq: Number(row.seq), entry: decode(row.entry) }))
      }),

    last: (stream, limit) =>
      call(() =>
        selectLast
          .all(stream, checkNumber(limit, 'limit'))
          .map((row): Entry => ({ seq: Number(row.seq), entry: decode(row.entry) })),
      ),

    trim: (stream, before) =>
      call(() => {
        checkNumber(before, 'sequence number')
        return writes.add(() => void forget.run(stream, before), 0)
      }),

    close: async () => {
      if (closed) return
      closed = true
      writes.flush()
      db.close()
    },
  }
}

async function opening<T>(file: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    throw storeFault(error, file)
  }
}
