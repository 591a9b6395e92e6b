import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { owedPosts, queuePost, type Rank } from '../../src/incident/pace.ts'
import type { Post } from '../../src/ports/chat.ts'
import { incidentParts, type TestDesk, testDesk } from '../fakes/desk.ts'
import { settled } from './thread-kit.ts'

let t: TestDesk
afterEach(() => t.close())

interface Sent {
  key: string
  channel: string
  title: string
  at: number
}
const start = async (everyMs: number, folder?: string) => {
  t = await testDesk({ folder, incident: { ...incidentParts(), postEveryMs: everyMs } })
  const sent: Sent[] = []
  const { put } = t.chat
  t.chat.put = async (post: Post) => {
    sent.push({ key: post.key, channel: post.channel, title: post.message.title, at: performance.now() })
    await put(post)
  }
  return sent
}
const queue = (key: string, rank: Rank, { channel = '#a', title = key }: { channel?: string; title?: string } = {}) =>
  queuePost(t.desk, { key, channel, message: { title, tone: 'plain', blocks: [], buttons: [] } }, rank)
const keys = (sent: Sent[]) => sent.map(({ key }) => key)

describe('posts of incidents', () => {
  test('go out at most one in the interval and channel; channels do not wait for each other', async () => {
    const sent = await start(100)
    for (let n = 0; n < 5; n++) for (const channel of ['#a', '#b']) await queue(`${channel}${n}`, 'card', { channel })
    await settled(t)
    expect(sent).toHaveLength(10)
    for (const channel of ['#a', '#b']) {
      const times = sent.filter((each) => each.channel === channel).map(({ at }) => at)
      for (const [i, at] of times.entries()) if (i > 0) expect(at - (times[i - 1] ?? 0)).toBeGreaterThan(95)
    }
    const all = sent.map(({ at }) => at)
    expect(Math.max(...all) - Math.min(...all)).toBeLessThan(800)
  })

  test('new cards come before lines, lines before edits, edits before what can wait', async () => {
    const sent = await start(400)
    await queue('first', 'edit')
    await vi.waitFor(() => expect(sent).toHaveLength(1))
    await queue('reminder', 'reminder')
    await queue('edit', 'edit')
    await queue('line', 'line')
    await queue('card', 'card')
    await settled(t)
    expect(keys(sent)).toEqual(['first', 'card', 'line', 'edit', 'reminder'])
  })

  test('edits of one message that wait become one, with the newest words, and it keeps its place', async () => {
    const sent = await start(900)
    await queue('first', 'card')
    await vi.waitFor(() => expect(sent).toHaveLength(1))
    await queue('card', 'card', { title: 'as it was' })
    await queue('other', 'card')
    for (let n = 1; n <= 5; n++) await queue('card', 'edit', { title: `edit ${n}` })
    await settled(t)
    expect(sent.slice(1).map(({ title }) => title)).toEqual(['edit 5', 'other'])
  })

  test('an edit that comes while the message is being sent goes out as well', async () => {
    const sent = await start(20)
    const gate = Promise.withResolvers<void>()
    const { put } = t.chat
    t.chat.put = async (post) => {
      await put(post)
      await gate.promise
    }
    await queue('card', 'card', { title: 'one' })
    await vi.waitFor(() => expect(sent).toHaveLength(1))
    await queue('card', 'edit', { title: 'two' })
    gate.resolve()
    await settled(t)
    expect(sent.map(({ title }) => title)).toEqual(['one', 'two'])
  })

  test('what a process still owed when it ended goes out after the next start, once and in order', async () => {
    const before = await start(10_000)
    await queue('gone', 'card')
    await vi.waitFor(() => expect(before).toHaveLength(1))
    await queue('edit', 'edit')
    await queue('card', 'card')
    expect(owedPosts(t.desk)).toBe(2)
    const { folder } = t
    await t.close('keep')
    const after = await start(20, folder)
    // Whoever queues something sets the rest going; so does followReleases at the start.
    await queue('new', 'reminder')
    await settled(t)
    expect(keys(before)).toEqual(['gone'])
    expect(keys(after)).toEqual(['card', 'edit', 'new'])
  })

  test('a store that is away for a moment delays a post and loses none', async () => {
    const sent = await start(20)
    const { get } = t.desk.store
    await queue('one', 'card')
    await settled(t)
    let away = true
    await queue('two', 'card')
    t.desk.store.get = async (collection, id) => {
      if (away && collection === 'incident-posts') throw new Error('away')
      return get(collection, id)
    }
    await delay(60)
    away = false
    await settled(t)
    expect(keys(sent)).toEqual(['one', 'two'])
  })
})
