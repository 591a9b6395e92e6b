import { afterEach, describe, expect, test } from 'vitest'
import type { Message } from '../../src/ports/chat.ts'
import { issueDocument } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let open: TestDesk | undefined
afterEach(async () => {
  await open?.close()
  open = undefined
})
const start = async (options: Parameters<typeof testDesk>[0] = {}) => {
  open = await testDesk(options)
  return open
}

/** Requested by alice, approved by bob. */
async function approved(t: TestDesk, version = 'v1.1.0'): Promise<void> {
  await t.type('alice', `/release user-service ${version}`)
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
}

describe('a release', () => {
  test('goes from request over approval and promoted batches to done, every host once', async () => {
    const t = await start()
    expect((await t.type('alice', '/release user-service v1.1.0')).text).toMatch(/^R-1: preparing/)
    await t.reach('R-1', 'awaiting approval')
    expect((await t.press('alice', 'R-1', 'release.approve')).text).toMatch(/somebody else/)
    expect((await t.press('vera', 'R-1', 'release.approve')).text).toMatch(/needs the role approver/)
    expect((await t.press('bob', 'R-1', 'release.approve')).ok).toBe(true)
    // Without metrics each gate is inconclusive: held, and promoted by a person.
    for (const batch of [1, 2]) {
      await expect
        .poll(async () => (await t.desk.releases.need('R-1')).state)
        .toMatchObject({ at: 'held', batch, why: expect.stringMatching(/inconclusive/) })
      expect((await t.press('alice', 'R-1', 'release.promote')).ok).toBe(true)
    }
    const done = await t.reach('R-1', 'done')
    expect(Object.values(done.hosts).map((host) => host.version)).toEqual(['v1.1.0', 'v1.1.0', 'v1.1.0'])
    expect([...t.target.hosts.values()].map((host) => host.effects)).toEqual([
      ['deploy v1.1.0'],
      ['deploy v1.1.0'],
      ['deploy v1.1.0'],
    ])
    await expect.poll(() => t.chat.card('R-1').tone).toBe('good')
  })

  test('the issue has the exact JSON of the specification', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0')
    const release = await t.reach('R-1', 'awaiting approval')
    const issue = issueDocument(release) as { steps: { step_name: string; details: object }[] }
    expect(Object.keys(issue).sort()).toEqual(['candidate', 'created_at', 'service', 'steps', 'title'])
    expect(issue).toMatchObject({ title: 'Release Preparation - user-service v1.1.0', candidate: 'v1.1.0' })
    expect(issue.steps.map((step) => step.step_name)).toEqual([
      'VersionCheck',
      'MetricAnalysis',
      'ReleasePlan',
      'RiskPrediction',
    ])
    expect(issue.steps[2]?.details).toEqual({
      gray_strategy: {
        batches: [
          { batch_id: 1, observation_time: '0s', hosts: [{ host_id: 'bj-1', host_ip: '10.0.0.1' }] },
          {
            batch_id: 2,
            observation_time: '0s',
            hosts: [
              { host_id: 'sh-2', host_ip: '10.0.0.2' },
              { host_id: 'bj-3', host_ip: '10.0.0.3' },
            ],
          },
        ],
      },
      service: 'user-service',
    })
  })

  test('narrowed to hosts touches no other', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['20ms'] } })
    await t.type('alice', '/release user-service v1.1.0 sh-2')
    await t.reach('R-1', 'awaiting approval')
    await t.press('bob', 'R-1', 'release.approve')
    await t.reach('R-1', 'held')
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    expect([...t.target.hosts].filter(([, host]) => host.effects.length > 0).map(([id]) => id)).toEqual(['sh-2'])
  })

  test('with a conflict is refused on the card, with the next step, and touches nothing', async () => {
    const t = await start()
    t.target.hosts.get('sh-2')!.down = true
    await t.type('alice', '/release user-service v1.1.0')
    const refused = await t.reach('R-1', 'refused')
    expect(refused.state).toMatchObject({
      why: expect.stringMatching(/sh-2 did not answer/),
      next: expect.stringMatching(/.+/),
    })
    expect(refused.steps[0]).toMatchObject({ step_name: 'VersionCheck', status: 'failed' })
    expect(t.target.calls).toEqual([])
  })

  test('that is refused keeps its four steps, the plan failed and why, and is stored as an issue like any other', async () => {
    const t = await start()
    t.target.hosts.get('sh-2')!.down = true
    await t.type('alice', '/release user-service v1.1.0')
    const refused = await t.reach('R-1', 'refused')
    expect(refused.steps.map(({ step_name, status }) => [step_name, status])).toEqual([
      ['VersionCheck', 'failed'],
      ['MetricAnalysis', 'warning'],
      ['ReleasePlan', 'failed'],
      ['RiskPrediction', 'success'],
    ])
    expect(refused.steps[2]).toMatchObject({
      summary: expect.stringMatching(/^No plan: .*sh-2 did not answer/),
      details: { service: 'user-service', gray_strategy: { batches: [] } },
    })
    await expect.poll(async () => (await t.desk.store.get('issues', 'R-1/1'))?.document).toEqual(issueDocument(refused))
  })

  test('that another came before after it was planned is refused with a plan that failed', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    const { probe } = t.target
    t.target.probe = async (...host) => {
      // R-1 is approved while R-2 is being prepared.
      t.target.probe = probe
      await t.press('bob', 'R-1', 'release.approve')
      return probe(...host)
    }
    await t.type('carol', '/release user-service v1.2.0')
    const refused = await t.reach('R-2', 'refused')
    expect(refused.steps[2]).toMatchObject({
      step_name: 'ReleasePlan',
      status: 'failed',
      summary: 'No plan: R-1 of user-service is in progress.',
      details: { gray_strategy: { batches: [] } },
    })
    await expect.poll(async () => (await t.desk.store.get('issues', 'R-2/1'))?.document).toEqual(issueDocument(refused))
  })
})

