import type { Tally } from './count.ts'
import type { Place } from './thread.ts'

/** What the story of one incident carries along; all of it comes from journaled steps, so that a replay rebuilds it. */
export interface IncidentScene extends Place {
  tally: Tally
  /** When the last tally was made. */
  talliedAt: Date
  /** Something has come since that the tally does not hold. */
  dirty: boolean
  diagnosed: boolean
  /** When it began to fire, and when somebody was called last. */
  from: Date
  called: Date
  /** Alerts when the thread last spoke of their number, and when that was. */
  spoken: { total: number; at: Date }
  /** Set while it is resolved: when the thread is closed. */
  closes: Date | undefined
  /** State of the joined release when it was looked at last. */
  releaseAt: string | undefined
  /** Set while it is asked whether a rollback has helped. */
  watch: { release: string; next: Date; everyMs: number; until: Date } | undefined
  over: boolean
}
