import { afterEach, describe, expect, test } from 'vitest'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { createFakeMetrics, type FakeMetrics } from '../fakes/metrics.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})
const state = async (t: TestDesk) => (await t.desk.releases.need('R-1')).state
const verdict = async (t: TestDesk) => (await t.desk.releases.need('R-1')).verdicts.at(-1)?.verdict.at

/** Alice's release of a version that answers 30 % of its requests with errors, until `errors.share` says otherwise. */
async function start(policy: Record<string, unknown> = {}) {
  const errors = { share: 0.3 }
  let metrics: FakeMetrics | undefined
  const since = new Map<string, number>()
  const t = await testDesk({
    hosts: 4,
    speed: 100,
    policy: {
      batches: ['1', '100%'],
      windows: ['1h', '1h'],
      interval: '60ms',
      minRequests: 50,
      rateWindow: '1s',
      // The window stays open however often it fails: what counts here is what people may do meanwhile.
      failureLimit: 100_000,
      ...policy,
    },
    metrics: (target) => {
      metrics = createFakeMetrics([...target.hosts.keys()], (host, at) => {
        const bad = target.hosts.get(host)?.version === 'v1.2.0' && at >= (since.get(host) ?? Number.POSITIVE_INFINITY)
        return { errors: bad ? errors.share : 0, latency: 0.02 }
      })
      return metrics
    },
  })
  open = t
  t.target.during = async (job) => void since.set(job.key.host, t.desk.clock().getTime() / 1000)
  await t.type('alice', '/release user-service v1.2.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  return { t, errors, metrics: metrics as FakeMetrics }
}
const failing = (t: TestDesk) => expect.poll(() => verdict(t), { timeout: 5000 }).toBe('fail')
const refused = {
  ok: false,
  text: 'The gate failed, and you requested the release; somebody else has to promote it. Next: ask a colleague, or roll back.',
}

describe('while the gate says fail, whoever requested the release cannot promote it', () => {
  test('within the window, before the gate has confirmed it; somebody else can', async () => {
    const { t } = await start()
    await failing(t)
    expect(await state(t)).toMatchObject({ at: 'rolling out', doing: 'observing', batch: 1 })
    expect(await t.press('alice', 'R-1', 'release.promote')).toEqual(refused)
    expect(await t.type('alice', '/release promote R-1')).toEqual(refused)
    expect((await t.press('carol', 'R-1', 'release.promote')).ok).toBe(true)
    await expect.poll(() => state(t)).toMatchObject({ batch: 2 })
  })

  test('in a pause of that window, nor in the next window until a look says otherwise', async () => {
    const { t } = await start()
    await failing(t)
    await t.press('bob', 'R-1', 'release.pause')
    expect((await t.reach('R-1', 'held')).state).toMatchObject({ why: 'paused by bob' })
    expect(await t.press('alice', 'R-1', 'release.promote')).toEqual(refused)
    await t.press('alice', 'R-1', 'release.resume')
    await t.reach('R-1', 'rolling out')
    expect(await t.type('alice', '/release promote R-1')).toEqual(refused)
    await t.press('bob', 'R-1', 'release.pause')
    await t.reach('R-1', 'held')
    expect((await t.press('carol', 'R-1', 'release.promote')).ok).toBe(true)
    await expect.poll(() => state(t)).toMatchObject({ batch: 2 })
  })

  test('in the hold after it, as the policy asks', async () => {
    const { t } = await start({ gate: 'ask', failureLimit: 2 })
    expect((await t.reach('R-1', 'held')).state).toMatchObject({ gate: 'fail' })
    expect(await t.press('alice', 'R-1', 'release.promote')).toEqual(refused)
    expect((await t.press('carol', 'R-1', 'release.promote')).ok).toBe(true)
  })

  test('in a window of its own choosing neither: Resume and a look that sees nothing take no verdict back, one that passes does', async () => {
    const { t, errors, metrics } = await start({ gate: 'ask', failureLimit: 2 })
    await t.reach('R-1', 'held')
    metrics.down = true
    await t.press('alice', 'R-1', 'release.resume')
    await expect.poll(() => verdict(t), { timeout: 5000 }).toBe('error')
    expect(await state(t)).toMatchObject({ doing: 'observing', batch: 1 })
    expect(await t.press('alice', 'R-1', 'release.promote')).toEqual(refused)
    errors.share = 0
    metrics.down = false
    await expect.poll(() => verdict(t), { timeout: 5000 }).toBe('pass')
    expect((await t.type('alice', '/release promote R-1')).ok).toBe(true)
  })

  test('not even when the look fails between the press and its hearing: a line says so, and a colleague may press the same', async () => {
    const { t } = await start()
    await failing(t)
    const { turn } = await t.desk.releases.need('R-1')
    const order = { kind: 'promote' as const, by: 'alice', turn, batch: 1 }
    const key = `R-1/${turn}/promote/1`
    await t.desk.store.insert('presses', key, { ...order, at: '' })
    await t.desk.flows.send('R-1', key, order)
    await expect
      .poll(() => t.chat.said())
      .toContain(
        'alice pressed promote, and it was not done: the gate failed, and alice requested the release; somebody else has to promote it',
      )
    expect(await state(t)).toMatchObject({ doing: 'observing', batch: 1 })
    expect((await t.press('carol', 'R-1', 'release.promote')).ok).toBe(true)
    await expect.poll(() => state(t)).toMatchObject({ batch: 2 })
  })

  test('and may again once it no longer says so, and in the next batch', async () => {
    const { t, errors } = await start()
    await failing(t)
    errors.share = 0
    await t.press('carol', 'R-1', 'release.promote')
    await expect.poll(() => state(t), { timeout: 5000 }).toMatchObject({ doing: 'observing', batch: 2 })
    expect((await t.type('alice', '/release promote R-1')).ok).toBe(true)
    await t.reach('R-1', 'done')
  })
})