test('a version that does not exist is refused with the nearest that is known', async () => {
  const t = await start()
  await t.type('alice', '/release user-service v1.0.1')
  expect((await t.reach('R-1', 'refused')).state).toMatchObject({
    why: expect.stringMatching(/Did you mean v1\.0\.0\?/),
  })
})

describe('what is suggested for a version that does not exist', () => {
  const why = async (t: TestDesk, version: string, id: string) => {
    await t.type('alice', `/release user-service ${version}`)
    const { state } = await t.reach(id, 'refused')
    return state.at === 'refused' ? state.why : ''
  }

  test('is never one that was only asked for', async () => {
    const t = await start()
    await why(t, 'v7.7.7', 'R-1')
    expect(await why(t, 'v7.7.8', 'R-2')).not.toMatch(/Did you mean/)
  })

  test('is one that was released, also when it was taken back', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['20ms'] } })
    await approved(t, 'v1.2.0')
    await t.reach('R-1', 'held')
    await t.press('alice', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    for (const host of t.target.hosts.values()) host.versions = ['v1.0.0']
    expect(await why(t, 'v1.2.9', 'R-2')).toMatch(/Did you mean v1\.2\.0\?/)
  })
})

test('the thread names a warning of the preparation once', async () => {
  const t = await start()
  t.target.hosts.get('sh-2')!.state = 'unhealthy'
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  const found = () => [...t.chat.posts.values()].find(({ message }) => message.title === 'What was found')
  await expect.poll(found).toBeDefined()
  expect(JSON.stringify(found()).split('sh-2: the service is unhealthy before the release')).toHaveLength(2)
})

test('the warnings that the summary of the step leaves out stand in the thread', async () => {
  const t = await start({ hosts: 7 })
  for (const host of t.target.hosts.values()) host.state = 'unhealthy'
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  const found = () => [...t.chat.posts.values()].find(({ message }) => message.title === 'What was found')
  await expect.poll(found).toBeDefined()
  expect(JSON.stringify(found()).split('the service is unhealthy before the release')).toHaveLength(8)
})

test('load that changes between the plan and the rollout does not make the approval lapse', async () => {
  const t = await start()
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  t.target.hosts.get('bj-1')!.load1 = 50
  await t.press('bob', 'R-1', 'release.approve')
  await t.reach('R-1', 'held')
  expect(t.chat.said().filter((title) => title.includes('lapsed'))).toEqual([])
})

