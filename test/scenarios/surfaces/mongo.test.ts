import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mongoServer } from '../../servers/mongo.ts'
import { consoleHand } from './console-hand.ts'
import { surfaceScenarios } from './suite.ts'
import { startWorld } from './world.ts'

// The same again with the state in MongoDB.
surfaceScenarios('the console, over MongoDB', async () => {
  const mongo = await mongoServer()
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-mongo-scenarios-'))
  const store = { kind: 'mongo', uriEnv: 'SCENARIO_MONGODB_URI', database: mongo.database(), folder }
  const world = await startWorld({ sections: { store }, env: { SCENARIO_MONGODB_URI: mongo.uri } })
  const hand = consoleHand(world.bot.app().url ?? '')
  const close = async () => {
    await mongo.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { world, hand: { ...hand, close } }
})
