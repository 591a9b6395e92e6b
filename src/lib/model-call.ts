import { attempts, retryAfterMs } from './attempts.ts'
import type { Log } from './log.ts'
import {
  brokeOff,
  connectionCode,
  type Failure,
  malformed,
  type Place,
  refusal,
  stopped,
  tookTooLong,
  unreachable,
} from './model-failures.ts'
import { createRedactor, maskable } from './redact.ts'

/** What both adapters of language models are given. */
export interface ModelOptions {
  /** As the SDK of the wire format wants it. */
  baseUrl: string
  /** As the provider names it. */
  model: string
  /** A function, so that no print of the options shows it. */
  key: () => string
  /** The environment variable that holds the key: what a person is told to check. */
  keyName: string
  /** Of one call with all its attempts and pauses. */
  limitSeconds: number
  /** Attempts after the first. */
  retries: number
  /** Most tokens of an answer, whatever a request asks for: more is refused by some models. */
  maxTokens?: number
  /** Ask for answers as a stream. */
  stream?: boolean
  /** The first pause between attempts; the longest is thirty times as long. 1000 unless told. */
  backOffMs?: number
  log?: Log
}

/** An answer that ended before it was complete. */
export class BrokeOff extends Error {}
/** An answer in another shape than the API's. */
export class Strange extends Error {}

export type Outcome<T> =
  | { ok: true; value: T; seconds: number }
  | { ok: false; why: Failure['kind']; say: string; next: string; seconds: number }

/** Whether the request should go out in another form, after the provider refused this one with these words. */
export type Adapt = (words: string) => boolean

// Two forms may be wrong in one request.
const mostForms = 4
const longestWords = 300

/**
 * One call of a model with its attempts. `ask` does one exchange and throws what its SDK throws (both SDKs make the same
 * errors), `BrokeOff` or `Strange`. When the provider refuses the request as malformed and `adapt` says that it will
 * be sent in another form, that costs no attempt. Never throws.
 */
export async function callModel<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  adapt: Adapt,
  options: ModelOptions,
  signal: AbortSignal | undefined,
): Promise<Outcome<T>> {
  const started = performance.now()
  const place = placeOf(options)
  const { log, backOffMs = 1000 } = options
  const clean = redactorOf(options.key())

  const one = async (limit: AbortSignal): Promise<{ value: T } | { failure: Failure; waitMs?: number }> => {
    for (let form = 1; ; form++) {
      try {
        return { value: await ask(limit) }
      } catch (error) {
        if (signal?.aborted === true) return { failure: stopped() }
        if (limit.aborted) return { failure: tookTooLong(place) }
        const words = wordsOf(error)
        if (isBadRequest(error) && form < mostForms && adapt(words)) continue
        const failure = failureOf(error, place)
        log?.warn(
          { host: place.host, model: place.model, why: failure.kind, words: clean(words).slice(0, longestWords) },
          'model call failed',
        )
        const waitMs = retryAfterMs(headersOf(error))
        return { failure, ...(waitMs === undefined ? {} : { waitMs }) }
      }
    }
  }

  // A header cannot carry other signs, and the error about it would print the key.
  const usable = /^[\x21-\x7e]+$/.test(options.key())
  const outcome = !usable
    ? { failure: refusal({ status: 401, code: '', message: '' }, place) }
    : signal?.aborted === true
      ? { failure: stopped() }
      : await attempts(
          async (_attempt, limit) => {
            const value = await one(limit)
            return 'failure' in value && value.failure.again
              ? { value, again: true, ...(value.waitMs === undefined ? {} : { waitMs: value.waitMs }) }
              : { value, again: false }
          },
          {
            retries: options.retries,
            limitMs: options.limitSeconds * 1000,
            backOffMs,
            longestMs: backOffMs * 30,
            signal,
          },
        )
  const seconds = (performance.now() - started) / 1000
  if (!('failure' in outcome)) return { ok: true, value: outcome.value, seconds }
  const { kind, say, next } = signal?.aborted === true ? stopped() : outcome.failure
  return { ok: false, why: kind, say, next, seconds }
}

function placeOf({ baseUrl, model, keyName, limitSeconds }: ModelOptions): Place {
  return { host: new URL(baseUrl).host, model, keyName, limitSeconds }
}

function redactorOf(key: string): (text: string) => string {
  return createRedactor(maskable(key) ? [key] : []).text
}

function failureOf(error: unknown, place: Place): Failure {
  const misread = error instanceof TypeError && error.cause === undefined
  if (error instanceof Strange || error instanceof SyntaxError || misread) return malformed(place)
  if (error instanceof BrokeOff) return brokeOff(place)
  const status = statusOf(error)
  const body = bodyOf(error)
  if (status !== undefined || body !== undefined)
    return refusal({ status, code: codesOf(body), message: wordsOf(error) }, place)
  const code = connectionCode(error)
  // Node's own patience with a silent server, five minutes.
  if (/^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(code)) return tookTooLong(place)
  // What fails after the first bytes has no cause of its own.
  return code === 'connection lost' || code.startsWith('UND_ERR_SOCKET') ? brokeOff(place) : unreachable(place, code)
}

function isBadRequest(error: unknown): boolean {
  const status = statusOf(error)
  return status === 400 || status === 422
}

function statusOf(error: unknown): number | undefined {
  return isObject(error) && typeof error.status === 'number' ? error.status : undefined
}

function headersOf(error: unknown): Headers | undefined {
  return isObject(error) && error.headers instanceof Headers ? error.headers : undefined
}

/** The parsed body of an error: Anthropic's SDK keeps all of it, OpenAI's what stands under `error`. */
function bodyOf(error: unknown): Record<string, unknown> | undefined {
  if (!isObject(error) || !isObject(error.error)) return undefined
  return isObject(error.error.error) ? error.error.error : error.error
}

function codesOf(body: Record<string, unknown> | undefined): string {
  return [body?.type, body?.code, body?.param].filter((each) => typeof each === 'string').join(' ')
}

function wordsOf(error: unknown): string {
  const body = bodyOf(error)
  const said = typeof body?.message === 'string' ? body.message : error instanceof Error ? error.message : ''
  return `${codesOf(body)} ${said}`.trim()
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
