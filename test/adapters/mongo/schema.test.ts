import { type Db, MongoClient, MongoServerError } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Connection, connect } from '../../../src/adapters/mongo/connect.ts'
import { mongoFault } from '../../../src/adapters/mongo/faults.ts'
import { createMongoStore } from '../../../src/adapters/mongo/index.ts'
import { type Migration, migrate, migrations } from '../../../src/adapters/mongo/schema.ts'
import { type MongoServer, mongoServer } from '../../servers/mongo.ts'

let server: MongoServer
let client: MongoClient
let database: string
let db: Db
beforeAll(async () => {
  server = await mongoServer()
  client = new MongoClient(server.uri)
})
beforeEach(() => {
  database = server.database()
  db = client.db(database)
})
afterAll(async () => {
  await client?.close()
  await server?.stop()
})

interface About {
  _id: string
  version: number
  owner: string
  beat: number
}
const about = () => db.collection<About>('_rollcall')
const version = async () => (await about().findOne({ _id: 'schema' }))?.version

/** Connections of as many processes. */
async function several<T>(count: number, work: (connection: Connection, n: number) => Promise<T>): Promise<T[]> {
  const all = await Promise.all(Array.from({ length: count }, () => connect(server.uri, database)))
  try {
    return await Promise.all(all.map(work))
  } finally {
    for (const { close } of all) await close()
  }
}

describe('the schema of the MongoDB store', () => {
  it('is told by the database, and one of a newer program is refused', async () => {
    const store = await createMongoStore({ uri: server.uri, database, indexes: [] })
    await store.close()
    expect(await version()).toBe(migrations.length)
    await about().updateOne({ _id: 'schema' }, { $set: { version: 99 } })
    await expect(createMongoStore({ uri: server.uri, database, indexes: [] })).rejects.toMatchObject({
      code: 'store.newer-schema',
      retry: false,
    })
  })

  it('is brought up from version 1 with the documents that it has', async () => {
    // As the first version left it.
    await about().insertOne({ _id: 'schema', version: 1, owner: '', beat: 2 })
    await db.collection('_entries').createIndex({ stream: 1, seq: 1 }, { unique: true })
    await db
      .collection<{ _id: string }>('things')
      .insertOne({ _id: 'a', version: 3, text: '{"n":1}', f: { n: 1 }, tokens: [] } as never)
    const second: Migration = (each) => each.collection('things').updateMany({}, { $set: { marked: true } })
    await several(1, (connection) => migrate(connection, { list: [...migrations.slice(0, 1), second] }))
    expect(await version()).toBe(2)
    expect(await db.collection('things').findOne({})).toMatchObject({ version: 3, marked: true })
  })

  it('is made once by ten that start at once, and all of them find it made', async () => {
    const runs: number[] = []
    const slow =
      (n: number): Migration =>
      async (each) => {
        runs.push(n)
        await each
          .collection<{ _id: string; n: number }>('log')
          .updateOne({ _id: 'log' }, { $inc: { n: 1 } }, { upsert: true })
      }
    const list = [slow(0), slow(1), slow(2)]
    const seen = await several(10, async (connection) => {
      await migrate(connection, { list })
      return version()
    })
    expect(runs).toEqual([0, 1, 2])
    expect(seen).toEqual(Array(10).fill(3))
  })

  it('is finished by another when the one who migrated it was killed in the middle', async () => {
    await about().insertOne({ _id: 'schema', version: 1, owner: 'killed', beat: 7 })
    let runs = 0
    const second: Migration = async () => {
      runs++
    }
    const begin = performance.now()
    await several(2, (connection) => migrate(connection, { list: [migrations[0] as Migration, second], leaseMs: 600 }))
    expect(performance.now() - begin).toBeGreaterThan(550)
    expect(runs).toBe(1)
    expect(await version()).toBe(2)
  })

  it('is left to the one who migrates it for longer than the lease, as long as it lives', async () => {
    let runs = 0
    const long: Migration = async () => {
      runs++
      await new Promise((resolve) => setTimeout(resolve, 1_500))
    }
    await several(2, (connection) => migrate(connection, { list: [long], leaseMs: 500 }))
    expect(runs).toBe(1)
  })

  it('stays where it was when a migration fails, and goes on at the next start', async () => {
    let broken = true
    const second: Migration = async () => {
      if (broken) throw new MongoServerError({ message: 'no', code: 13 })
    }
    const list = [migrations[0] as Migration, second]
    await expect(several(1, (connection) => migrate(connection, { list, leaseMs: 300 }))).rejects.toMatchObject({
      code: 'store.unavailable',
    })
    expect(await version()).toBe(1)
    broken = false
    await several(1, (connection) => migrate(connection, { list, leaseMs: 300 }))
    expect(await version()).toBe(2)
  })

  it('has its indexes made by five bots that start at once', async () => {
    const indexes = ['a', 'b', 'c'].map((field) => ({ collection: 'things', field }))
    const stores = await Promise.all(
      Array.from({ length: 5 }, () => createMongoStore({ uri: server.uri, database, indexes })),
    )
    expect(await db.collection('things').indexes()).toHaveLength(4)
    for (const store of stores) await store.close()
  })
})

describe('what MongoDB refuses', () => {
  it.each([
    [18, { code: 'store.unavailable', retry: false }, 'user and password'],
    [13, { code: 'store.unavailable', retry: false }, 'readWrite'],
    [14_031, { code: 'store.unavailable', retry: true }, 'no room'],
    [85, { code: 'store.unavailable', retry: false }, 'drop that index'],
    [10_334, { code: 'store.not-json', retry: false }, 'too large'],
    [10_107, { code: 'store.unavailable', retry: true }, 'does not answer'],
    [9, { code: 'store.unavailable', retry: true }, 'code 9'],
  ])('with code %i is told in words of ours', (code, fault, words) => {
    const secret = 'hunter2-secret'
    const told = mongoFault(new MongoServerError({ message: `no ${secret}`, code }), 'rollcall')
    expect(told).toMatchObject(fault)
    expect(told.line).toContain(words)
    expect(`${told} ${JSON.stringify(told)} ${told.cause}`).not.toContain(secret)
  })
})
