import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAudit } from '../../src/access/audit.ts'
import { createAuditHeads } from '../../src/access/audit-head.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { until } from '../demo/until.ts'

let folder: string
let store: Store
let lines: string[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'audit-head-'))
  store = await createSqliteStore({ folder })
  lines = []
})
afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true })
})

/** The audit log as a process has it that starts now. */
function open(part: { everyMs?: number; key?: number } = {}) {
  const key = Buffer.alloc(32, part.key ?? 1)
  const log = createLog({ level: 'warn', env: {}, stream: { write: (line: string) => lines.push(line) } })
  const heads = createAuditHeads({ folder, key, store, log, everyMs: part.everyMs ?? 60_000 })
  const audit = createAudit({ store, key, clock: () => new Date('2026-01-01T00:00:00Z'), log, heads })
  const from = { surface: 'terminal' }
  return {
    audit,
    async note(count: number, who = 'alice') {
      for (let i = 0; i < count; i++)
        await audit.note({ who, from, action: 'release.pause', target: `R-${i}`, result: 'done' })
    },
  }
}

/** What somebody does who may write to the database. */
function tamper(sql: string) {
  const db = new DatabaseSync(join(folder, 'rollcall.db'))
  db.exec(sql)
  db.close()
}

const file = () => join(folder, 'audit.head')
const kept = () => JSON.parse(readFileSync(file(), 'utf8'))

describe('the head that is kept beside the key', () => {
  test('is that of the chain, for its owner only, and leaves nothing else behind', async () => {
    const { audit, note } = open()
    await note(3)
    await audit.flush()
    expect(kept()).toEqual({ ...(await audit.head()), mac: expect.stringMatching(/^[0-9a-f]{64}$/) })
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder).filter((name) => name.startsWith('audit'))).toEqual(['audit.head'])
    expect(await audit.verify()).toMatchObject({ ok: true, entries: 3 })
    expect(await audit.stands()).toBe(true)
  })

  test('is written by itself after a while, not with each entry', async () => {
    const { note } = open({ everyMs: 50 })
    await note(2)
    expect(() => statSync(file())).toThrow()
    await until('the head is kept', () => {
      try {
        return kept().entries === 2
      } catch {
        return false
      }
    })
  })

  test.each([
    ['emptied', "DELETE FROM entries WHERE stream = 'audit'", 0],
    ['made shorter', "DELETE FROM entries WHERE stream = 'audit' AND seq >= 5", 5],
  ])('shows that the chain was %s, to whoever starts next, and goes on showing it', async (_how, sql, brokenAt) => {
    const before = open()
    await before.note(8)
    await before.audit.flush()
    const was = kept()
    tamper(sql)
    const after = open()
    expect(await after.audit.stands()).toBe(false)
    expect(await after.audit.verify()).toMatchObject({
      ok: false,
      brokenAt,
      why: `${8 - brokenAt} of 8 entries are missing at the end`,
    })
    // A chain that has grown longer again does not hide it.
    await after.note(12, 'bob')
    await after.audit.flush()
    expect(kept()).toEqual(was)
    expect(await after.audit.verify()).toMatchObject({ ok: false, why: expect.stringContaining('was kept') })
    expect(lines.join('')).toContain('audit head not kept')
  })

  test('that was changed, or made with another key, is said to be', async () => {
    const { audit, note } = open()
    await note(3)
    await audit.flush()
    writeFileSync(file(), JSON.stringify({ ...kept(), entries: 0, head: '0'.repeat(64) }))
    for (const each of [audit, open({ key: 1 }).audit]) {
      expect(await each.stands()).toBe(false)
      expect(await each.verify()).toMatchObject({ ok: false, why: expect.stringContaining('audit.head was changed') })
    }
    writeFileSync(file(), 'nonsense')
    expect(await audit.verify()).toMatchObject({ ok: false, why: expect.stringContaining('audit.head was changed') })
  })

  test('may be behind the chain, as after a crash, and never comes before the entry that it names', async () => {
    const one = open()
    await one.note(3)
    await one.audit.flush()
    await one.note(2)
    expect(kept().entries).toBe(3)
    expect(await open().audit.verify()).toMatchObject({ ok: true, entries: 5 })
    // The entry cannot be written: neither is its head.
    const { append } = store
    store.append = () => Promise.reject(new Error('away'))
    await one.note(1)
    await one.audit.flush()
    store.append = append
    expect(kept().entries).toBe(5)
  })

  test('is not set back by another process that has seen less', async () => {
    const one = open()
    const other = open()
    await one.note(2)
    await other.note(3)
    await other.audit.flush()
    await one.audit.flush()
    expect(kept().entries).toBe(5)
  })
})

describe('a row that cannot be read', () => {
  test.each([0, 5, 7])('is where the chain is broken, not a fault of the store: entry %i', async (seq) => {
    const { note } = open()
    await note(8)
    tamper(`UPDATE entries SET entry = 'not json' WHERE stream = 'audit' AND seq = ${seq}`)
    const { audit, note: more } = open()
    expect(await audit.verify()).toMatchObject({ ok: false, brokenAt: seq, why: `entry ${seq} cannot be read` })
    const page = await audit.page({ limit: 100 })
    expect(page.entries.map((entry) => entry.seq)).toEqual([7, 6, 5, 4, 3, 2, 1, 0].filter((each) => each !== seq))
    // What happens from now on is written down.
    await more(1)
    expect((await audit.page({ limit: 1 })).entries).toMatchObject([{ seq: 8 }])
  })

  test('a store that is away is not a broken chain', async () => {
    const { audit, note } = open()
    await note(1)
    await store.close()
    await expect(audit.verify()).rejects.toMatchObject({ code: expect.stringMatching(/^store\./) })
    store = await createSqliteStore({ folder })
  })
})
