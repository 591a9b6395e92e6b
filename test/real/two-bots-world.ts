import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { openStore } from '../../src/app.ts'
import { type Release, releases } from '../../src/release/release.ts'
import { until } from '../adapters/ssh/kit.ts'
import { type MongoServer, mongoServer } from '../servers/mongo.ts'
import { type MongoProxy, mongoProxy } from '../servers/mongo-proxy.ts'
import { startWecomServer } from '../servers/wecom/index.ts'
import { type Artifacts, CANDIDATE, createSlot, readLines, type Slot, serveArtifacts } from './kill-world.ts'
import type { BotOptions, Question, Reply } from './two-bots-child.ts'

export const NAMES = ['a', 'b'] as const
export type Name = (typeof NAMES)[number]
/** Services, each with hosts of its own. */
export const SERVICES = ['shop', 'cart'] as const
export type ServiceName = (typeof SERVICES)[number]
const HOSTS: Record<ServiceName, string[]> = { shop: ['bj-1', 'bj-2', 'bj-3'], cart: ['sh-1', 'sh-2', 'sh-3'] }

/** Longer than any lease of the bots (src/app.ts). */
export const FROZEN_MS = 9_000
const STARTING_SECONDS = 60
const ANSWER_MS = 20_000

export interface Bot {
  name: Name
  child: ChildProcess
  pid: number
  /** Once it serves. */
  url: string
  ask(
    question: DistributiveOmit<Exclude<Question, { dieAfter: number }>, 'n'>,
  ): Promise<{ ok: boolean; text: string } | undefined>
  dieAfter(points: number): void
  ended: Promise<void>
}
export type Pick = (bots: Bot[]) => Bot | undefined
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** What the bots have written down, in the order of time. */
export interface Note {
  pid: number
  /** Milliseconds since 1970, of a clock that does not jump. */
  at: number
  lead?: string
  gained?: boolean
  fence?: number
  tick?: string
}

