import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Behaviour {
  version: string
  perSecond: number
  errorShare: number
  /** Typical seconds of an answer. */
  seconds: number
}

export interface Exporter {
  address: string
  /** A new process: counters start at zero. */
  restart(next: Behaviour): void
  stop(): Promise<void>
}

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** One host of `user-service`: serves metrics as a service instrumented with a usual client library would, under a made-up load. */
export async function startExporter(host: string, first: Behaviour): Promise<Exporter> {
  let behaviour = first
  let started = Date.now()
  let done = 0
  let errors = 0
  let sum = 0
  let buckets = bounds.map(() => 0)
  const grow = () => {
    const due = Math.floor(((Date.now() - started) / 1000) * behaviour.perSecond)
    for (; done < due; done++) {
      const spread = 0.6 + ((done * 7919) % 100) / 125
      const seconds = behaviour.seconds * spread
      sum += seconds
      buckets = buckets.map((count, i) => count + (seconds <= (bounds[i] as number) ? 1 : 0))
      if (Math.floor((done + 1) * behaviour.errorShare) > Math.floor(done * behaviour.errorShare)) errors++
    }
  }
  const server = createServer((_request, response) => {
    grow()
    const labels = `service="user-service",host="${host}",version="${behaviour.version}"`
    const failed = errors === 0 ? [] : [`http_requests_total{${labels},code="500"} ${errors}`]
    const lines = [
      '# HELP http_requests_total Requests answered.',
      '# TYPE http_requests_total counter',
      `http_requests_total{${labels},code="200"} ${done - errors}`,
      ...failed,
      '# HELP http_request_duration_seconds Time to answer.',
      '# TYPE http_request_duration_seconds histogram',
      ...bounds.map((le, i) => `http_request_duration_seconds_bucket{${labels},le="${le}"} ${buckets[i]}`),
      `http_request_duration_seconds_bucket{${labels},le="+Inf"} ${done}`,
      `http_request_duration_seconds_sum{${labels}} ${sum}`,
      `http_request_duration_seconds_count{${labels}} ${done}`,
      '# TYPE process_cpu_seconds_total counter',
      `process_cpu_seconds_total{${labels}} ${((Date.now() - started) / 1000) * 0.05}`,
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes{${labels}} ${60e6 + (done % 7) * 1e5}`,
      '# TYPE odd_values gauge',
      `odd_values{host="${host}",kind="nan"} NaN`,
      `odd_values{host="${host}",kind="high"} +Inf`,
      `odd_values{host="${host}",kind="low"} -Inf`,
      '',
    ]
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(lines.join('\n'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    restart(next) {
      behaviour = next
      started = Date.now()
      done = 0
      errors = 0
      sum = 0
      buckets = bounds.map(() => 0)
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
