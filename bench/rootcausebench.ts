import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { onsetIn } from '../src/incident/onset.ts'
import { type Signal, type Survey, surveySchema } from '../src/incident/survey.ts'

const alertSchema = z.object({ service: z.string(), metric: z.string(), threshold: z.number(), fired_at: z.string() })
const truthSchema = z.object({ root_cause_commit: z.string() })
const deploysSchema = z.array(z.object({ timestamp: z.string(), service: z.string(), commit_sha: z.string() }))
const spansSchema = z.array(z.object({ span_id: z.string(), parent_id: z.string().nullable(), service: z.string() }))

/** Whether all hosts had the deploy when the alert fired, or only half of them. */
export type Spread = 'half of the hosts' | 'all hosts'

/** One deploy of the alert's service, asked as a release would be. */
export interface Case {
  incident: string
  /** Time of the deploy, and whether it brought the commit that is the root cause. */
  deployedAt: string
  guilty: boolean
  spread: Spread
  survey: Survey
}

const HOSTS = ['h-1', 'h-2', 'h-3', 'h-4']

/**
 * The labelled incidents as releases. Each deploy of the service that alerted becomes a release on four hosts. The data has one
 * series per service; what the label implies fills in the rest: with a guilty deploy, a host without it goes on as it did before
 * the onset (its own history again); with an innocent one every host sees what was recorded. With `all hosts` there is nobody to
 * compare with, and every host has the recorded series.
 */
export function casesIn(folder: string): Case[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => casesOf(name, join(folder, name)))
}

function casesOf(incident: string, folder: string): Case[] {
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const alert = alertSchema.parse(json('alert.json'))
  const truth = truthSchema.parse(json('ground_truth.json'))
  const deploys = deploysSchema.parse(json('context/deploys.json')).filter(({ service }) => service === alert.service)
  const fired = seconds(alert.fired_at)
  const metrics = seriesIn(readFileSync(join(folder, 'metrics.csv'), 'utf8'), fired)
  const callees = calleesOf(spansSchema.parse(json('traces.json')), alert.service)
  const times = [...new Set(deploys.map(({ timestamp }) => timestamp))].filter((at) => seconds(at) < fired)
  return times.flatMap((deployedAt) =>
    (['half of the hosts', 'all hosts'] as const).map((spread): Case => {
      const here = deploys.filter(({ timestamp }) => timestamp === deployedAt)
      const guilty = here.some(({ commit_sha }) => commit_sha === truth.root_cause_commit)
      const others = deploys.filter(({ timestamp }) => timestamp !== deployedAt)
      const survey = surveyOf({
        alert,
        fired,
        metrics,
        callees,
        deployedAt: seconds(deployedAt),
        guilty,
        spread,
        others,
      })
      return { incident, deployedAt: deployedAt.slice(11, 19), guilty, spread, survey: { ...survey, incident } }
    }),
  )
}

interface Recorded {
  service: string
  metric: string
  points: [number, number][]
}

