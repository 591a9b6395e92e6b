import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createOutbox, outboxIndexes } from '../../../src/adapters/channel/outbox.ts'
import { createLeads } from '../../../src/adapters/leads/index.ts'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { findStatement } from '../../../src/adapters/sqlite/query.ts'
import type { Json, Store } from '../../../src/ports/store.ts'
import { card, createScriptedSender, outboxWorld, silent } from './outbox-kit.ts'

const row = (key: string, more: { [field: string]: Json }): Json => ({
  ...{ surface: 'slack', key, channel: '#releases', place: 'C1', number: 1, rank: 1, wanted: 1 },
  ...{ waiting: false, refused: false, since: '2026-01-01T00:00:00.000Z' },
  ...more,
})

/** Counts the rows and entries that calls on the store bring. */
function counting(store: Store) {
  const read = { calls: 0, rows: 0 }
  const counted: Store = {
    ...store,
    get: async (...given) => {
      read.calls++
      return store.get(...given)
    },
    find: async (...given) => {
      const found = await store.find(...given)
      read.calls++
      read.rows += found.length
      return found
    },
    read: async (...given) => {
      const found = await store.read(...given)
      read.calls++
      read.rows += found.length
      return found
    },
    last: async (...given) => {
      const found = await store.last(...given)
      read.calls++
      read.rows += found.length
      return found
    },
  }
  return { read, counted }
}

test('opening with 100,000 rows that are shown reads only those that wait or are refused, by index', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-outbox-'))
  const { time } = outboxWorld()
  const store = await createSqliteStore({ folder, indexes: outboxIndexes })
  const db = new DatabaseSync(join(folder, 'rollcall.db'))
  try {
    db.exec('BEGIN')
    const insert = db.prepare(`INSERT INTO documents VALUES ('outbox', ?, 1, ?)`)
    const add = (key: string, more: { [field: string]: Json }) =>
      insert.run(`slack/${key}`, JSON.stringify(row(key, more)))
    const shown = { revision: 1, digest: 'd', face: 'f', asks: false, identity: 1, at: '2026-01-01T00:00:00.000Z' }
    for (let i = 0; i < 100_000; i++) add(`old ${i}`, { shown })
    for (let i = 0; i < 3; i++) add(`waits ${i}`, { waiting: true })
    for (let i = 0; i < 4; i++) add(`refused ${i}`, { refused: true })
    db.exec('COMMIT')
    const plan = ['waiting', 'refused'].map((field) => {
      const { sql, values } = findStatement('outbox', { where: { [field]: true }, prefix: 'slack/' })
      return JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values))
    })
    expect(plan).toEqual([expect.stringContaining('by outbox waiting'), expect.stringContaining('by outbox refused')])

    const { read, counted } = counting(store)
    const sender = createScriptedSender(time)
    const outbox = createOutbox({
      ...{ store: counted, senders: [sender], exclusive: true, log: silent, timers: time, clock: time.wall },
      leads: createLeads({ store: counted, exclusive: true, log: silent }),
      channels: ['#releases', '#alerts'],
    })
    const before = performance.now()
    await outbox.open()
    expect(performance.now() - before).toBeLessThan(500)
    expect(read.rows).toBeLessThanOrEqual(10)
    expect(read.calls).toBeLessThan(40)
    expect(await outbox.status('slack')).toMatchObject({ waiting: expect.any(Number), refused: expect.any(Number) })
    await outbox.close(10)
  } finally {
    db.close()
    await store.close()
    await rm(folder, { recursive: true })
  }
}, 30_000)

test('a process that does not send reads at most a thousand rows of each kind to say how it stands, and at most every five seconds', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = () => ({ says: { at: 'later', ms: 600_000, scope: 'surface', why: 'down', arrived: 'no' } })
  const first = await start([sender], { exclusive: false })
  await time.advance(1_000)
  await first.put('first', card('first'))
  await time.advance(1_000)
  const { read, counted } = counting(store)
  const second = await start([sender], { exclusive: false, store: counted })
  for (let i = 0; i < 1_200; i++) await store.insert('outbox', `slack/k${i}`, row(`k${i}`, { waiting: true }))
  await time.advance(1_000)
  const finds = async (work: () => Promise<unknown>) => {
    read.calls = 0
    read.rows = 0
    await work()
    return { ...read }
  }
  const status = { waiting: 1_000, refused: 0, oldest: '2026-01-01T00:00:00.000Z', atLeast: true }
  const ask = () => second.outbox.status('slack')
  expect(
    await finds(async () => expect(await Promise.all([ask(), ask(), ask()])).toEqual([status, status, status])),
  ).toEqual({
    calls: 2,
    rows: 1_000,
  })
  expect(await finds(ask)).toEqual({ calls: 0, rows: 0 })
  await time.advance(5_000)
  expect(await finds(ask)).toEqual({ calls: 2, rows: 1_000 })
  expect(await first.outbox.status('slack')).toMatchObject({ waiting: 1_201 })
  await first.put('late', card('late'))
  expect(await first.outbox.status('slack')).not.toHaveProperty('atLeast')
})
