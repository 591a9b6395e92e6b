import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../lib/fault.ts'
import { isBusy } from './faults.ts'

/** Forward migrations: the one at index n brings version n to n + 1. Never edit one that was released. */
export const migrations: string[] = [
  `CREATE TABLE documents (
     collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
     PRIMARY KEY (collection, id));
   CREATE TABLE entries (
     stream TEXT NOT NULL, seq INTEGER NOT NULL, entry TEXT NOT NULL,
     PRIMARY KEY (stream, seq));`,
  // By it a copy that was interrupted knows its source again.
  `CREATE TABLE identity (id TEXT NOT NULL);
   INSERT INTO identity VALUES (lower(hex(randomblob(16))));`,
]

export const schemaVersion = migrations.length

/** A field of the documents of one collection that `find` looks up by. */
export interface Index {
  collection: string
  field: string
}

/** The expression that `find` and the index must share word for word, or SQLite does not use the index. */
export function fieldExpression(field: string): string {
  return `json_extract(document, '$.${field}')`
}

/** All that are missing, or none: they share one transaction. */
export function migrate(db: DatabaseSync, file: string, list: readonly string[] = migrations): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    db.exec('CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)')
    const row = db.prepare('SELECT version FROM schema').get()
    const found = row === undefined ? 0 : Number(row.version)
    if (found > list.length) {
      throw new Fault('store.newer-schema', {
        say: `${file} was written by a newer Rollcall (schema ${found}, this one knows ${list.length}).`,
        next: 'start the newer Rollcall again, or name another folder',
      })
    }
    for (const migration of list.slice(found)) db.exec(migration)
    if (row === undefined) db.prepare('INSERT INTO schema (version) VALUES (?)').run(list.length)
    else if (found < list.length) db.prepare('UPDATE schema SET version = ?').run(list.length)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

export interface OpenOptions {
  indexes: Index[]
  maxBytes?: number
  busyMs: number
}

function prepareFile(file: string, { indexes, maxBytes, busyMs }: OpenOptions): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: busyMs })
  try {
    db.exec('PRAGMA journal_mode = WAL')
    // In WAL mode FULL syncs the log at each commit; NORMAL would lose the last commits when the machine stops.
    db.exec('PRAGMA synchronous = FULL')
    db.exec('PRAGMA journal_size_limit = 67108864')
    migrate(db, file)
    for (const { collection, field } of indexes) {
      db.exec(
        `CREATE INDEX IF NOT EXISTS "by ${collection} ${field}" ON documents (${fieldExpression(field)}, id) WHERE collection = '${collection}'`,
      )
    }
    if (maxBytes !== undefined) {
      const pageSize = Number(db.prepare('PRAGMA page_size').get()?.page_size)
      db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`)
    }
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Opens the file, creating it when it is missing, and brings its schema up to date.
 * Two processes that open a new file at once wait for each other: SQLite does not do so for the change to WAL.
 */
export async function openDatabase(file: string, options: OpenOptions): Promise<DatabaseSync> {
  const limit = performance.now() + options.busyMs
  for (;;) {
    try {
      return prepareFile(file, options)
    } catch (error) {
      if (!isBusy(error) || performance.now() > limit) throw error
      await sleep(20)
    }
  }
}
