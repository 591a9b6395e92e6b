import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pico from 'picocolors'
import { commands } from '../commands/index.ts'
import pkg from '../package.json' with { type: 'json' }
import { createAudit } from './access/audit.ts'
import { createAuditHeads } from './access/audit-head.ts'
import { agreeOnAuditKey, auditKey } from './access/audit-key.ts'
import type { Person } from './access/config.ts'
import { findPerson, needPerson } from './access/policy.ts'
import { createAlertmanagerSilences } from './adapters/alertmanager/index.ts'
import { createChannel } from './adapters/channel/index.ts'
import { createOutbox, outboxIndexes } from './adapters/channel/outbox.ts'
import { createCharts } from './adapters/charts/index.ts'
import { createHttpArtifacts } from './adapters/http-artifacts/index.ts'
import { createLeads } from './adapters/leads/index.ts'
import { createLedger, ledgerIndexes } from './adapters/ledger/index.ts'
import { createMcpTools, resolveServers, secretVariables } from './adapters/mcp-client/index.ts'
import { createPrometheus } from './adapters/prometheus/index.ts'
import { createPrometheusMcp } from './adapters/prometheus/mcp.ts'
import { createSqliteStore, lockFolder } from './adapters/sqlite/index.ts'
import { createSshTarget } from './adapters/ssh/index.ts'
import { createTerminal } from './adapters/terminal/index.ts'
import { renderButtons, renderMessage } from './adapters/terminal/render.ts'
import { resolveAi } from './agent/config.ts'
import { createChatServices } from './app-chat.ts'
import { type Config, loadConfig } from './config/load.ts'
import { pinsIn } from './config/pins.ts'
import { press } from './entry/actions.ts'
import { type CommandAnswer, runCommand } from './entry/command.ts'
import { createConsole } from './entry/http/console.ts'
import { createFeed } from './entry/http/feed.ts'
import { createRelay } from './entry/http/relay.ts'
import { watchStore } from './entry/http/watch.ts'
import { AUDIT_HEAD_AT, postAuditHead } from './entry/post-audit-head.ts'
import { createReception, receptionIndexes } from './entry/reception.ts'
import { createSchedule } from './entry/schedule.ts'
import { createHealths } from './entry/surface-health.ts'
import { createIncidentDesk, type IncidentDesk } from './incident/desk.ts'
import { diagnosisStory } from './incident/diagnose.ts'
import { followReleases, threadIndexes } from './incident/follow.ts'
import { createIntake } from './incident/intake.ts'
import { incidentIndexes } from './incident/open.ts'
import { incidentStory } from './incident/story.ts'
import { loadKnowledge } from './knowledge/knowledge.ts'
import type { Fault } from './lib/fault.ts'
import { createLog, type Log } from './lib/log.ts'
import { createRedactor, maskable } from './lib/redact.ts'
import type { Chat, Message } from './ports/chat.ts'
import type { Model } from './ports/model.ts'
import type { Store } from './ports/store.ts'
import type { SurfaceHealth } from './ports/surface.ts'
import type { Answer } from './release/answer.ts'
import { offerButtons } from './release/button.ts'
import { createDesk } from './release/desk.ts'
import { probeFleet } from './release/fleet.ts'
import { healAll } from './release/heal.ts'
import { card } from './release/issue.ts'
import { rollbackStory } from './release/rollback.ts'
import { releaseStory } from './release/rollout.ts'

export interface App {
  desk: IncidentDesk
  /** Goes on with what was interrupted, and listens. Fault `entry.port-taken`. */
  start(): Promise<void>
  /** Where the console is, once it listens. */
  readonly url: string | undefined
  /** Lets running effects end (at most `ms`), then lets go of everything. Flows go on at the next start. */
  stop(ms?: number): Promise<void>
  /** What a person typed, and what they read back. Fault `access.unknown-person`. */
  command(person: string, text: string, channel?: string): Promise<CommandAnswer>
  /** A press on a button of a card. Fault `access.unknown-person`. */
  press(person: string, buttonId: string): Promise<Answer>
  /** Whom a surface knows by this id. */
  personOf(surface: string, userId: string): Person | undefined
  /** The release's card as it is shown now. */
  card(release: string): Promise<Message>
  /** A message as text for the terminal. */
  render(message: Message): string
}

export interface AppOptions {
  /** Serves the console; left out, nothing listens. */
  console?: {
    /** The folder with the built client; left out, only what machines and commands ask for is served. */
    webRoot?: string
    /** Whoever opens it may be any of the people: the sandbox, on loopback only. */
    demo?: boolean
    /** What it answers to typed text before that is read as a command. */
    heard?: (person: Person, text: string) => Promise<CommandAnswer | undefined>
  }
  /** Where the terminal's transcript goes; default stdout. */
  write?: (text: string) => void
  color?: boolean
  log?: Log
  /** Called at each durable point of a flow; the kill suite ends the process there. */
  probe?: (point: string) => void
}

