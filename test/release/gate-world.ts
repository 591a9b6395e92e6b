import type { Group, HostCounts, HostPoints, MetricObservation, Observation, Tally } from '../../src/release/gate.ts'

type Points = [number, number][]

/** Points one second apart that end at `end`. */
export function points(values: readonly number[], end = 1000): Points {
  return values.map((value, i) => [end - values.length + 1 + i, value])
}

export function host(
  name: string,
  group: Group,
  before: readonly number[],
  after: readonly number[],
  rest: Partial<HostPoints> = {},
): HostPoints {
  return { host: name, group, before: points(before, 900), after: points(after), ageSeconds: 1, notNumbers: 0, ...rest }
}

const kinds = { latency: 'seconds', error_rate: 'ratio', cpu: 'cores', memory: 'bytes', traffic: 'per_second' } as const

export function metric(
  key: MetricObservation['key'],
  hosts: HostPoints[],
  rest: Partial<MetricObservation> = {},
): MetricObservation {
  return {
    key,
    name: key,
    kind: kinds[key],
    direction: key === 'traffic' ? 'both' : 'up-is-bad',
    limits: {},
    query: `${key}_query`,
    windowSeconds: 1,
    scrapeSeconds: 1,
    hosts,
    ...rest,
  }
}

export function counted(
  name: string,
  group: Group,
  before: [number, number] | undefined,
  after: [number, number] | undefined,
): HostCounts {
  const tally = (pair: [number, number] | undefined): Tally | undefined =>
    pair && { errors: pair[0], requests: pair[1] }
  return { host: name, group, before: tally(before), after: tally(after) }
}

export function observe(metrics: MetricObservation[], counts?: HostCounts[]): Observation {
  return {
    at: 1000,
    before: { from: 800, to: 900 },
    after: { from: 988, to: 1000 },
    metrics,
    counts: counts && { hosts: counts, queries: ['requests_query'] },
  }
}

/** Error shares from counts alone: `[errors, requests]` before and after, per host. */
export function errors(
  counts: HostCounts[],
  limit: number | undefined = 0.01,
  rest: Partial<MetricObservation> = {},
): Observation {
  const hosts = counts.map(({ host: name, group }) => host(name, group, [], []))
  return observe([metric('error_rate', hosts, { limits: { fail: limit }, ...rest })], counts)
}

/** Small seeded generator (mulberry32); uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

export function binomial(random: () => number, n: number, p: number): number {
  let k = 0
  for (let i = 0; i < n; i++) if (random() < p) k++
  return k
}
