import { asFault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Leads } from '../../ports/lead.ts'
import type { Store } from '../../ports/store.ts'
import type { Sender } from '../../ports/surface.ts'
import { choose } from './outbox-choose.ts'
import { type Desk, deliver, type Outcome, type Place, type Queue } from './outbox-deliver.ts'
import { rank } from './outbox-rank.ts'
import { createSends, createWindow, type Kind, restoreWindow } from './outbox-rates.ts'
import { createRetries } from './outbox-retry.ts'
import { createRows, type Kept, kindOf, noted, type OutboxRow, type PostNow } from './outbox-row.ts'
import { createStoredStatus, type SurfaceStatus, statusOf } from './outbox-status.ts'
import { backOff, createPurposes, type Timers } from './outbox-timers.ts'

/** With more waiting rows than this they are looked through less often than each poll. */
const MANY = 200
const STORE_RETRY_MS = 1_000
const VAIN_MS = 100
/** A surface that took nothing for so long is left to another process, if there is one, and for how long. */
const FAILING_MS = 30_000
const ASIDE_MS = 60_000
/** Less than a lease. */
const YIELD_EVERY_MS = 5_000

/** What goes out to one surface. */
export interface SurfaceOutbox {
  readonly sender: Sender
  /** Notes what is to be shown; resolves when that is durable. Throws the store's faults. */
  note(post: PostNow): Promise<void>
  /** Stands for the lead; resolves when what waits is known, if this process has it at once. */
  open(): Promise<void>
  close(ms: number): Promise<void>
  status(): Promise<SurfaceStatus>
  idle(): Promise<void>
}

interface Line extends Place {
  /** The surface's id of the channel. */
  place: string
  running: Promise<void> | undefined
  /** On the steady clock. */
  notBefore: number
  attempts: number
  restored: boolean
  /** The row for which there was nothing to do, as it turned out. */
  vain: string | undefined
}

export interface SurfaceOptions {
  store: Store
  sender: Sender
  leads: Leads
  exclusive: boolean
  log: Pick<Log, 'info' | 'warn'>
  clock: () => Date
  pollMs: number
  timers: Timers
  random: () => number
  /** Notes what a process that died has not. Throws the store's faults. */
  catchUp(): Promise<void>
}

/**
 * One surface's part of the outbox. Only the holder of the lead `outbox/<surface>` sends. It has a line per place, with one send
 * at a time in each; a place that has to wait holds up no other, an outage of the surface all.
 */
