import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  type CallToolResult,
  CallToolResultSchema,
  ErrorCode,
  ListToolsResultSchema,
  McpError,
  type Tool,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { Log } from '../../lib/log.ts'
import type { ServerState } from '../../ports/tools.ts'
import { clean } from './clean.ts'
import type { ServerPlan } from './config.ts'
import { createHttp } from './http.ts'
import { knownTools } from './kinds.ts'
import { definitionHash, type Pins } from './pins.ts'
import { createStdio } from './stdio.ts'

/** Lines of a program that reach the log, of each life of it. */
const mostLines = 100
const mostTools = 500
const mostPages = 20
const stopped = 'The call was stopped.'
const firstBackOffMs = 500
const longestBackOffMs = 60_000
/** A call waits for so much of a back-off rather than failing. */
const patienceMs = 1200

export interface ConnectionOptions {
  plan: ServerPlan
  environment: Readonly<Record<string, string | undefined>>
  /** Connects the server that lives in this process. */
  inMemory: ((transport: Transport) => Promise<void>) | undefined
  pins: Pins | undefined
  redact: (text: string) => string
  log: Log
  connectSeconds: number
  /** Milliseconds since anything; only differences count. */
  nowMs: () => number
  version: string
}

export interface Offered {
  tool: Tool
  hash: string
}

export type Called = { ok: true; result: CallToolResult } | { ok: false; because: string }

export interface Connection {
  /** Connects when it is time to; never throws. The tools that may be called, by the server's names. */
  tools(): Promise<ReadonlyMap<string, Offered>>
  state(): ServerState
  call(tool: string, args: Record<string, unknown>, signal: AbortSignal | undefined): Promise<Called>
  /** Pins the definitions as they are now. What was held, and whether something is held still because the configuration pins it otherwise. */
  approve(): Promise<{ approved: string[]; held: string[]; away?: string }>
  /** The definitions that wait for approval, as they are now. */
  held(): Tool[]
  close(): Promise<void>
}

interface Live {
  client: Client
  offered: Map<string, Offered>
  changed: Map<string, string>
  all: Tool[]
  /** What the configuration names and the server does not offer. */
  missing: string[]
}

