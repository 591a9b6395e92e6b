import { asFault } from '../lib/fault.ts'
import type { Metrics, Series } from '../ports/metrics.ts'
import type { ChosenMetric, Group, HostCounts, HostPoints, MetricObservation, Observation, Tally } from './gate.ts'
import { rateWindow } from './metrics.ts'
import { type HostRef, hostOf } from './metrics-families.ts'
import { fill } from './metrics-promql.ts'

export interface ObservedHost extends HostRef {
  group: Group
  /** When the new version was up; upgraded hosts only. */
  deployedAt?: Date
}

export interface Period {
  from: Date
  to: Date
}

export interface ObserveInput {
  chosen: readonly ChosenMetric[]
  hosts: readonly ObservedHost[]
  /** Baseline: a period before the release's first deploy, for all hosts; it should be at least as long as `after`. */
  before: Period
  /** The observation window; `to` is the moment of judgement. */
  after: Period
  /** Seconds after a deploy that are left out; at least two scrapes are. */
  warmupSeconds: number
  /** Range of rate(), seconds; four scrape intervals when left out. */
  rateWindowSeconds?: number
}

// Enough for a picture and for the statistics, little enough to be stored with each verdict.
const pointsBefore = 120
const pointsAfter = 240

/**
 * Asks the chosen metrics for both periods and sorts the answers by host. Never throws for a query: its fault becomes part
 * of the observation, and the gate answers `error`.
 * The range step is the scrape interval, longer where a series would have more than 240 points. Every point looks back by the
 * rate window, so points begin one rate window after the warm-up: none mixes the old version with the new.
 */
export async function buildObservation(metrics: Metrics, input: ObserveInput): Promise<Observation> {
  const scrape = Math.max(...input.chosen.map(({ scrapeSeconds }) => scrapeSeconds), 0)
  const start = startOf(input, scrape)
  const observed = await Promise.all(input.chosen.map((metric) => observeMetric(metrics, metric, input, start)))
  const counted =
    input.chosen.find(({ key, counts }) => key === 'error_rate' && counts !== undefined) ??
    input.chosen.find(({ counts }) => counts !== undefined)
  return {
    at: seconds(input.after.to),
    before: { from: seconds(input.before.from), to: seconds(input.before.to) },
    after: { from: start, to: seconds(input.after.to) },
    metrics: observed,
    counts: counted === undefined ? undefined : await observeCounts(metrics, counted, input, start),
  }
}

/** When the window begins for all hosts alike: after the warm-up of the host that was upgraded last. */
function startOf({ hosts, after, warmupSeconds }: ObserveInput, scrapeSeconds: number): number {
  const warmup = Math.max(warmupSeconds, 2 * scrapeSeconds)
  const deploys = hosts.flatMap(({ group, deployedAt }) =>
    group === 'upgraded' && deployedAt ? [seconds(deployedAt)] : [],
  )
  return deploys.reduce((latest, at) => Math.max(latest, at + warmup), seconds(after.from))
}

