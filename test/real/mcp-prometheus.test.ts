import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prometheusSchema } from '../../src/adapters/prometheus/config.ts'
import { createPrometheus } from '../../src/adapters/prometheus/index.ts'
import { createPrometheusMcp, type PrometheusMcp } from '../../src/adapters/prometheus/mcp.ts'
import type { ToolResult } from '../../src/ports/tools.ts'
import { type Tried, toolsOf } from '../adapters/mcp-client/world.ts'
import { npmPrometheusMcp, pythonPrometheusMcp } from '../servers/prometheus-mcp.ts'
import { describeReal, type RealPrometheus, startPrometheus, until } from './prometheus.ts'
import { type Exporter, startExporter } from './prometheus-exporter.ts'

let exporters: Exporter[] = []
let prometheus: RealPrometheus
let start: number

if (process.env.ROLLCALL_SKIP_REAL !== '1') {
  beforeAll(async () => {
    const behaviour = { version: 'v1.0.0', perSecond: 20, errorShare: 0.1, seconds: 0.02 }
    exporters = [await startExporter('a', behaviour), await startExporter('b', behaviour)]
    start = Date.now() / 1000
    prometheus = await startPrometheus(exporters.map(({ address }) => ({ address })))
    const metrics = createPrometheus(prometheusSchema.parse({ url: prometheus.url }), {})
    await until(
      30,
      () => metrics.instant('min(count_over_time(http_requests_total[30s]))'),
      ([all]) => (all?.value ?? 0) >= 6,
    )
  }, 60_000)
  afterAll(async () => {
    await prometheus?.stop()
    for (const exporter of exporters) await exporter.stop()
  })
}

interface Driven extends Tried {
  close(): Promise<void>
}

const ways: { name: string; empty: string; open: () => Promise<Driven> }[] = [
  {
    name: 'the bundled server in memory',
    empty: 'no series match',
    open: async () => {
      const server = createPrometheusMcp({ config: prometheusSchema.parse({ url: prometheus.url }) })
      return driven({ name: 'prometheus', kind: 'prometheus' }, { prometheus: (to) => server.connect(to) }, server)
    },
  },
  {
    name: 'the bundled server by its command, over stdio',
    empty: 'no series match',
    open: async () => {
      const command = [process.execPath, `${process.cwd()}/src/main.ts`, 'mcp', 'prometheus', '--url', prometheus.url]
      return driven({ name: 'prometheus', kind: 'prometheus', command })
    },
  },
  {
    name: "pab1it0's prometheus-mcp-server 1.6.2 with TOOL_PREFIX",
    empty: 'no series match',
    open: async () =>
      driven({
        name: 'prod',
        kind: 'prometheus-mcp-server',
        command: [await pythonPrometheusMcp()],
        set: { PROMETHEUS_URL: prometheus.url, TOOL_PREFIX: 'prod' },
        toolPrefix: 'prod',
      }),
  },
  {
    name: 'npm prometheus-mcp 1.1.3',
    empty: 'no series match',
    open: async () =>
      driven({
        name: 'npm',
        kind: 'prometheus-mcp',
        command: [process.execPath, await npmPrometheusMcp(), 'stdio'],
        set: { PROMETHEUS_URL: prometheus.url },
      }),
  },
]

async function driven(
  server: object,
  inMemory: Record<string, (transport: Transport) => Promise<void>> = {},
  bundled?: PrometheusMcp,
): Promise<Driven> {
  const tried = toolsOf([server], { inMemory, connectSeconds: 60 })
  const close = async () => {
    await tried.tools.close()
    await bundled?.close()
  }
  return { ...tried, close }
}

