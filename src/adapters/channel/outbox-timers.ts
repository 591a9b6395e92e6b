/** Time as the outbox sees it: tests bring their own. */
export interface Timers {
  /** Milliseconds since some moment; never jumps. */
  steady(): number
  /** Runs once after `ms`, unless the function that it returns is called before. */
  after(ms: number, run: () => void): () => void
}

export const systemTimers: Timers = {
  steady: () => performance.now(),
  after: (ms, run) => {
    // Longer delays than this fire at once.
    const timer = setTimeout(run, Math.min(ms, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

const FIRST_MS = 1_000
const MOST_MS = 60_000

/**
 * How long to leave somebody alone after `attempt` (0 the first) failures in a row: what was asked for, else 1 s doubled each time
 * up to 60 s; with up to a fifth of jitter, so that lines do not come back all at once.
 */
export function backOff(asked: number, attempt: number, random: () => number): number {
  const doubled = Math.min(FIRST_MS * 2 ** Math.min(attempt, 10), MOST_MS / 1.2)
  return Math.ceil((asked > 0 ? asked : doubled) * (1 + random() / 5))
}

/** Timers by purpose, one for each, and waits that end early when all is cleared. */
export interface Purposes {
  later(purpose: string, ms: number, run: () => void): void
  cancel(purpose: string): void
  set(purpose: string): boolean
  rest(ms: number): Promise<void>
  clear(): void
}

export function createPurposes(timers: Timers): Purposes {
  const cancels = new Map<string, () => void>()
  const resting = new Set<() => void>()
  const cancel = (purpose: string) => {
    cancels.get(purpose)?.()
    cancels.delete(purpose)
  }
  return {
    later: (purpose, ms, run) => {
      cancel(purpose)
      const stop = timers.after(ms, () => {
        cancels.delete(purpose)
        run()
      })
      cancels.set(purpose, stop)
    },
    cancel,
    set: (purpose) => cancels.has(purpose),
    rest: (ms) =>
      new Promise<void>((resolve) => {
        const stop = timers.after(ms, () => done())
        const done = () => {
          stop()
          resting.delete(done)
          resolve()
        }
        resting.add(done)
      }),
    clear: () => {
      for (const purpose of [...cancels.keys()]) cancel(purpose)
      for (const done of [...resting]) done()
    },
  }
}
