import { createHmac, timingSafeEqual } from 'node:crypto'
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { Log } from '../../lib/log.ts'

export interface HttpRequest {
  /** Lower-case names. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body as it came, as the signature is made of its bytes. */
  raw: string
}
export interface HttpAnswer {
  status: number
  body: string
  type: string
  headers?: Record<string, string>
}

const WINDOW_S = 300
const MOST_REMEMBERED = 50_000
/** Slack gives up after 3 s; what is not acknowledged by then is 503, so that events come again. */
const ANSWER_MS = 2900
const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'

const bodySchema = z.record(z.string(), z.unknown())

/**
 * Slack's requests in HTTP mode. The signature is HMAC-SHA256 over `v0:<timestamp>:<body>`; a request that is more than five
 * minutes old or from the future, or was seen before, is refused. Slack's own retries are let through, of events only: they have
 * an id by which they are done once, Slack sends nothing else again, and the header that says so is not signed.
 */
export function createHttp(options: {
  app: () => App | undefined
  signingSecret: string
  clock: () => Date
  log: Log
}): (request: HttpRequest) => Promise<HttpAnswer> {
  const seen = new Map<string, number>()

  const refused = (why: string, status = 401): HttpAnswer => {
    options.log.info({ why }, 'slack request refused')
    return { status, body: '', type: TEXT }
  }

  return async ({ headers, raw }) => {
    const one = (name: string): string => [headers[name]].flat()[0] ?? ''
    const nowS = Math.floor(options.clock().getTime() / 1000)
    const timestamp = one('x-slack-request-timestamp')
    const signature = one('x-slack-signature')
    if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowS - Number(timestamp)) > WINDOW_S) return refused('timestamp')
    if (!signed(options.signingSecret, timestamp, raw, signature)) return refused('signature')
    for (const [each, at] of seen) {
      if (nowS - at <= WINDOW_S * 2 && seen.size < MOST_REMEMBERED) break
      seen.delete(each)
    }
    const retry = one('x-slack-retry-num')
    const body = bodyOf(raw, one('content-type'))
    const again = /^\d{1,3}$/.test(retry) && body?.type === 'event_callback'
    if (seen.has(signature) && !again) return refused('replay')
    seen.set(signature, nowS)
    if (body === undefined) return refused('body', 400)
    if (body.ssl_check !== undefined) return { status: 200, body: '', type: TEXT }
    if (body.type === 'url_verification' && typeof body.challenge === 'string') {
      return { status: 200, body: JSON.stringify({ challenge: body.challenge }), type: JSON_TYPE }
    }
    const app = options.app()
    if (app === undefined) return { status: 503, body: '', type: TEXT, headers: { 'retry-after': '5' } }
    return await process(app, body, { retry: again ? retry : '', cause: one('x-slack-retry-reason'), log: options.log })
  }
}

async function process(
  app: App,
  body: Record<string, unknown>,
  { retry, cause, log }: { retry: string; cause: string; log: Log },
): Promise<HttpAnswer> {
  const { promise, resolve } = Promise.withResolvers<HttpAnswer>()
  const late: HttpAnswer = { status: 503, body: '', type: TEXT }
  const timer = setTimeout(() => resolve(late), ANSWER_MS)
  const ack = async (response?: unknown): Promise<void> => {
    if (response === undefined || response === '') resolve({ status: 200, body: '', type: TEXT })
    else if (typeof response === 'string') resolve({ status: 200, body: response, type: TEXT })
    else resolve({ status: 200, body: JSON.stringify(response), type: JSON_TYPE })
  }
  const event = {
    body,
    ack,
    ...(retry === '' ? {} : { retryNum: Number(retry), retryReason: cause }),
  }
  app
    .processEvent(event)
    .catch((error: unknown) => log.warn({ err: error }, 'slack event not processed'))
    // Not acknowledged when all is over: Slack delivers events again, and shows people that commands and presses failed.
    .finally(() => resolve(late))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

function signed(secret: string, timestamp: string, raw: string, signature: string): boolean {
  const wanted = Buffer.from(`v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${raw}`).digest('hex')}`)
  const given = Buffer.from(signature)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** JSON, a form with JSON in `payload`, or the form of a slash command. */
function bodyOf(raw: string, type: string): Record<string, unknown> | undefined {
  try {
    if (type.startsWith('application/json') || raw.startsWith('{')) return bodySchema.parse(JSON.parse(raw))
    const form = new URLSearchParams(raw)
    const payload = form.get('payload')
    return payload === null ? Object.fromEntries(form) : bodySchema.parse(JSON.parse(payload))
  } catch {
    return undefined
  }
}
