import {
  detectableShift,
  differenceInDifferences,
  MAD_TO_SIGMA,
  mad,
  mannWhitney,
  mean,
  median,
} from '../../lib/statistics.ts'
import { requestsOf, sortHosts } from './hosts.ts'
import type { Comparison, GatePolicy, HostPoints, MetricKey, MetricObservation, Observation } from './schema.ts'
import { say } from './units.ts'
import { type Judged, metricNames, sayGaps } from './why.ts'

// More CPU or memory within its limit is what a new version may cost; slower or wrong answers are not.
const condemnedByComparison: ReadonlySet<MetricKey> = new Set(['error_rate', 'latency'])

interface Compared {
  comparison: Comparison
  smallest: number | undefined
}

/**
 * Judges a metric from its points per host. Fails when the median of an upgraded host is above the limit, unless the waiting
 * hosts or its own past are above it just the same; and, for latency and errors, when upgraded hosts got worse than the
 * waiting ones (or than their own past when none waits) beyond chance, effect size and floor.
 * Higher values on upgraded hosts never turn a fail into anything else.
 */
export function judgePoints(metric: MetricObservation, observation: Observation, policy: GatePolicy): Judged {
  const hosts = sortHosts(metric, policy, true)
  const requests = requestsOf(observation, hosts.upgraded)
  const count = (list: HostPoints[]) => list.reduce((sum, { after }) => sum + after.length, 0)
  const limit = metric.limits.fail
  const base = {
    key: metric.key,
    limit,
    samples: {
      upgraded: count(hosts.upgraded),
      waiting: count(hosts.waiting),
      requests: requests && Math.round(requests),
    },
    query: metric.query,
  }
  const name = metricNames[metric.key]
  if (hosts.upgraded.length === 0) {
    const shared = hosts.gaps.length === 0 ? 'no upgraded host was observed' : undefined
    const why = `${name}: ${shared ?? sayGaps(hosts.gaps)}`
    return { ...base, at: 'inconclusive', why, gaps: hosts.gaps, shared }
  }
  const worst = hosts.upgraded.reduce((high, host) => (level(host.after) > level(high.after) ? host : high))
  const value = level(worst.after)
  const compared = compare(hosts.upgraded, hosts.waiting, metric, policy)
  const comparison = compared?.comparison
  const seen = { ...base, value, comparison, smallestRegression: compared?.smallest }
  const numbers = describe(name, metric, value, worst, hosts.upgraded.length, comparison, base.samples.upgraded)
  const blocked = hosts.gaps.length > 0 ? `${name}: ${sayGaps(hosts.gaps)}` : undefined

  const held = { ...seen, at: 'inconclusive' as const, gaps: hosts.gaps }

  if (metric.direction === 'both')
    return blocked === undefined ? { ...seen, at: 'pass', why: numbers } : { ...held, why: blocked }
  if (metric.key === 'latency' && requests !== undefined && requests < policy.minRequests) {
    const shared = `${Math.round(requests)} of ${policy.minRequests} requests needed on upgraded hosts`
    return { ...seen, at: 'inconclusive', why: `${name}: ${shared}`, shared }
  }
  const worse = comparison?.worse === true
  const over = limit === undefined ? [] : hosts.upgraded.filter(({ after }) => level(after) > limit)
  const excuses = over.map((host) => excuse(host, hosts.waiting, limit as number, worse))
  if (excuses.includes(undefined)) return { ...seen, at: 'fail', why: numbers }
  const surge = comparison?.against === 'before' && metric.key === 'latency' ? surgeOf(observation, hosts.upgraded) : 1
  if (worse && condemnedByComparison.has(metric.key) && surge < policy.surge)
    return { ...seen, at: 'fail', why: numbers }
  if (blocked !== undefined) return { ...held, why: blocked }
  if (hosts.controlLost) return { ...seen, at: 'inconclusive', why: `${numbers}; no waiting host has data` }
  if (excuses[0] !== undefined) return { ...seen, at: 'inconclusive', why: `${numbers}; ${excuses[0]}` }
  if (worse && surge >= policy.surge) {
    const why = `${numbers}; traffic grew ${surge.toFixed(1)} times and no host waits to compare with`
    return { ...seen, at: 'inconclusive', why }
  }
  return { ...seen, at: 'pass', why: numbers + notes(metric, value, worse) }
}

function excuse(host: HostPoints, waiting: HostPoints[], limit: number, worse: boolean): string | undefined {
  if (worse) return undefined
  if (waiting.length > 0 && median(waiting.map(({ after }) => level(after))) > limit)
    return 'the waiting hosts are above it as well, so it is not the release alone'
  return level(host.before) > limit ? `${host.host} was above it before the release` : undefined
}

function notes(metric: MetricObservation, value: number, worse: boolean): string {
  const warn = metric.limits.warn
  if (warn !== undefined && value > warn) return `; above the warning ${say(metric.kind, warn)}`
  return worse ? '; more than before, within its limit' : ''
}

