import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { mayPress, press } from '../../src/entry/actions.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
beforeAll(async () => {
  t = await testDesk()
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  await vi.waitFor(() => expect(t.chat.card('R-1').buttons).toHaveLength(2))
})
afterAll(() => t.close())
const person = (id: string) => t.desk.people.find((each) => each.id === id)!
const button = (action: string) => t.chat.card('R-1').buttons.find((each) => each.action === action)!.id

describe('whether a press would count is known beforehand', () => {
  test.each([
    ['vera', 'release.approve', /needs the role approver/],
    ['alice', 'release.approve', /needs the role approver/],
    ['vera', 'release.reject', /needs the role approver/],
    ['bob', 'release.approve', undefined],
    ['bob', 'release.reject', undefined],
    ['alice', 'release.reject', undefined],
  ])('%s, %s', async (who, action, refusal) => {
    const answer = await mayPress(t.desk, person(who), button(action))
    expect(answer.ok).toBe(refusal === undefined)
    if (refusal !== undefined) expect(answer.text).toMatch(refusal)
    // Asking decides nothing.
    expect(await t.desk.releases.need('R-1')).toMatchObject({ approvals: [], state: { at: 'awaiting approval' } })
  })

  test('a refusal is written down as one, and a yes leaves no trace before the press', async () => {
    const before = (await t.desk.audit.head()).entries
    await mayPress(t.desk, person('bob'), button('release.approve'))
    expect((await t.desk.audit.head()).entries).toBe(before)
    await mayPress(t.desk, person('vera'), button('release.approve'), { surface: 'console', address: '127.0.0.9' })
    const [entry] = (await t.desk.audit.page({ limit: 1 })).entries
    expect(entry).toMatchObject({ who: 'vera', action: 'release.approve', result: 'refused' })
    expect(entry?.target).toContain('R-1')
  })

  test('by an approver on a release of their own', async () => {
    person('alice').roles = ['operator', 'approver']
    const answer = await mayPress(t.desk, person('alice'), button('release.approve'))
    expect(answer).toMatchObject({ ok: false, text: expect.stringMatching(/somebody else has to approve it/) })
    person('alice').roles = ['operator']
  })

  test('on a button that nobody offered, and on one whose time is over', async () => {
    expect((await mayPress(t.desk, person('bob'), 'x')).text).toMatch(/not known here/)
    const approve = button('release.approve')
    expect((await press(t.desk, button('release.reject'), person('bob'))).ok).toBe(true)
    expect((await mayPress(t.desk, person('bob'), approve)).text).toMatch(/R-1 was rejected already by bob/)
  })
})
