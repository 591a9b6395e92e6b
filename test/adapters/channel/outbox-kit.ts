import { createChannel } from '../../../src/adapters/channel/index.ts'
import { createOutbox, type Outbox, type OutboxOptions } from '../../../src/adapters/channel/outbox.ts'
import { createLeads } from '../../../src/adapters/leads/index.ts'
import type { Button, Message } from '../../../src/ports/chat.ts'
import type { Store } from '../../../src/ports/store.ts'
import type { Delivery, Rate, Sender, Sent, SurfaceName } from '../../../src/ports/surface.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'
import { createVirtualTime, type VirtualTime } from '../leads/virtual-time.ts'

export const line = (title: string, more: Partial<Message> = {}): Message => ({
  title,
  tone: 'info',
  blocks: [],
  buttons: [],
  ...more,
})

export const button = (action: string): Button => ({ id: `id of ${action}`, action, label: action, style: 'plain' })

export const card = (title: string, more: Partial<Message> = {}): Message =>
  line(title, { tone: 'warn', blocks: [{ type: 'fields', items: [{ label: 'of', value: title }] }], ...more })

export interface Fate {
  /** What the sender says; 'sent' with an identity of its own when left out. */
  says?: Sent
  /** The message stands there although the sender does not say so. */
  arrives?: boolean
  ms?: number
}

/** What stands in a place, by message key. */
export interface Standing {
  key: string
  place: string
  message: Message
  revision: number
  under?: unknown
}

export interface ScriptedSender extends Sender {
  /** Every call, in order; `counts` when it may have arrived. */
  sent: (Delivery & { at: number; counts: boolean })[]
  /** What people see, oldest first. */
  stands: Standing[]
  /** What becomes of a delivery; 'sent' when left out. */
  fate: (delivery: Delivery) => Fate | undefined
  /** The most sends of one process that ran at once in one place. */
  atOnce: number
  refuseLookup: boolean
}

/**
 * A surface that remembers what it was sent. With an uncertain delivery it first looks for what stands there under its key, as
 * Slack's sender does with the message's metadata.
 */
export function createScriptedSender(
  time: VirtualTime,
  options: { surface?: SurfaceName; rates?: Rate[]; places?: Record<string, string>; ms?: number } = {},
): ScriptedSender {
  const { surface = 'slack', rates = [], places = { '#releases': 'C1', '#alerts': 'C2' }, ms = 20 } = options
  const sender: ScriptedSender = {
    surface,
    rates,
    place: (channel) => places[channel],
    sent: [],
    stands: [],
    fate: () => undefined,
    atOnce: 0,
    refuseLookup: false,
    async send(delivery) {
      const { place, key, message, revision, identity, thread, uncertainSince } = delivery
      const call = { ...structuredClone(delivery), at: time.steady(), counts: true }
      sender.sent.push(call)
      const fate = sender.fate(delivery) ?? {}
      const says = fate.says ?? { at: 'sent', identity: `${place}/${key}`, mark: `r${revision}` }
      call.counts = says.at === 'sent' || (says.at === 'later' && says.arrived === 'unknown')
      // It stands there at once; the answer takes its time.
      if (says.at === 'sent' || fate.arrives) {
        const known = sender.stands.find((each) => each.key === key && each.place === place)
        const looked = uncertainSince !== undefined && !sender.refuseLookup
        if (known !== undefined && (identity !== undefined || looked)) {
          Object.assign(known, { message: structuredClone(message), revision })
        } else {
          const under = thread === undefined ? {} : { under: thread.identity }
          sender.stands.push({ key, place, message: structuredClone(message), revision, ...under })
        }
      }
      await new Promise<void>((resolve) => time.after(fate.ms ?? ms, resolve))
      return says
    },
  }
  return sender
}

export interface Life {
  outbox: Outbox
  channel: ReturnType<typeof createChannel>
  put(key: string, message: Message, more?: { thread?: string; channel?: string }): Promise<void>
  /** As kill -9: nothing reaches the store any more, and nothing is answered. */
  kill(): void
}

export const silent = { info: () => {}, warn: () => {} }

/** One store, over the lives of the processes that use it. */
export function outboxWorld() {
  const store = createMemoryStore()
  const time = createVirtualTime()

  async function start(
    senders: ScriptedSender[],
    options: Partial<OutboxOptions> & { opened?: boolean; store?: Store } = {},
  ): Promise<Life> {
    let dead = false
    const running: string[] = []
    const mortal = new Proxy(options.store ?? store, {
      get: (target, property: keyof Store) =>
        dead ? () => new Promise<never>(() => {}) : (target[property] as () => unknown).bind(target),
    })
    const exclusive = options.exclusive ?? true
    const leads = createLeads({ store: mortal, exclusive, log: silent, timers: time })
    const outbox = createOutbox({
      exclusive,
      leads,
      log: silent,
      clock: time.wall,
      timers: time,
      random: () => 0,
      channels: ['#releases', '#alerts'],
      ...options,
      store: mortal,
      senders: senders.map((sender) => ({
        ...sender,
        send: async (delivery) => {
          // A process that is dead sends nothing.
          if (dead) return new Promise<never>(() => {})
          running.push(delivery.place)
          sender.atOnce = Math.max(sender.atOnce, running.filter((place) => place === delivery.place).length)
          const sent = await sender.send(delivery)
          running.splice(running.indexOf(delivery.place), 1)
          return sent
        },
      })),
    })
    const channel = createChannel({ store: mortal, clock: time.wall, surfaces: [outbox] })
    if (options.opened !== false) await outbox.open()
    return {
      outbox,
      channel,
      put: (key, message, more = {}) => channel.put({ key, channel: '#releases', ...more, message }),
      kill: () => {
        dead = true
      },
    }
  }

  return { store, time, start }
}
