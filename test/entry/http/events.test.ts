import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { ServerDeps } from '../../../src/entry/http/deps.ts'
import type { Change } from '../../../src/ports/console.ts'
import { type Console, testConsole } from './kit.ts'

let open: Console | undefined
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await open?.close()
  open = undefined
})

interface Event {
  id?: string
  event?: string
  data?: string
  retry?: string
}

/** A reader over a connection of its own, which can stop reading. */
async function reader(url: string, options: { person?: string; last?: string; query?: string } = {}) {
  const request = get(`${url}/api/v1/events${options.query ?? ''}`, {
    agent: false,
    headers: {
      'x-person': options.person ?? 'alice',
      ...(options.last === undefined ? {} : { 'last-event-id': options.last }),
    },
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const { socket } = response
  sockets.push(socket)
  const events: Event[] = []
  let beats = 0
  let closed = false
  let rest = ''
  response.setEncoding('utf8')
  response.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  response.on('data', (chunk: string) => {
    const blocks = `${rest}${chunk}`.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      if (block === 'event: beat\ndata: {}') beats++
      else events.push(Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2))))
    }
  })
  const changes = () =>
    events
      .filter(({ event }) => event === 'change')
      .map(({ id, data }) => ({ id, ...(JSON.parse(data ?? '{}') as Change) }))
  const until = async (what: () => boolean, why: string) => {
    for (const end = Date.now() + 10_000; !what(); await delay(5))
      if (Date.now() > end) throw new Error(`not seen: ${why}; last ${JSON.stringify(events.at(-1))}`)
  }
  await until(() => events.length > 0, 'the beginning')
  return {
    headers: response.headers,
    socket,
    events,
    changes,
    until,
    /** Until something with this number or a later one has come. */
    reach: (n: number) => until(() => Number(events.at(-1)?.id?.split('-').at(-1)) >= n, `number ${n}`),
    resets: () => events.filter(({ event }) => event === 'reset').length,
    beats: () => beats,
    closed: () => closed,
  }
}

async function start(deps: Partial<ServerDeps> = {}): Promise<{ t: Console; url: string }> {
  open = await testConsole({ deps })
  return { t: open, url: await open.server.listen() }
}

const release = (key: string): Change => ({ kind: 'release', key })

