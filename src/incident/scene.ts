import type { Tally } from './count.ts'
import type { Place } from './thread.ts'

/** What the story of one incident carries along; all of it comes from journaled steps, so that a replay rebuilds it. */
export interface IncidentScene extends Place {
  tally: Tally
  /** When the last tally was made. */
  talliedAt: Date
  /** Something has come since that the tally does not hold. */
  dirty: boolean
  /** Episodes that fired at the last tally, and every host that has fired. */
  fired: Set<string>
  hosts: Set<string>
  /** Hosts that have joined since it was acknowledged and that the thread has not named, and when it last named some. */
  unnamed: string[]
  namedAt: Date | undefined
  diagnosed: boolean
  /** The release that it is joined to, and whether that has changed since the thread was opened. */
  joined: string | undefined
  rejoined: boolean
  /** What the thread has said of as held: releases, each with its turn. */
  heldAt: Set<string>
  /** When it began to fire at the severity that it has now, and when somebody was called last. */
  from: Date
  called: Date
  /** It has become worse since the card was shown first. */
  risen: boolean
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
