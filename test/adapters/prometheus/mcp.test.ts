import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterEach, describe, expect, test } from 'vitest'
import { prometheusSchema } from '../../../src/adapters/prometheus/config.ts'
import { createPrometheusMcp, type PrometheusMcpOptions } from '../../../src/adapters/prometheus/mcp.ts'
import { checkRange, stepSeconds, timeSeconds } from '../../../src/adapters/prometheus/mcp-bounds.ts'
import { toolsOf } from '../mcp-client/world.ts'

const secret = 'prom-token-5b8e21c9'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Seen {
  path: string
  query: URLSearchParams
  authorization: string | undefined
}

/** A server that answers as a Prometheus might, and the bundled MCP server in front of it. */
async function world(answer: (response: ServerResponse, seen: Seen) => void, more: Partial<PrometheusMcpOptions> = {}) {
  const seen: Seen[] = []
  const http = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const url = new URL(request.url ?? '/', 'http://x')
    const query = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams
    const one = { path: url.pathname, query, authorization: request.headers.authorization }
    seen.push(one)
    answer(response, one)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    http.closeAllConnections()
    return new Promise((resolve) => http.close(resolve))
  })
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const config = prometheusSchema.parse({ url, bearerTokenEnv: 'TOKEN', timeoutSeconds: 1 })
  const server = createPrometheusMcp({ config, env: { TOKEN: secret }, ...more })
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  await server.connect(theirs)
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(ours)
  closers.push(() => server.close())
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: args }))
    const texts = result.content.map((part) => (part.type === 'text' ? part.text : part.type))
    return { failed: result.isError === true, text: texts[0] ?? '', texts }
  }
  return { call, seen, client, server, url }
}

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const data = (value: unknown) => (response: ServerResponse) => json(response, 200, { status: 'success', data: value })
const up = { query: 'up' }

describe('Prometheus that answers', () => {
  test.each([
    ['503', (response: ServerResponse) => response.writeHead(503).end('no'), 'in trouble (HTTP 503)'],
    [
      '500 with a reason',
      (response: ServerResponse) =>
        json(response, 500, { status: 'error', errorType: 'internal', error: 'tsdb closed' }),
      'tsdb closed',
    ],
    [
      '422',
      (response: ServerResponse) =>
        json(response, 422, { status: 'error', errorType: 'execution', error: 'many-to-many matching not allowed' }),
      'Prometheus says (HTTP 422, execution): many-to-many matching not allowed',
    ],
    [
      '400',
      (response: ServerResponse) =>
        json(response, 400, { status: 'error', errorType: 'bad_data', error: 'unexpected end of input' }),
      'unexpected end of input',
    ],
    ['401', (response: ServerResponse) => response.writeHead(401).end(), 'rejects the credentials'],
    [
      'a page of something else',
      (response: ServerResponse) => response.end('<html>login</html>'),
      "does not speak Prometheus' API (HTTP 200)",
    ],
    [
      'with a redirect',
      (response: ServerResponse) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
      'not followed',
    ],
    ['nothing', () => {}, 'did not answer in 1 s'],
    ['and hangs up', (response: ServerResponse) => response.destroy(), 'cannot be reached'],
    [
      'its own credentials',
      (response: ServerResponse) =>
        json(response, 400, { status: 'error', errorType: 'x', error: `bad header ${secret}` }),
      'bad header ***',
    ],
  ])('%s: an error that says so', async (_name, answer, words) => {
    const { call } = await world(answer)
    const result = await call('execute_query', up)
    expect(result).toMatchObject({ failed: true, text: expect.stringContaining(words) })
    expect(result.text).not.toContain(secret)
  })

  test('NaN, infinities and nothing at all: passed on as they are', async () => {
    const odd = {
      resultType: 'vector',
      result: ['NaN', '+Inf', '-Inf'].map((value) => ({ metric: {}, value: [1, value] })),
    }
    const { call, seen } = await world(data(odd))
    expect(JSON.parse((await call('execute_query', { ...up, time: '2026-01-31T08:00:00+01:00' })).text)).toEqual(odd)
    expect(seen[0]).toMatchObject({ path: '/api/v1/query', authorization: `Bearer ${secret}` })
    expect(Object.fromEntries(seen[0]?.query ?? [])).toEqual({ query: 'up', timeout: '1s', time: '1769842800' })
    const empty = await world(data({ resultType: 'matrix', result: [] }))
    const range = { ...up, start: '1769842800', end: '1769842900.5', step: '1m30s' }
    expect(await empty.call('execute_range_query', range)).toMatchObject({
      failed: false,
      text: '{"resultType":"matrix","result":[]}',
    })
    expect(Object.fromEntries(empty.seen[0]?.query ?? [])).toMatchObject({
      start: '1769842800',
      end: '1769842900.5',
      step: '90',
    })
  })

  test('with more series or points than the bound: what was left out is said beside the JSON', async () => {
    const series = Array.from({ length: 30 }, (_, i) => ({
      metric: { i: String(i) },
      values: [
        [1, '1'],
        [2, '2'],
      ],
    }))
    const many = await world(data({ resultType: 'matrix', result: series }), { bounds: { series: 20, points: 1000 } })
    const range = { ...up, start: '0', end: '10', step: '1s' }
    const cut = await many.call('execute_range_query', range)
    expect(JSON.parse(cut.text).result).toHaveLength(20)
    expect(cut.texts[1]).toContain('note: 10 of 30 series left out')
    const long = await world(data({ resultType: 'matrix', result: series }), { bounds: { series: 100, points: 11 } })
    expect(JSON.parse((await long.call('execute_range_query', range)).text).result).toHaveLength(5)
  })

  test('reads the same through the client as an answer, an empty answer and a failure', async () => {
    let step = 0
    const steps = [
      data({ resultType: 'vector', result: [{ metric: { host: 'a' }, value: [1, 'NaN'] }] }),
      data({ resultType: 'vector', result: [] }),
      (response: ServerResponse) => response.writeHead(502).end(),
    ]
    const { server } = await world((response) => steps[step++]?.(response))
    const { tools, logged } = toolsOf([{ name: 'prometheus', kind: 'prometheus' }], {
      inMemory: { prometheus: (transport) => server.connect(transport) },
    })
    closers.push(tools.close)
    expect((await tools.call('execute_query', up)).text).toContain('{host="a"} NaN')
    expect(await tools.call('execute_query', up)).toMatchObject({ failed: false, empty: true })
    const trouble = await tools.call('execute_query', up)
    expect(trouble).toMatchObject({ failed: true, empty: false, text: expect.stringContaining('HTTP 502') })
    expect(tools.servers()).toMatchObject([{ at: 'connected', tools: 5 }])
    expect(logged()).not.toContain(secret)
  })
})

