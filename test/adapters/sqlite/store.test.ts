import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { storeContract } from '../../contracts/store.ts'

const indexes = [{ collection: 'things', field: 'v' }]

storeContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-sqlite-'))
  const store = await createSqliteStore({ folder, indexes })
  const other = await createSqliteStore({ folder })
  return {
    store,
    other,
    dispose: async () => {
      await store.close()
      await other.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
})
