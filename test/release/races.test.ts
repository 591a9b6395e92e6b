import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/lib/fault.ts'
import { heal } from '../../src/release/heal.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

const open: TestDesk[] = []
afterEach(async () => {
  for (const t of open.splice(0)) await t.close()
})
const start = async (options: Parameters<typeof testDesk>[0] = {}) => {
  const t = await testDesk({ policy: { batches: ['100%'], windows: ['20ms'], ...options?.policy }, ...options })
  open.push(t)
  return t
}
const state = async (t: TestDesk, id = 'R-1') => (await t.desk.releases.need(id)).state

async function approved(t: TestDesk, version = 'v1.1.0', id = 'R-1'): Promise<void> {
  await t.type('alice', `/release user-service ${version}`)
  await t.reach(id, 'awaiting approval')
  await t.press('bob', id, 'release.approve')
}
async function done(t: TestDesk, version = 'v1.1.0', id = 'R-1'): Promise<void> {
  await approved(t, version, id)
  await t.reach(id, 'held')
  await t.press('alice', id, 'release.promote')
  await t.reach(id, 'done')
}
const versions = (t: TestDesk) => [...t.target.hosts.values()].map((host) => host.version)

describe('rolling back a release that is done', () => {
  test('is refused while another release is in progress, and works afterwards', async () => {
    const t = await start()
    await done(t)
    await approved(t, 'v1.2.0', 'R-2')
    await t.reach('R-2', 'held')
    expect((await t.type('bob', '/release rollback R-1')).text).toMatch(/R-2 of user-service is in progress/)
    await t.press('bob', 'R-2', 'release.rollback')
    await t.reach('R-2', 'rolled back')
    expect((await t.type('bob', '/release rollback R-1')).ok).toBe(true)
    await t.reach('R-1', 'rolled back')
    expect(versions(t)).toEqual(['v1.0.0', 'v1.0.0', 'v1.0.0'])
  })

  test('hears Retry and Abort when it holds', async () => {
    const t = await start()
    await done(t)
    t.target.hosts.get('bj-1')!.next = Array.from({ length: 2 }, () => ({ rc: 1, reason: 'start: exit 1' }))
    await t.type('bob', '/release rollback R-1')
    expect(await t.reach('R-1', 'held')).toMatchObject({ state: { offers: ['retry', 'abort'] } })
    expect((await t.press('alice', 'R-1', 'release.retry')).ok).toBe(true)
    await t.reach('R-1', 'rolled back')
  })

  test('keeps a new request out from the press on, and is heard again after a crash between the press and its flow', async () => {
    const t = await start()
    await done(t)
    // What a crash leaves: the document says so, and no flow was ever started.
    await t.desk.releases.update('R-1', (release) => ({
      ...release,
      state: { at: 'rolling back', by: 'bob', why: 'bob pressed Roll back', since: '' },
      flow: `R-1.rollback.${release.turn}`,
      turn: release.turn + 1,
    }))
    await t.type('alice', '/release user-service v1.2.0')
    await t.reach('R-2', 'refused')
    await heal(t.desk, await t.desk.releases.need('R-1'))
    await t.reach('R-1', 'rolled back')
  })
})

describe('an aborted release', () => {
  test('that left its version on some hosts can be taken back, before any older one', async () => {
    const t = await start({ policy: { batches: ['1', '100%'], windows: ['20ms', '20ms'] } })
    await approved(t)
    await t.reach('R-1', 'held')
    await t.press('bob', 'R-1', 'release.abort')
    await t.reach('R-1', 'aborted')
    const offer = await t.type('bob', '/rollback user-service')
    expect(offer.message?.title).toMatch(/Roll back R-1/)
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(versions(t)).toEqual(['v1.0.0', 'v1.0.0', 'v1.0.0'])
  })

  test('that touched nothing offers no way back', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.down = true
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'refused')
    expect((await t.type('bob', '/rollback user-service')).text).toMatch(/nothing to roll back/)
  })
})

