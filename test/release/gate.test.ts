import { describe, expect, test } from 'vitest'
import {
  gatePolicySchema,
  judge,
  type MetricVerdict,
  type Observation,
  replay,
  verdictSchema,
} from '../../src/release/gate.ts'
import { counted, errors, host, metric, observe, points } from './gate-world.ts'

const policy = gatePolicySchema.parse({})
const anyMetric = gatePolicySchema.parse({ required: [] })
const flat = (value: number, n = 12) => Array.from({ length: n }, (_, i) => value * (1 + ((i * 7) % 5) / 100))
const only = (observation: Observation, rules = anyMetric): MetricVerdict =>
  judge(observation, rules).metrics[0] as MetricVerdict
const waiting = (pair: [number, number] = [0, 200]) =>
  ['b', 'c', 'd'].map((name) => counted(name, 'waiting', pair, pair))

describe('error rate', () => {
  test('8 % errors on the upgraded host fail, with value, limit, samples and both groups in the sentence', () => {
    const verdict = judge(errors([counted('a', 'upgraded', [0, 400], [33, 412]), ...waiting()]), policy)
    expect(verdict.at).toBe('fail')
    expect(verdict.why).toBe(
      'error rate 8.0 % on upgraded hosts against 0.0 % on the others; limit 1.0 %, 412 requests',
    )
    expect(verdict.metrics[0]).toMatchObject({
      value: 33 / 412,
      limit: 0.01,
      samples: { upgraded: 1, waiting: 3, requests: 412 },
    })
    expect(verdict.metrics[0]?.comparison).toMatchObject({
      against: 'waiting',
      control: 0,
      treated: 33 / 412,
      worse: true,
    })
  })

  test('no errors pass and say what would have been seen', () => {
    const found = only(errors([counted('a', 'upgraded', [0, 400], [0, 412]), ...waiting()]))
    expect(found.at).toBe('pass')
    expect(found.smallestRegression).toBeGreaterThanOrEqual(0.005)
    expect(found.smallestRegression).toBeLessThan(0.05)
  })

  test('new errors from a zero baseline above the floor fail, below the limit as well', () => {
    const world = (k: number) => errors([counted('a', 'upgraded', [0, 200], [k, 400]), ...waiting([0, 60])], 0.05)
    expect(only(world(3)).at).toBe('fail')
    expect(only(world(2)).at).toBe('pass')
    expect(only(errors([counted('a', 'upgraded', [0, 200], [3, 800]), ...waiting([0, 60])], 0.05)).at).toBe('pass')
  })

  test('a zero baseline of hardly any requests is none: only the limit speaks', () => {
    const found = only(
      errors([counted('a', 'upgraded', undefined, [4, 200]), counted('b', 'waiting', undefined, [0, 20])], 0.05),
    )
    expect(found.at).toBe('pass')
  })

  test('too few requests are inconclusive however bad they look', () => {
    const found = only(errors([counted('a', 'upgraded', [0, 400], [50, 99]), ...waiting()]))
    expect(found).toMatchObject({ at: 'inconclusive', why: 'error rate: 99 of 100 requests needed on upgraded hosts' })
    const nothing = only(errors([counted('a', 'upgraded', [0, 400], undefined), ...waiting()]), {
      ...anyMetric,
      minRequests: 0,
    })
    expect(nothing.at).toBe('inconclusive')
  })

  test('an outage that hits waiting hosts alike is not blamed on the release', () => {
    const found = only(
      errors([
        counted('a', 'upgraded', [0, 400], [40, 400]),
        ...[1, 2, 3].map((n) => counted(`w${n}`, 'waiting', [0, 400], [42, 400])),
      ]),
    )
    expect(found.at).toBe('inconclusive')
    expect(found.why).toContain('the waiting hosts are above it as well, so it is not the release alone')
  })

  test('an outage that hits both is no excuse for an upgraded host that is far worse', () => {
    const found = only(
      errors([
        counted('a', 'upgraded', [0, 400], [200, 400]),
        ...[1, 2, 3].map((n) => counted(`w${n}`, 'waiting', [0, 400], [40, 400])),
      ]),
    )
    expect(found.at).toBe('fail')
  })

  test('hosts that were above the limit before are not blamed for still being so', () => {
    const found = only(errors([counted('a', 'upgraded', [40, 400], [40, 400]), ...waiting()]))
    expect(found.at).toBe('inconclusive')
    expect(found.why).toContain('were above it before the release')
  })

  test('a host that was always worse than the others is judged by its change', () => {
    const world = (k: number) => errors([counted('a', 'upgraded', [30, 1000], [k, 1000]), ...waiting([2, 1000])], 0.2)
    expect(only(world(32)).at).toBe('pass')
    expect(only(world(90)).at).toBe('fail')
  })

  test('a host whose few past errors were chance is not condemned for the same again', () => {
    const world = (k: number) => errors([counted('a', 'upgraded', [3, 100], [k, 100]), ...waiting([0, 400])], 0.5)
    expect(only(world(6)).comparison?.p).toBeLessThan(0.01)
    expect(only(world(6)).at).toBe('pass')
    expect(only(world(20)).at).toBe('fail')
  })

  test('the calm past does not convict a host in trouble that the waiting hosts share', () => {
    const shared = (k: number) =>
      errors([counted('a', 'upgraded', [0, 500], [6, 100]), counted('b', 'waiting', [1, 2500], [k, 500])], 0.5)
    expect(only(shared(15)).at).toBe('pass')
    expect(only(shared(1)).at).toBe('fail')
  })

  test('one of many hosts needs more than one chance in a hundred to be condemned alone', () => {
    const world = (k: number) => {
      const good = Array.from({ length: 9 }, (_, i) => counted(`g${i}`, 'upgraded', [1, 200], [0, 100]))
      return errors([
        ...good,
        counted('odd', 'upgraded', [1, 200], [k, 100]),
        counted('b', 'waiting', [10, 2000], [5, 1000]),
      ])
    }
    expect(only(world(5)).at).toBe('pass')
    expect(only(world(7)).at).toBe('fail')
  })

  test('a bad host is found where too many good ones hide it in the sum', () => {
    const good = Array.from({ length: 30 }, (_, i) => counted(`g${i}`, 'upgraded', [3, 300], [3, 300]))
    const world = (k: number) =>
      only(errors([...good, counted('bad', 'upgraded', [3, 300], [k, 300]), ...waiting([3, 300])], 0.03))
    expect(world(30)).toMatchObject({ at: 'fail', comparison: { worse: false } })
    expect(world(3).at).toBe('pass')
  })

  test('when all are upgraded, their own past is the measure', () => {
    const world = (k: number) =>
      errors(
        ['a', 'b'].map((name) => counted(name, 'upgraded', [4, 1000], [k, 1000])),
        0.5,
      )
    expect(only(world(5)).at).toBe('pass')
    expect(only(world(40))).toMatchObject({ at: 'fail', comparison: { against: 'before' } })
    expect(only(world(40)).why).toContain('against 0.4 % before')
  })

  test('without waiting hosts and without a past only the limit speaks', () => {
    const world = (k: number) => errors([counted('a', 'upgraded', undefined, [k, 400])])
    expect(only(world(40))).toMatchObject({ at: 'fail', comparison: undefined })
    expect(only(world(0))).toMatchObject({ at: 'pass', smallestRegression: undefined })
    expect(only(errors([counted('a', 'upgraded', undefined, [40, 400])], undefined, { limits: {} })).at).toBe('pass')
  })

  test('one bad host among many good upgraded ones fails', () => {
    const good = Array.from({ length: 9 }, (_, i) => counted(`g${i}`, 'upgraded', [3, 300], [3, 300]))
    const found = only(errors([...good, counted('bad', 'upgraded', [3, 300], [24, 300]), ...waiting([3, 300])], 0.03))
    expect(found.at).toBe('fail')
  })

  test('a share above the limit that chance could explain holds', () => {
    const found = only(
      errors([counted('a', 'upgraded', [1, 100], [2, 100]), counted('b', 'waiting', [1, 100], [1, 100])]),
    )
    expect(found.at).toBe('inconclusive')
    expect(found.why).toContain('too few to tell from chance')
  })

  test('errors that come in bursts on the waiting hosts weaken the evidence', () => {
    const bursts = [0, 24, 0, 12].map((k, i) => counted(`w${i}`, 'waiting', [12 - k / 2, 400], [k, 400]))
    const even = [9, 9, 9, 9].map((k, i) => counted(`w${i}`, 'waiting', [9, 400], [k, 400]))
    const p = (others: typeof bursts) =>
      only(errors([counted('a', 'upgraded', [9, 400], [20, 400]), ...others], 0.5)).comparison?.p ?? 0
    expect(p(bursts)).toBeGreaterThan(10 * p(even))
  })

  test('a warning level is named and passes', () => {
    const world = errors([counted('a', 'upgraded', [7, 1000], [8, 1000]), ...waiting([7, 1000])], 0.02, {
      limits: { warn: 0.005, fail: 0.02 },
    })
    expect(only(world)).toMatchObject({ at: 'pass' })
    expect(only(world).why).toContain('above the warning 0.5 %')
  })

  test('an upgraded host without fresh data holds, but does not hide that the others fail', () => {
    const world = (k: number) => {
      const observation = errors([
        counted('a', 'upgraded', [0, 400], [k, 400]),
        counted('z', 'upgraded', [0, 400], undefined),
        ...waiting(),
      ])
      const silent = observation.metrics[0]?.hosts.find(({ host }) => host === 'z')
      if (silent !== undefined) silent.ageSeconds = 40
      return observation
    }
    expect(only(world(0))).toMatchObject({ at: 'inconclusive', why: 'error rate: z has no fresh data (40 s old)' })
    expect(only(world(40)).at).toBe('fail')
  })

  test('waiting hosts that all fell silent leave nothing to compare with: inconclusive', () => {
    const observation = errors([counted('a', 'upgraded', [0, 400], [0, 400]), ...waiting()])
    for (const each of observation.metrics[0]?.hosts ?? []) if (each.group === 'waiting') each.ageSeconds = undefined
    expect(only(observation)).toMatchObject({ at: 'inconclusive' })
    expect(only(observation).why).toContain('no waiting host has data')
  })

  test('without a request counter errors per second are judged by their points', () => {
    const world = (rate: number) =>
      observe([
        metric(
          'error_rate',
          [
            host('a', 'upgraded', flat(0.2), flat(rate)),
            ...['b', 'c', 'd'].map((name) => host(name, 'waiting', flat(0.2), flat(0.2))),
          ],
          { kind: 'per_second', limits: { fail: 9 } },
        ),
      ])
    expect(only(world(0.2)).at).toBe('pass')
    expect(only(world(3)).at).toBe('fail')
  })
})

