import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLeads } from '../../../src/adapters/leads/index.ts'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { Fault } from '../../../src/lib/fault.ts'
import type { Store } from '../../../src/ports/store.ts'
import { candidate, leadsContract } from '../../contracts/leads.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'
import { createVirtualTime } from './virtual-time.ts'

const times = { leaseMs: 6_000, pollMs: 500 }

function memoryWorld() {
  const store = createMemoryStore()
  const time = createVirtualTime()
  return {
    store,
    time,
    ...times,
    stores: [store, store] as [typeof store, typeof store],
    timers: time,
    pass: (ms: number) => time.advance(ms),
    dispose: () => store.close(),
  }
}

leadsContract('the memory store', async () => memoryWorld())

leadsContract('SQLite, opened twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-leads-'))
  const stores = [await createSqliteStore({ folder }), await createSqliteStore({ folder })] as const
  return {
    stores: [...stores],
    leaseMs: 800,
    pollMs: 80,
    pass: (ms) => sleep(ms),
    dispose: async () => {
      await Promise.all(stores.map((store) => store.close()))
      await rm(folder, { recursive: true })
    },
  }
})

const away = new Fault('store.unavailable', { say: 'The store is away.', retry: true })

describe('leads', () => {
  test('are held from the beginning by the only process, without the store', async () => {
    const store = createMemoryStore()
    store.before = () => {
      throw away
    }
    const leads = createLeads({ store, exclusive: true, log: { info: () => {}, warn: () => {} } })
    const told: string[] = []
    const lead = leads.campaign('x', { gained: () => void told.push('gained'), lost: () => void told.push('lost') })
    expect([lead.held(), lead.fence()]).toEqual([true, 1])
    lead.yieldFor?.(60_000)
    expect(lead.held()).toBe(true)
    await leads.close()
    expect([lead.held(), told]).toEqual([false, ['gained', 'lost']])
  })

  test('end by themselves at 75 % of the lease while the store is away, and come back with it', async () => {
    const world = memoryWorld()
    const one = candidate(world, 0, 'x')
    await world.pass(100)
    expect(one.lead.held()).toBe(true)
    await world.pass(6_000)
    world.store.before = () => {
      throw away
    }
    await world.pass(4_501)
    expect([one.lead.held(), one.told]).toEqual([false, ['gained', 'lost']])
    await world.pass(60_000)
    world.store.before = () => {}
    await world.pass(1_000)
    expect([one.lead.held(), one.told, one.lead.fence()]).toEqual([true, ['gained', 'lost', 'gained'], 2])
    await one.leads.close()
  })

  test('end in time although a call on the store never ends', async () => {
    const world = memoryWorld()
    const one = candidate(world, 0, 'x')
    await world.pass(100)
    one.kill()
    await world.pass(4_501)
    expect([one.lead.held(), one.told]).toEqual([false, ['gained', 'lost']])
    const closing = one.leads.close()
    await world.pass(6_000)
    await closing
  })

  test('outlast a store that is away for less than the lease, and one whose answers are lost', async () => {
    const world = memoryWorld()
    const [one, two] = [candidate(world, 0, 'x'), candidate(world, 1, 'x')]
    await world.pass(2_000)
    world.store.before = () => {
      throw away
    }
    await world.pass(2_000)
    world.store.before = () => {}
    let lose = 5
    world.store.after = (call) => {
      if (call === 'put' && lose-- > 0) throw away
    }
    await world.pass(30_000)
    expect([one.lead.held(), one.told, two.told]).toEqual([true, ['gained'], []])
    await Promise.all([one.leads.close(), two.leads.close()])
  })

  test('are gained only with an answer in time: one that comes after the lease is over says nothing', async () => {
    const world = memoryWorld()
    let late = true
    const slow: Store = {
      ...world.store,
      async insert(...given) {
        const written = await world.store.insert(...given)
        if (late) await world.time.pause(5_000, new AbortController().signal)
        return written
      },
    }
    const one = candidate({ ...world, stores: [slow, slow] }, 0, 'x')
    await world.pass(4_900)
    expect([one.told, one.lead.held()]).toEqual([[], false])
    late = false
    await world.pass(2_000)
    expect([one.told, one.lead.held(), one.lead.fence()]).toEqual([['gained'], true, 1])
    await one.leads.close()
  })

  test('leave a tenth of the lease between the end of one holder and the next, however rarely the next one looks', async () => {
    const pauses: number[] = []
    for (let offset = 0; offset < 1_500; offset += 50) {
      const world = { ...memoryWorld(), pollMs: 1_500 }
      const one = candidate(world, 0, 'x')
      await world.pass(3_000 + offset)
      const two = candidate(world, 1, 'x')
      await world.pass(6_000)
      one.kill()
      const until = async (condition: () => boolean) => {
        for (let passed = 0; passed < 12_000 && !condition(); passed += 25) await world.pass(25)
        return world.time.steady()
      }
      const ended = await until(() => !one.lead.held())
      pauses.push((await until(() => two.lead.held())) - ended)
      void one.leads.close()
      await two.leads.close()
    }
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(600)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(3_000)
  })

  test.each(['lost', 'never written'])(
    'are never held twice at once when a beat is %s, and the way of the holder alone to the store comes back for a call or two',
    async (what) => {
      for (let gap = 250; gap < 4_500; gap += 250) {
        for (const calls of [0, 1, 2, 3]) {
          const world = memoryWorld()
          const way = { fails: false, left: Number.POSITIVE_INFINITY, cutAt: undefined as number | undefined }
          const pass = () => {
            if (way.left-- <= 0) throw away
          }
          const far: Store = {
            ...world.store,
            async get(...given) {
              pass()
              return world.store.get(...given)
            },
            async put(...given) {
              pass()
              const cut = way.fails && way.cutAt === undefined
              if (cut && what === 'never written') [way.cutAt, way.left] = [world.time.steady(), 0]
              if (way.left <= 0) throw away
              const written = await world.store.put(...given)
              if (cut) [way.cutAt, way.left] = [world.time.steady(), 0]
              if (cut) throw away
              return written
            },
          }
          const one = candidate({ ...world, stores: [far, far] }, 0, 'x')
          await world.pass(100)
          const two = candidate(world, 1, 'x')
          await world.pass(6_000)
          way.fails = true
          let back = false
          for (let passed = 0; passed < 16_000; passed += 50) {
            await world.pass(50)
            expect([gap, calls, one.lead.held() && two.lead.held()]).toEqual([gap, calls, false])
            if (back || way.cutAt === undefined || world.time.steady() < way.cutAt + gap) continue
            back = true
            way.left = calls
          }
          expect([one.lead.held(), two.lead.held()]).toEqual([false, true])
          void one.leads.close()
          await two.leads.close()
        }
      }
    },
  )

  test('that were given up come back early when whoever asked for them is gone, and go to nobody who gave them up before', async () => {
    const world = memoryWorld()
    const one = candidate(world, 0, 'x')
    await world.pass(1_000)
    const two = candidate(world, 1, 'x')
    await world.pass(1_000)
    one.lead.yieldFor?.(60_000)
    await world.pass(6_000)
    expect([one.lead.held(), two.lead.held()]).toEqual([false, true])
    // Neither can use it now: the first has its rest, so that the second keeps it.
    two.lead.yieldFor?.(60_000)
    await world.pass(6_000)
    expect([one.lead.held(), two.lead.held()]).toEqual([false, true])
    two.kill()
    await world.pass(10_000)
    expect([one.lead.held(), one.told]).toEqual([true, ['gained', 'lost', 'gained']])
    const three = candidate(world, 1, 'x')
    await world.pass(1_000)
    one.lead.yieldFor?.(600_000)
    const wanted = async () => (await world.store.get('leads', 'x'))?.document
    for (let passed = 0; passed < 6_000; passed++) {
      await world.pass(1)
      if (JSON.stringify(await wanted()).includes('wanted')) break
    }
    expect(await wanted()).toMatchObject({ wanted: true })
    three.kill()
    await world.pass(14_000)
    expect([one.lead.held(), one.told.length, three.told]).toEqual([true, 5, []])
    await one.leads.close()
  })

  test('go to another that looks rarely, though the one that gave them up looks often', async () => {
    const world = memoryWorld()
    const one = candidate({ ...world, pollMs: 50 }, 0, 'x')
    await world.pass(1_000)
    const two = candidate({ ...world, pollMs: 1_500 }, 1, 'x')
    await world.pass(3_000)
    one.lead.yieldFor?.(60_000)
    await world.pass(6_000)
    expect([one.told, two.told]).toEqual([['gained', 'lost'], ['gained']])
    await Promise.all([one.leads.close(), two.leads.close()])
  })

  test('are given up only after their owner has ended what it did with them', async () => {
    const world = memoryWorld()
    const told: string[] = []
    const leads = createLeads({
      store: world.store,
      exclusive: false,
      log: { info: () => {}, warn: () => {} },
      ...times,
      timers: world.time,
    })
    const lead = leads.campaign('x', {
      lost: async () => {
        await world.time.pause(2_000, new AbortController().signal)
        told.push('ended')
      },
    })
    await world.pass(1_000)
    const two = candidate(world, 1, 'x')
    await world.pass(1_000)
    lead.yieldFor?.(60_000)
    for (let passed = 0; passed < 12_000 && !two.lead.held(); passed += 50) await world.pass(50)
    expect([two.lead.held(), told]).toEqual([true, ['ended']])
    await Promise.all([leads.close(), two.leads.close()])
  })

  test('ask nobody and write nothing for it while their holder is content', async () => {
    const world = memoryWorld()
    const [one, two] = [candidate(world, 0, 'x'), candidate(world, 1, 'x')]
    let writes = 0
    world.store.after = (call) => {
      if (call === 'put') writes++
    }
    await world.pass(60_000)
    expect(writes).toBeLessThanOrEqual(41)
    await Promise.all([one.leads.close(), two.leads.close()])
  })

  test('call `lost` only after `gained` has ended, whatever it takes', async () => {
    const world = memoryWorld()
    const told: string[] = []
    const leads = createLeads({
      store: world.store,
      exclusive: false,
      log: { info: () => {}, warn: () => {} },
      ...times,
      timers: world.time,
    })
    const lead = leads.campaign('x', {
      gained: async () => {
        await world.time.pause(3_000, new AbortController().signal)
        told.push('gained')
        throw new Error('no matter')
      },
      lost: () => void told.push('lost'),
    })
    await world.pass(100)
    const released = lead.release()
    await world.pass(2_000)
    expect(told).toEqual([])
    await world.pass(1_000)
    await released
    expect(told).toEqual(['gained', 'lost'])
  })

  test('are never held twice at once, and by one when all is calm, whatever fails and whoever is killed', async () => {
    const event = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4_000 }) }) },
      fc.record({
        do: fc.constantFrom<'kill' | 'release' | 'enter' | 'yield'>('kill', 'release', 'enter', 'yield'),
        who: fc.nat(5),
      }),
      fc.record({
        do: fc.constantFrom<'fail' | 'lose' | 'stall'>('fail', 'lose', 'stall'),
        calls: fc.integer({ min: 1, max: 12 }),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
        const world = memoryWorld()
        const all = [candidate(world, 0, 'x'), candidate(world, 1, 'x'), candidate(world, 0, 'x')]
        const living = new Set(all)
        let fail = 0
        let lose = 0
        let twice = ''
        const check = (when: string) => {
          const holders = all.filter(({ lead }) => lead.held())
          if (holders.length > 1) twice = `${holders.length} holders ${when}`
        }
        world.store.before = (call) => {
          check(`before ${call}`)
          if (fail > 0 && fail--) throw away
        }
        world.store.after = (call) => {
          check(`after ${call}`)
          if (lose > 0 && lose--) throw away
        }
        for (const each of events) {
          if (each.do === 'pass') {
            for (let passed = 0; passed < each.ms; passed += 250) {
              await world.pass(250)
              check('in between')
            }
          } else if (each.do === 'fail') fail = each.calls
          else if (each.do === 'lose') lose = each.calls
          else if (each.do === 'stall') fail = each.calls * 10
          else if (each.do === 'enter') {
            if (all.length < 8) all.push(candidate(world, 1, 'x'))
            living.add(all.at(-1) as (typeof all)[number])
          } else if ('who' in each) {
            const one = all[each.who % all.length] as (typeof all)[number]
            if (each.do === 'yield') {
              one.lead.yieldFor?.(10_000)
              continue
            }
            living.delete(one)
            if (each.do === 'kill') one.kill()
            else void one.lead.release()
          }
        }
        fail = 0
        lose = 0
        await world.pass(20_000)
        check('at the end')
        expect(twice).toBe('')
        const holders = all.filter(({ lead }) => lead.held())
        expect(holders.length).toBe(living.size === 0 ? 0 : 1)
        for (const one of all) {
          expect(one.told.every((call, at) => call === (at % 2 ? 'lost' : 'gained'))).toBe(true)
          one.kill()
          void one.leads.close()
        }
        await world.pass(10_000)
      }),
      { numRuns: 150 },
    )
  })
})
