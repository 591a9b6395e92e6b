import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createLedger, type Ledger, type LedgerOptions } from '../../../src/adapters/ledger/index.ts'
import { Fault } from '../../../src/lib/fault.ts'
import type { Story } from '../../../src/ports/flow.ts'
import type { Store } from '../../../src/ports/store.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'

const soon = { timeout: 5000, interval: 5 }

describe('a process that was stopped in the middle of an effect', () => {
  let memory: MemoryStore
  let open: Ledger[]
  beforeEach(() => {
    memory = createMemoryStore()
    open = []
  })
  afterEach(async () => {
    memory.before = () => {}
    memory.after = () => {}
    for (const ledger of open) await ledger.close(0)
    await memory.close()
  })
  const ledger = (store: Store, story: (store: Store) => Story, options: Partial<LedgerOptions> = {}) => {
    const flows = createLedger({ store, exclusive: false, pollMs: 10, leaseMs: 300, ...options })
    flows.define('tale', story(flows.fenced(store)))
    open.push(flows)
    return flows
  }

  /**
   * One process whose clock and store stand still between `stop` and `go`, as with SIGSTOP; the time that has passed it sees
   * only then.
   */
  const stoppable = () => {
    let gate = Promise.withResolvers<void>()
    gate.resolve()
    let hidden: number | undefined
    const clock = { wall: () => Date.now(), steady: () => hidden ?? performance.now() }
    const held = async <T>(work: () => Promise<T>): Promise<T> => {
      await gate.promise
      const answer = await work()
      await gate.promise
      return answer
    }
    const store: Store = {
      ...memory,
      get: (...args) => held(() => memory.get(...args)),
      find: (...args) => held(() => memory.find(...args)),
      read: (...args) => held(() => memory.read(...args)),
      put: (...args) => held(() => memory.put(...args)),
      insert: (...args) => held(() => memory.insert(...args)),
      append: (...args) => held(() => memory.append(...args)),
    }
    return {
      store,
      clock,
      stop: () => {
        hidden = performance.now()
        gate = Promise.withResolvers()
      },
      go: () => {
        hidden = undefined
        gate.resolve()
      },
    }
  }

  /** Sets the document to what its step is for, by compare-and-set until it holds: as features do. */
  const setTo = async (store: Store, value: string) => {
    for (;;) {
      const row = await store.get('things', 't')
      if (row === undefined) {
        if (await store.insert('things', 't', { value })) return
      } else if ((await store.put('things', 't', { value }, row.version)) !== undefined) return
    }
  }
  const value = async () => ((await memory.get('things', 't'))?.document as { value: string } | undefined)?.value

  test.each([true, false])(
    'writes nothing over what the new owner has done since (with the fence: %s)',
    async (fence) => {
      const one = stoppable()
      const faults: string[] = []
      const begun = Promise.withResolvers<void>()
      const goOn = Promise.withResolvers<void>()
      const a = ledger(
        one.store,
        (fenced) => async (flow) => {
          await flow.step('first', async () => {
            begun.resolve()
            await goOn.promise
            await setTo(fence ? fenced : one.store, 'first').catch((error: Fault) => {
              faults.push(error.code)
              throw error
            })
          })
          await flow.step('second', () => setTo(fenced, 'second'))
        },
        { clock: one.clock },
      )
      await a.open()
      await a.start('tale', 'f', {})
      await begun.promise
      one.stop()
      const b = ledger(memory, (store) => async (flow) => {
        await flow.step('first', () => setTo(store, 'first'))
        await flow.step('second', () => setTo(store, 'second'))
      })
      await b.open()
      await b.finished('f')
      expect(await value()).toBe('second')
      one.go()
      goOn.resolve()
      await vi.waitFor(
        async () => expect(fence ? faults : await value()).toEqual(fence ? ['flow.fenced'] : 'first'),
        soon,
      )
      // Without the fence the harm is done: this is what it is there for.
      expect(await value()).toBe(fence ? 'second' : 'first')
    },
  )

  test('goes on when nobody has taken its flow meanwhile', async () => {
    const one = stoppable()
    const begun = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const a = ledger(
      one.store,
      (store) => async (flow) => {
        await flow.step('first', async () => {
          begun.resolve()
          await goOn.promise
          await setTo(store, 'first')
        })
      },
      { clock: one.clock },
    )
    await a.open()
    await a.start('tale', 'f', {})
    await begun.promise
    one.stop()
    await delay(400)
    one.go()
    goOn.resolve()
    await a.finished('f')
    expect(await value()).toBe('first')
  })

  test('what an effect leaves behind when it has ended belongs to nobody, and may write', async () => {
    const clock = { skewMs: 0, wall: () => Date.now(), steady: () => performance.now() + clock.skewMs }
    const goOn = Promise.withResolvers<void>()
    const ended: Promise<unknown>[] = []
    const fenced = Promise.withResolvers<void>()
    const log = { info() {}, error() {}, warn: (fields: object) => 'flow' in fields && fenced.resolve() }
    const a = ledger(
      memory,
      (store) => async (flow) => {
        await flow.step('first', async () => {
          ended.push(goOn.promise.then(() => setTo(store, 'later')))
        })
        await flow.wait('for ever')
      },
      { clock, log },
    )
    await a.open()
    await a.start('tale', 'f', {})
    await vi.waitFor(async () => expect(await a.status('f')).toMatchObject({ waiting: 'for ever' }), soon)
    const { length } = await memory.read('flow/f')
    await memory.append('flow/f', { claim: 'somebody' }, length)
    clock.skewMs = 1000
    await fenced.promise
    goOn.resolve()
    await Promise.all(ended)
    expect(await value()).toBe('later')
  })

  test('with a store of its own nothing is put between', () => {
    const flows = createLedger({ store: memory, exclusive: true })
    open.push(flows)
    expect(flows.fenced(memory)).toBe(memory)
  })
})

