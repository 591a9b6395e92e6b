import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../demo/needs.ts'
import { until } from '../demo/until.ts'
import { startThatWaits, userService } from './packages.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

describe.skipIf(skipReal)('what people type', () => {
  let bot: Sandbox
  beforeAll(async () => {
    bot = await startSandbox()
    for (const version of ['v1.1.0', 'v1.2.0']) bot.packages.publish(version, { body: userService(version) })
  })
  afterAll(() => bot?.close())
  const old = { 'bj-1': 'v1.0.0 running', 'sh-1': 'v1.0.0 running' }

  test.each([
    [
      '/release user-servise v1.1.0',
      /There is no service "user-servise", and no verb either\. Did you mean user-service\? Next: begin with a service \(user-service\)/,
    ],
    ['/release ../user-service v1.1.0', /There is no service "\.\.\/user-service"/],
    ['/release user-service;reboot v1.1.0', /There is no service "user-service;reboot"/],
    ['/release -rf v1.1.0', /There is no service "-rf"/],
    ['/release user-service ../../etc/passwd', /"\.\.\/\.\.\/etc\/passwd" is not a version: .* Next: give the version/],
    ['/release user-service v1..0', /is not a version/],
    ['/release user-service v1.1.0;reboot', /"v1\.1\.0;reboot" is not a version/],
    ['/release user-service "v1.1.0 $(reboot)"', /is not a version/],
    ['/release user-service -v1.1.0', /"-v1\.1\.0" is not a version/],
    ['/release user-service --v1.1.0', /has no flag --v1\.1\.0.* Next: type \/help release/],
    ['/release user-service current', /"current" is not a version/],
    [`/release user-service v${'1'.repeat(64)}`, /is not a version/],
    ['/release user-service v1.1.0 bj-9', /user-service has no host "bj-9".*bj-1.* Next: use some of: bj-1, sh-1/],
    ['/release user-service v1.1.0 ../bj-1', /has no host "\.\.\/bj-1"/],
    ['/release user-service v1.1.0 bj-1;reboot', /has no host "bj-1;reboot"/],
    ['/release user-service v1.1.0 -bj-1', /has no host "-bj-1"/],
    ['/release user-service v1.1.0 --hosts "bj-1, sh-1"', /has no host " sh-1"/],
    ['/release', /\/release: prepare a release[\s\S]*Services: user-service/],
    ['/release approve R-9', /There is no release R-9\. Next: /],
    [
      '/release approve user-service',
      /user-service has never been released here\. Next: type \/release user-service <version>/,
    ],
    ['/status ../R-1', /is neither a release nor a service.* Next: /],
    ['/rollback ;', /There is no service ";".* Next: /],
    ['/hosts user-service sh-9', /has no host "sh-9".*sh-1/],
    ['/relaese user-service v1.1.0', /There is no command "\/relaese".*release.* Next: type \/help/],
    ['release user-service v1.1.0', /not a command\. Next: type \/help/],
  ])('%s is answered at once, and takes no number', async (text, answer) => {
    const said = await bot.type('alice', text)
    expect(said).toMatchObject({ ok: false, text: expect.stringMatching(answer) })
    expect(await bot.app().desk.releases.list()).toEqual([])
  })

  test('a viewer may not, and reads who may', async () => {
    expect(await bot.type('vera', '/release user-service v1.1.0')).toMatchObject({
      ok: false,
      text: expect.stringMatching(/operator.* Next: /),
    })
    expect(await bot.app().desk.releases.list()).toEqual([])
  })

  describe('at the same time', () => {
    const states = async (...ids: string[]) =>
      Promise.all(ids.map(async (id) => (await bot.app().desk.releases.get(id))?.state.at))

    test('two requests in one tick: two numbers, and one release that waits', async () => {
      const answers = await Promise.all([
        bot.type('alice', '/release user-service v1.1.0'),
        bot.type('carol', '/release user-service v1.2.0'),
      ])
      expect(answers.map(({ text }) => text.slice(0, 4)).toSorted()).toEqual(['R-1:', 'R-2:'])
      const closed = ['refused', 'superseded']
      await until(
        'one waits, the other is closed',
        async () => {
          const [one = '', other = ''] = await states('R-1', 'R-2')
          const pair = closed.includes(one) ? [other, one] : [one, other]
          return pair[0] === 'awaiting approval' && closed.includes(pair[1] ?? '')
        },
        15_000,
      )
      expect(await bot.running()).toEqual(old)
    })

    test('a later request takes the place of one that waits, and a press on the old card is told so', async () => {
      const first = await bot.request('v1.1.0')
      await bot.reach(first, 'awaiting approval')
      const oldButton = await bot.buttonOf(first, 'release.approve')
      const second = await bot.request('v1.2.0')
      await bot.reach(second, 'awaiting approval')
      await bot.reach(first, 'superseded')
      expect(await bot.card(first)).toContain(`Superseded by ${second}`)
      expect(await bot.app().press('bob', oldButton)).toEqual({
        ok: false,
        text: `${first} was superseded by ${second}.`,
      })
      expect(await bot.running()).toEqual(old)
    })

    test('a request that comes to nothing leaves the one that waits alone', async () => {
      const waiting = await bot.request('v1.1.0')
      await bot.reach(waiting, 'awaiting approval')
      const wrong = await bot.request('v1.1.0-typo')
      await bot.reach(wrong, 'refused')
      expect(await states(waiting)).toEqual(['awaiting approval'])
      expect((await bot.press('bob', waiting, 'release.reject')).ok).toBe(true)
      await bot.reach(waiting, 'rejected')
    })

    test('presses that race: one decision, everybody gets an answer, each host is changed once', async () => {
      const id = await bot.request('v1.1.0')
      await bot.reach(id, 'awaiting approval')
      const button = await bot.buttonOf(id, 'release.approve')
      const people = ['bob', 'carol', 'alice', 'vera', 'bob', 'carol', 'bob', 'carol']
      const answers = await Promise.all(people.map((person) => bot.app().press(person, button)))
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
      expect(answers.every(({ text }) => text !== '')).toBe(true)
      expect(answers[2]).toMatchObject({ ok: false })
      expect(answers[3]).toMatchObject({
        ok: false,
        text: expect.stringMatching(/needs the role approver|approved already/),
      })
      await bot.reach(id, 'held')
      // The same with the button that goes on: a second promotion would skip the second batch's gate.
      const promote = await bot.buttonOf(id, 'release.promote')
      const pressed = await Promise.all(['alice', 'bob', 'carol'].map((person) => bot.app().press(person, promote)))
      expect(pressed.filter(({ ok }) => ok)).toHaveLength(1)
      await until(
        'the second gate holds',
        async () => {
          const { state } = await bot.app().desk.releases.need(id)
          return state.at === 'held' && state.batch === 2
        },
        15_000,
      )
      expect((await bot.press('alice', id, 'release.promote')).ok).toBe(true)
      await bot.reach(id, 'done')
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.1.0 running' })
      expect(['bj-1', 'sh-1'].map((host) => bot.starts(host))).toEqual([
        ['v1.0.0', 'v1.1.0'],
        ['v1.0.0', 'v1.1.0'],
      ])
    })

    test('approve races reject: the release goes one way, and the other press is told which', async () => {
      const id = await bot.request('v1.2.0')
      await bot.reach(id, 'awaiting approval')
      const [yes, no] = [await bot.buttonOf(id, 'release.approve'), await bot.buttonOf(id, 'release.reject')]
      const answers = await Promise.all([bot.app().press('bob', yes), bot.app().press('carol', no)])
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
      const approved = answers[0].ok
      expect(answers[approved ? 1 : 0]?.text).toMatch(
        approved ? /approved already|rolling out/ : /rejected already by carol/,
      )
      if (approved) {
        await bot.reach(id, 'held')
        expect((await bot.press('alice', id, 'release.rollback')).ok).toBe(true)
        await bot.reach(id, 'rolled back')
      } else await bot.reach(id, 'rejected')
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.1.0 running' })
    })

    test('a request while another release rolls out is refused with its number, and does not disturb it', async () => {
      bot.packages.publish('v1.3.0', {
        body: userService('v1.3.0', { files: startThatWaits }),
      })
      const home = (name: string) => join(bot.host('bj-1').root, name)
      const id = await bot.approved('v1.3.0', 'bj-1')
      await until('the start runs', () => existsSync(home('at-start')), 15_000)
      const second = await bot.request('v1.2.0')
      const { state } = await bot.reach(second, 'refused')
      expect(state).toMatchObject({
        why: `${id} of user-service is in progress.`,
        next: expect.stringMatching(new RegExp(`wait until it is over.*${id}`)),
      })
      expect(bot.packages.fetched('v1.2.0')).toBeLessThanOrEqual(1)
      writeFileSync(home('go'), '')
      await bot.promoted(id)
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.3.0 running', 'sh-1': 'v1.1.0 running' })
      expect(bot.audit('bj-1').filter((line) => line.includes(second))).toEqual([])
    })
  })
})
