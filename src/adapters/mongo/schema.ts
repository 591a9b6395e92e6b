import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from 'mongodb'
import { Fault } from '../../lib/fault.ts'
import { type Connection, own } from './connect.ts'
import { isDuplicate } from './faults.ts'
import { pathOf } from './fields.ts'

/** Forward migrations: the one at index n brings version n to n + 1. Each may run twice. Never edit one that was released. */
export type Migration = (db: Db) => Promise<unknown>

export const migrations: Migration[] = [
  (db) => db.collection(own.entries).createIndex({ stream: 1, seq: 1 }, { unique: true }),
]

/** A field of the documents of one collection that `find` looks up by. */
export interface Index {
  collection: string
  field: string
}

/** What is kept about the database itself, as `_id: schema` of `_rollcall`. */
interface Schema {
  _id: string
  version: number
  /** Who migrates now; empty when nobody does. */
  owner: string
  /** Grows with each sign of life of the owner. */
  beat: number
}

const leaseDefault = 10_000

/**
 * Brings the schema up to date. When several start at once one of them migrates and the others wait for it; when its signs of
 * life stop for `leaseMs` by the clock of the one who waits, that one goes on with the migration. Throws Fault `store.newer-schema`.
 */
export async function migrate(
  { db, database, call }: Pick<Connection, 'db' | 'database' | 'call'>,
  { list = migrations, leaseMs = leaseDefault }: { list?: Migration[]; leaseMs?: number } = {},
): Promise<void> {
  const about = db.collection<Schema>(own.about)
  const me = randomBytes(9).toString('base64url')
  const read = () => call(() => about.findOne({ _id: 'schema' }))
  const create = () =>
    call(async () => {
      try {
        await about.insertOne({ _id: 'schema', version: 0, owner: '', beat: 0 })
      } catch (error) {
        if (!isDuplicate(error)) throw error
      }
    })

  let seen = { owner: '', beat: -1, at: 0 }
  for (;;) {
    const found = await read()
    if (found === null) {
      await create()
      continue
    }
    if (found.version > list.length) {
      throw new Fault('store.newer-schema', {
        say: `The database ${database} was written by a newer Rollcall (schema ${found.version}, this one knows ${list.length}).`,
        next: 'start the newer Rollcall again, or name another database',
      })
    }
    if (found.version === list.length) return
    const alive = found.owner !== '' && found.owner !== me
    if (alive && (seen.owner !== found.owner || seen.beat !== found.beat)) {
      seen = { owner: found.owner, beat: found.beat, at: performance.now() }
    }
    if (alive && performance.now() - seen.at < leaseMs) {
      await sleep(Math.min(leaseMs / 10, 200))
      continue
    }
    const { version, beat } = found
    const mine = await call(() =>
      about.updateOne({ _id: 'schema', version, beat }, { $set: { owner: me }, $inc: { beat: 1 } }),
    )
    if (mine.matchedCount === 1) await runOne(list[version]!, version)
  }

  async function runOne(migration: Migration, version: number): Promise<void> {
    const beating = setInterval(() => {
      // A beat that is lost is no matter: the migration may run twice.
      about.updateOne({ _id: 'schema', owner: me }, { $inc: { beat: 1 } }).catch(() => {})
    }, leaseMs / 4)
    try {
      await call(() => migration(db))
    } finally {
      clearInterval(beating)
    }
    await call(() =>
      about.updateOne(
        { _id: 'schema', version, owner: me },
        { $set: { version: version + 1, owner: '' }, $inc: { beat: 1 } },
      ),
    )
  }
}

/**
 * Indexes that the specification asks for: of its Deployments by time (our releases), of its Reports by time and by state (those
 * that are being written, those that failed). Its unique deployment of a report is the key here, `<deployment>/<version>`.
 */
const specified = [
  { collection: 'releases', key: { [pathOf('createdAt')]: -1 as const } },
  { collection: 'reports', key: { [pathOf('createdTime')]: -1 as const } },
  { collection: 'reports', key: { [pathOf('status')]: 1 as const, [pathOf('updatedTime')]: -1 as const } },
]

/** Makes the indexes that are missing. MongoDB answers with success when the same one is there, so several may do so at once. */
export async function makeIndexes({ db, call }: Connection, indexes: Index[]): Promise<void> {
  const wanted = indexes.map(({ collection, field }) => ({
    collection,
    key: { [pathOf(field)]: 1 as const, _id: 1 as const },
  }))
  for (const { collection, key } of [...wanted, ...specified]) {
    await call(() => db.collection(collection).createIndex(key))
  }
}
