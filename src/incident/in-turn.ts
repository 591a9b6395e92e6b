import { setTimeout as delay } from 'node:timers/promises'
import pLimit, { type LimitFunction } from 'p-limit'
import type { IncidentDesk } from './desk.ts'

const limits = new WeakMap<IncidentDesk, LimitFunction>()

/**
 * Runs the work of a diagnosis when its turn has come: `diagnosesAtOnce` of a process at the same time. A flow that is taken over by
 * another process never answers here, so a turn is over at the latest when no diagnosis can still be within its budget.
 */
export function inTurn<T>(desk: IncidentDesk, work: () => Promise<T>): Promise<T> {
  const limit = limits.get(desk) ?? pLimit(desk.config.diagnosesAtOnce)
  limits.set(desk, limit)
  return new Promise((resolve, reject) => {
    void limit(async () => {
      const patience = new AbortController()
      const run = work()
      run.then(resolve, reject)
      const over = run.then(
        () => patience.abort(),
        () => patience.abort(),
      )
      const most = (3 * desk.budget.seconds + 300) * 1000
      await Promise.race([over, delay(most, undefined, { ref: false, signal: patience.signal }).catch(() => {})])
    })
  })
}
