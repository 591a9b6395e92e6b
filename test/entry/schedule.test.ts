import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSchedule, type Schedule } from '../../src/entry/schedule.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'
import { mortal } from './reception-kit.ts'

const schedules: Schedule[] = []
afterEach(async () => {
  for (const schedule of schedules.splice(0)) await schedule.stop()
})

const noon = new Date('2026-01-31T12:00:00.250Z')
const ID = 'report/2026-01-31T12:00:00.000Z'
const DAILY = '0 12 * * *'

function scheduleOn(
  store: Store,
  options: { now?: () => Date; lines?: string[]; look?: number; timezone?: string } = {},
) {
  const { now = () => noon, lines = [], look = 60_000, timezone } = options
  const log = createLog({ stream: { write: (line) => void lines.push(line) }, env: {} })
  const schedule = createSchedule({
    store,
    log,
    clock: now,
    timezone,
    timings: { beat: 10, silent: 60, retry: 1, look },
  })
  schedules.push(schedule)
  return schedule
}

const stateOf = async (store: Store, id = ID) => (await store.get('ticks', id))?.document

test('of several processes that share a store one runs a tick', async () => {
  const store = createMemoryStore()
  const runs: string[] = []
  const all = [1, 2, 3].map((n) => {
    const schedule = scheduleOn(store)
    schedule.every('report', DAILY, async (tick) => void runs.push(`${n} ${tick}`))
    return schedule
  })
  await Promise.all(all.map((schedule) => schedule.tick('report', noon)))
  expect(runs).toEqual([`1 ${ID}`])
  expect(await stateOf(store)).toMatchObject({ name: 'report', at: '2026-01-31T12:00:00.000Z', state: 'done' })
  await all[1]?.tick('report', new Date(noon.getTime() + 86_400_000))
  expect(runs).toHaveLength(2)
})

test('cron expressions of seconds tick by themselves, each second once over two processes', async () => {
  const store = createMemoryStore()
  const runs: string[] = []
  for (let n = 0; n < 2; n++) {
    const schedule = scheduleOn(store, { now: () => new Date() })
    schedule.every('second', '* * * * * *', async (tick) => void runs.push(tick))
    schedule.start()
  }
  await vi.waitFor(() => expect(runs.length).toBeGreaterThanOrEqual(2), 5000)
  for (const schedule of schedules.splice(0)) await schedule.stop()
  expect(new Set(runs).size).toBe(runs.length)
  expect(runs[0]).toMatch(/^second\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
  const over = runs.length
  await new Promise((resolve) => setTimeout(resolve, 1100))
  expect(runs).toHaveLength(over)
})

test('a run that throws is logged with its name, and the next one comes', async () => {
  const store = createMemoryStore()
  const lines: string[] = []
  const schedule = scheduleOn(store, { lines })
  let fail = true
  schedule.every('report', DAILY, async () => {
    if (fail) throw new Error('no paper')
  })
  await schedule.tick('report', noon)
  expect(await stateOf(store)).toMatchObject({ state: 'failed' })
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { name: 'report', tick: ID, msg: 'scheduled run failed', err: { message: 'no paper' } },
  ])
  fail = false
  await schedule.tick('report', new Date(noon.getTime() + 86_400_000))
  expect(await stateOf(store, 'report/2026-02-01T12:00:00.000Z')).toMatchObject({ state: 'done' })
})

test('a name does not overlap itself in one process, and leaves the tick to others', async () => {
  const store = createMemoryStore()
  const [one, two] = [scheduleOn(store), scheduleOn(store)]
  const ends: (() => void)[] = []
  const runs: string[] = []
  for (const [n, schedule] of [one, two].entries()) {
    schedule.every('report', DAILY, (tick) => {
      runs.push(`${n} ${tick.slice(-8)}`)
      return new Promise((resolve) => ends.push(resolve))
    })
  }
  const first = one.tick('report', noon)
  await vi.waitFor(() => expect(runs).toHaveLength(1))
  const later = new Date(noon.getTime() + 1000)
  await one.tick('report', later)
  expect(runs).toHaveLength(1)
  const second = two.tick('report', later)
  await vi.waitFor(() => expect(runs).toHaveLength(2))
  expect(runs[1]).toMatch(/^1 /)
  for (const end of ends) end()
  await Promise.all([first, second])
})

test('a store that is away for a moment costs no tick', async () => {
  const store = createMemoryStore()
  const schedule = scheduleOn(store)
  let runs = 0
  schedule.every('report', DAILY, async () => void runs++)
  let faults = 0
  store.before = (call) => {
    if (call === 'insert' && faults++ < 2) throw new Error('away')
  }
  await schedule.tick('report', noon)
  expect(runs).toBe(1)
  // Written, and the answer lost.
  let lost = false
  store.after = (call) => {
    if (call !== 'insert' || lost) return
    lost = true
    throw new Error('cut off')
  }
  await schedule.tick('report', new Date(noon.getTime() + 86_400_000))
  expect(runs).toBe(2)
})

