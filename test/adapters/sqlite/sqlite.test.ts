import { mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSqliteStore, SqliteConfig } from '../../../src/adapters/sqlite/index.ts'
import { findStatement } from '../../../src/adapters/sqlite/query.ts'
import { schemaVersion } from '../../../src/adapters/sqlite/schema.ts'
import { createWrites } from '../../../src/adapters/sqlite/writes.ts'
import { afterPrefix } from '../../../src/lib/store-arguments.ts'

const secret = 'hunter2-secret'

describe('SQLite', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-sqlite-'))
    file = join(folder, 'rollcall.db')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const raw = (sql: string) => {
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
  }

  it('is configured by kind and folder, and nothing else', () => {
    expect(SqliteConfig.parse({ kind: 'sqlite' })).toEqual({ kind: 'sqlite', folder: '.rollcall' })
    expect(SqliteConfig.safeParse({ kind: 'sqlite', folder: '' }).success).toBe(false)
    expect(SqliteConfig.safeParse({ kind: 'sqlite', fodler: 'x' }).success).toBe(false)
  })

  describe('the file', () => {
    it('is made with its folder, for the owner only', async () => {
      const deep = join(folder, 'a', 'b')
      await (await createSqliteStore({ folder: deep })).close()
      expect(statSync(deep).mode & 0o777).toBe(0o700)
    })

    it('keeps everything when it is opened again', async () => {
      const store = await createSqliteStore({ folder })
      await store.insert('things', 'a', { n: 1 })
      await store.append('s', 'x')
      await store.close()
      const again = await createSqliteStore({ folder, indexes: [{ collection: 'things', field: 'n' }] })
      expect(await again.find('things', { where: { n: 1 } })).toHaveLength(1)
      expect(await again.read('s')).toEqual([{ seq: 0, entry: 'x' }])
      await again.close()
    })

    it('is written by a connection that syncs its log at each commit', async () => {
      // These are settings of a connection, not of the file: only the one that writes can be asked.
      const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
      try {
        const store = await createSqliteStore({ folder })
        expect(await store.insert('things', 'a', {})).toBe(true)
        const [db, ...others] = new Set(prepare.mock.contexts as DatabaseSync[])
        expect(others).toEqual([])
        expect(db?.location()).toBe(realpathSync(file))
        expect(db?.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
        // 2 is FULL; see "PRAGMA synchronous" in SQLite's documentation.
        expect(db?.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
        await store.close()
      } finally {
        prepare.mockRestore()
      }
    })

    it('writes down what a last call asked for before it closes', async () => {
      const store = await createSqliteStore({ folder })
      const inserted = store.insert('things', 'a', { n: 1 })
      await store.close()
      expect(await inserted).toBe(true)
      const again = await createSqliteStore({ folder })
      expect(await again.get('things', 'a')).toBeDefined()
      await again.close()
    })

    it('says which schema it has, and one of a newer program is refused', async () => {
      await (await createSqliteStore({ folder })).close()
      const db = new DatabaseSync(file)
      expect(db.prepare('SELECT version FROM schema').all()).toEqual([{ version: schemaVersion }])
      db.close()
      raw('UPDATE schema SET version = 99')
      await expect(createSqliteStore({ folder })).rejects.toMatchObject({ code: 'store.newer-schema' })
    })

    it('is brought up from an older schema', async () => {
      raw('CREATE TABLE schema (version INTEGER NOT NULL); INSERT INTO schema VALUES (0)')
      const store = await createSqliteStore({ folder })
      expect(await store.insert('things', 'a', {})).toBe(true)
      await store.close()
      const db = new DatabaseSync(file)
      expect(db.prepare('SELECT version FROM schema').all()).toEqual([{ version: schemaVersion }])
      db.close()
    })

    it('can be made by several at once', async () => {
      const stores = await Promise.all(Array.from({ length: 5 }, () => createSqliteStore({ folder })))
      const won = await Promise.all(stores.map((store) => store.insert('things', 'a', {})))
      expect(won.filter(Boolean)).toHaveLength(1)
      for (const store of stores) await store.close()
    })
  })

  describe('faults', () => {
    const text = (error: unknown) => `${String(error)} ${JSON.stringify(error)} ${(error as Error).cause}`

    it('are told when there is no room, and neighbours and reads go on', async () => {
      const store = await createSqliteStore({ folder, maxBytes: 1024 * 1024 })
      const big = `${secret} `.repeat(200_000)
      const [small, huge, entry] = await Promise.allSettled([
        store.insert('things', 'small', { n: 1 }),
        store.insert('things', 'huge', { big }),
        store.append('s', 'x'),
      ])
      expect(small).toEqual({ status: 'fulfilled', value: true })
      expect(entry).toEqual({ status: 'fulfilled', value: 0 })
      expect(huge).toMatchObject({ status: 'rejected', reason: { code: 'store.unavailable', retry: true } })
      const { reason } = huge as PromiseRejectedResult
      expect(reason.line).toContain('no room')
      expect(text(reason)).not.toContain(secret)
      expect(await store.find('things')).toHaveLength(1)
      expect(await store.insert('things', 'after', { n: 2 })).toBe(true)
      await store.close()
    })

    it('are told when the file is no database', async () => {
      writeFileSync(file, 'this is not a database at all '.repeat(100))
      await expect(createSqliteStore({ folder })).rejects.toMatchObject({ code: 'store.unavailable', retry: false })
    })

    it('are told when the file is damaged', async () => {
      const store = await createSqliteStore({ folder })
      for (let n = 0; n < 200; n++) await store.insert('things', `id ${n}`, { pad: `${secret} `.repeat(50) })
      await store.close()
      const bytes = readFileSync(file)
      bytes.fill(0x5a, 8_192)
      writeFileSync(file, bytes)
      const damaged = await createSqliteStore({ folder }).catch((error: unknown) => error)
      const error =
        damaged instanceof Error
          ? damaged
          : await (damaged as Awaited<ReturnType<typeof createSqliteStore>>).find('things').catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'store.unavailable', retry: false })
      expect(text(error)).not.toContain(secret)
      if (!(damaged instanceof Error)) await (damaged as Awaited<ReturnType<typeof createSqliteStore>>).close()
    })

    it('are told when a document is damaged, without its words', async () => {
      const store = await createSqliteStore({ folder })
      await store.insert('things', 'a', {})
      raw(`UPDATE documents SET document = '{"token": ${secret}'`)
      const error = await store.get('things', 'a').catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'store.unavailable', retry: false })
      expect(text(error)).not.toContain(secret)
      await store.close()
    })

    it('are told when the folder cannot be, or the file is a folder', async () => {
      writeFileSync(join(folder, 'plain'), '')
      await expect(createSqliteStore({ folder: join(folder, 'plain', 'x') })).rejects.toMatchObject({
        code: 'store.unavailable',
        data: { system: 'ENOTDIR' },
      })
      mkdirSync(file)
      await expect(createSqliteStore({ folder })).rejects.toMatchObject({ code: 'store.unavailable', retry: true })
    })

    it('are told when the database refuses a write for a reason of its own, and writing goes on after', async () => {
      const store = await createSqliteStore({ folder })
      const db = new DatabaseSync(file)
      db.exec("CREATE TRIGGER no BEFORE INSERT ON documents BEGIN SELECT RAISE(ABORT, 'hunter2-secret'); END")
      const error = await store.insert('things', 'a', {}).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'store.unavailable', retry: true })
      expect(text(error)).not.toContain(secret)
      db.exec('DROP TRIGGER no')
      db.close()
      expect(await store.insert('things', 'a', {})).toBe(true)
      await store.close()
    })

    it('are told when another process keeps the file busy, and writing goes on after', async () => {
      const store = await createSqliteStore({ folder, busyMs: 20 })
      const db = new DatabaseSync(file)
      db.exec('BEGIN IMMEDIATE')
      const results = await Promise.allSettled([store.insert('things', 'a', {}), store.append('s', 1)])
      for (const result of results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store.unavailable', retry: true } })
      }
      expect(await store.get('things', 'a')).toBeUndefined()
      await expect(createSqliteStore({ folder, busyMs: 20 })).rejects.toMatchObject({ code: 'store.unavailable' })
      db.exec('ROLLBACK')
      db.close()
      expect(await store.insert('things', 'a', {})).toBe(true)
      await store.close()
    })

    it('are told for an index on a name that is not plain', async () => {
      for (const index of [
        { collection: "a'b", field: 'x' },
        { collection: 'a', field: "x'y" },
      ]) {
        await expect(createSqliteStore({ folder, indexes: [index] })).rejects.toMatchObject({
          code: 'store.bad-argument',
        })
      }
    })
  })

  describe('find', () => {
    it('uses a declared index', async () => {
      const store = await createSqliteStore({ folder, indexes: [{ collection: 'flows', field: 'owner' }] })
      await store.close()
      const db = new DatabaseSync(file)
      const { sql, values } = findStatement('flows', { where: { owner: 'x', state: 'running' } })
      const plan = JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values))
      expect(plan).toContain('by flows owner')
      db.close()
    })

    it.each([
      ['a', 'b'],
      ['az', 'a{'],
      ['\ud7ff', '\ue000'],
      ['a\u{10ffff}', 'b'],
      ['\u{10ffff}', undefined],
    ])('takes %j as all before %j', (prefix, after) => {
      expect(afterPrefix(prefix)).toBe(after)
    })
  })

  describe('group commit', () => {
    class Counting extends DatabaseSync {
      commits = 0
      override exec(sql: string): void {
        if (sql === 'COMMIT') this.commits++
        super.exec(sql)
      }
    }
    let db: Counting
    beforeEach(() => {
      db = new Counting(':memory:')
      db.exec('CREATE TABLE t (n INTEGER NOT NULL)')
    })
    afterEach(() => db.close())
    const insert = (n: number | null) => () => db.prepare('INSERT INTO t VALUES (?)').run(n).changes
    const rows = () =>
      db
        .prepare('SELECT n FROM t ORDER BY n')
        .all()
        .map((row) => row.n)

    it('puts what is asked for in one turn into one transaction', async () => {
      const writes = createWrites(db)
      const results = await Promise.all(Array.from({ length: 500 }, (_, n) => writes.add(insert(n), 10)))
      expect(results).toEqual(Array(500).fill(1))
      expect(db.commits).toBe(1)
    })

    it('bounds one transaction in number and in bytes', async () => {
      const writes = createWrites(db)
      await Promise.all(Array.from({ length: 2_500 }, (_, n) => writes.add(insert(n), 10)))
      expect(db.commits).toBe(3)
      await Promise.all(Array.from({ length: 5 }, (_, n) => writes.add(insert(n), 6 * 1024 * 1024)))
      expect(db.commits).toBe(8)
    })

    it('resolves nothing before the commit', async () => {
      const writes = createWrites(db)
      const added = writes.add(insert(1), 10).then(() => db.commits)
      expect(await added).toBe(1)
    })

    it('lets a statement that fails fail alone', async () => {
      const writes = createWrites(db)
      const results = await Promise.allSettled([
        writes.add(insert(1), 1),
        writes.add(insert(null), 1),
        writes.add(insert(2), 1),
      ])
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(rows()).toEqual([1, 2])
      expect(db.commits).toBe(1)
    })

    it('does the others again when one takes the whole transaction with it', async () => {
      const writes = createWrites(db)
      const fatal = () => {
        db.exec('ROLLBACK')
        throw new Error('rolled back')
      }
      const results = await Promise.allSettled([
        writes.add(insert(1), 1),
        writes.add(fatal, 1),
        writes.add(insert(2), 1),
      ])
      expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      expect(rows()).toEqual([1, 2])
    })
  })
})