async function observeMetric(
  metrics: Metrics,
  metric: ChosenMetric,
  input: ObserveInput,
  start: number,
): Promise<MetricObservation> {
  const windowSeconds = input.rateWindowSeconds ?? rateWindow(metric.scrapeSeconds)
  const query = fill(metric.query, windowSeconds)
  const { warn, fail } = metric.thresholds
  const base = {
    key: metric.key,
    name: metric.name,
    kind: metric.kind,
    direction: metric.direction,
    limits: metric.direction === 'both' ? {} : { warn, fail },
    query,
    windowSeconds,
    scrapeSeconds: metric.scrapeSeconds,
  }
  const read = async (from: number, to: number, most: number): Promise<Series[]> => {
    const step = Math.max(Math.ceil(metric.scrapeSeconds), Math.ceil((to - from) / most))
    return to < from ? [] : metrics.range(query, new Date(from * 1000), new Date(to * 1000), step)
  }
  const to = seconds(input.after.to)
  try {
    const [before, after, ages] = await Promise.all([
      read(seconds(input.before.from) + windowSeconds, seconds(input.before.to), pointsBefore),
      read(start + windowSeconds, to, pointsAfter),
      metric.freshQuery === undefined ? undefined : metrics.instant(metric.freshQuery, input.after.to),
    ])
    const lastSeen = new Map<string, number>()
    for (const { labels, value } of ages ?? []) {
      const host = hostOf(labels[metric.hostLabel], input.hosts)
      if (host !== undefined) lastSeen.set(host.id, Math.max(value, lastSeen.get(host.id) ?? 0))
    }
    const hosts = input.hosts.map((host): HostPoints => {
      const past = pointsOf(before, metric.hostLabel, host, input.hosts)
      const now = pointsOf(after, metric.hostLabel, host, input.hosts)
      const seen = ages === undefined ? now.last : lastSeen.get(host.id)
      return {
        host: host.id,
        group: host.group,
        before: past.points,
        after: now.points,
        ageSeconds: seen === undefined || !Number.isFinite(seen) ? undefined : Math.max(0, to - seen),
        notNumbers: now.notNumbers,
      }
    })
    return { ...base, hosts }
  } catch (error) {
    const { code, message } = asFault(error)
    const hosts = input.hosts.map(({ id, group }) => ({ host: id, group, before: [], after: [], notNumbers: 0 }))
    return { ...base, hosts, fault: { code, say: message } }
  }
}

/** One host's points, NaN and infinities left out and counted. Of several series for one host the values are added up. */
function pointsOf(
  series: readonly Series[],
  label: string,
  host: ObservedHost,
  hosts: readonly ObservedHost[],
): { points: [number, number][]; notNumbers: number; last?: number } {
  const mine = series.filter(({ labels }) => hostOf(labels[label], hosts)?.id === host.id)
  const sums = new Map<number, number>()
  for (const { points } of mine) for (const [at, value] of points) sums.set(at, (sums.get(at) ?? 0) + value)
  const all = [...sums].sort(([a], [b]) => a - b)
  const points = all
    .filter(([, value]) => Number.isFinite(value))
    .map(([at, value]): [number, number] => [at, Number(value.toPrecision(6))])
  return { points, notNumbers: all.length - points.length, last: all.at(-1)?.[0] }
}

async function observeCounts(
  metrics: Metrics,
  { counts, hostLabel }: ChosenMetric,
  input: ObserveInput,
  start: number,
): Promise<Observation['counts']> {
  if (counts === undefined) return undefined
  const queries: string[] = []
  const read = async (template: string | undefined, from: number, to: Date) => {
    const span = Math.floor(seconds(to) - from)
    const sums = new Map<string, number>()
    if (template === undefined || span < 1) return sums
    const query = fill(template, span)
    queries.push(query)
    for (const { labels, value } of await metrics.instant(query, to)) {
      const host = hostOf(labels[hostLabel], input.hosts)
      const events = counts.by === 'rate' ? value * span : value
      if (host !== undefined && Number.isFinite(events))
        sums.set(host.id, (sums.get(host.id) ?? 0) + Math.max(0, events))
    }
    return sums
  }
  const periods = [
    [seconds(input.before.from), input.before.to],
    [start, input.after.to],
  ] as const
  try {
    const [before, after] = await Promise.all(
      periods.map(async ([from, to]) => ({
        requests: await read(counts.requests, from, to),
        errors: await read(counts.errors, from, to),
      })),
    )
    const tally = (from: typeof before, id: string): Tally | undefined => {
      const requests = from?.requests.get(id)
      if (requests === undefined) return undefined
      // A host that has answered requests but has no error series has had no error.
      const errors = counts.errors === undefined ? undefined : Math.round(from?.errors.get(id) ?? 0)
      return { requests: Math.round(requests), errors }
    }
    const hosts = input.hosts.map(
      ({ id, group }): HostCounts => ({ host: id, group, before: tally(before, id), after: tally(after, id) }),
    )
    return { hosts, queries }
  } catch (error) {
    const { code, message } = asFault(error)
    return { hosts: [], queries, fault: { code, say: message } }
  }
}

function seconds(date: Date): number {
  return date.getTime() / 1000
}
