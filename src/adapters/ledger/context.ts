import { setTimeout as sleep } from 'node:timers/promises'
import { asFault, Fault } from '../../lib/fault.ts'
import type { Store } from '../../ports/store.ts'
import type { Clock } from './clock.ts'
import type { Deadlines } from './deadlines.ts'
import type { Effects } from './fence.ts'

/** The part of a logger that the ledger uses; pino has this shape. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const silent: Log = { info: () => {}, warn: () => {}, error: () => {} }

/** What every part of one ledger shares. */
export interface Context {
  store: Store
  log: Log
  clock: Clock
  probe: (point: string) => void
  deadlines: Deadlines
  /** This ledger's name among the workers that share the store. */
  worker: string
  /** Aborted when draining begins: no step starts, no event is consumed. */
  draining: AbortSignal
  /** Aborted when ownership is given up: nothing is written to a journal any more. */
  halted: AbortSignal
  /** Undefined when no other process can use the store. */
  effects: Effects | undefined
}

/** A call that will never be answered: what it belongs to goes on in another process or later. */
export function abandoned<T>(): Promise<T> {
  return new Promise<T>(() => {})
}

/** True after `ms`, false at once when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal })
    return true
  } catch {
    return false
  }
}

/**
 * Repeats a call on the store until it is answered: a database that is away for a while stops a flow, it does not fail it.
 * Undefined when the ledger gave up its flows meanwhile. A fault that no waiting helps is thrown.
 */
export async function persist<T>(ctx: Context, work: () => Promise<T>): Promise<{ value: T } | undefined> {
  for (let attempt = 0; !ctx.halted.aborted; attempt++) {
    try {
      return { value: await work() }
    } catch (error) {
      const fault = asFault(error)
      if (!fault.retry) throw fault
      if (attempt % 30 === 0)
        ctx.log.warn({ code: fault.code, say: fault.message }, 'store unavailable, flows wait for it')
      await pause(Math.min(20 * 2 ** attempt, 2_000), ctx.halted)
    }
  }
  return undefined
}

export function unreadable(id: string, what: string): Fault {
  return new Fault('flow.unreadable', {
    say: `The ${what} of the flow ${id} cannot be read by this version of Rollcall.`,
    next: 'start the version that wrote it, or restore a backup',
    data: { flow: id },
  })
}
