import pico from 'picocolors'
import { z } from 'zod'
import type { Message } from '../../ports/chat.ts'
import type { Store } from '../../ports/store.ts'
import { renderEdit, renderWhole } from './render.ts'

const rowSchema = z.object({
  channel: z.string(),
  thread: z.string().optional(),
  message: z.custom<Message>((value) => typeof value === 'object' && value !== null),
  /** Sequence over all messages, so that a transcript can be read in order. */
  revision: z.number(),
})

/**
 * The channel as a transcript on a terminal, from the record in `messages`. `shown/<key>` says which revision was printed; after
 * a crash `open` prints what is missing. An edit prints only what is news in it (`renderEdit`).
 */
export function createTerminal(options: {
  store: Store
  write: (text: string) => void
  color?: boolean
  /** Told when something could not be printed. */
  failed?: (error: unknown) => void
}): { readonly surface: string; show(key: string): Promise<void>; open(): Promise<void> } {
  const { store, write } = options
  const colors = pico.createColors(options.color ?? false)
  const shownNow = new Map<string, Message>()
  let printing = Promise.resolve()

  async function print(key: string): Promise<void> {
    const row = await store.get('messages', key)
    if (row === undefined) return
    const { channel, thread, message, revision } = rowSchema.parse(row.document)
    const shown = await store.get('shown', `terminal/${key}`)
    if (shown !== undefined && z.object({ revision: z.number() }).parse(shown.document).revision >= revision) return
    const before = shownNow.get(key)
    shownNow.set(key, message)
    const text = before === undefined ? renderWhole(message, colors) : renderEdit(before, message, colors)
    if (text.length > 0) write(`${frame(text, { channel, thread, edited: before !== undefined })}\n`)
    const document = { revision }
    if (shown === undefined) await store.insert('shown', `terminal/${key}`, document)
    else await store.put('shown', `terminal/${key}`, document, shown.version)
  }

  return {
    surface: 'terminal',
    async show(key: string): Promise<void> {
      // The row is what counts; a print that failed is made up for by the next, and must not stop any other.
      printing = printing.then(() => print(key)).catch(options.failed ?? (() => {}))
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

function frame(text: string[], where: { channel: string; thread?: string; edited: boolean }): string {
  const indent = where.thread === undefined ? '' : '    ↳ '
  const mark = where.thread === undefined ? `${where.channel} ${where.edited ? '✎ ' : ''}` : indent
  const rest = where.thread === undefined ? '' : '      '
  return text.map((line, index) => (index === 0 ? `${mark}${line}` : `${rest}${line}`)).join('\n')
}
