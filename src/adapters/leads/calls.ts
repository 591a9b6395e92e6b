import { asFault } from '../../lib/fault.ts'
import type { Log } from './log.ts'

/** Tells a campaign's owner what became of it: in turn, one call at a time, never from within the call that brought it about. */
export interface Calls {
  gained(): void
  lost(): void
  /** Resolves when the owner was told all. */
  over(): Promise<void>
}

export function createCalls(
  name: string,
  on: { gained?(): Promise<void> | void; lost?(): Promise<void> | void },
  log: Log,
): Calls {
  let last = Promise.resolve()
  const add = (call: 'gained' | 'lost') => {
    last = last
      .then(() => on[call]?.())
      .catch((error: unknown) => log.warn({ name, call, code: asFault(error).code }, 'owner of a lead failed'))
  }
  return { gained: () => add('gained'), lost: () => add('lost'), over: () => last }
}