describe('latency', () => {
  const others = (value = 0.08) => ['b', 'c', 'd'].map((name) => host(name, 'waiting', flat(0.08), flat(value)))
  const world = (
    value: number,
    rest: Parameters<typeof metric>[2] = { limits: { warn: 0.2, fail: 0.25 } },
    control = others(),
  ) => observe([metric('latency', [host('a', 'upgraded', flat(0.08), flat(value)), ...control], rest)])

  test('above its limit fails with the numbers', () => {
    expect(only(world(0.4)).at).toBe('fail')
    expect(only(world(0.4)).why).toBe('latency 408 ms on a against 81.6 ms on the others; limit 250 ms, 12 samples')
  })

  test('worse than the waiting hosts fails within the limit; a little worse passes', () => {
    expect(only(world(0.16))).toMatchObject({ at: 'fail', comparison: { worse: true, effect: 1 } })
    expect(only(world(0.085)).at).toBe('pass')
    expect(only(world(0.16)).comparison?.relative).toBeCloseTo(1, 1)
  })

  test('a surge that slows both groups alike is no fail', () => {
    expect(only(world(0.16, { limits: { fail: 0.25 } }, others(0.16))).at).toBe('pass')
  })

  test('above the limit together with the waiting hosts is inconclusive', () => {
    const found = only(world(0.4, { limits: { fail: 0.25 } }, others(0.4)))
    expect(found.at).toBe('inconclusive')
    expect(found.why).toContain('not the release alone')
  })

  test('a host that was above the limit before is inconclusive', () => {
    const slow = observe([
      metric('latency', [host('a', 'upgraded', flat(0.4), flat(0.4)), ...others()], { limits: { fail: 0.25 } }),
    ])
    expect(only(slow).why).toContain('a was above it before the release')
  })

  test('above the warning passes with a note', () => {
    expect(only(world(0.085, { limits: { warn: 0.05, fail: 0.25 } })).why).toContain('above the warning 50 ms')
  })

  test('against its own past it fails, unless traffic grew meanwhile', () => {
    const all = (traffic: number) =>
      observe([
        metric(
          'latency',
          ['a', 'b'].map((name) => host(name, 'upgraded', flat(0.08), flat(0.16))),
          { limits: { fail: 0.25 } },
        ),
        metric(
          'traffic',
          ['a', 'b'].map((name) => host(name, 'upgraded', flat(10), flat(traffic))),
        ),
      ])
    expect(only(all(10))).toMatchObject({ at: 'fail', comparison: { against: 'before' } })
    expect(only(all(18)).at).toBe('inconclusive')
    expect(only(all(18)).why).toContain('traffic grew 1.8 times')
    expect(judge(all(18), anyMetric).metrics[1]?.at).toBe('pass')
    const unknown = observe([metric('latency', [host('a', 'upgraded', flat(0.08), flat(0.16))], { limits: {} })])
    expect(only(unknown).at).toBe('fail')
  })

  test('too few requests behind it are inconclusive', () => {
    const observation = {
      ...world(0.4),
      counts: { hosts: [counted('a', 'upgraded', undefined, [0, 30])], queries: [] },
    }
    expect(only(observation)).toMatchObject({
      at: 'inconclusive',
      why: 'latency: 30 of 100 requests needed on upgraded hosts',
    })
  })

  test('with a window too short to compare it is judged by its limit and says no smallest regression', () => {
    const short = (value: number) =>
      observe([
        metric('latency', [host('a', 'upgraded', flat(0.08), flat(value, 6)), ...others()], {
          windowSeconds: 8,
          limits: { fail: 0.25 },
        }),
      ])
    expect(only(short(0.16))).toMatchObject({ at: 'pass', smallestRegression: undefined })
    expect(only(short(0.4)).at).toBe('fail')
    const two = observe([
      metric(
        'latency',
        [host('a', 'upgraded', flat(0.08), flat(0.16, 8)), host('b', 'waiting', flat(0.08), flat(0.08, 8))],
        { windowSeconds: 4, limits: { fail: 0.25 } },
      ),
    ])
    expect(only(two).comparison?.p).toBeGreaterThan(0.01)
    expect(only(two)).toMatchObject({ at: 'pass', smallestRegression: undefined })
  })

  test('hosts that differ by nature are compared by their change', () => {
    const slow = observe([
      metric('latency', [host('a', 'upgraded', flat(0.2), flat(0.2)), ...others()], { limits: { fail: 0.5 } }),
    ])
    expect(only(slow).at).toBe('pass')
  })

  test('without any past the levels themselves are compared', () => {
    const fresh = (value: number) =>
      observe([
        metric(
          'latency',
          [
            host('a', 'upgraded', [], flat(value)),
            ...['b', 'c', 'd'].map((name) => host(name, 'waiting', [], flat(0.08))),
          ],
          { limits: { fail: 0.5 } },
        ),
      ])
    expect(only(fresh(0.2)).at).toBe('fail')
    expect(only(fresh(0.08)).at).toBe('pass')
  })

  test('a higher sample that breaks a tie does not weaken the evidence', () => {
    const p = (values: number[]) =>
      only(
        observe([
          metric('latency', [host('a', 'upgraded', [], values), host('b', 'waiting', [], [0.3, 0.4, 0.1, 0.4])], {
            limits: { fail: 5 },
          }),
        ]),
        { ...anyMetric, minSamples: 4 },
      ).comparison?.p as number
    expect(p([0.6, 0.4, 0.6, 0.5, 0.8, 0.6])).toBeLessThanOrEqual(p([0.6, 0.4, 0.6, 0.5, 0.6, 0.6]))
  })

  test('a difference that is certain but small in effect is none', () => {
    const mixed = (high: number) => Array.from({ length: 200 }, (_, i) => ((i * 37) % 100 < high ? 0.2 : 0.05))
    const pair = (high: number) =>
      observe([
        metric('latency', [host('a', 'upgraded', mixed(40), mixed(high)), host('b', 'waiting', mixed(40), mixed(40))], {
          limits: { fail: 0.5 },
        }),
      ])
    expect(only(pair(60)).comparison?.p).toBeLessThan(0.01)
    expect(only(pair(60)).comparison?.effect).toBeCloseTo(0.2, 1)
    expect(only(pair(60)).at).toBe('pass')
    expect(only(pair(100)).at).toBe('fail')
  })

  test('a change within the spread of the waiting hosts is none, however clear it looks', () => {
    const spread = [-0.06, 0.06, -0.06, 0.06].map((by, i) => host(`w${i}`, 'waiting', flat(0.08), flat(0.08 + by)))
    const found = only(world(0.16, { limits: { fail: 0.5 } }, spread))
    expect(found.comparison).toMatchObject({ effect: 1, worse: false })
    expect(found.comparison?.low).toBeLessThan(0)
    expect(found.at).toBe('pass')
  })

  test('control hosts that wander as much as the upgraded one excuse it', () => {
    const wild = ['b', 'c', 'd', 'e'].map((name, i) => host(name, 'waiting', flat(0.08), flat(0.08 + (i % 2) * 0.09)))
    expect(only(world(0.16, { limits: { fail: 0.5 } }, wild)).at).toBe('pass')
  })
})

