import { z } from 'zod'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable, not the secret itself')
const headerName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'a header name')
const word = z
  .string()
  .min(1)
  .max(4000)
  .refine((text) => !text.includes('\0'), 'holds a NUL character')
const argv = z.array(word).max(100)
const address = z
  .url({ protocol: /^https?$/, error: 'an address such as http://127.0.0.1:8080/mcp', abort: true })
  .refine((text) => new URL(text).username === '' && new URL(text).password === '', {
    error: 'no password in the address; use headersEnv',
  })
const toolName = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, 'a tool name')

/** Servers whose tools are known; of a `custom` one only what stands in its `tools` is offered. */
export const kinds = ['prometheus', 'prometheus-mcp-server', 'prometheus-mcp', 'github', 'custom'] as const
export type Kind = (typeof kinds)[number]

/** What GitHub's server is asked for unless told otherwise. */
const usualToolsets = ['repos', 'issues', 'pull_requests', 'releases']
const toolsets = z.array(z.string().regex(/^[a-z_]{1,40}$/, 'a toolset such as pull_requests')).min(1)

const serverSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'use lower-case letters, digits and - only, at most 31'),
    kind: z.enum(kinds),
    /** Program and arguments, spoken to over stdin and stdout. */
    command: argv.min(1).optional(),
    /** Or its address, for Streamable HTTP. */
    url: address.optional(),
    headers: z.record(headerName, z.string().regex(/^[\t\x20-\x7e]*$/, 'printable ASCII only')).default({}),
    /** Header -> name of the variable that holds its value. `Authorization` gets `Bearer ` in front unless a scheme stands there. */
    headersEnv: z.record(headerName, variable).default({}),
    /** Names of the variables that the program may see; it sees no others of ours. */
    env: z.array(variable).max(50).default([]),
    /** Variables with values that are no secrets, such as PROMETHEUS_URL. */
    set: z.record(variable, word).default({}),
    /** Runs `command` inside a container, with no more rights than it needs. */
    container: z
      .strictObject({
        runtime: z.enum(['docker', 'podman']).default('docker'),
        image: z.string().regex(/^[a-zA-Z0-9][\w./:@-]{0,255}$/, 'an image such as ghcr.io/org/name:tag'),
        /** Further arguments of `docker run`, such as --network=monitoring. */
        args: argv.default([]),
      })
      .optional(),
    /** What the server itself puts before its tools' names (pab1it0's TOOL_PREFIX), without the underscore. */
    toolPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,40}$/, 'letters, digits, _ and - only')
      .optional(),
    /** The tools that are offered: all that are known of its kind, unless this names fewer. A custom server has none without it. */
    tools: z.array(toolName).max(100).optional(),
    timeoutSeconds: z.number().positive().max(300).default(30),
    /** Tool -> sha256 of its definition; wins over what was pinned at the first connect. */
    pins: z.record(toolName, z.string().regex(/^[0-9a-f]{64}$/, 'a sha256 in hexadecimal')).default({}),
    /** Of a github server. */
    toolsets: toolsets.optional(),
  })
  .refine(({ command, container, url }) => url === undefined || (command === undefined && container === undefined), {
    error: 'give either command (or container) or url',
    path: ['url'],
  })
  .refine(
    ({ kind, command, container, url }) =>
      kind === 'prometheus' ||
      kind === 'github' ||
      command !== undefined ||
      container !== undefined ||
      url !== undefined,
    { error: 'give a command, a container or a url', path: ['command'] },
  )
  .refine(({ kind, tools }) => kind !== 'custom' || (tools ?? []).length > 0, {
    error: 'name the read-only tools that may be called; of a custom server none is offered otherwise',
    path: ['tools'],
  })

/** `mcp:` in rollcall.yaml: the servers that a diagnosis may look with. Secrets are named, never written. */
export const mcpSchema = z.strictObject({
  servers: z
    .array(serverSchema)
    .max(20)
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'two servers have one name')
    .default([]),
  /** False: no server is added by itself for a prometheus section or for GITHUB_TOKEN. */
  automatic: z.boolean().default(true),
  github: z.strictObject({ toolsets: toolsets.default(usualToolsets) }).prefault({}),
})
export type McpConfig = z.output<typeof mcpSchema>
type ServerConfig = McpConfig['servers'][number]

/** How a server is reached. Secrets are names here: `env` is passed on, `headersEnv` is read when connecting. */
export type Way =
  | { by: 'memory' }
  | { by: 'stdio'; command: string[]; env: string[]; set: Record<string, string>; container?: Container }
  | { by: 'http'; url: string; headers: Record<string, string>; headersEnv: Record<string, string> }
type Container = NonNullable<ServerConfig['container']>

export interface ServerPlan {
  name: string
  kind: Kind
  way: Way
  toolPrefix: string
  /** Narrows what is known of the kind; all of a custom server. */
  tools: string[] | undefined
  timeoutSeconds: number
  pins: Record<string, string>
}

type Environment = Readonly<Record<string, string | undefined>>

