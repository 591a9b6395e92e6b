import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prometheusSchema } from '../../src/adapters/prometheus/config.ts'
import { createPrometheus } from '../../src/adapters/prometheus/index.ts'
import { createPrometheusMcp, type PrometheusMcp } from '../../src/adapters/prometheus/mcp.ts'
import type { Json } from '../../src/ports/store.ts'
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
    const dropped = { address: '127.0.0.1:9', labels: { __drop: 'yes' } }
    prometheus = await startPrometheus([...exporters.map(({ address }) => ({ address })), dropped])
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

const seedNames = ['execute_query', 'execute_range_query', 'list_metrics', 'get_metric_metadata', 'get_targets']

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
  const call = (name: string, args: Record<string, Json> = {}): Promise<ToolResult> => world.tools.call(name, args)

  test("offers the seed's five tools, and read_result", async () => {
    const all = await world.tools.list()
    expect(world.tools.servers()).toMatchObject([{ at: 'connected', tools: 5 }])
    expect(all.map(({ name }) => name)).toEqual([...seedNames, 'read_result'])
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

  test('gives the metadata of all metrics, found by what their help says, and paged', async () => {
    const all = JSON.parse((await call('get_metric_metadata')).text)
    expect(all).toMatchObject({ total_count: 5, returned_count: 5, offset: 0, has_more: false })
    expect(all.metadata.http_requests_total).toEqual([{ type: 'counter', help: 'Requests answered.', unit: '' }])
    expect(JSON.parse((await call('get_metric_metadata', { filter_pattern: 'ANSWERED' })).text)).toEqual({
      metadata: { http_requests_total: all.metadata.http_requests_total },
      total_count: 1,
      returned_count: 1,
      offset: 0,
      has_more: false,
    })
    const second = JSON.parse((await call('get_metric_metadata', { limit: 2, offset: 1 })).text)
    expect(second).toMatchObject({ total_count: 5, returned_count: 2, offset: 1, has_more: true })
    expect(Object.keys(second.metadata)).toEqual(Object.keys(all.metadata).slice(1, 3))
    const none = await call('get_metric_metadata', { metric: 'http_requests_total', filter_pattern: 'no such words' })
    expect(none).toMatchObject({ failed: false, empty: true })
    expect(await call('get_metric_metadata', { offset: 99 })).toMatchObject({ failed: false, empty: false })
  })

  test('gives the targets of a state and of a scrape pool, paged', async () => {
    const of = async (args: Record<string, string | number>) => JSON.parse((await call('get_targets', args)).text)
    const totals = { total_active: 2, total_dropped: 1, state: 'any' }
    const both = await of({ state: 'any', scrape_pool: 'rollcall-test' })
    expect(both).toMatchObject({ ...totals, returned_active: 2, returned_dropped: 1, has_more: false })
    expect(both.droppedTargets[0].discoveredLabels).toMatchObject({ __address__: '127.0.0.1:9', job: 'rollcall-test' })
    expect(await of({ state: 'any', limit: 1 })).toMatchObject({ ...totals, returned_active: 1, has_more: true })
    expect(await of({ state: 'any', limit: 1, offset: 1 })).toMatchObject({ returned_active: 1, returned_dropped: 0 })
    expect(await of({ state: 'dropped' })).toMatchObject({ activeTargets: [], total_active: 0, total_dropped: 1 })
    expect(await of({})).toMatchObject({ droppedTargets: [], total_active: 2, total_dropped: 0, state: 'active' })
    expect(await call('get_targets', { scrape_pool: 'no-such' })).toMatchObject({ failed: false, empty: true })
  })

  test('refuses an argument that does not exist, and takes null for one that is left out', async () => {
    const wrong = await call('get_targets', { health: 'down' })
    expect(wrong).toMatchObject({ failed: true, text: expect.stringContaining('get_targets has no argument "health"') })
    expect(wrong.text).toContain('It takes state, scrape_pool, limit, offset.')
    expect((await call('list_metrics', { filter_pattern: 'odd_', limit: null, refresh_cache: true })).text).toContain(
      '"total_count":1',
    )
  })
})

