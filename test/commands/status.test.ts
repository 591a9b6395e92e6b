import { afterEach, describe, expect, test } from 'vitest'
import type { SurfaceHealth } from '../../src/ports/surface.ts'
import { localTime } from '../../src/release/issue.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
afterEach(() => t.close())

async function deployed(next: Parameters<TestDesk['target']['hosts']['set']>[1]['next'] = []) {
  t = await testDesk({ policy: { gate: 'ask' } })
  t.target.hosts.get('bj-1')!.next = next
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  await t.reach('R-1', 'held')
}

describe('/status of a host', () => {
  test('names each job by its release, what it did and which attempt, with the outcome in words', async () => {
    await deployed()
    expect((await t.type('vera', '/status bj-1')).text).toBe('bj-1: R-1 deploy, attempt 1: succeeded')
    await t.press('bob', 'R-1', 'release.rollback')
    await t.reach('R-1', 'rolled back')
    const { text, message } = await t.type('vera', '/status bj-1')
    expect(text).toBe('bj-1: R-1 rollback, attempt 1: succeeded')
    expect(message?.blocks[0]).toMatchObject({
      rows: [
        ['R-1 deploy, attempt 1', 'v1.1.0', 'succeeded', expect.any(String)],
        ['R-1 rollback, attempt 1', 'v1.0.0', 'succeeded', expect.any(String)],
      ],
    })
    const { token } = await t.desk.releases.need('R-1')
    expect(JSON.stringify(message)).not.toContain(token)
  })

  test.each([
    [{ rc: 7, reason: 'start: exit 7' }, 'bj-1: R-1 deploy, attempt 1: failed: start: exit 7'],
    [{ at: 'unreachable', effect: true }, 'bj-1: R-1 deploy, attempt 1: under way'],
  ] as const)('that came to %j says so', async (end, words) => {
    await deployed([end])
    expect((await t.type('vera', '/status bj-1')).text).toBe(words)
  })

  test('that refused a job says why', async () => {
    t = await testDesk({ policy: { gate: 'ask' } })
    await t.type('alice', '/release user-service v1.1.0')
    await t.reach('R-1', 'awaiting approval')
    const { probe } = t.target
    // Somebody else's release raises the epoch between the check before the rollout and the job.
    t.target.probe = async (...host) => {
      const facts = await probe(...host)
      t.target.hosts.get('bj-1')!.epoch = 99
      return facts
    }
    await t.press('bob', 'R-1', 'release.approve')
    await t.reach('R-1', 'held')
    expect((await t.type('vera', '/status bj-1')).text).toBe(
      'bj-1: R-1 deploy, attempt 1: refused by the host: 99 was here',
    )
  })
})

describe('/status', () => {
  const since = '2026-01-31T21:04:00.000Z'
  const row = { since, waiting: 0, refused: 0 }

  test('names the chat services that do not work, and what waits for them, last', async () => {
    t = await testDesk()
    const surfaces: SurfaceHealth[] = [
      {
        ...row,
        surface: 'slack',
        at: 'down',
        why: 'Slack does not answer. Next: nothing, it is tried again',
        waiting: 3,
      },
      { ...row, surface: 'wecom', at: 'connecting', waiting: 1 },
    ]
    Object.assign(t.desk, { surfaces: async () => surfaces })
    const begun = localTime(new Date(since))
    expect((await t.type('vera', '/status')).text.split('\n')).toEqual([
      'No release yet. Next: /release <service> <version>.',
      `Slack is down since ${begun}, and 3 messages wait: Slack does not answer. Next: nothing, it is tried again.`,
      `WeCom is connecting since ${begun}, and 1 message waits: Nobody has said why.`,
    ])
    expect((await t.type('vera', '/status')).ok).toBe(true)
  })

  test('says nothing of those that work, here or in another process', async () => {
    t = await testDesk()
    const surfaces: SurfaceHealth[] = [
      { ...row, surface: 'slack', at: 'up', waiting: 2 },
      { ...row, surface: 'wecom', at: 'standby' },
    ]
    Object.assign(t.desk, { surfaces: async () => surfaces })
    expect((await t.type('vera', '/status')).text).toBe('No release yet. Next: /release <service> <version>.')
  })

  test('is quick when nobody can tell how they are', async () => {
    t = await testDesk()
    Object.assign(t.desk, { surfaces: () => new Promise<never>(() => {}) })
    const begun = performance.now()
    expect((await t.type('vera', '/status')).text).toMatch(/\nNobody can tell now how the chat services are\.$/)
    expect(performance.now() - begun).toBeLessThan(3000)
  })
})
