import pico from 'picocolors'
import { afterEach, describe, expect, test } from 'vitest'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { createTerminal } from '../../../src/adapters/terminal/index.ts'
import { renderMessage } from '../../../src/adapters/terminal/render.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Store } from '../../../src/ports/store.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

const message = (more: Partial<Message> = {}): Message => ({
  title: 'R-1 user-service',
  tone: 'info',
  blocks: [
    { type: 'text', text: 'Batch 1: observing, 10 s left.' },
    { type: 'progress', items: [{ label: 'batch 1', done: 0, total: 1, note: 'deploying' }] },
    { type: 'table', caption: 'Hosts', columns: ['host', 'state'], rows: [['bj-1', 'deploying']] },
  ],
  buttons: [{ id: 'x', action: 'release.pause', label: 'Pause', style: 'plain' }],
  ...more,
})
const post = (m: Message, key = 'R-1/card') => ({ key, channel: '#releases', message: m })

let store: Store = createMemoryStore()
afterEach(() => {
  store = createMemoryStore()
})
function terminal() {
  const out: string[] = []
  const surface = createTerminal({ store, write: (text) => out.push(text) })
  const { put } = createChannel({ store, clock: () => new Date(), surfaces: [surface] })
  return { out, chat: { put, open: surface.open } }
}

