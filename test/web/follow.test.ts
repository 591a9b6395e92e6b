import { QueryClient } from '@tanstack/react-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Change, MessageView } from '../../src/ports/console.ts'
import { keys } from '../../src/web/keys.ts'
import { follow } from '../../src/web/live/follow.ts'
import { gathering } from '../../src/web/live/gather.ts'
import type { Line } from '../../src/web/live/news.ts'
import { SILENCE_MS } from '../../src/web/live/stream.ts'
import type { Pages } from '../../src/web/pages.ts'

const CHANNEL = '#releases'

function post(key: string, change: Partial<MessageView> = {}): MessageView {
  const message = { title: key, tone: 'info' as const, blocks: [], buttons: [] }
  return {
    key,
    channel: CHANNEL,
    number: 1,
    message,
    revision: 1,
    postedAt: '2026-01-01T00:00:00Z',
    replies: 0,
    ...change,
  }
}

/** A server that has these messages and counts what it is asked. */
function serve(messages: MessageView[]): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    const key = new URL(url, 'http://console').searchParams.get('key')
    const found = messages.find((each) => each.key === key)
    return found === undefined ? new Response('', { status: 404 }) : Response.json(found)
  })
  return asked
}

/** The browser's stream of events, driven by the test. */
class Stream extends EventTarget {
  static readonly CLOSED = 2
  static opened: Stream[] = []
  readyState = 0
  readonly url: string
  constructor(url: string) {
    super()
    this.url = url
    Stream.opened.push(this)
  }
  close(): void {
    this.readyState = Stream.CLOSED
  }
  tell(type: string, data?: unknown, lastEventId = ''): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }))
  }
  fail(closed: boolean): void {
    this.readyState = closed ? Stream.CLOSED : 0
    this.dispatchEvent(new Event('error'))
  }
}

let client: QueryClient

beforeEach(() => {
  vi.useFakeTimers()
  Stream.opened = []
  vi.stubGlobal('EventSource', Stream)
  client = new QueryClient()
})

