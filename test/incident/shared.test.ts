import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createChannel } from '../../src/adapters/channel/index.ts'
import { createLeads } from '../../src/adapters/leads/index.ts'
import { createIncidentDesk, type IncidentDesk } from '../../src/incident/desk.ts'
import { createIntake } from '../../src/incident/intake.ts'
import { openPosts, owedIn, queueDrawn, queuePost, stopPosts } from '../../src/incident/pace.ts'
import { receive } from '../../src/incident/receive.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Lead, Leads } from '../../src/ports/lead.ts'
import type { Store } from '../../src/ports/store.ts'
import { incidentParts } from '../fakes/desk.ts'
import { createMemoryStore } from '../fakes/memory-store.ts'
import { aDelivery, intakeDesk, recordedFlows } from './intake-kit.ts'

const soon = { timeout: 5000, interval: 5 }
const log = createLog({ level: 'silent' })
const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** Leads that a test hands over itself, as a holder that does not know of it would lose them: `held` lags behind. */
function handed(first: boolean) {
  let held = first
  const owners: Parameters<Leads['campaign']>[1][] = []
  const lead: Lead = { held: () => held, fence: () => 1, release: async () => {} }
  return {
    leads: {
      campaign(_name, on) {
        owners.push(on)
        if (held) void on.gained?.()
        return lead
      },
      async close() {},
    } satisfies Leads,
    async gain() {
      held = true
      for (const on of owners) await on.gained?.()
    },
    async lose() {
      held = false
      for (const on of owners) await on.lost?.()
    },
  }
}

/** The store as one process sees it whose reading of deliveries can be held up: what it has read is old when it goes on. */
function lagging(store: Store) {
  const gate = Promise.withResolvers<void>()
  const holding = Promise.withResolvers<void>()
  let held = false
  let reads = 0
  return {
    store: {
      ...store,
      read: async (stream, from, limit) => {
        const entries = await store.read(stream, from, limit)
        if (stream !== 'alert-deliveries') return entries
        reads++
        if (held) {
          holding.resolve()
          await gate.promise
        }
        return entries
      },
    } satisfies Store,
    reads: () => reads,
    hold: () => {
      held = true
    },
    holding: holding.promise,
    goOn: () => gate.resolve(),
  }
}