const DAY_MS = 86_400_000
/** How long a database that is away is waited for at the start, before whatever supervises the process sees it fail. */
const STORE_WAIT_MS = 60_000
/** What each part gets at the end of a stop whose time is over. */
const LAST_MS = 500
/** With a poll on top, a bot that was killed is replaced within ten seconds. */
const LEASE_MS = 8000

/** The configuration from a file or an object of the same shape. Fault `config.invalid` names all problems at once. */
export function readConfig(source: string | object, env: Record<string, string | undefined> = process.env): Config {
  return loadConfig(source, env)
}

export { clientFolder } from './entry/http/client.ts'

/** The composition root: nothing else constructs adapters. Fault `store.in-use` when another process has the data folder. */
export async function createApp(config: Config, options: AppOptions = {}): Promise<App> {
  const ai = resolveAi(config.ai, process.env)
  const servers = resolveServers(config.mcp, {
    prometheusConfigured: config.prometheus !== undefined,
    env: process.env,
  })
  const secrets = secretVariables(servers)
    .flatMap((name) => process.env[name] ?? [])
    .filter(maskable)
  const redactor = createRedactor([...config.secrets, ...secrets, ...(ai === undefined ? [] : [ai.key()])])
  const masked = <T>(words: T): T => redactor.value(words) as T
  const log = options.log ?? createLog({ redact: redactor, level: config.log.level })
  const lock = lockFolder(config.store.folder)
  const feed = createFeed()
  // The one store that everything writes through, so that whoever looks on learns of every change.
  const opened = await openStore(config, {
    waitMs: STORE_WAIT_MS,
    waiting: ({ message }) => log.warn({ why: message }, 'store away, trying again'),
  }).catch((error: unknown) => {
    lock.release()
    throw error
  })
  const exclusive = config.store.kind === 'sqlite'
  // What another process changes is news here as well.
  const relay = exclusive ? undefined : createRelay({ store: opened, feed, log })
  const watched = watchStore(opened, (change) => {
    feed.publish(change)
    relay?.publish(change)
  })
  const flows = createLedger({ store: watched, exclusive, log, probe: options.probe, leaseMs: LEASE_MS })
  // What an effect writes, a process that has lost the flow to another one writes no more.
  const store = flows.fenced(watched)
  const leads = createLeads({ store: watched, exclusive, log })
  const clock = () => new Date()
  const terminal = createTerminal({
    store,
    write: options.write ?? ((text) => process.stdout.write(text)),
    failed: (error) => log.warn({ err: error }, 'message not printed'),
    color: options.color,
  })
  const chats = await createChatServices(config, { store: watched, leads, reception: () => reception, log, clock })
  const services = [chats.slack, chats.wecom].filter((each) => each !== undefined)
  const outbox = createOutbox({
    store: watched,
    senders: services,
    leads,
    exclusive,
    log,
    clock,
    channels: channelsOf({ channel: RELEASES, config: config.alerts }),
  })
  const healthOf = (): Promise<SurfaceHealth[]> =>
    Promise.all(
      services.map(async (service) => ({
        surface: service.surface,
        ...service.health(),
        ...(await outbox.status(service.surface)),
      })),
    )
  const healths = createHealths({ store: opened, own: healthOf, exclusive, log })
  const channel = createChannel({ store, clock, surfaces: services.length === 0 ? [terminal] : [terminal, outbox] })
  const chat: Chat = {
    surface: channel.surface,
    // Reasons and output come from hosts: a secret in them stays here.
    put: (post) => channel.put({ ...post, message: masked(post.message) }),
  }
  const target = createSshTarget({
    hosts: config.hosts,
    bastions: config.bastions,
    options: config.ssh,
    repin: config.file === undefined ? undefined : pinsIn(config.file, log),
  })
  const knowledge = await loadKnowledge(config.knowledge)
  for (const problem of knowledge.problems) log.warn(problem, 'knowledge file left out')
  const key = await auditKey(config.store.folder, process.env)
  if (!exclusive) await agreeOnAuditKey(store, key)
  // What is noted within an effect stands at once, whoever goes on with the flow.
  const heads = createAuditHeads({ folder: config.store.folder, key, store: watched, log })
  const prometheus = config.prometheus
  const bundled = prometheus && createPrometheusMcp({ config: prometheus, version: pkg.version })
  const tools = createMcpTools({
    servers,
    inMemory: bundled === undefined ? {} : { prometheus: (transport) => bundled.connect(transport) },
    store,
    log,
    redact: redactor.text,
    version: pkg.version,
  })
  const alertTokens = tokensOf(config.alerts.sources)
  const releaseDesk = createDesk({
    store,
    flows,
    chat,
    target,
    metrics: prometheus && createPrometheus(prometheus),
    artifacts: createHttpArtifacts({ timeoutSeconds: 15 }),
    services: config.services,
    hosts: config.hosts.map(({ id, ip, region, labels }) => ({ id, ip, region, labels })),
    people: config.people,
    knowledge: knowledge.entries,
    audit: createAudit({ store: watched, key, clock: () => new Date(), log, heads, redact: redactor.text }),
    channel: RELEASES,
    redact: redactor.text,
    ...(services.length === 0 ? {} : { surfaces: healths.read }),
    clock,
    log,
  })
  const desk = createIncidentDesk(releaseDesk, {
    config: config.alerts,
    model: ai && (await modelOf(ai, log)),
    tools: servers.length === 0 ? undefined : tools,
    pictures: createCharts({ language: config.language }),
    silences: createAlertmanagerSilences({
      sources: config.alerts.sources.flatMap(({ name, url, apiTokenEnv }) =>
        url === undefined ? [] : [{ name, url, token: secretOf(apiTokenEnv) }],
      ),
      timeoutSeconds: 10,
    }),
    budget: config.ai.budget,
    prices: config.ai.prices,
    language: config.language,
    ...(exclusive ? {} : { leads }),
  })
  const reception = createReception({
    desk,
    commands,
    surfaces: () => new Map(services.map((each) => [each.surface, each])),
    leads,
    exclusive,
  })
  const schedule = createSchedule({ store, log, clock })
  schedule.every('audit-head', AUDIT_HEAD_AT, (tick) => postAuditHead(desk, tick))
  const intake = createIntake(desk)
  flows.define('incident', (flow, input) => incidentStory(flow, desk, input))
  flows.define('diagnosis', (flow, input) => diagnosisStory(flow, desk, input))
  flows.define('release', (flow, input) => releaseStory(flow, desk, input))
  flows.define('rollback', (flow, input) => rollbackStory(flow, desk, input))
  const cardOf = async (id: string): Promise<Message> => {
    const release = await desk.releases.need(id)
    return masked(card(release, desk.clock(), await offerButtons(store, release)))
  }
  const web =
    options.console &&
    (await createConsole({
      desk,
      audit: desk.audit,
      commands,
      log: channel,
      feed,
      webRoot: options.console.webRoot,
      listen: config.console,
      oidc: config.console.oidc && {
        ...config.console.oidc,
        clientSecret: secretOf(config.console.oidc.clientSecretEnv),
        // Whoever begins to sign in at one of several processes may come back to another.
        attemptKey: createHmac('sha256', key).update('rollcall-oidc/1').digest(),
      },
      sessionHours: { idle: config.console.sessionHours, longest: 24 * config.console.sessionDays },
      demo: options.console.demo ?? false,
      language: config.language,
      version: pkg.version,
      ...(config.slack?.mode === 'http' && chats.slack !== undefined ? { slack: chats.slack.http } : {}),
      heard: options.console.heard,
      alertTokens,
      channels: channelsOf(desk),
    }))
  let url: string | undefined
  let daily: NodeJS.Timeout | undefined
  let unfollow: (() => void) | undefined
  let alone: (() => void) | undefined
  // The log is kept elsewhere: what it says about the chain, nobody changes together with the database.
  const logHead = async (): Promise<void> => log.info(await desk.audit.head(), 'audit head')
  const checkHead = async (): Promise<void> => {
    try {
      if (await desk.audit.stands()) return
      log.error('the audit log does not hold the head that was kept: type rollcall audit')
    } catch (error) {
      log.error({ err: error }, 'audit log not checked')
    }
  }
  const healed = () => {
    healAll(desk).catch((error: unknown) => log.warn({ err: error }, 'releases not looked at'))
  }
  const head = () => logHead().catch((error: unknown) => log.warn({ err: error }, 'audit head not read'))

  return {
    desk,
    get url() {
      return url
    },
    async start() {
      await checkHead()
      await head()
      daily = setInterval(head, DAY_MS).unref()
      url = await web?.listen()
      relay?.start()
      await terminal.open()
      await flows.open()
      unfollow = followReleases(desk, feed.listen, flows.onGone)
      alone = flows.onGone(healed)
      await intake.start()
      await healAll(desk)
      await outbox.open()
      await reception.open()
      for (const service of services) service.start()
      healths.start()
      schedule.start()
      // The console shows the fleet as it is, not as it was left; nobody waits for it.
      if (web !== undefined) {
        probeFleet(desk).catch((error: unknown) => log.info({ err: error }, 'fleet not asked'))
      }
    },
    async stop(ms = 30_000) {
      // First nothing more comes in, then what runs ends. What has not gone out by then goes out after the next start, or from
      // another process: nothing waits for a service or a database that is away.
      const until = performance.now() + ms
      const left = () => Math.max(0, until - performance.now())
      const ended = (what: string, work: Promise<unknown> | undefined) =>
        withinMs(work, Math.max(left(), LAST_MS), what, log)
      await ended('signs of life', healths.stop())
      await ended('chat services', Promise.all(services.map((service) => service.stop(left()))))
      await ended('console', web?.close())
      await ended('inbox', reception.close(left()))
      await ended('schedule', schedule.stop())
      await ended('alerts', intake.stop())
      await ended('flows', flows.close(left()))
      unfollow?.()
      alone?.()
      clearInterval(daily)
      await ended('outbox', outbox.close(left()))
      await ended('rest', Promise.all([leads.close(), relay?.stop(), tools.close(), bundled?.close(), target.close()]))
      await ended('audit log', desk.audit.flush().then(head))
      await ended('store', store.close())
      lock.release()
    },
    command: async (person, text, channel = desk.channel) =>
      masked(await runCommand({ desk, person: needPerson(desk.people, person), channel, commands }, text)),
    press: async (person, buttonId) => masked(await press(desk, buttonId, needPerson(desk.people, person))),
    personOf: (surface, userId) => findPerson(desk.people, surface, userId),
    card: cardOf,
    render: (message) => {
      const colors = pico.createColors(options.color ?? false)
      return [...renderMessage(message, colors), ...renderButtons(message, colors)].join('\n')
    },
  }
}

