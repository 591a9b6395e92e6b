import { describe, expect, test } from 'vitest'
import type { MetricKey } from '../../src/release/gate.ts'
import { type ChooseInput, chooseMetrics, type Draft } from '../../src/release/metrics.ts'
import { redSchema } from '../../src/release/metrics-config.ts'
import { hostOf, seriesMatchers } from '../../src/release/metrics-families.ts'
import { info, seriesOf } from './metrics-world.ts'

const ids = ['bj1-node-001', 'sh1-node-001']
const hosts = ids.map((id, i) => ({ id, ip: `10.0.0.${i + 1}` }))
const choose = (rest: Partial<ChooseInput>) =>
  chooseMetrics({ catalogue: [], series: [], service: 'user-service', hosts, ...rest })
const draft = (rest: Partial<ChooseInput>, key: MetricKey): Draft | undefined =>
  choose(rest).drafts.find((each) => each.key === key)

const requests = [
  ...seriesOf('http_requests_total', ids, { service: 'user-service', code: '200' }),
  ...seriesOf('http_requests_total', ids, { service: 'user-service', code: '503' }),
]
const buckets = seriesOf('http_request_duration_seconds_bucket', ids, { service: 'user-service', le: '+Inf' })
const everything = [
  ...requests,
  ...buckets,
  ...seriesOf('process_cpu_seconds_total', ids),
  ...seriesOf('process_resident_memory_bytes', ids),
]

