import { mkdir, statfs } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import pico from 'picocolors'
import { commands } from '../commands/index.ts'
import type { Person } from './access/config.ts'
import { findPerson, needPerson } from './access/policy.ts'
import { createHttpArtifacts } from './adapters/http-artifacts/index.ts'
import { createLedger, ledgerIndexes } from './adapters/ledger/index.ts'
import { createPrometheus } from './adapters/prometheus/index.ts'
import { createSqliteStore, lockFolder } from './adapters/sqlite/index.ts'
import { createSshTarget, scanHostKeys } from './adapters/ssh/index.ts'
import { createTerminalChat } from './adapters/terminal/index.ts'
import { renderButtons, renderMessage } from './adapters/terminal/render.ts'
import { type Config, loadConfig } from './config/load.ts'
import type { Problem } from './config/problems.ts'
import { press } from './entry/actions.ts'
import { type CommandAnswer, runCommand } from './entry/command.ts'
import { doctorExitCode, type Patient, renderDoctor, runDoctor } from './entry/doctor.ts'
import { enroll } from './entry/enroll.ts'
import { loadKnowledge } from './knowledge/knowledge.ts'
import { Fault } from './lib/fault.ts'
import { createLog, type Log } from './lib/log.ts'
import { createRedactor } from './lib/redact.ts'
import type { Chat, Message } from './ports/chat.ts'
import type { Store } from './ports/store.ts'
import type { Answer } from './release/answer.ts'
import { offerButtons } from './release/button.ts'
import { createDesk, type Desk } from './release/desk.ts'
import { heal } from './release/heal.ts'
import { card } from './release/issue.ts'
import { analyseMetrics } from './release/metrics.ts'
import { rollbackStory } from './release/rollback.ts'
import { releaseStory } from './release/rollout.ts'

export interface App {
  desk: Desk
  /** Goes on with what was interrupted, and listens. */
  start(): Promise<void>
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
  /** Where the terminal's transcript goes; default stdout. */
  write?: (text: string) => void
  color?: boolean
  log?: Log
  /** Called at each durable point of a flow; the kill suite ends the process there. */
  probe?: (point: string) => void
}

/** The configuration from a file or an object of the same shape. Fault `config.invalid` names all problems at once. */
export function readConfig(source: string | object, env: Record<string, string | undefined> = process.env): Config {
  return loadConfig(source, env)
}

/** The composition root: nothing else constructs adapters. Fault `store.in-use` when another process has the data folder. */
export async function createApp(config: Config, options: AppOptions = {}): Promise<App> {
  const redactor = createRedactor(config.secrets)
  const masked = <T>(words: T): T => redactor.value(words) as T
  const log = options.log ?? createLog({ redact: redactor, level: config.log.level })
  const lock = lockFolder(config.store.folder)
  const store = await openStore(config)
  const terminal = createTerminalChat({
    store,
    write: options.write ?? ((text) => process.stdout.write(text)),
    failed: (error) => log.warn({ err: error }, 'message not printed'),
    color: options.color,
  })
  const chat: Chat = {
    surface: terminal.surface,
    // Reasons and output come from hosts: a secret in them stays here.
    put: (post) => terminal.put({ ...post, message: masked(post.message) }),
  }
  const flows = createLedger({ store, exclusive: true, log, probe: options.probe })
  const target = createSshTarget({ hosts: config.hosts, bastions: config.bastions, options: config.ssh })
  const knowledge = await loadKnowledge(config.knowledge)
  for (const problem of knowledge.problems) log.warn(problem, 'knowledge file left out')
  const desk = createDesk({
    store,
    flows,
    chat,
    target,
    metrics: config.prometheus === undefined ? undefined : createPrometheus(config.prometheus),
    artifacts: createHttpArtifacts({ timeoutSeconds: 15 }),
    services: config.services,
    hosts: config.hosts.map(({ id, ip, region, labels }) => ({ id, ip, region, labels })),
    people: config.people,
    knowledge: knowledge.entries,
    channel: '#releases',
    redact: redactor.text,
    clock: () => new Date(),
    log,
  })
  flows.define('release', (flow, input) => releaseStory(flow, desk, input))
  flows.define('rollback', (flow, input) => rollbackStory(flow, desk, input))
  const cardOf = async (id: string): Promise<Message> => {
    const release = await desk.releases.need(id)
    return masked(card(release, desk.clock(), await offerButtons(store, release)))
  }

  return {
    desk,
    async start() {
      await terminal.open()
      await flows.open()
      for (const release of await desk.releases.list()) {
        await heal(desk, release)
      }
    },
    async stop(ms = 30_000) {
      await flows.close(ms)
      await target.close()
      await store.close()
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

function openStore(config: Config): Promise<Store> {
  const indexes = [
    ...ledgerIndexes,
    { collection: 'releases', field: 'service' },
    { collection: 'jobs', field: 'host' },
  ]
  return createSqliteStore({ folder: config.store.folder, indexes })
}

/** `rollcall doctor`: prints a table with a remedy per failure; the exit code says whether anything failed. */
export async function doctor(path: string, write: (text: string) => void, color: boolean): Promise<number> {
  const read = tryConfig(path)
  const patient = read.config === undefined ? undefined : patientOf(read.config)
  const checks = await runDoctor({
    source: path,
    problems: read.problems,
    warnings: read.config?.warnings ?? [],
    patient: patient?.patient,
    clock: () => new Date(),
  })
  await patient?.close()
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

function patientOf(config: Config): { patient: Patient; close: () => Promise<void> } {
  const target = createSshTarget({ hosts: config.hosts, bastions: config.bastions, options: config.ssh })
  const metrics = config.prometheus === undefined ? undefined : createPrometheus(config.prometheus)
  const { folder } = config.store
  return {
    close: () => target.close(),
    patient: {
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
          const lock = lockFolder(folder)
          const store = await openStore(config)
          const close = async () => {
            await store.close()
            lock.release()
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
