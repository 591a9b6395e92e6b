import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { endNow } from '../../src/demo/processes.ts'
import { remotely } from '../../src/demo/remote.ts'
import { skipReal } from '../demo/needs.ts'
import { source, userService } from './packages.ts'
import { followHolds, loadOn, measuredPolicy, type Steered, steeredPrometheus, within } from './prometheus.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

describe.skipIf(skipReal)('a Prometheus that does not say what is needed', () => {
  let folder: string
  let prometheus: Steered
  let bot: Sandbox
  let load: () => Promise<void>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-scenario-prometheus-'))
    prometheus = await steeredPrometheus(folder)
    bot = await startSandbox({ prometheus: { url: prometheus.url }, policy: measuredPolicy })
    load = loadOn(bot.hosts, 40)
    for (const version of ['v1.1.0', 'v1.2.0', 'v1.3.0']) bot.packages.publish(version, { body: userService(version) })
  })
  afterAll(async () => {
    await load?.()
    await bot?.close()
    await prometheus?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  // A test that failed half-way leaves its release running; the next one, or its second try, must find the service free.
  afterEach(() => bot.settle())

  const withinWindow = (id: string, left: number) => within(bot, id, left)
  const follow = (id: string) => followHolds(bot, id)

  test('because it is down from the start: said before the approval, and the gate asks; a new request watches again', async () => {
    await bot.restart({ policy: { ...measuredPolicy, windows: ['1s', '1s'] } })
    const id = await bot.request('v1.1.0', 'bj-1')
    const { steps } = await bot.reach(id, 'awaiting approval')
    expect(steps.find((step) => step.step_name === 'MetricAnalysis')).toMatchObject({
      status: 'warning',
      summary: expect.stringMatching(
        /^Metrics could not be read: Prometheus at http\S+ cannot be reached \(ECONNREFUSED\)\. Every gate will hold/,
      ),
    })
    expect(await bot.card(id)).toContain('No metrics: every gate will hold and ask.')
    const watched = follow(id)
    expect((await bot.press('bob', id, 'release.approve')).ok).toBe(true)
    expect(await watched.holds()).toMatch(
      /^gate inconclusive: no metric is watched: none was found when the release was prepared/,
    )
    await prometheus.start()
    await prometheus.aim(bot.hosts)
    await watched.staysHeld()
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.0.0 running' })
    expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
    await bot.reach(id, 'rolled back')
    await bot.restart({})
  })

  test('because it stops in a window, comes back empty, and then loses the target: three holds that say which, and the fourth window passes', async () => {
    const id = await bot.approved('v1.1.0', 'bj-1')
    const watched = follow(id)
    await withinWindow(id, 5)
    await prometheus.stop()
    expect(await watched.holds()).toMatch(
      /^gate error: .*the query was not answered \(Prometheus at \S+ cannot be reached \(ECONN\w+\)\.\)/,
    )

    await prometheus.aimNowhere()
    await prometheus.start({ forget: true })
    await watched.staysHeld()
    await watched.resume()
    expect(await watched.holds()).toMatch(/^gate inconclusive: .*bj-1 has no series/)

    await prometheus.aim(bot.hosts)
    await watched.resume()
    // Early in the window: Prometheus takes up to five seconds to drop a target, or none, and then the window has no series.
    await prometheus.aim([])
    expect(await watched.holds()).toMatch(
      /^gate inconclusive: .*bj-1 has (no fresh data \(\d+ s old\)|no current data|no series)/,
    )

    await prometheus.aim(bot.hosts)
    await watched.staysHeld()
    await watched.resume()
    const done = await bot.reach(id, 'done')
    expect(done.verdicts.at(-1)?.verdict).toMatchObject({ at: 'pass', hosts: { upgraded: ['bj-1'] } })
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.0.0 running' })
    expect(bot.starts('bj-1')).toEqual(['v1.0.0', 'v1.1.0', 'v1.0.0', 'v1.1.0'])
  })

  test('because the new version gives only NaN: the gate says so and asks', async () => {
    const nan = source('server.mjs').replace(
      /lines\.join\(/,
      "lines.map((line) => line.replace(/^([^#].*) .*/, '$1 NaN')).join(",
    )
    expect(nan).toContain(' NaN')
    bot.packages.publish('v1.2.0', { body: userService('v1.2.0', { files: { 'server.mjs': nan } }) })
    const id = await bot.approved('v1.2.0', 'bj-1')
    const watched = follow(id)
    expect(await watched.holds()).toMatch(/^gate inconclusive: .*bj-1 gives only NaN/)
    expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
    await bot.reach(id, 'rolled back')
    expect((await bot.running())['bj-1']).toBe('v1.1.0 running')
  })

  test('because the host dies after its step, and then because nobody asks the service: held each time, passed once both are back', async () => {
    const host = bot.host('bj-1')
    const id = await bot.approved('v1.3.0', 'bj-1')
    const watched = follow(id)
    await withinWindow(id, 6)
    await bot.fleet.down('bj-1')
    endNow(Number((await readFile(join(host.root, 'user-service.pid'), 'utf8')).split(' ')[0]))
    expect(await watched.holds()).toMatch(/^gate inconclusive: .*bj-1 has (no fresh data|no current data)/)
    await watched.staysHeld()

    await bot.fleet.up('bj-1')
    await load()
    await remotely(host, 'opt/releases/user-service/current/bin/start')
    await watched.resume()
    expect(await watched.holds()).toMatch(/^gate inconclusive: .*0 of 60 requests needed on upgraded hosts/)

    load = loadOn(bot.hosts, 40)
    await watched.resume()
    await bot.reach(id, 'done')
    expect(await bot.running()).toEqual({ 'bj-1': 'v1.3.0 running', 'sh-1': 'v1.0.0 running' })
  })
})
