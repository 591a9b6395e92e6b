import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { gatePolicySchema, observationSchema, replay } from '../../src/release/gate.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { createFakeMetrics, type FakeMetrics } from '../fakes/metrics.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})

/** v1.2.0 answers 8 % of its requests with errors from the moment it is on a host. */
async function start(policy: Record<string, unknown> = {}) {
  let metrics: FakeMetrics | undefined
  const since = new Map<string, number>()
  open = await testDesk({
    hosts: 4,
    speed: 100,
    policy: {
      batches: ['1', '100%'],
      windows: ['250ms', '250ms'],
      interval: '60ms',
      warmup: '0s',
      minRequests: 50,
      rateWindow: '1s',
      ...policy,
    },
    metrics: (target) => {
      metrics = createFakeMetrics([...target.hosts.keys()], (host, at) => {
        const bad = target.hosts.get(host)?.version === 'v1.2.0' && at >= (since.get(host) ?? Number.POSITIVE_INFINITY)
        return bad ? { errors: 0.08, latency: 0.3 } : { errors: 0, latency: 0.02 }
      })
      return metrics
    },
  })
  const t = open
  t.target.during = async (job) => {
    since.set(job.key.host, t.desk.clock().getTime() / 1000)
  }
  return { t, metrics: metrics as FakeMetrics }
}

async function approved(t: TestDesk, version: string): Promise<void> {
  await t.type('alice', `/release user-service ${version}`)
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
}

describe('a batch is observed', () => {
  test('and a good version passes batch after batch without a person', async () => {
    const { t } = await start()
    await approved(t, 'v1.1.0')
    const done = await t.reach('R-1', 'done')
    expect(done.verdicts.map(({ batch, verdict }) => [batch, verdict.at])).toEqual([
      [1, 'pass'],
      [2, 'pass'],
    ])
    expect(done.steps.find((step) => step.step_name === 'MetricAnalysis')).toMatchObject({ status: 'success' })
  })

  test('and a bad version is taken back from the canary, with the numbers; nobody else had it', async () => {
    const { t } = await start()
    await approved(t, 'v1.2.0')
    const back = await t.reach('R-1', 'rolled back')
    expect(back.state).toMatchObject({
      by: 'the gate',
      why: expect.stringMatching(/error rate 8\.0 % on upgraded hosts against 0\.0 %/),
    })
    expect(t.target.calls.filter((call) => call.startsWith('deploy'))).toHaveLength(1)
  })

  test('and the verdict can be replayed from what was kept', async () => {
    const { t } = await start()
    await approved(t, 'v1.2.0')
    const back = await t.reach('R-1', 'rolled back')
    const [kept] = await t.desk.store.find('observations', { prefix: 'R-1/' })
    expect(replay(kept?.document)).toEqual(back.verdicts[0]?.verdict)
  })

  test('and what a host does within the warm-up is not looked at, neither its requests nor its times', async () => {
    const { t } = await start({ batches: ['100%'], windows: ['300ms'], warmup: '11s' })
    await approved(t, 'v1.1.0')
    const done = await t.reach('R-1', 'done')
    const [kept] = await t.desk.store.find('observations', { prefix: 'R-1/' })
    const { observation, policy } = z
      .object({ observation: observationSchema, policy: gatePolicySchema })
      .parse(kept?.document)
    const deploys = Object.values(done.hosts).map(({ deployedAt }) => Date.parse(deployedAt ?? '') / 1000)
    const begins = Math.max(...deploys) + 11
    expect(policy.warmupSeconds).toBe(11)
    expect(observation.after.from).toBeCloseTo(begins, 3)
    const points = observation.metrics.flatMap(({ hosts }) => hosts.flatMap(({ after }) => after.map(([at]) => at)))
    expect(points.length).toBeGreaterThan(0)
    expect(Math.min(...points)).toBeGreaterThanOrEqual(begins)
  })

  test('and in an asking policy a failed gate holds and offers the rollback first; a person decides', async () => {
    const { t } = await start({ gate: 'ask' })
    await approved(t, 'v1.2.0')
    const held = await t.reach('R-1', 'held')
    expect(held.state).toMatchObject({
      why: expect.stringMatching(/^gate fail: /),
      offers: ['rollback', 'resume', 'promote', 'abort'],
    })
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
  })

  test('and without answers from Prometheus it holds as error; resumed when it is back, it passes', async () => {
    const { t, metrics } = await start()
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    metrics.down = true
    await t.press('bob', 'R-1', 'release.approve')
    expect((await t.reach('R-1', 'held')).state).toMatchObject({
      why: expect.stringMatching(/^gate error: .*cannot be reached/),
    })
    metrics.down = false
    await t.press('alice', 'R-1', 'release.resume')
    await t.reach('R-1', 'done')
  })

  test('and a host that falls silent makes it inconclusive, naming the host; promote is a person’s word', async () => {
    const { t, metrics } = await start()
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    metrics.silent.add('bj-1')
    await t.press('bob', 'R-1', 'release.approve')
    expect((await t.reach('R-1', 'held')).state).toMatchObject({
      why: expect.stringMatching(/^gate inconclusive: .*bj-1/),
    })
    await t.press('alice', 'R-1', 'release.promote')
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ batch: 2 })
  })

  test('and a pause within the window holds; resume observes anew, promote after a pause goes on', async () => {
    const { t } = await start({ windows: ['1h', '250ms'], interval: '10m' })
    await approved(t, 'v1.1.0')
    const observing = () => expect.poll(async () => (await t.desk.releases.need('R-1')).state)
    await observing().toMatchObject({ doing: 'observing', batch: 1 })
    await t.press('bob', 'R-1', 'release.pause')
    expect((await t.reach('R-1', 'held')).state).toMatchObject({ why: 'paused by bob' })
    await t.press('alice', 'R-1', 'release.resume')
    await observing().toMatchObject({ doing: 'observing', batch: 1 })
    await t.press('bob', 'R-1', 'release.pause')
    await t.reach('R-1', 'held')
    await t.press('alice', 'R-1', 'release.promote')
    await observing().toMatchObject({ batch: 2 })
  })

  test('and abort or rollback within the window ends it at once', async () => {
    const { t } = await start({ windows: ['1h', '1h'], interval: '10m' })
    await approved(t, 'v1.1.0')
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
    await t.press('bob', 'R-1', 'release.rollback')
    expect((await t.reach('R-1', 'rolled back')).state).toMatchObject({ by: 'bob', why: 'bob pressed Roll back' })
  })
})

