import { afterEach, describe, expect, test } from 'vitest'
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
