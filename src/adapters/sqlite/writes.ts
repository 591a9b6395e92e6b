import type { DatabaseSync } from 'node:sqlite'

/** One write: a single SQL statement, so that it leaves nothing behind when it throws. */
type Write = {
  run: () => unknown
  bytes: number
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** Bounds how long one transaction keeps the event loop: about 10 ms on a plain disk. */
const maxWrites = 1_000
const maxBytes = 8 * 1024 * 1024

export interface Writes {
  /** Runs the statement in the next transaction; resolves with its result once that is on disk. `bytes`: about how much it writes. */
  add<T>(run: () => T, bytes: number): Promise<T>
  /** Commits what is queued, now. */
  flush(): void
}

/**
 * Group commit: all writes that are asked for in one turn of the event loop share one transaction and so one sync to disk.
 * A write that throws fails alone. When the whole transaction is lost, each write is tried again in one of its own, so that
 * the one that cannot be done (no room for it, say) does not take its neighbours along.
 */
export function createWrites(db: DatabaseSync): Writes {
  const queue: Write[] = []
  let scheduled = false

  const schedule = () => {
    if (scheduled || queue.length === 0) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      commit(take())
      schedule()
    })
  }

  const take = (): Write[] => {
    let count = 0
    let bytes = 0
    for (const write of queue) {
      bytes += write.bytes
      if (count > 0 && (count >= maxWrites || bytes > maxBytes)) break
      count++
    }
    return queue.splice(0, count)
  }

  const commit = (batch: Write[]): void => {
    if (batch.length === 0) return
    const settle: (() => void)[] = []
    try {
      db.exec('BEGIN IMMEDIATE')
    } catch (error) {
      for (const write of batch) write.reject(error)
      return
    }
    try {
      for (const write of batch) settle.push(attempt(write))
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) rollBack()
      if (batch.length === 1) batch[0]?.reject(error)
      else for (const write of batch) commit([write])
      return
    }
    for (const done of settle) done()
  }

  /** Runs one statement; throws only when the transaction is gone with it. */
  const attempt = (write: Write): (() => void) => {
    try {
      const value = write.run()
      return () => write.resolve(value)
    } catch (error) {
      if (!db.isTransaction) throw error
      return () => write.reject(error)
    }
  }

  const rollBack = () => {
    try {
      db.exec('ROLLBACK')
    } catch {
      // The next BEGIN tells; the cause of this one is already on its way to the caller.
    }
  }

  return {
    add: <T>(run: () => T, bytes: number) =>
      new Promise<T>((resolve, reject) => {
        queue.push({ run, bytes, resolve: (value) => resolve(value as T), reject })
        schedule()
      }),
    flush: () => {
      while (queue.length > 0) commit(take())
    },
  }
}