afterEach(() => {
  client.clear()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const held = (key: readonly unknown[]) => client.getQueryData<Pages>(key)?.pages.flatMap((page) => page.messages)
const hold = (key: readonly unknown[], messages: MessageView[]) =>
  client.setQueryData<Pages>(key, { pages: [{ messages, more: false }], pageParams: [undefined] })

describe('changes', () => {
  const message = (key: string, thread?: string): Change => ({ kind: 'message', key, channel: CHANNEL, thread })

  it('of one message in a burst cost one request, and the message is replaced where it stands', async () => {
    hold(keys.messages(CHANNEL), [post('R-1/card')])
    const asked = serve([post('R-1/card', { revision: 5 })])
    const gather = gathering(client)
    for (let count = 0; count < 5; count++) gather.add(message('R-1/card'))
    await vi.advanceTimersByTimeAsync(500)
    expect(asked).toHaveLength(1)
    expect(held(keys.messages(CHANNEL))?.[0]?.revision).toBe(5)
  })

  it('of a reply put it into its thread and bring the count of replies of the card', async () => {
    hold(keys.messages(CHANNEL), [post('R-1/card')])
    hold(keys.thread(CHANNEL, 'R-1/card'), [])
    serve([post('R-1/card', { replies: 1 }), post('R-1/batch 1', { thread: 'R-1/card' })])
    const gather = gathering(client)
    gather.add(message('R-1/batch 1', 'R-1/card'))
    await vi.advanceTimersByTimeAsync(500)
    expect(held(keys.thread(CHANNEL, 'R-1/card'))?.map((view) => view.key)).toEqual(['R-1/batch 1'])
    expect(held(keys.messages(CHANNEL))?.[0]?.replies).toBe(1)
  })

  it('of a release make its answers old, and those of another release not', async () => {
    client.setQueryData(keys.release('R-1'), { id: 'R-1' })
    client.setQueryData(keys.release('R-2'), { id: 'R-2' })
    const gather = gathering(client)
    gather.add({ kind: 'release', key: 'R-1' })
    await vi.advanceTimersByTimeAsync(500)
    expect(client.getQueryState(keys.release('R-1'))?.isInvalidated).toBe(true)
    expect(client.getQueryState(keys.release('R-2'))?.isInvalidated).toBe(false)
  })

  it('of incidents in a storm make the lists old once a second, however many there are', async () => {
    const gather = gathering(client)
    const stale = vi.spyOn(client, 'invalidateQueries')
    const lists = () => stale.mock.calls.filter(([filter]) => filter?.queryKey?.[0] === 'incidents').length
    for (let n = 0; n < 300; n++) {
      gather.add({ kind: 'incident', key: `A-${n % 50}` })
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(lists()).toBeGreaterThanOrEqual(2)
    expect(lists()).toBeLessThanOrEqual(3)
    gather.end()
  })

  it('are dropped once nobody follows any more', async () => {
    const asked = serve([])
    const gather = gathering(client)
    gather.add(message('R-1/card'))
    gather.end()
    await vi.advanceTimersByTimeAsync(500)
    expect(asked).toEqual([])
  })
})

describe('the line', () => {
  it('is told as it is: open, lost, open again', () => {
    const lines: Line[] = []
    const end = follow(client, (line) => lines.push(line), undefined)
    Stream.opened[0]?.tell('open')
    Stream.opened[0]?.fail(false)
    Stream.opened[0]?.tell('open')
    end()
    expect(lines).toEqual(['open', 'lost', 'open'])
  })

  it('is opened anew where it was left when the browser has given it up, and not when the browser resumes it', async () => {
    const end = follow(client, () => {}, undefined)
    const [stream] = Stream.opened
    stream?.tell('open')
    stream?.tell('change', { kind: 'host', key: 'bj-1' }, 'boot-7')
    stream?.fail(false)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(Stream.opened).toHaveLength(1)
    stream?.fail(true)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(Stream.opened).toHaveLength(2)
    expect(Stream.opened[1]?.url).toContain('lastEventId=boot-7')
    end()
  })

  it('makes everything old when it is opened anew without knowing from where', async () => {
    client.setQueryData(keys.services, [])
    const end = follow(client, () => {}, undefined)
    Stream.opened[0]?.fail(true)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(client.getQueryState(keys.services)?.isInvalidated).toBe(false)
    Stream.opened.at(-1)?.tell('open')
    expect(client.getQueryState(keys.services)?.isInvalidated).toBe(true)
    end()
  })

  it('makes everything old on a reset', () => {
    client.setQueryData(keys.services, [])
    const end = follow(client, () => {}, undefined)
    Stream.opened[0]?.tell('reset')
    expect(client.getQueryState(keys.services)?.isInvalidated).toBe(true)
    end()
  })

  it('is not opened again once nobody follows', async () => {
    const end = follow(client, () => {}, undefined)
    Stream.opened[0]?.fail(true)
    end()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(Stream.opened).toHaveLength(1)
  })

  it('is opened anew later and later while it fails, and at once again after it was open', async () => {
    const end = follow(client, () => {}, undefined)
    const waits: number[] = []
    for (let failure = 0; failure < 6; failure++) {
      const opened = Stream.opened.length
      Stream.opened.at(-1)?.fail(true)
      let waited = 0
      while (Stream.opened.length === opened) {
        await vi.advanceTimersByTimeAsync(100)
        waited += 100
      }
      waits.push(waited)
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 8000])
    Stream.opened.at(-1)?.tell('open')
    const opened = Stream.opened.length
    Stream.opened.at(-1)?.fail(true)
    await vi.advanceTimersByTimeAsync(500)
    expect(Stream.opened).toHaveLength(opened + 1)
    end()
  })

  it('is lost and opened anew when nothing comes for longer than two beats, though the browser calls it open', async () => {
    const lines: Line[] = []
    const end = follow(client, (line) => lines.push(line), undefined)
    const [stream] = Stream.opened
    stream?.tell('open')
    for (let beat = 0; beat < 4; beat++) {
      await vi.advanceTimersByTimeAsync(15_000)
      stream?.tell('beat', {}, 'boot-3')
    }
    expect(lines).toEqual(['open'])
    await vi.advanceTimersByTimeAsync(SILENCE_MS + 500)
    expect(lines).toEqual(['open', 'lost'])
    expect(stream?.readyState).toBe(Stream.CLOSED)
    expect(Stream.opened.at(-1)?.url).toContain('lastEventId=boot-3')
    end()
  })

  it('is given up when it never opens: a browser lets a seventh connection wait for ever', async () => {
    const lines: Line[] = []
    const end = follow(client, (line) => lines.push(line), undefined)
    await vi.advanceTimersByTimeAsync(SILENCE_MS + 500)
    expect(lines).toEqual(['lost'])
    expect(Stream.opened).toHaveLength(2)
    end()
  })

  it('makes one ask who one is when it breaks and when it is back', () => {
    const stale = () => client.getQueryState(keys.session)?.isInvalidated
    const end = follow(client, () => {}, undefined)
    client.setQueryData(keys.session, {})
    Stream.opened[0]?.fail(true)
    expect(stale()).toBe(true)
    client.setQueryData(keys.session, {})
    Stream.opened[0]?.tell('open')
    expect(stale()).toBe(true)
    end()
  })
})
