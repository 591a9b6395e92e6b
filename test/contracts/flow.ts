import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Fault } from '../../src/lib/fault.ts'
import type { Flow, FlowEvent, Flows, Story } from '../../src/ports/flow.ts'

/** Durable state that engines can be started on, one after the other. */
export interface FlowWorld {
  /** An engine that was not opened yet, on the state that the ones before left. Those were closed. */
  connect(): Promise<Flows>
  dispose(): Promise<void>
}

const secret = 'hunter2-secret'
const soon = { timeout: 5_000, interval: 2 }

/** Counts calls by name, across restarts of the engine. */
function counter() {
  const counts = new Map<string, number>()
  return {
    count: (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1).get(name) ?? 0,
    of: (name: string) => counts.get(name) ?? 0,
  }
}

/** What every engine of flows must do. */
export function flowContract(name: string, make: () => Promise<FlowWorld>): void {
  describe(`${name} as Flows`, () => {
    let world: FlowWorld
    let flows: Flows
    let stories: Record<string, Story>

    const engine = async () => {
      flows = await world.connect()
      for (const [kind, story] of Object.entries(stories)) flows.define(kind, story)
      await flows.open()
      return flows
    }
    const restart = async (closeMs?: number) => {
      await flows.close(closeMs)
      return engine()
    }
    /** Runs one story as the flow `f`, to its first pause or its end. */
    const begin = async (story: Story, input: Parameters<Flows['start']>[2] = {}) => {
      stories = { tale: story }
      await engine()
      await flows.start('tale', 'f', input)
    }
    const waitingFor = (wait: string, id = 'f') =>
      vi.waitFor(async () => expect(await flows.status(id)).toMatchObject({ waiting: wait }), soon)

    beforeEach(async () => {
      world = await make()
      stories = {}
    })
    afterEach(async () => {
      await flows?.close(0)
      await world.dispose()
    })

    describe('a story', () => {
      it('is told from its beginning to its end, with its input', async () => {
        const told: unknown[] = []
        await begin(
          async (flow, input) => {
            told.push(flow.id, input)
            told.push(await flow.step('add', async () => 1 + 1))
            await flow.phase('told')
          },
          { who: 'ä发🚀', none: undefined },
        )
        await flows.finished('f')
        expect(told).toEqual(['f', { who: 'ä发🚀' }, 2])
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'told' })
      })

      it('is started once for one id', async () => {
        const calls = counter()
        await begin(async (flow) => void (await flow.step('once', async () => calls.count('once'))))
        expect(await flows.start('tale', 'f', {})).toBe(false)
        await flows.finished('f')
        expect(await flows.start('tale', 'f', {})).toBe(false)
        await restart()
        expect(await flows.start('tale', 'f', {})).toBe(false)
        expect(calls.of('once')).toBe(1)
      })

      it('is started once when two ask at the same time', async () => {
        stories = { tale: async (flow) => void (await flow.step('x', async () => 1)) }
        await engine()
        const results = await Promise.all(Array.from({ length: 10 }, () => flows.start('tale', 'f', {})))
        expect(results.filter(Boolean)).toHaveLength(1)
        await flows.finished('f')
      })

      it('that throws fails the flow, and says why with its fault', async () => {
        await begin(async (flow) => {
          await flow.phase('looking')
          throw new Fault('target.unreachable', {
            say: 'web-3 did not answer.',
            next: 'press Retry',
            data: { host: 'web-3' },
          })
        })
        await expect(flows.finished('f')).rejects.toMatchObject({
          name: 'Fault',
          code: 'target.unreachable',
          next: 'press Retry',
          data: { host: 'web-3' },
        })
        const failed = { at: 'failed', phase: 'looking', why: 'web-3 did not answer. Next: press Retry' }
        expect(await flows.status('f')).toEqual(failed)
        await restart()
        expect(await flows.status('f')).toEqual(failed)
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'target.unreachable' })
      })

      it('that throws something else fails with internal.unexpected', async () => {
        await begin(() => {
          throw new TypeError('x is not a function')
        })
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'internal.unexpected' })
      })

      it('can be one of many at once', async () => {
        const calls = counter()
        stories = {
          tale: async (flow) => {
            for (const n of [1, 2, 3]) await flow.step(`s${n}`, async () => calls.count(`${flow.id} ${n}`))
          },
        }
        await engine()
        const ids = Array.from({ length: 100 }, (_, i) => `flow ${i}`)
        await Promise.all(ids.map((id) => flows.start('tale', id, { id })))
        await Promise.all(ids.map((id) => flows.finished(id)))
        for (const id of ids) expect([1, 2, 3].map((n) => calls.of(`${id} ${n}`))).toEqual([1, 1, 1])
      })
    })

    describe('a step', () => {
      /** Tells the story up to a wait, restarts, and tells it again to its end. Returns what each telling saw. */
      const twice = async (tell: (flow: Flow) => Promise<unknown>) => {
        const seen: unknown[] = []
        await begin(async (flow) => {
          seen.push(
            await tell(flow).then(
              (value) => ({ value }),
              (error: unknown) => ({ error }),
            ),
          )
          await flow.wait('go')
        })
        await waitingFor('go')
        await restart()
        await flows.send('f', 'go', null)
        await flows.finished('f')
        return seen
      }

      it.each([
        ['undefined', undefined, undefined],
        ['null', null, null],
        ['a number', 1.5, 1.5],
        ['a text', 'ä发🚀\u0000', 'ä发🚀\u0000'],
        ['an object', { a: [1, { b: null }], gone: undefined }, { a: [1, { b: null }] }],
        ['a date, as JSON has it', new Date(0), '1970-01-01T00:00:00.000Z'],
      ])('gives the same when it is recorded: %s', async (_, value, expected) => {
        const calls = counter()
        const seen = await twice((flow) =>
          flow.step('s', async () => {
            calls.count('s')
            return value
          }),
        )
        expect(seen).toStrictEqual([{ value: expected }, { value: expected }])
        expect(calls.of('s')).toBe(1)
      })

      it('gives the same fault when it is recorded, and is not run again', async () => {
        const calls = counter()
        const seen = await twice((flow) =>
          flow.step('s', async () => {
            calls.count('s')
            throw new Fault('target.timeout', { say: 'Slow.', next: 'wait', retry: true, data: { ms: 10 } })
          }),
        )
        const fault = { code: 'target.timeout', message: 'Slow.', next: 'wait', retry: true, data: { ms: 10 } }
        expect(seen).toMatchObject([{ error: fault }, { error: fault }])
        expect(calls.of('s')).toBe(1)
      })

      it('makes a fault of any error, and drops data that JSON cannot carry', async () => {
        const loop: Record<string, unknown> = { secret }
        loop.self = loop
        const seen = await twice(async (flow) => {
          const plain = await flow
            .step('plain', () => Promise.reject(new RangeError('too far')))
            .catch((e: Fault) => e.code)
          const looped = await flow
            .step('looped', () => Promise.reject(new Fault('a.b', { say: 'Loop.', data: loop })))
            .catch((e: Fault) => [e.code, e.data])
          return [plain, looped]
        })
        const expected = { value: ['internal.unexpected', ['a.b', {}]] }
        expect(seen).toEqual([expected, expected])
      })

      it.each([
        ['a loop', () => Object.assign({ secret }, { self: null as unknown })],
        ['a function', () => () => secret],
        ['a BigInt', () => ({ secret, n: 1n })],
      ])('fails when its result cannot be kept: %s', async (_, result) => {
        const value = result()
        if ('self' in value) value.self = value
        const seen = await twice((flow) => flow.step('s', async () => value))
        expect(seen).toMatchObject([
          { error: { code: 'flow.result-not-storable' } },
          { error: { code: 'flow.result-not-storable' } },
        ])
        expect(JSON.stringify(seen) + String((seen[0] as { error: unknown }).error)).not.toContain(secret)
      })

      it('is tried again after a fault that may pass, and its success is what counts', async () => {
        const calls = counter()
        const seen = await twice((flow) =>
          flow.step(
            's',
            async () => {
              if (calls.count('s') < 3) throw new Fault('target.unreachable', { say: 'No.', retry: true })
              return 'yes'
            },
            { delays: [1, 1, 1] },
          ),
        )
        expect(seen).toEqual([{ value: 'yes' }, { value: 'yes' }])
        expect(calls.of('s')).toBe(3)
      })

      it('is given up after the last delay', async () => {
        const calls = counter()
        const seen = await twice((flow) =>
          flow.step(
            's',
            async () => {
              calls.count('s')
              throw new Fault('target.unreachable', { say: 'No.', retry: true })
            },
            { delays: [1, 1] },
          ),
        )
        expect(seen).toMatchObject([
          { error: { code: 'target.unreachable' } },
          { error: { code: 'target.unreachable' } },
        ])
        expect(calls.of('s')).toBe(3)
      })

      it('is not tried again after a fault that stays, nor after an error', async () => {
        const calls = counter()
        await twice(async (flow) => {
          const retry = { delays: [1, 1] }
          const failing = (step: string, error: Error) => async () => {
            calls.count(step)
            throw error
          }
          await flow.step('fault', failing('fault', new Fault('a.b', { say: 'No.' })), retry).catch(() => {})
          await flow.step('error', failing('error', new Error('no')), retry).catch(() => {})
        })
        expect([calls.of('fault'), calls.of('error')]).toEqual([1, 1])
      })

      it('leaves its siblings alone when it fails', async () => {
        const calls = counter()
        const hosts = Array.from({ length: 20 }, (_, i) => `web-${i}`)
        const seen = await twice(async (flow) => {
          const results = await Promise.allSettled(
            hosts.map((host, i) =>
              flow.step(`deploy ${host}`, async () => {
                calls.count(host)
                await new Promise((resolve) => setTimeout(resolve, i % 5))
                if (i === 7) throw new Fault('deploy.failed', { say: 'Bad.' })
                return host
              }),
            ),
          )
          return results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.code))
        })
        const expected = { value: hosts.map((host, i) => (i === 7 ? 'deploy.failed' : host)) }
        expect(seen).toEqual([expected, expected])
        for (const host of hosts) expect(calls.of(host)).toBe(1)
      })

      it('may fail before the story looks at it', async () => {
        await begin(async (flow) => {
          const early = flow.step('early', () => Promise.reject(new Fault('a.b', { say: 'No.' })))
          await flow.step('later', () => new Promise((resolve) => setTimeout(resolve, 20)))
          await early
        })
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'a.b' })
      })

      it('that still runs when the story fails is let end before the flow does', async () => {
        let ended = false
        await begin(async (flow) => {
          const slow = flow.step('slow', async () => {
            await new Promise((resolve) => setTimeout(resolve, 50))
            ended = true
          })
          const bad = flow.step('bad', () => Promise.reject(new Fault('a.b', { say: 'No.' })))
          await Promise.all([slow, bad])
        })
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'a.b' })
        expect(ended).toBe(true)
      })

      it.each<[string, (flow: Flow) => Promise<unknown>]>([
        ['step', (flow) => flow.step('same', async () => 1)],
        ['now', (flow) => flow.now('same')],
        ['phase', (flow) => flow.phase('same')],
        ['wait', (flow) => flow.wait('same', { until: new Date(0) })],
      ])('name used twice fails the flow, even if the story looks away: %s', async (_, use) => {
        const calls = counter()
        await begin(async (flow) => {
          await use(flow)
          await use(flow).catch(() => {})
          await flow.step('after', async () => calls.count('after')).catch(() => {})
        })
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.name-used-twice' })
        expect(calls.of('after')).toBe(0)
      })

      it('may have the name of a wait, a time and a phase', async () => {
        await begin(async (flow) => {
          await flow.step('same', async () => 1)
          await flow.now('same')
          await flow.phase('same')
          await flow.wait('same', { until: new Date(0) })
        })
        await flows.finished('f')
      })
    })

    describe('the mailbox', () => {
      it('gives events in order of sending, each once, also across restarts', async () => {
        const heard: FlowEvent[] = []
        let told = 0
        await begin(async (flow) => {
          told++
          const events: FlowEvent[] = []
          for (const n of [1, 2, 3, 4]) {
            const event = await flow.wait(`w${n}`)
            if (event) events.push(event)
          }
          heard.push(...events)
        })
        expect(await flows.send('f', 'a', { n: 1 })).toBe(true)
        expect(await flows.send('f', 'b', { n: 2 })).toBe(true)
        await waitingFor('w3')
        await restart()
        await waitingFor('w3')
        expect(await flows.send('f', 'c', { n: 3 })).toBe(true)
        await restart()
        expect(await flows.send('f', 'd', { n: 4 })).toBe(true)
        await flows.finished('f')
        expect(told).toBe(3)
        expect(heard.map(({ key, data }) => [key, data])).toEqual([
          ['a', { n: 1 }],
          ['b', { n: 2 }],
          ['c', { n: 3 }],
          ['d', { n: 4 }],
        ])
        for (const { at } of heard) expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(60_000)
      })

      it('takes events before the flow has started, and before the engine was opened', async () => {
        const heard: unknown[] = []
        stories = {
          tale: async (flow) => {
            heard.push((await flow.wait('one'))?.data, (await flow.wait('two'))?.data)
          },
        }
        flows = await world.connect()
        await flows.send('f', 'a', 1)
        await flows.close()
        await engine()
        await flows.send('f', 'b', 2)
        await flows.start('tale', 'f', {})
        await flows.finished('f')
        expect(heard).toEqual([1, 2])
      })

      it('delivers one key once, whoever sends it and whenever', async () => {
        const heard: string[] = []
        await begin(async (flow) => {
          const events = []
          for (const n of [1, 2]) events.push(await flow.wait(`w${n}`))
          heard.push(...events.map((event) => `${event?.key} ${event?.data}`))
        })
        const results = await Promise.all(Array.from({ length: 10 }, (_, i) => flows.send('f', 'press', i)))
        expect(results.filter(Boolean)).toHaveLength(1)
        await waitingFor('w2')
        expect(await flows.send('f', 'press', 'again')).toBe(false)
        await restart()
        expect(await flows.send('f', 'press', 'again')).toBe(false)
        await waitingFor('w2')
        expect(await flows.send('f', 'other', 'x')).toBe(true)
        await flows.finished('f')
        expect(heard).toEqual([`press ${results.indexOf(true)}`, 'other x'])
        expect(await flows.send('f', 'press', 'after the end')).toBe(false)
        expect(await flows.send('f', 'late', 'after the end')).toBe(true)
      })

      it('keeps the mail of each flow apart', async () => {
        const heard: Record<string, unknown> = {}
        stories = {
          tale: async (flow) => {
            heard[flow.id] = (await flow.wait('w'))?.data
          },
        }
        await engine()
        for (const id of ['f', 'f/1', '1/f']) await flows.start('tale', id, {})
        for (const id of ['1/f', 'f', 'f/1']) expect(await flows.send(id, 'k', `for ${id}`)).toBe(true)
        for (const id of ['f', 'f/1', '1/f']) await flows.finished(id)
        expect(heard).toEqual({ f: 'for f', 'f/1': 'for f/1', '1/f': 'for 1/f' })
      })

      it('loses, doubles and reorders nothing under any sequence of sends, starts and restarts', async () => {
        let run = 0
        stories = {
          collect: async (flow, input) => {
            const heard: string[] = []
            for (let n = 0; n < Number(input); n++) heard.push(String((await flow.wait(`w${n}`))?.key))
            await flow.step(`heard ${heard.join(' ')}`, async () => {})
            results.set(flow.id, heard)
          },
        }
        const results = new Map<string, string[]>()
        await engine()
        const action = fc.oneof(
          {
            weight: 8,
            arbitrary: fc.record({
              send: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 4 }),
            }),
          },
          { weight: 1, arbitrary: fc.constant('start' as const) },
          { weight: 1, arbitrary: fc.constant('restart' as const) },
        )
        await fc.assert(
          fc.asyncProperty(fc.array(action, { maxLength: 12 }), async (actions) => {
            const id = `p${run++}`
            const order: string[] = []
            const keys = actions.flatMap((a) => (typeof a === 'object' ? a.send : []))
            const total = new Set(keys).size
            for (const a of actions) {
              if (a === 'start') await flows.start('collect', id, total)
              else if (a === 'restart') await restart()
              else {
                for (const key of a.send) {
                  expect(await flows.send(id, key, key)).toBe(!order.includes(key))
                  if (!order.includes(key)) order.push(key)
                }
              }
            }
            await flows.start('collect', id, total)
            await flows.finished(id)
            expect(results.get(id)).toEqual(order)
          }),
          { numRuns: 40 },
        )
      })
    })

    describe('a wait with a deadline', () => {
      it('gives undefined when the deadline has come', async () => {
        const started = Date.now()
        await begin(async (flow) => {
          const at = await flow.now('start')
          const event = await flow.wait('w', { until: new Date(at.getTime() + 80) })
          await flow.phase(`heard ${event?.key}`)
        })
        await flows.finished('f')
        expect(Date.now() - started).toBeGreaterThanOrEqual(79)
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'heard undefined' })
      })

      it('gives undefined at once when the deadline has passed before', async () => {
        await begin(async (flow) => {
          const event = await flow.wait('w', { until: new Date(Date.now() - 1_000) })
          await flow.phase(`heard ${event?.key}`)
        })
        await flows.finished('f')
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'heard undefined' })
      })

      it('gives the event that comes before, and not the deadline as well', async () => {
        const heard: unknown[] = []
        await begin(async (flow) => {
          heard.push((await flow.wait('one', { until: new Date(Date.now() + 60_000) }))?.key)
          heard.push((await flow.wait('two', { until: new Date(Date.now() + 20) }))?.key)
        })
        await waitingFor('one')
        await flows.send('f', 'a', null)
        await flows.finished('f')
        expect(heard).toEqual(['a', undefined])
      })

      it('keeps its first deadline across restarts, and a result once it has one', async () => {
        let told = 0
        const heard: unknown[] = []
        const until = Date.now() + 150
        await begin(async (flow) => {
          told++
          heard.push((await flow.wait('w', { until: new Date(told === 1 ? until : until + 3_600_000) }))?.key)
          await flow.wait('go')
        })
        await waitingFor('w')
        await restart()
        await waitingFor('go')
        expect(Date.now()).toBeGreaterThanOrEqual(until)
        await restart()
        await waitingFor('go')
        await flows.send('f', 'late', null)
        await flows.finished('f')
        expect(heard).toEqual([undefined, undefined])
      })

      it('is won by an event that was sent in time while no engine ran, and not by one sent after', async () => {
        const heard: unknown[] = []
        const until = Date.now() + 120
        const tell: Story = async (flow) => {
          const events = [await flow.wait('w', { until: new Date(until) }), await flow.wait('next')]
          heard.push(...events.map((event) => event?.key))
        }
        stories = { tale: tell }
        await engine()
        await flows.start('tale', 'in time', {})
        await flows.start('tale', 'late', {})
        await waitingFor('w', 'in time')
        await waitingFor('w', 'late')
        await flows.close()
        const sender = await world.connect()
        await sender.send('in time', 'early', null)
        await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(until), soon)
        await sender.send('late', 'after', null)
        await sender.close()
        await engine()
        await waitingFor('next', 'in time')
        await flows.finished('late')
        expect(heard).toEqual([undefined, 'after'])
        await flows.send('in time', 'second', null)
        await flows.finished('in time')
        expect(heard).toEqual([undefined, 'after', 'early', 'second'])
      })

      it('may be further away than a timer reaches', async () => {
        await begin(async (flow) => {
          const event = await flow.wait('w', { until: new Date(Date.now() + 2 ** 31 + 10_000_000_000) })
          await flow.phase(`heard ${event?.key}`)
        })
        await waitingFor('w')
        await new Promise((resolve) => setTimeout(resolve, 30))
        expect(await flows.status('f')).toMatchObject({ at: 'running', waiting: 'w' })
        await flows.send('f', 'k', null)
        await flows.finished('f')
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'heard k' })
      })

      it('that is no time fails the flow', async () => {
        await begin(async (flow) => void (await flow.wait('w', { until: new Date(Number.NaN) })))
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.bad-deadline' })
      })
    })

    describe('what is asked of it', () => {
      it('tells the same time for a name, also after a restart', async () => {
        const times: number[] = []
        await begin(async (flow) => {
          times.push((await flow.now('n')).getTime())
          await flow.wait('go')
        })
        await waitingFor('go')
        await restart()
        await flows.send('f', 'go', null)
        await flows.finished('f')
        expect(times).toHaveLength(2)
        expect(times[1]).toBe(times[0])
        expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(60_000)
      })

      it('shows the phase and what is waited for, also to an engine that does not run the flow', async () => {
        await begin(async (flow) => {
          await flow.phase('awaiting approval')
          await flow.wait('approval')
          await flow.phase('rolling out')
        })
        await waitingFor('approval')
        const expected = { at: 'running', phase: 'awaiting approval', waiting: 'approval' }
        expect(await flows.status('f')).toEqual(expected)
        await flows.close()
        const looker = await world.connect()
        expect(await looker.status('f')).toEqual(expected)
        expect(await looker.status('nobody')).toBeUndefined()
        await looker.close()
        await engine()
        await flows.send('f', 'k', null)
        await flows.finished('f')
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'rolling out' })
      })

      it('refuses to start what it has no story for, and to wait for what was never started', async () => {
        await engine()
        await expect(flows.start('unknown', 'f', { secret })).rejects.toMatchObject({ code: 'flow.unknown-kind' })
        expect(await flows.status('f')).toBeUndefined()
        await expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.not-found' })
      })

      it('leaves flows alone whose story it does not have, and goes on with the others', async () => {
        stories = {
          old: async (flow) => void (await flow.wait('w')),
          tale: async (flow) => void (await flow.wait('w')),
        }
        await engine()
        await flows.start('old', 'o', {})
        await flows.start('tale', 'f', {})
        await waitingFor('w', 'o')
        await waitingFor('w')
        const kept = stories
        stories = { tale: kept.tale as Story }
        await restart()
        await flows.send('o', 'k', null)
        await flows.send('f', 'k', null)
        await flows.finished('f')
        expect(await flows.status('o')).toMatchObject({ at: 'running', waiting: 'w' })
        stories = kept
        await restart()
        await flows.finished('o')
      })

      it('refuses a story that is defined late or twice, and to be opened twice', async () => {
        stories = { tale: async () => {} }
        await engine()
        expect(() => flows.define('late', async () => {})).toThrow(
          expect.objectContaining({ code: 'flow.defined-late' }),
        )
        await expect(flows.open()).rejects.toMatchObject({ code: 'flow.opened-twice' })
        const other = await world.connect()
        other.define('tale', async () => {})
        expect(() => other.define('tale', async () => {})).toThrow(
          expect.objectContaining({ code: 'flow.defined-late' }),
        )
        await other.close()
      })

      it('runs after opening what was started before', async () => {
        let told = 0
        flows = await world.connect()
        flows.define('tale', async () => void told++)
        await flows.start('tale', 'f', {})
        expect(told).toBe(0)
        await flows.open()
        await flows.finished('f')
        expect(told).toBe(1)
      })
    })

    describe('closing', () => {
      it('lets a running effect end and keeps its result, and starts no further step', async () => {
        const calls = counter()
        await begin(async (flow) => {
          await flow.step('running', async () => {
            calls.count('running')
            await new Promise((resolve) => setTimeout(resolve, 100))
          })
          await flow.step('next', async () => calls.count('next'))
        })
        await vi.waitFor(() => expect(calls.of('running')).toBe(1), soon)
        await flows.close(5_000)
        expect([calls.of('running'), calls.of('next')]).toEqual([1, 0])
        await engine()
        await flows.finished('f')
        expect([calls.of('running'), calls.of('next')]).toEqual([1, 1])
      })

      it('waits no longer than told, and records nothing that ends later', async () => {
        const calls = counter()
        const late = Promise.withResolvers<string>()
        await begin(async (flow) => {
          const value = await flow.step('slow', () =>
            calls.count('slow') === 1 ? late.promise : Promise.resolve('second'),
          )
          await flow.phase(value)
        })
        await vi.waitFor(() => expect(calls.of('slow')).toBe(1), soon)
        const before = performance.now()
        await flows.close(50)
        expect(performance.now() - before).toBeLessThan(2_000)
        late.resolve('first')
        await engine()
        await flows.finished('f')
        expect(await flows.status('f')).toEqual({ at: 'done', phase: 'second' })
      })

      it('does not sit out the delay before a retry', async () => {
        const calls = counter()
        await begin(async (flow) => {
          await flow.step(
            's',
            async () => {
              if (calls.count('s') === 1) throw new Fault('a.b', { say: 'No.', retry: true })
            },
            { delays: [3_600_000] },
          )
        })
        await vi.waitFor(() => expect(calls.of('s')).toBe(1), soon)
        const before = performance.now()
        await flows.close(10_000)
        expect(performance.now() - before).toBeLessThan(2_000)
        await engine()
        await flows.finished('f')
        expect(calls.of('s')).toBe(2)
      })

      it('keeps events that come while it drains for the next engine', async () => {
        const calls = counter()
        const slow = Promise.withResolvers<void>()
        const heard: unknown[] = []
        stories = {
          slow: async (flow) =>
            void (await flow.step('slow', () => {
              calls.count('slow')
              return slow.promise
            })),
          tale: async (flow) => {
            const event = await flow.wait('w')
            await flow.step('act', async () => heard.push(event?.key))
          },
        }
        await engine()
        await flows.start('slow', 's', {})
        await flows.start('tale', 'f', {})
        await waitingFor('w')
        await vi.waitFor(() => expect(calls.of('slow')).toBe(1), soon)
        const closed = flows.close(5_000)
        expect(await flows.send('f', 'k', null)).toBe(true)
        slow.resolve()
        await closed
        expect(heard).toEqual([])
        await engine()
        await flows.finished('f')
        expect(heard).toEqual(['k'])
      })

      it('answers whoever waits for the end of a flow with flow.closed, and closes twice', async () => {
        await begin(async (flow) => void (await flow.wait('w')))
        await waitingFor('w')
        const waiting = expect(flows.finished('f')).rejects.toMatchObject({ code: 'flow.closed', retry: true })
        await Promise.all([flows.close(0), flows.close(0)])
        await waiting
      })
    })

    it('shows neither input nor data nor results in its faults', async () => {
      const faults: unknown[] = []
      const caught = (error: unknown) => faults.push(String(error), JSON.stringify(error), (error as Fault).line)
      await begin(
        async (flow) => {
          await flow.step('s', async () => secret)
          await flow.wait('w', { until: new Date(0) })
          await flow.step('s', async () => secret)
        },
        { secret },
      )
      await flows.send('f', 'k', { secret })
      await flows.finished('f').catch(caught)
      await flows.finished('g').catch(caught)
      await flows.start('none', 'g', { secret }).catch(caught)
      expect(faults).toHaveLength(9)
      expect(faults.join()).not.toContain(secret)
    })
  })
}
