import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
beforeAll(async () => {
  t = await testDesk()
})
afterAll(() => t.close())

describe('/release with a first word that is neither a service nor a verb', () => {
  test.each([
    ['/release frob user-service', /no service "frob", and no verb either\. Next: .*\(user-service\).*\(approve, /],
    ['/release aprove user-service', /no service "aprove".*Did you mean approve\?/],
    ['/release usr-service v1.1.0', /no service "usr-service".*Did you mean user-service\?/],
    ['/release rollbak', /no service "rollbak".*Did you mean rollback\?/],
    ['/release constructor v1.1.0', /no service "constructor"/],
  ])('%s: suggests over both', async (text, words) => {
    expect(await t.type('alice', text)).toMatchObject({ ok: false, text: expect.stringMatching(words) })
    expect(await t.desk.releases.list()).toEqual([])
  })

  test('a verb alone asks which release, a service alone asks for the version', async () => {
    expect((await t.type('alice', '/release approve')).text).toBe(
      '/release approve which one? Next: /release approve <service or R-number>',
    )
    expect((await t.type('alice', '/release user-service')).text).toMatch(/The version is missing/)
  })
})
