import { describe, expect, test } from 'vitest'
import { type Attempt, attempts, retryAfterMs } from '../../src/lib/attempts.ts'

const limits = { retries: 3, limitMs: 5000, backOffMs: 1, longestMs: 10 }

describe('attempts', () => {
  test('end with the first that goes well', async () => {
    const seen: number[] = []
    const value = await attempts(async (attempt): Promise<Attempt<string>> => {
      seen.push(attempt)
      return attempt < 3 ? { value: 'no', again: true } : { value: 'yes', again: false }
    }, limits)
    expect([value, seen]).toEqual(['yes', [1, 2, 3]])
  })

  test('are one more than the retries, and the last value is returned', async () => {
    let calls = 0
    const value = await attempts(async () => ({ value: ++calls, again: true }), limits)
    expect(value).toBe(4)
  })

  test('pauses double up to the longest', async () => {
    const times: number[] = []
    await attempts(
      async () => {
        times.push(performance.now())
        return { value: 0, again: true }
      },
      { ...limits, backOffMs: 40, longestMs: 80 },
    )
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    for (const [index, least] of [30, 60, 60].entries()) expect(pauses[index]).toBeGreaterThan(least - 2)
  })

  test('a pause that would end after the limit is not begun', async () => {
    const started = performance.now()
    let calls = 0
    await attempts(async () => ({ value: ++calls, again: true, waitMs: 60_000 }), limits)
    expect(calls).toBe(1)
    expect(performance.now() - started).toBeLessThan(1000)
  })

  test('the signal of an attempt fires at the limit', async () => {
    const value = await attempts(
      (_attempt, signal) =>
        new Promise<Attempt<string>>((resolve) => {
          signal.addEventListener('abort', () => resolve({ value: 'cut', again: true }))
        }),
      { ...limits, limitMs: 50 },
    )
    expect(value).toBe('cut')
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-11-21T10:00:00Z')
  test.each([
    [{ 'retry-after': '2' }, 2000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 21 Nov 2026 09:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '9' }, 250],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('%j is %s ms', (headers, ms) => {
    expect(retryAfterMs(new Headers(headers as Record<string, string>), now)).toBe(ms)
  })
})
