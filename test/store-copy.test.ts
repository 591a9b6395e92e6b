import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { type Db, MongoClient } from 'mongodb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { createAudit } from '../src/access/audit.ts'
import { auditKey } from '../src/access/audit-key.ts'
import { createMongoStore } from '../src/adapters/mongo/index.ts'
import { openLoad } from '../src/adapters/mongo/load.ts'
import { createSqliteStore, lockFolder } from '../src/adapters/sqlite/index.ts'
import { readConfig } from '../src/app.ts'
import { storeCommand } from '../src/cli-store.ts'
import { createLog } from '../src/lib/log.ts'
import type { Json, Store } from '../src/ports/store.ts'
import { skipReal } from './demo/needs.ts'
import { userService } from './scenarios/packages.ts'
import { startSandbox } from './scenarios/sandbox.ts'
import { type MongoServer, mongoServer } from './servers/mongo.ts'
import { type MongoProxy, mongoProxy } from './servers/mongo-proxy.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

const variable = 'ROLLCALL_COPY_TEST_URI'

let server: MongoServer
let client: MongoClient
let folder: string
let database: string
let db: Db
beforeAll(async () => {
  server = await mongoServer()
  client = new MongoClient(server.uri)
  process.env[variable] = server.uri
})
afterAll(async () => {
  delete process.env[variable]
  await client?.close()
  await server?.stop()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-copy-'))
  database = server.database()
  db = client.db(database)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Runs `rollcall store copy` in this process; what it says. */
async function copy(more: { from?: string; verify?: boolean; database?: string } = {}): Promise<string> {
  let said = ''
  const flags = { config: 'none.yaml', from: folder, toUriEnv: variable, database, verify: false, ...more }
  const code = await storeCommand(['copy'], flags, (text) => {
    said += text
  })
  expect(code).toBe(0)
  return said
}

/** Everything that the port shows, as the file names it. */
async function contents(store: Store, from = folder): Promise<unknown> {
  const file = new DatabaseSync(join(from, 'rollcall.db'), { readOnly: true })
  const names = (column: string, table: string) =>
    file
      .prepare(`SELECT DISTINCT ${column} AS name FROM ${table} ORDER BY 1`)
      .all()
      .map(({ name }) => String(name))
  const documents: [string, unknown][] = []
  for (const name of names('collection', 'documents')) documents.push([name, await store.find(name)])
  const streams: [string, unknown][] = []
  for (const name of names('stream', 'entries')) streams.push([name, await store.read(name)])
  file.close()
  return { documents, streams }
}

async function expectSame(from = folder): Promise<void> {
  const here = await createSqliteStore({ folder: from })
  const there = await createMongoStore({ uri: server.uri, database, indexes: [] })
  try {
    expect(await contents(there, from)).toEqual(await contents(here, from))
  } finally {
    await here.close()
    await there.close()
  }
}

/** Rows of odd ids and documents with versions, streams with gaps and trimmed ones: enough for several batches. */
async function fill(seed: number, count = 250): Promise<void> {
  const store = await createSqliteStore({ folder })
  const ids = fc.sample(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).filter((id) => id.isWellFormed()),
    {
      numRuns: count,
      seed,
    },
  )
  const values = fc.sample(fc.jsonValue(), { numRuns: count, seed })
  const works: Promise<unknown>[] = []
  for (const [n, id] of ids.entries()) {
    const value: Json = JSON.parse(JSON.stringify(values[n] ?? null))
    works.push(store.insert(n % 3 === 0 ? 'things' : 'others', id, { n, id, value }))
    works.push(store.append(n % 4 === 0 ? 'long' : `s/${n % 40}/${id}`, value, n % 7 === 0 ? n * 1_000 : undefined))
  }
  await Promise.all(works)
  const [first] = await store.find('things', { limit: 1 })
  for (let version = 1; version < 5; version++) await store.put('things', first?.id ?? '', { version }, version)
  for (let n = 0; n < 20; n++) await store.append('trimmed', n)
  await store.trim('trimmed', 15)
  await store.append('only one', 'x', 77)
  await store.trim('only one', 1_000)
  await store.close()
}

describe('rollcall store copy', () => {
  it.each([1, 2, 3])('brings everything to MongoDB, with versions and numbers (seed %i)', async (seed) => {
    await fill(seed)
    const said = await copy()
    expect(said).toMatch(/Copied and compared: \d+ documents in 2 collections and \d+ entries in \d+ streams/)
    expect(said).toContain('kind: mongo')
    expect(said).toContain('audit.key')
    expect(said).not.toContain(server.uri)
    await expectSame()
    expect(await copy({ verify: true })).toContain('are the same here and there')
  })

  it('leaves a store that goes on where the folder ended', async () => {
    await fill(4)
    await copy()
    const store = await createMongoStore({ uri: server.uri, database, indexes: [{ collection: 'things', field: 'n' }] })
    expect(await store.append('trimmed', 'next')).toBe(20)
    expect(await store.append('only one', 'next')).toBe(78)
    const [row] = await store.find('things', { where: { version: 4 } })
    expect(row?.version).toBe(5)
    expect(await store.put('things', row?.id ?? '', {}, 5)).toBe(6)
    await store.close()
  })

  it('takes from the configuration what the flags leave out, be it the one before the change or after', async () => {
    await fill(11, 20)
    const key = join(folder, 'key')
    await writeFile(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '), { mode: 0o600 })
    const url = 'http://a.test/user-service-{version}.tar.gz'
    const recipe = { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } }
    const config = join(folder, 'rollcall.yaml')
    const configured = (store: object) =>
      writeFile(
        config,
        JSON.stringify({
          services: [{ name: 'user-service', artifact: { url, checksum: { sha256Url: `${url}.sha256` } }, recipe }],
          hosts: [{ id: 'web-1', ip: '10.0.0.1', user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
          people: [
            { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice' } },
            { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
          ],
          store,
        }),
      )
    await configured({ kind: 'sqlite', folder })
    await storeCommand(['copy'], { config, toUriEnv: variable, database, verify: false }, () => {})
    await expectSame()
    database = server.database()
    await configured({ kind: 'mongo', folder, uriEnv: variable, database })
    await storeCommand(['copy'], { config, verify: false }, () => {})
    await expectSame()
    await expect(
      storeCommand(['copy'], { config: join(folder, 'none'), verify: false }, () => {}),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^config\./),
    })
  })

  it('waits for no bot: a folder in use is refused', async () => {
    await fill(5, 3)
    const lock = lockFolder(folder)
    await expect(copy()).rejects.toMatchObject({ code: 'store.in-use' })
    lock.release()
    await copy()
  })

  it('makes no folder of a name that was mistyped', async () => {
    const from = join(folder, 'mistyped')
    await expect(copy({ from })).rejects.toMatchObject({ code: 'store.unavailable' })
    expect(existsSync(from)).toBe(false)
  })

  it('refuses a variable that holds nothing, by name', async () => {
    const flags = { config: 'none.yaml', from: folder, toUriEnv: 'ROLLCALL_NOT_SET', verify: false }
    await expect(storeCommand(['copy'], flags, () => {})).rejects.toMatchObject({
      code: 'store.no-address',
      message: expect.stringContaining('ROLLCALL_NOT_SET'),
    })
  })

  it('lets one of two copies that begin at once into an empty database, and refuses the other', async () => {
    for (let round = 0; round < 3; round++) {
      const name = server.database()
      const loads = await Promise.all([1, 2].map(() => openLoad(server.uri, name)))
      const begun = await Promise.allSettled(loads.map((load, n) => load.begin(`folder ${n}`)))
      expect(begun.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(begun.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { code: 'store.copy-not-empty' },
      })
      const copies = await client
        .db(name)
        .collection('_rollcall')
        .find({ source: { $exists: true } })
        .toArray()
      expect(copies).toHaveLength(1)
      expect(begun.map(({ status }) => status).indexOf('fulfilled')).toBe(Number(String(copies[0]?.source).slice(-1)))
      await Promise.all(loads.map((load) => load.close()))
    }
  })

  it('knows its own beginning when the answer to it was lost', async () => {
    const proxy = await mongoProxy(server.uri)
    const load = await openLoad(proxy.uri, database)
    // Only the row of the copy is inserted: the schema is there.
    await (await createMongoStore({ uri: server.uri, database, indexes: [] })).close()
    proxy.loseAnswer('insert', 1)
    await load.begin('here')
    expect(await load.begin('here')).toBe(true)
    await load.close()
    await proxy.stop()
  })

  it('refuses a database that holds anything, be it ours, a whole copy or somebody else’s', async () => {
    await fill(6, 5)
    await db.collection('customers').insertOne({ name: 'x' })
    await expect(copy()).rejects.toMatchObject({ code: 'store.copy-not-empty' })
    expect(await db.collection('things').countDocuments()).toBe(0)

    database = server.database()
    const store = await createMongoStore({ uri: server.uri, database, indexes: [] })
    await store.append('s', 1)
    await store.close()
    await expect(copy()).rejects.toMatchObject({ code: 'store.copy-not-empty' })

    database = server.database()
    await copy()
    await expect(copy()).rejects.toMatchObject({
      code: 'store.copy-not-empty',
      message: expect.stringContaining('whole copy'),
    })
  })

  it('takes a database that a bot has only opened', async () => {
    await fill(7, 5)
    await (await createMongoStore({ uri: server.uri, database, indexes: [] })).close()
    await copy()
    await expectSame()
  })

  const damages: [string, RegExp, () => Promise<unknown>][] = [
    ['a document', /collection things has other contents/, () => damage('things', { $set: { text: '{}' } })],
    ['a version', /collection things has other contents/, () => damage('things', { $inc: { version: 1 } })],
    ['an entry', /stream long has other contents/, () => damage('_heads', { $set: { text: '0' } }, 'long')],
    ['a number', /stream long has other contents/, () => damage('_heads', { $inc: { seq: 1 } }, 'long')],
    ['a missing document', /collection others has \d+ here and \d+ there/, () => db.collection('others').deleteOne({})],
    [
      'a missing entry',
      /stream long has \d+ here and \d+ there/,
      () => db.collection('_entries').deleteOne({ stream: 'long' }),
    ],
    ['a further collection', /collection more is only there/, () => db.collection('more').insertOne({})],
  ]
  const damage = (name: string, change: object, _id?: string) =>
    db.collection<{ _id: string }>(name).updateOne(_id === undefined ? {} : { _id }, change)

  it.each(damages)('notices %s that is not as in the folder', async (_, words, harm) => {
    await fill(8, 60)
    await copy()
    await harm()
    await expect(copy({ verify: true })).rejects.toMatchObject({
      code: 'store.copy-differs',
      message: expect.stringMatching(words),
    })
  })

  test.skipIf(skipReal)('brings a release that was really made, and its audit log stays whole', async () => {
    const bot = await startSandbox({ ids: ['bj-1'] })
    try {
      bot.packages.publish('v1.1.0', { body: userService('v1.1.0') })
      const id = await bot.approved('v1.1.0')
      await bot.promoted(id)
      await bot.leave()
      const from = readConfig(bot.config()).store.folder
      await copy({ from })
      await expectSame(from)
      const store = await createMongoStore({ uri: server.uri, database, indexes: [] })
      const key = await auditKey(from, process.env)
      const log = createLog({ level: 'silent' })
      const verdict = await createAudit({ store, key, clock: () => new Date(), log }).verify()
      expect(verdict).toMatchObject({ ok: true })
      expect(verdict.ok && verdict.entries).toBeGreaterThan(0)
      expect(await store.get('releases', id)).toMatchObject({ document: { state: { at: 'done' } } })
      await store.close()
    } finally {
      await bot.close()
    }
  })
})

describe('a copy that is killed', () => {
  let proxy: MongoProxy
  beforeEach(async () => {
    proxy = await mongoProxy(server.uri)
  })
  afterEach(() => proxy.stop())

  const start = (): ChildProcess =>
    spawn(
      process.execPath,
      ['src/main.ts', 'store', 'copy', '--from', folder, '--to-uri-env', variable, '--database', database],
      { env: { ...process.env, [variable]: proxy.uri }, stdio: ['ignore', 'ignore', 'inherit'] },
    )

  it.each([
    ['before its first document', 'find', 6],
    ['in its first batch', 'update', 3],
    ['among the documents', 'update', 5],
    ['among the streams', 'update', 12],
    ['late among the streams', 'update', 200],
    ['while it compares', 'listCollections', 2],
  ])('%s goes on when it is called again, and until then no bot opens the database', async (_, command, at) => {
    await fill(9, 400)
    const child = start()
    const gone = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
    await vi.waitFor(() => expect(proxy.seen(command)).toBeGreaterThanOrEqual(at), { timeout: 30_000, interval: 1 })
    child.kill('SIGKILL')
    expect(await gone).toBe('SIGKILL')
    await expect(createMongoStore({ uri: server.uri, database, indexes: [] })).rejects.toMatchObject({
      code: 'store.copy-unfinished',
      next: expect.stringContaining('rollcall store copy'),
    })
    // Meanwhile the bot was started on the folder once more.
    const store = await createSqliteStore({ folder })
    const [row] = await store.find('things', { limit: 1, descending: true })
    await store.put('things', row?.id ?? '', { later: true }, row?.version ?? 0)
    await store.append('long', 'later')
    await store.trim('long', 100_000)
    await store.close()
    expect(await copy()).toContain('The copy goes on')
    await expectSame()
    expect(await copy({ verify: true })).toContain('are the same')
  })

  it('is not gone on with from another folder', async () => {
    await fill(10, 400)
    const child = start()
    const gone = new Promise((resolve) => child.once('exit', resolve))
    await vi.waitFor(() => expect(proxy.seen('update')).toBeGreaterThan(3), { timeout: 30_000, interval: 1 })
    child.kill('SIGKILL')
    await gone
    const other = await mkdtemp(join(tmpdir(), 'rollcall-copy-'))
    await (await createSqliteStore({ folder: other })).close()
    await expect(copy({ from: other })).rejects.toMatchObject({ code: 'store.copy-not-empty' })
    await rm(other, { recursive: true, force: true })
  })
})
