import type { Clock } from './clock.ts'

/** How often the wall clock is looked at while anything waits, so that a jump of it is noticed. */
const recheckMs = 1_000

/** The deadlines of all waits of one ledger, on one timer. */
export interface Deadlines {
  /** Calls `fire` once when the deadline (wall clock, milliseconds) has come; the result disarms it. */
  arm(deadline: number, fire: () => void): () => void
  stop(): void
}

/**
 * A deadline has come when the wall clock says so, or when the time that was left at arming has passed on the steady clock:
 * - the wall clock jumps forward: it fires within a second;
 * - the wall clock jumps back: it fires after the time that was left, as if nothing had happened. After a restart only the
 *   wall clock counts, so the wait lasts until that clock shows the deadline; nothing is lost either way.
 * Looking through 5,000 deadlines takes well under a millisecond, so there is no heap to keep in order.
 */
export function createDeadlines(clock: Clock): Deadlines {
  const armed = new Set<{ wall: number; steady: number; fire: () => void }>()
  let timer: NodeJS.Timeout | undefined
  let wakeAt = Number.POSITIVE_INFINITY

  const schedule = (remaining: number) => {
    const delay = Math.max(0, Math.min(remaining, recheckMs))
    const at = performance.now() + delay
    if (at >= wakeAt) return
    clearTimeout(timer)
    wakeAt = at
    timer = setTimeout(tick, Math.ceil(delay))
  }

  const tick = () => {
    wakeAt = Number.POSITIVE_INFINITY
    const wall = clock.wall()
    const steady = clock.steady()
    let nearest = Number.POSITIVE_INFINITY
    for (const entry of armed) {
      const remaining = Math.min(entry.wall - wall, entry.steady - steady)
      if (remaining > 0) {
        nearest = Math.min(nearest, remaining)
        continue
      }
      armed.delete(entry)
      entry.fire()
    }
    if (armed.size > 0) schedule(nearest)
  }

  return {
    arm: (deadline, fire) => {
      const remaining = deadline - clock.wall()
      const entry = { wall: deadline, steady: clock.steady() + remaining, fire }
      armed.add(entry)
      schedule(remaining)
      return () => {
        armed.delete(entry)
      }
    },
    stop: () => {
      clearTimeout(timer)
      wakeAt = Number.POSITIVE_INFINITY
      armed.clear()
    },
  }
}
