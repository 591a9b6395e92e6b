/**
 * `node bench/alerts.ts [--quick]`
 *
 * What comes in from sources of alerts, through the whole of Rollcall (createApp, SQLite with its disk, real HTTP):
 * 1. a steady 170 alerts a second, one to a request, each of them new, in 50 groups: how long until each is acknowledged;
 * 2. a storm of 10,000 alerts in 50 groups within a minute, sent directly, 10 to a request;
 * 3. the same storm through a real Alertmanager, which sends each group again and again, whole, as it grows.
 * Of both storms: the threads, the posts in the busiest second, and whether every alert can be had by paging. The floors are
 * measured in the same run with the same load: a server that does nothing but echo, and nothing but appends to a store. The load
 * comes from a process of its own. The event loop's delay holds the 5 ms of the interval of its measurement.
 */
import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import Fastify from 'fastify'
import { stringify } from 'yaml'
import { issueToken } from '../src/access/tokens.ts'
import { createSqliteStore } from '../src/adapters/sqlite/index.ts'
import { type App, createApp, readConfig } from '../src/app.ts'
import { leash } from '../src/demo/leash.ts'
import { freePorts } from '../src/demo/processes.ts'
import { createLog } from '../src/lib/log.ts'
import type { AlertPage, IncidentPage } from '../src/ports/console.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, child: { type: 'string' } } })

const PER_SECOND = 170
const STEADY_SECONDS = values.quick ? 4 : 20
const GROUPS = 50
const STORM = values.quick ? 2_000 : 10_000
const STORM_SECONDS = values.quick ? 6 : 30
const TOKEN = 'bench-token-of-alertmanager'

interface Load {
  url: string
  /** Bodies to be sent, of so many alerts each, evenly over so many seconds. */
  alerts: number
  perBody: number
  seconds: number
  /** As the webhook sends them, or as Prometheus hands them to Alertmanager. */
  as: 'webhook' | 'api'
}

interface Sent {
  /** Milliseconds until each answer, ascending. */
  took: number[]
  statuses: Record<string, number>
  seconds: number
}

const groupOf = (n: number) => `Bench${n % GROUPS}`
const labelsOf = (n: number) => ({
  alertname: groupOf(n),
  severity: 'warning',
  instance: `10.1.${Math.floor(n / 250)}.${n % 250}:9100`,
  job: 'node',
  number: String(n),
})
const startsAt = new Date(Date.now() - 60_000).toISOString()
const words = (n: number) => ({ annotations: { summary: `number ${n} of ${groupOf(n)} is too high` } })

function bodyOf(load: Load, numbers: number[]): string {
  if (load.as === 'api') {
    return JSON.stringify(
      numbers.map((n) => ({ labels: labelsOf(n), ...words(n), startsAt, generatorURL: 'http://127.0.0.1:9090/graph' })),
    )
  }
  const [first = 0] = numbers
  return JSON.stringify({
    version: '4',
    groupKey: `{}:{alertname="${groupOf(first)}"}`,
    truncatedAlerts: 0,
    receiver: 'rollcall',
    status: 'firing',
    groupLabels: { alertname: groupOf(first) },
    commonLabels: { alertname: groupOf(first) },
    commonAnnotations: {},
    externalURL: 'http://127.0.0.1:9093',
    alerts: numbers.map((n) => ({
      status: 'firing',
      labels: labelsOf(n),
      ...words(n),
      startsAt,
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL: 'http://127.0.0.1:9090/graph',
      fingerprint: n.toString(16).padStart(16, '0'),
    })),
  })
}

/** The child: sends at its pace, whether or not earlier requests have been answered. */
async function send(load: Load): Promise<Sent> {
  const bodies = bodiesOf(load)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const took: number[] = []
  const statuses: Record<string, number> = {}
  const began = performance.now()
  const answers = bodies.map(async (body, n) => {
    await delay((load.seconds * 1000 * n) / bodies.length)
    const from = performance.now()
    const status = await post(load.url, body, agent)
    took.push(performance.now() - from)
    statuses[status] = (statuses[status] ?? 0) + 1
  })
  await Promise.all(answers)
  agent.destroy()
  return { took: took.sort((a, b) => a - b), statuses, seconds: (performance.now() - began) / 1000 }
}