describe('CPU, memory and traffic', () => {
  test('a rise of CPU within its limit is noted and passes; above the limit it fails', () => {
    const world = (value: number) =>
      observe([
        metric(
          'cpu',
          [
            host('a', 'upgraded', flat(0.1), flat(value)),
            ...['b', 'c', 'd'].map((name) => host(name, 'waiting', flat(0.1), flat(0.1))),
          ],
          { limits: { warn: 0.4, fail: 0.5 } },
        ),
      ])
    expect(only(world(0.3))).toMatchObject({ at: 'pass', comparison: { worse: true } })
    expect(only(world(0.3)).why).toContain('more than before, within its limit')
    expect(only(world(0.6)).at).toBe('fail')
    expect(only(world(0.6)).why).toContain('CPU 0.61 cores on a against 0.10 cores on the others; limit 0.50 cores')
  })

  test('waiting hosts above the limit do not excuse one that is far above it', () => {
    const world = (value: number) =>
      observe([
        metric(
          'cpu',
          [
            host('a', 'upgraded', flat(0.1), flat(value)),
            ...['b', 'c', 'd'].map((name) => host(name, 'waiting', flat(0.1), flat(0.6))),
          ],
          { limits: { fail: 0.5 } },
        ),
      ])
    expect(only(world(0.6)).at).toBe('inconclusive')
    expect(only(world(1.2)).at).toBe('fail')
  })

  test('memory is judged by the highest upgraded host', () => {
    const found = only(
      observe([
        metric('memory', [host('a', 'upgraded', flat(1e8), flat(1e8)), host('b', 'upgraded', flat(1e8), flat(2e9))], {
          limits: { fail: 1e9 },
        }),
      ]),
    )
    expect(found).toMatchObject({ at: 'fail' })
    expect(found.why).toContain('memory 2.04 GB on b, the highest of 2 upgraded hosts')
  })

  test('traffic is shown and never judged, but silence of it is', () => {
    expect(only(observe([metric('traffic', [host('a', 'upgraded', flat(10), flat(90))])])).at).toBe('pass')
    expect(
      only(
        observe([
          metric('traffic', [
            host('a', 'upgraded', flat(10), flat(90)),
            host('z', 'upgraded', [], [], { ageSeconds: undefined }),
          ]),
        ]),
      ).at,
    ).toBe('inconclusive')
  })
})

