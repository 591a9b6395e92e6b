/**
 * `node bench/console.ts [--quick]`
 *
 * 100 live readers on one rollout of 200 hosts, through the release logic, the store and the real server; the hosts are in
 * memory, and without metrics each batch is promoted by a person. The readers live in a process of their own; one of them stops
 * reading until the end. Measured with no readers (what the rollout costs by itself), with readers that only listen, and with
 * readers that ask again for the card and the release whenever these have changed, once a second at most, as an open page does.
 * What is measured of the server: the delay of its event loop (all of its work, the rollout's too; 5 ms of it are the interval of
 * the measurement itself), its memory with everything that runs in it, the changes that were told, the events that each reader
 * got, and how many readers know the last change of every key.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { testConsole } from '../test/entry/http/kit.ts'

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, child: { type: 'string' } } })

const READERS = 100
const HOSTS = 200
const ASK_MS = 1000

interface Task {
  url: string
  readers: number
  asks: boolean
}

/** What one reader has seen: the last number of each key. */
interface Seen {
  events: number
  last: Record<string, number>
  asked: number
  slowestAnswerMs: number
}

interface Figures {
  seconds: number
  changes: number
  events: number
  least: number
  slow: number
  complete: number
  asked: number
  slowestAnswerMs: number
  loopP50: number
  loopP99: number
  loopMax: number
  rssBefore: number
  rssPeak: number
}

const personOf = (reader: number) => `viewer-${reader}`
const keyOf = ({ kind, key }: { kind: string; key: string }) => `${kind} ${key}`

async function measure(hosts: number, readers: number, asks: boolean): Promise<Figures> {
  const world = await testConsole({
    hosts,
    policy: {
      batches: ['1', '10%', '33%', '100%'],
      windows: Array(4).fill(values.quick ? '200ms' : '1s'),
      interval: '200ms',
    },
  })
  world.target.during = async () => {
    await delay(100 + Math.random() * 400)
  }
  // One person may have so many streams and no more: each reader is somebody else.
  for (let n = 0; n < readers; n++) world.desk.people.push({ id: personOf(n), roles: ['viewer'], surfaces: {} })
  const last = new Map<string, number>()
  world.feed.listen(({ n, change }) => last.set(keyOf(change), n))
  const url = await world.server.listen()
  const child = fork(import.meta.filename, ['--child', JSON.stringify({ url, readers, asks } satisfies Task)])
  const ended = once(child, 'exit')
  try {
    await once(child, 'message')
    const rssBefore = process.memoryUsage.rss()
    let rssPeak = rssBefore
    const sampling = setInterval(() => {
      rssPeak = Math.max(rssPeak, process.memoryUsage.rss())
    }, 50)
    const loop = monitorEventLoopDelay({ resolution: 5 })
    loop.enable()
    const began = performance.now()
    const first = world.feed.newest
    await world.type('alice', '/release user-service v1.1.0')
    await world.reach('R-1', 'awaiting approval')
    await world.press('bob', 'R-1', 'release.approve')
    for (const until = Date.now() + 50_000; ; await delay(50)) {
      const { state } = await world.desk.releases.need('R-1')
      if (state.at === 'done') break
      if (Date.now() > until) throw new Error(`R-1 is ${JSON.stringify(state)}`)
      if (state.at === 'held') await world.press('carol', 'R-1', 'release.promote')
    }
    const seconds = (performance.now() - began) / 1000
    loop.disable()
    clearInterval(sampling)
    // The last card is drawn after the release is done.
    for (let newest = -1; newest !== world.feed.newest; await delay(500)) newest = world.feed.newest
    const changes = world.feed.newest - first
    child.send({ newest: world.feed.newest })
    const [seen] = (await once(child, 'message', { signal: AbortSignal.timeout(15_000) })) as [Seen[]]
    const complete = seen.filter((each) =>
      [...last].every(([key, n]) => each.last[key] === n || (n <= first && each.last[key] === undefined)),
    )
    const [slow, ...others] = seen
    return {
      seconds,
      changes,
      events: others.reduce((sum, each) => sum + each.events, 0) / Math.max(1, others.length),
      least: others.length === 0 ? 0 : Math.min(...others.map((each) => each.events)),
      slow: slow?.events ?? 0,
      complete: complete.length,
      asked: seen.reduce((sum, each) => sum + each.asked, 0),
      slowestAnswerMs: Math.max(0, ...seen.map((each) => each.slowestAnswerMs)),
      loopP50: loop.percentile(50) / 1e6,
      loopP99: loop.percentile(99) / 1e6,
      loopMax: loop.max / 1e6,
      rssBefore,
      rssPeak,
    }
  } finally {
    child.kill()
    await ended
    await world.close()
  }
}

