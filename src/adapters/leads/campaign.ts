import { z } from 'zod'
import { asFault } from '../../lib/fault.ts'
import type { Lead } from '../../ports/lead.ts'
import type { Row, Store } from '../../ports/store.ts'
import type { Calls } from './calls.ts'
import type { Log } from './log.ts'
import type { Timers } from './timers.ts'

const COLLECTION = 'leads'
/** A holder counts itself out after this part of its lease without a beat; the others wait longer. */
const honestPart = 0.75
const beatPart = 0.25
/** The least part of the lease for which an observer wants silence, however rarely it looks. */
const silentPart = 0.85

const rowSchema = z.object({
  /** Empty after a release. */
  owner: z.string(),
  /** One more with every change of hands. */
  fence: z.number(),
  /** One more with every sign of life. */
  beat: z.number(),
  leaseMs: z.number().positive(),
  /** The holder would rather give it to another, and asks whether somebody waits. */
  asks: z.boolean().optional(),
  /** Somebody does: the answer. */
  wanted: z.boolean().optional(),
})
type LeadRow = z.infer<typeof rowSchema>

/** No beat is in doubt. */
const none = { beat: 0, at: 0 }

interface Seen {
  version: number
  silentMs: number
  /** On our steady clock: from when the silence is counted next. */
  from: number
}

/**
 * Stands for one name until released. No clocks are compared: an observer counts on its own how long the row's version has stood
 * still, and time in which it did not look is not counted. A holder counts from before its beat was written, an observer from
 * after it was read, so that the holder's time is over first.
 */
