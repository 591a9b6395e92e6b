import { asFault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Leads } from '../../ports/lead.ts'
import type { Store } from '../../ports/store.ts'
import type { Sender, SurfaceName } from '../../ports/surface.ts'
import type { Surface } from './index.ts'
import { createSpans, newestPosts, SPAN_EVERY_MS, within } from './outbox-reconcile.ts'
import { readPost } from './outbox-row.ts'
import type { SurfaceStatus } from './outbox-status.ts'
import { createSurfaceOutbox } from './outbox-surface.ts'
import { systemTimers, type Timers } from './outbox-timers.ts'

export { outboxIndexes } from './outbox-row.ts'
export type { SurfaceStatus } from './outbox-status.ts'

export interface Outbox extends Surface {
  /** Goes on with what waits from before. */
  open(): Promise<void>
  /** Begins no further send, and lets those that run end: at most `ms`. */
  close(ms: number): Promise<void>
  /**
   * How many messages wait, since when the oldest (ISO), how many the surface refuses as they are, and the last reason. A process
   * that does not send counts up to 1,000 of each, every five seconds.
   */
  status(surface: SurfaceName): Promise<SurfaceStatus>
  /** Resolves when nothing can be sent now: all is shown, or has to wait for a rate, for the surface, or for another process. */
  idle(): Promise<void>
}

export interface OutboxOptions {
  store: Store
  senders: readonly Sender[]
  leads: Leads
  /** Only this process can use the store: nothing has to be looked for. */
  exclusive: boolean
  log: Pick<Log, 'info' | 'warn'>
  clock: () => Date
  /** How often the holder looks for what other processes want to be shown. Milliseconds. */
  pollMs?: number
  /** Our channels that are caught up with at the start, after a process died between a message's record and its row here. */
  channels?: readonly string[]
  timers?: Timers
  /** From 0 to below 1, for jitter. */
  random?: () => number
}

/** After so long a message that could not be noted, the store being away, is tried again. */
const NOTE_AGAIN_MS = 1_000

/**
 * What goes out to the chat services. One row per message and surface in the collection `outbox`, from which the process that
 * holds the lead `outbox/<surface>` sends: in each place one message at a time, approvals before states before progress before
 * chatter, never more than the surface's rates allow, and always the newest revision. Nothing is dropped: what a surface does not
 * take now waits, what it refuses is counted and tried again every few minutes, and a storm of lines becomes one message.
 * A process for which the surface has failed for half a minute leaves it to another that stands for the lead. `show` never throws and never waits for a surface; while the store is away it is made up for.
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { store, senders, leads, exclusive, log, clock, pollMs = 500, channels = [], timers = systemTimers } = options
  const spans = createSpans(store, clock)
  const outs = senders.map((sender) =>
    createSurfaceOutbox({
      ...{ store, sender, leads, exclusive, log, clock, pollMs, timers },
      random: options.random ?? Math.random,
      catchUp: () => catchUp(sender),
    }),
  )
  /** Keys of messages whose row could not be written. */
  const owed = new Set<string>()
  const notBefore = new Map<SurfaceName, number>()
  const cancels: { span?: () => void; owed?: () => void } = {}
  let closed = false

  const note = async (key: string) => {
    const post = await readPost(store, key)
    if (post !== undefined) await Promise.all(outs.map((out) => out.note(post)))
  }

  const show = async (key: string) => {
    try {
      await note(key)
      owed.delete(key)
    } catch (error) {
      log.warn({ key, code: asFault(error).code }, 'message not noted for chat, tried again')
      owed.add(key)
      if (closed) return
      cancels.owed ??= timers.after(NOTE_AGAIN_MS, async () => {
        cancels.owed = undefined
        await Promise.all([...owed].map(show))
      })
    }
  }

  /** Notes the messages whose process died before it could; at most once a minute. Throws the store's faults. */
  const catchUp = async (sender: Sender) => {
    const { surface } = sender
    if (timers.steady() < (notBefore.get(surface) ?? 0)) return
    const out = outs.find((each) => each.sender === sender)
    const span = await spans.read(surface)
    for (const channel of channels) {
      if (sender.place(channel) === undefined) continue
      for (const post of await newestPosts(store, channel)) if (within(span, post)) await out?.note(post)
    }
    await spans.touch(surface)
    notBefore.set(surface, timers.steady() + SPAN_EVERY_MS)
  }

  const serve = () => {
    cancels.span = timers.after(SPAN_EVERY_MS, async () => {
      try {
        await Promise.all(senders.map(({ surface }) => spans.touch(surface)))
      } catch (error) {
        log.warn({ code: asFault(error).code }, 'outbox cannot write down that it serves')
      }
      if (!closed) serve()
    })
  }

  return {
    surface: 'outbox',
    show,
    open: async () => {
      await Promise.all(outs.map((out) => out.open()))
      serve()
    },
    close: async (ms) => {
      closed = true
      cancels.span?.()
      cancels.owed?.()
      await Promise.all(outs.map((out) => out.close(ms)))
    },
    status: async (surface) =>
      (await outs.find(({ sender }) => sender.surface === surface)?.status()) ?? { waiting: 0, refused: 0 },
    idle: async () => {
      await Promise.all(outs.map((out) => out.idle()))
    },
  }
}
