import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSends, createWindow } from '../../../src/adapters/channel/outbox-rates.ts'
import { backOff } from '../../../src/adapters/channel/outbox-timers.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'
import { card, createScriptedSender, outboxWorld } from './outbox-kit.ts'

const day = 24 * 3_600_000

describe('a sliding window', () => {
  const rates = fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 8 }),
      ms: fc.integer({ min: 1, max: 10_000_000 }),
      of: fc.constantFrom(undefined, 'new' as const, 'edit' as const),
    }),
    {
      minLength: 1,
      maxLength: 3,
    },
  )

  test('never lets more through than any of its rates, and lets something through when it says so', () => {
    fc.assert(
      fc.property(
        rates,
        fc.array(fc.record({ pause: fc.nat(400_000), kind: fc.constantFrom('new' as const, 'edit' as const) }), {
          maxLength: 60,
        }),
        fc.integer({ min: 0, max: 3 }),
        (given, tries, rank) => {
          const window = createWindow(given)
          const sent: { at: number; kind: string }[] = []
          let now = 0
          for (const { pause, kind } of tries) {
            now += pause
            now += window.wait(now, kind, rank)
            expect(window.wait(now, kind, rank)).toBe(0)
            window.note(now, kind)
            sent.push({ at: now, kind })
          }
          for (const { count, ms, of } of given) {
            const counted = sent.flatMap(({ at, kind }) => (of === undefined || of === kind ? [at] : []))
            for (const at of counted)
              expect(counted.filter((each) => each > at - ms && each <= at).length).toBeLessThanOrEqual(count)
          }
        },
      ),
    )
  })

  test.each([
    { name: 'one a second', rates: [{ count: 1, ms: 1_000 }], room: 10 },
    {
      name: '30 a minute and 1,000 an hour',
      rates: [
        { count: 30, ms: 60_000 },
        { count: 1_000, ms: 3_600_000 },
      ],
      room: 30,
    },
    { name: '30 a minute', rates: [{ count: 30, ms: 60_000 }], room: 30 },
    { name: '10 a day', rates: [{ count: 10, ms: day }], room: 1 },
    {
      name: 'one a second and few edits',
      rates: [
        { count: 1, ms: 1_000, of: 'new' as const },
        { count: 2, ms: 60_000, of: 'edit' as const },
      ],
      room: 10,
    },
    { name: 'no limit', rates: [], room: Number.POSITIVE_INFINITY },
  ])('has room for $room lines in ten seconds at $name', ({ rates: given, room }) => {
    expect(createWindow(given).room(0, 10_000)).toBe(room)
  })

  test.each([
    { what: 'a long window', rate: { count: 10, ms: day }, kind: 'new' as const },
    { what: 'the edits of a short one', rate: { count: 10, ms: 60_000, of: 'edit' as const }, kind: 'edit' as const },
  ])('keeps a fifth of $what for approvals and states', ({ rate, kind }) => {
    const window = createWindow([rate])
    const { ms } = rate
    for (let i = 0; i < 8; i++) window.note(i, kind)
    expect([window.wait(10, kind, 3), window.wait(10, kind, 2)]).toEqual([ms - 10, ms - 10])
    expect([window.wait(10, kind, 1), window.wait(10, kind, 0)]).toEqual([0, 0])
    window.note(10, kind)
    window.note(11, kind)
    expect(window.wait(12, kind, 0)).toBe(ms - 12)
    window.forget(10)
    expect(window.wait(12, kind, 0)).toBe(0)
  })

  test('keeps nothing back of the new messages of a short one', () => {
    const window = createWindow([{ count: 10, ms: 60_000, of: 'new' }])
    for (let i = 0; i < 9; i++) window.note(i, 'new')
    expect(window.wait(10, 'new', 3)).toBe(0)
  })
})

test('ten a day stay ten a day over restarts, edits and sends of which nobody knows', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 10, ms: day }] })
  sender.refuseLookup = true
  for (let round = 0; round < 14; round++) {
    const life = await start([sender])
    await life.put('edited', card(`${round}`))
    await time.advance(100)
    if (round % 2 === 0) {
      await life.put(`k${round}`, card(`k${round}`))
      // Dies while it sends.
      await time.advance(10)
    }
    life.kill()
    await time.advance(3_600_000)
  }
  await start([sender])
  await time.advance(4 * day)
  const at = sender.sent.map((each) => each.at)
  for (const each of at)
    expect(at.filter((other) => other > each - day && other <= each).length).toBeLessThanOrEqual(10)
  expect(new Set(sender.stands.map(({ key }) => key)).size).toBe(8)
})

test('tries that surely did not arrive do not use up the day', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 10, ms: day }] })
  sender.fate = () => ({ says: { at: 'later', ms: 1_000, scope: 'surface', why: 'down', arrived: 'no' } })
  const life = await start([sender])
  await life.put('a', card('a'))
  await time.advance(60_000)
  expect(sender.sent.length).toBeGreaterThan(20)
  sender.fate = () => undefined
  await time.advance(2_000)
  expect(sender.stands).toHaveLength(1)
})

test('what was sent to a place is forgotten when it no longer counts', async () => {
  const store = createMemoryStore()
  const sends = createSends(store, { surface: 'slack', place: 'C1' }, [{ count: 5, ms: 60_000 }])
  const start = Date.parse('2026-01-01T00:00:00Z')
  for (let i = 0; i < 400; i++) await sends.add(`k${i}`, new Date(start + i * 10_000), 'new')
  expect((await store.read('outbox-sends/slack/C1')).length).toBeLessThan(70)
  expect((await sends.recent(new Date(start + 399 * 10_000))).map(({ key }) => key)).toEqual([
    'k394',
    'k395',
    'k396',
    'k397',
    'k398',
    'k399',
  ])
})

test('a back-off doubles up to a minute, keeps to what was asked for, and spreads', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 40].map((attempt) => backOff(0, attempt, () => 0))).toEqual([
    1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 50_000, 50_000,
  ])
  fc.assert(
    fc.property(
      fc.nat(100_000),
      fc.nat(60),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (asked, attempt, random) => {
        const ms = backOff(asked, attempt, () => random)
        expect(ms).toBeGreaterThanOrEqual(asked)
        if (asked === 0) expect(ms).toBeLessThanOrEqual(60_000)
        else expect(ms).toBeLessThanOrEqual(Math.ceil(asked * 1.2))
      },
    ),
  )
})
