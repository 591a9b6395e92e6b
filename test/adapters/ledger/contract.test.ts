import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLedger, ledgerIndexes } from '../../../src/adapters/ledger/index.ts'
import { createSqliteStore } from '../../../src/adapters/sqlite/index.ts'
import { flowContract } from '../../contracts/flow.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

for (const exclusive of [true, false]) {
  const mode = exclusive ? 'alone' : 'with others'

  flowContract(`the ledger in memory, ${mode}`, async () => {
    const store = createMemoryStore()
    return {
      connect: async () => createLedger({ store, exclusive, leaseMs: 2_000, pollMs: 10 }),
      dispose: () => store.close(),
    }
  })

  flowContract(`the ledger on SQLite, ${mode}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-ledger-'))
    const store = await createSqliteStore({ folder, indexes: ledgerIndexes })
    return {
      connect: async () => createLedger({ store, exclusive, leaseMs: 2_000, pollMs: 10 }),
      dispose: async () => {
        await store.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  })
}
