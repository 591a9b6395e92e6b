import { expect, test } from 'vitest'
import { card, createScriptedSender, outboxWorld } from './outbox-kit.ts'

const shared = { exclusive: false }
const down = { says: { at: 'later', ms: 0, scope: 'surface', why: 'down', arrived: 'no' } } as const

test('one that cannot reach the surface gives it to another process after half a minute, and nothing is there twice', async () => {
  const { time, start } = outboxWorld()
  const [one, two] = [createScriptedSender(time), createScriptedSender(time)]
  const first = await start([one], shared)
  await time.advance(1_000)
  await start([two], shared)
  await first.put('before', card('before'))
  await time.advance(1_000)
  one.fate = () => down
  await first.put('a', card('a'))
  await time.advance(29_000)
  expect(two.sent).toEqual([])
  await time.advance(30_000)
  expect(two.stands.map(({ key }) => key)).toEqual(['a'])
  // The other one's surface works, so that it keeps it.
  await time.advance(300_000)
  await first.put('b', card('b'))
  await time.advance(5_000)
  expect([one.stands, two.stands].map((all) => all.map(({ key }) => key))).toEqual([['before'], ['a', 'b']])
})

test('one that is alone, or the only process, goes on trying', async () => {
  for (const options of [shared, { exclusive: true }]) {
    const { time, start, store } = outboxWorld()
    const sender = createScriptedSender(time)
    sender.fate = () => down
    const { put } = await start([sender], options)
    await time.advance(1_000)
    await put('a', card('a'))
    await time.advance(200_000)
    const fence = (await store.get('leads', 'outbox/slack'))?.document
    if (!options.exclusive) expect(fence).toMatchObject({ fence: 1 })
    sender.fate = () => undefined
    await time.advance(60_000)
    expect(sender.stands).toHaveLength(1)
  }
})

test('two that cannot reach the surface take turns, and the first that can sends', async () => {
  const { time, start } = outboxWorld()
  const [one, two] = [createScriptedSender(time), createScriptedSender(time)]
  one.fate = () => down
  two.fate = () => down
  const first = await start([one], shared)
  await time.advance(1_000)
  await start([two], shared)
  await first.put('a', card('a'))
  await time.advance(600_000)
  expect(Math.min(one.sent.length, two.sent.length)).toBeGreaterThan(5)
  one.fate = () => undefined
  await time.advance(180_000)
  expect([one.stands.length, two.stands.length]).toEqual([1, 0])
})
