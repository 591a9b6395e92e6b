import { z } from 'zod'
import { judgeErrors } from './gate/errors.ts'
import { judgePoints } from './gate/points.ts'
import {
  type GatePolicy,
  gatePolicySchema,
  type MetricObservation,
  type Observation,
  observationSchema,
  type Verdict,
} from './gate/schema.ts'
import { type Judged, metricNames, summarise } from './gate/why.ts'

export * from './gate/schema.ts'

const NOTHING_WATCHED =
  'no metric is watched: none was found when the release was prepared; only a new request would look again'

/**
 * Judges one observation window; pure, so a stored observation gives the same verdict again.
 * Any failing metric fails the window. Otherwise a metric that could not be asked makes it `error`, one without enough
 * fresh data `inconclusive`: both mean hold and ask, never promote and never roll back. Only then it passes.
 */
export function judge(observation: Observation, policy: GatePolicy): Verdict {
  const judged = observation.metrics.map((metric) => judgeMetric(metric, observation, policy))
  const metrics = judged.map(({ gaps: _, shared: __, ...verdict }) => verdict)
  const hosts = (group: string) => [
    ...new Set(
      observation.metrics.flatMap((metric) =>
        metric.hosts.filter((host) => host.group === group).map(({ host }) => host),
      ),
    ),
  ]
  const upgraded = hosts('upgraded')
  const kept = { metrics, time: observation.at, hosts: { upgraded, waiting: hosts('waiting') } }
  const missing = policy.required.filter((key) => !metrics.some((metric) => metric.key === key))
  for (const at of ['fail', 'error', 'inconclusive'] as const) {
    const found = judged.filter((metric) => metric.at === at)
    if (found.length > 0) return { ...kept, at, why: summarise(found, judged.length) }
  }
  if (metrics.length === 0) return { ...kept, at: 'inconclusive', why: NOTHING_WATCHED }
  if (missing.length > 0) {
    const why = `nothing measures the ${missing.join(' and the ').replaceAll('_', ' ')} of this service`
    return { ...kept, at: 'inconclusive', why }
  }
  const count = upgraded.length === 1 ? '1 upgraded host' : `${upgraded.length} upgraded hosts`
  const all =
    metrics.length === 1 ? '1 metric is within its limit' : `${metrics.length} metrics are within their limits`
  return { ...kept, at: 'pass', why: `${all} on ${count}` }
}

function judgeMetric(metric: MetricObservation, observation: Observation, policy: GatePolicy): Judged {
  const counted = metric.key === 'error_rate' && metric.kind === 'ratio' && observation.counts !== undefined
  const countsFault = counted || metric.key === 'latency' ? observation.counts?.fault : undefined
  const fault = metric.fault ?? countsFault
  if (fault !== undefined) {
    const shared = `the query was not answered (${fault.say})`
    const why = `${metricNames[metric.key]}: ${shared}`
    return { key: metric.key, at: 'error', samples: { upgraded: 0, waiting: 0 }, query: metric.query, why, shared }
  }
  return counted ? judgeErrors(metric, observation, policy) : judgePoints(metric, observation, policy)
}

const stored = z.object({ observation: observationSchema, policy: gatePolicySchema })

/** Judges a stored `{ observation, policy }` again. Throws a ZodError when it is not one. */
export function replay(document: unknown): Verdict {
  const { observation, policy } = stored.parse(document)
  return judge(observation, policy)
}
