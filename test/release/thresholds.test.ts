import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatLimit, roundLimit, say } from '../../src/release/gate/units.ts'
import { type MetricKind, metricKind } from '../../src/release/gate.ts'
import { deriveThresholds, enoughHistory, floors } from '../../src/release/thresholds.ts'

const up = 'up-is-bad' as const
const latency = { key: 'latency', kind: 'seconds', direction: up } as const
const memory = { key: 'memory', kind: 'bytes', direction: up } as const
const cpu = { key: 'cpu', kind: 'cores', direction: up } as const
const errors = { key: 'error_rate', kind: 'ratio', direction: up } as const
const around = (value: number, n = 200) => Array.from({ length: n }, (_, i) => value * (0.95 + (i % 11) / 100))

/** Reads what formatLimit writes. */
function parse(text: string): number {
  const [, amount, suffix] = /^([\d.]+)([A-Za-z%/]+)$/.exec(text) ?? []
  const sizes: Record<string, number> = {
    '%': 0.01,
    s: 1,
    ms: 1e-3,
    us: 1e-6,
    TB: 1e12,
    GB: 1e9,
    MB: 1e6,
    KB: 1e3,
    B: 1,
    '/s': 1,
  }
  return Number(amount) * (sizes[suffix ?? ''] ?? Number.NaN)
}

describe('thresholds', () => {
  test('come from the history, above its highest usual level, in the words of the release issue', () => {
    const { thresholds, words, derived } = deriveThresholds(latency, around(0.4))
    expect(derived).toBe(true)
    expect(thresholds.text).toEqual(['550ms', '770ms'])
    expect(thresholds.warn).toBeGreaterThan(0.42)
    expect(thresholds.fail).toBeGreaterThan(thresholds.warn)
    expect(words).toBe('limits from its own history: median 400 ms, 99th percentile 420 ms')
  })

  test('never go below the floors of a small or idle service', () => {
    expect(deriveThresholds(latency, around(0.002)).thresholds).toEqual({
      warn: 0.1,
      fail: 0.25,
      text: ['100ms', '250ms'],
    })
    expect(deriveThresholds(memory, around(1e6)).thresholds.text).toEqual(['260MB', '520MB'])
    expect(deriveThresholds(cpu, around(0.001)).thresholds).toEqual({ warn: 0.25, fail: 0.5, text: ['15s', '30s'] })
    expect(deriveThresholds(errors, around(0)).thresholds.text).toEqual(['0.5%', '1%'])
    expect(deriveThresholds({ ...cpu, kind: 'ratio' }, around(0.1)).thresholds.text).toEqual(['70%', '90%'])
  })

  test('an outage in less than a tenth of the history does not more than double them, however bad it was', () => {
    const calm = deriveThresholds(latency, around(0.4)).thresholds
    const troubled = deriveThresholds(latency, [...around(0.4, 200), ...around(3000, 18)]).thresholds
    expect(troubled.fail).toBeLessThanOrEqual(2 * calm.fail)
    expect(troubled.warn).toBeLessThanOrEqual(2 * calm.warn)
  })

  test('an error share leaves room for what 100 requests show by chance', () => {
    const { thresholds } = deriveThresholds(errors, around(0.005))
    expect(thresholds.fail).toBeCloseTo(0.03, 6)
    expect(thresholds.warn).toBeCloseTo(0.0075, 6)
    expect(deriveThresholds(errors, around(0.005), { minRequests: 10_000 }).thresholds.fail).toBeCloseTo(0.01, 6)
  })

  describe('of error shares hardly move for a bad canary within the history', () => {
    /** Six hosts, one after another; one of them answers `bad` of its requests with errors for a tenth of its history. */
    const six = (points: number, usual: (host: number, at: number) => number, bad?: { at: number; share: number }) =>
      Array.from({ length: 6 }, (_, host) =>
        Array.from({ length: points }, (_, at) => {
          const ill = bad !== undefined && host === 2 && at >= bad.at && at < bad.at + points / 10
          return ill ? bad.share : usual(host, at)
        }),
      ).flat()
    const limit = (values: number[], minRequests = 100) => deriveThresholds(errors, values, { minRequests }).thresholds

    test('the second release of a service without errors has the limit of the first: 1.0 %', () => {
      const first = limit(six(240, () => 0))
      const second = limit(six(240, () => 0, { at: 200, share: 0.08 }))
      expect([first.fail, second.fail]).toEqual([0.01, 0.01])
      expect(second).toEqual(first)
    })

    test('by less than a quarter and one request in `minRequests`, wherever and however badly it failed (property)', () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 20, max: 300 }),
          fc.double({ min: 0, max: 0.1, noNaN: true }),
          fc.double({ min: 0, max: 0.9, noNaN: true }),
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.constantFrom(100, 1000, 10_000),
          fc.integer({ min: 1, max: 1000 }),
          (points, usual, where, share, minRequests, seed) => {
            // Half as much up and down, in no order.
            const noise = (host: number, at: number) => usual * (1 + 0.5 * Math.sin(seed * 7919 + host * 131 + at * 17))
            const calm = limit(six(points, noise), minRequests)
            const troubled = limit(six(points, noise, { at: Math.floor(where * points), share }), minRequests)
            // Rounding to two digits may add a tenth.
            expect(troubled.fail).toBeLessThanOrEqual(1.1 * (1.25 * calm.fail + 1 / minRequests))
            expect(troubled.warn).toBeLessThanOrEqual(1.1 * 1.25 * calm.warn)
          },
        ),
      )
    })

    test('and stay above the errors that are always there, also where a value has few requests (property)', () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 6, max: 500 }),
          fc.integer({ min: 1, max: 1000 }),
          fc.constantFrom(0.02, 0.05),
          (requests, seed, share) => {
            // A fixed sequence of chances: each value is how many of a few requests failed.
            let state = seed * 2_654_435_761
            const chance = () => {
              state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
              return state / 2 ** 32
            }
            const failures = () => Array.from({ length: requests }, chance).filter((each) => each < share).length
            const { warn, fail } = limit(
              six(120, () => failures() / requests),
              10_000,
            )
            expect(fail).toBeGreaterThan(1.25 * share)
            expect(warn).toBeGreaterThan(share)
            expect(fail).toBeLessThan(2.6 * share)
          },
        ),
        { numRuns: 40 },
      )
      expect(limit(six(240, () => 0.02)).fail).toBeGreaterThan(0.02)
    })
  })

  test('too little history gives the floors and says so; NaN is no history', () => {
    for (const history of [[], around(9, enoughHistory - 1), new Array(50).fill(Number.NaN)]) {
      const { thresholds, words, derived } = deriveThresholds(latency, history)
      expect(derived).toBe(false)
      expect(thresholds).toMatchObject(floors.seconds)
      expect(words).toBe('default limits, too little history')
    }
  })

  test('a configured limit is taken as it is, and traffic has none', () => {
    expect(deriveThresholds(memory, around(9e9), { configured: 2e9 })).toEqual({
      thresholds: { warn: 2e9, fail: 2e9, text: ['2GB'] },
      words: 'limit as configured',
      derived: true,
    })
    expect(deriveThresholds({ key: 'traffic', kind: 'per_second', direction: 'both' }, around(9)).thresholds).toEqual({
      warn: 0,
      fail: 0,
      text: [],
    })
  })

  test('a service that uses more gets thresholds at least as high, and all above its median', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(latency, memory, cpu),
        fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: enoughHistory, maxLength: 60 }),
        (metric, values) => {
          const low = deriveThresholds(metric, values).thresholds
          const high = deriveThresholds(
            metric,
            values.map((value) => value * 2),
          ).thresholds
          expect(high.fail).toBeGreaterThanOrEqual(low.fail)
          expect(low.fail).toBeGreaterThanOrEqual(low.warn)
          expect(low.warn).toBeGreaterThanOrEqual(
            [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number,
          )
        },
      ),
    )
  })
})