/** Two bots with data folders of their own, one database behind a proxy, and real hosts for two services. */
export async function createTwoBots() {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-two-bots-'))
  const cache = join(folder, 'cache')
  const journal = join(folder, 'journal')
  const mongo: MongoServer = await mongoServer()
  const proxy: MongoProxy = await mongoProxy(mongo.uri)
  const artifacts: Artifacts = await serveArtifacts()
  const wecom = await startWecomServer()
  wecom.addChat('quiet')
  const slots = {} as Record<ServiceName, Slot>
  for (const service of SERVICES) slots[service] = await createSlot(`two-bots-${service}`, artifacts, cache)
  const bots: Partial<Record<Name, Bot>> = {}
  const key = randomBytes(32).toString('hex')
  const openDatabase = (database: string) => {
    // The variable that the bots' configuration names as well; theirs leads through the proxy.
    process.env.TWO_BOTS_URI = mongo.uri
    return openStore({ store: { kind: 'mongo', uriEnv: 'TWO_BOTS_URI', database, folder } })
  }
  let database = mongo.database()
  let store = await openDatabase(database)

  /** New hosts, a new database, no bots. `seconds`: how long each start of the service takes. */
  async function reset(seconds: number): Promise<void> {
    for (const name of NAMES) await end(name)
    rmSync(journal, { force: true })
    for (const service of SERVICES)
      await slots[service].reset({ name: service, hosts: HOSTS[service], until: 'done' }, seconds)
    await store.close()
    database = mongo.database()
    store = await openDatabase(database)
    const parts = SERVICES.map((service) => ({
      service,
      config: JSON.parse(readFileSync(slots[service].config, 'utf8')) as Config,
    }))
    for (const name of NAMES) {
      rmSync(join(folder, name), { recursive: true, force: true })
      const config = {
        ...parts[0]?.config,
        services: parts.map(({ service, config: { services } }) => ({
          ...services[0],
          name: service,
          hosts: { ids: HOSTS[service] },
        })),
        hosts: parts.flatMap(({ config: { hosts } }) => hosts),
        store: { kind: 'mongo', uriEnv: 'TWO_BOTS_URI', database, folder: join(folder, name) },
        console: { port: 0 },
        // A channel where nothing is said: what counts is whose connection it is.
        wecom: {
          botIdEnv: 'TWO_BOTS_BOT',
          secretEnv: 'TWO_BOTS_SECRET',
          url: wecom.url,
          channels: { '#quiet': { id: 'quiet' } },
        },
      }
      writeFileSync(join(folder, `${name}.yaml`), JSON.stringify(config))
    }
  }

  async function start(name: Name): Promise<Bot> {
    const options: BotOptions = { config: join(folder, `${name}.yaml`), journal }
    const child = spawn(process.execPath, [join(import.meta.dirname, 'two-bots-child.ts'), JSON.stringify(options)], {
      cwd: folder,
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: cache,
        ROLLCALL_AUDIT_KEY: key,
        TWO_BOTS_URI: proxy.uri,
        TWO_BOTS_BOT: wecom.botId,
        TWO_BOTS_SECRET: wecom.secret,
        SSH_AUTH_SOCK: '/dev/null',
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const open = new Map<number, (answer: { ok: boolean; text: string } | undefined) => void>()
    let asked = 0
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => {
        if (bots[name]?.child === child) delete bots[name]
        for (const answer of open.values()) answer(undefined)
        resolve()
      })
    })
    const bot: Bot = {
      name,
      child,
      pid: child.pid ?? 0,
      url: '',
      /** Undefined when it died, or has not answered in time: nobody knows what came of it. */
      ask: (question) =>
        new Promise((resolve) => {
          const n = ++asked
          const patience = setTimeout(() => answer(undefined), ANSWER_MS)
          const answer = (value: { ok: boolean; text: string } | undefined) => {
            clearTimeout(patience)
            open.delete(n)
            resolve(value)
          }
          open.set(n, answer)
          if (child.connected) child.send({ ...question, n }, (error) => error && answer(undefined))
          else answer(undefined)
        }),
      dieAfter: (points) => {
        if (child.connected) child.send({ dieAfter: points } satisfies Question, () => {})
      },
      ended,
    }
    const serving = new Promise<string>((resolve, reject) => {
      child.on('message', (reply: Reply) => {
        if ('url' in reply) resolve(reply.url)
        else if ('n' in reply) open.get(reply.n)?.(reply)
      })
      child.once('close', (code) => reject(new Error(`bot ${name} ended with ${code} before it served`)))
      setTimeout(() => reject(new Error(`bot ${name} did not serve in time`)), STARTING_SECONDS * 1000).unref()
    })
    bots[name] = bot
    bot.url = await serving
    return bot
  }

  async function end(name: Name): Promise<void> {
    const bot = bots[name]
    if (bot === undefined) return
    bot.child.kill('SIGKILL')
    await bot.ended
  }

  const alive = (): Bot[] => NAMES.flatMap((name) => (bots[name]?.url ? [bots[name]] : []))

  return {
    proxy,
    wecom,
    kind: mongo.kind,
    store: () => store,
    releases: () => releases(store),
    slots,
    bots,
    reset,
    start,
    end,
    alive,
    /** One of the bots that serve; waits for it. */
    async any(pick: Pick): Promise<Bot> {
      await until('a bot serves', () => pick(alive()) !== undefined, STARTING_SECONDS)
      return pick(alive()) ?? this.any(pick)
    },
    notes: (): Note[] =>
      existsSync(journal)
        ? readLines(journal)
            .map((line) => JSON.parse(line) as Note)
            .sort((one, other) => one.at - other.at)
        : [],
    async dispose(): Promise<void> {
      for (const name of NAMES) await end(name)
      await store.close()
      for (const service of SERVICES) await slots[service]?.dispose()
      await artifacts.close()
      await wecom.stop()
      await proxy.stop()
      await mongo.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
export type TwoBots = Awaited<ReturnType<typeof createTwoBots>>

interface Config {
  services: object[]
  hosts: object[]
}

/**
 * The people of one service: alice asks for a release and promotes what is held, bob approves, and in the end takes it back; each
 * of them at any of the bots, and again when nobody knows what came of it. Resolves with the release's id when it is rolled back.
 */
export async function liveThrough(world: TwoBots, service: ServiceName, pick: Pick, seconds = 120): Promise<string> {
  const id = await request(world, service, pick)
  const limit = performance.now() + seconds * 1000
  while (performance.now() < limit) {
    const release = await world.releases().get(id)
    const wish = release === undefined ? undefined : wishFor(release)
    if (release?.state.at === 'rolled back' && (await hasEnded(world, [id, release.flow]))) return id
    if (wish !== undefined) await (await world.any(pick)).ask({ ...wish, release: id })
    await delay(50)
  }
  const { state, turn } = await world.releases().need(id)
  throw new Error(`${id} of ${service} stands at ${JSON.stringify(state)}, turn ${turn}`)
}

async function hasEnded(world: TwoBots, flows: string[]): Promise<boolean> {
  const rows = await Promise.all(flows.map((flow) => world.store().get('flows', flow)))
  return rows.every((row) => (row?.document as { state?: string } | undefined)?.state !== 'running')
}

function wishFor({ state }: Release): { person: string; press: string } | undefined {
  if (state.at === 'awaiting approval') return { person: 'bob', press: 'release.approve' }
  if (state.at === 'held') return { person: 'alice', press: 'release.promote' }
  return state.at === 'done' ? { person: 'bob', press: 'release.rollback' } : undefined
}

/** A request whose bot died may have come through: then its flow is there, and it is not asked for again. */
async function request(world: TwoBots, service: ServiceName, pick: Pick): Promise<string> {
  const [last] = await world.store().last('release-numbers', 1)
  const from = last === undefined ? 0 : last.seq + 1
  for (;;) {
    const bot = await world.any(pick)
    const answer = await bot.ask({ person: 'alice', type: `/release ${service} ${CANDIDATE}` })
    const id = /^R-\d+/.exec(answer?.text ?? '')?.[0]
    if (answer?.ok && id !== undefined) return id
    await delay(300)
    for (const { seq, entry } of await world.store().read('release-numbers', from)) {
      const of = (entry as { service: string }).service
      if (of === service && (await world.store().get('flows', `R-${seq + 1}`)) !== undefined) return `R-${seq + 1}`
    }
  }
}
