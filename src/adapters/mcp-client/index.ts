import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { Log } from '../../lib/log.ts'
import { createRedactor, maskable } from '../../lib/redact.ts'
import type { Json } from '../../ports/store.ts'
import type { ToolDefinition, ToolResult, Tools } from '../../ports/tools.ts'
import { clean, cleanJson } from './clean.ts'
import { type ServerPlan, secretVariables } from './config.ts'
import { type Connection, createConnection } from './connection.ts'
import { createKept } from './kept.ts'
import { type Known, nameTools, readResult } from './kinds.ts'
import { createPins, type Definition, definitionHash, type PinDocument, type PinStore } from './pins.ts'
import { type Bounded, boundResult, readKept, refusal } from './results.ts'

export { mcpSchema, resolveServers, type ServerPlan, secretVariables } from './config.ts'

export interface McpToolsOptions {
  servers: readonly ServerPlan[]
  /** Servers that live in this process, by the name or the kind of their plan: each connects itself to the transport it is given. */
  inMemory?: Record<string, (transport: Transport) => Promise<void>>
  /** Keeps the pinned definitions; without it none are pinned. One that can only be read is compared with. */
  store?: PinStore
  log: Log
  /** Masks the secrets of the whole configuration; those of these servers are masked in any case. */
  redact?: (text: string) => string
  env?: Readonly<Record<string, string | undefined>>
  clock?: () => Date
  /** Seconds that a server has to start and to name its tools. Default 20. */
  connectSeconds?: number
  /** Given to servers as our own. */
  version?: string
}

export interface McpTools extends Tools {
  /** Pins the definitions of a server as they are now. `held` is what the configuration pins otherwise; undefined for a server that is not configured. */
  approve(server: string): Promise<{ approved: string[]; held: string[]; away?: string } | undefined>
  /** Definitions of a server that wait for approval, as they are now: cleaned, masked, and not longer than is useful. */
  held(server: string): Definition[]
  /** What is pinned of each server, by tool. */
  pins(): Promise<Record<string, PinDocument['tools']>>
}

const mostArguments = 32_768
const longestDescription = 2000
const largestSchema = 16_000

const readResultDefinition = {
  name: readResult,
  description:
    'Read on in a result that was too long to be shown whole: one page of about 8,000 characters from an offset.',
  inputSchema: {
    type: 'object',
    properties: {
      handle: { type: 'string', description: 'as the shortened result named it' },
      offset: { type: 'integer', minimum: 0, description: 'characters to leave out at the beginning; 0 when left out' },
    },
    required: ['handle'],
    additionalProperties: false,
  },
} satisfies Omit<ToolDefinition, 'server' | 'hash'>

/**
 * Tools of MCP servers over stdio, Streamable HTTP or within this process. Only tools on the allow-list of their kind are offered,
 * and only with the definition that was pinned; results are bounded, cleaned and masked. Servers are connected when first needed.
 */
