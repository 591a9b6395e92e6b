import { afterEach, describe, expect, test } from 'vitest'
import type { Job } from '../../src/ports/target.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})

/** Every job that a host was given, and what the document said of that host at that moment. */
async function start(policy: Record<string, unknown> = {}) {
  const t = await testDesk({ policy: { batches: ['100%'], windows: ['20ms'], ...policy } })
  open = t
  const jobs: Job[] = []
  const shown: string[] = []
  t.target.during = async (job) => {
    jobs.push(job)
    const host = (await t.desk.releases.need('R-1')).hosts[job.key.host]
    shown.push(`${job.key.host} ${host?.at}${host?.why === undefined ? '' : `: ${host.why}`}`)
  }
  const by = (kind: Job['kind']) => [...new Set(jobs.filter((job) => job.kind === kind).map((job) => job.by))]
  return { t, jobs, shown, by }
}
async function approved(t: TestDesk): Promise<void> {
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
}

describe("the hosts' audit line names", () => {
  test('who asked for a deploy and who approved it; of a rollback who ordered it, and what it takes back', async () => {
    const { t, by } = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    await t.press('carol', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(by('deploy')).toEqual(['alice approved-by bob'])
    expect(by('switch')).toEqual(['carol rolled-back R-1 of alice approved-by bob'])
  })

  test('the gate, when it was the gate', async () => {
    const { t, by } = await start()
    t.target.hosts.get('bj-1')!.next = [
      { rc: 1, reason: 'start: exit 3', leaves: { version: 'v1.1.0', state: 'stopped' } },
    ]
    await approved(t)
    await t.reach('R-1', 'rolled back')
    expect(by('switch')).toEqual(['the gate rolled-back R-1 of alice approved-by bob'])
  })

  test('who took back a release that was done', async () => {
    const { t, by } = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    await t.press('carol', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(by('switch')).toEqual(['carol rolled-back R-1 of alice approved-by bob'])
  })

  test('no more people than a host takes: forty approvers do not keep the way back shut', async () => {
    const { t, by } = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    const approvals = Array.from({ length: 40 }, (_, i) => ({ by: `approver-${i}-${'x'.repeat(40)}`, at: '' }))
    await t.desk.releases.update('R-1', (release) => ({ ...release, approvals }))
    await t.press('carol', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    const [line = ''] = by('switch')
    expect(line).toMatch(/^carol rolled-back R-1 of alice approved-by approver-0-/)
    expect(line.length).toBeLessThanOrEqual(1000)
  })
})

describe('why a host failed is shown until the next attempt begins, and not beside it', () => {
  test('a retry', async () => {
    const { t, shown } = await start({ gate: 'ask', batches: ['1', '100%'], windows: ['20ms', '20ms'] })
    t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await approved(t)
    const held = await t.reach('R-1', 'held')
    expect(held.hosts['bj-1']).toMatchObject({ at: 'failed', why: 'start: exit 3' })
    await t.press('alice', 'R-1', 'release.retry')
    await expect.poll(() => shown).toEqual(['bj-1 deploying', 'bj-1 deploying'])
  })

  test('a rollback, and a rollback that is tried again', async () => {
    const { t, shown } = await start({ batches: ['1', '100%'], windows: ['20ms', '20ms'] })
    t.target.hosts.get('bj-1')!.next = [
      { rc: 1, reason: 'start: exit 3', leaves: { version: 'v1.1.0', state: 'stopped' } },
      { rc: 1, reason: 'stop: exit 4' },
    ]
    await approved(t)
    const back = await t.reach('R-1', 'rolled back')
    expect(shown).toEqual(['bj-1 deploying', 'bj-1 rolling back', 'bj-1 rolling back'])
    expect(back.hosts['bj-1']?.why).toBeUndefined()
  })
})

test('a script that is renewed after the approval: deploys go on with the approved one, the way back takes the new one', async () => {
  const { t, jobs } = await start({ batches: ['1', '100%'], windows: ['20ms', '20ms'] })
  const approvedDigest = t.target.scriptDigest
  const renewed = 'e'.repeat(64)
  await approved(t)
  await t.reach('R-1', 'held')
  // The bot is started anew with another version of its script; the hold goes on.
  Object.assign(t.target, { scriptDigest: renewed })
  const run = t.target.run
  const given: [string, string][] = []
  t.target.run = (host, job, ...rest) => {
    given.push([job.kind, job.scriptDigest])
    return run(host, job, ...rest)
  }
  await t.press('alice', 'R-1', 'release.promote')
  await t.reach('R-1', 'rolled back')
  expect(jobs[0]?.scriptDigest).toBe(approvedDigest)
  const of = (kind: string) => [...new Set(given.filter(([each]) => each === kind).map(([, digest]) => digest))]
  // The host refuses the deploy: what would be run is not what was approved.
  expect(of('deploy')).toEqual([approvedDigest])
  expect(of('switch')).toEqual([renewed])
  expect([...t.target.hosts.values()].map(({ version }) => version)).toEqual(['v1.0.0', 'v1.0.0', 'v1.0.0'])
})

test('a script that fails in the words of a lost runner is a failure like any other: nobody runs it again', async () => {
  const { t, jobs } = await start({ gate: 'ask', batches: ['1', '100%'], windows: ['20ms', '20ms'] })
  t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: "the job's runner disappeared (lost); no release is there" }]
  await approved(t)
  await t.reach('R-1', 'held')
  expect(jobs.map(({ key }) => `${key.step}/${key.attempt}`)).toEqual(['deploy/1'])
})
