import { expect, test } from 'vitest'
import { Fault } from '../../../src/lib/fault.ts'
import { button, card, createScriptedSender, line, outboxWorld } from './outbox-kit.ts'

const away = new Fault('store.unavailable', { say: 'The store is away.', retry: true })

test('a message is sent once, in its place, and edited under what the surface knows it by', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  const { put, outbox } = await start([sender])
  await put('a', card('first'))
  await time.advance(100)
  await put('a', card('second'))
  await time.advance(100)
  expect(
    sender.sent.map(({ key, place, revision, identity, mark }) => ({ key, place, revision, identity, mark })),
  ).toEqual([
    { key: 'a', place: 'C1', revision: 1, identity: undefined, mark: undefined },
    { key: 'a', place: 'C1', revision: 2, identity: 'C1/a', mark: 'r1' },
  ])
  expect(sender.stands.map(({ message }) => message.title)).toEqual(['second'])
  expect(await outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('a channel that the surface does not show is none of its business', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time)
  const { put } = await start([sender])
  await put('a', card('x'), { channel: '#elsewhere' })
  await time.advance(100)
  expect([sender.sent, await store.find('outbox')]).toEqual([[], []])
})

test('every surface gets it, and one that is slow holds up no other', async () => {
  const { time, start } = outboxWorld()
  const slack = createScriptedSender(time)
  const wecom = createScriptedSender(time, { surface: 'wecom' })
  slack.fate = () => ({ ms: 60_000 })
  const { put } = await start([slack, wecom])
  for (const key of ['a', 'b', 'c']) await put(key, card(key))
  await time.advance(100)
  expect([slack.sent.length, wecom.stands.length]).toEqual([1, 3])
})

test('putting a message never waits for a surface, however long it is down', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = ({ key }) =>
    key === 'a' ? { ms: 3_600_000 } : { says: { at: 'later', ms: 0, scope: 'surface', why: 'down', arrived: 'no' } }
  const { put, outbox } = await start([sender])
  const before = time.steady()
  for (let i = 0; i < 500; i++) await put(i === 0 ? 'a' : `k${i}`, card(`${i}`))
  expect(time.steady()).toBe(before)
  expect(await outbox.status('slack')).toMatchObject({ waiting: 500, oldest: '2026-01-01T00:00:00.000Z' })
})

test('putting a message succeeds while the outbox cannot write its row, which is made up for', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time)
  const { put } = await start([sender])
  store.before = (_, key) => {
    if (key.startsWith('outbox/')) throw away
  }
  await put('a', card('x'))
  await time.advance(5_000)
  expect(sender.sent).toEqual([])
  store.before = () => {}
  await time.advance(2_000)
  expect(sender.stands.map(({ key }) => key)).toEqual(['a'])
})

test('approvals go before states, states before progress, progress before chatter, each oldest first', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 5, ms: 20_000 }] })
  const { put } = await start([sender])
  const approve = [button('release.approve')]
  for (const key of ['r1', 'r2', 'r3', 'r4', 'r5']) await put(key, card(key, { buttons: approve }))
  await time.advance(1_000)
  const shown = sender.sent.length
  expect(shown).toBe(5)
  await put('line', line('said'), { thread: 'r1' })
  await time.advance(1)
  await put('r1', card('r1', { buttons: approve, blocks: [{ type: 'text', text: 'half done' }] }))
  await time.advance(1)
  await put('r2', card('r2', { buttons: [] }))
  await time.advance(1)
  await put('new card', card('new card'))
  await time.advance(1)
  await put('offer', line('offer', { buttons: [button('release.rollback')] }), { thread: 'r1' })
  await put('asks', card('asks', { buttons: approve }))
  await time.advance(20_000)
  expect(sender.sent.slice(shown).map(({ key }) => key)).toEqual(['asks', 'r2', 'new card', 'offer', 'r1'])
  await time.advance(20_000)
  expect(sender.sent.at(-1)).toMatchObject({ key: 'line', thread: { key: 'r1', identity: 'C1/r1' } })
})

