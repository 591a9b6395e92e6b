import { mkdir, statfs } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import pkg from '../package.json' with { type: 'json' }
import { createAudit } from './access/audit.ts'
import { type AuditHeads, createAuditHeads } from './access/audit-head.ts'
import { auditKey } from './access/audit-key.ts'
import { needPerson } from './access/policy.ts'
import { issueToken, listTokens, revokeToken } from './access/tokens.ts'
import { createMcpTools, resolveServers, secretVariables } from './adapters/mcp-client/index.ts'
import { prometheusSchema } from './adapters/prometheus/config.ts'
import { createPrometheus } from './adapters/prometheus/index.ts'
import { createPrometheusMcp, standaloneBounds } from './adapters/prometheus/mcp.ts'
import { createSshTarget, scanHostKeys } from './adapters/ssh/index.ts'
import { resolveAi } from './agent/config.ts'
import { modelOf, openStore } from './app.ts'
import { shareLock, surfacePatients } from './cli-surfaces.ts'
import { type Config, loadConfig } from './config/load.ts'
import type { Problem } from './config/problems.ts'
import { doctorExitCode, type Patient, renderDoctor, runDoctor } from './entry/doctor.ts'
import type { IncidentPatient } from './entry/doctor-incidents.ts'
import { enroll } from './entry/enroll.ts'
import { loadKnowledge } from './knowledge/knowledge.ts'
import { suggestion } from './lib/did-you-mean.ts'
import { Fault } from './lib/fault.ts'
import { createLog } from './lib/log.ts'
import { createRedactor, maskable } from './lib/redact.ts'
import { analyseMetrics } from './release/metrics.ts'

type Write = (text: string) => void

/**
 * `rollcall doctor`: prints a table with a remedy per failure; the exit code says whether anything failed. `testCard` is a channel
 * of ours to which every chat service sends one card.
 */
export async function doctor(path: string, write: Write, color: boolean, testCard?: string): Promise<number> {
  const read = tryConfig(path)
  const patient = read.config === undefined ? undefined : await patientOf(read.config)
  const checks = await runDoctor({
    source: path,
    problems: read.problems,
    warnings: read.config?.warnings ?? [],
    patient: patient?.patient,
    clock: () => new Date(),
    ...(testCard === undefined ? {} : { testCard }),
  }).finally(() => patient?.close())
  write(renderDoctor(checks, color))
  return doctorExitCode(checks)
}

function tryConfig(path: string): { config?: Config; problems: Problem[] } {
  try {
    return { config: loadConfig(path, process.env), problems: [] }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const problems = error.data.problems as Problem[] | undefined
    return { problems: problems ?? [{ path, say: error.message, remedy: error.next }] }
  }
}

/**
 * What alerts and diagnoses need. Tools are compared with what is pinned, and nothing is pinned by looking: that is done when a
 * diagnosis first uses a tool.
 */
async function incidentPatient(config: Config): Promise<{ patient: IncidentPatient; close: () => Promise<void> }> {
  const { prometheus } = config
  const ai = resolveAi(config.ai, process.env)
  const redactor = createRedactor(config.secrets)
  const log = createLog({ redact: redactor, level: 'silent' })
  const servers = resolveServers(config.mcp, { prometheusConfigured: prometheus !== undefined, env: process.env })
  const bundled = prometheus && createPrometheusMcp({ config: prometheus, version: pkg.version })
  const tools = createMcpTools({
    servers,
    inMemory: bundled === undefined ? {} : { prometheus: (transport) => bundled.connect(transport) },
    store: {
      get: async (collection, id) => {
        store ??= openStore(config)
        return (await store).get(collection, id)
      },
    },
    log,
    redact: redactor.text,
    version: pkg.version,
  })
  let store: ReturnType<typeof openStore> | undefined
  return {
    patient: {
      sources: config.alerts.sources.map(({ name, url, tokenEnv, apiTokenEnv }) => ({
        name,
        url,
        proves: tokenEnv !== undefined,
        token: apiTokenEnv === undefined ? undefined : process.env[apiTokenEnv],
      })),
      ...(ai === undefined ? {} : { model: { model: await modelOf(ai, log), host: new URL(ai.baseUrl).host } }),
      tools,
    },
    close: async () => {
      await tools.close()
      await bundled?.close()
      await store?.then((open) => open.close()).catch(() => undefined)
    },
  }
}

