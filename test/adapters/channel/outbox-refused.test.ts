import { expect, test } from 'vitest'
import type { Sent } from '../../../src/ports/surface.ts'
import { button, card, createScriptedSender, line, outboxWorld } from './outbox-kit.ts'

const refusal = (why: string): Sent => ({ at: 'refused', why, next: 'invite the bot' })

test('a refusal of what may have arrived before does not end the doubt, and the next try looks first', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  let tries = 0
  sender.fate = () => {
    tries++
    if (tries === 1)
      return { says: { at: 'later', ms: 1_000, scope: 'place', why: 'cut', arrived: 'unknown' }, arrives: true }
    return tries === 2 ? { says: refusal('not in channel') } : undefined
  }
  const { put } = await start([sender])
  await put('a', card('a'))
  await time.advance(5_000)
  expect(sender.sent).toHaveLength(2)
  await put('a', card('a, edited'))
  await time.advance(5_000)
  const since = '2026-01-01T00:00:00.000Z'
  expect(sender.sent.map(({ uncertainSince }) => uncertainSince)).toEqual([undefined, since, since])
  expect(sender.stands).toMatchObject([{ key: 'a', message: { title: 'a, edited' } }])
})

test('a merged message in doubt that is refused leaves each of its lines there once', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { rates: [{ count: 1, ms: 5_000 }] })
  let tries = 0
  sender.fate = ({ message }) => {
    if (!message.title.includes('updates')) return undefined
    tries++
    if (tries === 1)
      return { says: { at: 'later', ms: 1_000, scope: 'place', why: 'cut', arrived: 'unknown' }, arrives: true }
    return { says: refusal('too long') }
  }
  const { put } = await start([sender])
  for (let i = 0; i < 6; i++) await put(`l${i}`, line(`<line ${i}>`))
  await time.advance(120_000)
  const text = sender.stands.map(({ message }) => JSON.stringify(message)).join()
  for (let i = 0; i < 6; i++) expect([i, text.split(`<line ${i}>`).length - 1]).toEqual([i, 1])
})

test('what does not change is tried again about every minute, and at the least every five', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time, { ms: 0 })
  let invited = false
  sender.fate = () => (invited ? undefined : { says: refusal('not in channel') })
  const { put, outbox } = await start([sender])
  await put('a', card('a', { buttons: [button('release.approve')] }))
  await time.advance(3_600_000)
  const gaps = sender.sent.slice(1).map(({ at }, index) => at - (sender.sent[index]?.at ?? 0))
  expect(gaps.slice(0, 5).map((ms) => Math.round(ms / 1_000))).toEqual([60, 60, 120, 240, 300])
  expect(Math.max(...gaps)).toBeLessThanOrEqual(301_000)
  expect(await outbox.status('slack')).toMatchObject({ waiting: 0, refused: 1 })
  invited = true
  await time.advance(301_000)
  expect(sender.stands).toMatchObject([{ key: 'a', revision: 1 }])
  expect(await outbox.status('slack')).toEqual({ waiting: 0, refused: 0 })
})

test('one of each place and reason is tried, and when it goes through the others of its place follow at once', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  const shut = new Set(['C1', 'C2'])
  sender.fate = ({ place, key }) => {
    if (key === 'odd') return { says: refusal('too odd') }
    return shut.has(place) ? { says: refusal('not in channel') } : undefined
  }
  const { put, outbox } = await start([sender])
  await put('odd', card('odd'))
  await put('head', card('head'))
  for (let i = 0; i < 5; i++) await put(`c${i}`, card(`c${i}`))
  await put('reply', line('reply'), { thread: 'head' })
  await put('alert', card('alert'), { channel: '#alerts' })
  await time.advance(50_000)
  expect(sender.sent).toHaveLength(9)
  sender.sent.length = 0
  await time.advance(15_000)
  expect(sender.sent.map(({ key }) => key).sort()).toEqual(['alert', 'head', 'odd'])
  shut.delete('C1')
  await time.advance(65_000)
  expect(sender.stands.map(({ key }) => key).sort()).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'head', 'reply'])
  expect(sender.stands.find(({ key }) => key === 'reply')).toMatchObject({ under: 'C1/head' })
  expect(await outbox.status('slack')).toMatchObject({ waiting: 0, refused: 2 })
})

test('a new holder tries one of each place and reason at once', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = () => ({ says: refusal('not in channel') })
  const first = await start([sender])
  for (let i = 0; i < 5; i++) await first.put(`c${i}`, card(`c${i}`))
  await time.advance(1_000)
  first.kill()
  sender.sent.length = 0
  const second = await start([sender])
  await time.advance(10_000)
  expect(sender.sent).toHaveLength(1)
  second.kill()
  sender.fate = () => undefined
  await start([sender])
  await time.advance(2_000)
  expect(sender.stands).toHaveLength(5)
})

test.each<{ what: string; says: Sent; gap: number }>([
  { what: 'that it took', says: { at: 'sent', identity: 'x', messages: 5 }, gap: 60_000 },
  { what: 'before it was refused', says: { at: 'refused', why: 'odd', next: '', messages: 5 }, gap: 60_000 },
  { what: 'before it was refused, none', says: { at: 'refused', why: 'odd', next: '' }, gap: 0 },
  {
    what: 'before it stopped',
    says: { at: 'later', ms: 1_000, scope: 'place', why: 'limit', arrived: 'no', messages: 5 },
    gap: 60_000,
  },
  {
    what: 'before it stopped, and the one that may have arrived',
    says: { at: 'later', ms: 1_000, scope: 'place', why: 'cut', arrived: 'unknown', messages: 4 },
    gap: 60_000,
  },
])('the messages $what count in the rate, also after a restart', async ({ says, gap }) => {
  for (const restart of [false, true]) {
    const { time, start } = outboxWorld()
    const sender = createScriptedSender(time, { rates: [{ count: 5, ms: 60_000 }] })
    let first = true
    sender.fate = () => {
      if (!first) return undefined
      first = false
      return { says }
    }
    const one = await start([sender])
    await one.put('a', card('a'))
    await time.advance(1_000)
    if (restart) one.kill()
    const life = restart ? await start([sender]) : one
    await life.put('b', card('b'))
    await time.advance(130_000)
    const next = sender.sent[1]?.at ?? Number.POSITIVE_INFINITY
    if (gap === 0) expect(next).toBeLessThan(2_000)
    else expect([next >= gap, next < gap + 5_000]).toEqual([true, true])
  }
})

test('a head is tried before what stands under it, however lately it was refused', async () => {
  const { time, start } = outboxWorld()
  const sender = createScriptedSender(time)
  sender.fate = () => ({ says: refusal('not in channel') })
  const { put } = await start([sender])
  await put('head', card('head'))
  await put('reply', line('reply'), { thread: 'head' })
  await time.advance(5_000)
  await put('head', card('head, edited'))
  await time.advance(5_000)
  sender.fate = () => undefined
  await time.advance(60_000)
  expect(sender.stands).toMatchObject([{ key: 'head' }, { key: 'reply', under: 'C1/head' }])
})
