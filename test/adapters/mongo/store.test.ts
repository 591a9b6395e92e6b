import { afterAll, beforeAll } from 'vitest'
import { createMongoStore } from '../../../src/adapters/mongo/index.ts'
import { storeContract } from '../../contracts/store.ts'
import { type MongoServer, mongoServer } from '../../servers/mongo.ts'

let server: MongoServer
beforeAll(async () => {
  server = await mongoServer()
})
afterAll(() => server?.stop())

const indexes = [{ collection: 'things', field: 'v' }]

storeContract('MongoDB', async () => {
  const { uri } = server
  const database = server.database()
  const store = await createMongoStore({ uri, database, indexes })
  const other = await createMongoStore({ uri, database, indexes: [] })
  return {
    store,
    other,
    dispose: async () => {
      await store.close()
      await other.close()
    },
  }
})
