import { until } from '../../demo/until.ts'
import { startWecomServer } from '../../servers/wecom/index.ts'
import { WECOM_CHAT } from './hand.ts'
import { surfaceScenarios } from './suite.ts'
import { busySection, WECOM_RATES, wecomHand } from './wecom-hand.ts'
import { startWorld } from './world.ts'

surfaceScenarios('WeCom', async () => {
  const wecom = await startWecomServer({ rates: WECOM_RATES })
  wecom.addChat(WECOM_CHAT, { type: 'group' })
  const env = { WECOM_BOT_ID: wecom.botId, WECOM_BOT_SECRET: wecom.secret }
  const world = await startWorld({ sections: busySection(wecom.url), env })
  // What is said to a bot that is not there is lost in WeCom itself.
  await until('subscribed', () => wecom.connections() === 1)
  return { world, hand: wecomHand(wecom, () => world.bot.app()) }
})
