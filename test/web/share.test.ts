import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { News, Start, Tell } from '../../src/web/live/news.ts'
import { type Hall, hallOf, share } from '../../src/web/live/share.ts'
import { SILENCE_MS } from '../../src/web/live/stream.ts'

/** The locks of a browser: one name, a queue, and theft (https://w3c.github.io/web-locks/). */
class Locks {
  #queue: { run: () => unknown; done: () => void; fail: (error: Error) => void }[] = []
  #held: { fail: (error: Error) => void } | undefined

  request = ((_name: string, { signal, steal }: LockOptions, run: () => unknown) =>
    new Promise<void>((resolve, reject) => {
      const each = { run, done: resolve, fail: reject }
      if (steal === true) {
        this.#held?.fail(new Error('stolen'))
        this.#held = undefined
        this.#queue.unshift(each)
      } else {
        this.#queue.push(each)
      }
      signal?.addEventListener('abort', () => {
        if (!this.#queue.includes(each)) return
        this.#queue = this.#queue.filter((other) => other !== each)
        reject(new Error('aborted'))
      })
      queueMicrotask(() => this.#next())
    })) as LockManager['request']

  #next(): void {
    if (this.#held !== undefined) return
    const each = this.#queue.shift()
    if (each === undefined) return
    this.#held = each
    void Promise.resolve(each.run()).then(() => {
      each.done()
      if (this.#held !== each) return
      this.#held = undefined
      this.#next()
    })
  }
}

/** A channel of one browser. What was sent arrives everywhere but at the sender; `deaf` ones hang. */
class Air extends EventTarget {
  static open = new Set<Air>()
  deaf = false
  constructor() {
    super()
    Air.open.add(this)
  }
  postMessage(data: unknown): void {
    if (this.deaf) return
    for (const other of Air.open) {
      if (other !== this && !other.deaf)
        other.dispatchEvent(new MessageEvent('message', { data: structuredClone(data) }))
    }
  }
  close(): void {
    Air.open.delete(this)
  }
}

interface Stream {
  start: Start
  tell: Tell
  open: boolean
}

let streams: Stream[]
let locks: Locks

/** A tab of the browser: what it was told, and how it is closed. */
function openTab() {
  const told: News[] = []
  let channel: Air | undefined
  const hall: Hall = {
    locks,
    channel: () => {
      channel = new Air()
      return channel as unknown as BroadcastChannel
    },
  }
  const open = (start: Start, tell: Tell) => {
    const stream: Stream = { start, tell, open: true }
    streams.push(stream)
    return () => {
      stream.open = false
    }
  }
  const close = share(open, (news) => told.push(news), hall)
  return {
    told,
    close,
    hang: () => {
      if (channel !== undefined) channel.deaf = true
    },
  }
}

const settle = () => vi.advanceTimersByTimeAsync(1)
const live = () => streams.filter((stream) => stream.open)
const change = (key: string): News => ({ type: 'change', change: { kind: 'host', key } })
const open: News = { type: 'line', line: 'open' }
const lost: News = { type: 'line', line: 'lost' }

beforeEach(() => {
  vi.useFakeTimers()
  streams = []
  locks = new Locks()
  Air.open.clear()
})

afterEach(() => {
  vi.useRealTimers()
})

describe('the tabs of a browser', () => {
  it('have one stream together, and all of them hear what it brings', async () => {
    const tabs = Array.from({ length: 8 }, openTab)
    await settle()
    expect(streams).toHaveLength(1)
    streams[0]?.tell(open, '')
    streams[0]?.tell(change('bj-1'), 'boot-1')
    streams[0]?.tell({ type: 'reset' }, 'boot-2')
    for (const { told } of tabs) expect(told).toEqual([open, change('bj-1'), { type: 'reset' }])
    for (const { close } of tabs) close()
    await settle()
    expect(live()).toEqual([])
  })

  it('tell a tab that comes later how the line is', async () => {
    openTab()
    await settle()
    streams[0]?.tell(open, 'boot-1')
    const late = openTab()
    expect(late.told).toEqual([open])
  })

  it('go on where the leading one left off when it is closed', async () => {
    const first = openTab()
    const second = openTab()
    await settle()
    expect(streams[0]?.start).toEqual({ lastId: '', missed: false })
    streams[0]?.tell(open, '')
    streams[0]?.tell(change('bj-1'), 'boot-7')
    first.close()
    await settle()
    expect(streams).toHaveLength(2)
    expect(live()).toEqual([streams[1]])
    expect(streams[1]?.start).toEqual({ lastId: 'boot-7', missed: true })
    streams[1]?.tell(change('bj-2'), 'boot-8')
    expect(second.told).toEqual([open, change('bj-1'), change('bj-2')])
  })

  it('leave the stream alone when one that follows is closed', async () => {
    openTab()
    const second = openTab()
    const third = openTab()
    await settle()
    second.close()
    await settle()
    streams[0]?.tell(change('bj-1'), 'boot-1')
    expect(streams).toHaveLength(1)
    expect(second.told).toEqual([])
    expect(third.told).toEqual([change('bj-1')])
  })

  it('say that the line is lost when the leading one hangs, and take the lead from it', async () => {
    const first = openTab()
    const second = openTab()
    await settle()
    streams[0]?.tell(open, 'boot-1')
    first.hang()
    await vi.advanceTimersByTimeAsync(SILENCE_MS)
    expect(second.told).toEqual([open, lost])
    expect(streams).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(15_000)
    expect(streams).toHaveLength(2)
    expect(live()).toEqual([streams[1]])
    streams[1]?.tell(open, 'boot-1')
    expect(second.told.at(-1)).toEqual(open)
  })

  it('leave the lead where it is while it passes beats on', async () => {
    openTab()
    const second = openTab()
    await settle()
    streams[0]?.tell(open, '')
    for (let beat = 0; beat < 10; beat++) {
      await vi.advanceTimersByTimeAsync(15_000)
      streams[0]?.tell({ type: 'beat' }, 'boot-1')
    }
    expect(second.told).not.toContainEqual(lost)
    expect(streams).toHaveLength(1)
  })
})

describe('a browser without a hall', () => {
  it('has a stream for each tab', () => {
    const starts: Start[] = []
    const told: News[] = []
    const begin = (start: Start, tell: Tell) => {
      starts.push(start)
      tell(open, '')
      return () => {}
    }
    share(begin, (news) => told.push(news), undefined)
    share(begin, (news) => told.push(news), undefined)
    expect(starts).toHaveLength(2)
    expect(told).toEqual([open, open])
  })

  it('is one that refuses its locks too', async () => {
    const refusing = { request: () => Promise.reject(new DOMException('no storage', 'SecurityError')) }
    const told: News[] = []
    const begin = (_start: Start, tell: Tell) => {
      tell(open, '')
      return () => {}
    }
    const hall: Hall = { locks: refusing, channel: () => new Air() as unknown as BroadcastChannel }
    share(begin, (news) => told.push(news), hall)
    await settle()
    expect(told).toEqual([open])
  })

  it('is one without locks or without channels', () => {
    const { BroadcastChannel } = globalThis
    expect(hallOf({ navigator: {}, BroadcastChannel })).toBeUndefined()
    expect(hallOf({ navigator: { locks: locks as unknown as LockManager } })).toBeUndefined()
    expect(hallOf({ navigator: { locks: locks as unknown as LockManager }, BroadcastChannel })).toBeDefined()
  })
})
