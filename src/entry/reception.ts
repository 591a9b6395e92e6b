import { setTimeout as delay } from 'node:timers/promises'
import type { IncidentDesk } from '../incident/desk.ts'
import { asFault } from '../lib/fault.ts'
import { newId } from '../lib/id.ts'
import type { Lead, Leads } from '../ports/lead.ts'
import type { Answer, ChatSurface, Envelope, Reception, Sent, SurfaceName } from '../ports/surface.ts'
import { no } from '../release/answer.ts'
import type { Command } from './command.ts'
import { formFor, lineOf } from './form.ts'
import { createOffers } from './form-context.ts'
import { noteFault } from './note-fault.ts'
import { createDeeds } from './reception-deed.ts'
import { createInbox, type Item } from './reception-inbox.ts'
import { createLanes } from './reception-lanes.ts'
import { done, envelopeSchema, INBOX, laneOf, owed, readableOf, rowId } from './reception-row.ts'
import { createWorkers } from './reception-workers.ts'

export { receptionIndexes } from './reception-row.ts'

export interface ReceptionOptions {
  desk: IncidentDesk
  commands: Command[]
  /** Asked for each answer: they come into being after the reception. */
  surfaces: () => ReadonlyMap<SurfaceName, ChatSurface>
  leads: Leads
  /** True when no other process can use the store. */
  exclusive: boolean
  /** Milliseconds between two looks at what others left behind; 500 when left out. */
  pollMs?: number
  timings?: Partial<Timings>
}

/** All in milliseconds. */
interface Timings {
  /** Between two signs of life to the other processes. */
  beat: number
  /** After so long without one, what a process has begun is taken over. */
  silent: number
  /** Before an answer that did not arrive is tried again; doubled each time up to `longestPause`. */
  pause: number
  longestPause: number
  /** An answer that is older is not sent any more: nobody waits for it. */
  giveUp: number
  /** How long a row is waited for whose number was taken; whoever took it may have died. */
  gap: number
}

const TIMINGS: Timings = { beat: 1500, silent: 6000, pause: 1000, longestPause: 60_000, giveUp: 30 * 60_000, gap: 2000 }

export interface OpenReception extends Reception {
  /** Goes on with what was interrupted, and works until it is closed. Never throws: the store may be away. */
  open(): Promise<void>
  /** Begins nothing more, lets what is under way end (at most `ms`). What is not done is done by another process, or later. */
  close(ms: number): Promise<void>
  /** Resolves when nothing is under way; what waits for its next try is not. */
  idle(): Promise<void>
}

/**
 * Does what chat services bring, from the durable rows of the collection `inbox`: in order for one person in one place, side by side
 * for all others. It may be killed at any point: what was begun is begun again, and comes to the same (buttons are bound to what
 * they were shown for, commands keep their first decision under the row's id); an answer may then arrive twice, never not at all
 * within half an hour. Several processes share the rows: each has what it accepted, and the holder of the lead `inbox` takes over
 * what the dead have left.
 */