describe('arguments', () => {
  test.each([
    [{ start: '0', end: '11000', step: '1s' }, 'Use a step of 44s or more'],
    [{ start: '10', end: '5', step: '1s' }, 'end is before start'],
    [{ start: 'yesterday', end: '5', step: '1s' }, 'start is no time. Write it as RFC 3339'],
    [{ start: '0', end: '5', step: 'often' }, 'step is no duration'],
    [{ start: '0', end: '5', step: '0' }, 'step is no duration'],
  ])('%j are refused without asking Prometheus', async (range, words) => {
    const { call, seen } = await world(data({ resultType: 'matrix', result: [] }))
    expect(await call('execute_range_query', { ...up, ...range })).toMatchObject({
      failed: true,
      text: expect.stringContaining(words),
    })
    expect(seen).toEqual([])
  })

  test('take what pab1it0 takes: 11,000 points, units, both forms of time', () => {
    expect(checkRange('0', '10999', '1')).toEqual({ start: '0', end: '10999', step: '1' })
    expect(['15s', '1m', '1h30m', '500ms', '0.5', '2w', '1y', '', '-1', '1.5h', '5m 1s'].map(stepSeconds)).toEqual([
      15,
      60,
      5400,
      0.5,
      0.5,
      1_209_600,
      31_536_000,
      ...Array(4).fill(undefined),
    ])
    expect(['2026-01-31T08:00:00Z', '2026-01-31T08:00:00.250+01:00', '1769846400.5'].map(timeSeconds)).toEqual([
      1_769_846_400, 1_769_842_800.25, 1_769_846_400.5,
    ])
    expect(['2026-13-31T08:00:00Z', '2026-01-31', 'now', '1e9', '-1'].map(timeSeconds)).toEqual(
      Array(5).fill(undefined),
    )
  })
})

