import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { Sent } from '../../ports/surface.ts'

/** What became of one frame that was sent. */
export type Outcome =
  | { at: 'acked'; body: unknown }
  /** WeCom said no: it has not arrived. */
  | { at: 'rejected'; code: number; text: string }
  /** Sent, but not answered: nobody knows. */
  | { at: 'unanswered'; detail: string }
  /** Never sent. */
  | { at: 'away'; detail: string }

const frameSchema = z.object({ errcode: z.number(), errmsg: z.string().optional() })

/** What the SDK rejects with: a plain frame when WeCom refuses, an Error when there was no answer or no connection. */
export function outcomeOf(error: unknown): Outcome {
  const frame = frameSchema.safeParse(error)
  // Not subscribed yet, or no more: the connection is not what it seems.
  if (frame.success && frame.data.errcode === NOT_SUBSCRIBED) return { at: 'away', detail: 'not subscribed' }
  if (frame.success) return { at: 'rejected', code: frame.data.errcode, text: (frame.data.errmsg ?? '').slice(0, 200) }
  const detail = (error instanceof Error ? error.message : String(error)).slice(0, 200)
  return /not connected|exceeds max size/.test(detail) ? { at: 'away', detail } : { at: 'unanswered', detail }
}

/** Codes of WeCom. Those about frequency come from its global list of error codes and from users of the long connection. */
export const TASK_ID_USED = 42014
export const BAD_REQ_ID = 846605
export const STREAM_OVER = 846608
const NOT_SUBSCRIBED = 846609
const TOO_OFTEN = new Set([45009, 45033, 45047, 846607])
/** A minute's rate is the smallest one. */
const TOO_OFTEN_MS = 60_000
const BUSY = new Set([-1, 6000])
const BUSY_MS = 5000
const NO_SUCH_CHAT = new Set([93006, 93000, 81013, 60111, 40003, 86001, 86003])

export const connectionBroken = (): Fault =>
  new Fault('chat.away', { say: 'The long connection to WeCom is broken; it is tried again without end.' })

/** How the outbox is told about what was not acknowledged. `retryMs` is how long an outage may last at least. */
export function sentOf(outcome: Exclude<Outcome, { at: 'acked' }>, place: string, retryMs: number): Sent {
  if (outcome.at === 'away') {
    const { line } = connectionBroken()
    return { at: 'later', ms: retryMs, scope: 'surface', why: line, arrived: 'no' }
  }
  if (outcome.at === 'unanswered') {
    const { line } = new Fault('chat.unanswered', { say: 'WeCom did not acknowledge the message.' })
    return { at: 'later', ms: retryMs, scope: 'surface', why: line, arrived: 'unknown' }
  }
  const { code, text } = outcome
  if (TOO_OFTEN.has(code)) {
    const { line } = new Fault('chat.too-often', { say: `WeCom takes no more messages there for now (${code}).` })
    return { at: 'later', ms: TOO_OFTEN_MS, scope: 'place', why: line, arrived: 'no' }
  }
  if (BUSY.has(code)) {
    const { line } = new Fault('chat.busy', { say: `WeCom is busy (${code}).` })
    return { at: 'later', ms: BUSY_MS, scope: 'place', why: line, arrived: 'no' }
  }
  const fault = NO_SUCH_CHAT.has(code)
    ? new Fault('chat.no-such-chat', {
        say: `WeCom knows no conversation ${place.slice(0, 60)} of this bot (${code}).`,
        next: 'add the bot to the group, and check wecom.channels',
      })
    : new Fault('chat.refused', {
        say: `WeCom refuses the message (${code}): ${text}`,
        next: 'look the code up in the documentation of WeCom, and look into the log',
      })
  return { at: 'refused', why: fault.message, next: fault.next }
}
