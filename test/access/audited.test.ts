import { afterAll, beforeAll, expect, test } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { Fault } from '../../src/lib/fault.ts'
import { offerButtons } from '../../src/release/button.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'

let t: TestDesk
beforeAll(async () => {
  t = await testDesk()
})
afterAll(() => t.close())

const entries = async () => (await t.desk.audit.page({ limit: 100 })).entries
const newest = async () => (await entries())[0]
const person = (id: string) => t.desk.people.find((each) => each.id === id)!
const slack = { surface: 'slack', address: 'C042' }

/** A release that waits for approval, and its buttons by action. */
async function waiting(id: string): Promise<Record<string, string>> {
  const until = new Date(Date.now() + 60_000).toISOString()
  await t.desk.releases.insert(
    aRelease({ id, flow: id, requester: 'carol', state: { at: 'awaiting approval', until }, approvals: [] }),
  )
  const buttons = await offerButtons(t.desk.store, await t.desk.releases.need(id))
  return Object.fromEntries(buttons.map((button) => [button.action, button.id]))
}

test('an approval is written down with who, from where, and the release before and after', async () => {
  const buttons = await waiting('R-501')
  await press(t.desk, buttons['release.approve']!, person('bob'), slack)
  expect(await newest()).toMatchObject({
    who: 'bob',
    from: 'slack C042',
    action: 'release.approve',
    target: 'R-501',
    result: 'done',
    before: { state: 'awaiting approval', approvals: [] },
    after: { state: 'approved', approvals: ['bob'] },
  })
})

test('so is what was refused: self-approval, no role, too late, a button that nobody knows', async () => {
  const buttons = await waiting('R-502')
  const approve = buttons['release.approve']!
  await press(t.desk, approve, person('carol'), slack)
  expect(await newest()).toMatchObject({ who: 'carol', result: 'refused', why: expect.stringMatching(/somebody else/) })
  await press(t.desk, approve, person('vera'), slack)
  expect(await newest()).toMatchObject({ who: 'vera', result: 'refused', why: expect.stringMatching(/needs the role/) })
  await press(t.desk, buttons['release.reject']!, person('bob'), slack)
  await press(t.desk, approve, person('bob'), slack)
  expect(await newest()).toMatchObject({
    who: 'bob',
    action: 'release.approve',
    result: 'refused',
    why: expect.stringMatching(/rejected already/),
    before: { state: 'rejected' },
    after: { state: 'rejected' },
  })
  await press(t.desk, 'nobody knows <this>', person('bob'), slack)
  expect(await newest()).toMatchObject({
    who: 'bob',
    action: 'unknown',
    target: 'button nobody knows <this>',
    result: 'refused',
    why: expect.stringMatching(/not known here/),
  })
})

test('a command that changes something is written down, one that only reads is not', async () => {
  const before = (await entries()).length
  for (const text of ['/status', '/hosts', '/help', '/release', '/release user-service', 'hello', '/nothing'])
    await t.type('alice', text)
  expect((await entries()).length).toBe(before)

  const answer = await t.type('alice', '/release user-service v1.1.0 bj-1')
  expect(await newest()).toMatchObject({
    who: 'alice',
    from: 'terminal',
    action: 'release.request',
    target: 'user-service v1.1.0 bj-1',
    result: 'done',
    after: { release: answer.text.split(':', 1)[0] },
  })
  await t.type('alice', '/release user-servce v1.1.0')
  expect(await newest()).toMatchObject({ action: 'release.request', result: 'refused' })
  await t.type('vera', '/release user-service v1.1.0')
  expect(await newest()).toMatchObject({ who: 'vera', action: 'release.request', result: 'refused' })
  await t.type('vera', '/rollback user-service')
  expect(await newest()).toMatchObject({
    who: 'vera',
    action: 'release.rollback',
    target: '/rollback user-service',
    result: 'refused',
  })
  await t.type('bob', '/release approve R-9999')
  expect(await newest()).toMatchObject({ action: 'release.approve', target: 'R-9999', result: 'refused' })
})

test('what failed through no fault of the person is written down as failed, and answered', async () => {
  const buttons = await waiting('R-503')
  const { send } = t.desk.flows
  t.desk.flows.send = () =>
    Promise.reject(new Fault('flow.unavailable', { say: 'The engine is away.', next: 'press again', retry: true }))
  const answer = await press(t.desk, buttons['release.approve']!, person('bob'), slack)
  t.desk.flows.send = send
  expect(answer).toMatchObject({ ok: false, text: expect.stringContaining('engine is away') })
  // The decision itself was made, and the log does not hide it.
  expect(await newest()).toMatchObject({ result: 'failed', why: 'The engine is away.', after: { state: 'approved' } })
})

test('an audit log that cannot be written stands in nobody’s way, and catches up', async () => {
  const buttons = await waiting('R-504')
  const { append } = t.desk.store
  t.desk.store.append = (stream, entry, at) =>
    stream === 'audit'
      ? Promise.reject(new Fault('store.unavailable', { say: 'full', retry: true }))
      : append(stream, entry, at)
  const answer = await press(t.desk, buttons['release.reject']!, person('bob'), slack)
  expect(answer.ok).toBe(true)
  expect((await t.desk.releases.need('R-504')).state.at).toBe('rejected')
  expect(await newest()).not.toMatchObject({ target: 'R-504' })
  t.desk.store.append = append
  expect(await t.desk.audit.flush()).toBe(0)
  expect(await newest()).toMatchObject({ target: 'R-504', result: 'done' })
  expect(await t.desk.audit.verify()).toMatchObject({ ok: true })
})
