import type { Log } from '../../lib/log.ts'
import { type Cards, livesOn } from './cards.ts'
import type { Connection } from './connection.ts'
import type { Meter } from './meter.ts'
import type { Pusher } from './push.ts'
import type { Timings } from './timings.ts'
import type { Chat } from './transport.ts'

/** Runs what has the same name one at a time, in the order in which it was asked for. */
export type Turns = <T>(name: string, work: () => Promise<T>) => Promise<T>

export function createTurns(): Turns {
  const last = new Map<string, Promise<void>>()
  return (name, work) => {
    const mine = (last.get(name) ?? Promise.resolve()).then(work)
    const settled = mine.then(
      () => {},
      () => {},
    )
    last.set(name, settled)
    void settled.then(() => last.get(name) === settled && last.delete(name))
    return mine
  }
}

export interface Backs {
  /** This card lost its buttons by a press that is through. */
  later(task: string): void
  close(): void
}

/**
 * A press that is through leaves its card with nothing but a look at what stands, because the next stage has a card of its own. When
 * there is no other stage after a while (the first of two approvals, one more diagnosis), the card is sent again with its buttons: it
 * cannot be changed any more. A process that dies before has lost nothing but this: the look brings them back as well.
 */
export function createBacks(parts: {
  cards: Cards
  connection: Connection
  pusher: Pusher
  meter: Meter
  inTurn: Turns
  chatOf: (place: string) => Chat
  /** Told of what is under way; it does not reject. */
  during: (work: Promise<void>) => void
  timings: Timings
  log: Log
}): Backs {
  const { cards, connection, pusher, meter, inTurn, timings, log } = parts
  const timers = new Map<string, NodeJS.Timeout>()
  /** The new card of one that was tried and may not have arrived. */
  const begun = new Map<string, string | undefined>()
  let closed = false

  function later(task: string, ms = timings.backMs): void {
    clearTimeout(timers.get(task))
    if (closed) return
    const timer = setTimeout(() => {
      timers.delete(task)
      parts.during(back(task).catch((error: unknown) => log.warn({ err: error, task }, 'wecom card not sent again')))
    }, ms)
    timer.unref()
    timers.set(task, timer)
  }

  async function back(task: string): Promise<void> {
    const row = await cards.card(task)
    if (row === undefined || !livesOn(row.key)) return
    const wait = await inTurn(`${row.place}/${row.key}`, async () => {
      const now = await cards.card(task)
      const shown = await cards.shown(row.place, row.key)
      const tried = begun.get(task)
      // Another stage has its card or is getting it, or somebody had a look.
      const last = shown?.sent ? shown.task === task : tried !== undefined && shown?.task === tried
      if (now?.state !== 'closed' || shown === undefined || !last || shown.message.buttons.length === 0)
        return undefined
      if (!connection.ready()) return timings.backMs
      const full = meter.waitMs(row.place)
      if (full > 0) return full
      const { message, revision, code } = shown
      const sent = await pusher.push({
        key: row.key,
        chat: parts.chatOf(row.place),
        message,
        revision,
        uncertain: tried !== undefined,
        anew: true,
        ...(code === undefined ? {} : { code }),
      })
      if (sent.at === 'sent') return undefined
      log.info({ task, outcome: sent.at }, 'wecom card not sent again')
      if (sent.at === 'refused') return undefined
      begun.set(task, (await cards.shown(row.place, row.key))?.task)
      return Math.max(sent.ms, timings.backMs)
    })
    if (wait !== undefined) later(task, wait)
    else begun.delete(task)
  }

  return {
    later,
    close() {
      closed = true
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}