describe('no data', () => {
  const cases: [string, Parameters<typeof host>[4], number[], string][] = [
    ['no series at all', { ageSeconds: undefined }, [], 'latency: a has no series'],
    ['a series that ended', { ageSeconds: undefined }, flat(0.1), 'latency: a has no current data'],
    ['a stale series', { ageSeconds: 300 }, flat(0.1), 'latency: a has no fresh data (300 s old)'],
    ['NaN only', { notNumbers: 12 }, [], 'latency: a gives only NaN'],
    ['too few samples', {}, flat(0.1, 3), 'latency: a has 3 of 5 samples needed'],
  ]
  test.each(cases)('%s is inconclusive and says which host', (_, rest, after, why) => {
    const verdict = judge(
      observe([metric('latency', [host('a', 'upgraded', [], after, rest)], { limits: { fail: 0.01 } })]),
      anyMetric,
    )
    expect(verdict).toMatchObject({ at: 'inconclusive', why })
  })

  const unread = { ageSeconds: undefined }
  const fleet = (count: number, rest: Parameters<typeof host>[4]) =>
    Array.from({ length: count }, (_, i) => host(`h-${i + 1}`, 'upgraded', [], [], rest))
  const metrics = (hosts: Parameters<typeof metric>[1]) =>
    (['cpu', 'memory', 'latency', 'traffic'] as const).map((key) => metric(key, hosts))

  test('a reason that all metrics share is said once, of no metric, with the first five hosts', () => {
    expect(judge(observe(metrics(fleet(1, unread))), anyMetric).why).toBe('no metric can be judged: h-1 has no series')
    const many = judge(observe(metrics(fleet(50, unread))), anyMetric)
    expect(many.why).toBe('no metric can be judged: h-1, h-2, h-3, h-4, h-5 and 45 more have no series')
    expect(many.metrics[0]?.why).toBe('CPU: h-1, h-2, h-3, h-4, h-5 and 45 more have no series')
  })

  test('a reason of some metrics names them, and only what they share is put together', () => {
    const short = metric('cpu', [
      host('a', 'upgraded', [], flat(0.1, 1)),
      host('b', 'upgraded', [], flat(0.1, 3)),
      host('c', 'upgraded', [], [], { notNumbers: 4 }),
    ])
    const silent = (key: 'memory' | 'latency', ageSeconds: number) =>
      metric(key, [host('a', 'upgraded', [], flat(0.1), { ageSeconds })])
    const good = metric('traffic', [host('a', 'upgraded', flat(9), flat(9))])
    expect(judge(observe([short, silent('memory', 40), silent('latency', 41), good]), anyMetric).why).toBe(
      'CPU: a, b have 1 to 3 of 5 samples needed; CPU: c gives only NaN; memory, latency: a has no fresh data (41 s old)',
    )
    const ages = metric('latency', [
      host('a', 'upgraded', [], flat(0.1), { ageSeconds: 40 }),
      host('b', 'upgraded', [], flat(0.1), { ageSeconds: 90 }),
    ])
    expect(judge(observe([ages]), anyMetric).why).toBe('latency: a, b have no fresh data (up to 90 s old)')
    const elsewhere = metric('memory', [host('z', 'upgraded', [], [], unread)])
    expect(judge(observe([metric('cpu', [host('a', 'upgraded', [], [], unread)]), elsewhere]), anyMetric).why).toBe(
      'CPU: a has no series; memory: z has no series',
    )
  })

  test('requests that are missing are said once for error rate and latency, and not at all where no host has data', () => {
    const few = errors([counted('a', 'upgraded', [0, 400], [0, 30])])
    const both = { ...few, metrics: [...few.metrics, metric('latency', [host('a', 'upgraded', [], flat(0.1))])] }
    const seen = { ...both, metrics: [...both.metrics, metric('cpu', [host('a', 'upgraded', [], flat(0.1))])] }
    expect(judge(seen, anyMetric).why).toBe('error rate, latency: 30 of 100 requests needed on upgraded hosts')
    const gone = errors([counted('a', 'upgraded', [0, 400], undefined)])
    for (const each of gone.metrics[0]?.hosts ?? []) each.ageSeconds = undefined
    expect(judge(gone, anyMetric).why).toBe('error rate: a has no series')
  })

  test('a database that does not answer is said once, though each query met another second of it', () => {
    const broken = (['cpu', 'memory', 'latency'] as const).map((key, i) =>
      metric(key, [], { fault: { code: 'metrics.clock', say: `the clock is ${7200 + i} s ahead` } }),
    )
    expect(judge(observe(broken), anyMetric).why).toBe(
      'no metric can be judged: the query was not answered (the clock is 7200 s ahead)',
    )
  })

  test('a reason is at most 400 characters and says where the rest stands', () => {
    const broken = (['cpu', 'memory', 'latency'] as const).map((key) =>
      metric(key, [], { fault: { code: 'metrics.refused', say: `${key} ${'x'.repeat(300)}` } }),
    )
    const { why } = judge(observe(broken), anyMetric)
    expect(why.length).toBeLessThanOrEqual(400)
    expect(why).toMatch(/^CPU: .*… \(\/status R-n shows every metric\)$/)
  })

  test('nobody upgraded, no metric, and no required metric are inconclusive', () => {
    expect(judge(observe([metric('latency', [])]), anyMetric)).toMatchObject({
      at: 'inconclusive',
      why: 'latency: no upgraded host was observed',
    })
    expect(judge(observe([]), anyMetric)).toMatchObject({
      at: 'inconclusive',
      why: expect.stringMatching(/^no metric is watched/),
    })
    const cpuOnly = observe([metric('cpu', [host('a', 'upgraded', flat(0.1), flat(0.1))])])
    expect(judge(cpuOnly, policy)).toMatchObject({
      at: 'inconclusive',
      why: 'nothing measures the error rate of this service',
    })
    expect(judge(cpuOnly, anyMetric)).toMatchObject({
      at: 'pass',
      why: '1 metric is within its limit on 1 upgraded host',
    })
  })

  test('no waiting host has data: latency is inconclusive', () => {
    const lost = observe([
      metric('latency', [
        host('a', 'upgraded', flat(0.1), flat(0.1)),
        host('b', 'waiting', [], [], { ageSeconds: undefined }),
      ]),
    ])
    expect(only(lost).why).toContain('no waiting host has data')
  })

  test('the freshness limit follows the scrape interval and can be set', () => {
    const aged = (ageSeconds: number, scrapeSeconds: number) =>
      observe([metric('latency', [host('a', 'upgraded', flat(0.1), flat(0.1), { ageSeconds })], { scrapeSeconds })])
    expect(only(aged(40, 15)).at).toBe('pass')
    expect(only(aged(40, 1)).at).toBe('inconclusive')
    expect(only(aged(40, 1), { ...anyMetric, freshSeconds: 60 }).at).toBe('pass')
  })

  test('a query that was not answered is an error, for the counts as well', () => {
    const fault = { code: 'metrics.refused', say: 'parse error' }
    const broken = metric('latency', [host('a', 'upgraded', [], [])], { fault })
    expect(judge(observe([broken]), anyMetric)).toMatchObject({
      at: 'error',
      why: 'latency: the query was not answered (parse error)',
    })
    const counts = errors([counted('a', 'upgraded', [0, 400], [0, 400])])
    expect(judge({ ...counts, counts: { hosts: [], queries: [], fault } }, policy).at).toBe('error')
  })
})

