import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RankedMetric, type RankInput, rank } from '../../src/incident/rank.ts'

const ONSET = 1000
type Level = (at: number) => number

/** A point every ten seconds from 0 to 1200; a little noise, so that the history has a spread. */
function metric(name: string, level: Level, more: Partial<RankedMetric> = {}): RankedMetric {
  const points = Array.from({ length: 121 }, (_, n): [number, number] => {
    const at = n * 10
    return [at, level(at) * (1 + 0.02 * Math.sin(at))]
  })
  return { name, points, ...more }
}

const step =
  (before: number, after: number): Level =>
  (at) =>
    at >= ONSET ? after : before
const errors = (level: Level) => metric('errors', level, { kind: 'errors', floor: 0.002 })
const latency = (level: Level) => metric('latency', level, { kind: 'latency', floor: 0.005 })
const load = (level: Level) => metric('requests', level, { kind: 'load', floor: 0.1 })
const node = (name: string, ...metrics: RankedMetric[]) => ({ name, metrics })
const names = (input: RankInput) => rank(input).map(({ name }) => name)
const chain = [
  { from: 'web', to: 'shop' },
  { from: 'shop', to: 'store' },
]

describe('rank', () => {
  test('the node that changed comes first, with its numbers', () => {
    const [first, second] = rank({
      onset: ONSET,
      nodes: [
        node(
          'calm',
          errors(() => 0.001),
        ),
        node('bad', errors(step(0.001, 0.08))),
      ],
      calls: [],
    })
    expect(first?.name).toBe('bad')
    expect(first?.reason).toEqual({ at: 'own' })
    const [change] = first?.metrics ?? []
    expect(change).toMatchObject({ metric: 'errors', kind: 'errors', direction: 'up', from: [] })
    expect(change?.before).toBeCloseTo(0.001, 4)
    expect(change?.after).toBeCloseTo(0.08, 2)
    expect(change?.shift).toBeCloseTo(0.079, 2)
    expect(change?.scale).toBe(0.002)
    expect(second).toMatchObject({ name: 'calm', metrics: [], reason: { at: 'calm' } })
  })

  test('of a chain in which all are anomalous, the deepest comes first although the others changed more', () => {
    const ranked = rank({
      onset: ONSET,
      nodes: [
        node('web', errors(step(0.001, 0.3))),
        node('shop', errors(step(0.001, 0.25))),
        node('store', errors(step(0.001, 0.2))),
      ],
      calls: chain,
      target: 'web',
    })
    expect(ranked.map(({ name }) => name)).toEqual(['store', 'web', 'shop'])
    expect(ranked[0]?.reason).toEqual({ at: 'own' })
    expect(ranked[1]?.reason).toEqual({ at: 'explained', by: ['shop'] })
  })

  test('without a call graph the largest change comes first', () => {
    const nodes = [node('web', errors(step(0.001, 0.3))), node('store', errors(step(0.001, 0.2)))]
    expect(names({ onset: ONSET, nodes, calls: [] })).toEqual(['web', 'store'])
    expect(names({ onset: ONSET, nodes, calls: [{ from: 'web', to: 'store' }] })).toEqual(['store', 'web'])
  })

  test('a callee that changed in another way, or far less, explains nothing', () => {
    const nodes = [node('shop', errors(step(0.001, 0.2))), node('store', latency(step(0.05, 0.5)))]
    expect(rank({ onset: ONSET, nodes, calls: chain })[0]).toMatchObject({ name: 'shop', reason: { at: 'own' } })
    const little = [node('shop', errors(step(0.001, 0.2))), node('store', errors(step(0.001, 0.015)))]
    expect(rank({ onset: ONSET, nodes: little, calls: chain })[0]).toMatchObject({
      name: 'shop',
      reason: { at: 'own' },
    })
  })

  test('load comes from callers: of a surge, the node where it enters comes first', () => {
    const nodes = [node('web', load(step(40, 120))), node('shop', load(step(40, 160)))]
    expect(names({ onset: ONSET, nodes, calls: chain })).toEqual(['web', 'shop'])
  })

  test('how a machine is used is never explained by a neighbour', () => {
    const cpu = (level: Level) => metric('cpu', level, { kind: 'use', floor: 0.02 })
    const nodes = [node('shop', cpu(step(0.2, 0.9))), node('store', cpu(step(0.2, 0.85)))]
    expect(names({ onset: ONSET, nodes, calls: chain })).toEqual(['shop', 'store'])
  })

  test('what the alerting node does not depend on is less suspect', () => {
    const nodes = [node('other', errors(step(0.001, 0.1))), node('store', errors(step(0.001, 0.05)))]
    expect(names({ onset: ONSET, nodes, calls: chain })[0]).toBe('other')
    const [first, second] = rank({ onset: ONSET, nodes, calls: chain, target: 'web' })
    expect(first).toMatchObject({ name: 'store', reason: { at: 'own' } })
    expect(second).toMatchObject({ name: 'other', reason: { at: 'elsewhere' } })
  })

  test('changes of the kind that the alert is about weigh more', () => {
    const nodes = [node('a', latency(step(0.05, 0.3))), node('b', errors(step(0.001, 0.05)))]
    expect(names({ onset: ONSET, nodes, calls: [], symptom: 'latency' })[0]).toBe('a')
    expect(names({ onset: ONSET, nodes, calls: [], symptom: 'errors' })[0]).toBe('b')
  })

  test('a fall counts as a rise does', () => {
    const fell = rank({ onset: ONSET, nodes: [node('a', load(step(100, 10)))], calls: [] })[0]
    expect(fell?.metrics[0]).toMatchObject({ direction: 'down' })
    expect(fell?.score).toBeGreaterThan(3)
  })

  test('a constant history does not make a flicker an anomaly', () => {
    const nodes = [
      node('flicker', {
        ...errors(() => 0),
        points: [
          [0, 0],
          [10, 0],
          [20, 0],
          [1000, 0.0015],
          [1010, 0],
        ],
      }),
      node('bad', errors(step(0.01, 0.2))),
    ]
    const ranked = rank({ onset: ONSET, nodes, calls: [] })
    expect(ranked.map(({ name }) => name)).toEqual(['bad', 'flicker'])
    expect(ranked[1]?.reason).toEqual({ at: 'calm' })
  })

  test('what had drifted away before the onset did not begin with it', () => {
    const drifted: Level = (at) => (at >= 600 ? 0.5 : 0.05)
    expect(rank({ onset: ONSET, nodes: [node('a', latency(drifted))], calls: [] })[0]?.reason).toEqual({ at: 'calm' })
    expect(rank({ onset: 600, nodes: [node('a', latency(drifted))], calls: [] })[0]?.reason).toEqual({ at: 'own' })
  })

  test('a brief peak is heard, and so is a history with outliers', () => {
    const peak: Level = (at) => (at === 1100 ? 5 : 0.05)
    const outlier: Level = (at) => (at % 300 === 0 && at < ONSET ? 1 : at >= ONSET ? 0.9 : 0.05)
    const [first, second] = rank({
      onset: ONSET,
      nodes: [node('a', latency(peak)), node('b', latency(outlier))],
      calls: [],
    })
    expect(first?.score).toBeGreaterThan(3)
    expect(second?.score).toBeGreaterThan(3)
  })

  test('a single score can rank alone', () => {
    const peak: Level = (at) => (at === 1100 ? 5 : 0.05)
    const nodes = [node('lasting', latency(step(0.05, 0.1))), node('brief', latency(peak))]
    expect(rank({ onset: ONSET, nodes, calls: [] }, { by: 'shift' })[0]?.name).toBe('lasting')
    expect(rank({ onset: ONSET, nodes, calls: [] }, { by: 'peak' })[0]?.name).toBe('brief')
  })

  test('a node without data, and a cycle of calls, are no trouble', () => {
    const calls = [...chain, { from: 'store', to: 'web' }, { from: 'web', to: 'web' }]
    const nodes = [node('web'), node('shop', errors(step(0.001, 0.1))), node('store', { name: 'errors', points: [] })]
    const ranked = rank({ onset: ONSET, nodes, calls, target: 'web' })
    expect(ranked.map(({ name, score }) => [name, score > 0])).toEqual([
      ['shop', true],
      ['store', false],
      ['web', false],
    ])
    expect(rank({ onset: ONSET, nodes: [], calls: [] })).toEqual([])
  })
})