function surveyOf(input: {
  alert: z.infer<typeof alertSchema>
  fired: number
  metrics: Recorded[]
  callees: Set<string>
  deployedAt: number
  guilty: boolean
  spread: Spread
  others: { timestamp: string }[]
}): Survey {
  const { alert, fired, metrics, callees, deployedAt, guilty, spread } = input
  const all = metrics.flatMap(({ points }) => points.map(([at]) => at))
  const from = Math.min(...all)
  const upgraded = spread === 'all hosts' ? HOSTS : HOSTS.slice(0, 2)
  const signals = metrics.flatMap((recorded): Signal[] => {
    const role = roleOf(recorded, alert, callees)
    if (role === undefined) return []
    const { key, unit, scale } = kindOf(recorded.metric, role)
    const limit = role === 'alert' ? { limit: alert.threshold * scale } : {}
    const own = role === 'alert' || role === 'service'
    const hosts = own ? HOSTS : ['h-9']
    return [
      {
        service: recorded.service,
        role,
        key,
        name: recorded.metric,
        unit,
        query: recorded.metric,
        ...limit,
        hosts: hosts.map((host, index) => {
          const has = upgraded.includes(host)
          const spared = guilty && own && !has && key !== 'traffic'
          const points = spared ? calm(recorded.points, deployedAt) : recorded.points
          return {
            host,
            group: !own ? ('other' as const) : has ? ('upgraded' as const) : ('waiting' as const),
            ...(own && has ? { deployedAt } : {}),
            // Hosts are alike, not the same.
            points: points.map(([at, value], n): [number, number] => [
              at,
              value * scale * (1 + 0.02 * Math.sin(7 * n + index)),
            ]),
          }
        }),
      },
    ]
  })
  const onset = onsetIn(signals, { fired, from, stepSeconds: 60, startedAt: deployedAt })
  return surveySchema.parse({
    incident: '',
    at: fired,
    from,
    to: fired,
    stepSeconds: 60,
    service: alert.service,
    alerting: guilty ? upgraded : HOSTS,
    onset: onset ?? fired,
    onsetFrom: onset === undefined ? 'alert' : 'series',
    release: {
      id: 'R-1',
      candidate: 'v2',
      current: 'v1',
      startedAt: deployedAt,
      upgraded: upgraded.map((host) => ({ host, at: deployedAt })),
      others: HOSTS.filter((host) => !upgraded.includes(host)),
    },
    otherReleases: input.others
      .map(({ timestamp }) => ({ id: 'R-2', service: alert.service, candidate: 'v3', startedAt: seconds(timestamp) }))
      .filter(({ startedAt }) => startedAt < fired),
    expired: [],
    signals,
    down: [],
    gaps: [],
  })
}

/** The series as it was before a moment, again and again. */
function calm(points: readonly [number, number][], until: number): [number, number][] {
  const history = points.filter(([at]) => at < until).map(([, value]) => value)
  return points.map(([at, value], n) => [at, at < until ? value : (history[n % history.length] ?? value)])
}

function roleOf(
  { service, metric }: Recorded,
  alert: z.infer<typeof alertSchema>,
  callees: Set<string>,
): Signal['role'] | undefined {
  if (service === alert.service) return metric === alert.metric ? 'alert' : 'service'
  if (metric.startsWith('node_cpu')) return 'service'
  return callees.has(service) ? 'downstream' : undefined
}

function kindOf(metric: string, role: Signal['role']): { key: Signal['key']; unit: Signal['unit']; scale: number } {
  const unit = metric.endsWith('_ms')
    ? ({ unit: 'seconds', scale: 0.001 } as const)
    : /pct$/.test(metric) && !/used_pct$/.test(metric)
      ? ({ unit: 'ratio', scale: 0.01 } as const)
      : /ratio|rate$|_pct$|utilization/.test(metric)
        ? ({ unit: 'ratio', scale: 1 } as const)
        : /per_sec/.test(metric)
          ? ({ unit: 'per_second', scale: 1 } as const)
          : ({ unit: 'count', scale: 1 } as const)
  if (role === 'alert') return { key: 'alert', ...unit }
  if (/requests_per_sec/.test(metric)) return { key: 'traffic', ...unit }
  if (/5xx|error/.test(metric)) return { key: 'error_rate', ...unit }
  if (/duration|latency/.test(metric)) return { key: 'latency', ...unit }
  if (/^node_cpu/.test(metric)) return { key: 'cpu', ...unit }
  return { key: 'memory', ...unit }
}

function calleesOf(spans: z.infer<typeof spansSchema>, service: string): Set<string> {
  const parents = new Map(spans.map((span) => [span.span_id, span.service]))
  return new Set(
    spans
      .filter(({ parent_id }) => parent_id !== null && parents.get(parent_id) === service)
      .map((span) => span.service),
  )
}

function seriesIn(csv: string, until: number): Recorded[] {
  const found = new Map<string, Recorded>()
  for (const line of csv.trim().split('\n').slice(1)) {
    const [at = '', service = '', metric = '', value = ''] = line.trim().split(',')
    if (value === '' || seconds(at) > until) continue
    const key = `${service} ${metric}`
    const recorded = found.get(key) ?? { service, metric, points: [] }
    found.set(key, recorded)
    recorded.points.push([seconds(at), Number(value)])
  }
  for (const { points } of found.values()) points.sort(([a], [b]) => a - b)
  return [...found.values()]
}

function seconds(iso: string): number {
  return Date.parse(iso) / 1000
}