describe('the verdict of all metrics', () => {
  const good = metric('cpu', [host('a', 'upgraded', flat(0.1), flat(0.1))], { limits: { fail: 1 } })
  const failing = metric('memory', [host('a', 'upgraded', flat(1e8), flat(2e9))], { limits: { fail: 1e9 } })
  const silent = metric('latency', [host('a', 'upgraded', [], [], { ageSeconds: undefined })])
  const faulty = metric('latency', [], { fault: { code: 'x', say: 'y' } })

  test('any fail wins, then error, then inconclusive, then pass', () => {
    expect(judge(observe([good, silent, faulty, failing]), anyMetric).at).toBe('fail')
    expect(judge(observe([good, silent, faulty]), anyMetric).at).toBe('error')
    expect(judge(observe([good, silent]), anyMetric).at).toBe('inconclusive')
    expect(judge(observe([good]), anyMetric).at).toBe('pass')
    expect(judge(observe([good, failing]), policy).at).toBe('fail')
  })

  test('each look of several has a smaller alpha', () => {
    const world = errors([counted('a', 'upgraded', [4, 400], [14, 400]), ...waiting([4, 400])], 0.5)
    expect(only(world).at).toBe('fail')
    expect(only(world, { ...anyMetric, looks: 1000 }).at).toBe('pass')
  })

  test('is plain JSON that its schema accepts, and a stored observation gives it again', () => {
    const observation = errors([counted('a', 'upgraded', [0, 400], [33, 412]), ...waiting()])
    const verdict = judge(observation, policy)
    const stored = JSON.parse(JSON.stringify({ observation, policy, verdict }))
    expect(verdictSchema.parse(stored.verdict)).toEqual(stored.verdict)
    expect(JSON.parse(JSON.stringify(replay({ observation: stored.observation, policy: stored.policy })))).toEqual(
      stored.verdict,
    )
    expect(() => replay({ observation: {} })).toThrow()
    expect(verdict.hosts).toEqual({ upgraded: ['a'], waiting: ['b', 'c', 'd'] })
    expect(verdict.metrics[0]?.query).toBe('error_rate_query')
  })

  test('samples that are not numbers are left out', () => {
    const after = [...points(flat(0.1)), [1001, Number.NaN], [1002, Number.POSITIVE_INFINITY]] as [number, number][]
    const odd = metric('latency', [host('a', 'upgraded', flat(0.1), [], { after })], { limits: { fail: 0.2 } })
    expect(only(observe([odd]))).toMatchObject({ at: 'pass', samples: { upgraded: 12 } })
  })
})
