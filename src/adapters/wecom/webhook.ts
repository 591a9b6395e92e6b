import { z } from 'zod'
import type { Language } from '../../lib/catalogue/translate.ts'
import { Fault } from '../../lib/fault.ts'
import type { Sent } from '../../ports/surface.ts'
import { type Cards, markOf } from './cards.ts'
import type { Meter } from './meter.ts'
import { type Outcome, sentOf } from './outcome.ts'
import { byWebhook, type Parcel } from './push.ts'
import { renderMarkdown } from './render.ts'
import type { Timings } from './timings.ts'
import { WEBHOOK_BYTES } from './validate.ts'
import { wordsIn } from './words.ts'

/** A group webhook takes so many messages. */
export const WEBHOOK_RATE = { count: 20, ms: 60_000 }

/** Whether the error says that no connection came about: everything later may come after the message has arrived. */
function neverSent(error: unknown): boolean {
  const read = causeSchema.safeParse(error)
  if (!read.success) return false
  const { code = '', syscall = '' } = read.data.cause
  return (
    ['connect', 'getaddrinfo'].includes(syscall) ||
    /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$|CERT|UNABLE_TO_VERIFY/.test(
      code,
    )
  )
}
const causeSchema = z.object({ cause: z.object({ code: z.string().optional(), syscall: z.string().optional() }) })

const answerSchema = z.object({ errcode: z.number(), errmsg: z.string().optional() })

/**
 * Sends a message to the webhook of the group, for the time that the bot's own connection is away: markdown only, so the buttons
 * are written out as commands. `url` holds the key of the webhook and is never logged.
 */
export function createWebhook(parts: { cards: Cards; meter: Meter; timings: Timings; language: Language }) {
  const { cards, meter, timings, language } = parts

  async function post(url: string, content: string): Promise<Outcome> {
    let response: Response
    try {
      response = await fetch(url, {
        method: 'POST',
        redirect: 'error',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ msgtype: 'markdown', markdown: { content } }),
        signal: AbortSignal.timeout(timings.webhookTimeoutMs),
      })
    } catch (error) {
      return neverSent(error)
        ? { at: 'away', detail: 'not reached' }
        : { at: 'unanswered', detail: 'the connection ended before the answer' }
    }
    const answer = answerSchema.safeParse(await response.json().catch(() => undefined))
    // Whatever answers in place of the service, it may have passed the message on.
    if (!response.ok || !answer.success) return { at: 'unanswered', detail: `HTTP ${response.status}` }
    const { errcode, errmsg = '' } = answer.data
    return errcode === 0
      ? { at: 'acked', body: undefined }
      : { at: 'rejected', code: errcode, text: errmsg.slice(0, 200) }
  }

  return async function send(url: string, parcel: Parcel): Promise<Sent> {
    const { key, chat, message, revision, code, uncertain } = parcel
    const mark = markOf(message)
    const before = await cards.shown(chat.id, key)
    const identity = { chat: chat.id, via: 'webhook' }
    if (before?.sent && (before.mark === mark || before.mark === byWebhook(mark)))
      return { at: 'sent', identity, mark, free: true }
    const base = { mark: byWebhook(mark), revision, message, ...(code === undefined ? {} : { code }) }
    const resumed = before?.mark === base.mark
    const first = resumed ? before.done : 0
    let done = first
    await cards.keepShown(chat.id, key, { ...base, done, sent: false })
    const pieces = renderMarkdown(message, { language, ...(code === undefined ? {} : { code }) }, WEBHOOK_BYTES)
    for (const piece of pieces.slice(first)) {
      // Nobody can be asked whether it stands there: shown twice is better than never, and says so.
      const content = uncertain && resumed && done === first ? `${piece}\n${wordsIn(language).again}` : piece
      const wait = meter.waitMs(url)
      if (wait > 0) {
        const { line } = new Fault('chat.webhook-full', {
          say: 'The webhook of the group takes no more messages this minute.',
        })
        return { at: 'later', ms: wait, scope: 'place', why: line, arrived: 'no' }
      }
      const outcome = await post(url, content)
      if (outcome.at === 'away') {
        const { line } = new Fault('chat.webhook-away', { say: 'The webhook of the group cannot be reached either.' })
        return { at: 'later', ms: timings.retryMs, scope: 'surface', why: line, arrived: 'no' }
      }
      if (outcome.at !== 'acked') return sentOf(outcome, 'webhook', timings.retryMs)
      meter.count(url)
      await cards.keepShown(chat.id, key, { ...base, done: ++done, sent: done === pieces.length })
    }
    return { at: 'sent', identity, mark }
  }
}
