import { setTimeout as sleep } from 'node:timers/promises'

/** Time as a campaign sees it: tests bring their own. */
export interface Timers {
  /** Milliseconds since some moment; never jumps. */
  steady(): number
  /** True after `ms`, false as soon as the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<boolean>
}

export const systemTimers: Timers = {
  steady: () => performance.now(),
  pause: async (ms, signal) => {
    try {
      await sleep(ms, undefined, { signal })
      return true
    } catch {
      return false
    }
  },
}