describe('a release that was prepared without metrics', () => {
  test('says so before the approval; its hold offers no Resume and names the request that would be watched', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0 bj-1 sh-2')
    await t.reach('R-1', 'awaiting approval')
    const words = (message: Message) => JSON.stringify(message.blocks)
    await expect
      .poll(() => words(t.chat.card('R-1')))
      .toMatch(/No metrics: every gate will hold and ask\. .*\/release user-service v1\.1\.0/)
    await t.press('bob', 'R-1', 'release.approve')
    const { state } = await t.reach('R-1', 'held')
    const request = 'once Prometheus has its metrics, /release user-service v1.1.0 bj-1 sh-2'
    expect(state).toMatchObject({
      gate: 'inconclusive',
      why: expect.stringMatching(/^gate inconclusive: no metric is watched/),
      next: expect.stringContaining(request),
      offers: ['promote', 'rollback', 'abort'],
    })
    await expect.poll(() => words(t.chat.card('R-1'))).toContain(request)
    await expect.poll(() => words(t.chat.posts.get('R-1/held 1')!.message)).toContain(request)
    expect((await t.type('alice', '/release resume R-1')).text).toMatch(/does not fit now.*promote\|rollback\|abort/)
    await t.type('alice', '/release rollback R-1')
    await t.reach('R-1', 'rolled back')
  })
})

describe('a failing host', () => {
  test('in an automatic policy takes the release back: only what was touched, verified, and pending hosts stay', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.next = [
      { rc: 1, reason: 'start: exit 3', leaves: { version: 'v1.1.0', state: 'stopped' } },
    ]
    await approved(t)
    const back = await t.reach('R-1', 'rolled back')
    expect(back.state).toMatchObject({ by: 'the gate', why: 'bj-1: start: exit 3' })
    expect(t.target.calls).toEqual(['deploy bj-1 deploy/1', 'switch bj-1 rollback/1'])
    expect(t.target.hosts.get('bj-1')).toMatchObject({ version: 'v1.0.0', state: 'running' })
    expect(back.hosts['sh-2']).toMatchObject({ at: 'pending', version: 'v1.0.0' })
  })

  test('in an asking policy holds; retry takes a new key and goes on', async () => {
    const t = await start({ policy: { gate: 'ask' } })
    t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'health: no answer' }]
    await approved(t)
    expect((await t.reach('R-1', 'held')).state).toMatchObject({
      why: 'bj-1: health: no answer',
      offers: ['retry', 'skip', 'rollback', 'abort'],
    })
    expect((await t.press('alice', 'R-1', 'release.retry')).ok).toBe(true)
    await expect.poll(() => t.target.calls).toEqual(['deploy bj-1 deploy/1', 'deploy bj-1 deploy/2'])
    expect(t.target.hosts.get('bj-1')?.effects).toEqual(['deploy v1.1.0'])
  })

  test('that is skipped is left out and named at the end', async () => {
    const t = await start({ policy: { gate: 'ask', batches: ['100%'], windows: ['20ms'], minHealthyPercent: 33 } })
    t.target.hosts.get('sh-2')!.next = [{ rc: 1, reason: 'unpack: not a tar archive' }]
    await approved(t)
    await t.reach('R-1', 'held')
    expect((await t.press('alice', 'R-1', 'release.skip')).ok).toBe(true)
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', why: expect.stringMatching(/inconclusive/) })
    await t.press('alice', 'R-1', 'release.promote')
    const done = await t.reach('R-1', 'done')
    expect(done.hosts['sh-2']).toMatchObject({ at: 'skipped', version: 'v1.0.0' })
    await expect.poll(() => t.chat.said().at(-1)).toBe('Done: user-service v1.1.0 is released, without sh-2')
  })

  test('that cannot be reached holds even an automatic policy; retry uses the same key, so nothing happens twice', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.next = [{ at: 'unreachable', effect: true }]
    await approved(t)
    const unsure = (await t.reach('R-1', 'held')).hosts['bj-1']
    expect(unsure?.at).toBe('unreachable')
    expect(unsure?.version).toBeUndefined()
    await t.press('alice', 'R-1', 'release.retry')
    await expect.poll(() => t.target.calls).toEqual(['deploy bj-1 deploy/1', 'deploy bj-1 deploy/1'])
    expect(t.target.hosts.get('bj-1')?.effects).toEqual(['deploy v1.1.0'])
  })

  test.each([true, false])(
    'whose runner is lost is asked what it runs, and never blindly run again (effect took place: %s)',
    async (effect) => {
      const t = await start()
      t.target.hosts.get('bj-1')!.next = [{ at: 'lost', effect }]
      await approved(t)
      await t.reach('R-1', 'held')
      expect(t.target.calls).toEqual(
        effect ? ['deploy bj-1 deploy/1'] : ['deploy bj-1 deploy/1', 'deploy bj-1 deploy/2'],
      )
      expect(t.target.hosts.get('bj-1')?.effects).toEqual(['deploy v1.1.0'])
    },
  )
})