test('chatter waits for states, but not for ever', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 1, ms: 1_000 }] })
  const { put } = await start([sender])
  await put('card', card('card'))
  await time.advance(10)
  await put('line', line('said'), { thread: 'card' })
  let went = 0
  for (let i = 0; i < 120 && went === 0; i++) {
    await put(`c${i}`, card(`c${i}`))
    await put(`d${i}`, card(`d${i}`))
    await time.advance(1_000)
    if (sender.sent.some(({ key }) => key === 'line')) went = i
  }
  expect(went).toBeGreaterThan(30)
  expect(went).toBeLessThanOrEqual(121)
  expect(sender.sent.filter(({ key }) => key === 'line')).toHaveLength(1)
})

test('several edits that wait are one, the newest', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 1, ms: 1_000 }] })
  const { put } = await start([sender])
  for (let i = 1; i <= 20; i++) await put('a', card(`state ${i}`))
  await time.advance(10_000)
  expect(sender.stands).toMatchObject([{ revision: 20, message: { title: 'state 20' } }])
  expect(sender.sent.length).toBeLessThanOrEqual(2)
})

test('a message that was edited back to what is shown is not sent', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 1, ms: 1_000 }] })
  const { put, outbox } = await start([sender])
  await put('a', card('calm'))
  await time.advance(100)
  await put('a', card('alarm'))
  await put('a', card('calm'))
  await time.advance(10_000)
  expect(sender.sent).toHaveLength(1)
  expect(await outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
  expect((await store.get('outbox', 'slack/a'))?.document).toMatchObject({ wanted: 3, shown: { revision: 3 } })
})

test('what is edited while it is sent is sent again, as it is then', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 500 })
  const { put } = await start([sender])
  await put('a', card('one'))
  await time.advance(100)
  await put('a', card('two'))
  await put('a', card('one'))
  await time.advance(5_000)
  expect(sender.sent.map(({ message }) => message.title)).toEqual(['one'])
  await put('a', card('three'))
  await time.advance(100)
  await put('a', card('four'))
  await time.advance(5_000)
  expect(sender.sent.map(({ message }) => message.title)).toEqual(['one', 'three', 'four'])
  expect(sender.stands).toMatchObject([{ revision: 5 }])
})

test('a reply waits until its head is shown', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = ({ key }) =>
    key === 'head' && time.steady() < 5_000
      ? { says: { at: 'later', ms: 100, scope: 'place', why: 'slow down', arrived: 'no' } }
      : undefined
  const { put } = await start([sender])
  await put('head', card('head'))
  await put('reply', line('reply', { buttons: [button('release.approve')] }), { thread: 'head' })
  await time.advance(4_000)
  expect(sender.sent.filter(({ key }) => key === 'reply')).toEqual([])
  await time.advance(4_000)
  expect(sender.stands).toMatchObject([{ key: 'head' }, { key: 'reply', under: 'C1/head' }])
})

test('a reply to a head that is refused stands by itself and says where it belongs', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = ({ key }) => (key === 'head' ? { says: { at: 'refused', why: 'too odd', next: 'mend it' } } : undefined)
  const { put } = await start([sender])
  await put('head', card('the head'))
  await put('reply', line('reply'), { thread: 'head' })
  await time.advance(1_000)
  expect(sender.stands).toMatchObject([
    { key: 'reply', message: { title: 'reply', blocks: [{ type: 'text', text: 'Belongs under: the head' }] } },
  ])
  expect(sender.stands[0]).not.toHaveProperty('under')
})

