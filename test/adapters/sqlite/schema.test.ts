import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDump } from '../../../src/adapters/sqlite/dump.ts'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { migrate, migrations } from '../../../src/adapters/sqlite/schema.ts'

/** What the first release of Rollcall wrote, word for word. */
const versionOne = `
  CREATE TABLE schema (version INTEGER NOT NULL);
  INSERT INTO schema VALUES (1);
  CREATE TABLE documents (
    collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (collection, id));
  CREATE TABLE entries (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (stream, seq));
  INSERT INTO documents VALUES ('releases', 'R-1', 7, '{"service":"user-service","state":{"at":"done"}}');
  INSERT INTO documents VALUES ('releases', 'R-2', 1, '{"service":"order-service"}');
  INSERT INTO entries VALUES ('audit', 0, '{"who":"alice"}');
  INSERT INTO entries VALUES ('audit', 1, '{"who":"bob"}');`

describe('the schema of a data folder', () => {
  let folder: string
  let file: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-schema-'))
    file = join(folder, 'rollcall.db')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const within = <T>(work: (db: DatabaseSync) => T): T => {
    const db = new DatabaseSync(file)
    try {
      return work(db)
    } finally {
      db.close()
    }
  }
  const version = () => within((db) => db.prepare('SELECT version FROM schema').get()?.version)
  const tables = () =>
    within((db) =>
      db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .all()
        .map(({ name }) => name),
    )
  const expectWhole = async () => {
    const store = await createSqliteStore({ folder, indexes: [{ collection: 'releases', field: 'service' }] })
    expect(await store.get('releases', 'R-1')).toMatchObject({ version: 7, document: { state: { at: 'done' } } })
    expect(await store.find('releases', { where: { service: 'order-service' } })).toHaveLength(1)
    expect(await store.read('audit')).toEqual([
      { seq: 0, entry: { who: 'alice' } },
      { seq: 1, entry: { who: 'bob' } },
    ])
    expect(await store.append('audit', { who: 'carol' })).toBe(2)
    await store.close()
  }

  it('is brought from version 1 to the newest with everything in it', async () => {
    within((db) => db.exec(versionOne))
    await expectWhole()
    expect(version()).toBe(migrations.length)
    expect(migrations.length).toBeGreaterThan(1)
  })

  it('is brought up once by several that open it at once', async () => {
    within((db) => db.exec(versionOne))
    const stores = await Promise.all(Array.from({ length: 5 }, () => createSqliteStore({ folder })))
    for (const store of stores) await store.close()
    expect(within((db) => db.prepare('SELECT count(*) AS n FROM identity').get())).toEqual({ n: 1 })
    await expectWhole()
  })

  it('stays at its version when a migration fails, and goes on when it no longer does', async () => {
    within((db) => db.exec(versionOne))
    const list = [...migrations, 'CREATE TABLE more (n INTEGER); INSERT INTO nowhere VALUES (1)']
    expect(() => within((db) => migrate(db, file, list))).toThrow()
    expect(version()).toBe(1)
    expect(tables()).toEqual(['documents', 'entries', 'schema'])
    await expectWhole()
    expect(version()).toBe(migrations.length)
  })

  it('is as it was when the process is killed in the middle of a migration', async () => {
    within((db) => db.exec(versionOne))
    const schema = fileURLToPath(new URL('../../../src/adapters/sqlite/schema.ts', import.meta.url))
    const script = join(folder, 'child.ts')
    await writeFile(
      script,
      `import { DatabaseSync } from 'node:sqlite'
       import { migrate, migrations } from ${JSON.stringify(schema)}
       const db = new DatabaseSync(${JSON.stringify(file)})
       db.exec('PRAGMA journal_mode = WAL')
       db.function('stop', () => { process.kill(process.pid, 'SIGKILL'); return 0 })
       migrate(db, 'x', [...migrations, 'CREATE TABLE more (n INTEGER)', 'INSERT INTO more SELECT stop()'])`,
    )
    const child = spawn(process.execPath, [script], { stdio: 'ignore' })
    expect(await new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))).toBe('SIGKILL')
    expect(version()).toBe(1)
    expect(tables()).toEqual(['documents', 'entries', 'schema'])
    await expectWhole()
  })

  it('is refused when a newer program wrote it, and left as it was', async () => {
    within((db) => db.exec(`${versionOne} UPDATE schema SET version = 99`))
    await expect(createSqliteStore({ folder })).rejects.toMatchObject({ code: 'store.newer-schema', retry: false })
    await expect(openDump(folder)).rejects.toMatchObject({ code: 'store.newer-schema' })
    expect(version()).toBe(99)
    expect(tables()).toEqual(['documents', 'entries', 'schema'])
  })

  it('gives each folder a name of its own, which it keeps', async () => {
    const idOf = async () => {
      const dump = await openDump(folder)
      dump.close()
      return dump.id
    }
    await (await createSqliteStore({ folder })).close()
    const id = await idOf()
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(await idOf()).toBe(id)
    await rm(file)
    await (await createSqliteStore({ folder })).close()
    expect(await idOf()).not.toBe(id)
  })
})