async function patientOf(config: Config): Promise<{ patient: Patient; close: () => Promise<void> }> {
  const looks = await incidentPatient(config)
  const { folder } = config.store
  const lock = shareLock(folder)
  const log = createLog({ redact: createRedactor(config.secrets), level: 'silent' })
  const chat = surfacePatients(config, { log, lock })
  const target = createSshTarget({ hosts: config.hosts, bastions: config.bastions, options: config.ssh })
  const metrics = config.prometheus === undefined ? undefined : createPrometheus(config.prometheus)
  return {
    close: async () => {
      await looks.close()
      await chat.close()
      await target.close()
    },
    patient: {
      incidents: looks.patient,
      surfaces: chat.patients,
      services: config.services,
      hosts: config.hosts,
      people: config.people,
      target,
      fetch,
      ...(metrics === undefined || config.prometheus === undefined
        ? {}
        : {
            prometheus: {
              url: config.prometheus.url,
              answers: async () => void (await metrics.instant('1')),
              find: async (service) =>
                (
                  await analyseMetrics(metrics, {
                    service: service.name,
                    hosts: config.hosts,
                    red: service.red,
                    now: new Date(),
                  })
                ).metrics.map((metric) => metric.name),
            },
          }),
      store: {
        name: folder,
        open: async () => {
          const mine = lock.take()
          const store = await openStore(config).catch((error: unknown) => {
            mine.release()
            throw error
          })
          const close = async () => {
            await store.close()
            mine.release()
          }
          return { get: store.get, insert: store.insert, put: store.put, close }
        },
        freeMb: async () => {
          await mkdir(folder, { recursive: true, mode: 0o700 })
          const { bavail, bsize } = await statfs(folder)
          return (bavail * bsize) / 1e6
        },
      },
      knowledge: { folder: config.knowledge, load: () => loadKnowledge(config.knowledge) },
    },
  }
}

/** `rollcall enroll`: shows the host keys that hosts present and pins them in the file. The exit code says whether all is pinned. */
export async function enrollHosts(
  path: string,
  hostIds: string[],
  options: { yes: boolean; replace: boolean },
  write: (text: string) => void,
): Promise<number> {
  const config = loadConfig(path, process.env)
  const all = [...config.bastions, ...config.hosts]
  const result = await enroll(
    {
      file: path,
      hosts: all,
      write,
      scan: async (id) => {
        const host = all.find((each) => each.id === id)
        if (host === undefined) return []
        return scanHostKeys(host, { bastions: config.bastions, hosts: config.hosts, options: config.ssh })
      },
      confirm: async (question) => {
        const terminal = createInterface({ input: process.stdin, output: process.stdout })
        try {
          return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
        } finally {
          terminal.close()
        }
      },
    },
    hostIds,
    options,
  )
  return Object.values(result).every((each) => ['pinned', 'replaced', 'unchanged'].includes(each)) ? 0 : 1
}

/**
 * `rollcall token <person>`: a personal token for the console and its API, shown this once. With `list` the tokens of the person
 * (of everybody when none is named), with `revoke` the end of one. May be called while the bot runs. Fault `access.unknown-person`.
 */
export async function tokens(
  path: string,
  person: string | undefined,
  options: { list: boolean; revoke?: string },
  write: Write,
): Promise<number> {
  return withAudit(path, async ({ config, store, note, clock }) => {
    if (options.revoke !== undefined) {
      const revoked = await revokeToken(store, options.revoke, clock)
      await note('access.token-revoke', `token ${options.revoke}`, revoked)
      write(
        revoked ? `Token ${options.revoke} is void now.\n` : 'There is no such token. Next: rollcall token --list\n',
      )
      return revoked ? 0 : 1
    }
    if (options.list) {
      const rows = await listTokens(store, person)
      for (const row of rows)
        write(`${row.id}  ${row.person}  made ${row.createdAt}${row.revokedAt ? '  revoked' : ''}\n`)
      if (rows.length === 0) write('There are no tokens. Next: rollcall token <person>\n')
      return 0
    }
    if (person === undefined) {
      write("Whose token? Next: rollcall token <person>, a person's id from rollcall.yaml\n")
      return 2
    }
    const { id } = needPerson(config.people, person)
    const issued = await issueToken(store, { id }, clock)
    await note('access.token-issue', `token ${issued.id} for ${id}`, true)
    write(`${issued.token}\n`)
    write(`This is shown once. ${id} signs in with it in the console; rollcall token --revoke ${issued.id} ends it.\n`)
    return 0
  })
}