describe('units', () => {
  test.each<[MetricKind, number, string]>([
    ['ratio', 0.001, '0.1%'],
    ['bytes', 1e9, '1GB'],
    ['bytes', 2.5e12, '2.5TB'],
    ['bytes', 12, '12B'],
    ['seconds', 0.25, '250ms'],
    ['seconds', 3, '3s'],
    ['seconds', 0.00002, '20us'],
    ['seconds', 0, '0us'],
    ['cores', 0.05, '3s'],
    ['per_second', 0.5, '0.5/s'],
  ])('%s %d is printed as %s', (kind, value, text) => expect(formatLimit(kind, value)).toBe(text))

  test('a rounded limit is never lower, at most a tenth higher, and is exactly what its text says', () => {
    const kinds = fc.constantFrom(...metricKind.options)
    fc.assert(
      fc.property(kinds, fc.double({ min: 1e-4, max: 1e13, noNaN: true }), (kind, value) => {
        const limit = roundLimit(kind, value)
        expect(limit).toBeGreaterThanOrEqual(value * (1 - 1e-7))
        expect(limit).toBeLessThanOrEqual(value * 1.1001)
        const read = parse(formatLimit(kind, limit)) * (kind === 'cores' ? 1 / 60 : 1)
        expect(Math.abs(read / limit - 1)).toBeLessThan(1e-5)
      }),
    )
    expect(roundLimit('seconds', 0)).toBe(0)
  })

  test('sentences have spaces and few digits', () => {
    expect([
      say('ratio', 0.0812),
      say('ratio', 0),
      say('ratio', 0.0002),
      say('cores', 0.4),
      say('per_second', 12.34),
    ]).toEqual(['8.1 %', '0.0 %', '0.020 %', '0.40 cores', '12.3 a second'])
    expect([say('bytes', 1.5e9), say('seconds', 0.4123)]).toEqual(['1.5 GB', '412 ms'])
  })
})
