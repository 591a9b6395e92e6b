import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { createOutbox, outboxIndexes } from '../../../src/adapters/channel/outbox.ts'
import { createLeads } from '../../../src/adapters/leads/index.ts'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { card, createScriptedSender, line, outboxWorld, silent } from './outbox-kit.ts'

const shared = { exclusive: false }

test('of two processes on one store one sends, whatever either of them is asked to show', async () => {
  const { time, start } = outboxWorld()
  const [one, two] = [createScriptedSender(time), createScriptedSender(time)]
  const first = await start([one], shared)
  await time.advance(1_000)
  const second = await start([two], shared)
  await first.put('a', card('a'))
  await second.put('b', card('b'))
  await time.advance(1_000)
  await second.put('a', card('a, edited by the other'))
  await time.advance(1_000)
  expect([one.stands.map(({ message }) => message.title), two.sent]).toEqual([['a, edited by the other', 'b'], []])
  expect([await first.outbox.status('slack'), await second.outbox.status('slack')]).toEqual([
    { waiting: 0, refused: 0 },
    { waiting: 0, refused: 0 },
  ])
})

test('the one that waits says how it stands as well', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = ({ key }) =>
    key === 'odd'
      ? { says: { at: 'refused', why: 'odd', next: '' } }
      : { says: { at: 'later', ms: 60_000, scope: 'place', why: 'limit', arrived: 'no' } }
  const first = await start([sender], shared)
  await time.advance(1_000)
  const second = await start([sender], shared)
  await first.put('odd', card('odd'))
  await time.advance(1_000)
  await second.put('a', card('a'))
  await time.advance(2_000)
  const status = { waiting: 1, oldest: '2026-01-01T00:00:02.000Z', refused: 1, refusal: 'odd' }
  expect([await first.outbox.status('slack'), await second.outbox.status('slack')]).toEqual([status, status])
})

test('after one was killed while it sends the other goes on within ten seconds, and nothing is there twice', async () => {
  for (const moment of [1, 19, 20, 21, 500, 1_500]) {
    const { time, start } = outboxWorld()
    const sender = createScriptedSender(time, { rates: [{ count: 10, ms: 1_000 }] })
    const first = await start([sender], shared)
    await time.advance(100)
    const second = await start([sender], shared)
    await first.put('head', card('head'))
    for (let i = 0; i < 20; i++) await second.put(`c${i}`, card(`c${i}`))
    for (let i = 0; i < 3; i++) await second.put(`r${i}`, line(`r${i}`), { thread: 'head' })
    await time.advance(500 + moment)
    first.kill()
    const killed = time.steady()
    await second.put('late', card('late', { buttons: [] }))
    await time.advance(10_000)
    const next = sender.sent.find(({ at }) => at > killed)
    expect((next?.at ?? Number.POSITIVE_INFINITY) - killed).toBeLessThan(10_000)
    await time.advance(10_000)
    expect(sender.stands).toHaveLength(25)
    expect(new Set(sender.stands.map(({ key }) => key)).size).toBe(25)
    expect(sender.atOnce).toBe(1)
  }
})

test('one that closes hands over at once', async () => {
  const { time, start } = outboxWorld()
  const [one, two] = [createScriptedSender(time), createScriptedSender(time)]
  const first = await start([one], shared)
  await time.advance(100)
  const second = await start([two], shared)
  await second.put('a', card('a'))
  await time.advance(1_000)
  const closing = first.outbox.close(1_000)
  await second.put('b', card('b'))
  await time.advance(1_200)
  await closing
  expect([one.stands.map(({ key }) => key), two.stands.map(({ key }) => key)]).toEqual([['a'], ['b']])
})

test('one that lost the store for longer than its lease records nothing more, and ends its send before it begins another', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 20_000 })
  const first = await start([sender], shared)
  await first.put('a', card('a'))
  await first.put('b', card('b'))
  await time.advance(1_000)
  store.before = () => {
    throw new Error('away')
  }
  await time.advance(8_000)
  store.before = () => {}
  await time.advance(60_000)
  expect(sender.atOnce).toBe(1)
  expect(sender.stands.map(({ key }) => key)).toEqual(['a', 'b'])
  expect(sender.sent.map(({ key, uncertainSince }) => [key, uncertainSince !== undefined])).toEqual([
    ['a', false],
    ['a', true],
    ['b', false],
  ])
})

test('it works on SQLite with its indexes, in real time, from two processes’ worth of instances', async () => {
  const { time } = outboxWorld()
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-outbox-'))
  const stores = await Promise.all([0, 1].map(() => createSqliteStore({ folder, indexes: outboxIndexes })))
  const sender = createScriptedSender(time, { rates: [{ count: 100, ms: 1_000 }] })
  const real = {
    ...sender,
    send: (delivery: Parameters<typeof sender.send>[0]) => {
      const sent = sender.send(delivery)
      void time.advance(100)
      return sent
    },
  }
  const all = stores.map((store) => {
    const leads = createLeads({ store, exclusive: false, log: silent, leaseMs: 1_000, pollMs: 50 })
    const outbox = createOutbox({
      ...{ store, leads, senders: [real], exclusive: false, log: silent, pollMs: 50 },
      clock: () => new Date(),
    })
    return { outbox, leads, channel: createChannel({ store, clock: () => new Date(), surfaces: [outbox] }) }
  })
  try {
    await Promise.all(all.map(({ outbox }) => outbox.open()))
    for (let i = 0; i < 20; i++) {
      await all[i % 2]?.channel.put({ key: `c${i}`, channel: '#releases', message: card(`c${i}`) })
    }
    for (let tries = 0; tries < 200 && sender.stands.length < 20; tries++) await sleep(50)
    expect(sender.stands.map(({ key }) => key).sort()).toEqual(Array.from({ length: 20 }, (_, i) => `c${i}`).sort())
    expect(await all[0]?.outbox.status('slack')).toMatchObject({ refused: 0 })
  } finally {
    await Promise.all(all.map(({ outbox }) => outbox.close(1_000)))
    await Promise.all(all.map(({ leads }) => leads.close()))
    await Promise.all(stores.map((store) => store.close()))
    await rm(folder, { recursive: true })
  }
})
