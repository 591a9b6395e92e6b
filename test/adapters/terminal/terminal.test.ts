import pico from 'picocolors'
import { afterEach, describe, expect, test } from 'vitest'
import { createTerminalChat } from '../../../src/adapters/terminal/index.ts'
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
  return { out, chat: createTerminalChat({ store, write: (text) => out.push(text) }) }
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
    expect(out.join('')).toMatch(/✎ R-1 user-service\n\s+bj-1\s+healthy/)
    expect(out.join('')).not.toMatch(/observing/)
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
