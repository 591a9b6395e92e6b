import { consoleHand } from './console-hand.ts'
import { surfaceScenarios } from './suite.ts'
import { startWorld } from './world.ts'

surfaceScenarios('the console', async () => {
  const world = await startWorld()
  return { world, hand: consoleHand(world.bot.app().url ?? '') }
})
