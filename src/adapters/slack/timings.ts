/** How long things are waited for, in milliseconds. */
export interface Timings {
  /** For a deed to be durable before it is acknowledged; Slack itself waits 3 s. */
  accept: number
  /** For the answer of one call of the Web API. */
  call: number
  /** The first pause after a lost connection; each further one is twice as long, at most `longestPause`. */
  pause: number
  longestPause: number
  /** Between looks at whether Slack still answers. */
  probe: number
  /** For Slack's answer to a ping of ours. */
  pong: number
  /** For Slack's next ping. */
  serverPing: number
  /** For a socket to be open and greeted. */
  connect: number
  /** Before an uploaded picture that is not ready yet is tried again; three times, each twice as long. */
  fileReady: number
  /** For the answer to whether somebody may press, before the form is opened all the same: a trigger lives 3 s. */
  refusal: number
  /** How long a response_url is used; Slack keeps it for 30 min. */
  responseUrl: number
  /** Between two files with the rest of one long message. */
  rest: number
  /** Between two new messages in one place: Slack takes about one a second. Edits have half of it. */
  spacing: number
  /** How long one delivery, or one answer, waits by itself for limits of its further messages. */
  patience: number
}

export const TIMINGS: Timings = {
  accept: 2500,
  call: 10_000,
  pause: 1000,
  longestPause: 30_000,
  probe: 15_000,
  pong: 5000,
  serverPing: 30_000,
  connect: 15_000,
  fileReady: 500,
  refusal: 1200,
  responseUrl: 29 * 60_000,
  rest: 60_000,
  spacing: 1000,
  patience: 6000,
}
