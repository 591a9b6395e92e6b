import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Clock, createLedger, type LedgerOptions } from '../../../src/adapters/ledger/index.ts'
import { Fault } from '../../../src/lib/fault.ts'
import type { Flows, Story } from '../../../src/ports/flow.ts'
import type { Store } from '../../../src/ports/store.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'

const soon = { timeout: 5_000, interval: 2 }
const away = (retry = true) => new Fault('store.unavailable', { say: 'The store is away.', retry })

type Logged = { level: string; fields: Record<string, unknown>; message: string }

describe('the ledger', () => {
  let store: MemoryStore
  let logged: Logged[]
  let open: Flows[]
  beforeEach(() => {
    store = createMemoryStore()
    logged = []
    open = []
  })
  afterEach(async () => {
    store.before = () => {}
    store.after = () => {}
    for (const flows of open) await flows.close(0)
    await store.close()
  })

  const log = Object.fromEntries(
    ['info', 'warn', 'error'].map((level) => [
      level,
      (fields: object, message: string) => logged.push({ level, fields: { ...fields }, message }),
    ]),
  ) as unknown as NonNullable<LedgerOptions['log']>

  const ledger = (stories: Record<string, Story>, options: Partial<LedgerOptions> = {}) => {
    const flows = createLedger({ store, exclusive: true, log, pollMs: 10, leaseMs: 400, ...options })
    for (const [kind, story] of Object.entries(stories)) flows.define(kind, story)
    open.push(flows)
    return flows
  }
  const status = (flows: Flows, expected: object, id = 'f') =>
    vi.waitFor(async () => expect(await flows.status(id)).toMatchObject(expected), soon)
  const journal = async (id = 'f', on: Store = store) =>
    (await on.read(`flow/${id}`)).map(
      ({ entry }) => entry as { claim?: string; fence?: number; marks?: { is: string; name: string }[] },
    )
  const marks = async (id = 'f') =>
    (await journal(id)).flatMap((entry) =>
      (entry.marks ?? []).map(({ is, name }) => (name === undefined ? is : `${is} ${name}`)),
    )

  describe('at its durable points', () => {
    const tale: Story = async (flow) => {
      await flow.phase('begun')
      await flow.now('at')
      await flow.step('one', async () => 1)
      await flow.wait('mail', { until: new Date(Date.now() + 60_000) })
      await flow.step('bad', () => Promise.reject(new Fault('a.b', { say: 'No.' }))).catch(() => {})
    }

    it('calls the probe with the same names in every run', async () => {
      const expected = [
        'before start tale',
        'journaled start tale',
        'before claim tale',
        'journaled claim tale',
        'before phase tale:begun',
        'journaled phase tale:begun',
        'before now tale:at',
        'journaled now tale:at',
        'before tale:one',
        'after tale:one',
        'journaled tale:one',
        'before wait tale:mail',
        'begun wait tale:mail',
        'before send',
        'journaled send',
        'after wait tale:mail',
        'journaled wait tale:mail',
        'before tale:bad',
        'after tale:bad',
        'journaled tale:bad',
        'before end tale',
        'journaled end tale',
        'recorded end tale',
      ]
      for (const id of ['f', 'g']) {
        const points: string[] = []
        const flows = ledger({ tale }, { probe: (point) => points.push(point) })
        await flows.open()
        await flows.start('tale', id, {})
        await status(flows, { waiting: 'mail' }, id)
        await flows.send(id, 'k', null)
        await flows.finished(id)
        expect(points).toEqual(expected)
        await flows.close()
      }
    })

    it('calls it for nothing that is only replayed', async () => {
      const first = ledger({ tale })
      await first.open()
      await first.start('tale', 'f', {})
      await status(first, { waiting: 'mail' })
      await first.close()
      const points: string[] = []
      const second = ledger({ tale }, { probe: (point) => points.push(point) })
      await second.open()
      expect(points).toEqual(['before claim tale', 'journaled claim tale', 'before wait tale:mail'])
    })

    it('writes what many steps give at once in few entries', async () => {
      const flows = ledger({
        many: async (flow) =>
          void (await Promise.all(Array.from({ length: 200 }, (_, n) => flow.step(`s${n}`, async () => n)))),
      })
      await flows.open()
      await flows.start('many', 'f', {})
      await flows.finished('f')
      expect((await marks()).filter((mark) => mark.startsWith('step'))).toHaveLength(200)
      expect((await journal()).length).toBeLessThan(10)
    })

    it('bounds the size of an entry', async () => {
      const big = 'x'.repeat(600 * 1024)
      const flows = ledger({
        many: async (flow) => void (await Promise.all([1, 2, 3, 4].map((n) => flow.step(`s${n}`, async () => big)))),
      })
      await flows.open()
      await flows.start('many', 'f', {})
      await flows.finished('f')
      for (const entry of await journal()) expect(JSON.stringify(entry).length).toBeLessThan(1_100_000)
    })

    it('refuses a result that no database takes, as a fault of the step', async () => {
      const flows = ledger({
        tale: async (flow) => void (await flow.step('big', async () => 'x'.repeat(4 * 1024 * 1024))),
      })
      await flows.open()
      await flows.start('tale', 'f', {})
      await expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.result-not-storable' })
    })
  })

  describe('when the store is away', () => {
    it('waits with what it has to record, and never runs an effect again for it', async () => {
      let ran = 0
      let failures = 0
      store.before = (call, key) => {
        if (call === 'append' && key === 'flow/f' && ran === 1 && failures++ < 4) throw away()
      }
      const flows = ledger({ tale: async (flow) => void (await flow.step('s', async () => ++ran)) })
      await flows.open()
      await flows.start('tale', 'f', {})
      await flows.finished('f')
      expect(failures).toBeGreaterThanOrEqual(4)
      expect(ran).toBe(1)
      expect(await marks()).toEqual(['step s', 'end'])
      expect(logged.filter(({ message }) => message.startsWith('store unavailable'))).toHaveLength(1)
    })

    it('knows its own entry again when only the answer was lost', async () => {
      let lost = 0
      store.after = (call, key) => {
        if (call === 'append' && key === 'flow/f' && ++lost <= 3) throw away()
      }
      const flows = ledger({
        tale: async (flow) => {
          await flow.step('one', async () => 1)
          await flow.step('two', async () => 2)
        },
      })
      await flows.open()
      await flows.start('tale', 'f', {})
      await flows.finished('f')
      expect(await marks()).toEqual(['step one', 'step two', 'end'])
      expect(logged.some(({ fields }) => fields.code === 'flow.fenced')).toBe(false)
    })

    it('shows the end later when it could only be journaled', async () => {
      let fail = true
      store.before = (call, key) => {
        if (fail && call === 'put' && key === 'flows/f') throw away()
      }
      const flows = ledger({ tale: async (flow) => flow.phase('p') })
      await flows.open()
      await flows.start('tale', 'f', {})
      await vi.waitFor(async () => expect(await marks()).toEqual(['phase p', 'end']), soon)
      expect(await flows.status('f')).toMatchObject({ at: 'running' })
      await flows.close(0)
      fail = false
      const second = ledger({ tale: () => Promise.reject(new Error('told again')) })
      await second.open()
      expect(await second.status('f')).toEqual({ at: 'done', phase: 'p' })
    })

    it('says so when an end can be journaled but not be shown, and others still learn of it after a restart', async () => {
      let refuse = true
      store.before = (call, key) => {
        if (refuse && call === 'put' && key === 'flows/f') throw away(false)
      }
      const flows = ledger({ tale: async (flow) => flow.phase('p') })
      await flows.open()
      await flows.start('tale', 'f', {})
      await vi.waitFor(() => expect(logged.map(({ message }) => message)).toContain('flow could not be ended'), soon)
      await flows.close()
      refuse = false
      const second = ledger({ tale: async () => {} })
      await second.open()
      await second.finished('f')
    })

    it('delivers an event although its owner could not look into the mailbox at once', async () => {
      let failures = 0
      const heard: unknown[] = []
      const flows = ledger({ tale: async (flow) => void heard.push((await flow.wait('w'))?.key) })
      await flows.open()
      await flows.start('tale', 'f', {})
      await status(flows, { waiting: 'w' })
      store.before = (call, key) => {
        if (call === 'read' && key === 'mail/f' && failures++ < 3) throw away()
      }
      expect(await flows.send('f', 'k', null)).toBe(true)
      await flows.finished('f')
      expect(heard).toEqual(['k'])
    })

    it('throws to who starts or sends, and takes the same again', async () => {
      const flows = ledger({ tale: async (flow) => void (await flow.wait('w')) })
      await flows.open()
      store.before = (call) => {
        if (call === 'insert' || call === 'append') throw away()
      }
      await expect(flows.start('tale', 'f', {})).rejects.toMatchObject({ code: 'store.unavailable' })
      await expect(flows.send('f', 'k', 1)).rejects.toMatchObject({ code: 'store.unavailable' })
      store.before = () => {}
      expect(await flows.send('f', 'k', 1)).toBe(true)
      expect(await flows.start('tale', 'f', {})).toBe(true)
      await flows.finished('f')
    })

    it('stops a flow whose record is refused for good, and goes on with it after a restart', async () => {
      let refuse = true
      store.before = (call, key) => {
        if (refuse && call === 'append' && key === 'flow/f' && ran > 0) throw away(false)
      }
      let ran = 0
      const tale: Story = async (flow) => void (await flow.step('s', async () => ++ran))
      const flows = ledger({ tale })
      await flows.open()
      await flows.start('tale', 'f', {})
      await vi.waitFor(
        () => expect(logged.map(({ message }) => message)).toContain('journal refused, flow stopped until a restart'),
        soon,
      )
      await flows.close()
      refuse = false
      const second = ledger({ tale })
      await second.open()
      await second.finished('f')
      expect(ran).toBe(2)
    })

    it('gives up what it could not record when it is closed', async () => {
      let fail = false
      store.before = (call, key) => {
        if (fail && (call === 'append' || call === 'put') && key.includes('f')) throw away()
      }
      const flows = ledger({
        tale: async (flow) =>
          void (await flow.step('s', async () => {
            fail = true
          })),
      })
      await flows.open()
      await flows.start('tale', 'f', {})
      await vi.waitFor(
        () => expect(logged.some(({ message }) => message.startsWith('store unavailable'))).toBe(true),
        soon,
      )
      const before = performance.now()
      await flows.close(30)
      expect(performance.now() - before).toBeLessThan(1_500)
      fail = false
      expect(await marks()).toEqual([])
    })
  })

  describe('with stored things that it cannot read', () => {
    const tale: Story = async (flow) => void (await flow.wait('w'))
    const alone = () =>
      vi.waitFor(() => expect(logged.map(({ message }) => message)).toContain('flow left alone'), soon)

    it.each<[string, () => Promise<unknown>]>([
      ['journal', () => store.append('flow/f', { what: 'is this' })],
      ['mailbox', () => store.append('mail/f', { what: 'is this' })],
    ])('leaves the flow alone and says so: its %s', async (_, spoil) => {
      const flows = ledger({ tale })
      await spoil()
      await flows.open()
      await flows.start('tale', 'f', {})
      await flows.start('tale', 'g', {})
      await alone()
      expect(logged.find(({ message }) => message === 'flow left alone')?.fields).toMatchObject({
        flow: 'f',
        code: 'flow.unreadable',
      })
      await status(flows, { waiting: 'w' }, 'g')
    })

    it('leaves the flow alone and says so: its document', async () => {
      await store.insert('flows', 'f', { state: 'running', kind: 7 })
      const flows = ledger({ tale })
      await flows.open()
      await alone()
      await expect(flows.status('f')).rejects.toMatchObject({ code: 'flow.unreadable' })
    })

    it('fails a flow whose consumed event is gone', async () => {
      await store.insert('flows', 'f', { state: 'running', kind: 'tale', input: {}, owner: '', fence: -1, phase: '' })
      await store.append('flow/f', { claim: 'x' })
      await store.append('flow/f', { fence: 0, marks: [{ is: 'wait', name: 'w', mail: 5 }] })
      const flows = ledger({ tale })
      await flows.open()
      await expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.unreadable' })
    })

    it('logs an unknown kind once, with its fault', async () => {
      const first = ledger({ tale })
      await first.open()
      await first.start('tale', 'f', {})
      await first.close()
      const second = ledger({}, { exclusive: false })
      await second.open()
      await new Promise((resolve) => setTimeout(resolve, 60))
      const lines = logged.filter(({ message }) => message === 'flow left alone')
      expect(lines.map(({ fields }) => fields)).toEqual([
        { flow: 'f', code: 'flow.unknown-kind', line: expect.stringContaining('tale') },
      ])
    })
  })

  describe('beside another on the same store', () => {
    const together = { exclusive: false }
    /** A clock that stands still for its ledger while `frozen`. */
    const makeClock = (): Clock & { skewMs: number } => {
      const clock = { skewMs: 0, wall: () => Date.now(), steady: () => performance.now() + clock.skewMs }
      return clock
    }
    /** The store as one ledger sees it, which cannot show its life while `on`. */
    const makeMute = () => {
      const mute = { on: false }
      const seen: Store = {
        ...store,
        put: (collection, ...rest) =>
          mute.on && collection === 'workers' ? Promise.reject(away()) : store.put(collection, ...rest),
      }
      return { mute, seen }
    }
    const onlyWorker = async () => (await store.find('workers', { where: { state: 'live' } }))[0]?.id

    it('leaves the flows of a living one alone, and takes events for them', async () => {
      const heard: string[] = []
      const tale =
        (who: string): Story =>
        async (flow) =>
          void heard.push(`${who} ${(await flow.wait('w'))?.key}`)
      const a = ledger({ tale: tale('a') }, together)
      const b = ledger({ tale: tale('b') }, together)
      await a.open()
      await b.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      await new Promise((resolve) => setTimeout(resolve, 600))
      expect(await journal()).toHaveLength(2)
      const done = b.finished('f')
      expect(await b.send('f', 'k', null)).toBe(true)
      await done
      expect(heard).toEqual(['a k'])
    })

    it('finds an event although its sender ended before it said so', async () => {
      const heard: unknown[] = []
      const a = ledger({ tale: async (flow) => void heard.push((await flow.wait('w'))?.data) }, together)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      await store.append('mail/f', { key: 'k', at: new Date().toISOString(), data: 'alone' })
      await a.finished('f')
      expect(heard).toEqual(['alone'])
    })

    /** Polls so seldom that a sweep of all mailboxes would take four seconds: what arrives sooner was rung for. */
    const seldom = { exclusive: false, pollMs: 200, leaseMs: 30_000 }
    const rungFor = async (finished: Promise<void>) => {
      const before = performance.now()
      await finished
      expect(performance.now() - before).toBeLessThan(2_500)
    }

    it('hears soon of an event that another took', async () => {
      const a = ledger({ tale: async (flow) => void (await flow.wait('w')) }, seldom)
      const b = ledger({}, seldom)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      await b.send('f', 'k', null)
      await rungFor(a.finished('f'))
    })

    it('rings again for a sender that repeats itself', async () => {
      const heard: unknown[] = []
      const a = ledger({ tale: async (flow) => void heard.push((await flow.wait('w'))?.data) }, seldom)
      const b = ledger({}, seldom)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      await store.append('mail/f', { key: 'k', at: new Date().toISOString(), data: 'first' })
      expect(await b.send('f', 'k', 'second')).toBe(false)
      await rungFor(a.finished('f'))
      expect(heard).toEqual(['first'])
    })

    it('does not claim what another took since it was seen without an owner', async () => {
      const a = ledger({ tale: async (flow) => void (await flow.wait('w')) }, together)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      let looked = 0
      const seen: Store = {
        ...store,
        find: async (collection, query) => {
          const rows = await store.find(collection, query)
          if (collection !== 'flows' || query?.where?.owner !== '') return rows
          looked++
          return [{ id: 'f', version: 1, document: { owner: '' } }]
        },
      }
      const b = ledger({ tale: async () => {} }, { ...together, store: seen })
      await b.open()
      await vi.waitFor(() => expect(looked).toBeGreaterThan(2), soon)
      expect((await journal()).filter(({ claim }) => claim !== undefined)).toHaveLength(1)
    })

    it('counts the first of two events with one key, wherever they were sent', async () => {
      const heard: unknown[] = []
      const a = ledger({ tale: async (flow) => void heard.push((await flow.wait('w'))?.data) }, together)
      const b = ledger({}, together)
      await a.open()
      const sent = await Promise.all([a.send('f', 'k', 'a'), b.send('f', 'k', 'b')])
      expect(sent.filter(Boolean)).toHaveLength(1)
      await a.start('tale', 'f', {})
      await a.finished('f')
      expect(heard).toEqual([sent[0] ? 'a' : 'b'])
    })

    it('takes over what it released, at once', async () => {
      let told = 0
      const tale: Story = async (flow) => {
        told++
        await flow.wait('w')
      }
      const a = ledger({ tale }, { ...together, leaseMs: 600_000 })
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      const b = ledger({ tale }, together)
      await b.open()
      await a.close()
      await vi.waitFor(() => expect(told).toBe(2), soon)
      await b.send('f', 'k', null)
      await b.finished('f')
    })

    it('takes over from one that went silent, which then finds itself fenced and records nothing', async () => {
      const effects: string[] = []
      const hold = Promise.withResolvers<string>()
      const tale =
        (who: string): Story =>
        async (flow) => {
          const by = await flow.step('s', () => {
            effects.push(who)
            return who === 'a' ? hold.promise : Promise.resolve('b')
          })
          await flow.phase(by)
          await flow.wait('w')
        }
      const { mute, seen } = makeMute()
      const a = ledger({ tale: tale('a') }, { ...together, store: seen })
      await a.open()
      const first = await onlyWorker()
      mute.on = true
      await a.start('tale', 'f', {})
      await vi.waitFor(() => expect(effects).toEqual(['a']), soon)
      const b = ledger({ tale: tale('b') }, together)
      await b.open()
      await status(b, { phase: 'b' })
      const seenByA = a.finished('f')
      hold.resolve('a')
      await vi.waitFor(() => expect(logged.some(({ fields }) => fields.code === 'flow.fenced')).toBe(true), soon)
      expect(await marks()).toEqual(['step s', 'phase b', 'waiting w'])
      await b.send('f', 'k', null)
      await b.finished('f')
      await seenByA
      expect(await a.status('f')).toEqual({ at: 'done', phase: 'b' })
      await vi.waitFor(
        async () => expect((await store.get('workers', first ?? ''))?.document).toMatchObject({ state: 'dead' }),
        soon,
      )
    })

    it('comes back after a stall: beats again, lets go of what was taken, starts nothing of it', async () => {
      const effects: string[] = []
      const tale =
        (who: string): Story =>
        async (flow) => {
          await flow.wait('go')
          await flow.step('s', async () => effects.push(who))
        }
      const { mute, seen } = makeMute()
      const a = ledger({ tale: tale('a') }, { ...together, store: seen })
      await a.open()
      const first = (await onlyWorker()) ?? ''
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'go' })
      mute.on = true
      const b = ledger({ tale: tale('b') }, together)
      await b.open()
      await vi.waitFor(
        async () => expect((await store.get('workers', first))?.document).toMatchObject({ state: 'dead' }),
        soon,
      )
      mute.on = false
      await vi.waitFor(
        async () => expect((await store.get('workers', first))?.document).toMatchObject({ state: 'live' }),
        soon,
      )
      await vi.waitFor(() => expect(logged.some(({ fields }) => fields.code === 'flow.fenced')).toBe(true), soon)
      await b.send('f', 'k', null)
      await b.finished('f')
      await a.finished('f')
      expect(effects).toEqual(['b'])
    })

    it('asks for its lease before an effect when it was stalled, and begins nothing while it cannot', async () => {
      const clock = makeClock()
      const effects: string[] = []
      const a = ledger(
        {
          tale: async (flow) => {
            await flow.wait('go')
            await flow.step('s', async () => effects.push('a'))
          },
        },
        { ...together, clock, leaseMs: 60_000 },
      )
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'go' })
      const worker = await onlyWorker()
      let refused = 0
      store.before = (call, key) => {
        if (call === 'put' && key === `workers/${worker}` && refused++ < 3) throw away()
      }
      clock.skewMs += 50_000
      await a.send('f', 'k', null)
      await vi.waitFor(() => expect(refused).toBeGreaterThan(0), soon)
      expect(effects).toEqual([])
      await a.finished('f')
      expect(refused).toBeGreaterThan(3)
      expect(effects).toEqual(['a'])
    })

    it('begins nothing at all when its lease cannot be renewed for good', async () => {
      const clock = makeClock()
      const effects: string[] = []
      const a = ledger(
        { tale: async (flow) => void (await flow.step('s', async () => effects.push('a'))) },
        { ...together, clock, leaseMs: 60_000 },
      )
      await a.open()
      store.before = (call, key) => {
        if (call === 'put' && key.startsWith('workers/')) throw away(false)
      }
      clock.skewMs += 50_000
      await a.start('tale', 'f', {})
      await vi.waitFor(
        () => expect(logged.filter(({ message }) => message.startsWith('lease cannot')).length).toBeGreaterThan(1),
        soon,
      )
      expect(effects).toEqual([])
    })

    it('does not count time in which it did not look itself', async () => {
      let told = 0
      const tale: Story = async (flow) => {
        told++
        await flow.wait('w')
      }
      const a = ledger({ tale }, { ...together, leaseMs: 2_000 })
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      const clock = makeClock()
      const b = ledger({ tale }, { ...together, leaseMs: 2_000, clock })
      await b.open()
      for (let n = 0; n < 5; n++) {
        clock.skewMs += 100_000
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
      expect(told).toBe(1)
    })

    it('goes on with what it had when polling failed for a while', async () => {
      const a = ledger({ tale: async (flow) => void (await flow.wait('w')) }, together)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      store.before = (call) => {
        if (call === 'find') throw away()
      }
      await vi.waitFor(() => expect(logged.map(({ message }) => message)).toContain('ledger is behind'), soon)
      store.before = () => {}
      await a.send('f', 'k', null)
      await a.finished('f')
    })

    it('leaves its flows to the lease when it cannot release them', async () => {
      const a = ledger({ tale: async (flow) => void (await flow.wait('w')) }, together)
      await a.open()
      await a.start('tale', 'f', {})
      await status(a, { waiting: 'w' })
      store.before = (call) => {
        if (call === 'put') throw away()
      }
      await a.close(0)
      expect(logged.map(({ message }) => message)).toContain('flows not released, others wait for the lease')
    })

    it('gives a flow that both want to exactly one', async () => {
      const told: string[] = []
      const tale =
        (who: string): Story =>
        async (flow) => {
          told.push(`${flow.id} ${who}`)
          await flow.step('s', async () => who)
        }
      const starter = ledger({ tale: tale('x') }, together)
      const ids = Array.from({ length: 20 }, (_, n) => `f${n}`)
      for (const id of ids) await starter.start('tale', id, {})
      const a = ledger({ tale: tale('a') }, together)
      const b = ledger({ tale: tale('b') }, together)
      await Promise.all([a.open(), b.open()])
      await Promise.all(ids.map((id) => a.finished(id)))
      for (const id of ids) expect((await marks(id)).filter((mark) => mark === 'step s')).toHaveLength(1)
      expect(new Set(told.map((line) => line.split(' ')[0])).size).toBe(20)
    })
  })

  it('ends a wait by its own clock, and one sender with a fast clock ends none', async () => {
    const heard: unknown[] = []
    const flows = ledger({
      tale: async (flow) => void heard.push((await flow.wait('w', { until: new Date(Date.now() + 60_000) }))?.key),
    })
    await flows.open()
    await flows.start('tale', 'f', {})
    await status(flows, { waiting: 'w' })
    await store.append('mail/f', { key: 'fast', at: new Date(Date.now() + 3_600_000).toISOString(), data: null })
    await flows.send('f', 'k', null)
    await flows.finished('f')
    expect(heard).toEqual(['fast'])
  })

  it('looks into the mailbox before it lets a deadline pass', async () => {
    const heard: unknown[] = []
    const flows = ledger({
      tale: async (flow) => void heard.push((await flow.wait('w', { until: new Date(Date.now() + 100) }))?.key),
    })
    await flows.open()
    await flows.start('tale', 'f', {})
    await status(flows, { waiting: 'w' })
    await store.append('mail/f', { key: 'unrung', at: new Date().toISOString(), data: null })
    await flows.finished('f')
    expect(heard).toEqual(['unrung'])
  })

  it('hands events to two waits of one flow in the order of their calls', async () => {
    const heard: unknown[] = []
    const flows = ledger({
      tale: async (flow) => {
        const [a, b] = await Promise.all([flow.wait('a'), flow.wait('b', { until: new Date(Date.now() + 60_000) })])
        heard.push(a?.key, b?.key)
      },
    })
    await flows.open()
    await flows.start('tale', 'f', {})
    await flows.send('f', 'one', null)
    await flows.send('f', 'two', null)
    await flows.finished('f')
    expect(heard).toEqual(['one', 'two'])
  })

  it('takes no event out of a mailbox while it drains', async () => {
    const slow = Promise.withResolvers<void>()
    const flows = ledger({
      slow: async (flow) => void (await flow.step('slow', () => slow.promise)),
      tale: async (flow) => void (await flow.wait('w')),
    })
    await flows.open()
    await flows.start('slow', 's', {})
    await flows.start('tale', 'f', {})
    await status(flows, { waiting: 'w' })
    const closed = flows.close(5_000)
    await flows.send('f', 'k', null)
    slow.resolve()
    await closed
    expect(await marks()).toEqual(['waiting w'])
    expect(await marks('s')).toEqual(['step slow', 'end'])
  })

  it('tries nothing again once the story has ended', async () => {
    let tries = 0
    const flows = ledger({
      tale: async (flow) => {
        const flaky = async () => {
          tries++
          throw new Fault('a.b', { say: 'No.', retry: true })
        }
        await Promise.race([flow.step('flaky', flaky, { delays: [20, 20] }), flow.step('quick', async () => 1)])
      },
    })
    await flows.open()
    await flows.start('tale', 'f', {})
    await flows.finished('f')
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(tries).toBe(1)
  })
})
