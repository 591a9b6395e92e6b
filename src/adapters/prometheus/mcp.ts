import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { PrometheusConfig } from './config.ts'
import { type Asked, createApi } from './mcp-api.ts'
import { type Bounds, boundAnswer, checkRange, timeHint, timeSeconds } from './mcp-bounds.ts'

export interface PrometheusMcp {
  /** Serves one client; may be called again for another. */
  connect(transport: Transport): Promise<void>
  close(): Promise<void>
}

export interface PrometheusMcpOptions {
  config: PrometheusConfig
  env?: Record<string, string | undefined>
  /** Of one answer. The default suits a client that shortens answers by itself; others want `standaloneBounds`. */
  bounds?: Bounds
  version?: string
}

const usualBounds: Bounds = { series: 2000, points: 50_000 }
/** For a client that reads whole answers into a model. */
export const standaloneBounds: Bounds = { series: 100, points: 5000 }
const mostTargets = 200
const usualMetrics = 500
const longestQuery = 10_000
const readOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true }

const query = z.string().min(1).max(longestQuery).describe('PromQL')
const moment = (what: string) => z.string().min(1).max(64).describe(`${what}: RFC 3339 or Unix seconds`)
const metadata = z.record(z.string(), z.array(z.looseObject({})))
const targets = z.looseObject({ activeTargets: z.array(z.looseObject({})) })

/**
 * An MCP server over one Prometheus: the five tools of pab1it0/prometheus-mcp-server with its arguments and result shapes, reading
 * only, every answer bounded. What goes wrong is a result marked as an error that carries Prometheus' reason.
 * Throws Fault `metrics.credentials-missing` or `metrics.ca-unreadable` at once.
 */
export function createPrometheusMcp(options: PrometheusMcpOptions): PrometheusMcp {
  const { config, env = process.env, bounds = usualBounds, version = '0' } = options
  const api = createApi(config, env)
  const limit = `${config.timeoutSeconds}s`
  const servers = new Set<McpServer>()

  function build(): McpServer {
    const server = new McpServer({ name: 'rollcall-prometheus', version })
    server.registerTool(
      'execute_query',
      {
        description: 'Execute a PromQL instant query against Prometheus',
        inputSchema: { query, time: moment('evaluation time, now when left out').optional() },
        annotations: { title: 'Execute PromQL Query', ...readOnly },
      },
      async ({ query, time }) => {
        const at = time === undefined ? undefined : timeSeconds(time)
        if (time !== undefined && at === undefined) return failed(`time is no time. ${timeHint}`)
        const asked = await api('POST', '/api/v1/query', {
          query,
          timeout: limit,
          ...(at === undefined ? {} : { time: String(at) }),
        })
        return bounded(asked, bounds)
      },
    )
    server.registerTool(
      'execute_range_query',
      {
        description: 'Execute a PromQL range query with start time, end time, and step interval',
        inputSchema: {
          query,
          start: moment('start'),
          end: moment('end'),
          step: z.string().min(1).max(32).describe('distance of two points, such as 15s, 1m, 1h'),
        },
        annotations: { title: 'Execute PromQL Range Query', ...readOnly },
      },
      async ({ query, start, end, step }) => {
        const range = checkRange(start, end, step)
        if ('refused' in range) return failed(range.refused)
        return bounded(await api('POST', '/api/v1/query_range', { query, timeout: limit, ...range }), bounds)
      },
    )
    server.registerTool(
      'list_metrics',
      {
        description: 'List the names of the metrics that exist, with filter and paging',
        inputSchema: {
          limit: z.int().min(1).max(10_000).optional().describe(`most names, ${usualMetrics} when left out`),
          offset: z.int().min(0).optional().describe('names to leave out at the beginning'),
          filter_pattern: z.string().max(200).optional().describe('part of the name, case does not matter'),
        },
        annotations: { title: 'List Available Metrics', ...readOnly },
      },
      async ({ limit: most = usualMetrics, offset = 0, filter_pattern = '' }) => {
        const asked = await api('GET', '/api/v1/label/__name__/values')
        if (!asked.ok) return failed(asked.reason)
        const names = z.array(z.string()).safeParse(asked.data)
        if (!names.success) return failed('Prometheus answered something that is no list of names.')
        const found = names.data.filter((name) => name.toLowerCase().includes(filter_pattern.toLowerCase()))
        const metrics = found.slice(offset, offset + most)
        return json({
          metrics,
          total_count: found.length,
          returned_count: metrics.length,
          offset,
          has_more: offset + metrics.length < found.length,
        })
      },
    )
    server.registerTool(
      'get_metric_metadata',
      {
        description: 'Get type, help and unit of a metric',
        inputSchema: { metric: z.string().min(1).max(500).describe('name of the metric') },
        annotations: { title: 'Get Metric Metadata', ...readOnly },
      },
      async ({ metric }) => {
        const asked = await api('GET', '/api/v1/metadata', { metric })
        if (!asked.ok) return failed(asked.reason)
        const known = metadata.safeParse(asked.data)
        return json(known.success ? (known.data[metric] ?? []).slice(0, 50) : [])
      },
    )
    server.registerTool(
      'get_targets',
      {
        description: 'Get the scrape targets with their health and last error',
        inputSchema: {},
        annotations: { title: 'Get Scrape Targets', ...readOnly },
      },
      async () => {
        const asked = await api('GET', '/api/v1/targets', { state: 'active' })
        if (!asked.ok) return failed(asked.reason)
        const all = targets.safeParse(asked.data)
        if (!all.success) return failed('Prometheus answered something that is no list of targets.')
        // The ones in trouble first: they are what is looked for. Labels before relabelling are long and say little.
        const active = all.data.activeTargets
          .toSorted((a, b) => Number(a.health === 'up') - Number(b.health === 'up'))
          .map(({ discoveredLabels: _, ...target }) => target)
        return json({
          activeTargets: active.slice(0, mostTargets),
          total_active: active.length,
          returned_active: Math.min(active.length, mostTargets),
          has_more: active.length > mostTargets,
        })
      },
    )
    return server
  }

  return {
    async connect(transport) {
      const server = build()
      servers.add(server)
      server.server.onclose = () => servers.delete(server)
      await server.connect(transport)
    },
    async close() {
      await Promise.all([...servers].map((server) => server.close()))
    },
  }
}

function bounded(asked: Asked, bounds: Bounds): CallToolResult {
  if (!asked.ok) return failed(asked.reason)
  const { data, note } = boundAnswer(asked.data, bounds)
  const said = [
    ...asked.warnings.slice(0, 3).map((warning) => warning.slice(0, 300)),
    ...(note === undefined ? [] : [note]),
  ]
  return json(data, said)
}

function json(value: unknown, notes: string[] = []): CallToolResult {
  const content = [{ type: 'text' as const, text: JSON.stringify(value) }]
  // Beside the JSON, not in it: a client reads the first part as Prometheus' answer.
  return { content: [...content, ...notes.map((text) => ({ type: 'text' as const, text: `note: ${text}` }))] }
}

function failed(reason: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text: reason }] }
}
