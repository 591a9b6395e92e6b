import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { MetricInfo, Metrics } from '../../ports/metrics.ts'
import type { PrometheusConfig } from './config.ts'
import { type Answer, connect } from './http.ts'

const names = z.array(z.string())
const labels = z.record(z.string(), z.string())
const point = z.tuple([z.number(), z.string()]).transform(([at, text]): [number, number] => [at, numberOf(text)])
const metadata = z.record(z.string(), z.array(z.object({ type: z.string(), help: z.string() })))
const vector = z.discriminatedUnion('resultType', [
  z.object({ resultType: z.literal('vector'), result: z.array(z.object({ metric: labels, value: point })) }),
  z.object({ resultType: z.literal('scalar'), result: point }),
])
const matrix = z.object({
  resultType: z.literal('matrix'),
  result: z.array(z.object({ metric: labels, values: z.array(point) })),
})
const good = z.object({ status: z.literal('success'), data: z.unknown() })
const bad = z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() })

/** Most series that one answer may hold. */
export const mostSeries = 20_000
// The series list is asked for the last hour: enough to know a service, without everything the database ever held.
const listedSeconds = 3600
const longestHelp = 500
const longestReason = 300

/**
 * The `Metrics` port over Prometheus' HTTP API (and what speaks it: Thanos, Mimir, VictoriaMetrics). Queries go as a form in
 * a POST. Faults: as in the port; `metrics.refused` also for rejected credentials, redirects (not followed) and answers
 * that are too large; a server that does not speak the API is `metrics.unreachable`.
 */
export function createPrometheus(
  config: PrometheusConfig,
  environment: Record<string, string | undefined> = process.env,
): Metrics {
  const { ask, clean } = connect(config, environment)
  const limit = `${config.timeoutSeconds}s`

  async function call<T>(
    method: 'GET' | 'POST',
    path: string,
    parameters: Record<string, string>,
    schema: z.ZodType<T>,
  ) {
    const answer = await ask(method, path, new URLSearchParams(parameters))
    const body = jsonOf(answer.body)
    const parsed = good.safeParse(body)
    if (answer.status !== 200 || !parsed.success) throw faultOf(answer, body)
    const data = schema.safeParse(parsed.data.data)
    if (!data.success) throw strange(answer)
    return data.data
  }

  function faultOf(answer: Answer, body: unknown): Fault {
    const { status } = answer
    const said = bad.safeParse(body)
    const reason = said.success ? clean(said.data.error).slice(0, longestReason) : `HTTP ${status}`
    const where = `Prometheus at ${config.url}`
    if (status >= 300 && status < 400)
      return refused(`${where} redirects elsewhere, which is not followed.`, 'set prometheus.url to the final address')
    if (status === 401 || status === 403)
      return refused(`${where} rejects the credentials (HTTP ${status}).`, 'check bearerTokenEnv or basicAuth')
    const timeout =
      (said.success && /^(timeout|canceled)$/.test(said.data.errorType)) || status === 504 || status === 408
    if (timeout)
      return new Fault('metrics.timeout', {
        say: `${where} gave up a query: ${reason}.`,
        next: 'try again, or narrow the metric',
        retry: true,
      })
    if (status >= 500 || status === 429)
      return new Fault('metrics.unreachable', {
        say: `${where} is in trouble: ${reason}.`,
        next: 'try again',
        retry: true,
      })
    if (said.success) return refused(`${where} refused the query: ${reason}.`, 'correct the query')
    return status === 200 ? strange(answer) : refused(`${where} answered HTTP ${status}.`, 'check prometheus.url')
  }

  function strange({ body }: Answer): Fault {
    return new Fault('metrics.unreachable', {
      say: `What answers at ${config.url} does not speak Prometheus' API (${body.length} characters of something else).`,
      next: 'check prometheus.url',
      retry: true,
    })
  }

  function bounded<T>(series: T[]): T[] {
    if (series.length <= mostSeries) return series
    throw refused(`A query gives ${series.length} series, more than ${mostSeries}.`, 'narrow the metric with labels')
  }

  return {
    async catalogue() {
      const [all, known] = await Promise.all([
        call('GET', '/api/v1/label/__name__/values', {}, names),
        call('GET', '/api/v1/metadata', {}, metadata).catch((error: unknown) => {
          // Not every server that speaks PromQL keeps metadata; names alone do.
          if (error instanceof Fault && error.code === 'metrics.refused') return {}
          throw error
        }),
      ])
      const infos = new Map(Object.entries(known))
      return all.map((name): MetricInfo => {
        const info = (infos.get(name) ?? infos.get(name.replace(/_(bucket|sum|count|total)$/, '')))?.[0]
        return { name, type: typeOf(info?.type), help: (info?.help ?? '').slice(0, longestHelp) }
      })
    },
    async series(matcher, most = mostSeries) {
      const now = Date.now() / 1000
      const window = { start: String(now - listedSeconds), end: String(now) }
      const found = await call('POST', '/api/v1/series', { 'match[]': matcher, ...window }, z.array(labels))
      return found.slice(0, most)
    },
    async instant(query, at) {
      const time: Record<string, string> = at === undefined ? {} : { time: stamp(at) }
      const data = await call('POST', '/api/v1/query', { query, timeout: limit, ...time }, vector)
      if (data.resultType === 'scalar') return [{ labels: {}, at: data.result[0], value: data.result[1] }]
      return bounded(data.result).map(({ metric, value: [at, value] }) => ({ labels: metric, at, value }))
    },
    async range(query, from, to, stepSeconds) {
      const parameters = { query, start: stamp(from), end: stamp(to), step: String(stepSeconds), timeout: limit }
      const data = await call('POST', '/api/v1/query_range', parameters, matrix)
      return bounded(data.result).map(({ metric, values }) => ({ labels: metric, points: values }))
    },
  }
}

function refused(say: string, next: string): Fault {
  return new Fault('metrics.refused', { say, next })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Prometheus writes numbers as text, and infinities as +Inf and -Inf. */
function numberOf(text: string): number {
  const infinite = /^([+-]?)Inf$/.exec(text)
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return text.trim() === '' ? Number.NaN : Number(text)
}

function typeOf(text: string | undefined): MetricInfo['type'] {
  return text === 'counter' || text === 'gauge' || text === 'histogram' || text === 'summary' ? text : 'unknown'
}

function stamp(date: Date): string {
  return (date.getTime() / 1000).toFixed(3)
}
