import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { press } from '../../src/entry/actions.ts'
import { parseCommand } from '../../src/entry/command.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'

let t: TestDesk
beforeAll(async () => {
  t = await testDesk()
})
afterAll(() => t.close())

describe('parseCommand', () => {
  test.each([
    ['/release user-service v1.1.0', { name: 'release', words: ['user-service', 'v1.1.0'] }],
    ['  /Release  "user-service"   \'v1.1.0\'', { name: 'release', words: ['user-service', 'v1.1.0'] }],
    ['/release s v1 —hosts a,b', { name: 'release', words: ['s', 'v1', '--hosts', 'a,b'] }],
    ['/release “s” v1', { name: 'release', words: ['s', 'v1'] }],
    ['hello', undefined],
    ['/', undefined],
    ['', undefined],
  ])('%j', (text, parsed) => expect(parseCommand(text)).toEqual(parsed))

  test('never throws and never keeps more than 2000 characters (property)', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3000, unit: 'binary' }), (text) => {
        const parsed = parseCommand(`/${text}`)
        expect(JSON.stringify(parsed ?? '').length).toBeLessThan(2000 * 7)
      }),
    )
  })
})

describe('what is typed wrongly is answered with the next step', () => {
  test.each([
    ['/relase user-service v1.1.0', /no command "\/relase".*Did you mean release\?.*\/help/],
    ['/release usr-service v1.1.0', /no service "usr-service".*Did you mean user-service\?/],
    ['/release user-service ../../etc', /not a version/],
    ['/release user-service v1;reboot', /not a version/],
    ['/release user-service -v1', /not a version/],
    ['/release ../x v1.1.0', /no service/],
    ['/release user-service v1.1.0 bj-9', /no host "bj-9".*Did you mean bj-1\?/],
    ['/release user-service v1.1.0 --host bj-1', /no flag --host.*Did you mean hosts\?/],
    ['/release', /\/release: prepare a release[\s\S]*Services: user-service/],
    ['/release pause user-service', /never been released here/],
    ['/release pause R-99', /no release R-99/],
    ['/rollback user-service', /never been released/],
    ['/rollback', /\/rollback: show what would go back, and ask/],
    ['/status nothing', /neither a release nor a service/],
    ['/status bj-1', /No job has run on bj-1/],
    ['/help relase', /Did you mean release\?/],
    ['/hosts user-service bj-7', /no host "bj-7"/],
    ['what now', /not a command.*\/help/],
  ])('%s', async (text, words) => {
    const answer = await t.type('carol', text)
    expect(answer.text).toMatch(words)
    expect(await t.desk.releases.list()).toEqual([])
  })

  test('a viewer may look and nothing else', async () => {
    expect((await t.type('vera', '/status')).ok).toBe(true)
    expect((await t.type('vera', '/hosts')).ok).toBe(true)
    expect((await t.type('vera', '/release user-service v1.1.0')).text).toMatch(/needs the role operator/)
    expect((await t.type('vera', '/rollback user-service')).text).toMatch(/Not permitted/)
  })

  test('a button that nobody offered is answered', async () => {
    const person = t.desk.people.find(({ id }) => id === 'bob')!
    expect(await press(t.desk, '"; drop', person)).toMatchObject({
      ok: false,
      text: expect.stringMatching(/not known here/),
    })
  })
})

test('/help lists every command, /hosts asks the hosts now, /status host shows its last output', async () => {
  const help = await t.type('vera', '/help')
  for (const name of ['release', 'status', 'rollback', 'hosts', 'help']) expect(help.text).toContain(`/${name}`)
  const hosts = await t.type('vera', '/hosts user-service')
  expect(hosts.message?.blocks[0]).toMatchObject({
    rows: [['user-service', 'bj-1', 'bj', 'v1.0.0', 'running'], expect.anything(), expect.anything()],
  })
  await t.type('alice', '/release user-service v1.1.0')
  await t.reach('R-1', 'awaiting approval')
  expect((await t.type('bob', '/release approve user-service')).ok).toBe(true)
  await t.reach('R-1', 'held')
  const host = await t.type('vera', '/status bj-1')
  expect(host.message?.blocks.at(-1)).toEqual({ type: 'code', text: 'deploy v1.1.0' })
  expect((await t.type('vera', '/status')).text).toMatch(/1 in progress, 1 requested so far/)
  expect((await t.type('vera', '/status r-1')).message?.title).toMatch(/^R-1 user-service v1\.0\.0 → v1\.1\.0/)
})
