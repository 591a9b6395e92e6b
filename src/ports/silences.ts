export interface Matcher {
  name: string
  value: string
  isRegex: boolean
  isEqual: boolean
}

/**
 * Silences at the server that alerts come from. Faults: `silence.unreachable` (retry), `silence.refused`.
 */
export interface Silences {
  /** Answers with the silence's id. Times are taken as given; `comment` and `by` are shown to whoever looks there. */
  create(
    source: string,
    silence: { matchers: Matcher[]; from: Date; until: Date; by: string; comment: string },
  ): Promise<string>
  /** Ends it now. Ending one that is over is no error. */
  expire(source: string, id: string): Promise<void>
  /**
   * Fingerprints of all alerts that fire there, silenced and inhibited ones included. Undefined when that cannot be known: the
   * source has no address, does not answer, or has not run long enough to have been told of all of them. Never throws.
   */
  firing(source: string): Promise<ReadonlySet<string> | undefined>
}
