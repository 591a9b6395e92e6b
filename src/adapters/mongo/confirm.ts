import { MongoServerError } from 'mongodb'
import { NotConfirmed } from './faults.ts'

export interface ReadOptions {
  readConcern?: { level: 'majority' }
}

/**
 * Whether a write of ours, whose answer was lost or was a write-concern error, has arrived: `look` finds its trace. One that only
 * this server has may be rolled back, so it counts when a majority has it; until then NotConfirmed, which `call` tries again.
 * False when it is not even here.
 */
export async function confirm(look: (options: ReadOptions) => Promise<boolean>): Promise<boolean> {
  if (!(await look({}))) return false
  try {
    if (await look({ readConcern: { level: 'majority' } })) return true
  } catch (error) {
    // A server without this read concern stands alone, or does not replicate: what it has, a majority has.
    if (isUnsupported(error)) return true
    throw error
  }
  throw new NotConfirmed()
}

/** FailedToParse, CommandNotSupported, ReadConcernMajorityNotEnabled, NotImplemented. */
const unsupported = [9, 115, 148, 238]

function isUnsupported(error: unknown): boolean {
  return error instanceof MongoServerError && unsupported.includes(Number(error.code))
}