export function createReception(options: ReceptionOptions): OpenReception {
  const { desk, commands, surfaces, exclusive, pollMs = 500 } = options
  const { log, store, clock } = desk
  const timings = { ...TIMINGS, ...options.timings }
  const me = newId()
  const closing = new AbortController()
  const halted = new AbortController()
  const deeds = createDeeds(desk, commands)
  const offers = createOffers(desk)
  const inbox = createInbox(store, log, halted.signal)
  const order = createLanes(store, INBOX, timings.gap)
  const workers = createWorkers({ store, me, silentMs: timings.silent, lookMs: pollMs })
  /** What this process has in hand, by row id; and what it is just writing down. */
  const held = new Map<string, Item>()
  const entering = new Map<string, number>()
  const lanes = new Map<string, { waiting: Item[]; running: boolean }>()
  let lead: Lead | undefined
  let opened = false
  let loops: Promise<unknown> = Promise.resolve()
  let busy = 0
  const rest: (() => void)[] = []

  const track = async (work: () => Promise<void>): Promise<void> => {
    busy++
    try {
      await work()
    } catch (error) {
      if (!halted.signal.aborted) log.error({ err: error }, 'inbox not worked off as it should be')
    } finally {
      busy--
      if (busy === 0) {
        for (const resolve of rest.splice(0)) resolve()
      }
    }
  }

  const enqueue = (item: Item): void => {
    held.set(item.id, item)
    const { lane } = item.row
    const line = lanes.get(lane) ?? { waiting: [], running: false }
    lanes.set(lane, line)
    line.waiting.push(item)
    line.waiting.sort((a, b) => (a.row.order < b.row.order ? -1 : 1))
    void runLane(lane)
  }

  const runLane = async (lane: string): Promise<void> => {
    const line = lanes.get(lane)
    if (line === undefined || line.running || !opened) return
    line.running = true
    await track(async () => {
      for (;;) {
        const item = closing.signal.aborted ? undefined : line.waiting.shift()
        if (item === undefined) break
        if (!(await turnOf(item))) line.waiting.push(item)
        else if (!(await work(item).catch(letGo(item)))) held.delete(item.id)
        line.waiting.sort((a, b) => (a.row.order < b.row.order ? -1 : 1))
      }
    }).finally(() => {
      line.running = false
      if (line.waiting.length === 0) lanes.delete(lane)
    })
  }

  /** Whatever went wrong with it, the next look finds it again. */
  const letGo = (item: Item) => (error: unknown) => {
    if (!halted.signal.aborted) log.error({ id: item.id, err: error }, 'inbox not worked off as it should be')
    return false
  }

  /** Waits while another process has something earlier of the same line. False when that came into this process meanwhile. */
  const turnOf = async (item: Item): Promise<boolean> => {
    while (!exclusive) {
      const first = lanes.get(item.row.lane)?.waiting[0]
      if (first !== undefined && first.row.order < item.row.order) return false
      try {
        // A row that is being written is there before the others are looked up.
        const missing = await order.missing(item.row.lane, item.row.order)
        const before = (await inbox.pending(item.row.lane)).filter(({ id, row }) => {
          return row.order < item.row.order && (row.state === 'new' || row.state === 'doing') && !held.has(id)
        })
        if (!missing && before.length === 0) return true
      } catch (error) {
        log.warn({ id: item.id, code: asFault(error).code }, 'inbox not read, trying again')
      }
      if (closing.signal.aborted) return false
      await delay(pollMs, undefined, { signal: closing.signal, ref: false }).catch(() => {})
    }
    return true
  }

  /** False when another process has it. */
  const work = async (item: Item): Promise<boolean> => {
    const attempt = item.row.attempt + 1
    if (!(await inbox.write(item, { ...item.row, state: 'doing', worker: me, attempt }))) return false
    const { envelope, missed = 0 } = item.row
    const answer = await deeds
      .perform(envelope, { origin: item.id, attempt, missed })
      .catch((error: unknown): Answer => {
        const fault = asFault(error)
        noteFault(log, fault, { inbox: item.id })
        return no(fault.message, fault.next)
      })
    if (!(await inbox.write(item, owed(item.row, answer, clock())))) return false
    // The next one does not wait for the surface.
    void deliver(item)
    return true
  }

  const deliver = async (item: Item): Promise<void> => {
    let pause = timings.pause
    let again = 0
    for (let first = true; again > 0 || first; first = false) {
      const retry = !first
      if (retry) await delay(again, undefined, { signal: closing.signal, ref: false }).catch(() => {})
      if (retry && closing.signal.aborted) break
      again = 0
      await track(async () => {
        if (retry && !(await stillMine(item))) return
        const sent = await tell(item)
        if (sent.at === 'later') again = Math.max(sent.ms, pause)
        else await inbox.write(item, done(item.row))
      })
      pause = Math.min(2 * pause, timings.longestPause)
    }
    held.delete(item.id)
  }

  const stillMine = async (item: Item): Promise<boolean> => {
    try {
      return await inbox.stands(item)
    } catch {
      // The store is away: so is whoever could have taken it.
      return true
    }
  }

  const tell = async ({ id, row }: Item): Promise<Sent> => {
    const { envelope, answer, owedAt = '' } = row
    const { surface } = envelope
    if (answer === undefined) return { at: 'sent', identity: null }
    if (clock().getTime() - Date.parse(owedAt) > timings.giveUp) {
      log.warn({ surface, id }, 'answer given up: nobody waits for it any more')
      return { at: 'sent', identity: null }
    }
    const later = (why: string): Sent => ({ at: 'later', ms: 0, scope: 'surface', why, arrived: 'no' })
    try {
      const sent = (await surfaces().get(surface)?.answer(envelope, answer)) ?? later('unknown-surface')
      if (sent.at === 'refused') log.warn({ surface, id, why: sent.why }, 'answer refused')
      if (sent.at === 'later') log.info({ surface, id, why: sent.why }, 'answer waits')
      return sent
    } catch (error) {
      log.error({ surface, id, err: error }, 'answer not sent')
      return later('threw')
    }
  }

  /** Once: there is no row by which it could be tried again. */
  const tellUnreadable = async (envelope: Envelope): Promise<void> => {
    const { surface } = envelope
    const answer = deeds.unreadable(envelope)
    if (answer === undefined) return
    const sent = await surfaces().get(surface)?.answer(envelope, answer)
    if (sent?.at !== 'sent') log.warn({ surface }, 'answer to an envelope that was refused not sent')
  }

  /** Takes what nobody has: what this process wrote down without hearing so, and what the dead have left. */
  const sweep = async (): Promise<void> => {
    const found = (await inbox.pending()).filter(({ id }) => !held.has(id) && !entering.has(id))
    const others = found.filter(({ row }) => row.worker !== me)
    const gone = exclusive ? undefined : await workers.gone(others.map(({ row }) => row.worker))
    for (const item of found) {
      if (closing.signal.aborted) return
      if (item.row.worker !== me && gone !== undefined && !(gone.has(item.row.worker) && lead?.held() === true))
        continue
      if (held.has(item.id)) continue
      if (item.row.state !== 'owed') enqueue(item)
      else if (await inbox.write(item, { ...item.row, worker: me })) {
        held.set(item.id, item)
        void deliver(item)
      }
    }
  }

  const steadily = async (ms: number, what: () => Promise<void>): Promise<void> => {
    while (!closing.signal.aborted) {
      await what().catch((error: unknown) => log.warn({ code: asFault(error).code }, 'inbox away, trying again'))
      await delay(ms, undefined, { signal: closing.signal, ref: false }).catch(() => {})
    }
  }

  return {
    commands: commands.map(({ name, summary, usage }) => ({ name, summary, usage })),

    async accept(envelope) {
      const parsed = envelopeSchema.safeParse(envelope)
      if (!parsed.success) {
        const where = parsed.error.issues.map(({ path, code }) => `${path.join('.')}: ${code}`.slice(0, 80)).slice(0, 5)
        log.warn({ where }, 'envelope refused: it is not as it should be')
        const readable = readableOf(envelope)
        if (readable !== undefined) void track(() => tellUnreadable(readable))
        return 'known'
      }
      const { data } = parsed
      const admitted = deeds.admit(data)
      if (admitted === false) return 'known'
      const id = rowId(data)
      entering.set(id, (entering.get(id) ?? 0) + 1)
      try {
        const lane = laneOf(data)
        const item = await inbox.insert(id, {
          state: 'new',
          pending: true,
          lane,
          order: await order.take(lane, id),
          worker: me,
          attempt: 0,
          ...(admitted.missed === 0 ? {} : { missed: admitted.missed }),
          envelope: data,
        })
        if (item === undefined) return 'known'
        enqueue(item)
        return 'new'
      } catch (error) {
        deeds.giveBack(data, admitted)
        throw error
      } finally {
        const left = (entering.get(id) ?? 1) - 1
        if (left === 0) entering.delete(id)
        else entering.set(id, left)
      }
    },

    refusal: (who, button) => deeds.refusal(who, button),
    form(text) {
      void offers.refresh()
      return formFor(commands, text, offers.now())
    },
    line: (command, values) => lineOf(commands, command, values, offers.now()),

    async open() {
      opened = true
      const begin = async () => {
        if (!exclusive) await workers.beat()
        await Promise.all([sweep(), offers.refresh()])
      }
      if (!exclusive) lead = options.leads.campaign('inbox', {})
      await begin().catch((error: unknown) => log.warn({ code: asFault(error).code }, 'inbox not read, trying again'))
      for (const lane of [...lanes.keys()]) void runLane(lane)
      loops = Promise.all([
        steadily(pollMs, sweep),
        steadily(Math.max(2000, pollMs), offers.refresh),
        ...(exclusive ? [] : [steadily(timings.beat, workers.beat)]),
      ])
    },

    async close(ms) {
      closing.abort()
      const patience = new AbortController()
      const over = delay(ms, undefined, { signal: patience.signal }).catch(() => {})
      await Promise.race([Promise.all([idle(), loops]), over])
      patience.abort()
      halted.abort()
      if (!exclusive && opened) {
        await workers.leave().catch((error: unknown) => log.info({ code: asFault(error).code }, 'farewell not written'))
      }
      await lead?.release()
    },
    idle,
  }

  function idle(): Promise<void> {
    if (busy === 0) return Promise.resolve()
    return new Promise((resolve) => {
      rest.push(resolve)
    })
  }
}
