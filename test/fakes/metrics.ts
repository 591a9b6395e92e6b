import { Fault } from '../../src/lib/fault.ts'
import type { MetricInfo, Metrics, Sample, Series } from '../../src/ports/metrics.ts'

export interface Behaviour {
  /** Share of requests that fail. */
  errors: number
  /** Seconds, 95th percentile. */
  latency: number
}

export interface FakeMetrics extends Metrics {
  /** Set: every query throws. */
  down: boolean
  /** Hosts whose series have ended. */
  silent: Set<string>
}

const catalogue: MetricInfo[] = [
  { name: 'http_requests_total', type: 'counter', help: '' },
  { name: 'http_request_duration_seconds_bucket', type: 'histogram', help: '' },
  { name: 'process_cpu_seconds_total', type: 'counter', help: '' },
  { name: 'process_resident_memory_bytes', type: 'gauge', help: '' },
]

/**
 * A database that knows the queries of this project by their shape and answers from `behaviour`: 25 requests a second on each
 * host, scraped every second. For tests of what the release logic does with verdicts; real queries run against Prometheus.
 */
export function createFakeMetrics(hosts: string[], behaviour: (host: string, at: number) => Behaviour): FakeMetrics {
  const alive = () => hosts.filter((host) => !metrics.silent.has(host))
  const guard = () => {
    if (metrics.down) throw new Fault('metrics.unreachable', { say: 'Prometheus cannot be reached.', retry: true })
  }
  const noise = (host: string, at: number) =>
    1 + 0.1 * Math.sin(at * 7 + host.length + (host.at(-1)?.charCodeAt(0) ?? 0))
  const valueAt = (query: string, host: string, at: number): number => {
    const { errors, latency } = behaviour(host, at)
    if (query.includes('timestamp(')) return Math.floor(at)
    if (query.includes('histogram_quantile')) return latency * noise(host, at)
    if (query.includes('process_cpu')) return 0.1 * noise(host, at)
    if (query.includes('process_resident')) return 7e7 * noise(host, at)
    return query.includes('code=~') ? errors : 25 * noise(host, at)
  }
  const countOver = (query: string, host: string, at: number): number => {
    const span = Number(/\[(\d+)s\]/.exec(query)?.[1] ?? 0)
    let sum = 0
    for (let second = 0; second < span; second++) {
      const share = query.includes('code=~') ? behaviour(host, at - second).errors : 1
      sum += 25 * share
    }
    return sum
  }
  const metrics: FakeMetrics = {
    down: false,
    silent: new Set(),
    async catalogue() {
      guard()
      return catalogue
    },
    async series(matcher) {
      guard()
      const labels = (name: string, host: string) => ({
        __name__: name,
        service: 'user-service',
        host,
        ...(name === 'http_requests_total' ? { code: '200' } : {}),
        ...(name.endsWith('_bucket') ? { le: '0.1' } : {}),
      })
      const all = catalogue.flatMap(({ name }) => hosts.map((host) => labels(name, host)))
      return matcher.includes('user-service') ? all : []
    },
    async instant(query, at = new Date()): Promise<Sample[]> {
      guard()
      // It has no clock of its own: tests may run theirs faster than real time.
      if (query === 'time()') return []
      const seconds = at.getTime() / 1000
      const value = (host: string) =>
        query.includes('timestamp(')
          ? seconds - 0.5
          : query.includes('increase(')
            ? countOver(query, host, seconds)
            : valueAt(query, host, seconds)
      return alive().map((host) => ({ labels: { host }, at: seconds, value: value(host) }))
    },
    async range(query, from, to, stepSeconds): Promise<Series[]> {
      guard()
      return alive().map((host) => {
        const points: [number, number][] = []
        for (let at = from.getTime() / 1000; at <= to.getTime() / 1000; at += stepSeconds)
          points.push([at, valueAt(query, host, at)])
        return { labels: { host }, points }
      })
    },
  }
  return metrics
}
