import { afterAll, beforeAll } from 'vitest'
import { createLedger, ledgerIndexes } from '../../../src/adapters/ledger/index.ts'
import { createMongoStore } from '../../../src/adapters/mongo/index.ts'
import { flowContract } from '../../contracts/flow.ts'
import { type MongoServer, mongoServer } from '../../servers/mongo.ts'

let server: MongoServer
beforeAll(async () => {
  server = await mongoServer()
})
afterAll(() => server?.stop())

for (const exclusive of [true, false]) {
  flowContract(`the ledger on MongoDB, ${exclusive ? 'alone' : 'with others'}`, async () => {
    const store = await createMongoStore({ uri: server.uri, database: server.database(), indexes: ledgerIndexes })
    return {
      connect: async () => createLedger({ store, exclusive, leaseMs: 2_000, pollMs: 10 }),
      dispose: () => store.close(),
    }
  })
}
