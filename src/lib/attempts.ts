import { setTimeout as sleep } from 'node:timers/promises'

/** How one attempt went. With `again`, another may help; `waitMs` is what the other side asked for. */
export type Attempt<T> = { value: T; again: false } | { value: T; again: true; waitMs?: number }

export interface AttemptLimits {
  /** Attempts after the first. */
  retries: number
  /** Of all attempts and pauses together. */
  limitMs: number
  /** The first pause; each further one is twice as long, at most `longestMs`, less up to a quarter at random. */
  backOffMs: number
  longestMs: number
  signal?: AbortSignal | undefined
}

/**
 * Tries until it goes well, the attempts are used up, or the next pause would end after the limit; returns the last value then.
 * A pause that the other side asked for is kept in full or not begun. Each attempt gets a signal that fires at the limit or when
 * `signal` does; that is also what ends a pause.
 */
export async function attempts<T>(
  call: (attempt: number, signal: AbortSignal) => Promise<Attempt<T>>,
  { retries, limitMs, backOffMs, longestMs, signal }: AttemptLimits,
): Promise<T> {
  const ends = performance.now() + limitMs
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), limitMs)
  const stop = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
  try {
    for (let attempt = 1; ; attempt++) {
      const outcome = await call(attempt, stop)
      if (!outcome.again || attempt > retries || stop.aborted) return outcome.value
      const pause = outcome.waitMs ?? Math.min(longestMs, backOffMs * 2 ** (attempt - 1)) * (1 - Math.random() / 4)
      if (performance.now() + pause >= ends) return outcome.value
      await sleep(pause, undefined, { signal: stop }).catch(() => undefined)
      if (stop.aborted) return outcome.value
    }
  } finally {
    clearTimeout(timer)
  }
}

/** Milliseconds of a `Retry-After` header (RFC 9110, 10.2.3: seconds or a date), or of `retry-after-ms`; undefined when there is none. */
export function retryAfterMs(headers: Headers | undefined, now: number = Date.now()): number | undefined {
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '')
  if (ms >= 0) return ms
  const asked = headers?.get('retry-after')?.trim() ?? ''
  if (asked === '') return undefined
  const wait = /^\d+(\.\d+)?$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}
