import { storeContract } from '../contracts/store.ts'
import { createMemoryStore } from './memory-store.ts'

storeContract('the memory store', async () => {
  const store = createMemoryStore()
  return { store, other: store, dispose: () => store.close() }
})
