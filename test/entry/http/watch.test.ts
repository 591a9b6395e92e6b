import { describe, expect, test } from 'vitest'
import { watchStore } from '../../../src/entry/http/watch.ts'
import type { Change } from '../../../src/ports/console.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

function watched() {
  const changes: Change[] = []
  const memory = createMemoryStore()
  return { memory, changes, store: watchStore(memory, (change) => changes.push(change)) }
}

describe('the watched store', () => {
  test('tells of a message where it stands', async () => {
    const { store, changes } = watched()
    await store.insert('messages', 'R-1/card', { channel: '#releases', message: {} })
    await store.put('messages', 'R-1/card', { channel: '#releases', thread: 'R-0/card', message: {} }, 1)
    expect(changes).toEqual([
      { kind: 'message', key: 'R-1/card', channel: '#releases' },
      { kind: 'message', key: 'R-1/card', channel: '#releases', thread: 'R-0/card' },
    ])
  })

  test.each<[string, string, Change[]]>([
    ['releases', 'R-1', [{ kind: 'release', key: 'R-1' }]],
    ['observations', 'R-1/window of batch 1', [{ kind: 'release', key: 'R-1' }]],
    ['sightings', 'bj-1/user-service', [{ kind: 'host', key: 'bj-1' }]],
    [
      'jobs',
      'R-1.token/bj-1/deploy/1',
      [
        { kind: 'output', key: 'R-1.token/bj-1/deploy/1' },
        { kind: 'release', key: 'R-1' },
      ],
    ],
    ['buttons', 'abc', []],
  ])('a row in %s tells %j', async (collection, id, expected) => {
    const { store, changes } = watched()
    await store.insert(collection, id, {})
    expect(changes).toEqual(expected)
  })

  test('tells of output, and of no other stream', async () => {
    const { store, changes } = watched()
    await store.append('output/R-1.t/bj-1/deploy/1', { text: 'x', bytes: 1 }, 0)
    await store.append('epochs/user-service', {})
    expect(changes).toEqual([{ kind: 'output', key: 'R-1.t/bj-1/deploy/1' }])
  })

  test('tells of a session only when it is over', async () => {
    const { store, changes } = watched()
    await store.insert('sessions', 's', { person: 'alice', usedAt: '1' })
    await store.put('sessions', 's', { person: 'alice', usedAt: '2' }, 1)
    expect(changes).toEqual([])
    await store.put('sessions', 's', { person: 'alice', endedAt: '3' }, 2)
    expect(changes).toEqual([{ kind: 'session', key: 'alice' }])
  })

  test('says nothing about what was not written', async () => {
    const { store, changes, memory } = watched()
    await memory.insert('releases', 'R-1', {})
    await memory.append('output/j', {}, 5)
    expect(await store.insert('releases', 'R-1', {})).toBe(false)
    expect(await store.put('releases', 'R-1', {}, 7)).toBeUndefined()
    expect(await store.append('output/j', {}, 5)).toBeUndefined()
    memory.before = (call) => {
      if (call === 'put') throw new Error('the disk is full')
    }
    await expect(store.put('releases', 'R-1', {}, 1)).rejects.toThrow('the disk is full')
    expect(changes).toEqual([])
  })

  test('what was written is there when the change is told', async () => {
    const memory = createMemoryStore()
    const found: Promise<unknown>[] = []
    const store = watchStore(memory, ({ key }) => found.push(memory.get('releases', key)))
    await store.insert('releases', 'R-1', { a: 1 })
    expect(await found[0]).toMatchObject({ document: { a: 1 } })
  })

  test('reads go through unchanged', async () => {
    const { store } = watched()
    await store.insert('releases', 'R-1', { service: 'a' })
    await store.append('s', { n: 1 })
    await store.append('s', { n: 2 })
    expect(await store.get('releases', 'R-1')).toMatchObject({ document: { service: 'a' } })
    expect(await store.find('releases', { where: { service: 'a' } })).toHaveLength(1)
    expect(await store.read('s', 1)).toEqual([{ seq: 1, entry: { n: 2 } }])
    expect(await store.last('s', 1)).toEqual([{ seq: 1, entry: { n: 2 } }])
  })
})