test('with a skipped host, the next one is changed only when a person says so: fewer would serve than the policy wants', async () => {
  const t = await start({ policy: { gate: 'ask', batches: ['100%'], windows: ['20ms'] } })
  t.target.hosts.get('bj-1')!.next = [{ rc: 1, reason: 'start: exit 3' }]
  await approved(t)
  await t.reach('R-1', 'held')
  await t.press('alice', 'R-1', 'release.skip')
  await expect
    .poll(async () => (await t.desk.releases.need('R-1')).state)
    .toMatchObject({
      at: 'held',
      why: expect.stringMatching(/bj-1 does not serve: one more host away leaves fewer/),
    })
  expect(t.target.calls).toEqual(['deploy bj-1 deploy/1'])
  await t.press('alice', 'R-1', 'release.resume')
  await expect.poll(() => t.target.calls.length).toBe(3)
})

describe('people steer', () => {
  test('abort leaves every host as it is and says what runs where', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    expect((await t.press('bob', 'R-1', 'release.abort')).ok).toBe(true)
    const aborted = await t.reach('R-1', 'aborted')
    expect(Object.fromEntries(Object.entries(aborted.hosts).map(([id, host]) => [id, host.version]))).toEqual({
      'bj-1': 'v1.1.0',
      'sh-2': 'v1.0.0',
      'bj-3': 'v1.0.0',
    })
  })

  test('rollback from a hold raises the epoch, so that a late deploy is refused', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    const before = t.target.hosts.get('bj-1')!.epoch
    await t.press('alice', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(t.target.hosts.get('bj-1')!.epoch).toBeGreaterThan(before)
    expect(t.target.hosts.get('bj-1')!.version).toBe('v1.0.0')
  })

  test('a rollback that fails twice holds; retry finishes it', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    t.target.hosts.get('bj-1')!.next = [
      { rc: 1, reason: 'start: exit 1' },
      { rc: 1, reason: 'start: exit 1' },
    ]
    await t.press('alice', 'R-1', 'release.rollback')
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', offers: ['retry', 'abort'] })
    await t.press('alice', 'R-1', 'release.retry')
    await t.reach('R-1', 'rolled back')
  })

  test('pause between waves holds before the next host; resume goes on', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['20ms'] } })
    t.target.during = async (job) => {
      if (job.key.host === 'bj-1') await t.press('bob', 'R-1', 'release.pause')
    }
    await approved(t)
    const held = await t.reach('R-1', 'held')
    expect(held.state).toMatchObject({ why: 'paused by bob' })
    expect(t.target.calls).toEqual(['deploy bj-1 deploy/1'])
    await t.press('alice', 'R-1', 'release.resume')
    await expect.poll(() => t.target.calls.length).toBe(3)
  })

  test('promote within a window ends it', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['1h'], interval: '1m' } })
    await approved(t)
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
  })

  test('a done release is rolled back by /rollback and one press; the second press is told', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['1h'], interval: '1m' } })
    await approved(t)
    await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
    await t.press('alice', 'R-1', 'release.promote')
    await t.reach('R-1', 'done')
    const offer = await t.type('bob', '/rollback user-service')
    expect(offer.message?.buttons.map((button) => button.action)).toEqual(['release.rollback'])
    expect((await t.press('bob', 'R-1', 'release.rollback')).ok).toBe(true)
    await t.reach('R-1', 'rolled back')
    expect([...t.target.hosts.values()].map((host) => host.version)).toEqual(['v1.0.0', 'v1.0.0', 'v1.0.0'])
    expect((await t.type('bob', '/rollback user-service')).text).toMatch(/nothing to roll back/)
  })
})