describe('alerts that several processes receive', () => {
  /** A process with its own desk on the store. */
  function bot(store: Store, leads: Leads, told: string[] = []) {
    const desk: IncidentDesk = { ...intakeDesk(store, recordedFlows(store, told, new Set())), leads }
    const intake = createIntake(desk, { pollMs: 10 })
    ends.push(() => intake.stop())
    return { desk, intake, told }
  }
  const cursor = async (store: Store) =>
    ((await store.get('alert-cursors', 'intake'))?.document as { next: number } | undefined)?.next ?? 0
  const delivery = (n: number) => aDelivery([{ fingerprint: `f${n}` }])

  test('are taken in by the one that holds the lead, within a second, whoever received them', async () => {
    const store = createMemoryStore()
    const leadsOf = () => {
      const leads = createLeads({ store, exclusive: false, log, leaseMs: 400, pollMs: 20 })
      ends.push(() => leads.close())
      return leads
    }
    const [a, b] = [bot(store, leadsOf()), bot(store, leadsOf())]
    await a.intake.start()
    await vi.waitFor(async () => expect(await store.get('leads', 'alerts')).toBeDefined(), soon)
    await b.intake.start()
    const began = performance.now()
    await receive(b.desk, delivery(1))
    await vi.waitFor(() => expect(a.told).toEqual(['A-1 alerts/0']), soon)
    expect(performance.now() - began).toBeLessThan(1000)
    expect(b.told).toEqual([])
    // The other goes on where it was.
    await a.intake.stop()
    await receive(b.desk, delivery(2))
    await vi.waitFor(() => expect(b.told).toEqual(['A-1 alerts/1']), soon)
    expect(a.told).toHaveLength(1)
  })

  test('two that both believe to hold it open nothing twice, and tell every flow once', async () => {
    const store = createMemoryStore()
    const told: string[] = []
    const [a, b] = [bot(store, handed(true).leads, told), bot(store, handed(true).leads, told)]
    for (let n = 0; n < 30; n++) await receive(a.desk, aDelivery([{ fingerprint: `f${n}` }], { key: `g${n % 3}` }))
    await Promise.all([a.intake.start(), b.intake.start()])
    await vi.waitFor(async () => expect(await cursor(store)).toBe(30), soon)
    await Promise.all([a.intake.stop(), b.intake.stop()])
    const episodes = await store.find('episodes')
    expect(episodes).toHaveLength(30)
    const incidents = await store.find('incidents')
    expect(incidents).toHaveLength(3)
    expect(new Set(told).size).toBe(told.length)
  })

  test('one that lost the lead without knowing it never moves the cursor back', async () => {
    const store = createMemoryStore()
    const moved: number[] = []
    const { put } = store
    store.put = async (collection, id, document, version) => {
      const done = await put(collection, id, document, version)
      if (collection === 'alert-cursors' && done !== undefined) moved.push((document as { next: number }).next)
      return done
    }
    const late = lagging(store)
    const a = bot(late.store, handed(true).leads)
    const b = bot(store, handed(true).leads)
    await receive(a.desk, delivery(0))
    await a.intake.start()
    await a.intake.idle()
    late.hold()
    await receive(a.desk, delivery(1))
    await late.holding
    await b.intake.start()
    for (let n = 2; n < 6; n++) await receive(b.desk, delivery(n))
    await vi.waitFor(async () => expect(await cursor(store)).toBe(6), soon)
    late.goOn()
    await a.intake.idle()
    expect(moved).toEqual(moved.toSorted((one, other) => one - other))
    expect(await store.find('episodes')).toHaveLength(6)
  })

  test('one that fails at a delivery that the other has got past sets nothing else aside', async () => {
    const store = createMemoryStore()
    await store.append('alert-deliveries', { odd: true })
    const late = lagging(store)
    const a = bot(late.store, handed(true).leads)
    const b = bot(store, handed(true).leads)
    await a.intake.start()
    // Twice it has failed; the third time it has read the same, and goes on when the other is through.
    await vi.waitFor(() => expect(late.reads()).toBe(2), { ...soon, interval: 1 })
    late.hold()
    await late.holding
    await b.intake.start()
    await receive(b.desk, delivery(1))
    await vi.waitFor(async () => expect(await cursor(store)).toBe(2), soon)
    late.goOn()
    await a.intake.idle()
    await receive(b.desk, delivery(2))
    await vi.waitFor(async () => expect(await store.find('episodes')).toHaveLength(2), soon)
    const aside = (await store.read('alert-deliveries-aside')).map(({ entry }) => entry)
    expect(aside).toEqual([expect.objectContaining({ delivery: 0 })])
  })

  test('nothing is taken in while another process holds the lead', async () => {
    const store = createMemoryStore()
    const mine = handed(false)
    const a = bot(store, mine.leads)
    await a.intake.start()
    await receive(a.desk, delivery(1))
    await delay(100)
    expect(await cursor(store)).toBe(0)
    await mine.gain()
    await vi.waitFor(async () => expect(await cursor(store)).toBe(1), soon)
    await mine.lose()
    await receive(a.desk, delivery(2))
    await delay(100)
    expect(await cursor(store)).toBe(1)
  })
})

