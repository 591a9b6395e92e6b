import { afterEach, describe, expect, test } from 'vitest'
import { createLedger } from '../../src/adapters/ledger/index.ts'
import type { Flows } from '../../src/ports/flow.ts'
import { releaseStory } from '../../src/release/rollout.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let open: TestDesk | undefined
const more: Flows[] = []
afterEach(async () => {
  for (const flows of more.splice(0)) await flows.close(1000)
  await open?.close()
  open = undefined
})

/** Five hosts at once, of which sh-2 and bj-3 fail: held, and sh-4 and bj-5 have the version. */
async function twoFailed(policy: Record<string, unknown> = {}, which = ['sh-2', 'bj-3']): Promise<TestDesk> {
  const t = await testDesk({
    hosts: 5,
    policy: { gate: 'ask', batches: ['100%'], windows: ['20ms'], minHealthyPercent: 1, ...policy },
  })
  open = t
  for (const id of which) t.target.hosts.get(id)!.next = [{ rc: 1, reason: 'start: exit 3' }]
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  await heldFor(t, which)
  return t
}

/** Held, with exactly these hosts named. */
async function heldFor(t: TestDesk, hosts: string[]): Promise<void> {
  await expect
    .poll(async () => {
      const { state } = await t.desk.releases.need('R-1')
      if (state.at !== 'held' || !state.offers.includes('skip')) return undefined
      return ['bj-1', 'sh-2', 'bj-3', 'sh-4', 'bj-5'].filter((id) => state.why.includes(`${id}:`))
    })
    .toEqual(hosts)
}
const at = async (t: TestDesk, id: string) => (await t.desk.releases.need('R-1')).hosts[id]?.at
/** The flows end as a process does, and are gone on with on the same data. */
async function restarted(t: TestDesk): Promise<void> {
  await t.desk.flows.close(1000)
  const flows = createLedger({ store: t.desk.store, exclusive: true, log: t.desk.log })
  flows.define('release', (flow, input) => releaseStory(flow, t.desk, input))
  Object.assign(t.desk, { flows })
  more.push(flows)
  await flows.open()
}
const deploysOf = (t: TestDesk, id: string) => t.target.calls.filter((call) => call.startsWith(`deploy ${id} `))
const observed = (t: TestDesk) =>
  expect
    .poll(async () => (await t.desk.releases.need('R-1')).state)
    .toMatchObject({ at: 'held', why: expect.stringMatching(/^gate/) })

