/**
 * `node bench/flow.ts [--quick] [--store mongo]`
 *
 * The step ledger over SQLite, beside what the same disk and event loop cost bare, measured in the same run:
 * - step: from the call of `flow.step` with an empty effect to its answer, one flow alone and 100 at once;
 * - wake: from the call of `send` to the story going on; two commits (the event, and the record that it was taken);
 * - recovery: 150 flows of a process that was killed with SIGKILL, from the call of `open` to each being where it was;
 * - memory: with 500 and 5,000 flows that wait, above the same process without them, after a garbage collection.
 * Each measurement has a process and a data folder of its own.
 * With `--store mongo` steps and wakes are measured on MongoDB as well, as one of several processes would run them, beside one bare
 * insert there with the same write concern. The server is that of the tests (test/servers/mongo.ts).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { MongoClient } from 'mongodb'
import { createLedger, ledgerIndexes } from '../src/adapters/ledger/index.ts'
import { createMongoStore } from '../src/adapters/mongo/index.ts'
import { createSqliteStore, lockFolder } from '../src/adapters/sqlite/index.ts'
import type { Flows, Story } from '../src/ports/flow.ts'
import { mongoServer } from '../test/servers/mongo.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    store: { type: 'string', default: 'sqlite' },
    child: { type: 'string' },
  },
})

type Figures = Record<string, number>

/** Where the state of a measurement lies, when it is not in its folder. */
interface Mongo {
  uri: string
  database: string
}
interface Task {
  name: string
  folder: string
  count: number
  mongo?: Mongo
}
const task: Task | undefined = values.child === undefined ? undefined : JSON.parse(values.child)

const percentile = (times: number[], part: number) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN

const summary = (name: string, times: number[]): Figures => ({
  [`${name} p50`]: percentile(times, 0.5),
  [`${name} p99`]: percentile(times, 0.99),
})

async function withLedger<T>(
  folder: string,
  stories: Record<string, Story>,
  work: (flows: Flows) => Promise<T>,
  probe?: (point: string) => void,
): Promise<T> {
  const mongo = task?.mongo
  const lock = lockFolder(folder)
  const store =
    mongo === undefined
      ? await createSqliteStore({ folder, indexes: ledgerIndexes })
      : await createMongoStore({ ...mongo, indexes: ledgerIndexes })
  const flows = createLedger({ store, exclusive: mongo === undefined, probe })
  for (const [kind, story] of Object.entries(stories)) flows.define(kind, story)
  const result = await work(flows)
  await flows.close(0)
  await store.close()
  lock.release()
  return result
}

/** Bare costs: one document inserted as the store inserts it, and one turn of the event loop. */
async function mongoFloors({ uri, database }: Mongo, count: number): Promise<Figures> {
  const client = new MongoClient(uri, { retryWrites: false, writeConcern: { w: 'majority', journal: true } })
  const rows = client.db(database).collection<{ _id: string; body: string }>('floor')
  const body = 'x'.repeat(150)
  const commits: number[] = []
  const turns: number[] = []
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    await rows.insertOne({ _id: `row ${n}`, body })
    commits.push(performance.now() - began)
    const asked = performance.now()
    await new Promise<void>((resolve) => setImmediate(resolve))
    turns.push(performance.now() - asked)
  }
  await client.close()
  return { ...summary('commit', commits), ...summary('turn', turns) }
}

/** Bare costs: one row committed with a full sync, and one turn of the event loop. */
async function floors(folder: string, count: number): Promise<Figures> {
  if (task?.mongo !== undefined) return mongoFloors(task.mongo, count)
  const db = new DatabaseSync(join(folder, 'floor.db'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT)')
  const insert = db.prepare('INSERT INTO t VALUES (?, ?)')
  const body = JSON.stringify({ fence: 1, marks: [{ is: 'step', name: 'a step of the bench', value: 'x'.repeat(64) }] })
  const commits: number[] = []
  const turns: number[] = []
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    db.exec('BEGIN IMMEDIATE')
    insert.run(`row ${n}`, body)
    db.exec('COMMIT')
    commits.push(performance.now() - began)
    const asked = performance.now()
    await new Promise<void>((resolve) => setImmediate(resolve))
    turns.push(performance.now() - asked)
  }
  db.close()
  return { ...summary('commit', commits), ...summary('turn', turns) }
}

async function steps(folder: string, count: number): Promise<Figures> {
  const alone: number[] = []
  const together: number[] = []
  const timed =
    (times: number[]): Story =>
    async (flow, input) => {
      for (let n = 0; n < Number(input); n++) {
        const began = performance.now()
        await flow.step(`step ${n}`, async () => 'x'.repeat(64))
        times.push(performance.now() - began)
      }
    }
  const bare = await floors(folder, count)
  return withLedger(folder, { alone: timed(alone), together: timed(together) }, async (flows) => {
    await flows.open()
    await flows.start('alone', 'alone', count)
    await flows.finished('alone')
    const ids = Array.from({ length: 100 }, (_, n) => `together ${n}`)
    const began = performance.now()
    await Promise.all(ids.map((id) => flows.start('together', id, Math.ceil(count / 20))))
    await Promise.all(ids.map((id) => flows.finished(id)))
    const perSecond = (together.length / (performance.now() - began)) * 1_000
    return { ...bare, ...summary('alone', alone), ...summary('together', together), 'steps per second': perSecond }
  })
}

