import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../../demo/needs.ts'
import { until } from '../../demo/until.ts'
import { startThatWaits, userService } from '../packages.ts'
import type { Sandbox } from '../sandbox.ts'
import type { Hand, Shown } from './hand.ts'
import type { World } from './world.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 })

const PATIENCE_MS = 30_000

/** What people do with Rollcall, on one surface: the same for each. */
export function surfaceScenarios(name: string, start: () => Promise<{ world: World; hand: Hand }>): void {
  describe.skipIf(skipReal)(`on ${name}`, () => {
    let world: World
    let bot: Sandbox
    let hand: Hand
    beforeAll(async () => {
      ;({ world, hand } = await start())
      bot = world.bot
      for (const version of ['v1.1.0', 'v1.3.0', 'v1.4.0', 'v1.5.0']) {
        bot.packages.publish(version, { body: userService(version) })
      }
      bot.packages.publish('v1.2.0', { body: userService('v1.2.0', { files: startThatWaits }) })
      bot.packages.publish('v1.6.0', { body: userService('v1.6.0', { files: startThatWaits }) })
    })
    afterAll(async () => {
      await world?.close()
      await hand?.close()
    })

    const shows = async (code: string, what: string, is: (card: Shown) => boolean): Promise<Shown> => {
      let card: Shown | undefined
      await until(
        `${code} ${what}`,
        async () => {
          card = await hand.card(code)
          return card !== undefined && is(card)
        },
        PATIENCE_MS,
      ).catch((error: unknown) => {
        throw new Error(`${String(error)}; it shows ${JSON.stringify(card)}`)
      })
      return card as Shown
    }
    const offers = (code: string, action: string) =>
      shows(code, `offers ${action}`, (card) => card.offers.includes(action))
    const requested = async (version: string): Promise<string> => {
      const said = await hand.type('alice', `/release user-service ${version}`)
      const code = /\bR-\d+/.exec(said)?.[0]
      if (code === undefined) throw new Error(`not requested: ${said}`)
      return code
    }

    test('help names every command, and a word that is none gets the nearest one', async () => {
      const help = await hand.type('vera', '/help')
      // Slack keeps some names for itself: there they begin with ours.
      for (const command of ['release', 'status', 'rollback', 'hosts', 'alerts']) {
        expect(help).toMatch(new RegExp(`/(rollcall-)?${command}\\b`))
      }
      expect(await hand.type('vera', '/relaese user-service v1.1.0')).toContain('release')
      expect(await hand.type('alice', '/release user-servise v1.1.0')).toContain('user-service')
      expect(await bot.app().desk.releases.list()).toEqual([])
    })

    test('who may not is told who may', async () => {
      expect(await hand.type('vera', '/release user-service v1.1.0')).toContain('operator')
      expect(await bot.app().desk.releases.list()).toEqual([])
    })

    test('a release from the request to the end: asked for, approved by another, promoted batch by batch', async () => {
      const code = await requested('v1.1.0')
      const card = await offers(code, 'approve')
      expect(card.text).toContain('user-service')
      expect(card.text).toContain('v1.1.0')
      expect(card.text).toContain('bj-1')
      // The rule of two people.
      expect(await hand.press('alice', code, 'approve')).not.toBe('')
      expect((await bot.app().desk.releases.need(code)).state.at).toBe('awaiting approval')
      expect(await hand.press('bob', code, 'approve')).toContain(code)
      // Nothing measures here, so each gate holds and asks.
      await offers(code, 'promote')
      await hand.press('alice', code, 'promote')
      await bot.becomes(code, ({ state, verdicts }) => state.at === 'held' && verdicts.length > 0)
      await until(
        'the second batch is held',
        async () => {
          const release = await bot.app().desk.releases.need(code)
          if (release.state.at === 'done') return true
          if (release.state.at !== 'held') return false
          await offers(code, 'promote')
          await hand.press('alice', code, 'promote')
          return false
        },
        PATIENCE_MS,
      )
      await bot.reach(code, 'done')
      const end = await shows(
        code,
        'is done',
        ({ offers: left }) => !left.includes('promote') && !left.includes('approve'),
      )
      expect(end.text).toContain('v1.1.0')
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.1.0 running' })
      await until('its thread has lines', async () => (await hand.thread(code)).length > 1, PATIENCE_MS)
      // Each batch went to each host once.
      expect(bot.starts('bj-1').filter((version) => version === 'v1.1.0')).toHaveLength(1)
    })

    test('paused, resumed, and taken back', async () => {
      const code = await requested('v1.2.0')
      await offers(code, 'approve')
      await hand.press('bob', code, 'approve')
      await offers(code, 'pause')
      await hand.press('alice', code, 'pause')
      for (const { root } of bot.hosts) writeFileSync(join(root, 'go'), '')
      await offers(code, 'resume')
      expect((await bot.app().desk.releases.need(code)).state.at).toBe('held')
      await hand.press('alice', code, 'resume')
      await offers(code, 'rollback')
      await hand.press('bob', code, 'rollback')
      await bot.reach(code, 'rolled back')
      await shows(code, 'is rolled back', ({ offers: left }) => left.length === 0)
      expect(await bot.running()).toEqual({ 'bj-1': 'v1.1.0 running', 'sh-1': 'v1.1.0 running' })
      for (const { root } of bot.hosts) for (const name of ['go', 'at-start']) rmSync(join(root, name), { force: true })
    })

    test('a host that goes away: held, retried once it is back, and taken back', async () => {
      const code = await requested('v1.6.0')
      await offers(code, 'approve')
      await hand.press('bob', code, 'approve')
      const home = bot.host('bj-1').root
      await until('the start runs', () => existsSync(join(home, 'at-start')), PATIENCE_MS)
      await bot.fleet.down('bj-1')
      expect((await offers(code, 'retry')).text).toContain('bj-1')
      await bot.fleet.up('bj-1')
      writeFileSync(join(home, 'go'), '')
      await hand.press('alice', code, 'retry')
      await offers(code, 'promote')
      await hand.press('bob', code, 'rollback')
      await bot.reach(code, 'rolled back')
      expect(bot.starts('bj-1').filter((version) => version === 'v1.6.0')).toHaveLength(1)
    })

    test('rejected with words, and a second decision is told who was first', async () => {
      const code = await requested('v1.3.0')
      await offers(code, 'reject')
      expect(await hand.press('bob', code, 'reject')).toContain(code)
      await bot.reach(code, 'rejected')
      expect(await hand.type('carol', `/release approve ${code}`)).toContain('bob')
      await shows(code, 'offers nothing any more', (card) => card.offers.length === 0)
    })

    test('aborted: the version of each host is told', async () => {
      const code = await requested('v1.4.0')
      await offers(code, 'approve')
      await hand.press('bob', code, 'approve')
      await offers(code, 'abort')
      await hand.press('alice', code, 'abort')
      await bot.reach(code, 'aborted')
      const card = await shows(code, 'is aborted', ({ offers: left }) => !left.includes('abort'))
      expect(card.text).toContain('bj-1')
      await hand.type('bob', `/rollback user-service`)
      await bot.settle()
    })

    test('an alert becomes a card that is acknowledged, silenced and diagnosed, and says when it is over', async () => {
      await world.alert('firing')
      const card = await offers('A-1', 'acknowledge')
      expect(card.text).toContain('HighErrorRate')
      expect(await hand.press('vera', 'A-1', 'acknowledge')).not.toBe('')
      await hand.press('bob', 'A-1', 'acknowledge')
      await shows('A-1', 'is acknowledged', (shown) => !shown.offers.includes('acknowledge'))
      expect((await bot.app().desk.incidents.need('A-1')).acknowledged?.by).toBe('bob')
      await hand.press('bob', 'A-1', 'silence', { time: '2h', reason: 'we know of it' })
      expect(await world.silences()).toEqual([expect.stringContaining('we know of it')])
      await hand.press('bob', 'A-1', 'diagnose-again')
      await until(
        'the report stands in the thread',
        async () => (await hand.thread('A-1')).some((text) => text.includes('user-service')),
        PATIENCE_MS,
      )
      await world.alert('resolved')
      await shows('A-1', 'is resolved', (shown) => shown.offers.length === 0 || !shown.offers.includes('silence'))
    })

    test('a chart arrives as the picture that it is', async () => {
      const png = await world.picture('A-1')
      await until(
        'the picture stands in the thread',
        async () => (await hand.pictures('A-1')).some((each) => each.equals(png)),
        PATIENCE_MS,
      )
    })

    test('what stands outside stays text: nobody is called, and nothing becomes a link', async () => {
      const evil = '<!channel> <@U0BOB> <http://evil.test|click> *bold* <@all> [x](http://evil.test) @all'
      await world.say('evil', evil)
      await until('it stands there', async () => (await hand.card('evil')) !== undefined, PATIENCE_MS)
      const shown = await hand.card('evil')
      expect(shown?.text).toContain('click')
      expect(await hand.called('evil')).toEqual([])
    })

    test('two people at once: one decision, and both are told', async () => {
      const code = await requested('v1.5.0')
      await offers(code, 'approve')
      const said = await Promise.all([
        hand.press('bob', code, 'approve'),
        hand.type('carol', `/release reject ${code}`),
      ])
      expect(said.every((each) => each !== '')).toBe(true)
      const { state } = await bot.app().desk.releases.need(code)
      expect(['approved', 'rolling out', 'rejected', 'held']).toContain(state.at)
      await bot.settle()
    })
  })
}