describe('the events', () => {
  test('are a stream that says how to come back, with the headers of every other answer', async () => {
    const { t, url } = await start()
    const alice = await reader(url)
    expect(alice.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'self'"),
    })
    expect(alice.events[0]).toMatchObject({ retry: '2000', id: `${t.feed.boot}-0` })
    t.feed.publish(release('R-1'))
    t.feed.publish({ kind: 'message', key: 'R-1/card', channel: '#releases' })
    await alice.until(() => alice.changes().length === 2, 'two changes')
    expect(alice.changes()).toEqual([
      { id: `${t.feed.boot}-1`, kind: 'release', key: 'R-1' },
      { id: `${t.feed.boot}-2`, kind: 'message', key: 'R-1/card', channel: '#releases' },
    ])
  })

  test('what happens in the store comes out, for everybody', async () => {
    const { t, url } = await start()
    const readers = await Promise.all(['alice', 'bob', 'vera'].map((person) => reader(url, { person })))
    await t.type('alice', '/release user-service v1.1.0')
    for (const each of readers) {
      await each.until(
        () =>
          each.changes().some(({ kind, key }) => kind === 'release' && key === 'R-1') &&
          each.changes().some(({ kind, key }) => kind === 'message' && key === 'R-1/card'),
        'the release and its card',
      )
    }
  })

  test('several changes of a key within a moment are one, and it is the last', async () => {
    const { t, url } = await start()
    const alice = await reader(url)
    for (let n = 0; n < 50; n++) t.feed.publish(release('R-1'))
    t.feed.publish(release('R-2'))
    await alice.until(() => alice.changes().some(({ key }) => key === 'R-2'), 'R-2')
    expect(alice.changes().map(({ id, key }) => [id, key])).toEqual([
      [`${t.feed.boot}-50`, 'R-1'],
      [`${t.feed.boot}-51`, 'R-2'],
    ])
  })

  test('a line break in a key cannot forge an event', async () => {
    const { t, url } = await start()
    const alice = await reader(url)
    t.feed.publish(release('R-1\n\nevent: reset\ndata: {}\n\n'))
    t.feed.publish(release('R-2'))
    await alice.until(() => alice.changes().some(({ key }) => key === 'R-2'), 'R-2')
    expect(alice.resets()).toBe(0)
  })

  test.each(['header', 'query'])('who comes back with the last id as %s gets what was missed, once', async (by) => {
    const { t, url } = await start()
    for (const key of ['R-1', 'R-2', 'R-1', 'R-3']) t.feed.publish(release(key))
    const id = `${t.feed.boot}-2`
    const alice = await reader(url, by === 'header' ? { last: id } : { query: `?lastEventId=${id}` })
    await alice.until(() => alice.changes().length >= 2, 'what was missed')
    t.feed.publish(release('R-4'))
    await alice.until(() => alice.changes().length >= 3, 'what is new')
    expect(alice.changes().map(({ key }) => key)).toEqual(['R-1', 'R-3', 'R-4'])
    expect(alice.resets()).toBe(0)
  })

  test('who connects anew is told nothing of the past', async () => {
    const { t, url } = await start()
    t.feed.publish(release('R-1'))
    const alice = await reader(url)
    t.feed.publish(release('R-2'))
    await alice.until(() => alice.changes().length > 0, 'R-2')
    expect(alice.changes().map(({ key }) => key)).toEqual(['R-2'])
  })

  test.each([
    ['another run of the server', () => 'boot-of-yesterday-3'],
    ['nonsense', () => 'nonsense'],
    ['a number that was never given', (t: Console) => `${t.feed.boot}-999`],
  ])('an id of %s is answered with a reset, and goes on from there', async (_name, last) => {
    const { t, url } = await start()
    t.feed.publish(release('R-1'))
    const alice = await reader(url, { last: last(t) })
    await alice.until(() => alice.resets() === 1, 'reset')
    expect(alice.events.at(-1)).toEqual({
      id: `${t.feed.boot}-1`,
      event: 'reset',
      data: '{}',
    })
    t.feed.publish(release('R-2'))
    await alice.until(() => alice.changes().length === 1, 'R-2')
  })

  test('what the feed has forgotten is a reset', async () => {
    const { t, url } = await start()
    for (let n = 0; n < 5000; n++) t.feed.publish(release(`R-${n}`))
    const late = await reader(url, { last: `${t.feed.boot}-1` })
    await late.until(() => late.resets() === 1, 'reset')
    const early = await reader(url, { last: `${t.feed.boot}-4990` })
    await early.until(() => early.changes().length === 10, 'ten')
  })

  test('there are signs of life', async () => {
    const { url } = await start({ heartbeatMs: 30 })
    const alice = await reader(url)
    await alice.until(() => alice.beats() >= 3, 'three beats')
  })

  test('HEAD does not hang', async () => {
    const { t } = await start()
    const head = await t.server.inject({ method: 'HEAD', url: '/api/v1/events', headers: { 'x-person': 'alice' } })
    expect(head.statusCode).toBe(404)
  })
})

