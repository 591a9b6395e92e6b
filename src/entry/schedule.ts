import { setTimeout as delay } from 'node:timers/promises'
import { createTask, type ScheduledTask, validate } from 'node-cron'
import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import { newId } from '../lib/id.ts'
import type { Log } from '../lib/log.ts'
import type { Store } from '../ports/store.ts'

const TICKS = 'ticks'

const tickSchema = z.object({
  name: z.string(),
  /** ISO, to the second; when it was due. */
  at: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  worker: z.string(),
})
type Tick = z.infer<typeof tickSchema>

export interface Schedule {
  /**
   * Runs `run` at every time that the cron expression names (five fields, or six with seconds first; in the time
   * zone of the schedule), once over all processes that share the store. `tick` names the time: it is the same when the run is done again after a crash.
   */
  every(name: string, cron: string, run: (tick: string) => Promise<void>): void
  start(): void
  /** Begins nothing more, and lets what runs end. */
  stop(): Promise<void>
  /** What `name` does at a time that has come; resolves when it is over, or another process has it. Never throws. */
  tick(name: string, at: Date): Promise<void>
}

/** All in milliseconds. */
interface Timings {
  /** Between two signs of life of a run. */
  beat: number
  /** After so long without one, a run counts as dead. */
  silent: number
  /** Before a tick that the store did not take is tried again; doubled each time, for about a minute. */
  retry: number
  /** Between two looks for runs of processes that died. */
  look: number
}
const TIMINGS: Timings = { beat: 1500, silent: 6000, retry: 1000, look: 30_000 }
const TRIES = 6

interface Job {
  task: ScheduledTask
  run: (tick: string) => Promise<void>
}

/**
 * Ticks that run once however many processes share the store: the row `<name>/<time>` is inserted first, and who inserts it runs it.
 * While it runs the row is written again and again. From its start on each process looks at the newest row of each name every 30 s: one
 * that is still running, is less than a period old and has stood still for a while belongs to the dead, and is run again. What fell
 * due while nobody was there is not made up for. One name never runs twice at a time in one process.
 * `timezone` (such as `Asia/Shanghai`; the machine's when left out) says only how the cron expressions are read. Rows name the time in
 * UTC, so processes on machines of different zones agree when they are given the same one. Throws RangeError for an unknown zone.
 */
