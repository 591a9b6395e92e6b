import { afterEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../src/release/answer.ts'
import { type Bound, buttonFor } from '../../src/release/button.ts'
import { pause } from '../../src/release/pause.ts'
import type { Release } from '../../src/release/release.ts'
import { rollback } from '../../src/release/rollback.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'

let t: TestDesk | undefined
afterEach(() => t?.close())

const host = { version: 'v1.1.0', before: 'v1.0.0', attempt: 1, at: 'healthy' as const }
const since = '2026-01-01T00:10:00.000Z'
const underWay: Partial<Release> = {
  state: { at: 'rolling out', batch: 2, doing: 'observing', since },
  hosts: { 'bj-1': host },
}
const over: Partial<Release> = { state: { at: 'done', when: since }, hosts: { 'bj-1': host }, endedAt: since }

/** What bob is answered who presses with a bound that differs from the release as it stands. */
async function pressed(
  release: Partial<Release>,
  differs: Partial<Bound>,
  options: { act?: typeof pause; action?: string; offeredBy?: string } = {},
): Promise<{ answer: Answer; before: Release; after: Release }> {
  const { act = rollback, action = 'release.rollback', offeredBy } = options
  t = await testDesk()
  const { desk } = t
  const before = aRelease(release)
  await desk.releases.insert(before)
  const { bound } = buttonFor(before, action, offeredBy)
  const answer = await act(desk, { ...bound, ...differs }, desk.people.find(({ id }) => id === 'carol')!)
  return { answer, before, after: await desk.releases.need('R-7') }
}

describe('a button counts for what it was shown for', () => {
  test.each<[string, Partial<Release>, Partial<Bound>, Parameters<typeof pressed>[2]]>([
    ['Roll back of a release that is over: another turn', over, { turn: 2 }, {}],
    ['Roll back of a release that is over: another plan', over, { planHash: 'd'.repeat(64) }, {}],
    ['Roll back of a release under way: another plan', underWay, { planHash: 'd'.repeat(64) }, {}],
    ['Pause: another turn', underWay, { turn: 2 }, { act: pause, action: 'release.pause' }],
    ['Pause: another plan', underWay, { planHash: 'd'.repeat(64) }, { act: pause, action: 'release.pause' }],
    ['of a report, under way: another turn', underWay, { turn: 2 }, { offeredBy: 'R-7/1' }],
    ['of a report, under way: another plan', underWay, { planHash: 'd'.repeat(64) }, { offeredBy: 'R-7/1' }],
    ['of a report, under way: another batch', underWay, { state: 'rolling out 1 observing' }, { offeredBy: 'R-7/1' }],
    ['of a report, over: another turn', over, { turn: 2 }, { offeredBy: 'R-7/1' }],
    ['of a report, over: another plan', over, { planHash: 'd'.repeat(64) }, { offeredBy: 'R-7/1' }],
    ['of a report, over: another state', over, { state: 'held 1' }, { offeredBy: 'R-7/1' }],
  ])('%s is refused and changes nothing', async (_, release, differs, options) => {
    const { answer, before, after } = await pressed(release, differs, options)
    expect(answer.ok).toBe(false)
    expect(after).toEqual(before)
    expect(await t?.desk.store.read('mail/R-7')).toEqual([])
  })

  test.each<[string, Partial<Release>, Parameters<typeof pressed>[2]]>([
    ['under way', underWay, {}],
    ['over', over, {}],
    ['under way, by a report', underWay, { offeredBy: 'R-7/1' }],
    ['over, by a report', over, { offeredBy: 'R-7/1' }],
  ])('Roll back of a release that is %s counts when nothing has changed', async (_, release, options) => {
    const { answer, after } = await pressed(release, {}, options)
    expect(answer).toMatchObject({ ok: true })
    expect(after.stop?.kind ?? after.state.at).toMatch(/^(rollback|rolling back)$/)
  })

  test('the Roll back of a card counts whenever it arrives while the release is under way', async () => {
    const { answer, after } = await pressed(underWay, { turn: 1 })
    expect(answer).toMatchObject({ ok: true })
    expect(after.stop).toMatchObject({ kind: 'rollback', by: 'carol', turn: 3 })
  })
})