describe('a slow reader', () => {
  test('holds nobody up, costs little, and in the end knows every key that changed', async () => {
    const { t, url } = await start()
    const slow = await reader(url)
    const quick = await reader(url, { person: 'bob' })
    slow.socket.pause()
    const before = process.memoryUsage().rss
    const last = new Map<string, string>()
    // 40 MB: more than the sockets between the two can hold, over and over the same 500 keys.
    for (let round = 0; round < 40; round++) {
      for (let key = 0; key < 500; key++) {
        const name = `R-${key}-${'x'.repeat(2000)}`
        t.feed.publish(release(name))
        last.set(name, `${t.feed.boot}-${t.feed.newest}`)
      }
      await quick.reach(t.feed.newest)
    }
    const had = slow.events.length
    slow.socket.resume()
    await slow.reach(t.feed.newest)
    expect(slow.events.length).toBeGreaterThan(had)
    const taken = slow.changes()
    expect(new Map(taken.map(({ key, id }) => [key, id]))).toEqual(last)
    expect(slow.resets()).toBe(0)
    // It was told less often, never out of order.
    expect(quick.changes()).toHaveLength(20_000)
    expect(taken.length).toBeLessThan(15_000)
    const numbers = taken.map(({ id }) => Number(id?.split('-').at(-1)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(process.memoryUsage().rss - before).toBeLessThan(400e6)
  }, 60_000)

  test('that is too far behind is told to ask for everything', async () => {
    const { t, url } = await start()
    const slow = await reader(url)
    slow.socket.pause()
    for (let n = 0; n < 20_000; n++) {
      t.feed.publish(release(`R-${n}-${'x'.repeat(1000)}`))
      if (n % 500 === 0) await delay(30)
    }
    slow.socket.resume()
    await slow.reach(t.feed.newest)
    expect(slow.resets()).toBeGreaterThan(0)
    t.feed.publish(release('R-last'))
    await slow.until(() => slow.changes().some(({ key }) => key === 'R-last'), 'what came after')
  }, 60_000)
})

describe('a reader is let go', () => {
  test('when its session is over, at once when that is told, and nobody else is', async () => {
    const gone = new Set<string>()
    const { t, url } = await start({ stands: async (request) => !gone.has(request.person?.id ?? '') })
    const alice = await reader(url)
    const bob = await reader(url, { person: 'bob' })
    gone.add('alice')
    t.feed.publish({ kind: 'session', key: 'alice' })
    await alice.until(alice.closed, 'closed')
    t.feed.publish(release('R-1'))
    await bob.until(() => bob.changes().length > 0, 'R-1')
    expect(bob.changes().map(({ key }) => key)).toEqual(['R-1'])
  })

  test('when its session is over and nobody has told, at the next sign of life', async () => {
    let stands = true
    const { url } = await start({ heartbeatMs: 30, stands: async () => stands })
    const alice = await reader(url)
    await alice.until(() => alice.beats() > 0, 'a beat')
    stands = false
    await alice.until(alice.closed, 'closed')
  })

  test('but not because the store cannot be asked', async () => {
    const { t, url } = await start({
      heartbeatMs: 20,
      stands: async () => {
        throw new Error('the store is busy')
      },
    })
    const alice = await reader(url)
    await alice.until(() => alice.beats() > 3, 'beats')
    t.feed.publish(release('R-1'))
    await alice.until(() => alice.changes().length === 1, 'R-1')
  })

  test('when the server closes, even one that takes nothing', async () => {
    const { t, url } = await start()
    const alice = await reader(url)
    const slow = await reader(url)
    slow.socket.pause()
    for (let n = 0; n < 10_000; n++) {
      t.feed.publish(release(`R-${n}-${'x'.repeat(1000)}`))
      if (n % 500 === 0) await delay(30)
    }
    const began = Date.now()
    await t.server.close()
    expect(Date.now() - began).toBeLessThan(3000)
    await alice.until(alice.closed, 'closed')
  })

  test('one that has gone away is forgotten', async () => {
    const { t, url } = await start()
    const alice = await reader(url)
    alice.socket.destroy()
    const bob = await reader(url, { person: 'bob' })
    for (let n = 0; n < 100; n++) t.feed.publish(release(`R-${n}`))
    await bob.until(() => bob.changes().length === 100, 'all')
  })
})
