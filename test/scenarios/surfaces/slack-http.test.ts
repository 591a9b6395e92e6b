import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../../demo/needs.ts'
import { until } from '../../demo/until.ts'
import { type SlackServer, signed, startSlackServer } from '../../servers/slack/index.ts'
import { userService } from '../packages.ts'
import type { Sandbox } from '../sandbox.ts'
import { type Hand, people, SLACK_CHANNEL, slackId } from './hand.ts'
import { slackHand } from './slack-hand.ts'
import { slackSection, startWorld, type World } from './world.ts'

vi.setConfig({ testTimeout: 90_000, hookTimeout: 120_000 })

const PATIENCE_MS = 30_000

describe.skipIf(skipReal)('Slack that sends over HTTP', () => {
  let world: World
  let bot: Sandbox
  let slack: SlackServer
  let hand: Hand

  beforeAll(async () => {
    slack = await startSlackServer({ http: { url: () => `${bot.app().url}/slack/events` } })
    slack.addChannel(SLACK_CHANNEL, { name: 'releases' })
    for (const { id } of people) slack.addUser(slackId(id), { name: id })
    const { slack: section } = slackSection(slack.apiUrl)
    world = await startWorld({
      sections: { slack: { ...section, mode: 'http' } },
      env: { SLACK_BOT_TOKEN: slack.botToken, SLACK_SIGNING_SECRET: slack.signingSecret },
    })
    bot = world.bot
    hand = slackHand(slack)
    for (const version of ['v1.1.0', 'v1.2.0']) bot.packages.publish(version, { body: userService(version) })
  })
  afterAll(async () => {
    await world?.close()
    await hand?.close()
  })

  const offer = (code: string, action: string) =>
    until(
      `offers ${action} of ${code}`,
      async () => ((await hand.card(code))?.offers ?? []).includes(action),
      PATIENCE_MS,
    )

  test('the address is confirmed, and certificates are checked', async () => {
    expect(await slack.verifyUrl()).toBe(true)
    expect(await slack.sslCheck()).toBe(200)
  })

  test('a command without words opens a form, which makes the release; it is approved with a dialog', async () => {
    const alice = slackId('alice')
    await slack.slash(alice, SLACK_CHANNEL, '/release')
    await until('a form opens', () => slack.modals(alice).length === 1, PATIENCE_MS)
    const inputs = slack.modals(alice)[0]?.view.blocks.filter(({ type }) => type === 'input') ?? []
    const [service, version] = inputs.map(({ block_id }) => block_id ?? '')
    // What is wrong is said at its field, and the form stays.
    const wrong = await slack.submit(alice, { [service ?? '']: 'user-service', [version ?? '']: '../etc' })
    expect(Object.keys(wrong.errors ?? {})).toEqual([version])
    const right = await slack.submit(alice, { [service ?? '']: 'user-service', [version ?? '']: 'v1.1.0' })
    expect(right).toMatchObject({ acked: true })
    expect(slack.modals(alice)).toEqual([])
    await offer('R-1', 'approve')
    await hand.press('bob', 'R-1', 'approve')
    await bot.promoted('R-1')
  })

  test('what Slack has not signed, or somebody sends once more, is not done', async () => {
    const url = `${bot.app().url}/slack/events`
    const body = new URLSearchParams({
      command: '/release',
      text: 'user-service v1.2.0',
      user_id: slackId('alice'),
      channel_id: SLACK_CHANNEL,
      trigger_id: '1.2.forged',
      response_url: `${slack.apiUrl}nowhere`,
    }).toString()
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const unsigned = await fetch(url, { method: 'POST', headers: type, body })
    expect(unsigned.status).toBe(401)
    const other = await fetch(url, { method: 'POST', headers: { ...type, ...signed('not-the-secret', body) }, body })
    expect(other.status).toBe(401)
    const headers = { ...type, ...signed(slack.signingSecret, body) }
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200)
    const again = await fetch(url, { method: 'POST', headers, body })
    expect(again.status).toBe(401)
    await offer('R-2', 'approve')
    expect((await bot.app().desk.releases.list()).map(({ id }) => id).toSorted()).toEqual(['R-1', 'R-2'])
    await hand.press('bob', 'R-2', 'reject')
  })
})
