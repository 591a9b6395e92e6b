import { expect, test } from 'vitest'
import { measureOf, unitOf } from '../../src/incident/unit-of.ts'

test.each<[string, string, number]>([
  ['sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))', 'ratio', 1],
  ['100 * sum(rate(errors_total[1m])) / sum(rate(requests_total[1m]))', 'ratio', 0.01],
  ['(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) * 100 > 90', 'ratio', 0.01],
  ['1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))', 'ratio', 1],
  ['sum by (host) (rate(process_cpu_seconds_total[1m]))', 'cores', 1],
  ['histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))', 'seconds', 1],
  ['rate(http_request_duration_seconds_sum[1m]) / rate(http_request_duration_seconds_count[1m])', 'seconds', 1],
  ['histogram_quantile(0.95, sum by (le) (rate(latency_ms_bucket[5m])))', 'seconds', 0.001],
  ['1000 * histogram_quantile(0.95, rate(latency_seconds_bucket[5m]))', 'seconds', 0.001],
  ['max_over_time(queue_wait_seconds[5m])', 'seconds', 1],
  ['rate(http_requests_total{path="/api/v1"}[1m])', 'per_second', 1],
  ['avg by (host) (process_resident_memory_bytes)', 'bytes', 1],
  ['process_resident_memory_bytes / 1024 / 1024', 'bytes', 1024 ** 2],
  ['rate(node_network_receive_bytes_total[1m])', 'bytes', 1],
  ['job:errors:ratio_rate5m', 'ratio', 1],
  ['cpu_usage_percent', 'ratio', 0.01],
  ['count(up == 0)', 'count', 1],
  ['up{job="a/b"}', 'count', 1],
  ['errors', 'count', 1],
  ['vector(0.731)', 'count', 1],
  ['0.731', 'count', 1],
  ['time() - process_start_time_seconds', 'seconds', 1],
  ['{__name__="queue_bytes"}', 'bytes', 1],
  ['not PromQL at all (', 'count', 1],
])('%s is in %s, times %d', (query, unit, scale) => {
  const found = measureOf(query)
  expect(found.unit).toBe(unit)
  expect(found.scale).toBeCloseTo(scale, 9)
  expect(unitOf(query)).toBe(scale === 1 ? unit : 'count')
})