describe('hosts that failed are decided on one by one', () => {
  test('one is skipped: the other stays held, and goes on by a retry of its own', async () => {
    const t = await twoFailed()
    expect(await t.type('alice', '/release skip R-1 sh-2')).toEqual({
      ok: true,
      text: 'Going on without sh-2. bj-3 still waits for a decision.',
    })
    await heldFor(t, ['bj-3'])
    expect(await at(t, 'sh-2')).toBe('skipped')
    expect(deploysOf(t, 'bj-3')).toHaveLength(1)
    expect(await t.type('alice', '/release retry user-service bj-3')).toEqual({ ok: true, text: 'Retrying bj-3.' })
    await observed(t)
    expect([await at(t, 'sh-2'), await at(t, 'bj-3')]).toEqual(['skipped', 'healthy'])
    expect(deploysOf(t, 'sh-2')).toHaveLength(1)
    expect(t.chat.said()).toEqual(expect.arrayContaining(['alice said: skip sh-2', 'alice said: retry bj-3']))
  })

  test('one is tried again: the other stays as it is, and held, also within the failure budget', async () => {
    const t = await twoFailed({ failureBudget: { failed: 1, unreachable: 0 } })
    expect((await t.type('alice', '/release retry R-1 bj-3')).ok).toBe(true)
    await heldFor(t, ['sh-2'])
    expect(await at(t, 'bj-3')).toBe('healthy')
    expect(deploysOf(t, 'sh-2')).toHaveLength(1)
  })

  test('a process that ends in between, and another that goes on, change nothing of it', async () => {
    const t = await twoFailed()
    await t.type('alice', '/release skip R-1 sh-2')
    await heldFor(t, ['bj-3'])
    await restarted(t)
    expect((await t.type('alice', '/release retry R-1 bj-3')).ok).toBe(true)
    await observed(t)
    await restarted(t)
    expect((await t.type('alice', '/release promote R-1')).ok).toBe(true)
    await t.reach('R-1', 'done')
    expect([await at(t, 'sh-2'), await at(t, 'bj-3')]).toEqual(['skipped', 'healthy'])
    expect([deploysOf(t, 'sh-2').length, deploysOf(t, 'bj-3').length]).toEqual([1, 2])
    await expect.poll(async () => (await t.desk.flows.status('R-1'))?.at).toBe('done')
  })

  test('a host that is tried again takes none along that was not touched yet, while another waits', async () => {
    // Three may be away at once, so there would be room for sh-4.
    const t = await twoFailed({ minHealthyPercent: 40 }, ['bj-1', 'sh-2'])
    await t.type('alice', '/release retry R-1 sh-2')
    await heldFor(t, ['bj-1'])
    expect([await at(t, 'sh-2'), await at(t, 'sh-4'), await at(t, 'bj-5')]).toEqual(['healthy', 'pending', 'pending'])
  })

  test('several are named at once', async () => {
    const t = await twoFailed()
    expect(await t.type('alice', '/release skip R-1 bj-3 sh-2')).toEqual({
      ok: true,
      text: 'Going on without bj-3, sh-2.',
    })
    await observed(t)
    expect([await at(t, 'sh-2'), await at(t, 'bj-3')]).toEqual(['skipped', 'skipped'])
  })

  test.each([false, true])(
    'two people decide in the same turn, on one host each (the retry first: %s): both count, and each once',
    async (retryFirst) => {
      const t = await twoFailed()
      const early = retryFirst ? await t.type('carol', '/release retry R-1 bj-3') : undefined
      // Typed while the card of that turn stands; what the retry came to is not known yet.
      const [one, same, late] = await Promise.all([
        t.type('alice', '/release skip R-1 sh-2'),
        t.type('carol', '/release skip R-1 sh-2'),
        early ?? t.type('carol', '/release retry R-1 bj-3'),
      ])
      const other = early ?? late
      expect([one.ok, same.ok].filter(Boolean)).toHaveLength(1)
      expect([one.text, same.text].join()).toMatch(/has pressed skip sh-2 already; it is being done/)
      expect(other.ok).toBe(true)
      await observed(t)
      expect([await at(t, 'sh-2'), await at(t, 'bj-3')]).toEqual(['skipped', 'healthy'])
      expect(deploysOf(t, 'sh-2')).toHaveLength(1)
      expect(deploysOf(t, 'bj-3')).toHaveLength(2)
    },
  )

  test('a host that fails again is asked about again, beside the one that still waits', async () => {
    const t = await twoFailed()
    t.target.hosts.get('sh-2')!.next = [{ rc: 1, reason: 'start: exit 4' }]
    await t.type('alice', '/release retry R-1 sh-2')
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', why: expect.stringMatching(/exit 4/) })
    await heldFor(t, ['sh-2', 'bj-3'])
    expect((await t.type('alice', '/release retry R-1 sh-2')).ok).toBe(true)
    await heldFor(t, ['bj-3'])
    expect(deploysOf(t, 'sh-2')).toHaveLength(3)
  })

  test('the button without a host acts on all that failed', async () => {
    const t = await twoFailed()
    expect((await t.press('alice', 'R-1', 'release.retry')).ok).toBe(true)
    await observed(t)
    expect([deploysOf(t, 'sh-2').length, deploysOf(t, 'bj-3').length]).toEqual([2, 2])
  })

  test('when fewer may be away than are tried again, they come one after another and none twice', async () => {
    const t = await testDesk({
      hosts: 3,
      policy: { gate: 'ask', batches: ['100%'], windows: ['20ms'], failureBudget: { failed: 1, unreachable: 0 } },
    })
    open = t
    for (const id of ['bj-1', 'sh-2']) t.target.hosts.get(id)!.next = [{ rc: 1, reason: 'start: exit 3' }]
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    await t.press('bob', 'R-1', 'release.approve')
    // bj-1 is within the budget; the next one is changed on a person's word.
    await t.reach('R-1', 'held')
    const plan = (await t.desk.releases.need('R-1')).plan
    expect(plan?.batches[0]?.atOnce).toBe(1)
    await t.press('alice', 'R-1', 'release.resume')
    await heldFor(t, ['bj-1', 'sh-2'])
    await t.press('alice', 'R-1', 'release.retry')
    await observed(t)
    expect(t.target.calls).toEqual([
      'deploy bj-1 deploy/1',
      'deploy sh-2 deploy/1',
      'deploy bj-1 deploy/2',
      'deploy sh-2 deploy/2',
      'deploy bj-3 deploy/1',
    ])
  })

  test.each([
    ['/release skip R-1 sh2', /R-1 has no host "sh2"\. Did you mean sh-2\? Next: use some of: sh-2, bj-3/],
    ['/release retry R-1 bj-1', /bj-1 has not failed, it is healthy\. Next: use some of: sh-2, bj-3/],
    ['/release skip R-1 sh-2 toString', /no host "toString"/],
    ['/release abort R-1 sh-2', /takes a service or an R-number and nothing else/],
  ])('%s is answered and decides nothing', async (text, words) => {
    const t = await twoFailed()
    const { turn } = await t.desk.releases.need('R-1')
    const answer = await t.type('alice', text)
    expect(answer).toMatchObject({ ok: false, text: expect.stringMatching(words) })
    expect((await t.desk.releases.need('R-1')).turn).toBe(turn)
  })
})