/** `rollcall audit`: checks the whole chain, against the head that is kept beside the key and the one that is given. Exit code 1 when an entry was changed or is missing. */
export async function verifyAudit(
  path: string,
  kept: { head?: string; entries?: number },
  write: Write,
): Promise<number> {
  return withAudit(path, async ({ config, audit, heads }) => {
    const own = await heads.read()
    const verdict = await audit.verify(kept)
    if (verdict.ok) write(`The audit log is whole: ${verdict.entries} entries, head ${verdict.head}\n`)
    else write(`The audit log is broken at entry ${verdict.brokenAt}: ${verdict.why}\n`)
    const file = join(config.store.folder, 'audit.head')
    if (verdict.ok && own === undefined && verdict.entries > 0)
      write(`There is no ${file}, so entries that were removed at the end would not show. Give a head: --head <hash>\n`)
    if (!verdict.ok && own !== undefined)
      write(`If a backup was put in its place on purpose, remove ${file}: the next entry makes a new one.\n`)
    return verdict.ok ? 0 : 1
  })
}

/**
 * `rollcall tools`: the MCP servers with their state, the tools that a diagnosis is offered and what is pinned of each. With
 * `approve <server>` its definitions are pinned as they are now. May be called while the bot runs. Exit code 1 when a server is away or held.
 */
export async function mcpTools(path: string, words: string[], write: Write): Promise<number> {
  const [verb, server, more] = words
  if (verb !== undefined && (verb !== 'approve' || server === undefined || more !== undefined)) {
    const wrong = verb === 'approve' ? 'Approve the tools of one server.' : `There is no rollcall tools ${verb}.`
    write(`${wrong} Next: rollcall tools, or rollcall tools approve <server>\n`)
    return 2
  }
  return withAudit(path, async ({ config, store, note }) => {
    const { prometheus } = config
    const servers = resolveServers(config.mcp, { prometheusConfigured: prometheus !== undefined, env: process.env })
    const secrets = secretVariables(servers).map((name) => process.env[name] ?? '')
    const redactor = createRedactor([...config.secrets, ...secrets.filter(maskable)])
    const bundled = prometheus && createPrometheusMcp({ config: prometheus, version: pkg.version })
    const tools = createMcpTools({
      servers,
      inMemory: bundled === undefined ? {} : { prometheus: (transport) => bundled.connect(transport) },
      store,
      log: createLog({ redact: redactor, level: 'error' }),
      redact: redactor.text,
      version: pkg.version,
    })
    try {
      if (server === undefined) return await listMcpTools(tools, write)
      const result = await tools.approve(server)
      if (result === undefined) {
        const names = servers.map(({ name }) => name)
        write(`There is no MCP server ${JSON.stringify(server)}.${suggestion(server, names)} Next: rollcall tools\n`)
        return 2
      }
      if (servers.find(({ name }) => name === server)?.way.by === 'memory') {
        write(`${server} is part of Rollcall: there is nothing to approve\n`)
        return 0
      }
      await note('tools.approve', `MCP server ${server}: ${result.approved.join(', ') || 'nothing new'}`, !result.away)
      if (result.away !== undefined) write(`${server} is away, nothing is approved: ${result.away}\n`)
      else write(`${server}: approved ${result.approved.join(', ') || 'nothing, all was as pinned'}\n`)
      for (const held of result.held) write(`  held still, the configuration pins it otherwise: ${held}\n`)
      return result.away === undefined && result.held.length === 0 ? 0 : 1
    } finally {
      await tools.close()
      await bundled?.close()
    }
  })
}

