/** HTTP mode: the same deliveries as signed POSTs. */
import { createHmac, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Faults } from './faults.ts'
import type { Deliverer } from './socket.ts'
import type { Attempt, Delivered, DeliveryType, Json } from './types.ts'

/** Headers of a request as Slack signs it: `v0=HMAC-SHA256(secret, "v0:<seconds>:<raw body>")`. */
export function signed(secret: string, raw: string, at = Date.now()): Record<string, string> {
  const seconds = Math.floor(at / 1000)
  const digest = createHmac('sha256', secret).update(`v0:${seconds}:${raw}`).digest('hex')
  return { 'x-slack-request-timestamp': String(seconds), 'x-slack-signature': `v0=${digest}` }
}

export interface HttpMode extends Deliverer {
  /** What Slack sends when an address is entered: true when the challenge came back. */
  verifyUrl(): Promise<boolean>
  /** What Slack sends now and then to see whether the certificate holds: the status. */
  sslCheck(): Promise<number>
  stop(): void
}

export interface HttpModeOptions {
  url: () => string
  signingSecret: string
  faults: Faults
  ackMs: number
  retryMs: readonly number[]
  attempts: Attempt[]
}

const FORM = 'application/x-www-form-urlencoded'

export function createHttpMode({ url, signingSecret, faults, ackMs, retryMs, attempts }: HttpModeOptions): HttpMode {
  const stopped = new AbortController()

  async function post(raw: string, type: string, headers: Record<string, string>) {
    const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(ackMs)])
    try {
      const response = await fetch(url(), {
        method: 'POST',
        headers: { 'content-type': type, ...headers },
        body: raw,
        signal,
      })
      return { status: response.status, body: await response.text(), headers: response.headers }
    } catch (error) {
      const late = error instanceof Error && error.name === 'TimeoutError'
      return { status: 0, body: '', headers: new Headers(), reason: late ? 'http_timeout' : 'connection_failed' }
    }
  }

  /** Events come again when they were not answered with 2xx in time; commands and presses never do. */
  async function deliver(type: DeliveryType, payload: Json): Promise<Delivered> {
    const started = Date.now()
    const id = typeof payload.event_id === 'string' ? payload.event_id : randomUUID()
    const { raw, content } = bodyFor(type, payload)
    const tries = type === 'events_api' ? 1 + retryMs.length : 1
    let sent = 0
    let reason = ''
    for (let attempt = 0; attempt < tries && !stopped.signal.aborted; attempt++) {
      const again: Record<string, string> =
        attempt === 0 ? {} : { 'x-slack-retry-num': String(attempt), 'x-slack-retry-reason': reason }
      const headers = { ...signed(signingSecret, raw), ...again }
      const record = { id, type, attempt, at: Date.now(), acked: false }
      attempts.push(record)
      sent += 1
      const away = Date.now() < faults.awayUntil
      const answer = away
        ? { status: 0, body: '', headers: new Headers(), reason: '' }
        : await post(raw, content, headers)
      for (let more = 0; attempt === 0 && more < faults.duplicates; more++) {
        sent += 1
        await post(raw, content, headers)
      }
      const dropped = faults.dropAcks > 0 && answer.status >= 200 && answer.status < 300
      if (dropped) faults.dropAcks -= 1
      if (!dropped && answer.status >= 200 && answer.status < 300) {
        record.acked = true
        return { acked: true, ...responseOf(type, answer.body), ms: Date.now() - started, attempts: sent }
      }
      if (answer.headers.get('x-slack-no-retry') === '1') break
      reason = answer.reason ?? (dropped ? 'http_timeout' : 'http_error')
      if (attempt + 1 < tries) await sleep(retryMs[attempt] ?? 0)
    }
    return { acked: false, ms: Date.now() - started, attempts: sent }
  }

  return {
    deliver,
    async verifyUrl() {
      const challenge = randomUUID()
      const raw = JSON.stringify({ token: 'verification', challenge, type: 'url_verification' })
      const { status, body } = await post(raw, 'application/json', signed(signingSecret, raw))
      return status === 200 && (body === challenge || body === JSON.stringify({ challenge }))
    },
    async sslCheck() {
      const raw = 'ssl_check=1&token=verification'
      return (await post(raw, FORM, signed(signingSecret, raw))).status
    },
    stop: () => stopped.abort(),
  }
}

function bodyFor(type: DeliveryType, payload: Json): { raw: string; content: string } {
  if (type === 'events_api') return { raw: JSON.stringify(payload), content: 'application/json' }
  const fields = type === 'interactive' ? { payload: JSON.stringify(payload) } : payload
  const form = Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)])
  return { raw: new URLSearchParams(form).toString(), content: FORM }
}

function responseOf(type: DeliveryType, body: string): { response?: unknown } {
  if (type === 'events_api' || body === '') return {}
  try {
    return { response: JSON.parse(body) }
  } catch {
    return { response: { text: body } }
  }
}