describe('choosing metrics', () => {
  test('a usual service: all five, with their queries', () => {
    const { drafts, notes } = choose({ series: everything })
    expect(notes).toEqual([])
    const own = 'service="user-service"'
    expect(Object.fromEntries(drafts.map(({ name, query }) => [name, query]))).toEqual({
      CPU: `sum by (host) (rate(process_cpu_seconds_total{${own}}[$window]))`,
      Memory: `sum by (host) (process_resident_memory_bytes{${own}})`,
      'Error Rate': `(sum by (host) (rate(http_requests_total{${own},code=~"5.."}[$window])) or sum by (host) (rate(http_requests_total{${own}}[$window])) * 0) / sum by (host) (rate(http_requests_total{${own}}[$window]))`,
      Latency: `histogram_quantile(0.95, sum by (le, host) (rate(http_request_duration_seconds_bucket{${own}}[$window])))`,
      Traffic: `sum by (host) (rate(http_requests_total{${own}}[$window]))`,
    })
    expect(drafts.map(({ kind, direction }) => [kind, direction])).toEqual([
      ['cores', 'up-is-bad'],
      ['bytes', 'up-is-bad'],
      ['ratio', 'up-is-bad'],
      ['seconds', 'up-is-bad'],
      ['per_second', 'both'],
    ])
    expect(drafts[2]?.freshQuery).toBe(`max by (host) (timestamp(http_requests_total{${own}}))`)
    expect(drafts[2]?.counts?.by).toBe('increase')
    expect(drafts[0]?.probe).toBe(
      `max by (host) (timestamp(process_cpu_seconds_total{${own},host=~"bj1-node-001|sh1-node-001"}))`,
    )
  })

  test("the specification's names, which begin with the service and have no label for it", () => {
    const names = [
      'user-service_service_cpu_user_seconds_total',
      'user-service_service_cpu_system_seconds_total',
      'user-service_service_memory_used_bytes',
      'user-service_service_memory_active_bytes',
      'user-service_service_errors_total',
    ]
    const { drafts, notes } = choose({ series: names.flatMap((name) => seriesOf(name, ids, {})) })
    expect(drafts.map(({ name, candidates }) => ({ name, candidates }))).toEqual([
      { name: 'CPU', candidates: names.slice(0, 2) },
      { name: 'Memory', candidates: names.slice(2, 4) },
      { name: 'Error Rate', candidates: names.slice(4) },
    ])
    expect(drafts[0]?.query).toBe(
      `sum by (host) (rate({__name__="${names[0]}"}[$window])) + sum by (host) (rate({__name__="${names[1]}"}[$window]))`,
    )
    expect(drafts[2]).toMatchObject({ kind: 'per_second' })
    expect(notes).toEqual(['no metric for Latency was found', 'no metric for Traffic was found'])
  })

  test('errors counted apart are related to the requests', () => {
    const series = [...seriesOf('http_requests_total', ids), ...seriesOf('http_errors_total', ids)]
    const found = draft({ series }, 'error_rate')
    expect(found).toMatchObject({ kind: 'ratio', candidates: ['http_errors_total', 'http_requests_total'] })
    expect(found?.counts?.errors).toContain('http_errors_total')
    expect(found?.counts?.requests).not.toContain('errors')
  })

  test.each([
    ['code', '200', '5..'],
    ['status', '5xx', '5..'],
    ['status_code', '404', '5..'],
    ['http_response_status_code', '201', '5..'],
    ['grpc_code', 'OK', 'Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss'],
    ['outcome', 'SUCCESS', '(?i:error|errors|failure|failed|fail|server_error)'],
    ['result', 'error', '(?i:error|errors|failure|failed|fail|server_error)'],
  ])('the label %s with values like %s tells failed requests', (label, value, pattern) => {
    const series = seriesOf('http_requests_total', ids, { service: 'user-service', [label]: value })
    expect(draft({ series }, 'error_rate')?.query).toContain(`${label}=~"${pattern}"`)
  })

  test('a label called code that holds something else is no status', () => {
    const series = seriesOf('http_requests_total', ids, { service: 'user-service', code: 'eu-central' })
    expect(draft({ series }, 'error_rate')).toBeUndefined()
  })

  test('of several request counters the one with a status wins, then coverage, then the shorter name', () => {
    const series = [
      ...seriesOf('api_http_requests_total', ids),
      ...seriesOf('app_http_requests_total', [ids[0] as string], { service: 'user-service', code: '200' }),
      ...seriesOf('edge_http_requests_total', ids, { service: 'user-service', code: '200' }),
      ...seriesOf('very_edge_http_requests_total', ids, { service: 'user-service', code: '200' }),
    ]
    expect(draft({ series }, 'traffic')?.candidates[0]).toBe('edge_http_requests_total')
  })

  test('a histogram counts requests when nothing else does; clients, sizes and gauges do not', () => {
    const series = [
      ...seriesOf('http_client_requests_total', ids),
      ...seriesOf('http_requests_in_flight', ids),
      ...seriesOf('http_requests', ids),
      ...seriesOf('http_request_size_bytes_count', ids),
      ...seriesOf('http_request_duration_seconds_count', ids),
    ]
    const catalogue = [info('http_requests', 'gauge')]
    expect(draft({ series, catalogue }, 'traffic')?.candidates[0]).toBe('http_request_duration_seconds_count')
  })

  test('latency falls back to a summary, then to the mean; milliseconds become seconds', () => {
    const summary = ['0.5', '0.99', '0.9'].flatMap((quantile) =>
      seriesOf('rpc_duration_seconds', ids, { service: 'user-service', quantile }),
    )
    expect(draft({ series: summary }, 'latency')?.query).toBe(
      'max by (host) (rpc_duration_seconds{service="user-service",quantile="0.99"})',
    )
    const low = seriesOf('rpc_duration_seconds', ids, { service: 'user-service', quantile: '0.5' })
    expect(draft({ series: low }, 'latency')?.source).toContain('quantile 0.5')
    const mean = [...seriesOf('http_request_duration_ms_sum', ids), ...seriesOf('http_request_duration_ms_count', ids)]
    expect(draft({ series: mean }, 'latency')?.query).toBe(
      '(sum by (host) (rate(http_request_duration_ms_sum{service="user-service"}[$window])) / sum by (host) (rate(http_request_duration_ms_count{service="user-service"}[$window]))) / 1000',
    )
    expect(draft({ series: mean.slice(0, 2) }, 'latency')).toBeUndefined()
  })

  test('CPU as a gauge is a share; percent is divided', () => {
    const found = draft({ series: seriesOf('app_cpu_usage_percent', ids) }, 'cpu')
    expect(found).toMatchObject({
      kind: 'ratio',
      query: 'max by (host) (app_cpu_usage_percent{service="user-service"}) / 100',
    })
    expect(draft({ series: seriesOf('process_cpu_usage', ids) }, 'cpu')?.query).not.toContain('/ 100')
  })

  test('the machine and the runtime are not the service, and other services are not this one', () => {
    const series = [
      ...seriesOf('node_cpu_seconds_total', ids),
      ...seriesOf('process_cpu_seconds_total', ids, { service: 'billing' }),
      ...seriesOf('process_cpu_seconds_total', ids, { job: 'prod/billing' }),
    ]
    expect(draft({ series }, 'cpu')).toBeUndefined()
    expect(
      draft({ series: seriesOf('process_cpu_seconds_total', ids, { job: 'prod/user-service' }) }, 'cpu')?.query,
    ).toContain('job="prod/user-service"')
  })

  test('hosts are told apart by id, address, alias or address with port', () => {
    const by = (values: string[], label: string) =>
      draft({ series: seriesOf('process_cpu_seconds_total', values, { service: 'user-service' }, label) }, 'cpu')
        ?.hostLabel
    expect(by(ids, 'node')).toBe('node')
    expect(by(['10.0.0.1:9100', '10.0.0.2:9100'], 'instance')).toBe('instance')
    expect(by(['10.0.0.1', '10.0.0.2'], 'exported_address')).toBe('exported_address')
    expect(by(['192.168.0.1:1', '192.168.0.2:1'], 'instance')).toBeUndefined()
  })

  test('two hosts on one address need their ports or ids', () => {
    const twins = [
      { id: 'a', ip: '127.0.0.1', aliases: ['127.0.0.1:9001'] },
      { id: 'b', ip: '127.0.0.1' },
      { id: 'c', ip: '::1' },
    ]
    expect(hostOf('127.0.0.1:9001', twins)?.id).toBe('a')
    expect(hostOf('127.0.0.1:9002', twins)).toBeUndefined()
    expect(hostOf('127.0.0.1', twins)).toBeUndefined()
    expect(hostOf('b:80', twins)?.id).toBe('b')
    expect(hostOf('[::1]:80', twins)?.id).toBe('c')
    expect(hostOf('', twins)).toBeUndefined()
    expect(hostOf(undefined, twins)).toBeUndefined()
  })

  test('hostile names and values stay inside their quotes, and unpresentable names are left out', () => {
    const value = 'x"} or vector(1) #'
    const series = [
      ...seriesOf('a"} or vector(1) or {b="_cpu_seconds_total', ids),
      ...seriesOf(`${'x'.repeat(300)}_cpu_seconds_total`, ids),
      ...seriesOf('bell\u0007_cpu_seconds_total', ids),
      ...seriesOf('process_resident_memory_bytes', ids, { service: value }),
    ]
    const { drafts } = choose({ series: series.slice(0, 6) })
    expect(drafts.map(({ query }) => query)).toEqual([
      'sum by (host) (rate({__name__="a\\"} or vector(1) or {b=\\"_cpu_seconds_total",service="user-service"}[$window]))',
    ])
    const other = chooseMetrics({ catalogue: [], series, service: value, hosts })
    expect(other.drafts[0]?.query).toBe('sum by (host) (process_resident_memory_bytes{service="x\\"} or vector(1) #"})')
  })
})