/** Alerts of one group stand in one body of the webhook. */
function bodiesOf(load: Load): string[] {
  const all = Array.from({ length: load.alerts }, (_, n) => n)
  if (load.as === 'api') {
    return Array.from({ length: Math.ceil(all.length / load.perBody) }, (_, n) =>
      bodyOf(load, all.slice(n * load.perBody, (n + 1) * load.perBody)),
    )
  }
  const rounds = Math.ceil(load.alerts / (GROUPS * load.perBody))
  return Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: GROUPS }, (_, group) => {
      const first = round * GROUPS * load.perBody + group
      const numbers = Array.from({ length: load.perBody }, (_, n) => first + n * GROUPS)
      return numbers.filter((n) => n < load.alerts)
    }),
  )
    .flat()
    .filter((numbers) => numbers.length > 0)
    .map((numbers) => bodyOf(load, numbers))
}

async function post(url: string, body: string, agent: Agent): Promise<number | string> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const asked = request(url, { method: 'POST', agent, headers })
  asked.end(body)
  try {
    const [response] = await once(asked, 'response')
    response.resume()
    await once(response, 'end')
    return response.statusCode
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'failed'
  }
}

async function sendFromChild(load: Load): Promise<Sent> {
  const child = fork(import.meta.filename, ['--child', JSON.stringify(load)])
  const ended = once(child, 'exit')
  try {
    const [sent] = (await once(child, 'message', { signal: AbortSignal.timeout(120_000) })) as [Sent]
    return sent
  } finally {
    child.kill()
    await ended
  }
}

const at = (sorted: number[], part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0

/** Nothing but HTTP. */
async function echoFloor(load: Omit<Load, 'url'>): Promise<Sent> {
  const app = Fastify({ logger: false })
  app.post('/', async () => ({ stored: 1 }))
  try {
    return await sendFromChild({ ...load, url: await app.listen({ host: '127.0.0.1', port: 0 }) })
  } finally {
    await app.close()
  }
}

/** Nothing but the store, at the same pace. */
async function appendFloor(folder: string): Promise<number[]> {
  const store = await createSqliteStore({ folder })
  const entry = JSON.parse(bodyOf({ url: '', alerts: 1, perBody: 1, seconds: 1, as: 'webhook' }, [1]))
  const took: number[] = []
  const count = PER_SECOND * Math.min(5, STEADY_SECONDS)
  await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      await delay((1000 * n) / PER_SECOND)
      const from = performance.now()
      await store.append('floor', entry)
      took.push(performance.now() - from)
    }),
  )
  await store.close()
  return took.sort((a, b) => a - b)
}

interface Bot {
  app: App
  url: string
  token: string
  /** Posts and edits by channel and second, and keys of cards. */
  posts: Map<string, number>
  cards: Set<string>
  stop(): Promise<void>
}