const value = fc.oneof(
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom(0, 1, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e308, -1e308, 5e-324),
)
const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), value), { maxLength: 30 })
const anyMetric = fc.record(
  {
    name: fc.constantFrom('errors', 'latency', 'requests'),
    points,
    kind: fc.constantFrom('errors' as const, 'latency' as const, 'load' as const, 'use' as const, 'other' as const),
  },
  { requiredKeys: ['name', 'points'] },
)
const name = fc.constantFrom('a', 'b', 'c', 'd')
const anyInput: fc.Arbitrary<RankInput> = fc.record(
  {
    onset: fc.integer({ min: 0, max: 2000 }),
    nodes: fc.uniqueArray(fc.record({ name, metrics: fc.array(anyMetric, { maxLength: 4 }) }), {
      selector: (each) => each.name,
    }),
    calls: fc.array(fc.record({ from: name, to: name }), { maxLength: 8 }),
    target: name,
    symptom: fc.constantFrom('errors' as const, 'latency' as const),
  },
  { requiredKeys: ['onset', 'nodes', 'calls'] },
)

describe('rank, for any input', () => {
  test('every score is finite and not negative, in falling order, one entry a node', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const ranked = rank(input)
        expect(ranked.map((each) => each.name).toSorted()).toEqual(input.nodes.map((each) => each.name).toSorted())
        for (const [n, { score, metrics }] of ranked.entries()) {
          expect(Number.isFinite(score) && score >= 0).toBe(true)
          expect(score).toBeLessThanOrEqual(ranked[n - 1]?.score ?? Number.POSITIVE_INFINITY)
          for (const change of metrics) {
            expect(Object.values(change.scores).every((each) => Number.isFinite(each) && each >= 0)).toBe(true)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('the order of nodes, metrics, points and calls does not matter', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const turned: RankInput = {
          ...input,
          nodes: input.nodes.toReversed().map(({ name: each, metrics }) => ({
            name: each,
            metrics: metrics.toReversed().map((one) => ({ ...one, points: one.points.toReversed() })),
          })),
          calls: input.calls.toReversed(),
        }
        const places = (ranked: ReturnType<typeof rank>) =>
          ranked.map(({ name: each, score, reason }) => ({ each, score, reason }))
        expect(places(rank(turned))).toEqual(places(rank(input)))
      }),
      { numRuns: 3000 },
    )
  })

  test('the unit does not matter', () => {
    const exact = fc.integer({ min: -1000, max: 1000 })
    const whole = fc.array(fc.tuple(fc.integer({ min: 0, max: 2000 }), exact), { maxLength: 30 })
    const nodes = fc.array(fc.record({ points: whole }), { minLength: 1, maxLength: 4 })
    fc.assert(
      // Powers of two, by which no digit is lost.
      fc.property(nodes, fc.integer({ min: -20, max: 20 }), fc.boolean(), (given, power, floored) => {
        const inUnit = (factor: number): RankInput => ({
          onset: ONSET,
          nodes: given.map((each, n) => ({
            name: `n${n}`,
            metrics: [
              {
                name: 'latency',
                points: each.points.map(([at, of]): [number, number] => [at, of * factor]),
                ...(floored ? { floor: 8 * factor } : {}),
              },
            ],
          })),
          calls: [{ from: 'n0', to: 'n1' }],
        })
        const places = (input: RankInput) => rank(input).map(({ name: each, score }) => ({ each, score }))
        expect(places(inUnit(2 ** power))).toEqual(places(inUnit(1)))
      }),
      { numRuns: 3000 },
    )
  })
})
