import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AuditOptions, createAudit, type Note } from '../../src/access/audit.ts'
import { canonical } from '../../src/access/audit-chain.ts'
import { auditKey } from '../../src/access/audit-key.ts'
import { createSqliteStore } from '../../src/adapters/sqlite/index.ts'
import { Fault } from '../../src/lib/fault.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Entry, Json, Store } from '../../src/ports/store.ts'
import { until } from '../demo/until.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'

const key = Buffer.alloc(32, 1)
const clock = () => new Date('2026-01-01T00:00:00Z')
const silent = createLog({ level: 'silent' })
const auditOn = (store: Store, part: Partial<AuditOptions> = {}) =>
  createAudit({ store, key, clock, log: silent, ...part })
const note = (part: Partial<Note> = {}): Note => ({
  who: 'alice',
  from: { surface: 'console', address: '10.0.0.9' },
  action: 'release.request',
  target: 'R-1',
  result: 'done',
  ...part,
})

/** The store with a stream that somebody has laid hands on. */
function tampered(store: Store, change: (entries: Entry[]) => Entry[]): Store {
  const all = async () => change(structuredClone(await store.read('audit')))
  return {
    ...store,
    read: async (_stream, from = 0, limit) => (await all()).filter(({ seq }) => seq >= from).slice(0, limit),
    last: async (_stream, limit) => (await all()).slice(-limit),
  }
}

async function chainOf(count: number) {
  const store = createMemoryStore()
  const audit = auditOn(store)
  for (let i = 0; i < count; i++) await audit.note(note({ target: `R-${i}`, after: { state: 'done', n: i } }))
  return { store, audit }
}

describe('the chain', () => {
  test('is whole after any mix of notes, on a real database, and says so to whoever opens it next', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'audit-'))
    try {
      const store = await createSqliteStore({ folder })
      const audit = auditOn(store)
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: 'binary', maxLength: 300 }),
          fc.jsonValue(),
          fc.constantFrom('done', 'refused', 'failed'),
          async (text, value, result) => {
            const state = value as Json
            await audit.note(note({ who: text, target: text, why: text, result, before: state, after: { state } }))
          },
        ),
        { numRuns: 60 },
      )
      expect(await audit.verify()).toMatchObject({ ok: true })
      const { head, entries } = await audit.head()
      await store.close()
      const again = await createSqliteStore({ folder })
      expect(await auditOn(again).verify({ head, entries })).toEqual({ ok: true, entries, head })
      await again.close()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is whole with any key that somebody thinks of in a state', async () => {
    const audit = auditOn(createMemoryStore())
    const state = JSON.parse('{"__proto__":{"a":1},"constructor":2,"toString":null,"":3}') as Json
    await audit.note(note({ before: state, after: [state] }))
    expect(await audit.verify()).toMatchObject({ ok: true, entries: 1 })
    expect(JSON.stringify((await audit.page({ limit: 1 })).entries[0]?.before)).toBe(JSON.stringify(state))
  })

  test('an empty one is whole', async () => {
    expect(await auditOn(createMemoryStore()).verify()).toEqual({ ok: true, entries: 0, head: '0'.repeat(64) })
  })

  /** Entry `seq` with other fields; one that is undefined is taken out. */
  const changed = (seq: number, part: Record<string, Json | undefined>) => (entries: Entry[]) =>
    entries.map((each) => (each.seq === seq ? { seq, entry: { ...(each.entry as object), ...part } } : each))
  test.each<[string, (entries: Entry[]) => Entry[], number]>([
    ['a changed word', changed(3, { who: 'bob' }), 3],
    ['a changed result', changed(0, { result: 'refused' }), 0],
    ['a changed state', changed(2, { after: { state: 'held', n: 2 } }), 2],
    ['a field that was added', changed(2, { why: 'because' }), 2],
    ['a field that is not known', changed(2, { note: 'x' }), 2],
    ['a field that was taken out', changed(4, { after: undefined }), 4],
    ['another mac', changed(1, { mac: 'ab'.repeat(32) }), 1],
    ['a mac that is none', changed(1, { mac: '' }), 1],
    ['an entry deleted in the middle', (e) => e.filter(({ seq }) => seq !== 2), 2],
    ['one deleted and the rest moved up', (e) => e.filter(({ seq }) => seq !== 2).map((x, seq) => ({ ...x, seq })), 2],
    ['the first one deleted', (e) => e.slice(1), 0],
    ['two that changed places', (e) => [0, 1, 3, 2, 4, 5].map((from, seq) => ({ seq, entry: e[from]!.entry })), 2],
    ['one put in again', (e) => [...e, { seq: 6, entry: e[5]!.entry }], 6],
    ['the last one under a later number', (e) => e.map((x) => (x.seq === 5 ? { ...x, seq: 9 } : x)), 5],
    ['something else', (e) => [...e, { seq: 6, entry: 'x' }], 6],
  ])('%s is found, and where', async (_name, change, brokenAt) => {
    const { store } = await chainOf(6)
    const verdict = await auditOn(tampered(store, change)).verify()
    expect(verdict).toMatchObject({ ok: false, brokenAt, why: expect.stringMatching(/.+/) })
  })

  test('without the key nobody makes an entry that holds', async () => {
    const { store } = await chainOf(3)
    const forger = auditOn(store, { key: Buffer.alloc(32, 2) })
    await forger.note(note())
    expect(await auditOn(store).verify()).toMatchObject({ ok: false, brokenAt: 3 })
    expect(await forger.verify()).toMatchObject({ ok: false, brokenAt: 0, why: expect.stringContaining('key') })
  })

  test('what is missing at the end shows against a head that was kept', async () => {
    const { store, audit } = await chainOf(5)
    const early = await audit.head()
    await audit.note(note())
    await audit.note(note())
    const late = await audit.head()
    for (const kept of [early, late, { head: early.head }, { entries: 7 }, { entries: 3 }, {}])
      expect(await audit.verify(kept), JSON.stringify(kept)).toMatchObject({ ok: true, entries: 7 })
    const cut = auditOn(tampered(store, (entries) => entries.slice(0, 6)))
    expect(await cut.verify()).toMatchObject({ ok: true, entries: 6 })
    expect(await cut.verify(early)).toMatchObject({ ok: true })
    expect(await cut.verify(late)).toMatchObject({ ok: false, brokenAt: 6, why: expect.stringContaining('missing') })
    expect(await cut.verify({ head: late.head })).toMatchObject({ ok: false, brokenAt: 6 })
    expect(await cut.verify({ entries: 7 })).toMatchObject({ ok: false, brokenAt: 6 })
    // The right head under a wrong number is a chain that was made shorter or longer before it.
    expect(await audit.verify({ head: early.head, entries: 4 })).toMatchObject({ ok: false })
    const empty = auditOn(tampered(store, () => []))
    expect(await empty.verify(early)).toMatchObject({ ok: false, brokenAt: 0 })
  })

  test('never forks: not by notes at the same time, not by two processes on one store', async () => {
    const store = createMemoryStore()
    const two = [auditOn(store), auditOn(store)]
    await Promise.all(Array.from({ length: 60 }, (_, i) => two[i % 2]?.note(note({ target: `R-${i}` }))))
    expect(await auditOn(store).verify()).toMatchObject({ ok: true, entries: 60 })
    const targets = (await store.read('audit')).map(({ entry }) => (entry as { target: string }).target)
    expect(new Set(targets).size).toBe(60)
  })

  test('canonical text does not depend on the order of keys, and tells different values apart (property)', () => {
    const shuffled = (value: Json): Json =>
      Array.isArray(value)
        ? value.map(shuffled)
        : typeof value === 'object' && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([name, each]) => [name, shuffled(each ?? null)]),
            )
          : value
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, other) => {
        const [a, b] = [JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other))] as Json[]
        expect(canonical(shuffled(a!))).toBe(canonical(a!))
        expect(JSON.parse(canonical(a!))).toEqual(a)
        if (canonical(a!) === canonical(b!)) expect(a).toEqual(b)
      }),
    )
  })
})