describe('the transcript', () => {
  test('shows a new message whole, with its buttons', async () => {
    const { out, chat } = terminal()
    await chat.put(post(message()))
    expect(out.join('')).toMatch(/#releases R-1 user-service\n.*Batch 1[\s\S]*bj-1[\s\S]*Pause/)
  })

  test('an edit that only moves the clock prints nothing; one that changes a state prints that line', async () => {
    const { out, chat } = terminal()
    await chat.put(post(message()))
    out.length = 0
    await chat.put(
      post(
        message({ blocks: [{ type: 'text', text: 'Batch 1: observing, 9 s left.' }, ...message().blocks.slice(1)] }),
      ),
    )
    expect(out).toEqual([])
    const [text, bar] = message().blocks
    await chat.put(
      post(
        message({
          blocks: [
            text!,
            bar!,
            { type: 'table', caption: 'Hosts', columns: ['host', 'state'], rows: [['bj-1', 'healthy']] },
          ],
        }),
      ),
    )
    expect(out.join('')).toMatch(/✎ R-1 user-service\n\s+Hosts\n\s+bj-1\s+healthy\n$/)
    expect(out.join('')).not.toMatch(/observing/)
  })

  const gate = (cpu: string, errorRate: string, samples: number) => ({
    type: 'table' as const,
    caption: 'Gate of batch 1, so far',
    columns: ['metric', 'gate', 'why'],
    news: ['gate'],
    rows: [
      ['CPU', cpu, `0.02 cores on bj-${samples}, ${samples} samples`],
      ['error rate', errorRate, `0.${samples} %, ${samples * 40} requests`],
    ],
  })

  test('a gate whose figures alone have changed prints nothing, and one metric that turns prints its row alone', async () => {
    const { out, chat } = terminal()
    const put = (...of: Parameters<typeof gate>) => chat.put(post(message({ blocks: [gate(...of)] })))
    await put('pass', 'pass', 5)
    expect(out.join('')).toMatch(/metric\s+gate\s+why\n\s+CPU\s+pass/)
    out.length = 0
    await put('pass', 'pass', 7)
    expect(out).toEqual([])
    await put('pass', 'fail', 9)
    expect(out.join('')).toBe(
      '#releases ✎ R-1 user-service\n  Gate of batch 1, so far\n  error rate  fail  0.9 %, 360 requests\n',
    )
  })

  test('an edit names the hosts, bars and fields that changed, and no others', async () => {
    const { out, chat } = terminal()
    const put = (done: number, version: string, ...fields: { label: string; value: string }[]) =>
      chat.put(
        post(
          message({
            blocks: [
              { type: 'fields', items: [{ label: 'requested by', value: 'alice' }, ...fields] },
              {
                type: 'progress',
                items: [
                  { label: 'batch 1', done, total: 1, note: 'healthy' },
                  { label: 'batch 2', done: 0, total: 2, note: 'pending' },
                ],
              },
              {
                type: 'table',
                columns: ['host', 'version'],
                rows: [
                  ['bj-1', version],
                  ['sh-1', 'v1.0.0'],
                ],
              },
            ],
          }),
        ),
      )
    await put(0, 'v1.0.0')
    out.length = 0
    await put(1, 'v1.1.0', { label: 'approved by', value: 'bob' }, { label: 'remaining', value: 'about 42 s' })
    expect(out.join('')).toBe(
      '#releases ✎ R-1 user-service\n  approved by: bob\n  batch 1 ██████████ 1/1 healthy\n  bj-1  v1.1.0\n',
    )
  })

  test('an edit that changes what may be pressed prints the buttons', async () => {
    const { out, chat } = terminal()
    await chat.put(post(message()))
    out.length = 0
    await chat.put(post(message({ buttons: [{ ...message().buttons[0]!, label: 'Resume' }] })))
    expect(out.join('')).toMatch(/✎ R-1 user-service\n\s+Resume\s*\n$/)
  })

  test('the same words again print nothing, and a restart does not print what was shown', async () => {
    const first = terminal()
    await first.chat.put(post(message()))
    await first.chat.put(post(message()))
    expect(first.out).toHaveLength(1)
    const second = terminal()
    await second.chat.open()
    await second.chat.put(post(message()))
    expect(second.out).toEqual([])
  })

  test('what was durable but not shown when the process died is shown at the next start', async () => {
    await store.insert('messages', 'R-1/card', { channel: '#releases', message: message() as never, revision: 1 })
    const { out, chat } = terminal()
    await chat.open()
    expect(out.join('')).toMatch(/R-1 user-service/)
  })

  test('a message in a thread stands under its card', async () => {
    const { out, chat } = terminal()
    await chat.put({
      ...post(message({ title: 'Held: paused', buttons: [], blocks: [] }), 'R-1/held'),
      thread: 'R-1/card',
    })
    expect(out).toEqual(['    ↳ Held: paused\n'])
  })
})

test('escape sequences from hosts or people are shown, not obeyed', () => {
  const hostile = '\u001b[2J\u001b]0;owned\u0007 \u202egnp.exe'
  const lines = renderMessage(
    message({
      title: hostile,
      blocks: [
        { type: 'code', text: hostile },
        { type: 'table', columns: ['a'], rows: [[hostile]] },
        { type: 'fields', items: [{ label: 'a', value: hostile }] },
      ],
    }),
    pico.createColors(false),
  )
  for (const char of ['\u001b', '\u0007', '\u202e']) expect(lines.join('')).not.toContain(char)
})

describe('links and pictures', () => {
  const picture = {
    type: 'picture' as const,
    id: 'p-1',
    alt: 'error rate of user-service\nby host',
    width: 800,
    height: 300,
  }
  const links = { type: 'links' as const, items: [{ label: 'Graph', url: 'http://prometheus:9090/graph' }] }

  test('are shown as text: the address, and what the picture shows', async () => {
    const { out, chat } = terminal()
    await chat.put(post(message({ blocks: [links, picture] })))
    expect(out.join('')).toContain('Graph: http://prometheus:9090/graph')
    expect(out.join('')).toContain('[picture: error rate of user-service by host]')
  })

  test('in an edit, only those that are new', async () => {
    const { out, chat } = terminal()
    await chat.put(post(message({ blocks: [links, picture] })))
    out.length = 0
    await chat.put(post(message({ blocks: [links, picture, { type: 'text', text: 'More.' }] })))
    expect(out.join('')).not.toMatch(/Graph|picture/)
    out.length = 0
    const more = { ...links, items: [...links.items, { label: 'Source', url: 'http://alertmanager:9093' }] }
    await chat.put(post(message({ blocks: [more, { ...picture, id: 'p-2', alt: 'latency' }] })))
    expect(out.join('')).toMatch(/Source: http:\/\/alertmanager:9093[\s\S]*\[picture: latency\]/)
    expect(out.join('')).not.toContain('Graph')
  })

  test('what stands in them cannot steer the terminal', async () => {
    const { out, chat } = terminal()
    const items = [{ label: '\u001b[2J', url: 'http://a/\u001b]0;x' }]
    await chat.put(
      post(
        message({
          blocks: [
            { ...links, items },
            { ...picture, alt: '\u001b[31m' },
          ],
          buttons: [],
        }),
      ),
    )
    expect(out.join('')).not.toContain('\u001b[2J')
    expect(out.join('')).not.toContain('\u001b]0')
    expect(out.join('')).not.toContain('\u001b[31m')
  })
})