/** Resolves when the work is done, has failed, or takes too long; the last two are logged. */
async function withinMs(work: Promise<unknown> | undefined, ms: number, what: string, log: Log): Promise<void> {
  const late = new AbortController()
  const timer = delay(ms, 'late', { signal: late.signal, ref: false })
  const told = (error: unknown) => log.warn({ what, err: error }, 'not ended cleanly')
  // What fails after that has nobody to tell any more.
  const done = Promise.resolve(work).then(() => undefined, told)
  if ((await Promise.race([done, timer])) === 'late') log.warn({ what }, 'not ended in time')
  late.abort()
  timer.catch(() => undefined)
}

/** The channel that release cards go to when the request names none. */
const RELEASES = '#releases'

/** The model of the wire format that was resolved; its provider's package is read only now. */
export async function modelOf(ai: NonNullable<ReturnType<typeof resolveAi>>, log: Log): Promise<Model> {
  if (ai.wire === 'anthropic')
    return (await import('./adapters/anthropic/index.ts')).createAnthropicModel({ ...ai, log })
  return (await import('./adapters/openai/index.ts')).createOpenAiModel({ ...ai, log })
}

/** What each source of alerts proves itself with, where it does. */
function tokensOf(sources: Config['alerts']['sources']): Map<string, string> {
  return new Map(
    sources.flatMap(({ name, tokenEnv }): [string, string][] => {
      const token = tokenEnv === undefined ? undefined : process.env[tokenEnv]
      return token === undefined ? [] : [[name, token]]
    }),
  )
}