describe('an entry', () => {
  test('keeps what somebody wrote within bounds, and no secret', async () => {
    const store = createMemoryStore()
    const audit = auditOn(store, { redact: (text) => text.replaceAll('hunter2', '***') })
    await audit.note(
      note({
        who: 'w'.repeat(5000),
        target: '😀'.repeat(5000),
        why: `hunter2 ${'y'.repeat(5000)}`,
        before: { token: 'hunter2' },
        after: { list: 'z'.repeat(50_000) },
      }),
    )
    const [entry] = await store.read('audit')
    const text = JSON.stringify(entry)
    expect(text.length).toBeLessThan(6000)
    expect(text).not.toContain('hunter2')
    expect(text.isWellFormed()).toBe(true)
    expect(entry?.entry).toMatchObject({
      from: 'console 10.0.0.9',
      before: { token: '***' },
      at: clock().toISOString(),
    })
    expect(await audit.verify()).toMatchObject({ ok: true })
  })

  test('is found again by person, action and area, newest first, page by page', async () => {
    const store = createMemoryStore()
    const audit = auditOn(store)
    for (let i = 0; i < 1203; i++) {
      await audit.note(
        note({ who: i % 3 === 0 ? 'bob' : 'alice', action: i % 2 === 0 ? 'release.pause' : 'access.sign-in' }),
      )
    }
    const seqs = async (where: { person?: string; action?: string }) => {
      const all: number[] = []
      for (let before: number | undefined; ; ) {
        const page = await audit.page({ ...where, before, limit: 100 })
        all.push(...page.entries.map(({ seq }) => seq))
        if (!page.more) return all
        before = page.entries.at(-1)?.seq
      }
    }
    const numbers = Array.from({ length: 1203 }, (_, i) => 1202 - i)
    expect(await seqs({})).toEqual(numbers)
    expect(await seqs({ person: 'bob' })).toEqual(numbers.filter((n) => n % 3 === 0))
    expect(await seqs({ person: 'bob', action: 'release.pause' })).toEqual(numbers.filter((n) => n % 6 === 0))
    expect(await seqs({ action: 'access' })).toEqual(numbers.filter((n) => n % 2 === 1))
    expect(await seqs({ action: 'acc' })).toEqual([])
    const { head, entries } = await audit.page({ limit: 1 })
    expect(head).toBe((await audit.head()).head)
    expect(entries[0]).not.toHaveProperty('mac')
  })
})

