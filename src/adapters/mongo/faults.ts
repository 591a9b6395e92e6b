import {
  MongoError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from 'mongodb'
import { Fault } from '../../lib/fault.ts'

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const codes = {
  duplicateKey: 11_000,
  unauthorized: [13],
  authentication: [18, 8_000],
  noSpace: [14_031],
  tooLarge: [10_334, 17_419, 17_420],
  indexConflict: [85, 86],
  /** The primary stepped down, shuts down, or lost its network: the same call succeeds on the next one. */
  passing: [6, 7, 63, 64, 89, 91, 150, 189, 234, 262, 9_001, 10_107, 11_600, 11_602, 13_388, 13_435, 13_436],
}

/** A write has arrived, and no majority is known to have it yet. */
export class NotConfirmed extends Error {}

export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === codes.duplicateKey
}

/**
 * True when the same call, made again, may succeed at once. What it wrote may be there already: a lost connection does not tell.
 * Not for a server that was looked for in vain: that has been waited for.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof MongoServerSelectionError) return false
  if (error instanceof NotConfirmed) return true
  if (error instanceof MongoNetworkError || error instanceof MongoWriteConcernError) return true
  if (!(error instanceof MongoError)) return false
  if (error.hasErrorLabel('RetryableWriteError') || error.hasErrorLabel('RetryableError')) return true
  return error instanceof MongoServerError && codes.passing.includes(Number(error.code))
}

type Detail = { say: string; next: string; retry: boolean }

/**
 * Any error of the driver as a Fault, `store.unavailable` nearly always; a Fault stays what it is. `database`: its name, the only
 * thing of the connection that is told. The words come from here and no cause goes along: a message of the driver may hold the
 * connection string, one of the server what it was given.
 */
export function mongoFault(error: unknown, database: string): Fault {
  if (error instanceof Fault) return error
  if (error instanceof NotConfirmed || error instanceof MongoWriteConcernError) return unsafeOutcome(database)
  const code = error instanceof MongoServerError ? Number(error.code) : undefined
  if (code !== undefined && codes.tooLarge.includes(code)) return tooLarge()
  return new Fault('store.unavailable', {
    ...detailOf(error, code, database),
    data: { database, mongo: code, kind: error instanceof MongoError ? error.name : undefined },
  })
}

function detailOf(error: unknown, code: number | undefined, database: string): Detail {
  if (code !== undefined && codes.authentication.includes(code)) {
    return {
      say: 'MongoDB did not accept the user and password of the connection string.',
      next: 'put the right ones, and authSource when the user lies in another database, into the variable that store.uriEnv names',
      retry: false,
    }
  }
  if (code !== undefined && codes.unauthorized.includes(code)) {
    return {
      say: `The MongoDB user may not do what Rollcall needs in the database ${database}.`,
      next: `give it the role readWrite on ${database}`,
      retry: false,
    }
  }
  if (code !== undefined && codes.noSpace.includes(code)) {
    return {
      say: 'There is no room left on the disk of MongoDB.',
      next: 'free space there; what was refused can then be done again',
      retry: true,
    }
  }
  if (code !== undefined && codes.indexConflict.includes(code)) {
    return {
      say: `The database ${database} has an index with other options than that of Rollcall.`,
      next: 'drop that index; Rollcall makes its own at the start',
      retry: false,
    }
  }
  // A name that cannot be resolved (mongodb+srv) is an error of the system, not of the driver.
  const system = error instanceof Error && 'syscall' in error
  // Nor is the one for a connection that was waited for in vain exported by name.
  const busy = error instanceof MongoError && error.name === 'MongoWaitQueueTimeoutError'
  if (error instanceof MongoServerSelectionError || isPassing(error) || system || busy) return away(database)
  return {
    say:
      code === undefined
        ? `MongoDB failed (database ${database}).`
        : `MongoDB refused a command with code ${code} (database ${database}).`,
    next: 'look into the log of MongoDB, then try again',
    retry: true,
  }
}

function away(database: string): Detail {
  return {
    say: `MongoDB does not answer (database ${database}).`,
    next: 'check that it runs and can be reached from here; Rollcall goes on by itself once it answers',
    retry: true,
  }
}

/** For a call that waited for others until its own time was over. */
export function awayFault(database: string): Fault {
  return new Fault('store.unavailable', { ...away(database), data: { database } })
}

/** For whatever the driver says when it reads the connection string: it may quote it. */
export function unusableAddress(database: string): Fault {
  return new Fault('store.unavailable', {
    say: 'The connection string of MongoDB cannot be used.',
    next: 'write it as mongodb://user:password@host:27017/ or mongodb+srv://…, special characters of the password as %XX',
    data: { database },
  })
}

export function tooLarge(): Fault {
  return new Fault('store.not-json', {
    say: 'The document is too large to be stored.',
    next: 'store less in one document',
  })
}

export function closedFault(database: string): Fault {
  return new Fault('store.unavailable', {
    say: `The database ${database} was closed, Rollcall is stopping.`,
    next: 'start Rollcall again',
    data: { database },
  })
}

/** What was written has reached one server, and may be rolled back when that one fails. */
function unsafeOutcome(database: string): Fault {
  return new Fault('store.unavailable', {
    say: `No majority of the MongoDB servers has taken the last write (database ${database}).`,
    next: 'check that most members of the replica set run; Rollcall goes on by itself once they do',
    retry: true,
    data: { database },
  })
}

/** An answer was lost, and the place where the outcome could be read is gone, too. */
export function unknownOutcome(): Fault {
  return new Fault('store.unavailable', {
    say: 'The connection to MongoDB was lost and it cannot be told whether the last write arrived.',
    next: 'look whether it is there before doing it again',
    retry: true,
  })
}

export function damaged(): Fault {
  return new Fault('store.unavailable', {
    say: 'MongoDB holds a document that cannot be read.',
    next: 'stop Rollcall and restore a backup of its database',
  })
}
