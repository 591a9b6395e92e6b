import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import type { PrometheusConfig } from './config.ts'
import { type Asked, createApi } from './mcp-api.ts'
import { type Bounds, boundAnswer, checkRange, timeHint, timeSeconds } from './mcp-bounds.ts'
import {
  metadataLengths,
  metadataPage,
  metricsLengths,
  metricsPage,
  targetStates,
  targetsLengths,
  targetsPage,
} from './mcp-lists.ts'

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
const longestQuery = 10_000
const readOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true }

const query = z.string().min(1).max(longestQuery).describe('PromQL')
const moment = (what: string) => z.string().max(64).describe(`${what}: RFC 3339 or Unix seconds`)
const word = (what: string) => z.string().max(500).nullish().describe(what)
const paging = ({ usual, most }: { usual: number; most: number }) => ({
  limit: z.int().min(0).nullish().describe(`most entries: ${usual} when left out, ${most} in any case`),
  offset: z.int().min(0).default(0).describe('entries to leave out at the beginning'),
})

/**
 * An MCP server over one Prometheus: the five tools of pab1it0/prometheus-mcp-server 1.6.2 that read, with its arguments and result
 * shapes, but for its links to Prometheus' pages and the labels of active targets before relabelling. Every answer is bounded, and an
 * argument that does not exist is refused. What goes wrong is a result marked as an error that carries Prometheus' reason.
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
        inputSchema: z.strictObject({ query, time: moment('evaluation time, now when left out').nullish() }),
        annotations: { title: 'Execute PromQL Query', ...readOnly },
      },
      async ({ query, time }) => {
        const at = time ? timeSeconds(time) : undefined
        if (time && at === undefined) return failed(`time is no time. ${timeHint}`)
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
        inputSchema: z.strictObject({
          query,
          start: moment('start'),
          end: moment('end'),
          step: z.string().max(32).describe('distance of two points, such as 15s, 1m, 1h'),
        }),
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
        inputSchema: z.strictObject({
          ...paging(metricsLengths),
          filter_pattern: word('part of the name, case does not matter'),
          refresh_cache: z.boolean().default(false).describe('changes nothing: every call asks Prometheus'),
        }),
        annotations: { title: 'List Available Metrics', ...readOnly },
      },
      async (args) => {
        const asked = await api('GET', '/api/v1/label/__name__/values')
        return listed(asked, (data) => metricsPage(data, args), 'list of names')
      },
    )
    server.registerTool(
      'get_metric_metadata',
      {
        description: 'Get type, help and unit of a metric as a list, or without a name those of all metrics by name',
        inputSchema: z.strictObject({
          metric: word('name of the metric; all of them when left out'),
          filter_pattern: word('part of the name or of a text, case does not matter'),
          ...paging(metadataLengths),
        }),
        annotations: { title: 'Get Metric Metadata', ...readOnly },
      },
      async (args) => {
        const asked = await api('GET', '/api/v1/metadata', args.metric ? { metric: args.metric } : {})
        return listed(asked, (data) => metadataPage(data, args), 'metadata')
      },
    )
    server.registerTool(
      'get_targets',
      {
        description: 'Get the scrape targets with their health and last error, those in trouble first',
        inputSchema: z.strictObject({
          state: z.enum(targetStates).default('active').describe('dropped: found, and left out by relabelling'),
          scrape_pool: word('only those of this scrape pool'),
          ...paging(targetsLengths),
        }),
        annotations: { title: 'Get Scrape Targets', ...readOnly },
      },
      async (args) => {
        const asked = await api('GET', '/api/v1/targets', {
          ...(args.state === 'any' ? {} : { state: args.state }),
          ...(args.scrape_pool ? { scrapePool: args.scrape_pool } : {}),
        })
        return listed(asked, (data) => targetsPage(data, args), 'list of targets')
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

function listed(asked: Asked, shape: (data: unknown) => object | undefined, what: string): CallToolResult {
  if (!asked.ok) return failed(asked.reason)
  const value = shape(asked.data)
  return value === undefined ? failed(`Prometheus answered something that is no ${what}.`) : json(value)
}

function json(value: unknown, notes: string[] = []): CallToolResult {
  const content = [{ type: 'text' as const, text: JSON.stringify(value) }]
  // Beside the JSON, not in it: a client reads the first part as Prometheus' answer.
  return { content: [...content, ...notes.map((text) => ({ type: 'text' as const, text: `note: ${text}` }))] }
}

function failed(reason: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text: reason }] }
}