describe('a store that is away', () => {
  const away = () => {
    throw new Fault('store.unavailable', { say: 'The disk is full.', retry: true })
  }

  test('stands in nobody’s way; what happened is logged at once and noted later, once, in order', async () => {
    const store = createMemoryStore()
    const lines: string[] = []
    const log = createLog({ level: 'error', env: {}, stream: { write: (line: string) => lines.push(line) } })
    const audit = auditOn(store, { log, retryMs: 5 })
    await audit.note(note({ target: 'first' }))
    store.before = (call) => (call === 'append' ? away() : undefined)
    expect(await audit.note(note({ target: 'second' }))).toBe(false)
    expect(await audit.note(note({ target: 'third' }))).toBe(false)
    expect(lines.join('')).toContain('"target":"second"')
    expect(await audit.flush()).toBe(2)
    store.before = () => {}
    // Nobody has to press anything for it.
    await until('the entries are written', async () => (await store.read('audit')).length === 3)
    expect(await audit.note(note({ target: 'fourth' }))).toBe(true)
    const targets = (await store.read('audit')).map(({ entry }) => (entry as { target: string }).target)
    expect(targets).toEqual(['first', 'second', 'third', 'fourth'])
    expect(await audit.verify()).toMatchObject({ ok: true, entries: 4 })
  })

  test('that wrote the entry and then failed is not written to twice', async () => {
    const store = createMemoryStore()
    const audit = auditOn(store, { retryMs: 60_000 })
    store.after = (call) => (call === 'append' ? away() : undefined)
    expect(await audit.note(note({ target: 'in doubt' }))).toBe(false)
    store.after = () => {}
    expect(await audit.flush()).toBe(0)
    expect((await store.read('audit')).length).toBe(1)
    expect(await audit.note(note())).toBe(true)
    expect(await audit.verify()).toMatchObject({ ok: true, entries: 2 })
  })

  test('for too long: an entry says how many stand in the log only', async () => {
    const store = createMemoryStore()
    const audit = auditOn(store, { retryMs: 60_000 })
    store.before = (call) => (call === 'append' ? away() : undefined)
    for (let i = 0; i < 1003; i++) await audit.note(note())
    store.before = () => {}
    expect(await audit.flush()).toBe(0)
    const all = await store.read('audit')
    expect(all.length).toBe(1001)
    expect(all.at(-1)?.entry).toMatchObject({ action: 'access.audit', why: expect.stringMatching(/^3 entries/) })
    expect(await audit.verify()).toMatchObject({ ok: true })
  })
})

describe('the key', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'audit-key-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('is made once, for its owner only, whoever is first', async () => {
    const inner = join(folder, 'state')
    const keys = await Promise.all(Array.from({ length: 8 }, () => auditKey(inner, {})))
    expect(new Set(keys.map((each) => each.toString('hex'))).size).toBe(1)
    expect(keys[0]).toHaveLength(32)
    expect(statSync(join(inner, 'audit.key')).mode & 0o777).toBe(0o600)
    expect(readdirSync(inner)).toEqual(['audit.key'])
    expect(readFileSync(join(inner, 'audit.key'), 'utf8')).toBe(`${keys[0]?.toString('hex')}\n`)
  })

  test('comes from the environment where it is set, and no file is made', async () => {
    expect(await auditKey(folder, { ROLLCALL_AUDIT_KEY: 'AB'.repeat(32) })).toEqual(Buffer.alloc(32, 0xab))
    expect(readdirSync(folder)).toEqual([])
  })

  test('that is open to others or malformed is refused, and not shown', async () => {
    const file = join(folder, 'audit.key')
    writeFileSync(file, 'ab'.repeat(32), { mode: 0o600 })
    chmodSync(file, 0o644)
    await expect(auditKey(folder, {})).rejects.toMatchObject({
      code: 'access.audit-key-open',
      next: expect.stringContaining('chmod 600'),
    })
    chmodSync(file, 0o600)
    writeFileSync(file, 'sesame-sesame')
    const fault = await auditKey(folder, {}).catch((error: Fault) => error)
    expect(fault).toMatchObject({ code: 'access.audit-key-malformed' })
    expect((fault as Fault).line).not.toContain('sesame')
    await expect(auditKey(folder, { ROLLCALL_AUDIT_KEY: 'short' })).rejects.toMatchObject({
      code: 'access.audit-key-malformed',
    })
  })
})
