import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLeads } from '../../src/adapters/leads/index.ts'
import type { Timers } from '../../src/adapters/leads/timers.ts'
import type { Lead, Leads } from '../../src/ports/lead.ts'
import type { Store } from '../../src/ports/store.ts'

/** One store as several processes see it, and the time that passes for them. */
export interface LeadsWorld {
  stores: [Store, Store]
  timers?: Timers
  leaseMs: number
  pollMs: number
  /** Lets so much time pass. */
  pass(ms: number): Promise<void>
  dispose(): Promise<void>
}

/** A process that stands for one name; `kill` stops it between two store calls, as kill -9 would. */
export interface Candidate {
  leads: Leads
  lead: Lead
  told: string[]
  kill(): void
}

const log = { info: () => {}, warn: () => {} }

export function candidate(world: LeadsWorld, place: 0 | 1, name: string): Candidate {
  let dead = false
  const store = world.stores[place]
  const mortal = new Proxy(store, {
    get: (target, property: keyof Store) =>
      dead ? () => new Promise<never>(() => {}) : (target[property] as () => unknown).bind(target),
  })
  const leads = createLeads({
    store: mortal,
    exclusive: false,
    log,
    leaseMs: world.leaseMs,
    pollMs: world.pollMs,
    timers: world.timers,
  })
  const told: string[] = []
  const lead = leads.campaign(name, { gained: () => void told.push('gained'), lost: () => void told.push('lost') })
  return {
    leads,
    lead,
    told,
    kill: () => {
      dead = true
    },
  }
}

/** What leads must do over every store that several processes share. */
export function leadsContract(name: string, make: () => Promise<LeadsWorld>): void {
  describe(`leads over ${name}`, () => {
    let world: LeadsWorld
    let all: Candidate[]
    const stand = (place: 0 | 1, what = 'a name') => {
      const one = candidate(world, place, what)
      all.push(one)
      return one
    }
    const until = async (condition: () => boolean, ms: number) => {
      const step = world.pollMs / 4
      for (let passed = 0; passed <= ms; passed += step) {
        if (condition()) return passed
        await world.pass(step)
      }
      throw new Error(`not so within ${ms} ms`)
    }
    beforeEach(async () => {
      world = await make()
      all = []
    })
    afterEach(async () => {
      let closed = false
      const closing = Promise.all(all.map(({ leads }) => leads.close())).then(() => {
        closed = true
      })
      await until(() => closed, 3 * world.leaseMs)
      await closing
      await world.dispose()
    })

    it('gives a name that nobody has to whoever asks, and only to one', async () => {
      const [first, second] = [stand(0), stand(1)]
      await until(() => first.lead.held() || second.lead.held(), world.leaseMs)
      await world.pass(world.leaseMs * 3)
      expect([first.lead.held(), second.lead.held()].filter(Boolean)).toHaveLength(1)
      expect([...first.told, ...second.told]).toEqual(['gained'])
    })

    it('keeps names apart', async () => {
      const [first, second] = [stand(0, 'one'), stand(1, 'other')]
      await until(() => first.lead.held() && second.lead.held(), world.leaseMs)
      expect([first.lead.fence(), second.lead.fence()]).toEqual([1, 1])
    })

    it('gives the name of a killed process to another within the lease and two looks', async () => {
      const first = stand(0)
      await until(() => first.lead.held(), world.leaseMs)
      const second = stand(1)
      await world.pass(world.leaseMs)
      first.kill()
      const took = await until(() => second.lead.held(), world.leaseMs + 4 * world.pollMs)
      expect(took).toBeGreaterThan(world.leaseMs / 2)
      expect([first.lead.held(), first.told]).toEqual([false, ['gained', 'lost']])
      expect(second.lead.fence()).toBe(first.lead.fence() + 1)
    })

    it('hands a released name over at once, after the holder was told that it has it no more', async () => {
      const first = stand(0)
      await until(() => first.lead.held(), world.leaseMs)
      const second = stand(1)
      await world.pass(world.pollMs)
      const releasing = first.lead.release()
      expect(first.lead.held()).toBe(false)
      await until(() => second.lead.held(), world.leaseMs / 2)
      await releasing
      expect(first.told).toEqual(['gained', 'lost'])
      expect(second.lead.fence()).toBe(2)
    })

    it('gives all names up when it is closed', async () => {
      const first = stand(0)
      const other = first.leads.campaign('another', {})
      await until(() => first.lead.held() && other.held(), world.leaseMs)
      await first.leads.close()
      expect([first.lead.held(), other.held()]).toEqual([false, false])
      const [second, third] = [stand(1), stand(1, 'another')]
      await until(() => second.lead.held() && third.lead.held(), world.leaseMs / 2)
    })

    it('gives a name that the holder would rather not have to whoever stands for it, and stands again later', async () => {
      const first = stand(0)
      await until(() => first.lead.held(), world.leaseMs)
      const second = stand(1)
      await world.pass(2 * world.pollMs)
      first.lead.yieldFor?.(2 * world.leaseMs)
      await until(() => second.lead.held(), world.leaseMs)
      expect([first.lead.held(), first.told, second.lead.fence()]).toEqual([false, ['gained', 'lost'], 2])
      await world.pass(3 * world.leaseMs)
      expect([first.lead.held(), second.lead.held()]).toEqual([false, true])
      await second.lead.release()
      await until(() => first.lead.held(), world.leaseMs)
      expect([first.told, first.lead.fence()]).toEqual([['gained', 'lost', 'gained'], 3])
    })

    it('leaves a name with a holder that would rather not have it while nobody else stands for it', async () => {
      const first = stand(0)
      await until(() => first.lead.held(), world.leaseMs)
      for (let i = 0; i < 3; i++) {
        first.lead.yieldFor?.(world.leaseMs)
        await world.pass(world.leaseMs)
      }
      expect([first.lead.held(), first.told, first.lead.fence()]).toEqual([true, ['gained'], 1])
    })

    it('never counts the fence back, however often hands change', async () => {
      const fences: number[] = []
      for (let round = 0; round < 3; round++) {
        const one = stand(round % 2 ? 1 : 0)
        await until(() => one.lead.held(), world.leaseMs)
        fences.push(one.lead.fence())
        await one.lead.release()
      }
      expect(fences).toEqual([1, 2, 3])
    })
  })
}
