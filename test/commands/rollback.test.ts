import { afterEach, describe, expect, test } from 'vitest'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
afterEach(() => t.close())

async function done(): Promise<void> {
  t = await testDesk({ policy: { batches: ['100%'], windows: ['20ms'] } })
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  await t.reach('R-1', 'held')
  await t.press('alice', 'R-1', 'release.promote')
  await t.reach('R-1', 'done')
}

describe('/rollback', () => {
  test('shows what would go back and asks; nothing has begun until somebody presses', async () => {
    await done()
    const offer = await t.type('bob', '/rollback user-service')
    expect(offer).toMatchObject({
      ok: true,
      text: 'Press Roll back to take R-1 back, or type /release rollback R-1, which acts at once.',
      message: { title: 'Roll back R-1: user-service v1.1.0 → v1.0.0?' },
    })
    expect((await t.desk.releases.need('R-1')).state.at).toBe('done')
    expect(t.target.calls.filter((call) => call.startsWith('switch'))).toEqual([])
  })

  test('says in its help that it asks, and the other command acts at once as its card says', async () => {
    await done()
    expect((await t.type('bob', '/help')).text + JSON.stringify((await t.type('bob', '/help')).message)).toMatch(
      /show what would go back, and ask/,
    )
    expect((await t.type('bob', '/release rollback R-1')).ok).toBe(true)
    await t.reach('R-1', 'rolled back')
  })
})

test('a verb that does not fit is answered in whole sentences', async () => {
  t = await testDesk({ policy: { batches: ['100%'], windows: ['1h'], interval: '10m' } })
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await t.press('bob', 'R-1', 'release.approve')
  await expect.poll(async () => (await t.desk.releases.need('R-1')).state).toMatchObject({ doing: 'observing' })
  await t.press('alice', 'R-1', 'release.pause')
  await t.reach('R-1', 'held')
  expect((await t.type('bob', '/release approve R-1')).text).toBe(
    '/release approve does not fit now. R-1 is held: paused by alice. Next: /release <resume|promote|abort|rollback> R-1',
  )
})