test('an error within the story closes the card and frees the service', async () => {
  const t = await start()
  t.target.during = async () => {
    throw new TypeError('a defect')
  }
  await approved(t)
  expect((await t.reach('R-1', 'aborted')).state).toMatchObject({
    by: 'Rollcall',
    why: expect.stringMatching(/a defect/),
  })
  t.target.during = undefined
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-2', 'awaiting approval')
})

describe('approval', () => {
  test('lapses when the package under the same name is another one; the card shows the difference and asks again', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0')
    const first = await t.reach('R-1', 'awaiting approval')
    t.packages.set('v1.1.0', { ...t.packages.get('v1.1.0')!, digest: 'b'.repeat(64) })
    await t.press('bob', 'R-1', 'release.approve')
    await expect.poll(() => t.chat.said()).toContain('The approval lapsed: the facts have changed since')
    await expect.poll(async () => (await t.desk.releases.need('R-1')).planHash).not.toBe(first.planHash)
    const again = await t.reach('R-1', 'awaiting approval')
    expect(again.approvals).toEqual([])
    expect(t.target.calls).toEqual([])
  })

  test('lapses when the approver has lost the role meanwhile', async () => {
    const t = await start({ policy: { approvals: 2 } })
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    expect((await t.press('bob', 'R-1', 'release.approve')).text).toMatch(/1 more needed/)
    expect((await t.press('bob', 'R-1', 'release.approve')).text).toMatch(/already/)
    t.desk.people.find((person) => person.id === 'bob')!.roles = ['viewer']
    await t.press('carol', 'R-1', 'release.approve')
    await expect.poll(() => t.chat.said()).toContain('The approval lapsed: the facts have changed since')
    expect(t.target.calls).toEqual([])
  })

  test('expires visibly, and a press after that is answered', async () => {
    const t = await start({ policy: { approvalExpires: '60ms' } })
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'expired')
    await expect.poll(() => t.chat.card('R-1').buttons).toEqual([])
    expect((await t.type('bob', '/release approve R-1')).text).toMatch(/expired/)
  })

  test('reject ends it; the requester may take the request back', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    expect((await t.press('vera', 'R-1', 'release.reject')).ok).toBe(false)
    expect((await t.press('alice', 'R-1', 'release.reject')).ok).toBe(true)
    expect((await t.reach('R-1', 'rejected')).state).toMatchObject({ by: 'alice' })
  })

  test('a later request supersedes one that waits, and is refused by one that rolls out', async () => {
    const t = await start()
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    await t.type('carol', '/release user-service v1.2.0')
    await t.reach('R-1', 'superseded')
    await t.reach('R-2', 'awaiting approval')
    await t.press('bob', 'R-2', 'release.approve')
    await t.reach('R-2', 'held')
    await t.type('alice', '/release user-service v1.1.0')
    expect((await t.reach('R-3', 'refused')).state).toMatchObject({
      why: expect.stringMatching(/R-2 of user-service is in progress/),
    })
  })
})