test('what the surface refuses is counted, and tried again when it changes and at the next start', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  let odd = true
  sender.fate = () => (odd ? { says: { at: 'refused', why: 'not in channel', next: 'invite the bot' } } : undefined)
  const first = await start([sender])
  await first.put('a', card('one'))
  await time.advance(30_000)
  expect(sender.sent).toHaveLength(1)
  expect(await first.outbox.status('slack')).toEqual({
    waiting: 0,
    refused: 1,
    refusal: 'not in channel Next: invite the bot',
  })
  await first.put('a', card('two'))
  await time.advance(1_000)
  expect(sender.sent).toHaveLength(2)
  expect(await first.outbox.status('slack')).toMatchObject({ refused: 1 })
  first.kill()
  odd = false
  const second = await start([sender])
  await time.advance(1_000)
  expect(sender.stands).toMatchObject([{ key: 'a', revision: 2 }])
  expect(await second.outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('a place that has to wait holds up no other, and an outage of the surface is tried by one at a time', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = ({ place }) =>
    place === 'C1' ? { says: { at: 'later', ms: 30_000, scope: 'place', why: 'limit', arrived: 'no' } } : undefined
  const { put } = await start([sender])
  await put('a', card('a'))
  await put('b', card('b'), { channel: '#alerts' })
  await time.advance(1_000)
  await put('c', card('c'), { channel: '#alerts' })
  await time.advance(20_000)
  expect(sender.sent.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
  sender.fate = () => ({ says: { at: 'later', ms: 1_000, scope: 'surface', why: 'down', arrived: 'no' } })
  await put('d', card('d'), { channel: '#alerts' })
  await time.advance(60_000)
  const tries = sender.sent.slice(3).map(({ at }) => at)
  for (const [index, at] of tries.entries())
    if (index > 0) expect(at - (tries[index - 1] ?? 0)).toBeGreaterThanOrEqual(1_000)
  expect(new Set(sender.sent.slice(3).map(({ key }) => key))).toEqual(new Set(['a', 'd']))
  sender.fate = () => undefined
  await time.advance(5_000)
  expect(sender.stands.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c', 'd'])
})

test('where the surface names no time it is left alone for longer and longer, up to a minute, and never given up', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 0 })
  sender.fate = () => ({ says: { at: 'later', ms: 0, scope: 'surface', why: 'down', arrived: 'no' } })
  const { put } = await start([sender])
  await put('a', card('a'))
  await time.advance(3 * 3_600_000)
  const gaps = sender.sent.slice(1).map(({ at }, index) => at - (sender.sent[index]?.at ?? 0))
  expect(gaps.slice(0, 6)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000])
  expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000)
  expect(sender.sent.length).toBeGreaterThan(200)
  sender.fate = () => undefined
  await time.advance(60_000)
  expect(sender.stands).toHaveLength(1)
})

test('what may have arrived is sent again with the word that it may have, since when', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  let tries = 0
  sender.fate = () => {
    tries++
    if (tries === 1)
      return { says: { at: 'later', ms: 1_000, scope: 'place', why: 'cut', arrived: 'unknown' }, arrives: true }
    // It says that this one did not get there; the first one still may have.
    if (tries === 2) return { says: { at: 'later', ms: 1_000, scope: 'place', why: 'limit', arrived: 'no' } }
    return undefined
  }
  const { put } = await start([sender])
  await put('a', card('a'))
  await time.advance(10_000)
  const since = '2026-01-01T00:00:00.000Z'
  expect(sender.sent.map(({ uncertainSince }) => uncertainSince)).toEqual([undefined, since, since])
  expect(sender.stands).toHaveLength(1)
})

test('what surely did not arrive is sent again without doubt', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  let down = true
  sender.fate = () =>
    down ? { says: { at: 'later', ms: 10_000, scope: 'surface', why: 'down', arrived: 'no' } } : undefined
  const first = await start([sender])
  await first.put('a', card('a'))
  await time.advance(1_000)
  first.kill()
  down = false
  await start([sender])
  await time.advance(1_000)
  expect(sender.sent.map(({ uncertainSince }) => uncertainSince)).toEqual([undefined, undefined])
})

test('a sender that throws is one that may have sent', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = () => {
    sender.fate = () => undefined
    throw new Error('a defect')
  }
  const { put } = await start([sender])
  await put('a', card('a'))
  await time.advance(5_000)
  expect(sender.sent.map(({ uncertainSince }) => uncertainSince !== undefined)).toEqual([false, true])
})