describeReal.each(ways)('$name', ({ open }) => {
  let world: Driven
  beforeAll(async () => {
    world = await open()
  }, 400_000)
  afterAll(async () => world?.close())
  const call = (name: string, args: Record<string, string | number> = {}): Promise<ToolResult> =>
    world.tools.call(name, args)

  test("offers the seed's five tools with the seed's arguments, and read_result", async () => {
    const all = await world.tools.list()
    expect(world.tools.servers()).toMatchObject([{ at: 'connected', tools: 5 }])
    expect(all.map(({ name, inputSchema }) => [name, Object.keys(Object(Object(inputSchema).properties))])).toEqual([
      ['execute_query', ['query', 'time']],
      ['execute_range_query', ['query', 'start', 'end', 'step']],
      ['list_metrics', ['limit', 'offset', 'filter_pattern']],
      ['get_metric_metadata', ['metric']],
      ['get_targets', []],
      ['read_result', ['handle', 'offset']],
    ])
  }, 70_000)

  test('answers an instant query', async () => {
    const { text, failed, empty } = await call('execute_query', { query: 'sum by (host) (up * 0 + 7) or up' })
    expect({ failed, empty }).toEqual({ failed: false, empty: false })
    expect(text).toContain('vector of 3 series')
    const at = new Date().toISOString()
    expect((await call('execute_query', { query: 'vector(41) + 1', time: at })).text).toMatch(
      /^vector of 1 series.*\n\{\} 42$/s,
    )
    expect((await call('execute_query', { query: '1 + 1' })).text).toMatch(/^scalar at .*: 2$/)
  })

  test('answers a range query', async () => {
    const end = String(Math.floor(Date.now() / 1000))
    const { text, failed } = await call('execute_range_query', {
      query: 'sum by (host) (http_requests_total{code="200"})',
      start: String(Math.floor(start)),
      end,
      step: '1s',
    })
    expect(failed).toBe(false)
    expect(text).toContain('matrix of 2 series')
    expect(text).toMatch(/host="a".* points, 20.*Z to 20.*; min \d+, median \d+/)
    expect(text).toMatch(/step 1 s: \d+ \d+ \d+/)
  })

  test('says that an empty answer is an answer', async () => {
    const { text, failed, empty } = await call('execute_query', { query: 'no_such_metric{host="a"}' })
    expect({ failed, empty }).toEqual({ failed: false, empty: true })
    expect(text).toContain('no series match')
    const range = { query: 'no_such_metric', start: '2026-01-01T00:00:00Z', end: '2026-01-01T00:10:00Z', step: '1m' }
    expect(await call('execute_range_query', range)).toMatchObject({ failed: false, empty: true })
  })

  test('shows NaN and infinities as they are', async () => {
    const { text } = await call('execute_query', { query: 'odd_values{host="a"}' })
    const values = text
      .split('\n')
      .map((line) => line.split('} ')[1])
      .filter((value) => /^\S+$/.test(value ?? ''))
    expect(values).toEqual(['+Inf', '-Inf', 'NaN'])
  })

  test('gives back what is wrong with a query', async () => {
    const { text, failed } = await call('execute_query', { query: 'sum(rate(up[5m])' })
    expect(failed).toBe(true)
    // pab1it0's and the npm server hide Prometheus' own reason behind the HTTP status.
    expect(text).toMatch(/unclosed left parenthesis|400/)
  })

  test('lists metrics with filter and paging', async () => {
    const { text } = await call('list_metrics', { filter_pattern: 'HTTP_REQUEST_duration', limit: 2, offset: 1 })
    expect(JSON.parse(text)).toMatchObject({
      metrics: ['http_request_duration_seconds_count', 'http_request_duration_seconds_sum'],
      total_count: 3,
      offset: 1,
      has_more: false,
    })
    expect(await call('list_metrics', { filter_pattern: 'no-such' })).toMatchObject({ failed: false, empty: true })
  })

  test('gives type and help of a metric, and the targets', async () => {
    expect((await call('get_metric_metadata', { metric: 'http_requests_total' })).text).toContain('Requests answered.')
    expect(await call('get_metric_metadata', { metric: 'no_such' })).toMatchObject({ empty: true, failed: false })
    const { text } = await call('get_targets')
    expect(text).toContain('"health":"up"')
    expect(text).toContain(exporters[0]?.address)
  })
})

describeReal('rollcall mcp prometheus', () => {
  test('serves a foreign client: nothing but protocol on stdout, the address from PROMETHEUS_URL', async () => {
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: ['src/main.ts', 'mcp', 'prometheus'],
      env: { PROMETHEUS_URL: prometheus.url },
      stderr: 'pipe',
    })
    const client = new Client({ name: 'foreign', version: '1' })
    const errors: Error[] = []
    client.onerror = (error) => errors.push(error)
    await client.connect(transport)
    try {
      const { tools } = await client.listTools()
      expect(tools.map(({ name, annotations }) => [name, annotations?.readOnlyHint])).toEqual(
        ['execute_query', 'execute_range_query', 'list_metrics', 'get_metric_metadata', 'get_targets'].map((name) => [
          name,
          true,
        ]),
      )
      const result = CallToolResultSchema.parse(
        await client.callTool({ name: 'execute_query', arguments: { query: 'vector(7)' } }),
      )
      expect(JSON.parse(Object(result.content[0]).text)).toMatchObject({
        resultType: 'vector',
        result: [{ metric: {} }],
      })
      const wide = await client.callTool({
        name: 'execute_range_query',
        arguments: { query: 'up', start: '0', end: '1000000', step: '1s' },
      })
      expect(wide.isError).toBe(true)
      expect(JSON.stringify(wide.content)).toContain('Use a step of 4000s or more')
      expect(errors).toEqual([])
    } finally {
      await client.close()
    }
  })
})