describe('configured metrics', () => {
  const red = (value: unknown) => redSchema.parse(value)

  test('names win over what is found', () => {
    const series = [
      ...everything,
      ...seriesOf('jobs_done_total', ids),
      ...seriesOf('jobs_failed', ids),
      ...seriesOf('heap_bytes', ids),
      ...seriesOf('cpu_ticks', ids),
    ]
    const configured = red({
      requests: 'jobs_done_total',
      errors: 'jobs_failed',
      memory: 'heap_bytes',
      cpu: 'cpu_ticks',
    })
    const { drafts, notes } = choose({ series, configured, catalogue: [info('cpu_ticks', 'gauge')] })
    expect(notes).toEqual([])
    expect(drafts.map(({ candidates }) => candidates[0])).toEqual([
      'cpu_ticks',
      'heap_bytes',
      'jobs_failed',
      'http_request_duration_seconds_bucket',
      'jobs_done_total',
    ])
    expect(drafts[0]?.query).toBe('sum by (host) (cpu_ticks{service="user-service"})')
    expect(drafts[1]?.source).toContain('heap_bytes (configured)')
  })

  test('a histogram may be named without its suffix, or selected', () => {
    expect(
      draft({ series: everything, configured: red({ duration: 'http_request_duration_seconds' }) }, 'latency')?.query,
    ).toContain('histogram_quantile(0.95')
    const selected = draft({ series: everything, configured: red({ duration: 'lat_bucket{app="x"}' }) }, 'latency')
    expect(selected?.query).toBe('histogram_quantile(0.95, sum by (le, host) (rate(lat_bucket{app="x"}[$window])))')
    const level = draft({ series: everything, configured: red({ duration: 'lat{quantile="0.9"}' }) }, 'latency')
    expect(level?.query).toBe('max by (host) (lat{quantile="0.9"})')
  })

  test('selectors and expressions are taken as they are', () => {
    const configured = red({
      requests: 'sum by (node) (rate(hits{app="u"}[$window]))',
      errors: 'sum by (node) (rate(hits{app="u",ok="no"}[$window]))',
      duration: 'max by (node) (app_latency_seconds)',
      cpu: 'work_total{app="u"}',
      hostLabel: 'node',
    })
    const { drafts } = choose({ series: [], configured })
    expect(
      drafts.map(({ key, query, hostLabel, freshQuery }) => [
        key,
        query.includes(')('),
        hostLabel,
        freshQuery !== undefined,
      ]),
    ).toEqual([
      ['cpu', false, 'node', true],
      ['error_rate', false, 'node', false],
      ['latency', false, 'node', false],
      ['traffic', false, 'node', false],
    ])
    expect(drafts[0]?.query).toBe('sum by (node) (rate(work_total{app="u"}[$window]))')
    expect(drafts[1]?.counts).toEqual({
      by: 'rate',
      requests: 'sum by (node) (sum by (node) (rate(hits{app="u"}[$window])))',
      errors: 'sum by (node) (sum by (node) (rate(hits{app="u",ok="no"}[$window])))',
    })
  })

  test('a name without series is said, and the found metric stands in', () => {
    const { drafts, notes } = choose({ series: everything, configured: red({ requests: 'no_such_total' }) })
    expect(notes).toEqual(['the configured requests metric no_such_total has no series for these hosts'])
    expect(drafts.at(-1)?.candidates[0]).toBe('http_requests_total')
  })

  test('labels and the host label narrow what is looked at', () => {
    const series = [
      ...seriesOf('process_cpu_seconds_total', ids, { env: 'prod' }),
      ...seriesOf('process_resident_memory_bytes', ids, { env: 'test' }),
    ]
    const { drafts } = choose({ series, configured: red({ labels: { env: 'prod' } }) })
    expect(drafts.map(({ query }) => query)).toEqual([
      'sum by (host) (rate(process_cpu_seconds_total{env="prod"}[$window]))',
    ])
    expect(choose({ series: everything, configured: red({ hostLabel: 'pod' }) }).drafts).toEqual([])
    expect(() => red({ hostLabel: 'a b' })).toThrow()
    expect(() => red({ request: 'typo' })).toThrow()
  })

  test('a request counter and an error counter with different host labels are not divided', () => {
    const series = [
      ...seriesOf('http_requests_total', ids),
      ...seriesOf('http_errors_total', ids, { service: 'user-service' }, 'node'),
    ]
    expect(draft({ series }, 'error_rate')).toMatchObject({ kind: 'per_second', hostLabel: 'node' })
  })
})

test('the series lists ask by every label that may name a service, escaped, and by name', () => {
  const matchers = seriesMatchers('a.b"c', ['x_total', 'y"_total'])
  expect(matchers.find((each) => each.startsWith('{service='))).toContain('{service="a.b\\"c",__name__=~"')
  expect(matchers.find((each) => each.startsWith('{job='))).toContain('job=~"(.*/)?a\\\\.b\\"c"')
  expect(matchers.at(-1)).toBe('{__name__=~"x_total|y\\"_total",le=~"|\\\\+Inf"}')
  expect(seriesMatchers('s', [], { env: 'p', app: 's' })).toHaveLength(1)
})
