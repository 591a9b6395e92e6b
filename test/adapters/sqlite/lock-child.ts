import { lockFolder } from '../../../src/adapters/sqlite/index.ts'
import { asFault } from '../../../src/lib/fault.ts'

/** Locks the folder, says how that went, and stays until it is killed. */
try {
  lockFolder(process.argv[2] ?? '')
  console.log('locked')
  setInterval(() => {}, 1_000)
} catch (error) {
  console.log(asFault(error).code)
}
