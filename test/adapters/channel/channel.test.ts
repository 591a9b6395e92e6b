import { describe, expect, test } from 'vitest'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Store } from '../../../src/ports/store.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

const channel = '#releases'
const message = (title: string): Message => ({ title, tone: 'info', blocks: [], buttons: [] })

function open(store: Store = createMemoryStore()) {
  const shown: string[] = []
  let now = Date.parse('2026-01-01T00:00:00Z')
  const log = createChannel({
    store,
    clock: () => {
      now += 1000
      return new Date(now)
    },
    surfaces: [{ surface: 'test', show: async (key) => void shown.push(key) }],
  })
  const titles = async (where: { thread?: string; before?: number; limit?: number } = {}) =>
    (await log.page({ channel, limit: 50, ...where })).posts.map((post) => post.message.title)
  return { log, shown, titles, store }
}

describe('the record of a channel', () => {
  test('keeps posts in the order in which they first came, whatever is edited later', async () => {
    const { log, titles, shown } = open()
    for (const key of ['a', 'b', 'c']) await log.put({ key, channel, message: message(key) })
    await log.put({ key: 'a', channel, message: message('a, edited') })
    expect(await titles()).toEqual(['a, edited', 'b', 'c'])
    expect(await log.one('a')).toMatchObject({ number: 0, revision: 2, editedAt: '2026-01-01T00:00:04.000Z' })
    expect(await log.one('b')).not.toHaveProperty('editedAt')
    expect(shown).toEqual(['a', 'b', 'c', 'a'])
  })

  test('the same words again are no edit', async () => {
    const { log } = open()
    for (let i = 0; i < 3; i++) await log.put({ key: 'a', channel, message: message('a') })
    expect(await log.one('a')).toMatchObject({ revision: 1, number: 0 })
  })

  test('a thread has its own order, and its root counts the replies', async () => {
    const { log, titles } = open()
    await log.put({ key: 'root', channel, message: message('root') })
    for (const key of ['x', 'y']) await log.put({ key, channel, thread: 'root', message: message(key) })
    expect(await titles()).toEqual(['root'])
    expect(await titles({ thread: 'root' })).toEqual(['x', 'y'])
    expect(await log.one('root')).toMatchObject({ replies: 2 })
  })

  test('pages backwards, and says when there are no older ones', async () => {
    const { log } = open()
    for (let i = 0; i < 25; i++) await log.put({ key: `k${i}`, channel, message: message(`${i}`) })
    const pages: string[][] = []
    let before: number | undefined
    for (let more = true; more; ) {
      const page = await log.page({ channel, before, limit: 10 })
      pages.unshift(page.posts.map((post) => post.message.title))
      before = page.posts[0]?.number
      more = page.more
    }
    expect(pages.map((page) => page.length)).toEqual([5, 10, 10])
    expect(pages.flat()).toEqual(Array.from({ length: 25 }, (_, i) => `${i}`))
    expect(await log.page({ channel: '#nowhere', limit: 10 })).toEqual({ posts: [], more: false })
  })

  test.each(['insert', 'append', 'put'] as const)(
    'a process that dies after its %s: the post stands there once',
    async (call) => {
      const store = createMemoryStore()
      const first = open(store)
      await first.log.put({ key: 'older', channel, message: message('older') })
      store.after = (name) => {
        if (name === call) throw new Error('died')
      }
      await expect(first.log.put({ key: 'a', channel, message: message('a') })).rejects.toThrow('died')
      store.after = () => {}
      const again = open(store)
      await again.log.put({ key: 'a', channel, message: message('a') })
      await again.log.put({ key: 'newer', channel, message: message('newer') })
      expect(await again.titles()).toEqual(['older', 'a', 'newer'])
      expect(await again.log.one('a')).toMatchObject({ revision: 1 })
    },
  )

  test('edits that race are all applied, one after the other', async () => {
    const { log } = open()
    await log.put({ key: 'a', channel, message: message('a') })
    await Promise.all(Array.from({ length: 10 }, (_, i) => log.put({ key: 'a', channel, message: message(`${i}`) })))
    expect(await log.one('a')).toMatchObject({ revision: 11 })
  })
})
