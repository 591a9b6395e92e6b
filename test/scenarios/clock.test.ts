import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../demo/needs.ts'
import { userService } from './packages.ts'
import { followHolds, loadOn, measuredPolicy, type Steered, steeredPrometheus, within } from './prometheus.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

/** The wall clock of this process, which is the bot's; hosts and Prometheus have processes, and clocks, of their own. */
function movableClock() {
  const Real = Date
  let ahead = 0
  class Moved extends Real {
    constructor(...given: unknown[]) {
      if (given.length === 0) super(Real.now() + ahead)
      else super(...(given as [number]))
    }
    static override now() {
      return Real.now() + ahead
    }
  }
  globalThis.Date = Moved as DateConstructor
  return {
    ahead: (ms: number) => {
      ahead = ms
    },
    restore: () => {
      globalThis.Date = Real
    },
  }
}

const hours = 3_600_000
const apart =
  /^gate error: .*the clock of Rollcall's machine is \d+ s (ahead of|behind) the metrics database's; set it right/

describe.skipIf(skipReal)('the clock of the bot jumps', () => {
  let folder: string
  let prometheus: Steered
  let bot: Sandbox
  let load: () => Promise<void>
  let clock: ReturnType<typeof movableClock>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-scenario-clock-'))
    prometheus = await steeredPrometheus(folder)
    await prometheus.start()
    bot = await startSandbox({ prometheus: { url: prometheus.url }, policy: measuredPolicy })
    load = loadOn(bot.hosts, 40)
    await prometheus.aim(bot.hosts)
    for (const version of ['v1.1.0', 'v1.2.0']) bot.packages.publish(version, { body: userService(version) })
    clock = movableClock()
  })
  afterEach(() => clock.ahead(0))
  afterAll(async () => {
    clock?.restore()
    await load?.()
    await bot?.close()
    await prometheus?.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const old = { 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' }

  describe('while an approval waits', () => {
    beforeAll(() => bot.restart({ policy: { ...measuredPolicy, approvalExpires: '8s' } }))
    afterAll(() => bot.restart({}))

    test('forward: it expires and says so, stays expired when the clock is right again, and the press is answered', async () => {
      const id = await bot.request('v1.1.0')
      await bot.reach(id, 'awaiting approval')
      const button = await bot.buttonOf(id, 'release.approve')
      clock.ahead(2 * hours)
      await bot.reach(id, 'expired', 5)
      clock.ahead(0)
      expect(await bot.card(id)).toContain(
        'Expired: nobody decided in time; no host was touched. Next: /release user-service v1.1.0',
      )
      expect(await bot.app().press('bob', button)).toMatchObject({
        ok: false,
        text: expect.stringMatching(/expired at/),
      })
      expect(await bot.running()).toEqual(old)
    })

    test('back: it expires after the time that was left, not two hours later', async () => {
      const id = await bot.request('v1.1.0')
      await bot.reach(id, 'awaiting approval')
      await expect
        .poll(() => bot.app().desk.flows.status(id))
        .toMatchObject({ waiting: expect.stringMatching(/^decision/) })
      clock.ahead(-2 * hours)
      const began = performance.now()
      await bot.reach(id, 'expired', 15)
      expect(performance.now() - began).toBeGreaterThan(5000)
      expect(await bot.running()).toEqual(old)
    })
  })

  test('in a window, forward and later back: held both times with how far the clocks are apart, passed when they agree', async () => {
    const id = await bot.approved('v1.1.0', 'bj-1')
    const watched = followHolds(bot, id)
    await within(bot, id, 5)
    clock.ahead(2 * hours)
    expect(await watched.holds()).toMatch(apart)
    await watched.staysHeld()

    clock.ahead(0)
    await watched.resume()
    await within(bot, id, 5)
    clock.ahead(-2 * hours)
    expect(await watched.holds()).toMatch(apart)
    await watched.staysHeld()

    clock.ahead(0)
    await watched.resume()
    await bot.reach(id, 'done')
    expect(await bot.running()).toEqual({ ...old, 'bj-1': 'v1.1.0 running' })
  })

  test('and is behind for a whole rollout: the past of the old version is not taken for the new one', async () => {
    bot.packages.publish('v1.3.0', { body: userService('v1.3.0', { behaviour: { errorRate: 0.3 } }) })
    // At the time that the bot believes it is, and through its window, the old version answered well.
    await expect.poll(() => prometheus.ask('http_requests_total offset 20s'), { timeout: 25_000 }).not.toEqual([])
    clock.ahead(-12_000)
    const id = await bot.approved('v1.3.0', 'bj-1')
    const watched = followHolds(bot, id)
    expect(await watched.holds()).toMatch(apart)
    await watched.staysHeld()
    clock.ahead(0)
    await watched.resume()
    const { state } = await bot.reach(id, 'rolled back')
    expect(state).toMatchObject({ by: 'the gate', why: expect.stringMatching(/error rate/) })
    expect((await bot.running())['bj-1']).toBe('v1.1.0 running')
  })
})