export function createMcpTools(options: McpToolsOptions): McpTools {
  const { servers, store, log, env = process.env, clock = () => new Date() } = options
  const named = nameTools(servers)
  const own = createRedactor(
    secretVariables(servers)
      .map((name) => env[name] ?? '')
      .filter(maskable),
  )
  const redact = (text: string) => own.text(options.redact?.(text) ?? text)
  const kept = createKept()
  const pins = store === undefined ? undefined : createPins(store, clock)
  const connections = new Map<string, Connection>(
    servers.map((plan) => [
      plan.name,
      createConnection({
        plan,
        environment: env,
        inMemory: options.inMemory?.[plan.name] ?? options.inMemory?.[plan.kind],
        pins,
        redact,
        log,
        connectSeconds: options.connectSeconds ?? 20,
        nowMs: () => performance.now(),
        version: options.version ?? '0',
      }),
    ]),
  )

  async function answer(name: string, args: Json, signal: AbortSignal | undefined): Promise<Bounded> {
    if (typeof args !== 'object' || args === null || Array.isArray(args))
      return refusal('Arguments must be a JSON object.')
    if (JSON.stringify(args).length > mostArguments) return refusal('The arguments are too long.')
    if (name === readResult) return readKept(kept, args)
    const found = named.get(name)
    const connection = found && connections.get(found.plan.name)
    if (found === undefined || connection === undefined)
      return refusal(
        `There is no tool ${JSON.stringify(clean(name).slice(0, 80))}. Use one of those that were offered.`,
      )
    const { known } = found
    const wrong = unknownArgument(known, args)
    if (wrong !== undefined) return refusal(wrong)
    const called = await connection.call(known.serverTool, known.translate?.(args) ?? args, signal)
    if (!called.ok) return refusal(redact(called.because))
    return boundResult(called.result, known, args, { kept, redact })
  }

  return {
    async list() {
      const byServer = new Map(
        await Promise.all(
          [...connections].map(async ([name, connection]) => [name, await connection.tools()] as const),
        ),
      )
      const offered = [...named.values()].flatMap(({ plan, known }): ToolDefinition[] => {
        const one = byServer.get(plan.name)?.get(known.serverTool)
        return one === undefined ? [] : [define(plan.name, known, one, redact)]
      })
      if (offered.length === 0) return []
      return [...offered, { ...readResultDefinition, server: 'rollcall', hash: definitionHash(readResultDefinition) }]
    },

    servers: () => [...connections.values()].map((connection) => connection.state()),

    async call(name, args, { signal } = {}): Promise<ToolResult> {
      const start = performance.now()
      const bounded = await answer(name, args, signal).catch((error: unknown) => {
        log.error({ err: error, tool: name }, 'MCP call failed unexpectedly')
        return refusal('The call failed within Rollcall.')
      })
      return { ...bounded, seconds: Math.round(performance.now() - start) / 1000 }
    },

    approve: async (server) => connections.get(server)?.approve(),

    held: (server) =>
      (connections.get(server)?.held() ?? []).map(({ name, description, inputSchema }) => ({
        name: clean(name).slice(0, 80),
        description: redact(clean(description ?? '')).slice(0, longestDescription),
        inputSchema: schemaOf(inputSchema, redact),
      })),

    async pins() {
      const all = await Promise.all(
        servers.map(async ({ name }) => [name, (await pins?.read(name))?.tools ?? {}] as const),
      )
      return Object.fromEntries(all)
    },

    async close() {
      await Promise.all([...connections.values()].map((connection) => connection.close()))
    },
  }
}

/** Of the seed's tools, whose arguments we know: one that does nothing would pass for one that did what it says. */
function unknownArgument({ name, inputSchema }: Known, args: Record<string, Json | undefined>): string | undefined {
  if (inputSchema === undefined) return undefined
  const known = Object.keys(Object(Object(inputSchema).properties))
  const wrong = Object.keys(args).find((each) => !known.includes(each))
  if (wrong === undefined) return undefined
  return `${name} has no argument ${JSON.stringify(clean(wrong).slice(0, 80))}. It takes ${known.join(', ')}.`
}

/** As the model sees it: our words for the seed's tools, the server's for others, cleaned and not longer than is useful. */
function define(
  server: string,
  known: Known,
  { tool, hash }: { tool: { description?: string; inputSchema: unknown }; hash: string },
  redact: (text: string) => string,
): ToolDefinition {
  const description = known.description ?? redact(clean(tool.description ?? '')).slice(0, longestDescription)
  return {
    name: known.name,
    server,
    description,
    inputSchema: known.inputSchema ?? schemaOf(tool.inputSchema, redact),
    hash,
  }
}

function schemaOf(schema: unknown, redact: (text: string) => string): Json {
  const text = JSON.stringify(cleanJson(schema), (_, value) => (typeof value === 'string' ? redact(value) : value))
  return text.length > largestSchema ? { type: 'object' } : (JSON.parse(text) as Json)
}
