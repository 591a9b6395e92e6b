import { afterEach, expect, test } from 'vitest'
import { request } from '../../src/release/request.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
afterEach(() => t.close())
const alice = () => t.desk.people.find(({ id }) => id === 'alice')!
const wish = { service: 'user-service', version: 'v1.1.0' }

test('one origin makes one release, whoever is quicker and however often; without one, each request makes another', async () => {
  t = await testDesk()
  const same = await Promise.all([1, 2, 3].map(() => request(t.desk, alice(), { ...wish, origin: 'slack/e1' })))
  const [first] = same
  expect(new Set(same.map(({ release }) => release))).toEqual(new Set([first?.release]))
  expect(await request(t.desk, alice(), { ...wish, origin: 'slack/e1' })).toEqual(first)
  const other = await request(t.desk, alice(), { ...wish, origin: 'slack/e2' })
  const none = await request(t.desk, alice(), wish)
  expect(new Set([first, other, none].map((answer) => answer?.release)).size).toBe(3)
  await t.reach(first?.release ?? '', 'awaiting approval')
  // Numbers that the slower ones had taken stay free.
  expect((await t.desk.releases.list()).map(({ service }) => service)).toHaveLength(3)
})

test('a wish that is refused takes no number for its origin', async () => {
  t = await testDesk()
  const bob = t.desk.people.find(({ id }) => id === 'bob')!
  expect((await request(t.desk, bob, { ...wish, origin: 'slack/e1' })).ok).toBe(false)
  await expect(request(t.desk, alice(), { ...wish, version: 'v1;', origin: 'slack/e1' })).rejects.toThrow(
    'not a version',
  )
  expect(await t.desk.releases.count()).toBe(0)
})
