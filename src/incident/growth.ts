/** How many times as many alerts, or how many more, are worth a line. */
const TIMES = 10
const MORE = 50
/** Milliseconds between two such lines. */
export const SUMMARY_EVERY_MS = 60_000

/** Whether a group that had `before` alerts when it was last spoken of has grown enough to say so. */
export function hasGrown(before: number, now: number): boolean {
  return now - before > MORE || (now >= before * TIMES && now > before)
}