async function startBot(): Promise<Bot> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-alerts-'))
  try {
    return await startIn(folder)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function startIn(folder: string): Promise<Bot> {
  const key = join(folder, 'no-key')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(key, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  process.env.BENCH_ALERTMANAGER_TOKEN = TOKEN
  const config = readConfig({
    store: { kind: 'sqlite', folder },
    console: { port: 0 },
    people: [
      { id: 'vera', roles: ['operator'] },
      { id: 'bob', roles: ['approver'] },
    ],
    // A service on a host that nobody reaches: there has to be one.
    hosts: [{ id: 'web-1', ip: '127.0.0.1', port: 9, user: 'nobody', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
    services: [
      {
        name: 'node',
        artifact: {
          url: 'http://127.0.0.1:9/{version}',
          checksum: { sha256Url: 'http://127.0.0.1:9/{version}.sha256' },
        },
        recipe: { start: ['start'], stop: ['stop'], health: { command: ['health'] } },
      },
    ],
    alerts: { sources: [{ name: 'am', tokenEnv: 'BENCH_ALERTMANAGER_TOKEN' }] },
  })
  const app = await createApp(config, { console: {}, write: () => {}, log: createLog({ level: 'error' }) })
  const posts = new Map<string, number>()
  const cards = new Set<string>()
  const { put } = app.desk.chat
  app.desk.chat.put = async (shown) => {
    const slot = `${shown.channel} ${Math.floor(Date.now() / 1000)}`
    posts.set(slot, (posts.get(slot) ?? 0) + 1)
    if (shown.key.endsWith('/card')) cards.add(shown.key)
    return put(shown)
  }
  await app.start()
  const { token } = await issueToken(app.desk.store, { id: 'vera' }, () => new Date())
  return {
    app,
    url: app.url ?? '',
    token,
    posts,
    cards,
    async stop() {
      await app.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function ask<T>({ url, token }: Bot, path: string): Promise<T> {
  const answer = await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as T
}

async function incidentsOf(bot: Bot): Promise<string[]> {
  const { incidents } = await ask<IncidentPage>(bot, 'incidents?limit=100')
  return incidents.map(({ id }) => id)
}

/** All alerts that can be had by paging through every incident. */
async function retrievable(bot: Bot): Promise<number> {
  const seen = new Set<string>()
  for (const incident of await incidentsOf(bot)) {
    let after: string | undefined
    do {
      const next = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
      const page = await ask<AlertPage>(bot, `alerts?incident=${incident}&limit=500${next}`)
      for (const { labels } of page.alerts) seen.add(labels.number ?? '')
      after = page.next
    } while (after !== undefined)
  }
  return seen.size
}

/** Resolves when the incidents count every alert; throws after a while. A light question: it is asked during the measurement. */
async function takenIn(bot: Bot, count: number): Promise<void> {
  const until = Date.now() + 90_000
  for (;;) {
    const { incidents } = await ask<IncidentPage>(bot, 'incidents?limit=100')
    const total = incidents.reduce((sum, { firing, resolved }) => sum + firing + resolved, 0)
    if (total >= count) return
    if (Date.now() > until) throw new Error(`${total} of ${count} alerts were taken in`)
    await delay(500)
  }
}

interface Figures {
  sent: Sent
  allIn: number
  threads: number
  cards: number
  posts: number
  busiest: number
  found: number
  loopP50: number
  loopP99: number
  loopMax: number
  rss: number
}

async function measure(alerts: number, load: (bot: Bot) => Promise<Sent>): Promise<Figures> {
  const bot = await startBot()
  let rss = 0
  const sampling = setInterval(() => {
    rss = Math.max(rss, process.memoryUsage.rss())
  }, 50)
  const loop = monitorEventLoopDelay({ resolution: 5 })
  try {
    loop.enable()
    const began = performance.now()
    const sent = await load(bot)
    loop.disable()
    // What this bench asks itself is no part of the load.
    await takenIn(bot, alerts)
    const allIn = (performance.now() - began) / 1000
    // The channel has its own pace: the cards of all threads take as many seconds.
    for (const until = Date.now() + 75_000; bot.cards.size < GROUPS && Date.now() < until; ) await delay(200)
    return {
      sent,
      allIn,
      threads: (await incidentsOf(bot)).length,
      cards: bot.cards.size,
      posts: [...bot.posts.values()].reduce((sum, each) => sum + each, 0),
      busiest: Math.max(0, ...bot.posts.values()),
      found: await retrievable(bot),
      loopP50: loop.percentile(50) / 1e6,
      loopP99: loop.percentile(99) / 1e6,
      loopMax: loop.max / 1e6,
      rss,
    }
  } finally {
    clearInterval(sampling)
    await bot.stop()
  }
}

/** A real Alertmanager that hands its groups to the bot, with its data in a temporary folder. */
async function throughAlertmanager(bot: Bot, load: Omit<Load, 'url'>): Promise<Sent> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-alertmanager-'))
  const [port] = await freePorts(1)
  const config = join(folder, 'alertmanager.yml')
  const webhook = {
    url: `${bot.url}/api/v1/alertmanager`,
    send_resolved: true,
    http_config: { authorization: { type: 'Bearer', credentials: TOKEN } },
  }
  await writeFile(
    config,
    stringify({
      route: {
        receiver: 'rollcall',
        group_by: ['alertname'],
        group_wait: '1s',
        group_interval: '5s',
        repeat_interval: '1h',
      },
      receivers: [{ name: 'rollcall', webhook_configs: [webhook] }],
    }),
  )
  const url = `http://127.0.0.1:${port}`
  const program = await leash(
    'prometheus-alertmanager',
    [
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--cluster.listen-address=',
    ],
    join(folder, 'log'),
  )
  try {
    for (const until = Date.now() + 15_000; ; await delay(100)) {
      const ready = await fetch(`${url}/-/ready`).catch(() => undefined)
      if (ready?.ok) break
      if (program.exited() || Date.now() > until) throw new Error('Alertmanager did not start')
    }
    const sent = await sendFromChild({ ...load, url: `${url}/api/v2/alerts` })
    await takenIn(bot, load.alerts)
    return sent
  } finally {
    await program.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function print(head: string[], rows: string[][]): void {
  const table = new Table({ head, style: { head: [] } })
  table.push(...rows)
  console.log(table.toString())
}

const ms = (value: number) => `${value.toFixed(1)} ms`
const outcome = ({ statuses }: Sent) =>
  Object.entries(statuses)
    .map(([status, count]) => `${count} x ${status}`)
    .join(', ')

async function main(): Promise<void> {
  const steadyLoad = {
    alerts: PER_SECOND * STEADY_SECONDS,
    perBody: 1,
    seconds: STEADY_SECONDS,
    as: 'webhook' as const,
  }
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-floor-'))
  const echo = await echoFloor({ ...steadyLoad, alerts: PER_SECOND * 5, seconds: 5 })
  const append = await appendFloor(folder).finally(() => rm(folder, { recursive: true, force: true }))
  const steady = await measure(steadyLoad.alerts, (bot) =>
    sendFromChild({ ...steadyLoad, url: `${bot.url}/api/v1/alertmanager` }),
  )
  const floor = (part: number) => at(echo.took, part) + at(append, part)
  const row = (name: string, part: number) => [
    name,
    ms(at(echo.took, part)),
    ms(at(append, part)),
    ms(at(steady.sent.took, part)),
    (at(steady.sent.took, part) / floor(part)).toFixed(1),
  ]
  print(
    [`${PER_SECOND} alerts/s for ${STEADY_SECONDS} s`, 'echo alone', 'append alone', 'acknowledged', 'ratio to both'],
    [row('p50', 0.5), row('p99', 0.99), row('slowest', 1), ['answers', outcome(echo), '', outcome(steady.sent), '']],
  )

  const storm = { alerts: STORM, seconds: STORM_SECONDS }
  const direct = await measure(STORM, (bot) =>
    sendFromChild({ ...storm, perBody: 10, as: 'webhook', url: `${bot.url}/api/v1/alertmanager` }),
  )
  const real = await measure(STORM, (bot) => throughAlertmanager(bot, { ...storm, perBody: 100, as: 'api' }))
  const both = (name: string, show: (figures: Figures) => string) => [name, show(direct), show(real)]
  print(
    [`${STORM} alerts, ${GROUPS} groups`, 'sent directly', 'through Alertmanager'],
    [
      both('sent within', ({ sent }) => `${sent.seconds.toFixed(1)} s`),
      both('answers', ({ sent }) => outcome(sent)),
      both('all counted on their cards after', ({ allIn }) => `${allIn.toFixed(1)} s`),
      both('threads', ({ threads, cards }) => `${threads} (${cards} cards posted)`),
      both('posts and edits until all cards stood', ({ posts }) => String(posts)),
      both('most in one second and channel', ({ busiest }) => String(busiest)),
      both('alerts that can be had by paging', ({ found }) => `${found} of ${STORM}`),
      both('answered p99, by Rollcall or by Alertmanager', ({ sent }) => ms(at(sent.took, 0.99))),
      both('event loop p50, p99, max', ({ loopP50, loopP99, loopMax }) =>
        [loopP50, loopP99, loopMax].map((each) => ms(each)).join(', '),
      ),
      both('memory, peak', ({ rss }) => `${(rss / 1e6).toFixed(0)} MB`),
    ],
  )
  const wrong =
    at(steady.sent.took, 0.99) >= 200 ||
    [direct, real].some(({ threads, found, busiest }) => threads > GROUPS || found < STORM || busiest > 1)
  if (wrong) process.exitCode = 1
}

if (values.child === undefined) await main()
else {
  const sent = await send(JSON.parse(values.child) as Load)
  await new Promise((resolve) => process.send?.(sent, resolve))
  process.exit(0)
}
