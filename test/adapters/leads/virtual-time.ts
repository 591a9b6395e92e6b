import { setImmediate as turn } from 'node:timers/promises'

/** Time that stands still until it is moved. Everything that waits for it goes on in order. */
export interface VirtualTime {
  steady(): number
  wall(): Date
  after(ms: number, run: () => void): () => void
  pause(ms: number, signal: AbortSignal): Promise<boolean>
  /** Lets everything run that waits for no time. */
  settle(): Promise<void>
  /** Moves time on, timer by timer. */
  advance(ms: number): Promise<void>
}

export function createVirtualTime(start = '2026-01-01T00:00:00.000Z'): VirtualTime {
  const origin = Date.parse(start)
  const timers = new Set<{ at: number; run: () => void }>()
  let now = 0

  const time: VirtualTime = {
    steady: () => now,
    wall: () => new Date(origin + now),
    after(ms, run) {
      const timer = { at: now + Math.max(0, ms), run }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    pause: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve(false)
        const done = (whole: boolean) => {
          cancel()
          signal.removeEventListener('abort', stop)
          resolve(whole)
        }
        const stop = () => done(false)
        const cancel = time.after(ms, () => done(true))
        signal.addEventListener('abort', stop)
      }),
    // All promises of a memory store are settled between two turns of the event loop.
    settle: () => turn(),
    async advance(ms) {
      const end = now + ms
      for (;;) {
        await time.settle()
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.run()
      }
      now = end
      await time.settle()
    },
  }
  return time
}
