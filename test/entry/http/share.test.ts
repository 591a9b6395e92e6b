import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createFeed } from '../../../src/entry/http/feed.ts'
import { createShared } from '../../../src/entry/http/share.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function world() {
  const feed = createFeed()
  const shared = createShared<number>(feed, 'release')
  let made = 0
  const make = async () => {
    const value = ++made
    await null
    return { value, text: String(value) }
  }
  return { feed, ask: async (key = 'R-1') => (await shared(key, make)).value, shared }
}

describe('a shared answer', () => {
  test('is made once for all who ask at the same time, and anew for another key', async () => {
    const { ask } = world()
    expect(await Promise.all([ask(), ask(), ask('R-2'), ask()])).toEqual([1, 1, 2, 1])
    expect(await ask()).toBe(1)
  })

  test('that was begun before a change is not given to who asks after it', async () => {
    const { ask, feed } = world()
    const before = ask()
    feed.publish({ kind: 'release', key: 'R-1' })
    expect([await before, await ask()]).toEqual([1, 2])
    feed.publish({ kind: 'release', key: 'R-2' })
    feed.publish({ kind: 'message', key: 'R-1' })
    expect(await ask()).toBe(2)
  })

  test('does not grow old', async () => {
    const { ask } = world()
    expect(await ask()).toBe(1)
    vi.setSystemTime(Date.now() + 500)
    expect(await ask()).toBe(2)
  })

  test('that failed is tried again', async () => {
    const { shared } = world()
    await expect(shared('R-1', async () => Promise.reject(new Error('busy')))).rejects.toThrow('busy')
    expect((await shared('R-1', async () => ({ value: 7, text: '7' }))).value).toBe(7)
  })
})
