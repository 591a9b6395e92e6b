import type { Release } from '../release/release.ts'

/** What a report's queries see goes back only after the longest range in them has passed; a plan's windows are as long. */
const LOOKS_IN_A_WINDOW = 4
const WINDOWS = 3
const MOST_MS = 3_600_000
const DEFAULT_MS = 600_000

/**
 * How often, and for how long at most, it is asked after a rollback whether it helped: four times in the longest observation
 * window of the plan, over three such windows (at most an hour; at least 5 s, and not more than four times a second). Without a
 * plan as for windows of ten minutes.
 */
export function recoveryTimes(plan: Release['plan']): { everyMs: number; mostMs: number } {
  const longest = Math.max(0, ...(plan?.batches ?? []).map(({ windowSeconds }) => windowSeconds * 1000))
  const window = longest > 0 ? longest : DEFAULT_MS
  return {
    everyMs: Math.min(Math.max(window / LOOKS_IN_A_WINDOW, 250), 60_000),
    mostMs: Math.min(Math.max(window * WINDOWS, 5000), MOST_MS),
  }
}