/** Every channel that something may be posted to, that of releases first. */
function channelsOf({ channel, config }: Pick<IncidentDesk, 'channel' | 'config'>): string[] {
  const levels = [config.critical, config.warning, config.info].flatMap((severity) => severity.levels)
  const named = [config.channel, ...levels.map((level) => level.channel)].filter((name) => name !== undefined)
  return [...new Set([channel, ...named])]
}

function secretOf(variable: string | undefined): string | undefined {
  return variable === undefined ? undefined : process.env[variable]
}

/**
 * The store that is configured. Several processes may have a folder open; only the one that holds its lock runs flows. MongoDB is
 * shared by as many as there are.
 */
export async function openStore(
  { store }: Pick<Config, 'store'>,
  patience: { waitMs?: number; waiting?: (why: Fault) => void } = {},
): Promise<Store> {
  const indexes = [
    ...ledgerIndexes,
    { collection: 'releases', field: 'service' },
    { collection: 'jobs', field: 'host' },
    { collection: 'reports', field: 'deploymentId' },
    ...outboxIndexes,
    ...receptionIndexes,
    ...incidentIndexes,
    ...threadIndexes,
  ]
  if (store.kind === 'sqlite') return createSqliteStore({ folder: store.folder, indexes })
  // Its driver is large: it is read only by who uses it.
  const { createMongoStore } = await import('./adapters/mongo/index.ts')
  return createMongoStore({ uri: secretOf(store.uriEnv) ?? '', database: store.database, indexes, ...patience })
}