/** The readers' process: tells when all are connected, reads until the number that it is given, and sends what was seen. */
async function read({ url, readers, asks }: Task): Promise<void> {
  const all = await Promise.all(
    Array.from({ length: readers }, (_, index) => openReader(url, personOf(index), asks, index === 0)),
  )
  process.send?.('ready')
  const [{ newest }] = (await once(process, 'message')) as [{ newest: number }]
  for (const each of all) each.resume()
  for (const until = Date.now() + 10_000; all.some((each) => each.number() < newest) && Date.now() < until; )
    await delay(10)
  const seen = all.map((each) => each.seen)
  await new Promise((resolve) => process.send?.(seen, resolve))
}

async function openReader(url: string, person: string, asks: boolean, slow: boolean) {
  const headers = { 'x-person': person }
  const [response] = (await once(get(`${url}/api/v1/events`, { agent: false, headers }), 'response')) as [
    IncomingMessage,
  ]
  const seen: Seen = { events: 0, last: {}, asked: 0, slowestAnswerMs: 0 }
  let number = 0
  let rest = ''
  const due = new Set<string>()
  const ask = async (path: string) => {
    const began = performance.now()
    const answer = await fetch(`${url}/api/v1/${path}`, { headers })
    await answer.arrayBuffer()
    if (answer.status === 200) seen.asked++
    seen.slowestAnswerMs = Math.max(seen.slowestAnswerMs, performance.now() - began)
  }
  const askSoon = (path: string) => {
    if (!asks || slow || due.has(path)) return
    due.add(path)
    setTimeout(() => {
      due.delete(path)
      ask(path).catch(() => {})
    }, ASK_MS * Math.random()).unref()
  }
  response.setEncoding('utf8')
  response.on('error', () => {})
  response.on('data', (chunk: string) => {
    const blocks = `${rest}${chunk}`.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, n] = /^id: \w+-(\d+)$/m.exec(block) ?? []
      const [, data] = /^data: (\{"kind".*)$/m.exec(block) ?? []
      if (n !== undefined) number = Number(n)
      if (data === undefined) continue
      const change = JSON.parse(data) as { kind: string; key: string }
      seen.events++
      seen.last[keyOf(change)] = number
      if (change.kind === 'release') askSoon(`releases/${change.key}`)
      if (change.kind === 'message') askSoon(`messages/one?key=${encodeURIComponent(change.key)}`)
    }
  })
  if (slow) response.socket.pause()
  return { seen, number: () => number, resume: () => response.socket.resume() }
}

async function main(): Promise<void> {
  // The first run of anything is slow.
  await measure(20, 5, true)
  const alone = await measure(HOSTS, 0, false)
  const listening = await measure(HOSTS, READERS, false)
  const asking = await measure(HOSTS, READERS, true)
  const table = new Table({
    head: [`a rollout of ${HOSTS} hosts`, 'no readers', `${READERS} that listen`, `${READERS} that ask again`],
    style: { head: [] },
  })
  const row = (name: string, show: (figures: Figures) => string) =>
    table.push([name, show(alone), show(listening), show(asking)])
  const ms = (value: number) => `${value.toFixed(1)} ms`
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
  row('the rollout took', ({ seconds }) => `${seconds.toFixed(1)} s`)
  row('changes told', ({ changes }) => String(changes))
  row('events per reader', ({ events, least }) => `${events.toFixed(0)} (least ${least})`)
  row('events of the slow reader', ({ slow }) => String(slow))
  row('readers that know the last change of every key', ({ complete }) => String(complete))
  row('answers besides', ({ asked }) => String(asked))
  row('slowest of them', ({ slowestAnswerMs, asked }) => (asked === 0 ? '' : ms(slowestAnswerMs)))
  row('event loop p50', ({ loopP50 }) => ms(loopP50))
  row('event loop p99', ({ loopP99 }) => ms(loopP99))
  row('event loop max', ({ loopMax }) => ms(loopMax))
  row('memory before, peak', ({ rssBefore, rssPeak }) => `${mb(rssBefore)}, ${mb(rssPeak)}`)
  console.log(table.toString())
  if (listening.complete < READERS || asking.complete < READERS) process.exitCode = 1
}

if (values.child === undefined) await main()
else {
  await read(JSON.parse(values.child) as Task)
  process.exit(0)
}
