import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readPost } from '../../../src/adapters/channel/outbox-row.ts'
import { Fault } from '../../../src/lib/fault.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Rate } from '../../../src/ports/surface.ts'
import { button, card, createScriptedSender, type Fate, type Life, line, outboxWorld } from './outbox-kit.ts'

const away = new Fault('store.unavailable', { say: 'The store is away.', retry: true })
const together: Rate[] = [
  { count: 2, ms: 4_000 },
  { count: 20, ms: 60_000 },
]
const apart: Rate[] = [
  { count: 2, ms: 4_000, of: 'new' },
  { count: 3, ms: 5_000, of: 'edit' },
  { count: 8, ms: 60_000, of: 'edit' },
  { count: 20, ms: 60_000 },
]

/** Heads a to c, replies a0 to c4, and lines at top level. */
const keys = ['a', 'b', 'c', 'a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'b3', 'c0', 'l0', 'l1', 'l2', 'l3', 'l4'] as const
const words = ['calm', 'alarm', 'over'] as const

/** Every revision's words differ from all others, but for going back to the words before. */
function drawn(key: string, word: string): Message {
  const title = `<${key} ${word}>`
  if (key.length === 1) return card(title, { buttons: word === 'alarm' ? [button('release.approve')] : [] })
  return line(title)
}

const fates: Fate[] = [
  { says: { at: 'later', ms: 0, scope: 'place', why: 'limit', arrived: 'no' } },
  { says: { at: 'later', ms: 3_000, scope: 'surface', why: 'down', arrived: 'no' } },
  { says: { at: 'later', ms: 500, scope: 'place', why: 'cut', arrived: 'unknown' } },
  { says: { at: 'later', ms: 500, scope: 'surface', why: 'cut', arrived: 'unknown' }, arrives: true },
  { ms: 4_000 },
]

const put = fc.record({
  do: fc.constant('put' as const),
  key: fc.constantFrom(...keys),
  word: fc.constantFrom(...words),
})
const event = fc.oneof(
  { weight: 8, arbitrary: put },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('burst' as const), keys: fc.shuffledSubarray([...keys]) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 5_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fates' as const),
      fates: fc.array(fc.nat(fates.length - 1), { maxLength: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('killAtWrite' as const),
      count: fc.integer({ min: 1, max: 12 }),
      after: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('storeFails' as const), calls: fc.integer({ min: 1, max: 10 }) }),
  },
)
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never

async function play(events: Event[], exclusive: boolean, rates: Rate[]) {
  const { store, time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates, ms: 30 })
  let pending: Fate[] = []
  sender.fate = () => pending.shift()
  let life: Life | undefined
  let kill: { left: number; after: boolean } | undefined
  let failing = 0

  const writes = new Set(['insert', 'put', 'append'])
  const count = (call: string) => {
    if (kill === undefined || !writes.has(call) || --kill.left > 0) return false
    kill = undefined
    life?.kill()
    life = undefined
    return true
  }
  store.before = (call) => {
    if (failing > 0 && failing--) throw away
    if (kill?.after === false && count(call)) throw away
  }
  store.after = (call) => {
    if (kill?.after === true && count(call)) throw away
  }
  const living = async () => {
    if (life === undefined) {
      const born = await start([sender], { exclusive, opened: false })
      life = born
      // It may be killed while it opens.
      void born.outbox.open().catch(() => {})
      await time.settle()
      return born
    }
    return life
  }
  const say = async (key: string, word: string): Promise<void> => {
    const head = /^[abc]\d$/.test(key) ? (key[0] as string) : undefined
    // Whoever answers in a thread has put its head before, however often it was killed.
    for (let tries = 0; head !== undefined && tries < 20; tries++) {
      const found = (await living()).channel.one(head).catch(() => undefined)
      if ((await Promise.race([found, time.settle()])) !== undefined) break
      await say(head, 'calm')
    }
    const thread = /^[abc]\d$/.test(key) ? { thread: key[0] } : {}
    // A process that is killed never answers; a store that is away is the caller's matter.
    const putting = (await living()).put(key, drawn(key, word), thread).catch(() => {})
    await Promise.race([putting, time.settle()])
  }

  await living()
  for (const each of events) {
    if (each.do === 'put') await say(each.key, each.word)
    else if (each.do === 'burst') for (const key of each.keys) await say(key, 'burst')
    else if (each.do === 'pass') await time.advance(each.ms)
    else if (each.do === 'fates') pending = each.fates.map((index) => fates[index] as Fate)
    else if (each.do === 'killAtWrite') kill = { left: each.count, after: each.after }
    else if (each.do === 'storeFails') failing = each.calls
    else {
      life?.kill()
      life = undefined
    }
  }
  kill = undefined
  failing = 0
  pending = []
  life?.kill()
  life = undefined
  const last = await living()
  await time.advance(300_000)
  return { store, sender, last, rates }
}

async function check({ store, sender, last, rates }: Awaited<ReturnType<typeof play>>) {
  expect(await last.outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
  const text = sender.stands.map(({ message }) => JSON.stringify(message))
  for (const key of keys) {
    const post = await readPost(store, key)
    // A process that died before the message got its place in the channel owes it to nobody; its caller puts it again.
    if (post === undefined || (await last.channel.one(key)) === undefined) continue
    const times = text.filter((each) => each.includes(post.message.title)).length
    expect([key, post.message.title, times]).toEqual([key, post.message.title, 1])
  }
  const stood = sender.stands.map(({ key }) => key)
  expect(stood.length).toBe(new Set(stood).size)
  for (const { key, under, message } of sender.stands) {
    if (!/^[abc]\d$/.test(key) || message.title.includes('updates')) continue
    expect(under).toBe(`C1/${key[0]}`)
    expect(stood.indexOf(key[0] as string)).toBeLessThan(stood.indexOf(key))
  }
  expect(sender.atOnce).toBeLessThanOrEqual(1)
  const sent = sender.sent.filter(({ counts }) => counts)
  for (const { count, ms, of } of rates) {
    const fits = (edit: boolean) => of === undefined || (of === 'edit') === edit
    const at = sent.filter(({ identity }) => fits(identity !== undefined)).map((each) => each.at)
    for (const each of at)
      expect(at.filter((other) => other > each - ms && other <= each).length).toBeLessThanOrEqual(count)
  }
}

test('whatever is put, fails, is killed at any write or restarted: all is shown once at its newest, heads first, within the rates', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 40 }),
      fc.boolean(),
      fc.constantFrom(together, apart),
      async (events, exclusive, rates) => check(await play(events, exclusive, rates)),
    ),
    { numRuns: 150 },
  )
}, 60_000)
