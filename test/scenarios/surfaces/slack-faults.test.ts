import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../../demo/needs.ts'
import { until } from '../../demo/until.ts'
import { type SlackServer, startSlackServer } from '../../servers/slack/index.ts'
import { userService } from '../packages.ts'
import type { Sandbox } from '../sandbox.ts'
import { type Hand, people, SLACK_CHANNEL, slackId } from './hand.ts'
import { slackHand } from './slack-hand.ts'
import { slackSection, startWorld, type World } from './world.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const PATIENCE_MS = 45_000

describe.skipIf(skipReal)('a bot whose Slack misbehaves', () => {
  let world: World
  let bot: Sandbox
  let slack: SlackServer
  let hand: Hand
  let version = 0
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)

  beforeAll(async () => {
    process.on('unhandledRejection', note)
    slack = await startSlackServer()
    slack.addChannel(SLACK_CHANNEL, { name: 'releases' })
    slack.addChannel('C0ALERTS', { name: 'alerts' })
    for (const { id } of people) slack.addUser(slackId(id), { name: id })
    // Away when the bot starts.
    slack.faults.outage(4000)
    const section = slackSection(slack.apiUrl).slack
    world = await startWorld({
      sections: {
        slack: { ...section, channels: { ...section.channels, '#alerts': 'C0ALERTS' } },
        alerts: { channel: '#alerts' },
      },
      env: { SLACK_BOT_TOKEN: slack.botToken, SLACK_APP_TOKEN: slack.appToken },
    })
    bot = world.bot
    hand = slackHand(slack)
  })
  afterAll(async () => {
    await world?.close()
    await hand?.close()
    process.off('unhandledRejection', note)
  })

  const requested = async (): Promise<string> => {
    const name = `v1.${++version}.0`
    bot.packages.publish(name, { body: userService(name) })
    return bot.request(name)
  }
  const offer = (code: string, action: string) =>
    until(
      `offers ${action} of ${code}`,
      async () => ((await hand.card(code))?.offers ?? []).includes(action),
      PATIENCE_MS,
    )
  const cards = (code: string) =>
    slack.messages(SLACK_CHANNEL).filter(({ metadata }) => metadata?.event_payload.key === `${code}/card`)
  const rejected = async (code: string) => {
    await hand.press('bob', code, 'reject')
    await bot.reach(code, 'rejected')
  }

  test('away at the start: the bot runs, and Slack shows everything once it is there', async () => {
    const code = await requested()
    await offer(code, 'approve')
    expect(cards(code)).toHaveLength(1)
    // A press that finds no connection is lost in Slack itself, which tells the person so.
    await until('both connections are there', () => slack.connections() === 2, PATIENCE_MS)
    await rejected(code)
  })

  test('429 on one channel: the other goes on, and nothing is lost in the first', async () => {
    slack.faults.rateLimit('C0ALERTS', { seconds: 5 })
    const { desk } = bot.app()
    const message = { title: 'an alert', tone: 'bad' as const, blocks: [], buttons: [] }
    await desk.chat.put({ key: 'limited', channel: '#alerts', message })
    const code = await requested()
    const from = performance.now()
    await offer(code, 'approve')
    expect(performance.now() - from).toBeLessThan(4500)
    await until('the other came', () => slack.messages('C0ALERTS').length === 1, PATIENCE_MS)
    await rejected(code)
  })

  test('every envelope three times: done once', async () => {
    slack.faults.duplicate(2)
    const before = (await bot.app().desk.releases.list()).length
    const name = `v1.${++version}.0`
    bot.packages.publish(name, { body: userService(name) })
    const said = await hand.type('alice', `/release user-service ${name}`)
    const code = /R-\d+/.exec(said)?.[0] ?? ''
    await offer(code, 'approve')
    await rejected(code)
    slack.faults.duplicate(0)
    expect((await bot.app().desk.releases.list()).length).toBe(before + 1)
  })

  test('acknowledgements that are never received: done once, answered', async () => {
    slack.faults.dropAcks(2)
    const said = await hand.type('vera', '/hosts')
    expect(said).toContain('bj-1')
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
  })

  test('the answer to a post is lost: the card stands there once', async () => {
    slack.faults.loseAnswer('chat.postMessage', 1)
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
    expect(cards(code)).toHaveLength(1)
  })

  test('a press while the connections are refreshed is heard', async () => {
    const code = await requested()
    await offer(code, 'approve')
    slack.faults.refresh()
    await rejected(code)
    await until('both are back', () => slack.connections() === 2, PATIENCE_MS)
  })

  test('a token that is refused while it connects again: the bot lives, says so, and comes back with it', async () => {
    slack.faults.invalidAuth(true)
    slack.faults.outage(500)
    await until('it is known', async () => (await bot.app().desk.surfaces?.())?.[0]?.at !== 'up', PATIENCE_MS)
    expect((await bot.type('vera', '/status')).ok).toBe(true)
    const code = await requested()
    await delay(2000)
    slack.faults.invalidAuth(false)
    await offer(code, 'approve')
    await rejected(code)
  })

  test('20 s away in the middle of a rollout: nothing lost, nothing twice', async () => {
    const code = await requested()
    await offer(code, 'approve')
    await hand.press('bob', code, 'approve')
    slack.faults.outage(20_000)
    await bot.promoted(code)
    await until('it says done', async () => /done/i.test((await hand.card(code))?.text ?? ''), PATIENCE_MS)
    expect(cards(code)).toHaveLength(1)
    const said = await hand.thread(code)
    expect(new Set(said).size).toBe(said.length)
  })

  test('and no promise was left to itself', () => {
    expect(unhandled).toEqual([])
  })
})