async function listMcpTools(tools: ReturnType<typeof createMcpTools>, write: Write): Promise<number> {
  const offered = await tools.list()
  const pinned = await tools.pins()
  const states = tools.servers()
  for (const { name, at, why } of states) {
    write(`${name}  ${at}${why === undefined ? '' : `: ${why}`}\n`)
    for (const tool of offered.filter((each) => each.server === name)) write(`  ${tool.name}  ${tool.hash}\n`)
    const times = Object.values(pinned[name] ?? {}).map(({ pinnedAt }) => pinnedAt)
    if (times.length > 0) write(`  ${times.length} pinned, the last one ${times.toSorted().at(-1)}\n`)
    if (at === 'away') write(`  Next: check how mcp reaches ${name}: its program or address, and its token\n`)
    if (at === 'connected' && why !== undefined) write(`  Next: check the tools that mcp names for ${name}\n`)
    if (at !== 'held') continue
    for (const held of tools.held(name)) {
      write(`  held: ${held.name} now says ${JSON.stringify(held.description ?? '')}\n`)
      write(`    and takes ${JSON.stringify(held.inputSchema)}\n`)
    }
    write(`  Next: if that is as it should be, rollcall tools approve ${name}\n`)
  }
  if (states.length === 0) write('There are no MCP servers. Next: add prometheus or mcp.servers to rollcall.yaml\n')
  return states.every(({ at }) => at === 'connected') ? 0 : 1
}

/**
 * `rollcall mcp prometheus`: the bundled MCP server on stdin and stdout until its client leaves. The address from --url or
 * PROMETHEUS_URL, credentials from PROMETHEUS_TOKEN, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD (pab1it0's names); logs go to stderr only.
 */
export async function mcpServer(words: string[], url: string | undefined, signal: AbortSignal): Promise<number> {
  const { env } = process
  const refuse = (wrong: string) => {
    process.stderr.write(`${wrong}\n`)
    return 2
  }
  const example = 'rollcall mcp prometheus --url http://prometheus:9090'
  if (words.length !== 1 || words[0] !== 'prometheus') return refuse(`Which server? Next: ${example}`)
  const address = url ?? env.PROMETHEUS_URL ?? ''
  if (address === '') return refuse(`Where is Prometheus? Next: ${example}, or set PROMETHEUS_URL`)
  const config = prometheusSchema.safeParse({
    url: address,
    ...(env.PROMETHEUS_TOKEN ? { bearerTokenEnv: 'PROMETHEUS_TOKEN' } : {}),
    ...(env.PROMETHEUS_USERNAME && !env.PROMETHEUS_TOKEN
      ? { basicAuth: { user: env.PROMETHEUS_USERNAME, passwordEnv: 'PROMETHEUS_PASSWORD' } }
      : {}),
  })
  if (!config.success) {
    const from = url === undefined ? 'PROMETHEUS_URL' : '--url'
    const credentials = 'credentials stand in PROMETHEUS_TOKEN, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD'
    return refuse(`${from} is no address of a Prometheus. Next: ${example}, no more than that; ${credentials}`)
  }
  const server = createPrometheusMcp({ config: config.data, bounds: standaloneBounds, version: pkg.version })
  if (process.stdin.isTTY) process.stderr.write('An MCP client is expected on stdin and stdout; Ctrl-C ends it.\n')
  await server.connect(new StdioServerTransport())
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    process.stdin.once('close', resolve)
    process.stdin.once('end', resolve)
  })
  await server.close()
  return 0
}

async function withAudit<T>(
  path: string,
  work: (parts: {
    config: Config
    store: Awaited<ReturnType<typeof openStore>>
    audit: ReturnType<typeof createAudit>
    heads: AuditHeads
    note: (action: string, target: string, done: boolean) => Promise<boolean>
    clock: () => Date
  }) => Promise<T>,
): Promise<T> {
  const config = loadConfig(path, process.env)
  const store = await openStore(config)
  const clock = () => new Date()
  try {
    const key = await auditKey(config.store.folder, process.env)
    const redactor = createRedactor(config.secrets)
    const log = createLog({ redact: redactor, level: config.log.level })
    const heads = createAuditHeads({ folder: config.store.folder, key, store, log })
    const audit = createAudit({ store, key, clock, log, heads, redact: redactor.text })
    const from = { surface: 'terminal' }
    // Whoever may run this here may read the data folder: the machine's user name is what there is to say about them.
    const who = `${userInfo().username}@machine`
    const note = (action: string, target: string, done: boolean) =>
      audit.note({ who, from, action, target, result: done ? 'done' : 'refused' })
    const result = await work({ config, store, audit, heads, note, clock })
    await audit.flush()
    return result
  } finally {
    await store.close()
  }
}
