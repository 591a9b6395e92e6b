import { MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMongoStore, MongoConfig } from '../../../src/adapters/mongo/index.ts'
import type { Store } from '../../../src/ports/store.ts'
import { type MongoServer, mongoServer } from '../../servers/mongo.ts'
import { type MongoProxy, mongoProxy } from '../../servers/mongo-proxy.ts'

const secret = 'hunter2-secret'
/** The driver looks for a server that it has lost again after half a second: no wait may be shorter. */
const quick = { selectMs: 1_200, answerMs: 600, callMs: 3_000 }

let server: MongoServer
let client: MongoClient
beforeAll(async () => {
  server = await mongoServer()
  client = new MongoClient(server.uri)
})
afterAll(async () => {
  await client?.close()
  await server?.stop()
})

const thrown = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

describe('MongoDB', () => {
  it('is configured by the name of a variable, never by the address itself', () => {
    expect(MongoConfig.parse({ kind: 'mongo' })).toMatchObject({ uriEnv: 'MONGODB_URI', database: 'rollcall' })
    expect(MongoConfig.safeParse({ kind: 'mongo', uriEnv: 'mongodb://db/' }).success).toBe(false)
    expect(MongoConfig.safeParse({ kind: 'mongo', database: 'a.b' }).success).toBe(false)
  })

  describe('what is kept', () => {
    let database: string
    let store: Store
    beforeEach(async () => {
      database = server.database()
      store = await createMongoStore({
        uri: server.uri,
        database,
        indexes: [
          { collection: 'flows', field: 'owner' },
          { collection: 'reports', field: 'deploymentId' },
        ],
      })
    })
    afterEach(() => store.close())

    it('is the JSON text beside the fields that can be asked for, so that BSON changes nothing', async () => {
      const document = JSON.parse(
        '{"a.b":1,"$set":2,"__proto__":{"x":1},"":3,"big":12345678901234567890,"tiny":5e-324,"zero":-0,"n":1.0,"deep":{"$x.y":[null]}}',
      )
      await store.insert('things', 'a', document)
      const kept = (await store.get('things', 'a'))?.document
      expect(JSON.stringify(kept)).toBe(JSON.stringify(document))
      expect(await store.find('things', { where: { zero: 0, n: 1 } })).toHaveLength(1)
      const raw = await client.db(database).collection('things').findOne({})
      expect(raw).toMatchObject({ version: 1, text: JSON.stringify(document) })
      expect(Object.keys(raw?.f).toSorted()).toEqual(['big', 'n', 'tiny', 'zero'])
    })

    it('can be found by fields named like those of objects, and by long texts', async () => {
      const long = 'x'.repeat(3_000)
      await store.insert('things', 'a', JSON.parse(`{"__proto__":"p","constructor":1,"long":"${long}"}`))
      await store.insert('things', 'b', { long: `${long}y` })
      const where = Object.fromEntries([['__proto__', 'p']])
      expect(await store.find('things', { where })).toHaveLength(1)
      expect(await store.find('things', { where: { constructor: 1 } })).toHaveLength(1)
      expect(await store.find('things', { where: { long } })).toMatchObject([{ id: 'a' }])
      expect(await store.find('things', { where: { long: `${long}z` } })).toEqual([])
    })

    it('is refused when it is larger than a document of MongoDB, and neighbours are not', async () => {
      const text = 'x'.repeat(17 * 1024 * 1024)
      expect(await thrown(store.insert('things', 'big', { text }))).toMatchObject({ code: 'store.not-json' })
      expect(await thrown(store.append('s', { text }))).toMatchObject({ code: 'store.not-json' })
      expect(await store.insert('things', 'small', {})).toBe(true)
      expect(await store.find('things')).toHaveLength(1)
    })

    it('has the declared indexes, those of the specification, and one number once in each stream', async () => {
      const keys = async (name: string) =>
        (await client.db(database).collection(name).indexes()).map(({ key }) => JSON.stringify(key))
      expect(await keys('flows')).toContain('{"f.owner":1,"_id":1}')
      expect(await keys('reports')).toEqual(
        expect.arrayContaining([
          '{"f.deploymentId":1,"_id":1}',
          '{"f.createdTime":-1}',
          '{"f.status":1,"f.updatedTime":-1}',
        ]),
      )
      expect(await keys('releases')).toContain('{"f.createdAt":-1}')
      const entries = await client.db(database).collection('_entries').indexes()
      expect(entries).toContainEqual(expect.objectContaining({ key: { stream: 1, seq: 1 }, unique: true }))
    })

    it('stays forgotten when it was trimmed while somebody put the same entry among the older ones', async () => {
      for (let n = 0; n < 4; n++) await store.append('s', n)
      await store.trim('s', 3)
      // A process that had read the head before the trim is late.
      await client.db(database).collection('_entries').insertOne({ stream: 's', seq: 1, text: '1', token: 'late' })
      expect(await store.read('s')).toEqual([{ seq: 3, entry: 3 }])
      expect(await store.last('s', 5)).toEqual([{ seq: 3, entry: 3 }])
      expect(await store.append('s', 4)).toBe(4)
    })

    it('shows a reader no entry before all those below it, whoever appends', async () => {
      const other = await createMongoStore({ uri: server.uri, database, indexes: [] })
      let done = false
      const writing = Promise.all(
        [store, other].map(async (each, who) => {
          for (let n = 0; n < 60; n++) await each.append('s', `${who}-${n}`)
        }),
      ).finally(() => {
        done = true
      })
      const seen: string[] = []
      while (!done || seen.length < 120) {
        for (const { seq, entry } of await other.read('s', seen.length, 7)) {
          expect(seq).toBe(seen.length)
          seen.push(String(entry))
        }
      }
      await writing
      expect(new Set(seen).size).toBe(120)
      await other.close()
    })

    it('is told to be damaged when somebody changed it by hand, without its words', async () => {
      await store.insert('things', 'a', {})
      await client
        .db(database)
        .collection('things')
        .updateOne({}, { $set: { text: `{"token": ${secret}` } })
      const error = await thrown(store.get('things', 'a'))
      expect(error).toMatchObject({ code: 'store.unavailable', retry: false })
      expect(`${error} ${JSON.stringify(error)}`).not.toContain(secret)
    })
  })

  describe('a connection that breaks', () => {
    let proxy: MongoProxy
    let store: Store
    let database: string
    beforeEach(async () => {
      proxy = await mongoProxy(server.uri)
      database = server.database()
      store = await createMongoStore({ uri: proxy.uri, database, indexes: [], timings: quick })
    })
    afterEach(async () => {
      await store.close()
      await proxy.stop()
    })

    it.each([1, 2])('does not make an insert lie whose answer is lost %i times', async (times) => {
      proxy.loseAnswer('insert', times)
      expect(await store.insert('things', 'a', { by: 'me' })).toBe(true)
      proxy.loseAnswer('insert', times)
      expect(await store.insert('things', 'a', { by: 'other' })).toBe(false)
      expect(await store.get('things', 'a')).toMatchObject({ version: 1, document: { by: 'me' } })
    })

    it('knows its own insert when somebody has put over it meanwhile', async () => {
      const other = await createMongoStore({ uri: server.uri, database, indexes: [] })
      proxy.loseAnswer('insert', 1)
      proxy.afterNext('insert', async () => {
        expect(await other.put('things', 'a', { n: 2 }, 1)).toBe(2)
      })
      expect(await store.insert('things', 'a', { n: 1 })).toBe(true)
      expect(await store.get('things', 'a')).toMatchObject({ version: 2, document: { n: 2 } })
      await other.close()
    })

    it('does not make a put lie, neither the one that won nor the one that lost', async () => {
      await store.insert('things', 'a', { n: 1 })
      proxy.loseAnswer('update', 1)
      expect(await store.put('things', 'a', { n: 2 }, 1)).toBe(2)
      proxy.loseAnswer('update', 1)
      expect(await store.put('things', 'a', { n: 3 }, 1)).toBeUndefined()
      expect(await store.get('things', 'a')).toMatchObject({ version: 2, document: { n: 2 } })
    })

    it('knows its own put when others have put over it meanwhile', async () => {
      const other = await createMongoStore({ uri: server.uri, database, indexes: [] })
      await store.insert('things', 'a', { n: 1 })
      proxy.loseAnswer('update', 1)
      proxy.afterNext('update', async () => {
        for (const version of [2, 3, 4]) await other.put('things', 'a', { n: version + 1 }, version)
      })
      expect(await store.put('things', 'a', { n: 2 }, 1)).toBe(2)
      expect(await store.get('things', 'a')).toMatchObject({ version: 5, document: { n: 5 } })
      await other.close()
    })

    it.each(['insert', 'update'])('adds an entry once when the answer to its %s is lost', async (command) => {
      expect(await store.append('s', 'first')).toBe(0)
      proxy.loseAnswer(command, 1)
      expect(await store.append('s', 'second')).toBe(1)
      expect(await store.append('s', 'third')).toBe(2)
      proxy.loseAnswer(command, 1)
      expect(await store.append('s', 'far', 10)).toBe(10)
      proxy.loseAnswer(command, 1)
      expect(await store.append('t', 'new')).toBe(0)
      expect((await store.read('s')).map(({ seq, entry }) => [seq, entry])).toEqual([
        [0, 'first'],
        [1, 'second'],
        [2, 'third'],
        [10, 'far'],
      ])
      expect(await store.read('t')).toEqual([{ seq: 0, entry: 'new' }])
    })

    it('knows its own entry when others have appended after it meanwhile', async () => {
      const other = await createMongoStore({ uri: server.uri, database, indexes: [] })
      await store.append('s', 'first')
      proxy.loseAnswer('update', 1)
      proxy.afterNext('update', async () => {
        await other.append('s', 'theirs')
        await other.append('s', 'theirs again')
      })
      expect(await store.append('s', 'mine')).toBe(1)
      expect((await store.read('s')).map(({ entry }) => entry)).toEqual(['first', 'mine', 'theirs', 'theirs again'])
      await other.close()
    })

    it('says that it does not know when its entry may have been trimmed away meanwhile', async () => {
      const other = await createMongoStore({ uri: server.uri, database, indexes: [] })
      await store.append('s', 'first')
      proxy.loseAnswer('update', 1)
      proxy.afterNext('update', async () => {
        await other.append('s', 'theirs')
        await other.trim('s', 2)
      })
      expect(await thrown(store.append('s', 'mine'))).toMatchObject({ code: 'store.unavailable', retry: true })
      expect((await store.read('s')).map(({ entry }) => entry)).toEqual(['theirs'])
      await other.close()
    })

    it('is not noticed by calls that can be made again', async () => {
      await store.insert('things', 'a', { n: 1 })
      for (const command of ['find', 'delete']) {
        proxy.loseAnswer(command, 1)
        proxy.loseRequest(command, 1)
      }
      expect(await store.get('things', 'a')).toMatchObject({ version: 1 })
      expect(await store.find('things')).toHaveLength(1)
      await store.append('s', 1)
      await store.trim('s', 1)
      proxy.cut()
      expect(await store.put('things', 'a', { n: 2 }, 1)).toBe(2)
    })

    it('keeps every count right through cuts at random moments', async () => {
      const other = await createMongoStore({
        uri: proxy.uri,
        database,
        indexes: [],
        timings: { ...quick, callMs: 20_000 },
      })
      const mine = await createMongoStore({
        uri: proxy.uri,
        database,
        indexes: [],
        timings: { ...quick, callMs: 20_000 },
      })
      await mine.insert('things', 'n', { n: 0 })
      let over = false
      const cutting = (async () => {
        for (let n = 0; !over; n++) {
          const command = ['insert', 'update', 'find'][n % 3]!
          if (n % 2 === 0) proxy.loseAnswer(command, 1)
          else proxy.loseRequest(command, 1)
          const before = proxy.seen(command)
          while (!over && proxy.seen(command) < before + 4) await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      const increment = async (store: Store) => {
        for (;;) {
          const row = await store.get('things', 'n')
          if (row === undefined) throw new Error('the counter is gone')
          const { n } = row.document as { n: number }
          if ((await store.put('things', 'n', { n: n + 1 }, row.version)) !== undefined) return
        }
      }
      let won = 0
      await Promise.all(
        [mine, other].map(async (store, who) => {
          for (let n = 0; n < 15; n++) {
            await increment(store)
            await store.append('s', `${who}-${n}`)
            if (await store.insert('once', `${n}`, { who })) won++
          }
        }),
      )
      over = true
      await cutting
      expect((await mine.get('things', 'n'))?.document).toEqual({ n: 30 })
      expect(new Set((await mine.read('s')).map(({ entry }) => entry)).size).toBe(30)
      expect((await mine.read('s')).map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, seq) => seq))
      expect(won).toBe(15)
      await mine.close()
      await other.close()
    })
  })

  describe('a server that is away', () => {
    it('makes calls fail within a bound, with a clear word, and they work again when it is back', async () => {
      const proxy = await mongoProxy(server.uri)
      const database = server.database()
      const store = await createMongoStore({ uri: proxy.uri, database, indexes: [], timings: quick })
      await store.insert('things', 'a', { secret })
      await proxy.close()
      const begin = performance.now()
      const errors = await Promise.all(
        [
          store.get('things', 'a'),
          store.insert('things', 'b', { secret }),
          store.put('things', 'a', { secret }, 1),
          store.find('things'),
          store.append('s', { secret }),
          store.read('s'),
          // In one line behind each other: they do not wait for the sum.
          ...Array.from({ length: 20 }, () => store.append('line', { secret })),
        ].map(thrown),
      )
      for (const error of errors) {
        expect(error).toMatchObject({ name: 'Fault', code: 'store.unavailable', retry: true })
        expect(`${error} ${JSON.stringify(error)} ${(error as Error).cause}`).not.toMatch(/hunter2|mongodb:\/\//)
      }
      expect(performance.now() - begin).toBeLessThan(7_000)
      await proxy.open()
      expect(await store.put('things', 'a', { n: 2 }, 1)).toBe(2)
      expect(await store.append('s', 1)).toBeTypeOf('number')
      await store.close()
      await proxy.stop()
    })

    it('does not keep a call for ever when it takes connections but answers nothing', async () => {
      const proxy = await mongoProxy(server.uri)
      const store = await createMongoStore({ uri: proxy.uri, database: server.database(), indexes: [], timings: quick })
      await store.insert('things', 'a', { n: 1 })
      proxy.hold(true)
      const begin = performance.now()
      expect(await thrown(store.get('things', 'a'))).toMatchObject({ code: 'store.unavailable', retry: true })
      expect(performance.now() - begin).toBeLessThan(5_000)
      proxy.hold(false)
      expect(await store.get('things', 'a')).toMatchObject({ version: 1 })
      await store.close()
      await proxy.stop()
    })

    it('is waited for at the start as long as it is told to, and says why', async () => {
      const proxy = await mongoProxy(server.uri)
      await proxy.close()
      const why: unknown[] = []
      const opened = createMongoStore({
        uri: proxy.uri,
        database: server.database(),
        indexes: [],
        timings: quick,
        waitMs: 30_000,
        waiting: (fault) => {
          why.push(fault)
          if (why.length === 1) void proxy.open()
        },
      })
      const store = await opened
      expect(why[0]).toMatchObject({ code: 'store.unavailable', retry: true })
      expect(await store.insert('things', 'a', { n: 1 })).toBe(true)
      await store.close()
      await proxy.stop()
    })

    it('is given up at the start when the time is over, and at once when waiting cannot help', async () => {
      let tries = 0
      const options = { database: 'x', indexes: [], timings: { ...quick, selectMs: 200 }, waiting: () => void tries++ }
      const begin = performance.now()
      const away = createMongoStore({ ...options, uri: 'mongodb://127.0.0.1:1/', waitMs: 1_500 })
      expect(await thrown(away)).toMatchObject({ code: 'store.unavailable', retry: true })
      expect(performance.now() - begin).toBeGreaterThanOrEqual(1_400)
      expect(tries).toBeGreaterThanOrEqual(2)
      tries = 0
      const wrong = createMongoStore({ ...options, uri: 'mongodb://h/?nonsense=1', waitMs: 60_000 })
      expect(await thrown(wrong)).toMatchObject({ code: 'store.unavailable', retry: false })
      expect(tries).toBe(0)
    })

    it('is told at the start, with neither address nor password', async () => {
      const uri = `mongodb://bot:${secret}@127.0.0.1:1/`
      const error = await thrown(createMongoStore({ uri, database: 'x', indexes: [], timings: quick }))
      expect(error).toMatchObject({ code: 'store.unavailable', retry: true })
      expect(`${error} ${JSON.stringify(error)} ${(error as Error).cause}`).not.toMatch(/hunter2|mongodb:\/\//)
    })

    it.each([`not-a-uri-${secret}`, `mongodb://bot:${secret}@/`, `mongodb://bot:${secret}@h/?nonsense=1`])(
      'is told for a connection string that is none (%#), without quoting it',
      async (uri) => {
        const error = await thrown(createMongoStore({ uri, database: 'x', indexes: [], timings: quick }))
        expect(error).toMatchObject({ code: 'store.unavailable', retry: false })
        expect(`${error} ${JSON.stringify(error)} ${(error as Error).cause}`).not.toContain(secret)
      },
    )

    it('refuses an index on a name that is not plain', async () => {
      const { uri } = server
      for (const index of [
        { collection: "a'b", field: 'x' },
        { collection: 'a', field: 'x.y' },
      ]) {
        const error = await thrown(createMongoStore({ uri, database: 'x', indexes: [index] }))
        expect(error).toMatchObject({ code: 'store.bad-argument' })
      }
    })
  })
})
