import { expect, test } from 'vitest'
import { bundle, fitting } from '../../../src/adapters/channel/outbox-coalesce.ts'
import { translateMessage } from '../../../src/lib/catalogue/message.ts'
import type { Message } from '../../../src/ports/chat.ts'
import { button, card, createScriptedSender, line, outboxWorld, type ScriptedSender } from './outbox-kit.ts'

/** As Slack takes them. */
const slow = [{ count: 1, ms: 1_000 }]
const words = (message: Message) => JSON.stringify(message)
/** The keys whose words stand somewhere. */
const visible = (sender: ScriptedSender, titles: string[]) =>
  titles.filter((title) => sender.stands.some(({ message }) => words(message).includes(title)))
const range = (count: number, name = 'line') => Array.from({ length: count }, (_, i) => `${name} <${i}>`)

async function stormed(count: number, options: { more?: Partial<Message>; rates?: typeof slow } = {}) {
  const world = outboxWorld()
  const sender = createScriptedSender(world.time, { rates: options.rates ?? slow })
  const life = await world.start([sender])
  await life.put('head', card('head'))
  await world.time.advance(2_000)
  const titles = range(count)
  for (const title of titles) {
    await life.put(title, line(title, options.more), { thread: 'head' })
    await world.time.advance(1)
  }
  return { ...world, ...life, sender, titles }
}

test('as many lines as the place takes in ten seconds go one by one', async () => {
  const { time, sender, titles } = await stormed(10)
  await time.advance(20_000)
  expect(sender.stands.slice(1).map(({ message }) => message.title)).toEqual(titles)
})

test('more lines than that become one message under the key of the first, with every line in it', async () => {
  const { time, sender, titles, store, outbox } = await stormed(60)
  await time.advance(20_000)
  const [, first, second] = sender.stands
  expect(sender.stands.length).toBeLessThanOrEqual(4)
  expect(first).toMatchObject({ key: titles[0], under: 'C1/head' })
  expect(second?.message.title).toMatch(/^\d\d updates$/)
  expect(visible(sender, titles)).toEqual(titles)
  expect((await store.get('outbox', `slack/${titles[40]}`))?.document).toMatchObject({
    waiting: false,
    mergedInto: titles[1],
  })
  expect(await outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('approvals, cards and lines with buttons or pictures are never merged', async () => {
  const { time, sender, titles, put } = await stormed(40)
  await put('asks', line('asks', { buttons: [button('release.approve')] }), { thread: 'head' })
  await put('card', card('a card'))
  await put('offer', line('offer', { buttons: [button('release.rollback')] }), { thread: 'head' })
  const picture = { type: 'picture' as const, id: 'p', alt: 'a chart', width: 10, height: 10 }
  await put('chart', line('chart', { blocks: [picture] }), { thread: 'head' })
  await time.advance(60_000)
  for (const key of ['asks', 'card', 'offer', 'chart']) {
    expect(sender.stands.find((each) => each.key === key)?.message.title).not.toMatch(/updates/)
  }
  expect(visible(sender, titles)).toEqual(titles)
})

test('a line that is edited after it was merged is posted by itself; the first one is edited where it stands', async () => {
  const { time, sender, titles, put } = await stormed(30)
  await time.advance(20_000)
  const posts = sender.stands.length
  await put('line <20>', line('line <20>, changed'), { thread: 'head' })
  await time.advance(20_000)
  expect(sender.stands).toHaveLength(posts + 1)
  expect(sender.stands.at(-1)).toMatchObject({
    key: 'line <20>',
    message: { title: 'line <20>, changed' },
    under: 'C1/head',
  })
  const leader = sender.stands.find(({ message }) => message.title.endsWith(' updates'))
  await put(leader?.key ?? '', line('the first, changed'), { thread: 'head' })
  await time.advance(20_000)
  expect(sender.stands).toHaveLength(posts + 1)
  expect(words(leader?.message as Message)).toContain('the first, changed')
  expect(
    visible(
      sender,
      titles.filter((title) => title !== leader?.key),
    ),
  ).toHaveLength(titles.length - 1)
})

test('a reply to a line that was merged stands under the message in which that line is', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: slow })
  const { put } = await start([sender])
  for (const title of range(40)) await put(title, line(title))
  await time.advance(20_000)
  const leader = sender.stands.find(({ message }) => message.title.endsWith(' updates'))
  await put('reply', line('reply'), { thread: 'line <30>' })
  await time.advance(20_000)
  expect(sender.stands.at(-1)).toMatchObject({ key: 'reply', under: `C1/${leader?.key}` })
})

test('lines under different heads, and in different places, are not mixed', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: slow })
  const { put } = await start([sender])
  for (const head of ['x', 'y']) {
    await put(head, card(head))
    for (const title of range(30, head)) await put(title, line(title), { thread: head })
  }
  await time.advance(60_000)
  for (const head of ['x', 'y']) {
    const under = sender.stands.filter((each) => each.under === `C1/${head}`)
    const own = range(30, head)
    expect(own.filter((title) => under.some(({ message }) => words(message).includes(title)))).toEqual(own)
    expect(words(under.map(({ message }) => message) as unknown as Message)).not.toContain(
      `${head === 'x' ? 'y' : 'x'} <`,
    )
  }
})