describe('hosts of a rollback that fails', () => {
  async function backFails(): Promise<TestDesk> {
    const t = await twoFailed()
    for (const id of ['bj-1', 'sh-4']) {
      t.target.hosts.get(id)!.next = Array.from({ length: 2 }, () => ({ rc: 1, reason: 'start: exit 1' }))
    }
    await t.press('bob', 'R-1', 'release.rollback')
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', why: expect.stringMatching(/^rollback incomplete: .*sh-4/) })
    return t
  }

  test('are tried again one by one', async () => {
    const t = await backFails()
    expect((await t.type('alice', '/release retry R-1 sh-4')).ok).toBe(true)
    await expect
      .poll(async () => (await t.desk.releases.need('R-1')).state)
      .toMatchObject({ at: 'held', why: 'rollback incomplete: bj-1: start: exit 1' })
    expect((await t.type('alice', '/release retry R-1 bj-1')).ok).toBe(true)
    await t.reach('R-1', 'rolled back')
    expect([...t.target.hosts.values()].map((host) => host.version)).toEqual(Array(5).fill('v1.0.0'))
  })

  test('keep the key while they cannot be reached, so that the first attempt is followed to its end', async () => {
    const t = await twoFailed()
    t.target.hosts.get('bj-1')!.next = [{ at: 'unreachable', effect: true }]
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    expect(t.target.calls.filter((call) => call.startsWith('switch bj-1'))).toEqual([
      'switch bj-1 rollback/1',
      'switch bj-1 rollback/1',
    ])
    expect(t.target.hosts.get('bj-1')?.effects).toEqual(['deploy v1.1.0', 'switch v1.0.0'])
    const rows = await t.desk.store.find('jobs', { where: { host: 'bj-1' } })
    expect(rows.map(({ document }) => document)).toEqual([
      expect.objectContaining({ kind: 'deploy', state: { at: 'done', rc: 0 } }),
      expect.objectContaining({ kind: 'switch', attempt: 1, state: { at: 'done', rc: 0 } }),
    ])
  })
})

test('a release that is taken back a second time, after the first time was aborted, has keys of its own', async () => {
  const t = await testDesk({ policy: { batches: ['100%'], windows: ['20ms'] } })
  open = t
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  await t.reach('R-1', 'held')
  await t.press('alice', 'R-1', 'release.promote')
  await t.reach('R-1', 'done')
  t.target.hosts.get('bj-1')!.next = Array.from({ length: 2 }, () => ({ rc: 1, reason: 'start: exit 1' }))
  await t.press('bob', 'R-1', 'release.rollback')
  await t.reach('R-1', 'held')
  await t.press('bob', 'R-1', 'release.abort')
  await t.reach('R-1', 'aborted')
  await t.press('bob', 'R-1', 'release.rollback')
  await t.reach('R-1', 'rolled back')
  const keys = t.target.calls.filter((call) => call.startsWith('switch bj-1')).map((call) => call.split(' ')[2])
  expect(new Set(keys).size).toBe(3)
  expect(t.target.hosts.get('bj-1')?.version).toBe('v1.0.0')
})
