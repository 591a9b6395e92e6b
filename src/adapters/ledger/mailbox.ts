import { z } from 'zod'
import type { FlowEvent } from '../../ports/flow.ts'
import type { Json, Store } from '../../ports/store.ts'
import { type Context, persist, unreadable } from './context.ts'

const Mail: z.ZodType<FlowEvent> = z.object({
  key: z.string(),
  at: z.iso.datetime(),
  data: z.custom<Json>((value) => value !== undefined),
})

const streamOf = (id: string) => `mail/${id}`

/** Puts an event at the end of a mailbox and returns its number. One append is all there is, so a crash leaves it whole or not at all. */
export async function post(store: Store, id: string, event: FlowEvent): Promise<number> {
  const seq = await store.append(streamOf(id), { ...event })
  if (seq === undefined) throw unreadable(id, 'mailbox')
  return seq
}

/** The number of the first event with this key: the one that counts. Later ones with the same key are as if never sent. */
export async function firstWithKey(store: Store, id: string, key: string, from = 0): Promise<number | undefined> {
  const entries = await store.read(streamOf(id), from)
  return entries.find(({ entry }) => Mail.safeParse(entry).data?.key === key)?.seq
}

type Waiter = { until: number | undefined; answer: (seq: number | undefined) => void; disarm: () => void }

/** The receiving end, in the process that owns the flow. */
export interface Mailbox {
  /** Looks for events that were appended since, and hands them to whoever waits. */
  pull(): Promise<void>
  /** The number of the first event with this key among those seen so far. */
  find(key: string): number | undefined
  /** The next event's number, or undefined when the deadline came first. In order of calling. */
  next(until: number | undefined): Promise<number | undefined>
  /** Takes an event out; each number once. */
  take(seq: number): FlowEvent | undefined
  waiting(): boolean
}

/**
 * Events in order of sending, each key once. An event that was sent by the deadline wins over it, even when both are found
 * later (after a restart, say); one that was sent after it stays for the next wait.
 */
export function createMailbox(ctx: Context, id: string, consumed: Set<number>): Mailbox {
  const events = new Map<number, FlowEvent>()
  const firsts = new Map<string, number>()
  const fresh: number[] = []
  const waiters: Waiter[] = []
  let cursor = 0
  let pulling: Promise<void> = Promise.resolve()

  const read = async () => {
    const entries = await ctx.store.read(streamOf(id), cursor)
    for (const { seq, entry } of entries) {
      cursor = seq + 1
      const parsed = Mail.safeParse(entry)
      if (!parsed.success) throw unreadable(id, 'mailbox')
      if (firsts.has(parsed.data.key)) continue
      firsts.set(parsed.data.key, seq)
      events.set(seq, parsed.data)
      if (!consumed.has(seq)) fresh.push(seq)
    }
    match()
  }

  const match = () => {
    while (waiters.length > 0 && fresh.length > 0 && !ctx.draining.aborted) {
      const [waiter] = waiters.splice(0, 1)
      const [seq] = fresh
      if (waiter === undefined || seq === undefined) return
      waiter.disarm()
      if (tooLate(waiter.until, seq)) waiter.answer(undefined)
      else waiter.answer(fresh.shift())
    }
  }

  /** Both clocks must say so, the sender's and this one: a sender whose clock runs ahead ends no wait. */
  const tooLate = (until: number | undefined, seq: number) =>
    until !== undefined && ctx.clock.wall() >= until && Date.parse(events.get(seq)?.at ?? '') > until

  const expire = async (waiter: Waiter) => {
    // An event may lie there that nobody has told this process of.
    await persist(ctx, mailbox.pull)
    const place = waiters.indexOf(waiter)
    if (place < 0 || ctx.draining.aborted) return
    waiters.splice(place, 1)
    waiter.answer(undefined)
  }

  const mailbox: Mailbox = {
    pull: () => {
      pulling = pulling.catch(() => {}).then(read)
      return pulling
    },
    find: (key) => firsts.get(key),
    next: (until) =>
      new Promise((answer) => {
        const waiter: Waiter = { until, answer, disarm: () => {} }
        waiters.push(waiter)
        match()
        if (until === undefined || !waiters.includes(waiter)) return
        waiter.disarm = ctx.deadlines.arm(until, () => {
          expire(waiter).catch((error: unknown) => ctx.log.error({ flow: id, error }, 'flow mailbox cannot be read'))
        })
      }),
    take: (seq) => {
      const event = events.get(seq)
      events.delete(seq)
      return event
    },
    waiting: () => waiters.length > 0,
  }
  return mailbox
}