test('a merged message that is refused goes out line by line', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: slow })
  sender.fate = ({ message }) =>
    message.title.endsWith(' updates') ? { says: { at: 'refused', why: 'too long', next: '' } } : undefined
  const { put, outbox } = await start([sender])
  for (const title of range(25)) await put(title, line(title))
  await time.advance(60_000)
  expect(sender.stands.map(({ message }) => message.title).sort()).toEqual(range(25).sort())
  expect(await outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('what has waited for more than a day goes out together, however fast the place is', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = () => ({ says: { at: 'later', ms: 60_000, scope: 'surface', why: 'down', arrived: 'no' } })
  const { put } = await start([sender])
  await put('head', card('head'))
  for (const title of range(5)) await put(title, line(title), { thread: 'head' })
  await time.advance(25 * 3_600_000)
  for (const title of range(3, 'new')) await put(title, line(title), { thread: 'head' })
  sender.fate = () => undefined
  await time.advance(120_000)
  expect(sender.stands.map(({ message }) => message.title)).toEqual([
    'head',
    '5 updates',
    'new <0>',
    'new <1>',
    'new <2>',
  ])
})

test('a process that dies after a merged message was sent shows none of its lines a second time', async () => {
  for (const writes of [1, 2, 5, 20]) {
    const { store, time, start } = outboxWorld()
    const sender = createScriptedSender(time, { rates: slow })
    const first = await start([sender])
    await first.put('head', card('head'))
    await time.advance(2_000)
    for (const title of range(30)) await first.put(title, line(title), { thread: 'head' })
    // Killed so many writes after the first merged message was sent.
    let left = writes
    store.after = (call) => {
      if (!sender.sent.some(({ message }) => message.title.endsWith(' updates'))) return
      if ((call === 'put' || call === 'append') && --left === 0) first.kill()
    }
    await time.advance(5_000)
    store.after = () => {}
    await start([sender])
    await time.advance(60_000)
    const all = sender.stands.flatMap(({ message }) =>
      [...words(message).matchAll(/line <\d+>/g)].map(([title]) => title),
    )
    expect(all.toSorted()).toEqual(range(30).toSorted())
  }
})

test('while nobody knows whether a merged message arrived its lines are not sent by themselves, nor loses one its buttons', async () => {
  const { time, sender, titles, put } = await stormed(30)
  let doubts = 0
  sender.fate = ({ message }) =>
    message.title.endsWith(' updates') && doubts++ < 3
      ? { says: { at: 'later', ms: 2_000, scope: 'place', why: 'cut', arrived: 'unknown' }, arrives: true }
      : undefined
  await time.advance(1_500)
  await put('line <20>', line('line <20>', { buttons: [button('release.rollback')] }), { thread: 'head' })
  await put('line <21>', line('line <21>, changed'), { thread: 'head' })
  for (let passed = 0; passed < 30_000; passed += 100) {
    await time.advance(100)
    const seen = words(sender.stands.map(({ message }) => message) as unknown as Message)
    for (const title of titles) expect(seen.split(title).length - 1).toBeLessThanOrEqual(1)
  }
  expect(doubts).toBeGreaterThan(3)
  expect(visible(sender, titles)).toEqual(titles)
  expect(visible(sender, ['line <21>, changed'])).toHaveLength(1)
  const own = sender.stands.filter(({ key }) => key === 'line <20>')
  expect(own).toMatchObject([{ message: { title: 'line <20>', buttons: [{ action: 'release.rollback' }] } }])
  const all = sender.stands.flatMap(({ message }) =>
    [...words(message).matchAll(/line <\d+>/g)].map(([title]) => title),
  )
  expect(all.toSorted()).toEqual(titles.toSorted())
})

test('a merged message keeps within its bounds, and what does not fit goes into the next', () => {
  const long = 'x'.repeat(1_500)
  const posts = range(20).map((title, number) => ({
    ...{ key: title, channel: '#releases', revision: 1, number, changedAt: '' },
    message: line(title, { blocks: [{ type: 'text', text: long }] }),
  }))
  const taken = fitting(posts)
  expect(taken.length).toBeGreaterThan(2)
  expect(taken.length).toBeLessThan(7)
  expect(words(bundle(taken.map(({ message }) => message))).length).toBeLessThan(10_000)
  expect(fitting(posts.slice(0, 1))).toHaveLength(1)
})

test('a merged message has the worst tone of its lines, their blocks below their titles, and a title in both languages', () => {
  const merged = bundle([
    line('one'),
    line('two', { tone: 'bad', blocks: [{ type: 'code', text: 'exit 3' }] }),
    line('three', { tone: 'good' }),
  ])
  expect(merged).toEqual({
    title: '3 updates',
    tone: 'bad',
    blocks: [
      { type: 'text', text: 'one\ntwo' },
      { type: 'code', text: 'exit 3' },
      { type: 'text', text: 'three' },
    ],
    buttons: [],
  })
  expect(translateMessage(merged, 'zh').title).toBe('3 条更新')
})
