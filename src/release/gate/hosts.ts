import { pool } from '../../lib/statistics.ts'
import type { GatePolicy, Group, HostCounts, HostPoints, MetricObservation, Observation, Tally } from './schema.ts'
import type { Gap } from './why.ts'

/** What the hosts of one metric have to say. */
export interface Hosts {
  upgraded: HostPoints[]
  waiting: HostPoints[]
  /** Why some upgraded hosts cannot be judged; empty when all can. */
  gaps: Gap[]
  /** There are waiting hosts, but none of them has data. */
  controlLost: boolean
}

/**
 * Sorts the hosts of a metric into those that can be judged and those that cannot. A waiting host without data is left out;
 * an upgraded one without data is a gap, because nothing is known about it.
 * `needPoints` is false where counts are judged: then a host only has to be fresh.
 */
export function sortHosts(metric: MetricObservation, policy: GatePolicy, needPoints: boolean): Hosts {
  const known = metric.hosts.map((host) => ({ ...host, before: numbers(host.before), after: numbers(host.after) }))
  const judged = known.map((host) => ({ host, gap: gapOf(host, metric, policy, needPoints) }))
  const of = (group: Group) => judged.filter(({ host }) => host.group === group)
  const usable = (group: Group) => of(group).flatMap(({ host, gap }) => (gap === undefined ? [host] : []))
  const waiting = usable('waiting')
  return {
    upgraded: usable('upgraded'),
    waiting,
    gaps: of('upgraded').flatMap(({ gap }) => (gap === undefined ? [] : [gap])),
    controlLost: of('waiting').length > 0 && waiting.length === 0,
  }
}

function numbers(points: readonly [number, number][]): [number, number][] {
  return points.filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value))
}

function gapOf(host: HostPoints, metric: MetricObservation, policy: GatePolicy, needPoints: boolean): Gap | undefined {
  const name = host.host
  const fresh = policy.freshSeconds ?? Math.max(5, 4 * metric.scrapeSeconds)
  const anything = host.after.length + host.before.length + host.notNumbers > 0
  if (host.ageSeconds === undefined) return { host: name, reason: anything ? 'no current data' : 'no series' }
  if (host.ageSeconds > fresh) return { host: name, reason: 'stale', seconds: host.ageSeconds }
  if (!needPoints || host.after.length >= policy.minSamples) return undefined
  if (host.after.length === 0 && host.notNumbers > 0) return { host: name, reason: 'only NaN' }
  return { host: name, reason: 'few samples', samples: host.after.length, needed: policy.minSamples }
}

/** Requests that these hosts answered in the window; undefined when nothing counts them. */
export function requestsOf(observation: Observation, hosts: readonly { host: string }[]): number | undefined {
  if (observation.counts === undefined) return undefined
  const tallies = countsOf(observation, hosts).map(({ after }) => after)
  return tallies.reduce((sum, tally) => sum + amount(tally?.requests), 0)
}

export function countsOf(observation: Observation, hosts: readonly { host: string }[]): HostCounts[] {
  const wanted = new Set(hosts.map(({ host }) => host))
  return (observation.counts?.hosts ?? []).filter(({ host }) => wanted.has(host))
}

/** Errors among requests, pooled over hosts; hosts without a tally count nothing. */
export function shareOf(tallies: readonly (Tally | undefined)[]): { k: number; n: number } {
  return pool(
    tallies.map((tally) => ({
      k: Math.min(amount(tally?.errors), amount(tally?.requests)),
      n: amount(tally?.requests),
    })),
  )
}

function amount(value: number | undefined): number {
  return value !== undefined && Number.isFinite(value) && value > 0 ? value : 0
}