async function wakes(folder: string, count: number): Promise<Figures> {
  const times: number[] = []
  let sentAt = 0
  let woken = () => {}
  const story: Story = async (flow) => {
    for (let n = 0; n < count; n++) {
      await flow.wait(`wait ${n}`)
      times.push(performance.now() - sentAt)
      woken()
    }
  }
  const bare = await floors(folder, count)
  let waits = () => {}
  const probe = (point: string) => point.startsWith('begun wait') && waits()
  const work = async (flows: Flows) => {
    await flows.open()
    let waiting = new Promise<void>((resolve) => (waits = resolve))
    await flows.start('wake', 'wake', {})
    for (let n = 0; n < count; n++) {
      await waiting
      await new Promise<void>((resolve) => setImmediate(resolve))
      waiting = new Promise((resolve) => (waits = resolve))
      const awake = new Promise<void>((resolve) => (woken = resolve))
      sentAt = performance.now()
      await Promise.all([flows.send('wake', `event ${n}`, { n }), awake])
    }
    await flows.finished('wake')
    return { ...bare, ...summary('wake', times) }
  }
  return withLedger(folder, { wake: story }, work, probe)
}

/** Five recorded steps, then a wait for every other flow and a step that does not end for the rest. */
const held: Story = async (flow, input) => {
  for (let n = 0; n < 5; n++) await flow.step(`step ${n}`, async () => 'x'.repeat(64))
  if (Number(input) % 2 === 0) await flow.wait('hold', { until: new Date(Date.now() + 3_600_000) })
  else await flow.step('hold', () => new Promise(() => {}))
}

const arrival = (onArrival: () => void) => (point: string) => {
  if (point === 'before held:hold' || point === 'before wait held:hold') onArrival()
}

/** Brings the flows to where they hold, says so, and stays to be killed. */
async function hold(folder: string, count: number): Promise<Figures> {
  const arrived = Promise.withResolvers<void>()
  let left = count
  const probe = arrival(() => {
    if (--left === 0) arrived.resolve()
  })
  const work = async (flows: Flows) => {
    await flows.open()
    for (let n = 0; n < count; n++) await flows.start('held', `held ${n}`, n)
    await arrived.promise
    process.send?.({})
    return new Promise<Figures>(() => setInterval(() => {}, 1_000))
  }
  return withLedger(folder, { held }, work, probe)
}

async function recover(folder: string, count: number): Promise<Figures> {
  const times: number[] = []
  const arrived = Promise.withResolvers<void>()
  let began = 0
  const probe = arrival(() => {
    times.push(performance.now() - began)
    if (times.length === count) arrived.resolve()
  })
  const work = async (flows: Flows) => {
    began = performance.now()
    await flows.open()
    await arrived.promise
    return { ...summary('recovery', times), 'all recovered': Math.max(...times) }
  }
  return withLedger(folder, { held }, work, probe)
}