describeReal("the bundled server beside pab1it0's", () => {
  let ours: Client
  let theirs: Client
  beforeAll(async () => {
    ours = await speakTo(process.execPath, ['src/main.ts', 'mcp', 'prometheus'])
    theirs = await speakTo(await pythonPrometheusMcp(), [])
  }, 400_000)
  afterAll(async () => {
    await ours?.close()
    await theirs?.close()
  })

  test('has its tools with all their arguments, and none more of them required', async () => {
    const [mine, its] = [await schemasOf(ours), await schemasOf(theirs)]
    expect(Object.keys(its).toSorted()).toEqual([...seedNames, 'health_check'].toSorted())
    for (const name of seedNames) {
      expect(mine[name]?.properties, name).toEqual(expect.arrayContaining(its[name]?.properties ?? ['missing']))
      expect(its[name]?.required, name).toEqual(expect.arrayContaining(mine[name]?.required ?? ['missing']))
    }
  }, 70_000)

  const end = () => Math.floor(Date.now() / 1000)
  test.each<[string, Record<string, unknown>]>([
    ['execute_query', { query: 'sum by (host) (up)' }],
    ['execute_query', { query: '1 + 1', time: '' }],
    ['execute_query', { query: 'no_such_metric', time: null }],
    ['execute_query', { query: 'up{host="a"}[10s]', time: String(end()) }],
    ['execute_range_query', { query: 'vector(7)', start: String(end() - 60), end: String(end()), step: '15s' }],
    ['list_metrics', {}],
    ['list_metrics', { limit: 2, offset: 1, filter_pattern: 'REQUEST', refresh_cache: true }],
    ['list_metrics', { limit: null, offset: 99, filter_pattern: null }],
    ['list_metrics', { limit: 0 }],
    ['get_metric_metadata', {}],
    ['get_metric_metadata', { metric: null, filter_pattern: 'ANSWERED' }],
    ['get_metric_metadata', { limit: 2, offset: 1 }],
    ['get_metric_metadata', { filter_pattern: 'no such words' }],
    ['get_metric_metadata', { metric: 'http_requests_total' }],
    ['get_metric_metadata', { metric: 'http_requests_total', filter_pattern: 'COUNTER' }],
    ['get_targets', {}],
    ['get_targets', { state: 'dropped' }],
    ['get_targets', { state: 'any', limit: 1 }],
    ['get_targets', { state: 'any', limit: 1, offset: 1 }],
    ['get_targets', { scrape_pool: 'no-such', limit: null }],
  ])('%s %j is answered alike', async (name, args) => {
    const [mine, its] = [await ask(ours, name, args), await ask(theirs, name, args)]
    expect([mine.failed, its.failed]).toEqual([false, false])
    expect(alike(JSON.parse(mine.text))).toEqual(alike(JSON.parse(its.text)))
  })

  test.each<[string, Record<string, unknown>]>([
    ['get_targets', { state: 'odd' }],
    ['get_targets', { health: 'down' }],
    ['get_targets', { offset: -1 }],
    ['get_metric_metadata', { name: 'up' }],
    ['list_metrics', { limit: 'many' }],
    ['execute_query', {}],
    ['execute_query', { query: 'up', at: '1' }],
    ['execute_query', { query: 'sum(' }],
    ['execute_range_query', { query: 'up', start: '', end: '1', step: '1s' }],
  ])('%s %j is refused alike', async (name, args) => {
    expect([(await ask(ours, name, args)).failed, (await ask(theirs, name, args)).failed]).toEqual([true, true])
  })

  async function speakTo(command: string, args: string[]): Promise<Client> {
    const env = { PROMETHEUS_URL: prometheus.url, PATH: process.env.PATH ?? '' }
    const client = new Client({ name: 'foreign', version: '1' })
    await client.connect(new StdioClientTransport({ command, args, env, stderr: 'ignore' }), { timeout: 60_000 })
    return client
  }

  async function schemasOf(client: Client) {
    const { tools } = await client.listTools()
    return Object.fromEntries(
      tools.map(({ name, inputSchema: { properties = {}, required = [] } }) => [
        name,
        { properties: Object.keys(properties), required },
      ]),
    )
  }

  async function ask(client: Client, name: string, args: Record<string, unknown>) {
    const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }))
    return { failed: result.isError === true, text: String(Object(result.content[0]).text) }
  }

  /**
   * What two answers to one call have in common: all but the moment, links, which of the targets come first, and an active target's
   * labels before relabelling.
   */
  function alike(answer: unknown): unknown {
    if (Array.isArray(answer)) {
      const [first, second] = answer
      // A point in time, whose value may have moved on between the two calls.
      if (answer.length === 2 && typeof first === 'number' && typeof second === 'string') return ['time', 'value']
      return answer.map(alike)
    }
    if (typeof answer !== 'object' || answer === null) return answer
    const entries = Object.entries(answer)
    if (!('health' in answer))
      return Object.fromEntries(entries.filter(([key]) => key !== 'links').map(([key, value]) => [key, alike(value)]))
    const shown = entries.filter(([key]) => key !== 'discoveredLabels')
    return Object.fromEntries(shown.map(([key, value]) => [key, key === 'health' ? value : typeof value]))
  }
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
        seedNames.map((name) => [name, true]),
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
