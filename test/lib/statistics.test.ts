import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  binomialTail,
  hypergeometricTail,
  incompleteBeta,
  lnGamma,
  normalQuantile,
  normalTail,
  studentQuantile,
  studentTail,
} from '../../src/lib/distributions.ts'
import {
  detectableRise,
  detectableShift,
  differenceInDifferences,
  exceedsShare,
  fisherGreater,
  mad,
  mannWhitney,
  mean,
  median,
  overdispersion,
  pool,
  quantile,
  variance,
} from '../../src/lib/statistics.ts'

// Reference values come from SciPy 1.17.1 and statsmodels (functions named at each table) unless another source is given.
const near = (actual: number, expected: number, relative = 1e-9) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.max(1e-300, Math.abs(expected)) + 1e-300)

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true })
const some = fc.array(finite, { minLength: 1, maxLength: 30 })

describe('order statistics', () => {
  const sample = [3, 1, 4, 1, 5, 9, 2, 6]

  test('quantiles agree with numpy.quantile and the MAD with scipy.stats.median_abs_deviation', () => {
    for (const [p, expected] of [
      [0.1, 1],
      [0.25, 1.75],
      [0.5, 3.5],
      [0.9, 6.9],
    ] as const)
      expect(quantile(sample, p)).toBeCloseTo(expected, 12)
    expect(mad(sample)).toBe(2)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
    expect(variance([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(32 / 7, 12)
    expect(variance([3])).toBe(0)
    expect(mean([1, 2, 6])).toBe(3)
  })

  test('a quantile is within the sample, grows with p, and follows shift and scale', () => {
    fc.assert(
      fc.property(
        some,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, p, q) => {
          const [low, high] = [quantile(values, Math.min(p, q)), quantile(values, Math.max(p, q))]
          expect(low).toBeLessThanOrEqual(high + 1e-9)
          expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9)
          expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9)
          expect(median(values.map((value) => 3 * value + 7))).toBeCloseTo(3 * median(values) + 7, 5)
          expect(mad(values.map((value) => 7 - 3 * value))).toBeCloseTo(3 * mad(values), 5)
        },
      ),
    )
  })
})

describe('distributions', () => {
  test.each([
    [0.5, 0.5723649429247004],
    [3.7, 1.4280723266653883],
    [100, 359.1342053695754],
    [1e6, 12815504.569147611],
  ])('ln Gamma(%d) agrees with math.lgamma', (x, expected) => near(lnGamma(x), expected, 1e-12))

  test.each([
    [0, 0.5],
    [0.5, 0.3085375387259869],
    [2.9, 0.0018658133003840375],
    [3.1, 0.0009676032132183563],
    [5, 2.866515718791933e-7],
    [8, 6.22096057427174e-16],
  ])('the normal tail at %d agrees with scipy.stats.norm.sf', (z, expected) => {
    near(normalTail(z), expected, 1e-10)
    near(normalTail(-z), 1 - expected, 1e-12)
  })

  test('normal and Student quantiles agree with printed tables', () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963985, 8)
    expect(normalQuantile(0.01)).toBeCloseTo(-2.326347874, 8)
    for (const [p, freedom, expected] of [
      [0.99, 4, 3.746947387979196],
      [0.975, 1, 12.706204736174694],
      [0.95, 10, 1.8124611228116756],
      [0.99, 30, 2.457261542400591],
    ] as const)
      expect(studentQuantile(p, freedom)).toBeCloseTo(expected, 7)
  })

  test.each([
    [2.5, 4, 0.03338327240599407],
    [-1, 3, 0.8044988905221148],
    [0, 5, 0.5],
    [12, 2, 0.00343646683857923],
  ])('the Student tail at %d with %d degrees agrees with scipy.stats.t.sf', (t, freedom, expected) =>
    near(studentTail(t, freedom), expected),
  )

  test.each([
    [0.3, 2, 5, 0.579825],
    [0.9, 50, 3, 0.09663328513725222],
    [0.5, 0.5, 0.5, 0.5],
    [0, 1, 1, 0],
    [1, 1, 1, 1],
  ])('I_%d(%d, %d) agrees with scipy.stats.beta.cdf', (x, a, b, expected) => near(incompleteBeta(x, a, b), expected))

  test.each([
    [5, 100, 0.01, 0.0034323215877545207],
    [8, 100, 0.01, 8.220204738566533e-6],
    [3, 100, 0.05, 0.8817370188148796],
    [60, 1000, 0.05, 0.08673217838486103],
    [1200, 100000, 0.01, 3.812533101214468e-10],
    [0, 9, 0.5, 1],
    [3, 2, 0.5, 0],
    [1, 5, 0, 0],
    [5, 5, 1, 1],
  ])('P(X >= %d of %d at %d) agrees with scipy.stats.binom.sf', (k, n, p, expected) =>
    near(binomialTail(k, n, p), expected, 1e-8),
  )

  test('the hypergeometric tails cover everything and meet at every point', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.nat(60), fc.nat(60), (marked, rest, drawn, at) => {
        const total = marked + rest
        const n = Math.min(drawn, total)
        const above = hypergeometricTail(at, n, marked, total)
        const below = hypergeometricTail(n - at + 1, n, rest, total)
        expect(above + below).toBeCloseTo(1, 9)
      }),
    )
  })
})

