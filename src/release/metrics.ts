import type { Metrics } from '../ports/metrics.ts'
import type { ChosenMetric, MetricKey } from './gate.ts'
import { chooseMetrics, type Draft } from './metrics-choose.ts'
import type { Red } from './metrics-config.ts'
import { type HostRef, hasPrefix, hostOf, presentable, seriesMatchers } from './metrics-families.ts'
import { fill } from './metrics-promql.ts'
import { deriveThresholds } from './thresholds.ts'

export { type Choice, type ChooseInput, chooseMetrics, type Draft } from './metrics-choose.ts'
export type { HostRef } from './metrics-families.ts'

export interface AnalyseInput {
  service: string
  hosts: readonly HostRef[]
  red?: Red
  /** Configured limits: cores, bytes, share of requests, seconds. They win over derived ones. */
  limits?: { cpu?: number; memory?: number; errorRate?: number; latency?: number }
  minRequests?: number
  /** Range of rate() in seconds; four scrape intervals when left out. */
  rateWindowSeconds?: number
  now: Date
}

export interface Analysis {
  metrics: ChosenMetric[]
  /** `warning` when a metric, its history or the error rate is missing. */
  status: 'success' | 'warning'
  summary: string
  /** The MetricAnalysis step's details in the specification's JSON. */
  details: { metrics: { candidates: string[]; name: string; thresholds: string[] }[]; service: string }
  /** What was not found or not derived, a sentence each. */
  notes: string[]
}

const namesAtMost = 50_000
const seriesAtMost = 5000
const historySeconds = 3600
const historyStep = 15
const defaultScrapeSeconds = 15

/**
 * MetricAnalysis: reads names, types and labels, picks the service's metrics, and derives thresholds from its last hour.
 * Asks at most about 20 queries. Throws the `Metrics` port's faults when the database does not answer.
 */
export async function analyseMetrics(metrics: Metrics, input: AnalyseInput): Promise<Analysis> {
  const { service, hosts, red = {} } = input
  const catalogue = (await metrics.catalogue()).filter(({ name }) => presentable(name)).slice(0, namesAtMost)
  const given = new Set([red.requests, red.errors, red.duration, red.cpu, red.memory])
  const wanted = (name: string) =>
    given.has(name) || given.has(name.replace(/_bucket$/, '')) || hasPrefix(name, service)
  const byName = catalogue.map(({ name }) => name).filter(wanted)
  const found = await Promise.all(
    seriesMatchers(service, byName, red.labels).map((matcher) => metrics.series(matcher, seriesAtMost)),
  )
  const { drafts, notes } = chooseMetrics({ catalogue, series: found.flat(), service, hosts, configured: red })
  const scrapes = new Map<string, Promise<number>>()
  const scrapeOf = (probe = ''): Promise<number> => {
    const known = scrapes.get(probe) ?? scrapeInterval(metrics, probe, input.now)
    scrapes.set(probe, known)
    return known
  }
  const chosen = await Promise.all(
    drafts.map(async (draft) => complete(metrics, draft, await scrapeOf(draft.probe), input)),
  )
  const withoutHistory = chosen.filter(({ derived }) => !derived).map(({ metric }) => metric.name)
  if (withoutHistory.length > 0) notes.push(`default limits, too little history: ${withoutHistory.join(', ')}`)
  const limited = chosen.filter(({ metric }) => metric.thresholds.text.length > 0).length
  const free = chosen.filter(({ metric }) => metric.thresholds.text.length === 0).map(({ metric }) => metric.name)
  const without = free.length === 0 ? '' : `, ${free.join(' and ').toLowerCase()} watched without one`
  const count = `${limited} group metric${limited === 1 ? '' : 's'} identified with thresholds${without}`
  return {
    metrics: chosen.map(({ metric }) => metric),
    status: notes.length === 0 ? 'success' : 'warning',
    summary: notes.length === 0 ? count : `${count}; ${notes.join('; ')}`,
    details: {
      metrics: chosen.map(({ metric: { candidates, name, thresholds } }) => ({
        candidates,
        name,
        thresholds: thresholds.text,
      })),
      service,
    },
    notes,
  }
}

const limitOf: Partial<Record<MetricKey, 'cpu' | 'memory' | 'errorRate' | 'latency'>> = {
  cpu: 'cpu',
  memory: 'memory',
  error_rate: 'errorRate',
  latency: 'latency',
}

async function complete(
  metrics: Metrics,
  { probe: _, ...draft }: Draft,
  scrapeSeconds: number,
  input: AnalyseInput,
): Promise<{ metric: ChosenMetric; derived: boolean }> {
  const window = input.rateWindowSeconds ?? rateWindow(scrapeSeconds)
  const history = await historyOf(metrics, draft, fill(draft.query, window), scrapeSeconds, input)
  const limit = limitOf[draft.key]
  const { thresholds, words, derived } = deriveThresholds(draft, history.values, {
    configured: limit && input.limits?.[limit],
    minRequests: input.minRequests,
  })
  const span =
    history.values.length === 0 ? 'none' : `${history.values.length} points over ${Math.round(history.seconds)} s`
  const source = `${draft.source}, by label ${draft.hostLabel}. Now ${words} (${span}).`
  return { metric: { ...draft, scrapeSeconds, thresholds, source }, derived }
}

/** Range of rate() for a scrape interval: four of them, so that one missed scrape leaves enough points; seconds. */
export function rateWindow(scrapeSeconds: number): number {
  return Math.max(1, Math.ceil(4 * scrapeSeconds))
}

async function historyOf(
  metrics: Metrics,
  draft: Pick<Draft, 'hostLabel'>,
  query: string,
  scrapeSeconds: number,
  { now, hosts }: AnalyseInput,
): Promise<{ values: number[]; seconds: number }> {
  const read = async (seconds: number, step: number) => {
    const from = new Date(now.getTime() - seconds * 1000)
    const series = await metrics.range(query, from, now, Math.max(step, Math.round(scrapeSeconds)))
    const points = series
      .filter(({ labels }) => hostOf(labels[draft.hostLabel], hosts) !== undefined)
      .flatMap(({ points }) => points.filter(([, value]) => Number.isFinite(value)))
    const times = points.map(([at]) => at)
    const first = times.reduce((low, at) => Math.min(low, at), Number.POSITIVE_INFINITY)
    return { values: points.map(([, value]) => value), seconds: points.length === 0 ? 0 : now.getTime() / 1000 - first }
  }
  const hour = await read(historySeconds, historyStep)
  // A database that has only just begun to scrape has few points at this step, but more at a finer one.
  return hour.seconds > 300 || hour.values.length === 0 ? hour : read(300, 1)
}

/**
 * Seconds between two scrapes: the median distance of the sample times that `probe` gives over the last five minutes, all its
 * series taken together; those that have only just begun or ended say little. 15 s when it cannot be told.
 */
export async function scrapeInterval(metrics: Metrics, probe: string, now: Date): Promise<number> {
  if (probe === '') return defaultScrapeSeconds
  const series = await metrics.range(probe, new Date(now.getTime() - 300_000), now, 1)
  const gaps = series
    .flatMap(({ points }) => {
      const times = [...new Set(points.map(([, time]) => time))].filter(Number.isFinite).sort((a, b) => a - b)
      return times.slice(1).map((time, i) => time - (times[i] as number))
    })
    .sort((a, b) => a - b)
  const middle = gaps[Math.floor(gaps.length / 2)]
  return middle === undefined ? defaultScrapeSeconds : Math.max(1, Math.round(middle * 10) / 10)
}
