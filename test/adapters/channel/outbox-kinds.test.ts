import { expect, test } from 'vitest'
import { slackSchema } from '../../../src/adapters/slack/config.ts'
import { createSlack } from '../../../src/adapters/slack/index.ts'
import { createLog } from '../../../src/lib/log.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'
import { button, card, createScriptedSender, line, outboxWorld, type ScriptedSender } from './outbox-kit.ts'

/** Those of the sender itself. */
const { rates } = createSlack({
  config: slackSchema.parse({ mode: 'http', channels: { '#releases': 'C0RELEASES' } }),
  botToken: 'xoxb-test',
  signingSecret: 'secret',
  reception: () => {
    throw new Error('nobody asks')
  },
  pictures: async () => undefined,
  mention: () => undefined,
  store: createMemoryStore(),
  log: createLog({ level: 'silent', env: {}, terminal: false, stream: { write: () => {} } }),
  clock: () => new Date(),
  language: 'en',
})
const edits = (sender: ScriptedSender) => sender.sent.filter(({ identity }) => identity !== undefined)
const posts = (sender: ScriptedSender) => sender.sent.filter(({ identity }) => identity === undefined)
/** When the words of a line first stood somewhere. */
const shownAt = (sender: ScriptedSender, words: string) =>
  sender.sent.find(({ message }) => JSON.stringify(message).includes(words))?.at ?? Number.POSITIVE_INFINITY

test.each([
  { what: 'states', more: (step: number) => card(`step ${step}`) },
  { what: 'progress', more: (step: number) => card('rolling out', { blocks: [{ type: 'text', text: `${step} %` }] }) },
])('a card whose $what change ten times a second keeps no line of its thread back', async ({ more }) => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [...rates] })
  const { put } = await start([sender])
  await put('card', more(0))
  await time.advance(1_000)
  const begun = time.steady()
  const putAt = new Map<string, number>()
  for (let step = 1; step <= 50; step++) {
    await put('card', more(step))
    if (step % 15 === 5) {
      await put(`line ${step}`, line(`line ${step}`), { thread: 'card' })
      putAt.set(`line ${step}`, time.steady())
    }
    await time.advance(100)
  }
  const waited = [...putAt].map(([words, at]) => shownAt(sender, words) - at)
  expect(waited).toHaveLength(4)
  for (const ms of waited) expect(ms).toBeLessThanOrEqual(2_000)
  // The card itself moves on all the while.
  expect(edits(sender).filter(({ at }) => at >= begun).length).toBeGreaterThanOrEqual(8)
})

test('a thread that is talked in without end keeps no edit of its card back', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [...rates] })
  const { put } = await start([sender])
  await put('card', card('step 0'))
  await time.advance(1_000)
  for (let step = 1; step <= 40; step++) {
    await put(`line ${step}`, line(`line ${step}`), { thread: 'card' })
    if (step % 10 === 5) {
      await put('card', card(`step ${step}`))
      const at = time.steady()
      await time.advance(100)
      expect(shownAt(sender, `step ${step}`) - at).toBeLessThanOrEqual(50)
    } else await time.advance(100)
  }
})

test('neither new messages nor edits go beyond their own windows, also after a restart', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [...rates] })
  for (let round = 0; round < 3; round++) {
    const life = await start([sender])
    await life.put('card', card('step 0'))
    for (let step = 1; step <= 300; step++) {
      await life.put('card', card(`step ${round} ${step}`))
      if (step % 4 === 0) await life.put(`line ${round} ${step}`, card(`line ${round} ${step}`), { thread: 'card' })
      await time.advance(100)
    }
    life.kill()
  }
  for (const { count, ms, of } of rates) {
    const at = (of === 'edit' ? edits(sender) : posts(sender)).map((each) => each.at)
    const most = Math.max(...at.map((each) => at.filter((other) => other > each - ms && other <= each).length))
    expect([of, ms, most]).toEqual([of, ms, count])
  }
})