describe('lists', () => {
  const target = (name: string, health: string) => ({
    labels: { instance: name },
    health,
    lastError: '',
    discoveredLabels: { long: 'x' },
  })

  test('of targets have those in trouble first, without the labels before relabelling', async () => {
    const { call, seen } = await world(
      data({ activeTargets: [target('a', 'up'), target('b', 'down')], droppedTargets: [] }),
    )
    const { text } = await call('get_targets')
    expect(
      JSON.parse(text).activeTargets.map(({ labels }: { labels: { instance: string } }) => labels.instance),
    ).toEqual(['b', 'a'])
    expect(text).not.toContain('discoveredLabels')
    expect(seen[0]?.query.get('state')).toBe('active')
  })

  test('of metrics are filtered and paged; metadata is that of the one metric', async () => {
    const names = Array.from({ length: 700 }, (_, i) => `metric_${String(i).padStart(3, '0')}`)
    const { call } = await world((response, { path }) =>
      data(path.endsWith('/values') ? names : { metric_001: [{ type: 'gauge', help: 'h', unit: '' }] })(response),
    )
    expect(JSON.parse((await call('list_metrics')).text)).toMatchObject({
      total_count: 700,
      returned_count: 500,
      has_more: true,
    })
    expect(JSON.parse((await call('list_metrics', { filter_pattern: 'METRIC_69', limit: 3, offset: 8 })).text)).toEqual(
      {
        metrics: ['metric_698', 'metric_699'],
        total_count: 10,
        returned_count: 2,
        offset: 8,
        has_more: false,
      },
    )
    expect(JSON.parse((await call('get_metric_metadata', { metric: 'metric_001' })).text)).toEqual([
      { type: 'gauge', help: 'h', unit: '' },
    ])
    expect((await call('get_metric_metadata', { metric: 'other' })).text).toBe('[]')
  })

  const numbered = (count: number) => Array.from({ length: count }, (_, i) => `m_${String(i).padStart(4, '0')}`)

  test('of metadata are bounded, whatever limit is asked for; texts are cut', async () => {
    const help = 'long '.repeat(1000)
    const { call } = await world(
      data(Object.fromEntries(numbered(2500).map((name) => [name, [{ type: 'gauge', help, unit: '' }]]))),
    )
    const usual = JSON.parse((await call('get_metric_metadata')).text)
    expect(usual).toMatchObject({ total_count: 2500, returned_count: 200, offset: 0, has_more: true })
    expect(usual.metadata.m_0000[0].help).toHaveLength(1000)
    const most = JSON.parse((await call('get_metric_metadata', { limit: 9999, offset: 400 })).text)
    expect(most).toMatchObject({ returned_count: 2000, offset: 400, has_more: true })
    expect(Object.keys(most.metadata)[0]).toBe('m_0400')
  })

  test('of targets follow page by page, though Prometheus gives another order each time', async () => {
    const all = numbered(1200).map((name) => ({ ...target(name, 'up'), scrapeUrl: `http://${name}/metrics` }))
    let turn = 0
    const { call } = await world((response) => {
      turn += 7
      data({ activeTargets: [...all.slice(turn), ...all.slice(0, turn)].toReversed() })(response)
    })
    const seen: string[] = []
    for (let more = true; more; ) {
      const { text } = await call('get_targets', { limit: 5000, offset: seen.length })
      const { activeTargets, has_more } = JSON.parse(text)
      expect(activeTargets.length).toBeLessThanOrEqual(1000)
      seen.push(...activeTargets.map(({ labels }: { labels: { instance: string } }) => labels.instance))
      more = has_more
    }
    expect(seen).toEqual(numbered(1200))
  })

  test('of dropped targets keep few labels, and short ones', async () => {
    const discoveredLabels = Object.fromEntries(numbered(100).map((name) => [name, 'v'.repeat(5000)]))
    const { call, seen } = await world(data({ droppedTargets: [{ discoveredLabels }] }))
    const { text } = await call('get_targets', { state: 'dropped', scrape_pool: 'api' })
    const [dropped] = JSON.parse(text).droppedTargets
    expect(Object.values(dropped.discoveredLabels)).toEqual(Array(40).fill('v'.repeat(200)))
    expect(Object.fromEntries(seen[0]?.query ?? [])).toEqual({ state: 'dropped', scrapePool: 'api' })
  })

  test.each(['list_metrics', 'get_metric_metadata', 'get_targets'])(
    '%s: an answer that is no such list is a failure that says so',
    async (name) => {
      const { call } = await world(data(17))
      expect(await call(name)).toMatchObject({ failed: true, text: expect.stringContaining('something that is no') })
    },
  )
})