describe('beside other processes', () => {
  const open: Ledger[] = []
  afterEach(async () => {
    for (const ledger of open.splice(0)) await ledger.close(0)
  })

  test('a flow whose start failed only on its way back is run all the same', async () => {
    const memory = createMemoryStore()
    const store: Store = { ...memory }
    const ran: string[] = []
    const flows = createLedger({ store, exclusive: false, pollMs: 5, leaseMs: 300 })
    open.push(flows)
    flows.define('tale', async (flow) => void (await flow.step('one', async () => void ran.push(flow.id))))
    await flows.open()
    store.insert = async (...args) => {
      await memory.insert(...args)
      throw new Fault('store.unavailable', { say: 'The answer was lost.', retry: true })
    }
    await expect(flows.start('tale', 'f', {})).rejects.toMatchObject({ code: 'store.unavailable' })
    store.insert = memory.insert
    await flows.finished('f')
    expect(ran).toEqual(['f'])
  })

  test('says once that another was found dead, when its flows are taken over', async () => {
    const memory = createMemoryStore()
    let dead = false
    const dying: Store = {
      ...memory,
      put: async (...args) => (dead ? new Promise(() => {}) : memory.put(...args)),
    }
    const a = createLedger({ store: dying, exclusive: false, pollMs: 10, leaseMs: 200 })
    const b = createLedger({ store: memory, exclusive: false, pollMs: 10, leaseMs: 200 })
    open.push(b)
    for (const flows of [a, b]) flows.define('tale', async (flow) => void (await flow.wait('for ever')))
    const owners: unknown[] = []
    b.onGone(() => {
      owners.push(ownerIn(memory))
    })
    await b.open()
    await a.open()
    await a.start('tale', 'f', {})
    const before = await ownerIn(memory)
    dead = true
    await vi.waitFor(() => expect(owners).toHaveLength(1), soon)
    expect(await owners[0]).not.toBe(before)
    await delay(300)
    expect(owners).toHaveLength(1)
    void a.close(0)
  })
})

async function ownerIn(store: Store): Promise<string | undefined> {
  const row = await store.get('flows', 'f')
  return (row?.document as { owner: string } | undefined)?.owner
}