test('progress leaves a part of the edits to states, so that a card closes at once', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [...rates] })
  const { put } = await start([sender])
  const step = (percent: number) =>
    card('rolling out', { blocks: [{ type: 'text', text: `${percent} %` }], buttons: [button('release.pause')] })
  for (let percent = 0; percent < 400; percent++) {
    await put('card', step(percent))
    await time.advance(100)
  }
  await put('card', card('done'))
  const at = time.steady()
  await time.advance(2_000)
  expect(shownAt(sender, 'done') - at).toBeLessThanOrEqual(1_000)
})

test('what was sent before edits were told apart counts as either', async () => {
  const { store, time, start } = outboxWorld()
  const sender = createScriptedSender(time, {
    rates: [
      { count: 1, ms: 60_000, of: 'new' },
      { count: 2, ms: 60_000, of: 'edit' },
    ],
  })
  await store.append('outbox-sends/slack/C1', { key: 'x', at: time.wall().toISOString() })
  const { put } = await start([sender])
  await put('card', card('first'))
  await time.advance(59_000)
  expect(sender.sent).toEqual([])
  await time.advance(2_000)
  expect(sender.sent).toHaveLength(1)
})

test('what the surface was not asked for uses up no window', async () => {
  const { time, start, store } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 2, ms: 3_600_000 }] })
  sender.fate = ({ key }) =>
    key.startsWith('free') ? { says: { at: 'sent', identity: key, mark: 'm', free: true } } : undefined
  const first = await start([sender])
  for (let i = 0; i < 5; i++) await first.put(`free ${i}`, card(`free ${i}`))
  await time.advance(1_000)
  expect(sender.sent).toHaveLength(5)
  expect((await store.get('outbox', 'slack/free 4'))?.document).toMatchObject({
    waiting: false,
    shown: { identity: 'free 4', mark: 'm', revision: 1 },
  })
  expect(await store.read('outbox-sends/slack/C1')).toEqual([])
  first.kill()
  const { put } = await start([sender])
  for (const key of ['a', 'b', 'c']) await put(key, card(key))
  await time.advance(10_000)
  expect(sender.sent.slice(5).map(({ key }) => key)).toEqual(['a', 'b'])
})

test('an answer for which the surface was not asked ends no outage', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 0 })
  let turn = 0
  sender.fate = () =>
    turn++ % 2 === 0
      ? { says: { at: 'later', ms: 0, scope: 'surface', why: 'down', arrived: 'no' } }
      : { says: { at: 'sent', identity: turn, free: true } }
  const { put } = await start([sender])
  for (let i = 0; i < 6; i++) await put(`k${i}`, card(`${i}`))
  await time.advance(20_000)
  const asked = sender.sent.filter((_, index) => index % 2 === 0).map(({ at }) => at)
  expect(asked.slice(0, 5)).toEqual([0, 1_000, 3_000, 7_000, 15_000])
})

test.each([
  { what: 'an edit', edited: true, next: ['new'] },
  { what: 'a new message', edited: false, next: ['edit'] },
])('$what during which the process died counts as what it was', async ({ edited, next }) => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, {
    rates: [
      { count: 1, ms: 60_000, of: 'new' },
      { count: 1, ms: 60_000, of: 'edit' },
    ],
  })
  sender.refuseLookup = true
  const first = await start([sender])
  await first.put('card', card('one'))
  await time.advance(120_000)
  await first.put(edited ? 'card' : 'new', card('dies while it is sent'))
  await time.advance(10)
  first.kill()
  sender.sent.length = 0
  const second = await start([sender])
  await time.advance(1_000)
  second.kill()
  const { put } = await start([sender])
  await put('card', card('two'))
  await put('another', card('another'))
  await time.advance(30_000)
  expect(sender.sent.map(({ identity }) => (identity === undefined ? 'new' : 'edit'))).toEqual(next)
  await time.advance(120_000)
  expect(sender.stands.at(-1)?.message.title).toBe('another')
})