describe('a tick during which the process died', () => {
  async function died(): Promise<Store> {
    const store = createMemoryStore()
    const body = mortal(store, 1, 'after')
    const schedule = createSchedule({
      store: { ...body.store, insert: store.insert },
      log: createLog({ level: 'silent' }),
      clock: () => noon,
      timings: { beat: 1_000_000 },
    })
    let ended = (): void => {}
    schedule.every('report', DAILY, () => new Promise((resolve) => (ended = resolve)))
    const run = schedule.tick('report', noon)
    await vi.waitFor(async () => expect(await stateOf(store)).toMatchObject({ state: 'running' }))
    // It dies here: nothing that it writes arrives.
    await body.store.trim('x', 0).catch(() => {})
    ended()
    await run
    await schedule.stop()
    return store
  }

  test.each([
    ['is run by whoever starts next', 23 * 3_600_000, 1],
    ['is left alone when it is a period old', 25 * 3_600_000, 0],
  ])('%s', async (_name, age, times) => {
    const store = await died()
    expect(await stateOf(store)).toMatchObject({ state: 'running' })
    const runs: string[] = []
    const both = [1, 2].map(() => {
      const schedule = scheduleOn(store, { now: () => new Date(noon.getTime() + age) })
      schedule.every('report', DAILY, async (tick) => void runs.push(tick))
      return schedule
    })
    const looks = vi.spyOn(store, 'find')
    for (const schedule of both) schedule.start()
    if (times === 1) await vi.waitFor(async () => expect(await stateOf(store)).toMatchObject({ state: 'done' }))
    await vi.waitFor(() => expect(looks.mock.calls.length).toBe(times === 1 ? 4 : 2))
    expect(runs).toEqual(Array(times).fill(ID))
  })

  test('is run by a process that was there already', async () => {
    const store = createMemoryStore()
    const lives = scheduleOn(store, { look: 30 })
    const runs: string[] = []
    lives.every('report', DAILY, async (tick) => void runs.push(tick))
    const looks = vi.spyOn(store, 'find')
    lives.start()
    await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(0))
    await store.insert('ticks', ID, { name: 'report', at: ID.slice(7), state: 'running', worker: 'the dead' })
    await vi.waitFor(async () => expect(await stateOf(store)).toMatchObject({ state: 'done' }), 5000)
    expect(runs).toEqual([ID])
  })

  test('is not run again by the process that ended it but could not say so', async () => {
    const store = createMemoryStore()
    const schedule = scheduleOn(store, { look: 30 })
    let runs = 0
    schedule.every('report', DAILY, async () => void runs++)
    store.before = (call) => {
      if (call === 'put') throw new Error('away')
    }
    await schedule.tick('report', noon)
    store.before = () => {}
    expect(await stateOf(store)).toMatchObject({ state: 'running' })
    schedule.start()
    await vi.waitFor(async () => expect(await stateOf(store)).toMatchObject({ state: 'done' }), 5000)
    expect(runs).toBe(1)
  })

  test('is left to the process that still runs it', async () => {
    const store = createMemoryStore()
    const [one, two] = [scheduleOn(store), scheduleOn(store)]
    let end = (): void => {}
    let runs = 0
    for (const schedule of [one, two]) {
      schedule.every('report', DAILY, () => {
        runs++
        return new Promise((resolve) => (end = resolve))
      })
    }
    const run = one.tick('report', noon)
    await vi.waitFor(() => expect(runs).toBe(1))
    const looks = vi.spyOn(store, 'find')
    two.start()
    await vi.waitFor(() => expect(looks.mock.calls.length).toBe(2))
    await new Promise((resolve) => setImmediate(resolve))
    expect(runs).toBe(1)
    end()
    await run
    expect(await stateOf(store)).toMatchObject({ state: 'done' })
  })
})

test('what is no cron expression, or a name twice, is refused at once', () => {
  const schedule = scheduleOn(createMemoryStore())
  expect(() => schedule.every('report', 'at noon', async () => {})).toThrow('no cron expression')
  schedule.every('report', DAILY, async () => {})
  expect(() => schedule.every('report', DAILY, async () => {})).toThrow('taken')
})

describe('the time zone', () => {
  test.each([
    ['UTC', 'report/2026-02-01T12:00:00.000Z'],
    ['Asia/Shanghai', 'report/2026-02-01T04:00:00.000Z'],
  ])('%s says when noon is, and ticks are named in UTC', async (timezone, id) => {
    const due = new Date(id.slice(7))
    vi.useFakeTimers({ now: due.getTime() - 1500 })
    try {
      const store = createMemoryStore()
      const schedule = scheduleOn(store, { now: () => new Date(), timezone })
      const runs: string[] = []
      schedule.every('report', DAILY, async (tick) => void runs.push(tick))
      schedule.start()
      await vi.advanceTimersByTimeAsync(4000)
      expect(runs).toEqual([id])
    } finally {
      vi.useRealTimers()
    }
  })

  test('that is none is refused at once', () => {
    expect(() => scheduleOn(createMemoryStore(), { timezone: 'Mars/Olympus' })).toThrow(RangeError)
  })
})