/** GitHub's own, https://github.com/github/github-mcp-server (README, "Remote GitHub MCP Server"). */
export const githubUrl = 'https://api.githubcopilot.com/mcp/'

/**
 * The servers as they will be connected to: those of the file, and those that are there by themselves: the bundled one for
 * Prometheus when that is configured and no other Prometheus server is, and GitHub's when GITHUB_TOKEN is set.
 */
export function resolveServers(
  config: McpConfig,
  { prometheusConfigured, env }: { prometheusConfigured: boolean; env: Environment },
): ServerPlan[] {
  const plans = config.servers.map((server) => planOf(server, config, env))
  const has = (match: (kind: Kind) => boolean) => plans.some(({ kind }) => match(kind))
  const free = (name: string) => !plans.some((plan) => plan.name === name)
  if (config.automatic && prometheusConfigured && free('prometheus') && !has((kind) => kind.startsWith('prometheus')))
    plans.push({ ...usual, name: 'prometheus', kind: 'prometheus', way: { by: 'memory' } })
  if (config.automatic && (env.GITHUB_TOKEN ?? '') !== '' && free('github') && !has((kind) => kind === 'github'))
    plans.push({ ...usual, name: 'github', kind: 'github', way: githubWay(config.github.toolsets, 'GITHUB_TOKEN') })
  return plans
}

const usual = { toolPrefix: '', tools: undefined, timeoutSeconds: 30, pins: {} }

function planOf(server: ServerConfig, config: McpConfig, env: Environment): ServerPlan {
  const { name, kind, timeoutSeconds, pins, tools, toolPrefix } = server
  return { name, kind, timeoutSeconds, pins, tools, toolPrefix: toolPrefix ?? '', way: wayOf(server, config, env) }
}

function wayOf(server: ServerConfig, config: McpConfig, env: Environment): Way {
  const { kind, command, container, url, headers, headersEnv, set } = server
  const sets = server.toolsets ?? config.github.toolsets
  const token = env.GITHUB_PERSONAL_ACCESS_TOKEN ? 'GITHUB_PERSONAL_ACCESS_TOKEN' : 'GITHUB_TOKEN'
  if (url !== undefined || (kind === 'github' && command === undefined && container === undefined)) {
    const github = kind === 'github' ? githubWay(sets, token, url) : undefined
    const secret = headersEnv.Authorization === undefined ? github?.headersEnv : undefined
    return {
      by: 'http',
      url: url ?? githubUrl,
      headers: { ...headers, ...github?.headers },
      headersEnv: { ...secret, ...headersEnv },
    }
  }
  if (command === undefined && container === undefined) return { by: 'memory' }
  const local = kind === 'github' ? githubLocal(sets, token) : undefined
  return {
    by: 'stdio',
    // A bare binary gets the arguments that keep it to reading; words of the operator's own are left as they are.
    command:
      command === undefined || (command.length === 1 && local) ? [...(command ?? []), ...(local?.args ?? [])] : command,
    env: [...new Set([...server.env, ...(local?.env ?? [])])],
    set: { ...set, ...local?.set },
    ...(container === undefined ? {} : { container }),
  }
}

/**
 * Toolsets as GitHub's server knows them. It has none called `releases`: its release tools are part of `repos`.
 */
export function knownToolsets(toolsets: readonly string[]): string[] {
  return [...new Set(toolsets.map((each) => (each === 'releases' ? 'repos' : each)))]
}

function githubWay(toolsets: readonly string[], token: string, url = githubUrl): Extract<Way, { by: 'http' }> {
  return {
    by: 'http',
    url,
    headers: { 'X-MCP-Toolsets': knownToolsets(toolsets).join(','), 'X-MCP-Readonly': 'true' },
    headersEnv: { Authorization: token },
  }
}

/** The binary reads GITHUB_PERSONAL_ACCESS_TOKEN; GITHUB_TOKEN is passed under that name (`NEW=OLD`). */
function githubLocal(toolsets: readonly string[], token: string) {
  const sets = knownToolsets(toolsets).join(',')
  return {
    args: ['stdio', '--read-only', '--toolsets', sets],
    env: [token === 'GITHUB_TOKEN' ? 'GITHUB_PERSONAL_ACCESS_TOKEN=GITHUB_TOKEN' : token],
    set: { GITHUB_READ_ONLY: '1', GITHUB_TOOLSETS: sets },
  }
}

const secretName = /TOKEN|SECRET|PASS|KEY|AUTH|CREDENTIAL|COOKIE|HEADERS|PAT$/i

/** Names of the variables of these plans whose values are secrets: to be kept out of logs, results and messages. */
export function secretVariables(plans: readonly ServerPlan[]): string[] {
  const names = plans.flatMap(({ way }) => {
    if (way.by === 'http') return Object.values(way.headersEnv)
    return way.by === 'stdio'
      ? way.env.map((name) => name.split('=').at(-1)!).filter((name) => secretName.test(name))
      : []
  })
  return [...new Set(names)]
}