describe('a stop that comes at the last moment', () => {
  test.each(['rollback', 'abort'] as const)('%s pressed after the last look wins over done', async (kind) => {
    const t = await start({ policy: { batches: ['100%'], windows: ['1h'], interval: '1m' } })
    await approved(t)
    await expect.poll(() => state(t)).toMatchObject({ doing: 'observing' })
    // Both orders lie in the mailbox; the promote comes first and ends the last window.
    await Promise.all([t.press('alice', 'R-1', 'release.promote'), t.press('bob', 'R-1', `release.${kind}`)])
    await t.reach('R-1', kind === 'rollback' ? 'rolled back' : 'aborted')
  })

  test('does not reach into a rollback that is on its way: an Abort for the rollout is void there', async () => {
    const t = await start()
    t.target.during = async (job) => {
      const host = t.target.hosts.get(job.key.host)!
      if (job.kind === 'switch') host.next = [{ rc: 1, reason: 'start: exit 1' }]
      if (job.kind !== 'deploy' || job.key.host !== 'bj-1') return
      await t.press('bob', 'R-1', 'release.rollback')
      // An order for the rollout that comes in behind the one that counts.
      await t.desk.flows.send('R-1', 'late', { kind: 'abort', by: 'carol', turn: 0 })
    }
    await approved(t)
    await expect.poll(() => state(t)).toMatchObject({ at: 'held', why: expect.stringMatching(/rollback incomplete/) })
    expect(t.chat.said()).not.toContain('carol said: abort')
  })
})

test('after a lapse with the same plan the second approval starts the rollout at once', async () => {
  const t = await start()
  await t.type('alice', '/release user-service v1.1.0')
  const first = await t.reach('R-1', 'awaiting approval')
  const bob = t.desk.people.find((person) => person.id === 'bob')!
  // Bob is no approver at the very moment of the rollout, and is one again afterwards.
  const press = t.press('bob', 'R-1', 'release.approve')
  await press
  bob.roles = ['viewer']
  await expect.poll(() => t.chat.said()).toContain('The approval lapsed: the facts have changed since')
  bob.roles = ['approver']
  const again = await t.reach('R-1', 'awaiting approval')
  expect(again.planHash).toBe(first.planHash)
  await t.press('bob', 'R-1', 'release.approve')
  await t.reach('R-1', 'held')
})

test('a data folder that begins anew deploys anew: old jobs on the hosts answer for nothing', async () => {
  const first = await start()
  await done(first)
  const second = await start()
  // The same hosts, as the first bot left them.
  for (const [id, host] of first.target.hosts) second.target.hosts.set(id, host)
  for (const [key, job] of first.target.jobs) second.target.jobs.set(key, job)
  await done(second, 'v1.2.0')
  expect(versions(second)).toEqual(['v1.2.0', 'v1.2.0', 'v1.2.0'])
})

describe('trouble around the release does not end it', () => {
  test('a channel that refuses messages stops neither the rollout nor the way back', async () => {
    const t = await start()
    t.target.hosts.get('bj-1')!.next = [
      { rc: 1, reason: 'start: exit 3', leaves: { version: 'v1.1.0', state: 'stopped' } },
    ]
    const put = t.chat.put
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    await t.press('bob', 'R-1', 'release.approve')
    t.chat.put = async () => {
      throw new Fault('chat.unavailable', { say: 'The channel is away.', retry: true })
    }
    await t.reach('R-1', 'rolled back')
    t.chat.put = put
    expect(t.target.hosts.get('bj-1')).toMatchObject({ version: 'v1.0.0', state: 'running' })
  })

  test('a store that is away for a moment is waited for', async () => {
    const t = await start()
    const put = t.desk.store.put
    let failures = 3
    t.desk.store.put = async (...args) => {
      if (args[0] === 'releases' && failures-- > 0)
        throw new Fault('store.unavailable', { say: 'The disk is full.', retry: true })
      return put(...args)
    }
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
  })

  test('a service that leaves the configuration while its release is held can still be taken back', async () => {
    const t = await start()
    await approved(t)
    await t.reach('R-1', 'held')
    t.desk.services.splice(0)
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(versions(t)).toEqual(['v1.0.0', 'v1.0.0', 'v1.0.0'])
  })
})

test('whoever requested the release cannot promote it over a failed gate', async () => {
  const t = await start()
  await approved(t)
  await t.reach('R-1', 'held')
  await t.desk.releases.update('R-1', (release) =>
    release.state.at === 'held' ? { ...release, state: { ...release.state, gate: 'fail' } } : undefined,
  )
  expect((await t.type('alice', '/release promote R-1')).text).toMatch(/somebody else has to promote it/)
  expect((await t.type('carol', '/release promote R-1')).ok).toBe(true)
})

test('an empty --hosts and a text that is too long are refused, not read as all hosts', async () => {
  const t = await start()
  expect((await t.type('alice', '/release user-service v1.1.0 --hosts ,')).text).toMatch(/--hosts names no host/)
  expect((await t.type('alice', `/release user-service v1.1.0 ${'bj-1 '.repeat(500)}`)).text).toMatch(
    /longer than 2000/,
  )
  expect(await t.desk.releases.list()).toEqual([])
})
