import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Fault } from '../../lib/fault.ts'
import { storeFault } from './faults.ts'
import { openDatabase } from './schema.ts'

/** Reads a data folder in bulk, below the Store port. The texts are the documents' JSON as it was written. */
export interface Dump {
  /** Made with the file, and kept by it wherever it goes. */
  id: string
  collections(): { name: string; rows: number }[]
  /** In the order of ids, after the one given. */
  rows(collection: string, after: string | undefined, limit: number): { id: string; version: number; text: string }[]
  streams(): { name: string; entries: number; first: number; last: number }[]
  stream(stream: string, after: number, limit: number): { seq: number; text: string }[]
  close(): void
}

/** The file of a data folder that is there already. Throws Fault `store.unavailable`. */
export function dumpFile(folder: string): string {
  const file = resolve(folder, 'rollcall.db')
  if (existsSync(file)) return file
  throw new Fault('store.unavailable', {
    say: `There is no ${file}.`,
    next: 'name the data folder of the Rollcall that is to be copied, with --from',
  })
}

/** The folder's lock must be held: what is written meanwhile may be in the dump or not. Throws Fault `store.unavailable`, `store.newer-schema`. */
export async function openDump(folder: string): Promise<Dump> {
  const file = dumpFile(folder)
  try {
    const db = await openDatabase(file, { indexes: [], busyMs: 5_000 })
    const rows = db.prepare(
      'SELECT id, version, document FROM documents WHERE collection = ? AND id > ? ORDER BY id LIMIT ?',
    )
    const entries = db.prepare('SELECT seq, entry FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?')
    const guard = <T>(work: () => T): T => {
      try {
        return work()
      } catch (error) {
        throw storeFault(error, file)
      }
    }
    return {
      id: String(db.prepare('SELECT id FROM identity').get()?.id),
      collections: () =>
        guard(() =>
          db
            .prepare('SELECT collection, count(*) AS rows FROM documents GROUP BY collection ORDER BY collection')
            .all()
            .map((row) => ({ name: String(row.collection), rows: Number(row.rows) })),
        ),
      // No id is empty.
      rows: (collection, after = '', limit) =>
        guard(() =>
          rows
            .all(collection, after, limit)
            .map((row) => ({ id: String(row.id), version: Number(row.version), text: String(row.document) })),
        ),
      streams: () =>
        guard(() =>
          db
            .prepare(
              'SELECT stream, count(*) AS entries, min(seq) AS first, max(seq) AS last FROM entries GROUP BY stream ORDER BY stream',
            )
            .all()
            .map((row) => ({
              name: String(row.stream),
              entries: Number(row.entries),
              first: Number(row.first),
              last: Number(row.last),
            })),
        ),
      stream: (stream, after, limit) =>
        guard(() =>
          entries.all(stream, after, limit).map((row) => ({ seq: Number(row.seq), text: String(row.entry) })),
        ),
      close: () => db.close(),
    }
  } catch (error) {
    throw storeFault(error, file)
  }
}