test('the record of a send waits for the store, and nothing is sent twice for it', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 1_000 })
  const { put } = await start([sender])
  await put('a', card('a'))
  await time.advance(500)
  store.before = () => {
    throw away
  }
  await time.advance(60_000)
  store.before = () => {}
  await time.advance(10_000)
  expect(sender.sent).toHaveLength(1)
  expect((await store.get('outbox', 'slack/a'))?.document).toMatchObject({
    waiting: false,
    shown: { identity: 'C1/a' },
  })
})

test('a message that lost its process before it was noted is shown after the next start; one from before the surface is not', async () => {
  const { time, start } = outboxWorld()
  const before = await start([], {})
  await before.put('old', card('old'))
  before.kill()
  await time.advance(3_600_000)
  const sender = createScriptedSender(time)
  const first = await start([sender])
  await time.advance(1_000)
  const elsewhere = await start([], {})
  await elsewhere.put('head', card('head'))
  await elsewhere.put('reply', line('reply'), { thread: 'head' })
  first.kill()
  await start([sender])
  await time.advance(1_000)
  expect(sender.stands.map(({ key }) => key)).toEqual(['head', 'reply'])
})

test('a channel that is moved to another place is shown there anew, one that is shown no more waits for nothing', async () => {
  const { time, start } = outboxWorld()
  const places: Record<string, string> = { '#releases': 'C1', '#alerts': 'C2' }
  const sender = createScriptedSender(time, { places })
  const first = await start([sender])
  await first.put('a', card('one'))
  await time.advance(1_000)
  sender.fate = () => ({ says: { at: 'later', ms: 1_000, scope: 'surface', why: 'down', arrived: 'no' } })
  await first.put('a', card('two'))
  await first.put('b', card('b'), { channel: '#alerts' })
  first.kill()
  sender.fate = () => undefined
  places['#releases'] = 'C9'
  delete places['#alerts']
  const second = await start([sender])
  await time.advance(5_000)
  expect(sender.stands).toMatchObject([
    { key: 'a', place: 'C1', revision: 1 },
    { key: 'a', place: 'C9', revision: 2 },
  ])
  expect(await second.outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('closing lets a running send end, begins no other, and waits no longer than it is told', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 1_000 })
  const { put, outbox } = await start([sender])
  await put('a', card('a'))
  await put('b', card('b'))
  await time.advance(100)
  let closed = false
  const closing = outbox.close(5_000).then(() => {
    closed = true
  })
  await time.advance(500)
  expect(closed).toBe(false)
  await time.advance(2_000)
  await closing
  expect(sender.sent.map(({ key }) => key)).toEqual(['a'])
  expect((await store.get('outbox', 'slack/a'))?.document).toMatchObject({ waiting: false })

  const slow = createScriptedSender(time, { surface: 'wecom', ms: 600_000 })
  const second = await start([slow])
  await second.put('c', card('c'))
  await time.advance(100)
  const hasty = second.outbox.close(2_000)
  await time.advance(2_100)
  await hasty
})

test('idle resolves when all that can be sent is sent', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 3, ms: 60_000 }], ms: 100 })
  const { put, outbox } = await start([sender])
  await outbox.idle()
  for (let i = 0; i < 5; i++) await put(`k${i}`, card(`${i}`))
  let idle = false
  void outbox.idle().then(() => {
    idle = true
  })
  await time.advance(250)
  expect([idle, sender.sent.length]).toEqual([false, 3])
  await time.advance(100)
  expect([idle, sender.sent.length]).toEqual([true, 3])
})

test.each([
  { of: undefined, what: 'messages' },
  { of: 'new' as const, what: 'new messages, of which edits are counted apart,' },
])('thousands of $what that wait do not make noting another slow', async ({ of }) => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 1, ms: 3_600_000, of }] })
  const { put, outbox } = await start([sender])
  await put('first', card('first'))
  await time.advance(1_000)
  for (let i = 0; i < 4_000; i++) await put(`k${i}`, card(`${i}`))
  const before = performance.now()
  for (let i = 0; i < 200; i++) await put(`late ${i}`, card(`${i}`))
  expect((performance.now() - before) / 200).toBeLessThan(5)
  expect(await outbox.status('slack')).toMatchObject({ waiting: 4_200 })
})
