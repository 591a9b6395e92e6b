import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { skipReal } from '../../demo/needs.ts'
import { until } from '../../demo/until.ts'
import { startWecomServer, type WecomServer } from '../../servers/wecom/index.ts'
import { userService } from '../packages.ts'
import type { Sandbox } from '../sandbox.ts'
import { type Hand, WECOM_CHAT } from './hand.ts'
import { busySection, WECOM_RATES, wecomHand } from './wecom-hand.ts'
import { startWorld, type World } from './world.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const PATIENCE_MS = 45_000

describe.skipIf(skipReal)('a bot whose WeCom misbehaves', () => {
  let world: World
  let bot: Sandbox
  let wecom: WecomServer
  let hand: Hand
  let version = 0
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)

  beforeAll(async () => {
    process.on('unhandledRejection', note)
    wecom = await startWecomServer({ rates: WECOM_RATES })
    wecom.addChat(WECOM_CHAT, { type: 'group' })
    // Away when the bot starts.
    wecom.faults.outage(3000)
    const env = { WECOM_BOT_ID: wecom.botId, WECOM_BOT_SECRET: wecom.secret }
    world = await startWorld({ sections: busySection(wecom.url), env })
    bot = world.bot
    hand = wecomHand(wecom, () => bot.app())
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
  const rejected = async (code: string) => {
    await hand.press('bob', code, 'reject')
    await bot.reach(code, 'rejected')
  }

  test('away at the start: the bot runs, and WeCom shows the card once it is there', async () => {
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
  })

  test('kicked by another program: it comes back', async () => {
    wecom.faults.kick()
    await until('subscribed again', () => wecom.connections() === 1, PATIENCE_MS)
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
  })

  test('every callback three times: done once', async () => {
    wecom.faults.duplicate(2)
    const before = (await bot.app().desk.releases.list()).length
    const name = `v1.${++version}.0`
    bot.packages.publish(name, { body: userService(name) })
    const code = /R-\d+/.exec(await hand.type('alice', `/release user-service ${name}`))?.[0] ?? ''
    await offer(code, 'approve')
    await rejected(code)
    wecom.faults.duplicate(0)
    expect((await bot.app().desk.releases.list()).length).toBe(before + 1)
  })

  test('the acknowledgement of a push is lost: the card stands there once', async () => {
    wecom.faults.loseAck('aibot_send_msg', 1)
    const code = await requested()
    await offer(code, 'approve')
    const cards = wecom
      .messages(WECOM_CHAT)
      .filter(({ card, from }) => from === 'push' && JSON.stringify(card ?? '').includes(code))
    expect(cards).toHaveLength(1)
    await rejected(code)
  })

  test('a server that takes frames and says nothing is noticed, and everything comes afterwards', async () => {
    wecom.faults.silent(15_000)
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
  })

  test('a secret that is refused: the bot lives, says so, and comes back with it', async () => {
    wecom.faults.invalidAuth(true)
    wecom.faults.outage(500)
    await until('it is known', async () => (await bot.app().desk.surfaces?.())?.[0]?.at !== 'up', PATIENCE_MS)
    expect((await bot.type('vera', '/status')).ok).toBe(true)
    wecom.faults.invalidAuth(false)
    const code = await requested()
    await offer(code, 'approve')
    await rejected(code)
  })

  test('and no promise was left to itself', () => {
    expect(unhandled).toEqual([])
  })
})
