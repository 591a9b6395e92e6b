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
  let closed = false

  function later(task: string): void {
    clearTimeout(timers.get(task))
    if (closed) return
    const timer = setTimeout(() => {
      timers.delete(task)
      parts.during(back(task).catch((error: unknown) => log.warn({ err: error, task }, 'wecom card not sent again')))
    }, timings.backMs)
    timer.unref()
    timers.set(task, timer)
  }

  async function back(task: string): Promise<void> {
    const row = await cards.card(task)
    if (row === undefined || !livesOn(row.key)) return
    const waits = await inTurn(`${row.place}/${row.key}`, async () => {
      const now = await cards.card(task)
      const shown = await cards.shown(row.place, row.key)
      // Another stage has its card or is getting it, or somebody had a look.
      if (now?.state !== 'closed' || shown?.task !== task || !shown.sent) return false
      const { message, revision, code } = shown
      if (message.buttons.length === 0) return false
      if (!connection.ready() || meter.waitMs(row.place) > 0) return true
      const sent = await pusher.push({
        ...{ key: row.key, chat: parts.chatOf(row.place), message, revision, uncertain: false, anew: true },
        ...(code === undefined ? {} : { code }),
      })
      if (sent.at !== 'sent') log.info({ task, outcome: sent.at }, 'wecom card not sent again')
      return false
    })
    if (waits) later(task)
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