/** How many times more traffic the upgraded hosts have than before; 1 when it is not known. */
function surgeOf(observation: Observation, upgraded: HostPoints[]): number {
  const traffic = observation.metrics.find(({ key }) => key === 'traffic')
  const wanted = new Set(upgraded.map(({ host }) => host))
  const hosts = (traffic?.hosts ?? []).filter(
    ({ host, before, after }) => wanted.has(host) && before.length > 0 && after.length > 0,
  )
  const total = (points: 'before' | 'after') => hosts.reduce((sum, host) => sum + level(host[points]), 0)
  return total('before') > 0 ? total('after') / total('before') : 1
}

/**
 * Samples are first made independent (spaced by the time each one looks back) and, where every host has a past, taken
 * relative to their host's own median before. Then: Mann-Whitney with Cliff's delta over the pooled samples, difference
 * in differences over the hosts' medians. Undefined with fewer than two samples on either side.
 */
function compare(
  upgraded: HostPoints[],
  waiting: HostPoints[],
  metric: MetricObservation,
  policy: GatePolicy,
): Compared | undefined {
  const alpha = policy.alpha / policy.looks
  const against = waiting.length > 0 ? 'waiting' : 'before'
  const thin = (points: [number, number][]) => spaced(points, metric.windowSeconds)
  const past = [...upgraded, ...waiting].every(({ before }) => before.length > 0)
  const own = (host: HostPoints) => (past ? level(host.before) : 0)
  const shifted = (host: HostPoints, points: [number, number][]) => thin(points).map((value) => value - own(host))
  const treated = upgraded.flatMap((host) => shifted(host, host.after))
  const control =
    against === 'waiting'
      ? waiting.flatMap((host) => shifted(host, host.after))
      : upgraded.flatMap((host) => shifted(host, host.before))
  if (treated.length < 2 || control.length < 2 || (against === 'before' && !past)) return undefined

  // Ties are left uncorrected so that a worse value can never raise p.
  const test = mannWhitney(treated, control, { alternative: 'greater', ties: 'ignored' })
  const change = (host: HostPoints) => level(host.after) - own(host)
  const { did, low } = differenceInDifferences(upgraded.map(change), waiting.map(change), alpha)
  const expected = mean(upgraded.map(own)) + (waiting.length === 0 ? 0 : mean(waiting.map(change)))
  const floor = Math.max(policy.floors[metric.kind], policy.minRelative * expected)
  const [n, m] = [treated.length, control.length]
  const shift = detectableShift(MAD_TO_SIGMA * mad(control), n, m, alpha)
  return {
    comparison: {
      against,
      control: mean(
        (against === 'waiting' ? waiting : upgraded).map((host) =>
          level(against === 'waiting' ? host.after : host.before),
        ),
      ),
      treated: mean(upgraded.map(({ after }) => level(after))),
      did,
      relative: expected > 0 ? did / expected : undefined,
      p: test.p,
      effect: test.delta,
      low,
      worse: did >= floor && test.p < alpha && test.delta >= policy.minEffect && (low === undefined || low > 0),
    },
    // Two few samples cannot reach alpha however large the difference: then no size is seen.
    smallest: shift === undefined || !reachable(n, m, alpha) ? undefined : Math.max(shift, floor),
  }
}

/** Whether complete separation of n and m samples would be significant. */
function reachable(n: number, m: number, alpha: number): boolean {
  const ramp = (length: number, from: number) => Array.from({ length }, (_, i) => from + i)
  return mannWhitney(ramp(n, m), ramp(m, 0), { alternative: 'greater', ties: 'ignored' }).p < alpha
}

/** Values at least `seconds` apart, counted back from the last one. */
function spaced(points: readonly [number, number][], seconds: number): number[] {
  const kept: number[] = []
  let next = Number.POSITIVE_INFINITY
  for (const [at, value] of [...points].reverse()) {
    if (at > next + 1e-6) continue
    kept.push(value)
    next = at - seconds
  }
  return kept
}

// A host's median is needed some ten times in one judgement; points are never changed once they are observed.
const levels = new WeakMap<readonly [number, number][], number>()

function level(points: readonly [number, number][]): number {
  const known = levels.get(points)
  if (known !== undefined) return known
  const found = median(points.map(([, value]) => value))
  levels.set(points, found)
  return found
}

function describe(
  name: string,
  { kind, limits }: MetricObservation,
  value: number,
  worst: HostPoints,
  hosts: number,
  comparison: Comparison | undefined,
  samples: number,
): string {
  const where = hosts === 1 ? worst.host : `${worst.host}, the highest of ${hosts} upgraded hosts`
  const before = comparison?.against === 'before' ? 'before' : 'on the others'
  const against = comparison === undefined ? '' : ` against ${say(kind, comparison.control)} ${before}`
  const bound = limits.fail === undefined ? '' : `limit ${say(kind, limits.fail)}, `
  return `${name} ${say(kind, value)} on ${where}${against}; ${bound}${samples} samples`
}
