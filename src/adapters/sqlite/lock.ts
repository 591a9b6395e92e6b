import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import { isBusy, storeFault } from './faults.ts'

export interface FolderLock {
  release(): void
}

const Holder = z.object({ pid: z.number().int().positive(), since: z.string(), host: z.string() })

/** A connection that nothing refers to is closed by the garbage collector, and its lock goes with it. */
const held = new Set<DatabaseSync>()

/**
 * Takes the data folder (created with mode 0700 when missing) for this process until `release` or its end, however it ends:
 * the lock is one of the operating system on `lock.db`, so kill -9 frees it at once. Who holds it is told by `lock.json`
 * (a file of its own: closing any handle on `lock.db` in this process would drop the lock).
 * Throws Fault `store.in-use` when another process, or this one, holds it; `store.unavailable` when the folder cannot be used.
 */
export function lockFolder(folder: string): FolderLock {
  const path = resolve(folder)
  const note = resolve(path, 'lock.json')
  let db: DatabaseSync | undefined
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    db = new DatabaseSync(resolve(path, 'lock.db'), { timeout: 0 })
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    writeFileSync(
      `${note}.new`,
      JSON.stringify({ pid: process.pid, since: new Date().toISOString(), host: hostname() }),
      {
        mode: 0o600,
      },
    )
    renameSync(`${note}.new`, note)
  } catch (error) {
    db?.close()
    throw isBusy(error) ? inUse(path, note) : storeFault(error, resolve(path, 'lock.db'))
  }
  const lock = db
  held.add(lock)
  return {
    release: () => {
      if (held.delete(lock)) lock.close()
    },
  }
}

function inUse(folder: string, note: string): Fault {
  const holder = readHolder(note)
  const local = holder?.host === hostname()
  const who = holder
    ? `process ${holder.pid}${local ? '' : ` on ${holder.host}`} since ${holder.since}`
    : 'another process'
  return new Fault('store.in-use', {
    say: `The data folder ${folder} is in use by ${who}.`,
    next: `stop that process${holder && local ? ` (kill ${holder.pid})` : ''}, or give this one a data folder of its own`,
    data: { folder, ...holder },
  })
}

/** The note may be missing, or name a process that has ended, in the moment in which a process takes the lock. */
function readHolder(note: string): z.infer<typeof Holder> | undefined {
  try {
    const parsed = Holder.safeParse(JSON.parse(readFileSync(note, 'utf8')))
    if (!parsed.success) return undefined
    if (parsed.data.host === hostname()) process.kill(parsed.data.pid, 0)
    return parsed.data
  } catch {
    return undefined
  }
}