describe('rolling back', () => {
  const toHeld = async (t: TestDesk) => {
    await approved(t)
    await t.reach('R-1', 'held')
  }

  test('a first release takes the service away again', async () => {
    const t = await start()
    Object.assign(t.target.hosts.get('bj-1')!, { version: undefined, versions: [] })
    Object.assign(t.target.hosts.get('sh-2')!, { version: undefined, versions: [] })
    Object.assign(t.target.hosts.get('bj-3')!, { version: undefined, versions: [] })
    await toHeld(t)
    await t.press('bob', 'R-1', 'release.rollback')
    const back = await t.reach('R-1', 'rolled back')
    expect(t.target.calls.at(-1)).toBe('remove bj-1 rollback/1')
    expect(back.hosts['bj-1']).toMatchObject({ at: 'rolled back', version: null })
  })

  test('a host that was never reached gets a tombstone and a fence, so that the lost deploy cannot arrive later', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.next = [{ at: 'unreachable', effect: false }]
    await approved(t)
    await t.reach('R-1', 'held')
    t.target.jobs.clear()
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    const { token } = await t.desk.releases.need('R-1')
    expect(t.target.jobs.get(`R-1.${token}/bj-1/deploy/1`)).toEqual({ at: 'cancelled' })
    expect(t.target.hosts.get('bj-1')).toMatchObject({ epoch: 2, version: 'v1.0.0', effects: [] })
  })

  test('a version that somebody else put there meanwhile is left alone and named', async () => {
    const t = await start()
    await toHeld(t)
    Object.assign(t.target.hosts.get('bj-1')!, { version: 'v9.9.9', versions: ['v9.9.9', 'v1.0.0'] })
    await t.press('bob', 'R-1', 'release.rollback')
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({
        at: 'held',
        why: expect.stringMatching(/bj-1: runs v9\.9\.9, which this release did not put there/),
      })
    await t.press('bob', 'R-1', 'release.abort')
    const aborted = await t.reach('R-1', 'aborted')
    expect(aborted.hosts['bj-1']?.version).toBe('v9.9.9')
    expect(t.target.hosts.get('bj-1')?.version).toBe('v9.9.9')
  })

  test('a host that is down during the rollback holds it; after an abort its version is named as unknown', async () => {
    const t = await start()
    await toHeld(t)
    t.target.hosts.get('bj-1')!.down = true
    await t.press('bob', 'R-1', 'release.rollback')
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', why: expect.stringMatching(/rollback incomplete: bj-1/) })
    await t.press('bob', 'R-1', 'release.abort')
    await t.reach('R-1', 'aborted')
    await expect
      .poll(() => JSON.stringify([...t.chat.posts.values()].find((post) => post.key === 'R-1/aborted')?.message))
      .toMatch(/"bj-1","unknown"/)
  })

  test('of an older release is refused while a newer one is on the hosts', async () => {
    const t = await start({ policy: { batches: ['100%'], windows: ['20ms'] } })
    for (const [id, version] of [
      ['R-1', 'v1.1.0'],
      ['R-2', 'v1.2.0'],
    ] as const) {
      await t.type('alice', `/release user-service ${version}`)
      await t.reach(id, 'awaiting approval')
      await t.press('bob', id, 'release.approve')
      await t.reach(id, 'held')
      await t.press('alice', id, 'release.promote')
      await t.reach(id, 'done')
    }
    expect((await t.press('bob', 'R-1', 'release.rollback')).text).toMatch(/R-2 has put v1\.2\.0 on hosts since/)
    expect((await t.press('vera', 'R-2', 'release.rollback')).text).toMatch(/needs the role/)
  })
})

describe('a freeze window', () => {
  const freeze = [{ from: '00:00', to: '24:00', timeZone: 'UTC', reason: 'year end' }]

  test('refuses a release and says how to override it', async () => {
    const t = await start({ policy: { freeze } })
    await t.type('alice', '/release user-service v1.1.0')
    expect((await t.reach('R-1', 'refused')).state).toMatchObject({
      why: expect.stringMatching(/year end/),
      next: expect.stringMatching(/--override-freeze/),
    })
  })

  test('overridden takes a second approver', async () => {
    const t = await start({ policy: { freeze } })
    await t.type('alice', '/release user-service v1.1.0 --override-freeze')
    expect(await t.reach('R-1', 'awaiting approval')).toMatchObject({ approvalsNeeded: 2 })
    expect((await t.press('bob', 'R-1', 'release.approve')).text).toMatch(/1 more needed/)
    expect(t.target.calls).toEqual([])
    await t.press('carol', 'R-1', 'release.approve')
    await t.reach('R-1', 'held')
  })
})
