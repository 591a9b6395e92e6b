import type { Json } from '../../ports/store.ts'
import type { ServerPlan } from './config.ts'
import { npmAnswers } from './npm-answers.ts'

type Args = Record<string, Json | undefined>

/** One tool as the model sees it, and how a call becomes one of the server's own. */
export interface Known {
  /** As the model sees it, before a clash with another server is resolved. */
  name: string
  /** As the server calls it. */
  serverTool: string
  /** Ours, for the seed's tools; left out: the server's own words. */
  description?: string
  inputSchema?: Json
  /** Arguments of the model as the server wants them; left out: as they are. */
  translate?: (args: Args) => Args
  /** The server's answer in the shape of the seed's; left out: it has it. */
  shape?: (args: Args, value: unknown) => unknown
  /** Answers are Prometheus' results, which can be summarised. */
  prometheus: boolean
}

const text = (description: string) => ({ type: 'string', description })
const schema = (properties: Record<string, Json>, required: string[]): Json => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const paging = {
  limit: { type: 'integer', minimum: 0, description: 'most entries that are returned' },
  offset: { type: 'integer', minimum: 0, description: 'entries to leave out at the beginning' },
}

/** The seed's five tools: the names and arguments of pab1it0/prometheus-mcp-server 1.6.2. Whatever the server, the model sees these. */
export const seedTools = {
  execute_query: {
    description:
      'Run a PromQL instant query. An answer without series is an answer: nothing matches at that time. Large answers are summarised; the whole is kept under a handle.',
    inputSchema: schema({ query: text('PromQL'), time: text('RFC 3339 or Unix seconds; now when left out') }, [
      'query',
    ]),
  },
  execute_range_query: {
    description: 'Run a PromQL query over a time range. Choose a step that gives at most 500 points per series.',
    inputSchema: schema(
      {
        query: text('PromQL'),
        start: text('RFC 3339 or Unix seconds'),
        end: text('RFC 3339 or Unix seconds'),
        step: text('distance of two points, such as 15s, 1m or 1h'),
      },
      ['query', 'start', 'end', 'step'],
    ),
  },
  list_metrics: {
    description: 'List the names of the metrics that exist. Give a filter: there may be thousands.',
    inputSchema: schema(
      {
        ...paging,
        filter_pattern: text('part of the name, upper and lower case alike'),
        refresh_cache: {
          type: 'boolean',
          description: 'also metrics of the last five minutes, where names are cached',
        },
      },
      [],
    ),
  },
  get_metric_metadata: {
    description:
      'Type, unit and help text of one metric, or without a name those of all metrics. A filter finds metrics by what their help says.',
    inputSchema: schema(
      {
        metric: text('name of the metric'),
        filter_pattern: text('part of the name or of the help text, upper and lower case alike'),
        ...paging,
      },
      [],
    ),
  },
  get_targets: {
    description: 'The targets that Prometheus scrapes: labels, health and the last error of each.',
    inputSchema: schema(
      {
        state: {
          type: 'string',
          enum: ['active', 'dropped', 'any'],
          description: 'active when left out; dropped ones were found, and left out by relabelling',
        },
        scrape_pool: text('only those of this scrape pool, which is named like its job'),
        ...paging,
      },
      [],
    ),
  },
} satisfies Record<string, { description: string; inputSchema: Json }>
export type SeedTool = keyof typeof seedTools

/** Models write null for what they leave out, which not every server takes. */
const given = (args: Args): Args => Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null))

/** The seed's names on the left, those of npm prometheus-mcp 1.1.3 on the right; it neither filters nor pages, so we do. */
const npm: Record<SeedTool, { name: string } & Pick<Known, 'translate' | 'shape'>> = {
  execute_query: { name: 'prometheus_query' },
  execute_range_query: { name: 'prometheus_query_range' },
  list_metrics: { name: 'prometheus_list_metrics', translate: () => ({}), shape: npmAnswers.list_metrics },
  get_metric_metadata: {
    name: 'prometheus_metric_metadata',
    // It needs a name; Prometheus takes an empty one for all of them.
    translate: ({ metric }) => ({ metric: metric ?? '' }),
    shape: npmAnswers.get_metric_metadata,
  },
  get_targets: { name: 'prometheus_list_targets', translate: () => ({}), shape: npmAnswers.get_targets },
}

/**
 * Reading tools of github/github-mcp-server (toolsets repos, issues, pull_requests). `pull_request_read` and `issue_read` read by
 * every method they have; writing has tools of its own there.
 */
const githubTools = [
  'get_release_by_tag',
  'get_latest_release',
  'list_releases',
  'list_tags',
  'list_commits',
  'get_commit',
  'get_file_contents',
  'pull_request_read',
  'list_pull_requests',
  'search_pull_requests',
  'issue_read',
  'search_issues',
  'search_code',
]

/** What may be called on a server of this plan; everything else it has is neither offered nor callable. */
export function knownTools(plan: ServerPlan): Known[] {
  const all = toolsOf(plan)
  if (plan.kind === 'custom' || plan.tools === undefined) return all
  const wanted = new Set(plan.tools)
  return all.filter(({ name, serverTool }) => wanted.has(name) || wanted.has(serverTool))
}

function toolsOf({ kind, toolPrefix, tools }: ServerPlan): Known[] {
  const prefixed = (name: string) => (toolPrefix === '' ? name : `${toolPrefix}_${name}`)
  switch (kind) {
    case 'prometheus':
    case 'prometheus-mcp-server':
      return seedNames.map((name) => ({ ...seed(name), serverTool: prefixed(name) }))
    case 'prometheus-mcp':
      return seedNames.map((tool) => {
        const { name, ...differently } = npm[tool]
        return { ...seed(tool), ...differently, serverTool: prefixed(name) }
      })
    case 'github':
      return githubTools.map((name) => ({ name, serverTool: prefixed(name), prometheus: false }))
    case 'custom':
      return (tools ?? []).map((name) => ({ name: offeredName(name), serverTool: name, prometheus: false }))
  }
}

const seedNames = Object.keys(seedTools) as SeedTool[]

function seed(name: SeedTool): Known {
  const { description, inputSchema } = seedTools[name]
  return { name, serverTool: name, description, inputSchema, translate: given, prometheus: true }
}

/** Providers take names of letters, digits, _ and - only, at most 64 (Anthropic and OpenAI alike). */
function offeredName(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)
}

/**
 * Every tool of every plan under a name of its own. The first plan has it plain, later ones with their server's name in front;
 * this depends on the plans alone, so a server that is away changes no name.
 */
export function nameTools(plans: readonly ServerPlan[]): Map<string, { plan: ServerPlan; known: Known }> {
  const named = new Map<string, { plan: ServerPlan; known: Known }>()
  for (const plan of plans)
    for (const known of knownTools(plan)) {
      const free = [known.name, offeredName(`${plan.name}_${known.name}`)].find(
        (name) => !named.has(name) && name !== readResult,
      )
      if (free !== undefined) named.set(free, { plan, known: { ...known, name: free } })
    }
  return named
}

/** The additional tool that pages what was kept. */
export const readResult = 'read_result'