export function createSchedule(options: {
  store: Store
  log: Log
  clock: () => Date
  timezone?: string | undefined
  timings?: Partial<Timings>
}): Schedule {
  const { store, log, clock } = options
  const timings = { ...TIMINGS, ...options.timings }
  // Throws for a zone that is none, before anything is due.
  const timezone = new Intl.DateTimeFormat('en', { timeZone: options.timezone }).resolvedOptions().timeZone
  const me = newId()
  const stopped = new AbortController()
  const jobs = new Map<string, Job>()
  const running = new Map<string, Promise<void>>()
  /** The last tick of each name that came to its end here, whatever the store has heard of it. */
  const ended = new Map<string, Tick & { id: string }>()
  let looking: Promise<unknown> = Promise.resolve()

  const alone = (name: string, work: () => Promise<void>): Promise<void> => {
    if (running.has(name) || stopped.signal.aborted) {
      log.warn({ name }, 'scheduled run left out: the one before has not ended')
      return Promise.resolve()
    }
    const over = work()
      .catch((error: unknown) => log.error({ name, err: error }, 'scheduled run not noted in the store'))
      .finally(() => running.delete(name))
    running.set(name, over)
    return over
  }

  /** Whether this process is the one that runs it. An answer of the store that was lost is looked up. */
  const take = async (id: string, tick: Tick): Promise<boolean> => {
    for (let n = 1; ; n++) {
      try {
        if (await store.insert(TICKS, id, tick)) return true
        const found = tickSchema.safeParse((await store.get(TICKS, id))?.document)
        return found.data?.worker === me && n > 1
      } catch (error) {
        if (n === TRIES) throw error
        log.warn({ tick: id, code: asFault(error).code }, 'scheduled run not taken, trying again')
        await pause(timings.retry * 2 ** (n - 1))
        if (stopped.signal.aborted) return false
      }
    }
  }

  const perform = async (id: string, tick: Tick, version: number): Promise<void> => {
    const job = jobs.get(tick.name)
    if (job === undefined) return
    const over = new AbortController()
    let held: number | undefined = version
    const write = async (state: Tick['state']): Promise<void> => {
      if (held !== undefined) held = await store.put(TICKS, id, { ...tick, state }, held)
    }
    const beats = (async () => {
      while (!over.signal.aborted) {
        await delay(timings.beat, undefined, { signal: over.signal, ref: false }).catch(() => {})
        if (!over.signal.aborted) await write('running').catch(() => {})
      }
    })()
    let came: Tick['state'] = 'done'
    try {
      await job.run(id)
    } catch (error) {
      came = 'failed'
      log.error({ name: tick.name, tick: id, err: error }, 'scheduled run failed')
    }
    ended.set(tick.name, { ...tick, state: came, id })
    over.abort()
    await beats
    await write(came)
  }

  const tick = (name: string, at: Date): Promise<void> => {
    if (!jobs.has(name)) return Promise.resolve()
    return alone(name, async () => {
      const due = new Date(Math.floor(at.getTime() / 1000) * 1000).toISOString()
      const id = `${name}/${due}`
      const row: Tick = { name, at: due, state: 'running', worker: me }
      if (await take(id, row)) await perform(id, row, 1)
    })
  }

  /** Runs again what a process has not ended, once it is sure that it never will. */
  const recover = async (name: string): Promise<void> => {
    const last = async () => {
      const [row] = await store.find(TICKS, { prefix: `${name}/`, descending: true, limit: 1 })
      const document = tickSchema.safeParse(row?.document).data
      return row === undefined || document?.state !== 'running' ? undefined : { ...row, document }
    }
    const left = await last()
    const young = () => left !== undefined && clock().getTime() - Date.parse(left.document.at) < periodOf(name)
    if (left === undefined || running.has(name) || !young()) return
    const mine = ended.get(name)
    if (mine?.id === left.id && left.document.worker === me) {
      const { id, ...row } = mine
      await store.put(TICKS, id, row, left.version)
      return
    }
    await pause(timings.silent)
    const now = await last()
    if (stopped.signal.aborted || running.has(name) || now?.id !== left.id || now.version !== left.version || !young())
      return
    await alone(name, async () => {
      const row: Tick = { ...left.document, worker: me }
      const version = await store.put(TICKS, left.id, row, left.version)
      if (version === undefined) return
      log.warn({ name, tick: left.id }, 'scheduled run of a process that died is run again')
      await perform(left.id, row, version)
    })
  }

  const lookAfter = async (name: string): Promise<void> => {
    while (!stopped.signal.aborted) {
      await recover(name).catch((error: unknown) => log.warn({ name, err: error }, 'scheduled runs not looked up'))
      await pause(timings.look)
    }
  }

  /** Milliseconds from one tick to the next, by the two that come. */
  const periodOf = (name: string): number => {
    const [first, second] = jobs.get(name)?.task.getNextRuns(2) ?? []
    return first === undefined || second === undefined ? 0 : second.getTime() - first.getTime()
  }

  const pause = (ms: number) => delay(ms, undefined, { signal: stopped.signal, ref: false }).catch(() => {})

  return {
    every(name, cron, run) {
      if (!validate(cron)) throw new Error(`${name}: ${JSON.stringify(cron)} is no cron expression`)
      if (jobs.has(name) || name.includes('/')) throw new Error(`${name} is taken, or no name`)
      const task = createTask(cron, ({ date }) => tick(name, date), {
        timezone,
        unref: true,
        suppressMissedWarning: true,
      })
      jobs.set(name, { task, run })
    },
    start() {
      for (const { task } of jobs.values()) void task.start()
      looking = Promise.all([...jobs.keys()].map(lookAfter))
    },
    async stop() {
      stopped.abort()
      for (const { task } of jobs.values()) await task.destroy()
      await looking
      await Promise.all(running.values())
    },
    tick,
  }
}