export function runCampaign(options: {
  store: Store
  name: string
  owner: string
  leaseMs: number
  pollMs: number
  timers: Timers
  log: Log
  calls: Calls
}): Lead {
  const { store, name, owner, leaseMs, pollMs, timers, log, calls } = options
  const ended = new AbortController()
  let mine: { version: number; row: LeadRow; beatAt: number } | undefined
  /** The last fence that was gained here. */
  let fence = 0
  /** When a beat was first tried: should its answer be lost, it was written later than that. */
  let tried = none
  let seen: Seen | undefined
  let storeAway = false
  /** It is to be given to whoever waits, should somebody say so until then. */
  let wish: { ms: number; until: number } | undefined
  /** It was given to another: nobody's row is left to others meanwhile, for a lease. `freeFrom` is when it was first seen so. */
  let aside: { until: number; freeFrom?: number } | undefined

  const honest = (beatAt: number) => timers.steady() - beatAt < leaseMs * honestPart
  const held = () => mine !== undefined && !ended.signal.aborted && honest(mine.beatAt)

  const lose = (why: string) => {
    if (mine === undefined) return
    mine = undefined
    seen = undefined
    log.warn({ name, fence, why }, 'lead lost')
    calls.lost()
  }

  /** Calls `lost` in time even if the store never answers. */
  const watch = async (gained: number) => {
    while (fence === gained && mine !== undefined) {
      const left = mine.beatAt + leaseMs * honestPart - timers.steady()
      if (left <= 0) return lose('the store did not take a beat in time')
      if (!(await timers.pause(left, ended.signal))) return
    }
  }

  const gain = (version: number, row: LeadRow, beatAt: number) => {
    // The answer came too late for this beat; the next look finds the row ours, and beats anew.
    if (ended.signal.aborted || !honest(beatAt)) return
    mine = { version, row, beatAt }
    fence = row.fence
    seen = undefined
    wish = undefined
    aside = undefined
    log.info({ name, fence }, 'lead gained')
    calls.gained()
    tried = none
    void watch(fence)
  }

  const wishes = () => wish !== undefined && timers.steady() < wish.until

  const beat = async (before: NonNullable<typeof mine>) => {
    const { asks: _asks, wanted: _wanted, ...plain } = before.row
    const row = { ...plain, beat: before.row.beat + 1, ...(wishes() ? { asks: true } : {}) }
    const again = tried.beat === row.beat
    const beatAt = timers.steady()
    if (!again) tried = { beat: row.beat, at: beatAt }
    const version = again ? undefined : await store.put(COLLECTION, name, row, before.version)
    if (mine !== before) return
    if (version !== undefined) {
      mine = { version, row, beatAt }
      tried = none
      return
    }
    const now = read(await store.get(COLLECTION, name))
    if (mine !== before) return
    if (now?.row.owner !== owner || now.row.fence !== before.row.fence) return lose('another process has it')
    // Only the answer was lost, or nothing was written.
    if (now.row.beat === tried.beat) mine = { ...now, beatAt: tried.at }
    else mine = { ...before, row: { ...before.row, wanted: now.row.wanted }, version: now.version }
    tried = none
  }

  const take = async (before: { version: number; row: LeadRow } | undefined) => {
    const beatAt = timers.steady()
    // Ours already, and never said so: the answer of the write was lost.
    const unsaid = before?.row.owner === owner && before.row.fence > fence
    const row = {
      owner,
      fence: (before?.row.fence ?? 0) + (unsaid ? 0 : 1),
      beat: (before?.row.beat ?? 0) + 1,
      leaseMs,
    }
    const version =
      before === undefined
        ? (await store.insert(COLLECTION, name, row)) && 1
        : await store.put(COLLECTION, name, row, before.version)
    if (version) gain(version, row, beatAt)
  }

  /** Leaves the row to whoever comes next. */
  const leave = async () => {
    for (let tries = 0; tries < 5; tries++) {
      const found = read(await store.get(COLLECTION, name))
      if (found?.row.owner !== owner) return
      const { asks: _asks, wanted: _wanted, ...plain } = found.row
      const row = { ...plain, owner: '' }
      if ((await store.put(COLLECTION, name, row, found.version)) !== undefined) return
    }
  }

  /** Gives it to whoever waits, as soon as the owner has ended what it did with it. */
  const stepAside = async (ms: number) => {
    mine = undefined
    seen = undefined
    wish = undefined
    aside = { until: timers.steady() + ms }
    log.info({ name, fence }, 'lead given to another process')
    calls.lost()
    await calls.over()
    await leave()
  }

  /** Whether somebody else goes first now. */
  const yields = (row: LeadRow, start: number) => {
    if (aside === undefined || start >= aside.until) return false
    if (row.owner !== '') {
      aside.freeFrom = undefined
      return false
    }
    aside.freeFrom ??= start
    return start - aside.freeFrom < leaseMs
  }

  const look = async () => {
    const start = timers.steady()
    if (aside !== undefined && start >= aside.until) aside = undefined
    const found = read(await store.get(COLLECTION, name))
    // The store was away when it was to be given up.
    if (aside !== undefined && found?.row.owner === owner && found.row.fence === fence) return leave()
    if (found !== undefined && yields(found.row, start)) return
    if (found === undefined || found.row.owner === '' || found.row.owner === owner) return take(found)
    if (seen?.version !== found.version) {
      seen = { version: found.version, silentMs: 0, from: timers.steady() }
      const asked = found.row.asks === true && found.row.wanted !== true && aside === undefined
      if (asked) await store.put(COLLECTION, name, { ...found.row, wanted: true }, found.version)
      return
    }
    seen = { ...seen, silentMs: seen.silentMs + Math.min(start - seen.from, 2 * pollMs), from: start }
    const lease = found.row.leaseMs
    if (seen.silentMs >= Math.max(lease * silentPart, lease - pollMs)) await take(found)
  }

  const run = async () => {
    while (!ended.signal.aborted) {
      try {
        const unsure = tried !== none
        await (mine === undefined ? look() : beat(mine))
        if (unsure && mine !== undefined) await beat(mine)
        if (mine?.row.wanted && wish !== undefined && wishes()) await stepAside(wish.ms)
        if (storeAway) log.info({ name }, 'lead can be renewed again')
        storeAway = false
      } catch (error) {
        if (!storeAway) log.warn({ name, code: asFault(error).code }, 'lead cannot be renewed, the store is away')
        storeAway = true
      }
      await timers.pause(mine === undefined || storeAway ? pollMs : leaseMs * beatPart, ended.signal)
    }
  }
  const running = run()

  return {
    held,
    fence: () => fence,
    yieldFor: (ms) => {
      // Long enough for a beat that asks, an answer, and the beat that hears it.
      if (held()) wish = { ms, until: timers.steady() + leaseMs }
    },
    release: async () => {
      if (ended.signal.aborted) return
      ended.abort()
      if (mine !== undefined) calls.lost()
      mine = undefined
      // A call on the store that never ends must not stop a shutdown: the lease ends by itself.
      const patience = new AbortController()
      const orderly = async () => {
        await Promise.all([calls.over(), running])
        await leave()
      }
      await Promise.race([
        orderly().catch((error: unknown) => log.warn({ name, code: asFault(error).code }, 'lead not released')),
        timers.pause(leaseMs, patience.signal),
      ])
      patience.abort()
    },
  }
}

function read(row: Row | undefined): { version: number; row: LeadRow } | undefined {
  return row === undefined ? undefined : { version: row.version, row: rowSchema.parse(row.document) }
}