/** One server: connected when it is needed, again after it went away, each time later; nothing it does is thrown at the caller. */
export function createConnection(options: ConnectionOptions): Connection {
  const { plan, log, redact, pins, nowMs } = options
  const allowed = new Set(knownTools(plan).map(({ serverTool }) => serverTool))
  let live: Live | undefined
  let connecting: Promise<Live | undefined> | undefined
  let because = 'not connected yet'
  let failures = 0
  let retryAt = 0
  let stale = false
  let closed = false
  let opening: Client | undefined
  const ending = new Set<Promise<void>>()

  const words = (error: unknown) => redact(clean(reasonOf(error).slice(0, 2000))).slice(0, 300)

  function backOff(cause: string): void {
    because = cause
    retryAt = nowMs() + Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(failures, 10))
    failures++
    log.warn({ server: plan.name, because, failures }, 'MCP server away')
  }

  /** Ends a connection in the background: a server that hangs takes its time, and nobody waits for it but close(). */
  function letGo(client: Client): void {
    const done = client.close().catch((error: unknown) => {
      log.debug({ server: plan.name, because: words(error) }, 'MCP server not closed cleanly')
    })
    ending.add(done)
    void done.finally(() => ending.delete(done))
  }

  async function ensure(): Promise<Live | undefined> {
    if (closed) return undefined
    if (live !== undefined) return live
    if (connecting !== undefined) return connecting
    const wait = retryAt - nowMs()
    if (wait > patienceMs) return undefined
    connecting = (async () => {
      if (wait > 0) await sleep(wait)
      return connect()
    })().finally(() => {
      connecting = undefined
    })
    return connecting
  }

  async function connect(): Promise<Live | undefined> {
    const client = new Client({ name: 'rollcall', version: options.version }, { capabilities: {} })
    opening = client
    const timeout = options.connectSeconds * 1000
    let lastLine = ''
    let trouble = ''
    let lines = 0
    let gone = false
    const said = (line: string) => {
      // What follows an error is its stack, and where the program thinks it ran.
      if (!/error|panic|fatal/i.test(lastLine)) lastLine = line
      if (++lines <= mostLines) log.debug({ server: plan.name, line: words(line) }, 'MCP server said')
    }
    // The first trouble is the cause; what follows is its consequence.
    client.onerror = (error) => {
      trouble ||= words(error)
    }
    client.onclose = () => {
      gone = true
      if (live?.client !== client) return
      live = undefined
      if (!closed) backOff(describeEnd(trouble, words(lastLine)))
    }
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      stale = true
    })
    try {
      const transport = await open(said)
      const next = await withinTime(
        timeout,
        client.connect(transport, { timeout }).then(() => look(client, timeout)),
      )
      if (gone) throw new Error('the connection was closed')
      if (closed) {
        letGo(client)
        return undefined
      }
      stale = false
      live = next
      because = ''
      log.info({ server: plan.name, tools: next.offered.size, held: next.changed.size }, 'MCP server connected')
      return next
    } catch (error) {
      letGo(client)
      if (!closed)
        backOff(describeEnd(gone && (trouble !== '' || hasClosed(error)) ? trouble : words(error), words(lastLine)))
      return undefined
    } finally {
      opening = undefined
    }
  }

  async function open(said: (line: string) => void): Promise<Transport> {
    const { way } = plan
    if (way.by === 'stdio') return createStdio({ name: plan.name, way, environment: options.environment, said })
    if (way.by === 'http')
      return createHttp(way, options.environment, Math.max(plan.timeoutSeconds, options.connectSeconds))
    if (options.inMemory === undefined) throw new Error('there is no server of this name in this process')
    const [ours, theirs] = InMemoryTransport.createLinkedPair()
    await options.inMemory(theirs)
    return ours
  }

  /** The tools it has, and which of those that may be called are as they were pinned. */
  async function look(client: Client, timeout: number): Promise<Live> {
    const all: Tool[] = []
    let cursor: string | undefined
    let pages = 0
    do {
      const params = cursor === undefined ? {} : { cursor }
      // Not client.listTools(): that compiles the server's output schemas, whatever they hold.
      const page = await client.request({ method: 'tools/list', params }, ListToolsResultSchema, { timeout })
      all.push(...page.tools)
      cursor = page.nextCursor
    } while (cursor !== undefined && all.length < mostTools && ++pages < mostPages)
    const callable = all.filter(({ name, annotations }) => {
      if (!allowed.has(name)) return false
      if (annotations?.readOnlyHint !== false) return true
      log.warn({ server: plan.name, tool: name }, 'MCP tool left out: it says that it writes')
      return false
    })
    const unique = [...new Map(callable.map((tool) => [tool.name, tool])).values()]
    // The server within this process is our own code and changes with it.
    const compared =
      pins === undefined || plan.way.by === 'memory'
        ? { same: new Set(unique.map(({ name }) => name)), changed: new Map<string, string>() }
        : await pins.compare(plan.name, plan.pins, unique)
    for (const change of compared.changed.values()) log.warn({ server: plan.name, change }, 'MCP tool held')
    const offered = new Map(
      unique
        .filter(({ name }) => compared.same.has(name))
        .map((tool) => [tool.name, { tool, hash: definitionHash(tool) }]),
    )
    const wanted = plan.tools ?? []
    const has = new Set(unique.map(({ name }) => name))
    const missing = knownTools(plan)
      .filter(({ name, serverTool }) => (wanted.includes(name) || wanted.includes(serverTool)) && !has.has(serverTool))
      .map(({ serverTool }) => serverTool)
    return { client, offered, changed: compared.changed, all: unique, missing }
  }

  async function current(): Promise<Live | undefined> {
    const now = await ensure()
    // Held tools are looked at again each time: the approval may have come through another process.
    if (now === undefined || !(stale || now.changed.size > 0)) return now
    stale = false
    try {
      const next = await look(now.client, options.connectSeconds * 1000)
      if (live?.client !== next.client) return live
      live = next
      return next
    } catch (error) {
      lose(now, words(error))
      return undefined
    }
  }

  function lose(which: Live, cause: string): void {
    if (live !== which) return
    live = undefined
    letGo(which.client)
    backOff(cause)
  }

  return {
    tools: async () => (await current())?.offered ?? new Map(),

    state() {
      if (live === undefined) return { name: plan.name, at: 'away', why: because, tools: 0 }
      const changes = [...live.changed.values()]
      if (changes.length === 0) {
        const why = lacking(live.missing)
        return { name: plan.name, at: 'connected', ...(why === undefined ? {} : { why }), tools: live.offered.size }
      }
      const why = changes.slice(0, 10).join('; ')
      return { name: plan.name, at: 'held', why, tools: live.offered.size }
    },

    async call(tool, args, signal) {
      const now = await unlessStopped(current(), signal)
      if (signal?.aborted) return { ok: false, because: stopped }
      if (now === undefined) return { ok: false, because: `The server ${plan.name} is away: ${because}.` }
      if (!now.offered.has(tool)) {
        const change = now.changed.get(tool)
        const held = change === undefined ? 'does not offer this tool' : `is held until a person approves it: ${change}`
        return { ok: false, because: `The server ${plan.name} ${held}.` }
      }
      const timeout = plan.timeoutSeconds * 1000
      try {
        const params = { name: tool, arguments: args }
        // Not client.callTool(): that judges the answer by the server's own schema.
        const result = await now.client.request({ method: 'tools/call', params }, CallToolResultSchema, {
          timeout,
          ...(signal === undefined ? {} : { signal }),
        })
        failures = 0
        return { ok: true, result }
      } catch (error) {
        if (signal?.aborted) return { ok: false, because: stopped }
        if (error instanceof McpError && error.code === ErrorCode.RequestTimeout) {
          const alive = await now.client.ping({ timeout: 2000 }).then(
            () => true,
            () => false,
          )
          if (!alive) lose(now, `it hangs: no answer in ${plan.timeoutSeconds} s`)
          return { ok: false, because: `The server ${plan.name} did not answer in ${plan.timeoutSeconds} s.` }
        }
        if (live !== now)
          return { ok: false, because: `The server ${plan.name} went away during the call: ${because}.` }
        // An answer with an error is an answer; anything else means that the way to it is broken.
        if (!(error instanceof McpError)) lose(now, words(error))
        return { ok: false, because: `The call failed: ${words(error)}` }
      }
    },

    async approve() {
      const now = await current()
      if (now === undefined) return { approved: [], held: [], away: because }
      const before = [...now.changed.keys()]
      if (pins !== undefined && plan.way.by !== 'memory') await pins.replace(plan.name, now.all)
      stale = true
      const after = await current()
      const held = [...(after?.changed.values() ?? [])]
      return { approved: before.filter((name) => !after?.changed.has(name)), held }
    },

    held: () => live?.all.filter(({ name }) => live?.changed.has(name)) ?? [],

    async close() {
      closed = true
      because = 'closed'
      // One that hangs while it is being connected would take all its time otherwise.
      if (opening !== undefined) letGo(opening)
      await connecting?.catch(() => undefined)
      if (live !== undefined) letGo(live.client)
      live = undefined
      await Promise.all([...ending])
    },
  }
}

function lacking(missing: readonly string[]): string | undefined {
  return missing.length === 0 ? undefined : `it has no tool ${missing.slice(0, 10).join(', ')} that only reads`
}

function hasClosed(error: unknown): boolean {
  return error instanceof McpError && error.code === ErrorCode.ConnectionClosed
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('syscall' in error && String(error.syscall).startsWith('spawn') && 'code' in error && error.code === 'ENOENT')
    return `there is no program ${'path' in error ? String(error.path) : ''}`
  // fetch hides what happened one level down.
  const { cause } = error
  if (!(cause instanceof Error)) return error.message
  return `${error.message} (${'code' in cause ? String(cause.code) : cause.message})`
}

function describeEnd(trouble: string, lastLine: string): string {
  const what = trouble === '' ? 'its program ended or closed the connection' : trouble
  return lastLine === '' ? what : `${what} (it said: ${lastLine})`
}

/** Connecting goes on for whoever comes next; only this caller leaves. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  if (signal === undefined) return work
  let leave = () => {}
  const left = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
  })
  try {
    return await Promise.race([work, left])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** The SDK bounds the request, not the opening of the transport beneath it. */
async function withinTime<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer in ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