export function createSurfaceOutbox(options: SurfaceOptions): SurfaceOutbox {
  const { store, sender, leads, exclusive, log, clock, pollMs, timers, random, catchUp } = options
  const { surface } = sender
  const rows = createRows(store, surface)
  const waiting = new Map<string, Kept>()
  const refused = new Map<string, Kept>()
  const lines = new Map<string, Line>()
  const whole = { notBefore: 0, attempts: 0 }
  const storedStatus = createStoredStatus(rows, timers.steady)
  const idlers = new Set<() => void>()
  const { later, cancel, set: timed, rest, clear: clearTimers } = createPurposes(timers)
  let lead: ReturnType<Leads['campaign']> | undefined
  let loaded = false
  let loading: Promise<void> | undefined
  let closing = false
  /** On the steady clock; of the timer, if there is one. */
  let pumpAt = 0

  const held = () => lead?.held() === true

  const keep = (kept: Kept | undefined) => {
    if (kept === undefined) return
    const { key } = kept.row
    for (const [map, belongs] of [
      [waiting, kept.row.waiting],
      [refused, kept.row.refused],
    ] as const) {
      const known = map.get(key)
      if (known !== undefined && known.version > kept.version) continue
      if (belongs) map.set(key, kept)
      else map.delete(key)
    }
  }

  /** Repeats a call on the store until it is answered: what was sent should be recorded. */
  const patiently = async <T>(still: () => boolean, work: () => Promise<T>): Promise<T | undefined> => {
    for (let warned = false; ; warned = true) {
      try {
        return await work()
      } catch (error) {
        const { code, retry } = asFault(error)
        if (!retry || closing || !still()) throw error
        if (!warned) log.warn({ surface, code }, 'outbox cannot record what was sent, tried again')
        await rest(STORE_RETRY_MS)
      }
    }
  }

  const retries = createRetries({
    waitingRows: waiting,
    refusedRows: refused,
    rows,
    steady: timers.steady,
    clock,
    held,
    keep,
  })

  /** Tries again in time what was refused. */
  const retry = (ms = retries.wait()) => {
    if (ms === Number.POSITIVE_INFINITY || closing) return
    later('retry', ms, async () => {
      if (!loaded || !held()) return
      try {
        retry(await retries.round())
        pump()
      } catch (error) {
        unread(error)
        retry(STORE_RETRY_MS)
      }
    })
  }

  /** Another process may reach the surface though this one does not. */
  const yieldLead = (ms: number) => {
    if (closing) return
    later('yield', ms, () => {
      if (whole.attempts === 0 || !held()) return
      if ([...lines.values()].every(({ running }) => running === undefined)) lead?.yieldFor?.(ASIDE_MS)
      yieldLead(YIELD_EVERY_MS)
    })
  }

  /** For one send: what was begun before a change of hands is not recorded after it, though the lead came back. */
  const deskNow = (): Desk => {
    const fence = lead?.fence()
    const still = () => held() && lead?.fence() === fence
    const patient = <T>(work: () => Promise<T>) => patiently(still, work)
    return { sender, store, rows, clock, steady: timers.steady, held: still, keep, patiently: patient }
  }

  const lineOf = (place: string): Line => {
    const known = lines.get(place)
    if (known !== undefined) return known
    const line: Line = {
      place,
      window: createWindow(sender.rates),
      sends: createSends(store, { surface, place }, sender.rates),
      oneByOne: false,
      running: undefined,
      notBefore: 0,
      attempts: 0,
      restored: false,
      vain: undefined,
    }
    lines.set(place, line)
    return line
  }

  const restore = async (line: Line) => {
    const doubtful = [...waiting.values()].flatMap(({ row }) => {
      const { place, key, triedAt: at } = row
      return place === line.place && at !== undefined ? [{ key, at, kind: kindOf(row) }] : []
    })
    await restoreWindow(line, doubtful, { wall: clock(), steady: timers.steady })
    line.restored = true
  }

  const run = (line: Line, work: () => Promise<void>) => {
    line.running = work()
      .catch((error: unknown) => {
        log.warn({ surface, place: line.place, code: asFault(error).code }, 'outbox cannot use the store, tried again')
        line.notBefore = timers.steady() + STORE_RETRY_MS
      })
      .finally(() => {
        line.running = undefined
        pump()
      })
  }

  const settle = (line: Line, key: string, outcome: Outcome) => {
    if (outcome.at === 'nothing' || outcome.at === 'stopped') return
    // The surface was not asked: that says nothing of how it is.
    if (outcome.at === 'sent' && outcome.free) return
    if (outcome.at !== 'later' || outcome.scope === 'place') {
      if (whole.attempts > 0) log.info({ surface }, 'surface takes messages again')
      whole.attempts = 0
      cancel('yield')
    }
    if (outcome.at !== 'later') line.attempts = 0
    if (outcome.at === 'refused') {
      const { why, next } = outcome
      const first = retries.refused(key, line.place, why)
      retry()
      if (first) log.warn({ surface, place: line.place, why, next }, 'message refused by the surface')
    }
    if (outcome.at === 'later') {
      const { scope, why } = outcome
      const delayed = scope === 'surface' ? whole : line
      if (delayed.attempts === 0) log.warn({ surface, place: line.place, scope, why }, 'surface takes no message now')
      if (scope === 'surface' && !timed('yield')) yieldLead(FAILING_MS)
      const now = timers.steady()
      const until = now + backOff(outcome.ms, delayed.attempts, random)
      // Several sends that fail in one outage are one failure.
      if (delayed.notBefore <= now) delayed.attempts++
      delayed.notBefore = Math.max(delayed.notBefore, until)
    }
  }

  const send = async (line: Line, key: string, queue: Queue) => {
    const outcome = await deliver(deskNow(), line, key, queue)
    settle(line, key, outcome)
    if (outcome.at === 'sent' && !outcome.free) await retries.passed(key, line.place)
    // What changes under our hands again and again must not keep us busy.
    if (outcome.at === 'nothing' && line.vain === key) line.notBefore = timers.steady() + VAIN_MS
    line.vain = outcome.at === 'nothing' ? key : undefined
  }

  /** When a line may send at the earliest: this row, or whatever it is. */
  const earliest = (line: Line, now: number, row?: OutboxRow) => {
    const kinds = row === undefined ? (['new', 'edit'] as const) : [kindOf(row)]
    const open = () => now + Math.min(...kinds.map((kind) => line.window.wait(now, kind, rank.approval)))
    return Math.max(whole.notBefore, line.notBefore, line.restored ? open() : 0)
  }

  const pumpIn = (ms: number) => {
    const at = timers.steady() + ms
    if (timed('pump') && pumpAt <= at) return
    pumpAt = at
    later('pump', ms, pump)
  }

  /** Starts whatever may be sent now, and comes back when something else may. */
  const pump = () => {
    if (!loaded || closing || !held()) return settled()
    const now = timers.steady()
    let next = Number.POSITIVE_INFINITY
    for (const [place, all] of Map.groupBy(waiting.values(), ({ row }) => row.place)) {
      const line = lineOf(place)
      if (line.running !== undefined) continue
      const from = earliest(line, now)
      if (from > now) {
        next = Math.min(next, from - now)
        continue
      }
      // After an outage one goes ahead, and the others follow when it got through.
      if (whole.attempts > 0 && [...lines.values()].some(({ running }) => running !== undefined)) continue
      if (!line.restored) {
        run(line, () => restore(line))
        continue
      }
      const wait = (kind: Kind, urgency: number) => line.window.wait(now, kind, urgency)
      const choice = choose(all, { waiting, wait, now: clock().getTime() })
      if ('key' in choice) run(line, () => send(line, choice.key, choice.queue))
      else next = Math.min(next, choice.next)
    }
    if (next !== Number.POSITIVE_INFINITY) pumpIn(next)
    settled()
  }

  /** After one row was noted: looks at all that waits only if something may come of it. */
  const nudge = (row: OutboxRow) => {
    const line = lines.get(row.place)
    if (line === undefined || !loaded) return pump()
    if (line.running !== undefined) return
    const now = timers.steady()
    const from = earliest(line, now, row)
    if (from > now) pumpIn(from - now)
    else pump()
  }

  const settled = () => {
    const busy = [...lines.values()].some(({ running }) => running !== undefined)
    if (busy || loading !== undefined) return
    for (const done of idlers) done()
    idlers.clear()
  }

  const look = async () => {
    const before = new Map(waiting)
    const found = await rows.waiting()
    const keys = new Set(found.map(({ row }) => row.key))
    for (const kept of found) keep(kept)
    // Another process found that there is nothing to send: edited back, say.
    for (const [key, kept] of before) if (!keys.has(key) && waiting.get(key) === kept) waiting.delete(key)
  }

  const load = async () => {
    await catchUp()
    await look()
    for (const kept of await rows.refused()) keep(kept)
    await retries.begin()
    loaded = true
    retry()
  }

  const poll = () => {
    if (exclusive || closing) return
    later('poll', pollMs * Math.max(1, Math.min(waiting.size / MANY, 20)), async () => {
      try {
        if (loaded && held()) await look()
      } catch (error) {
        log.warn({ surface, code: asFault(error).code }, 'outbox cannot look for what waits')
      }
      pump()
      poll()
    })
  }

  const unread = (error: unknown) =>
    log.warn({ surface, code: asFault(error).code }, 'outbox cannot be read, tried again')

  const gained = async () => {
    while (held() && !loaded && !closing) {
      try {
        await load()
      } catch (error) {
        unread(error)
        await rest(STORE_RETRY_MS)
      }
    }
    loading = undefined
    pump()
    poll()
  }

  const lost = async () => {
    loaded = false
    waiting.clear()
    refused.clear()
    retries.forget()
    cancel('retry')
    cancel('yield')
    // What is being sent ends before this process may gain the lead again: never two at once in a line.
    if (!closing) await Promise.all([...lines.values()].map(({ running }) => running))
    lines.clear()
    settled()
  }

  return {
    sender,

    note: async (post) => {
      const place = sender.place(post.channel)
      if (place === undefined) return
      const where = { surface, place, at: clock().toISOString() }
      const kept = await rows.change(post.key, (row) => noted(row, post, where))
      if (!held()) return
      keep(kept)
      if (kept !== undefined) nudge(kept.row)
    },

    open: async () => {
      if (!exclusive) await catchUp().catch(unread)
      let entered = () => {}
      const entering = new Promise<void>((resolve) => {
        entered = resolve
      })
      lead = leads.campaign(`outbox/${surface}`, {
        gained: () => {
          loading = gained()
          return loading.then(entered)
        },
        lost,
      })
      if (exclusive) await entering
    },

    close: async (ms) => {
      closing = true
      clearTimers()
      const running = Promise.all([...lines.values()].map((line) => line.running))
      await Promise.race([running, rest(ms)])
      clearTimers()
      loaded = false
      settled()
      await lead?.release()
    },

    status: async () => (loaded ? statusOf(waiting.values(), refused.values()) : storedStatus()),

    idle: async () => {
      pump()
      const busy = loading !== undefined || [...lines.values()].some(({ running }) => running !== undefined)
      if (busy && !closing) await new Promise<void>((resolve) => idlers.add(resolve))
    },
  }
}
