import type { AnyBulkWriteOperation } from 'mongodb'
import { Fault } from '../../lib/fault.ts'
import { checkCollection, checkId } from '../../lib/store-arguments.ts'
import {
  bulkTimings,
  type Connection,
  connect,
  type DocumentRow,
  type EntryRow,
  type Head,
  own,
  parseText,
  type Timings,
} from './connect.ts'
import { isDuplicate } from './faults.ts'
import { fieldsOf } from './fields.ts'
import { idOf, keyOf } from './ids.ts'
import { migrate } from './schema.ts'

/** As another store has it; the text is the document's JSON. */
export interface RawRow {
  id: string
  version: number
  text: string
}

export interface RawEntry {
  seq: number
  text: string
}

/** Writes and reads a database in bulk, below the Store port. */
export interface Load {
  /** True when a copy from this source was begun here before and did not end. Throws Fault `store.copy-not-empty`. */
  begin(source: string): Promise<boolean>
  documents(collection: string, rows: RawRow[]): Promise<void>
  /** Entries in order; with `last` the final one of them is the newest of the stream, and `first` says where the stream begins. */
  entries(stream: string, entries: RawEntry[], ends: { first: number; last: boolean }): Promise<void>
  /** From here on a bot may open the database. */
  finish(): Promise<void>

  collections(): Promise<string[]>
  /** In the order of ids, after the one given. */
  rows(collection: string, after: string | undefined, limit: number): Promise<RawRow[]>
  streams(): Promise<string[]>
  stream(stream: string, after: number, limit: number): Promise<RawEntry[]>
  close(): Promise<void>
}

/** What is kept of a copy, as `_id: copy` of `_rollcall`. */
interface Copy {
  _id: string
  source: string
  state: 'running' | 'done'
}

/** Throws Fault `store.copy-unfinished` when a copy into this database has begun and not ended. */
export async function refuseUnfinishedCopy({ db, database, call }: Connection): Promise<void> {
  const copy = await call(() => db.collection<Copy>(own.about).findOne({ _id: 'copy' }))
  if (copy?.state !== 'running') return
  throw new Fault('store.copy-unfinished', {
    say: `A copy into the database ${database} was begun and did not end.`,
    next: 'run "rollcall store copy" again, it goes on where it was',
  })
}

export async function openLoad(uri: string, database: string, timings: Timings = {}): Promise<Load> {
  const connection = await connect(uri, database, bulkTimings(timings))
  const { db, call, close } = connection
  const about = db.collection<Copy>(own.about)
  const heads = db.collection<Head>(own.heads)
  const entries = db.collection<EntryRow>(own.entries)
  const rowsOf = (collection: string) => db.collection<DocumentRow>(checkCollection(collection))

  const names = async () => (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name)
  const used = async (): Promise<string | undefined> => {
    for (const name of await names()) {
      if (name === own.about || name.startsWith('system.')) continue
      if ((await db.collection(name).findOne({}, { projection: { _id: 1 } })) !== null) return name
    }
    return undefined
  }

  const notEmpty = (copy: Copy | null, source: string): Fault => {
    const same = copy?.source === source ? ' from this folder' : ''
    const what = copy?.state === 'done' ? `holds a whole copy${same} already` : 'is not empty'
    return new Fault('store.copy-not-empty', {
      say: `The database ${database} ${what}.`,
      next: 'name another one with --database, or drop this one when nobody needs it',
    })
  }

  return {
    begin: async (source) => {
      const there = () => call(() => about.findOne({ _id: 'copy' }))
      const before = await there()
      if (before?.state === 'running' && before.source === source) return true
      if (before !== null || (await call(used)) !== undefined) throw notEmpty(before, source)
      await migrate(connection, timings)
      const fresh = await call(async () => {
        try {
          await about.insertOne({ _id: 'copy', source, state: 'running' })
          return true
        } catch (error) {
          if (!isDuplicate(error)) throw error
          return false
        }
      })
      if (fresh) return false
      // Our own, of an answer that was lost; or another copy that began at the same moment.
      const now = await there()
      if (now?.state !== 'running' || now.source !== source) throw notEmpty(now, source)
      return true
    },

    documents: async (collection, rows) => {
      const into = rowsOf(collection)
      await call(async () => {
        const keys = rows.map((row) => keyOf(checkId(row.id)))
        const there = await into.find({ _id: { $in: keys } }, { projection: { version: 1, text: 1 } }).toArray()
        const known = new Map(there.map((row) => [row._id, row]))
        const writes: AnyBulkWriteOperation<DocumentRow>[] = []
        for (const [place, { version, text }] of rows.entries()) {
          const _id = keys[place]!
          const old = known.get(_id)
          if (old?.version === version && old.text === text) continue
          const replacement = { version, text, f: fieldsOf(parseText(text)), tokens: [] }
          writes.push({ replaceOne: { filter: { _id }, replacement, upsert: true } })
        }
        if (writes.length > 0) await into.bulkWrite(writes, { ordered: false })
      })
    },

    entries: async (stream, all, { first, last }) => {
      const head = last ? all.at(-1) : undefined
      const older = head === undefined ? all : all.slice(0, -1)
      await call(async () => {
        if (older.length > 0) {
          const range = { $gte: older[0]!.seq, $lte: older.at(-1)!.seq }
          const there = await entries.find({ stream, seq: range }).toArray()
          const known = new Map(there.map((row) => [row.seq, row.text]))
          const wanted = older.filter(({ seq, text }) => known.get(seq) !== text)
          const writes = wanted.map(({ seq, text }) => ({
            updateOne: { filter: { stream, seq }, update: { $set: { text, token: '' } }, upsert: true },
          }))
          if (writes.length > 0) await entries.bulkWrite(writes, { ordered: false })
        }
        if (head !== undefined) {
          const { seq, text } = head
          await heads.updateOne({ _id: stream }, { $set: { seq, text, token: '', trimmed: first } }, { upsert: true })
        }
      })
    },

    finish: async () => {
      await call(() => about.updateOne({ _id: 'copy' }, { $set: { state: 'done' } }))
    },

    collections: async () => {
      const found = (await call(names)).filter((name) => !name.startsWith('_') && !name.startsWith('system.'))
      const filled = await call(() =>
        Promise.all(found.map((name) => db.collection(name).findOne({}, { projection: { _id: 1 } }))),
      )
      return found.filter((_, place) => filled[place] !== null)
    },

    rows: (collection, after, limit) =>
      call(async () => {
        const filter = after === undefined ? {} : { _id: { $gt: keyOf(after) } }
        const found = rowsOf(collection).find(filter, { sort: { _id: 1 }, limit, projection: { version: 1, text: 1 } })
        return (await found.toArray()).map(({ _id, version, text }) => ({ id: idOf(_id), version, text }))
      }),

    streams: () => call(async () => (await heads.find({}, { projection: { _id: 1 } }).toArray()).map(({ _id }) => _id)),

    stream: (stream, after, limit) =>
      call(async () => {
        const head = await heads.findOne({ _id: stream })
        if (head === null) return []
        const range = { $gt: after, $gte: head.trimmed, $lt: head.seq }
        const older = await entries.find({ stream, seq: range }, { sort: { seq: 1 }, limit }).toArray()
        const whole = older.length < limit && head.seq > after
        return [...older, ...(whole ? [head] : [])].map(({ seq, text }) => ({ seq, text }))
      }),

    close,
  }
}
