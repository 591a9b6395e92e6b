import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll } from 'vitest'
import { createMongoStore } from '../../../src/adapters/mongo/index.ts'
import { leadsContract } from '../../contracts/leads.ts'
import { type MongoServer, mongoServer } from '../../servers/mongo.ts'

let server: MongoServer
beforeAll(async () => {
  server = await mongoServer()
})
afterAll(() => server?.stop())

leadsContract('MongoDB, opened twice', async () => {
  const options = { uri: server.uri, database: server.database(), indexes: [] }
  const stores = [await createMongoStore(options), await createMongoStore(options)] as const
  return {
    stores: [...stores],
    leaseMs: 800,
    pollMs: 80,
    pass: (ms) => sleep(ms),
    dispose: async () => {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
})
