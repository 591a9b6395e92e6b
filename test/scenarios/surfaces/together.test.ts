import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { SurfacesView } from '../../../src/ports/console.ts'
import { skipReal } from '../../demo/needs.ts'
import { until } from '../../demo/until.ts'
import { type SlackServer, startSlackServer } from '../../servers/slack/index.ts'
import { startWecomServer, type WecomServer } from '../../servers/wecom/index.ts'
import { userService } from '../packages.ts'
import type { Sandbox } from '../sandbox.ts'
import { consoleHand } from './console-hand.ts'
import { type Hand, people, SLACK_CHANNEL, slackId, WECOM_CHAT } from './hand.ts'
import { slackHand } from './slack-hand.ts'
import { wecomHand } from './wecom-hand.ts'
import { slackSection, startWorld, type World, wecomSection } from './world.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const PATIENCE_MS = 30_000
/** What the issue of being down promises. */
const SEEN_MS = 60_000

describe.skipIf(skipReal)('one bot on the console, Slack and WeCom', () => {
  let world: World
  let bot: Sandbox
  let slack: SlackServer
  let wecom: WecomServer
  let hands: { console: Hand; slack: Hand; wecom: Hand }
  let version = 0

  beforeAll(async () => {
    slack = await startSlackServer()
    slack.addChannel(SLACK_CHANNEL, { name: 'releases' })
    for (const { id } of people) slack.addUser(slackId(id), { name: id })
    wecom = await startWecomServer()
    wecom.addChat(WECOM_CHAT, { type: 'group' })
    world = await startWorld({
      sections: { ...slackSection(slack.apiUrl), ...wecomSection(wecom.url) },
      env: {
        SLACK_BOT_TOKEN: slack.botToken,
        SLACK_APP_TOKEN: slack.appToken,
        WECOM_BOT_ID: wecom.botId,
        WECOM_BOT_SECRET: wecom.secret,
      },
    })
    bot = world.bot
    await until('subscribed', () => wecom.connections() === 1)
    const app = () => bot.app()
    hands = { console: consoleHand(app().url ?? ''), slack: slackHand(slack), wecom: wecomHand(wecom, app) }
  })
  afterAll(async () => {
    await world?.close()
    await hands?.slack.close()
    await hands?.wecom.close()
  })

  const requested = async (): Promise<string> => {
    const name = `v1.${++version}.0`
    bot.packages.publish(name, { body: userService(name) })
    return bot.request(name)
  }
  const offer = (hand: Hand, code: string, action: string) =>
    until(
      `${hand.name} offers ${action} of ${code}`,
      async () => ((await hand.card(code))?.offers ?? []).includes(action),
      PATIENCE_MS,
    )
  const closes = (hand: Hand, code: string, action: string) =>
    until(
      `${hand.name} offers ${action} of ${code} no more`,
      async () => !((await hand.card(code))?.offers ?? []).includes(action),
      PATIENCE_MS,
    )

  test.each(['console', 'slack', 'wecom'] as const)(
    'a decision taken on %s closes the buttons on all',
    async (where) => {
      const code = await requested()
      const all = Object.values(hands)
      await Promise.all(all.map((hand) => offer(hand, code, 'approve')))
      const said = await hands[where].press('bob', code, 'reject')
      expect(said).toContain(code)
      await bot.reach(code, 'rejected')
      // A card of WeCom cannot be edited but by a press on it: there the press finds out, and closes it.
      const offered = (await hands.wecom.card(code))?.offers ?? []
      if (offered.includes('approve')) expect(await hands.wecom.press('carol', code, 'approve')).toMatch(/bob|reject/)
      await Promise.all(all.map((hand) => closes(hand, code, 'approve')))
      // Who was slower is told by whom and what.
      for (const hand of all) expect(await hand.type('carol', `/release approve ${code}`)).toContain('bob')
    },
  )

  test('the requester may not approve on another surface either', async () => {
    const code = await requested()
    for (const hand of Object.values(hands)) {
      await offer(hand, code, 'approve')
      await hand.press('alice', code, 'approve')
      expect((await bot.app().desk.releases.need(code)).state.at).toBe('awaiting approval')
    }
    await hands.console.press('bob', code, 'reject')
    await bot.reach(code, 'rejected')
  })

  test('Slack down: the rollout goes on, everybody sees it within a minute, and Slack shows all of it afterwards', async () => {
    const code = await requested()
    await offer(hands.slack, code, 'approve')
    const from = performance.now()
    slack.faults.outage(20_000)
    await hands.console.press('bob', code, 'approve')
    await bot.promoted(code)
    const { url } = bot.app()
    const cookie = await signIn(url ?? '')
    const surfaces = async () => {
      const answer = await fetch(`${url}/api/v1/surfaces`, { headers: { cookie } })
      return ((await answer.json()) as SurfacesView).surfaces
    }
    await until(
      'the console knows',
      async () => (await surfaces()).some(({ surface, at }) => surface === 'slack' && at !== 'up'),
      SEEN_MS,
    )
    expect(
      (await bot.type('vera', '/status')).text + JSON.stringify((await bot.type('vera', '/status')).message),
    ).toMatch(/Slack/)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toMatch(/rollcall_surface_up\{surface="slack"\} 0/)
    expect(metrics).toMatch(/rollcall_surface_up\{surface="wecom"\} 1/)
    expect(performance.now() - from).toBeLessThan(SEEN_MS)
    await until('Slack is back', async () => (await surfaces()).every(({ at }) => at === 'up'), SEEN_MS)
    await closes(hands.slack, code, 'promote')
    await until(
      'the last state stands there',
      async () => /done/i.test((await hands.slack.card(code))?.text ?? ''),
      PATIENCE_MS,
    )
    // One card, however long it was away.
    expect(
      slack.messages(SLACK_CHANNEL).filter(({ metadata }) => metadata?.event_payload.key === `${code}/card`),
    ).toHaveLength(1)
  })

  test('WeCom down: the same', async () => {
    const code = await requested()
    await offer(hands.wecom, code, 'approve')
    wecom.faults.outage(15_000)
    await hands.slack.press('bob', code, 'approve')
    await bot.promoted(code)
    await until(
      'the last state stands there',
      async () => /done/i.test((await hands.wecom.card(code))?.text ?? ''),
      SEEN_MS,
    )
  })

  const signIn = async (url: string): Promise<string> => {
    const answer = await fetch(`${url}/api/v1/session`, {
      method: 'POST',
      headers: { origin: url, 'content-type': 'application/json' },
      body: JSON.stringify({ person: 'vera' }),
    })
    return answer.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
  }
})