describe('Mann-Whitney U', () => {
  const males = [19, 22, 16, 29, 24]
  const females = [20, 11, 17, 12]

  test('exact p agrees with scipy.stats.mannwhitneyu on the diabetes example of its documentation', () => {
    expect(mannWhitney(males, females)).toMatchObject({ u: 17, method: 'exact', delta: 0.7, a12: 0.85 })
    near(mannWhitney(males, females).p, 1 / 9)
    near(mannWhitney(males, females, { alternative: 'greater' }).p, 1 / 18)
  })

  test('with ties p agrees with scipy.stats.mannwhitneyu(method="asymptotic")', () => {
    const [a, b] = [
      [1, 2, 2, 3, 3, 3, 4, 5, 5, 6],
      [2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 8],
    ]
    expect(mannWhitney(a, b)).toMatchObject({ u: 29, method: 'normal' })
    near(mannWhitney(a, b).p, 0.06912165793359207)
    near(mannWhitney(a, b, { alternative: 'less' }).p, 0.034560828966796034)
    near(mannWhitney(a, b, { alternative: 'greater' }).p, 0.970547594370879)
  })

  test('large samples without ties agree with the asymptotic p of scipy', () => {
    const [a, b] = [Array.from({ length: 30 }, (_, i) => 2 * i), Array.from({ length: 30 }, (_, i) => 2 * i + 11)]
    expect(mannWhitney(a, b).method).toBe('normal')
    near(mannWhitney(a, b).p, 0.027086318388295935)
  })

  test.each([
    [3, 3, 0.1],
    [4, 4, 2 / 70],
    [5, 5, 2 / 252],
  ])('complete separation of %d and %d has the smallest p of the printed table', (m, n, p) => {
    near(
      mannWhitney(
        Array.from({ length: m }, (_, i) => i + 100),
        Array.from({ length: n }, (_, i) => i),
      ).p,
      p,
    )
  })

  test('nothing to compare and nothing but ties are no evidence', () => {
    expect(mannWhitney([], [1])).toMatchObject({ p: 1, delta: 0 })
    expect(mannWhitney([2, 2], [2, 2, 2])).toMatchObject({ p: 1, delta: 0, a12: 0.5 })
    expect(mannWhitney(new Array(30).fill(1), new Array(30).fill(1)).p).toBe(1)
  })

  test('swapping the sides mirrors the answer; order, shift and growing transforms do not change it', () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(values, values, fc.constantFrom('corrected' as const, 'ignored' as const), (a, b, ties) => {
        const one = mannWhitney(a, b, { ties, alternative: 'greater' })
        const other = mannWhitney(b, a, { ties, alternative: 'less' })
        expect(one.p).toBeCloseTo(other.p, 9)
        expect(one.delta).toBeCloseTo(-other.delta, 9)
        expect(mannWhitney([...a].reverse(), b, { ties, alternative: 'greater' })).toEqual(one)
        const cubed = (list: number[]) => list.map((value) => value ** 3 + 5)
        expect(mannWhitney(cubed(a), cubed(b), { ties, alternative: 'greater' })).toEqual(one)
        expect(one.p).toBeGreaterThanOrEqual(0)
        expect(one.p).toBeLessThanOrEqual(1)
        expect(Math.abs(one.delta)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('with the tie correction, raising a value may raise p: why a monotone judge ignores ties', () => {
    const [a, higher, b] = [
      [6, 4, 6, 5, 6, 6],
      [6, 4, 6, 5, 8, 6],
      [3, 4, 1, 4],
    ]
    const p = (values: number[], ties: 'corrected' | 'ignored') =>
      mannWhitney(values, b, { alternative: 'greater', ties }).p
    expect(p(higher, 'corrected')).toBeGreaterThan(p(a, 'corrected'))
    expect(p(higher, 'ignored')).toBe(p(a, 'ignored'))
  })

  test('with ties ignored, raising a value never raises p', () => {
    const values = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(values, values, fc.nat(29), fc.nat(5), (a, b, index, rise) => {
        const worse = a.map((value, i) => (i === index % a.length ? value + rise : value))
        const options = { alternative: 'greater', ties: 'ignored' } as const
        expect(mannWhitney(worse, b, options).p).toBeLessThanOrEqual(mannWhitney(a, b, options).p + 1e-12)
      }),
    )
  })
})

describe('proportions', () => {
  test('no trials say nothing about a proportion', () => {
    expect(fisherGreater({ k: 0, n: 0 }, { k: 1, n: 5 })).toBe(1)
    expect(exceedsShare({ k: 0, n: 0 }, 0.01)).toBe(1)
  })

  test.each([
    [8, 100, 2, 500, 1.5649631381572393e-5],
    [3, 100, 0, 500, 0.004514212650962307],
    [1, 10, 9, 10, 0.9999945874558878],
    [50, 1000, 40, 1000, 0.16584464059121443],
    [5000, 100000, 4800, 100000, 0.019632817803705804],
    [2, 100, 0, 1100, 0.006880733944954129],
  ])('Fisher %d/%d against %d/%d agrees with scipy.stats.fisher_exact(alternative="greater")', (a, n, b, m, p) => {
    near(fisherGreater({ k: a, n }, { k: b, n: m }), p, 1e-6)
  })

  test("Fisher's tea lady: all four cups right has a chance of 1/70", () =>
    near(fisherGreater({ k: 4, n: 4 }, { k: 0, n: 4 }), 1 / 70))

  test('one more event never raises the p of Fisher or of the binomial tail', () => {
    const share = fc.tuple(fc.nat(200), fc.nat(200)).map(([k, rest]) => ({ k, n: k + rest }))
    fc.assert(
      fc.property(share, share, (first, second) => {
        const p = fisherGreater(first, second)
        expect(p).toBeGreaterThanOrEqual(0)
        expect(p).toBeLessThanOrEqual(1)
        if (first.k === first.n) return
        expect(fisherGreater({ k: first.k + 1, n: first.n }, second)).toBeLessThanOrEqual(p + 1e-12)
        expect(exceedsShare({ k: first.k + 1, n: first.n }, 0.05)).toBeLessThanOrEqual(
          exceedsShare(first, 0.05) + 1e-12,
        )
      }),
    )
  })

  test('counts that are not whole are rounded, and never exceed their trials', () => {
    expect(fisherGreater({ k: 3.4, n: 99.8 }, { k: 0, n: 500 })).toBe(fisherGreater({ k: 3, n: 100 }, { k: 0, n: 500 }))
    expect(fisherGreater({ k: 12, n: 10 }, { k: 0, n: 10 })).toBe(fisherGreater({ k: 10, n: 10 }, { k: 0, n: 10 }))
  })

  test('overdispersion is 1 for equal shares and Pearson X^2 / df for unequal ones', () => {
    expect(
      overdispersion([
        [
          { k: 5, n: 100 },
          { k: 5, n: 100 },
        ],
      ]),
    ).toBe(1)
    expect(
      overdispersion([
        [
          { k: 0, n: 100 },
          { k: 0, n: 100 },
        ],
        [{ k: 1, n: 3 }],
      ]),
    ).toBe(1)
    // 2x2 table 20/100 against 5/100: X^2 = 200 (20*95 - 5*80)^2 / (25*175*100*100) = 10.2857 by the textbook formula.
    expect(
      overdispersion([
        [
          { k: 20, n: 100 },
          { k: 5, n: 100 },
        ],
      ]),
    ).toBeCloseTo(10.285714, 5)
    expect(
      pool([
        { k: 3, n: 100 },
        { k: 1, n: 50 },
      ]),
    ).toEqual({ k: 4, n: 150 })
  })
})

describe('difference in differences', () => {
  test('is the treated change beyond the control change, with a Student bound from the control hosts', () => {
    // Control changes 1, 2, 3: mean 2, s = 1; one treated host: se = sqrt(1 + 1/3); t(0.99, 2) = 6.9646 (printed tables).
    const { did, low } = differenceInDifferences([12], [1, 2, 3], 0.01)
    expect(did).toBe(10)
    expect(low).toBeCloseTo(10 - 6.964557 * Math.sqrt(4 / 3), 4)
  })

  test('has no bound with fewer than three control hosts, and is the plain change with none', () => {
    expect(differenceInDifferences([5], [1, 3], 0.01)).toEqual({ did: 3, low: undefined })
    expect(differenceInDifferences([5, 7], [], 0.01)).toEqual({ did: 6, low: undefined })
  })

  test('what happens to both groups cancels out, and a worse treated host never lowers the bound', () => {
    const hosts = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 3, maxLength: 8 })
    fc.assert(
      fc.property(hosts, hosts, fc.integer({ min: -50, max: 50 }), fc.nat(20), (treated, control, surge, rise) => {
        const plain = differenceInDifferences(treated, control, 0.01)
        const surged = differenceInDifferences(
          treated.map((x) => x + surge),
          control.map((x) => x + surge),
          0.01,
        )
        expect(surged.did).toBeCloseTo(plain.did, 8)
        expect(surged.low).toBeCloseTo(plain.low as number, 6)
        const worse = differenceInDifferences(
          treated.map((x, i) => (i === 0 ? x + rise : x)),
          control,
          0.01,
        )
        expect(worse.low).toBeGreaterThanOrEqual((plain.low as number) - 1e-9)
      }),
    )
  })
})

describe('smallest detectable change', () => {
  test('199 per group find 10 % against 20 % (the textbook example, two-sided 5 %, power 80 %)', () => {
    expect(detectableRise(0.1, 199, 199, 0.025)).toBeCloseTo(0.1, 3)
  })

  test('63 per group find half a standard deviation (two-sided 5 %, power 80 %), as statsmodels NormalIndPower says', () => {
    expect(detectableShift(1, 62.79088, 62.79088, 0.025)).toBeCloseTo(0.5, 5)
    expect(detectableShift(1, 50, 100, 0.01)).toBeCloseTo(0.5487084527657752, 6)
  })

  test('more samples see smaller changes; none see nothing', () => {
    expect(detectableRise(0, 0, 100, 0.01)).toBeUndefined()
    expect(detectableShift(1, 0, 10, 0.01)).toBeUndefined()
    expect(detectableRise(0.99, 2, 2, 0.01)).toBeUndefined()
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 5000 }), fc.double({ min: 0, max: 0.2, noNaN: true }), (n, base) => {
        const few = detectableRise(base, n, 5 * n, 0.01) as number
        const many = detectableRise(base, 2 * n, 10 * n, 0.01) as number
        expect(many).toBeLessThan(few)
      }),
    )
  })
})