describe('posts of incidents that several processes queue', () => {
  function bot(store: Store, leads: Leads, sent: { title: string; at: number; by: string }[], by: string) {
    const base = intakeDesk(store, recordedFlows(store, [], new Set()))
    const channel = createChannel({ store, clock: () => new Date(), surfaces: [] })
    const desk = createIncidentDesk(
      {
        ...base,
        chat: {
          surface: 'test',
          async put(post) {
            sent.push({ title: post.message.title, at: performance.now(), by })
            await channel.put(post)
          },
        },
      },
      { ...incidentParts(), postEveryMs: 100, leads },
    )
    ends.push(() => stopPosts(desk))
    return { desk, channel }
  }
  const message = (title: string) => ({ title, tone: 'plain' as const, blocks: [], buttons: [] })
  const queue = (desk: IncidentDesk, key: string, title = key) =>
    queuePost(desk, { key, channel: '#a', message: message(title) }, 'line')

  test('are sent by the one that holds the lead, at its rate, and by the other after it', async () => {
    const store = createMemoryStore()
    const sent: { title: string; at: number; by: string }[] = []
    const [one, two] = [handed(true), handed(false)]
    const [a, b] = [bot(store, one.leads, sent, 'a'), bot(store, two.leads, sent, 'b')]
    await Promise.all([openPosts(a.desk), openPosts(b.desk)])
    for (let n = 0; n < 3; n++) await queue(b.desk, `b${n}`)
    expect(await owedIn(b.desk, '#a')).toBe(3)
    await queue(a.desk, 'a0')
    await vi.waitFor(() => expect(sent).toHaveLength(4), soon)
    expect(new Set(sent.map(({ by }) => by))).toEqual(new Set(['a']))
    await one.lose()
    await queue(a.desk, 'a1')
    await queue(b.desk, 'b3')
    await delay(250)
    expect(sent).toHaveLength(4)
    await two.gain()
    await vi.waitFor(() => expect(sent).toHaveLength(6), soon)
    expect(sent.slice(4).map(({ by }) => by)).toEqual(['b', 'b'])
    expect(new Set(sent.map(({ title }) => title)).size).toBe(6)
    for (const [place, { at }] of sent.entries())
      if (place > 0) expect(at - (sent[place - 1]?.at ?? 0)).toBeGreaterThan(95)
    expect(await owedIn(a.desk, '#a')).toBe(0)
  })

  test('by a holder that was held up do not replace newer words of the next', async () => {
    const store = createMemoryStore()
    const gate = Promise.withResolvers<void>()
    const [one, two] = [handed(true), handed(true)]
    const sent: { title: string; at: number; by: string }[] = []
    const [a, b] = [bot(store, one.leads, sent, 'a'), bot(store, two.leads, sent, 'b')]
    const { put } = a.desk.chat
    a.desk.chat.put = async (post) => {
      await gate.promise
      await put(post)
    }
    await queue(a.desk, 'card', 'as it was')
    await delay(150)
    await queue(b.desk, 'card', 'as it is')
    await vi.waitFor(() => expect(sent.map(({ title }) => title)).toContain('as it is'), soon)
    gate.resolve()
    await vi.waitFor(() => expect(sent.map(({ title }) => title)).toContain('as it was'), soon)
    expect((await a.channel.one('card'))?.message.title).toBe('as it is')
  })

  test('of two that draw one card, the one that has looked later stays', async () => {
    const store = createMemoryStore()
    const sent: { title: string; at: number; by: string }[] = []
    const a = bot(store, handed(true).leads, sent, 'a')
    const gate = Promise.withResolvers<void>()
    let fact = 'old'
    let drawings = 0
    const draw = (slow: boolean) => async () => {
      const seen = fact
      drawings++
      if (slow && drawings === 1) await gate.promise
      return { channel: '#a', message: message(seen) }
    }
    const first = queueDrawn(a.desk, 'card', 'card', draw(true))
    await vi.waitFor(() => expect(drawings).toBe(1), soon)
    fact = 'new'
    await queueDrawn(a.desk, 'card', 'card', draw(false))
    gate.resolve()
    await first
    await vi.waitFor(async () => expect((await a.channel.one('card'))?.message.title).toBe('new'), soon)
    const row = await store.get('incident-posts', 'card')
    expect(JSON.stringify(row?.document)).not.toContain('old')
  })
})