async function memory(folder: string, count: number): Promise<Figures> {
  const story: Story = async (flow) => {
    for (let n = 0; n < 3; n++) await flow.step(`step ${n}`, async () => 'x'.repeat(64))
    await flow.wait('hold', { until: new Date(Date.now() + 3_600_000) })
  }
  const measure = async () => {
    for (let n = 0; n < 5; n++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { rss, heapUsed } = process.memoryUsage()
    return { rss: rss / 1024 / 1024, heap: heapUsed / 1024 / 1024 }
  }
  const reach = async (flows: Flows, prefix: string, flowsToStart: number) => {
    const ids = Array.from({ length: flowsToStart }, (_, n) => `${prefix} ${n}`)
    for (const id of ids) await flows.start('waiting', id, {})
    for (const id of ids) {
      for (;;) {
        const status = await flows.status(id)
        if (status?.at === 'running' && status.waiting) break
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
  return withLedger(folder, { waiting: story }, async (flows) => {
    await flows.open()
    await reach(flows, 'warm', 10)
    const before = await measure()
    await reach(flows, 'waiting', count)
    const after = await measure()
    return { [`rss ${count}`]: after.rss - before.rss, [`heap ${count}`]: after.heap - before.heap }
  })
}

const children: Record<string, (folder: string, count: number) => Promise<Figures>> = {
  steps,
  wakes,
  hold,
  recover,
  memory,
}

/** Runs one measurement in a process of its own and returns what it sends; with `kill` it ends that process then. */
async function inChild(task: Task, kill = false): Promise<Figures> {
  const child = spawn(process.execPath, ['--expose-gc', import.meta.filename, '--child', JSON.stringify(task)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const answer = await Promise.race([
    once(child, 'message').then(([message]) => message as Figures),
    ended.then(() => undefined),
  ])
  if (kill) child.kill('SIGKILL')
  await ended
  if (answer === undefined) throw new Error(`the measurement "${task.name}" ended without an answer`)
  return answer
}

async function main(): Promise<void> {
  const part = values.quick ? 0.2 : 1
  const figures: Figures = {}
  const measure = async (name: string, count: number, mongo?: Mongo) => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
    try {
      if (name === 'recover') await inChild({ name: 'hold', folder, count }, true)
      return await inChild({ name, folder, count, mongo })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  const step = await measure('steps', 1_000 * part)
  const wake = await measure('wakes', 1_000 * part)
  Object.assign(figures, await measure('recover', 150))
  Object.assign(figures, await measure('memory', 500))
  Object.assign(figures, await measure('memory', 5_000))

  const ms = (value: number | undefined) => `${(value ?? Number.NaN).toFixed(2)} ms`
  const mb = (value: number | undefined) => `+${(value ?? Number.NaN).toFixed(1)} MB`
  const commit = (run: Figures) => run['commit p50'] ?? Number.NaN
  const times = (value: number | undefined, floor: number) => `${((value ?? Number.NaN) / floor).toFixed(1)}x`
  const verdict = (value: number | undefined, aim: number) => ((value ?? Number.NaN) <= aim ? 'met' : 'NOT met')
  const wakeFloor = 2 * commit(wake) + (wake['turn p50'] ?? Number.NaN)

  const table = new Table({ head: ['figure', 'p50', 'p99', 'beside its floor', 'aim', ''], style: { head: [] } })
  table.push(
    ['floor: one commit, full sync', ms(commit(step)), ms(step['commit p99']), '', '', ''],
    ['floor: one turn of the event loop', ms(step['turn p50']), ms(step['turn p99']), '', '', ''],
    [
      'step, one flow',
      ms(step['alone p50']),
      ms(step['alone p99']),
      `${times(step['alone p50'], commit(step))} one commit`,
      'p50 <= 3 ms',
      verdict(step['alone p50'], 3),
    ],
    [
      'step, 100 flows at once',
      ms(step['together p50']),
      ms(step['together p99']),
      `${(step['steps per second'] ?? 0).toFixed(0)} steps/s; bare commits ${(1_000 / commit(step)).toFixed(0)}/s`,
      '',
      '',
    ],
    [
      'wake: send to story',
      ms(wake['wake p50']),
      ms(wake['wake p99']),
      `${times(wake['wake p50'], wakeFloor)} two commits and a turn (${ms(wakeFloor)})`,
      'p50 <= 1 ms',
      verdict(wake['wake p50'], 1),
    ],
    [
      'recovery of 150 flows after kill -9',
      ms(figures['recovery p50']),
      ms(figures['recovery p99']),
      `all after ${ms(figures['all recovered'])}`,
      'p50 <= 200 ms',
      verdict(figures['recovery p50'], 200),
    ],
    [
      'memory, 500 waiting flows',
      mb(figures['rss 500']),
      '',
      `heap ${mb(figures['heap 500'])}`,
      '<= +40 MB',
      verdict(figures['rss 500'], 40),
    ],
    ['memory, 5,000 waiting flows', mb(figures['rss 5000']), '', `heap ${mb(figures['heap 5000'])}`, '', ''],
  )
  if (values.store === 'mongo') {
    const server = await mongoServer()
    try {
      const on = () => ({ uri: server.uri, database: server.database() })
      const steps = await measure('steps', 500 * part, on())
      const wakes = await measure('wakes', 500 * part, on())
      const floor = 2 * commit(wakes) + (wakes['turn p50'] ?? Number.NaN)
      table.push(
        [`on ${server.kind}`, '', '', '', '', ''],
        ['floor: one insert, majority, journalled', ms(commit(steps)), ms(steps['commit p99']), '', '', ''],
        [
          'step, one flow',
          ms(steps['alone p50']),
          ms(steps['alone p99']),
          `${times(steps['alone p50'], commit(steps))} one insert`,
          '',
          '',
        ],
        [
          'step, 100 flows at once',
          ms(steps['together p50']),
          ms(steps['together p99']),
          `${(steps['steps per second'] ?? 0).toFixed(0)} steps/s; bare inserts ${(1_000 / commit(steps)).toFixed(0)}/s`,
          '',
          '',
        ],
        [
          'wake: send to story',
          ms(wakes['wake p50']),
          ms(wakes['wake p99']),
          `${times(wakes['wake p50'], floor)} two inserts and a turn (${ms(floor)})`,
          '',
          '',
        ],
      )
    } finally {
      await server.stop()
    }
  }
  console.log(table.toString())
}

if (task === undefined) await main()
else {
  const figures = await children[task.name]?.(task.folder, task.count)
  process.send?.(figures)
  process.disconnect?.()
}
