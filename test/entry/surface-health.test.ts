import { afterEach, describe, expect, test, vi } from 'vitest'
import { createHealths, type Healths, readSurfaces } from '../../src/entry/surface-health.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Health, SurfaceHealth } from '../../src/ports/surface.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'

const log = createLog({ level: 'silent' })
const since = '2026-01-31T09:00:00.000Z'
const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, { timeout: 10_000, interval: 5 })

const started: Healths[] = []
afterEach(async () => {
  for (const healths of started.splice(0)) await healths.stop()
})

/** One process; `now` is how WeCom is there. */
function bot(store: Store, now: Health, options: { exclusive?: boolean; silentMs?: number; atLeastMs?: number } = {}) {
  const { exclusive = false, ...timings } = options
  const state = { now }
  const own = async (): Promise<SurfaceHealth[]> => [{ surface: 'wecom', waiting: 2, refused: 0, ...state.now }]
  const healths = createHealths({ store, own, exclusive, everyMs: 10, log, timings })
  started.push(healths)
  const read = async () => (await healths.read())[0]
  return { state, healths, read }
}
const standby: Health = { at: 'standby', since: '2026-01-31T10:00:00.000Z' }
const up: Health = { at: 'up', since }
const down: Health = { at: 'down', since, why: 'WeCom does not answer.' }

describe('a bot that stands by', () => {
  test('shows how the connection of the holder is, with why and since when', async () => {
    const store = createMemoryStore()
    const holder = bot(store, up)
    const other = bot(store, standby)
    expect(await other.read()).toMatchObject({ at: 'standby' })
    holder.healths.start()
    other.healths.start()
    await eventually(async () =>
      expect(await other.read()).toEqual({ surface: 'wecom', waiting: 2, refused: 0, ...up }),
    )
    holder.state.now = down
    await eventually(async () =>
      expect(await other.read()).toEqual({ surface: 'wecom', waiting: 2, refused: 0, ...down }),
    )
    // They change places.
    holder.state.now = standby
    other.state.now = up
    await eventually(async () => expect(await holder.read()).toMatchObject(up))
    expect(await other.read()).toMatchObject(up)
  })

  test('says that nobody holds it once the holder has been silent for long', async () => {
    const store = createMemoryStore()
    const holder = bot(store, up, { atLeastMs: 20 })
    const other = bot(store, standby, { silentMs: 300 })
    holder.healths.start()
    other.healths.start()
    await eventually(async () => expect(await other.read()).toMatchObject(up))
    const until = performance.now() + 600
    while (performance.now() < until) {
      expect((await other.read())?.at).toBe('up')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await holder.healths.stop()
    await eventually(async () =>
      expect(await other.read()).toMatchObject({ at: 'down', why: 'No bot holds the connection.', waiting: 2 }),
    )
  })
})

test('a row is written when something has changed, else only once a while', async () => {
  const store = createMemoryStore()
  const looks = vi.spyOn(store, 'insert')
  const writes = vi.spyOn(store, 'put')
  const holder = bot(store, up)
  let reads = 0
  Object.defineProperty(holder.state, 'now', {
    get() {
      reads++
      return up
    },
  })
  holder.healths.start()
  await eventually(() => expect(reads).toBeGreaterThan(5))
  expect([looks.mock.calls.length, writes.mock.calls.length]).toEqual([1, 0])
})

test('a bot that has the store for itself writes nothing', async () => {
  const store = createMemoryStore()
  const one = bot(store, down, { exclusive: true })
  one.healths.start()
  expect(await one.read()).toMatchObject(down)
  expect(await store.find('surface-health')).toEqual([])
})

test('a store that is away for a moment stops nothing', async () => {
  const store = createMemoryStore()
  let faults = 0
  store.before = () => {
    if (faults++ < 3) throw new Error('away')
  }
  bot(store, up).healths.start()
  await eventually(async () => expect((await store.get('surface-health', 'wecom'))?.document).toEqual(up))
})

test('who asks while the chat services are being read waits for the same reading', async () => {
  let reads = 0
  let answer = (): void => {}
  const surfaces = () => {
    reads++
    return new Promise<SurfaceHealth[]>((resolve) => (answer = () => resolve([])))
  }
  const both = [readSurfaces({ surfaces, log }), readSurfaces({ surfaces, log })]
  await eventually(() => expect(reads).toBe(1))
  answer()
  expect(await Promise.all(both)).toEqual([[], []])
  void readSurfaces({ surfaces, log }, 1)
  await eventually(() => expect(reads).toBe(2))
  answer()
})