test('Prometheus down while preparing: limits cannot be derived, the step warns, the release can still be approved', async () => {
  const { t, metrics } = await start()
  metrics.down = true
  await t.type('alice', '/release user-service v1.1.0')
  const waiting = await t.reach('R-1', 'awaiting approval')
  expect(waiting.steps.find((step) => step.step_name === 'MetricAnalysis')).toMatchObject({
    status: 'warning',
    summary: expect.stringMatching(/could not be read: Prometheus cannot be reached/),
    details: { metrics: [], service: 'user-service' },
  })
})

test('a canary that failed minutes ago leaves the next request the same limit for errors', async () => {
  let ill = { from: 0, to: 0 }
  open = await testDesk({
    hosts: 4,
    metrics: (target) =>
      createFakeMetrics([...target.hosts.keys()], (host, at) => {
        return { errors: host === 'bj-1' && at >= ill.from && at < ill.to ? 0.08 : 0, latency: 0.02 }
      }),
  })
  const t = open
  const limit = async (id: string, version: string) => {
    await t.type('alice', `/release user-service ${version}`)
    const { metrics } = await t.reach(id, 'awaiting approval')
    return metrics.find(({ key }) => key === 'error_rate')?.thresholds.text
  }
  const first = await limit('R-1', 'v1.2.0')
  const now = t.desk.clock().getTime() / 1000
  // A tenth of the hour that the limits come from.
  ill = { from: now - 480, to: now - 120 }
  expect(first?.at(-1)).toBe('1%')
  expect(await limit('R-2', 'v1.1.0')).toEqual(first)
})
