import pico from 'picocolors'
import { z } from 'zod'
import type { Chat, Message, Post } from '../../ports/chat.ts'
import type { Json, Store } from '../../ports/store.ts'
import { renderButtons, renderMessage } from './render.ts'

const rowSchema = z.object({
  channel: z.string(),
  thread: z.string().optional(),
  message: z.custom<Message>((value) => typeof value === 'object' && value !== null),
  /** Sequence over all messages, so that a transcript can be read in order. */
  revision: z.number(),
})

/**
 * The channel as a transcript on a terminal. The message's row is durable before it is printed, and `shown/<key>` says which
 * revision was; after a crash `open` prints what is missing. An edit prints only what changed in its words, not its clocks.
 */
export function createTerminalChat(options: {
  store: Store
  write: (text: string) => void
  color?: boolean
  /** Told when something could not be printed. */
  failed?: (error: unknown) => void
}): Chat & { open(): Promise<void> } {
  const { store, write } = options
  const colors = pico.createColors(options.color ?? false)
  const lines = new Map<string, string[]>()
  let printing = Promise.resolve()

  async function print(key: string): Promise<void> {
    const row = await store.get('messages', key)
    if (row === undefined) return
    const { channel, thread, message, revision } = rowSchema.parse(row.document)
    const shown = await store.get('shown', `terminal/${key}`)
    if (shown !== undefined && z.object({ revision: z.number() }).parse(shown.document).revision >= revision) return
    const body = [...renderMessage(message, colors), ...renderButtons(message, colors)]
    const before = lines.get(key)
    lines.set(key, body)
    const text = before === undefined ? body : changed(before, body)
    if (text.length > 0) write(`${frame(text, { channel, thread, edited: before !== undefined })}\n`)
    const document = { revision }
    if (shown === undefined) await store.insert('shown', `terminal/${key}`, document)
    else await store.put('shown', `terminal/${key}`, document, shown.version)
  }

  return {
    surface: 'terminal',
    async put(post: Post): Promise<void> {
      await save(store, post)
      // The row is what counts; a print that failed is made up for by the next, and must not stop any other.
      printing = printing.then(() => print(post.key)).catch(options.failed ?? (() => {}))
      await printing
    },
    async open(): Promise<void> {
      for (const row of await store.find('messages')) {
        printing = printing.then(() => print(row.id)).catch(options.failed ?? (() => {}))
      }
      await printing
    },
  }
}

async function save(store: Store, post: Post): Promise<void> {
  const document = { channel: post.channel, thread: post.thread, message: post.message as unknown as Json }
  for (;;) {
    const row = await store.get('messages', post.key)
    if (row === undefined) {
      if (await store.insert('messages', post.key, { ...document, revision: 1 })) return
      continue
    }
    const before = rowSchema.parse(row.document)
    // The same words again, after a crash: nothing to show.
    if (JSON.stringify(before.message) === JSON.stringify(post.message)) return
    if (
      (await store.put('messages', post.key, { ...document, revision: before.revision + 1 }, row.version)) !== undefined
    )
      return
  }
}

/** The lines of an edit whose words are new; a line that differs in its durations only (time left, elapsed) is left out. */
function changed(before: string[], after: string[]): string[] {
  const words = (line: string) => line.replace(/(\d+(\.\d+)?\s?(ms|s|min|h|d)\b\s?)+/g, '#')
  const known = new Set(before.map(words))
  const fresh = after.filter((line) => !known.has(words(line)))
  return fresh.length === 0 || fresh[0] === after[0] ? fresh : [after[0] ?? '', ...fresh]
}

function frame(text: string[], where: { channel: string; thread?: string; edited: boolean }): string {
  const indent = where.thread === undefined ? '' : '    ↳ '
  const mark = where.thread === undefined ? `${where.channel} ${where.edited ? '✎ ' : ''}` : indent
  const rest = where.thread === undefined ? '' : '      '
  return text.map((line, index) => (index === 0 ? `${mark}${line}` : `${rest}${line}`)).join('\n')
}
