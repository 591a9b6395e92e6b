import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createFeed } from '../../../src/entry/http/feed.ts'
import { createRelay } from '../../../src/entry/http/relay.ts'
import { watchStore } from '../../../src/entry/http/watch.ts'
import { Fault } from '../../../src/lib/fault.ts'
import { createLog } from '../../../src/lib/log.ts'
import type { Change } from '../../../src/ports/console.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'

const log = createLog({ level: 'silent' })
const soon = { timeout: 5000, interval: 5 }
const release = (n: number): Change => ({ kind: 'release', key: `R-${n}` })

describe('changes of processes that share a store', () => {
  const open: { stop(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of open.splice(0)) await each.stop()
  })

  /** A process: what its feed tells, and the store through which it writes. */
  function process(store: MemoryStore, options: { keepMs?: number } = {}) {
    const feed = createFeed()
    const heard: Change[] = []
    let losses = 0
    feed.listen(({ change }) => heard.push(change))
    feed.onLoss(() => losses++)
    const relay = createRelay({ store, feed, log, pollMs: 10, ...options })
    open.push(relay)
    // As in src/app.ts.
    const publish = (change: Change): void => {
      feed.publish(change)
      relay.publish(change)
    }
    return { relay, heard, feed, store: watchStore(store, publish), publish, losses: () => losses }
  }
  const entries = async (store: MemoryStore) => (await store.read('changes')).map(({ entry }) => entry)

  test('reach the feed of the other, and each its own at once and only once', async () => {
    const store = createMemoryStore()
    const [a, b] = [process(store), process(store)]
    for (const { relay } of [a, b]) relay.start()
    await a.store.insert('releases', 'R-1', {})
    expect(a.heard).toEqual([release(1)])
    await vi.waitFor(() => expect(b.heard).toEqual([release(1)]), soon)
    await b.store.insert('messages', 'R-1/card', { channel: '#releases', message: {} })
    await vi.waitFor(() => expect(a.heard).toHaveLength(2), soon)
    expect(a.heard[1]).toEqual({ kind: 'message', key: 'R-1/card', channel: '#releases' })
    await delay(50)
    expect([a.heard.length, b.heard.length]).toEqual([2, 2])
  })

  test('find the document that they speak of', async () => {
    const store = createMemoryStore()
    const [a, b] = [process(store), process(store)]
    const found: Promise<unknown>[] = []
    b.feed.listen(({ change }) => found.push(store.get('releases', change.key)))
    for (const { relay } of [a, b]) relay.start()
    for (let n = 1; n <= 20; n++) await a.store.insert('releases', `R-${n}`, { n })
    await vi.waitFor(() => expect(found).toHaveLength(20), soon)
    for (const document of await Promise.all(found)) expect(document).toBeDefined()
  })

  test('that come in hundreds are told in a few entries, of one key only the last', async () => {
    const store = createMemoryStore()
    const [a, b] = [process(store), process(store)]
    for (const { relay } of [a, b]) relay.start()
    for (let n = 0; n < 600; n++) a.relay.publish(release(n % 3))
    await vi.waitFor(() => expect(b.heard).toHaveLength(3), soon)
    expect((await entries(store)).length).toBeLessThanOrEqual(2)
  })

  test('are all told although the store is away for a while', async () => {
    const store = createMemoryStore()
    const [a, b] = [process(store), process(store)]
    for (const { relay } of [a, b]) relay.start()
    a.relay.publish(release(0))
    await vi.waitFor(() => expect(b.heard).toHaveLength(1), soon)
    store.before = () => {
      throw new Fault('store.unavailable', { say: 'The store is away.', retry: true })
    }
    for (let n = 1; n <= 5; n++) a.relay.publish(release(n))
    await delay(300)
    expect(b.heard).toHaveLength(1)
    store.before = () => {}
    await vi.waitFor(() => expect(b.heard).toHaveLength(6), soon)
    expect(b.losses()).toBe(0)
  })

  test('from before a process came are none of its business', async () => {
    const store = createMemoryStore()
    const a = process(store)
    a.relay.start()
    a.relay.publish(release(1))
    await vi.waitFor(async () => expect(await entries(store)).toHaveLength(1), soon)
    const b = process(store)
    b.relay.start()
    await delay(50)
    a.relay.publish(release(2))
    await vi.waitFor(() => expect(b.heard).toEqual([release(2)]), soon)
  })

  test('that were told as the last thing before the end arrive', async () => {
    const store = createMemoryStore()
    const [a, b] = [process(store), process(store)]
    for (const { relay } of [a, b]) relay.start()
    a.relay.publish(release(1))
    a.relay.publish(release(2))
    await a.relay.stop()
    await vi.waitFor(() => expect(b.heard).toEqual([release(1), release(2)]), soon)
  })

  test('are forgotten when they are old; who was away for longer asks for everything again', async () => {
    const store = createMemoryStore()
    const a = process(store, { keepMs: 100 })
    const slow = process(store, { keepMs: 60_000 })
    for (const { relay } of [a, slow]) relay.start()
    a.relay.publish(release(0))
    await vi.waitFor(() => expect(slow.heard).toHaveLength(1), soon)
    // It reads nothing while the others go on.
    const { read } = store
    let reading = true
    await slow.relay.stop()
    const frozen = process(
      {
        ...store,
        read: async (stream, from, limit) => {
          if (!reading) throw new Fault('store.unavailable', { say: 'The store is away.', retry: true })
          return read(stream, from, limit)
        },
      },
      { keepMs: 60_000 },
    )
    frozen.relay.start()
    a.relay.publish(release(1))
    await vi.waitFor(() => expect(frozen.heard).toHaveLength(1), soon)
    reading = false
    for (let n = 2; n < 6; n++) {
      a.relay.publish(release(n))
      await delay(210)
    }
    await vi.waitFor(async () => expect((await read('changes', 0))[0]?.seq).toBeGreaterThan(2), soon)
    reading = true
    await vi.waitFor(() => expect(frozen.losses()).toBe(1), soon)
    expect(frozen.feed.since(1)).toBeUndefined()
  })

  test('of a version that knows more are left out, the others are told', async () => {
    const store = createMemoryStore()
    const a = process(store)
    a.relay.start()
    await vi.waitFor(async () => {
      await store.append('changes', { by: 'newer', changes: [{ kind: 'weather', key: 'x' }, { ...release(1) }, 'odd'] })
      expect(a.heard).toContainEqual(release(1))
    }, soon)
    expect(new Set(a.heard.map(({ kind }) => kind))).toEqual(new Set(['release']))
  })
})
