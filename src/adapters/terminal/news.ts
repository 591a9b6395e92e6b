import type { Block, Message } from '../../ports/chat.ts'

type Table = Extract<Block, { type: 'table' }>

/**
 * What a reader of the message as it was has to be told: the blocks of the new one, cut down to what says something else.
 * Durations (time left, elapsed) are no news, and of a table only the columns that it names. Undefined when nothing is news.
 */
export function newsOf(before: Message, after: Message): Message | undefined {
  const blocks = after.blocks.flatMap((block) => newsOfBlock(before.blocks, block))
  const pressed = (message: Message) => message.buttons.map(({ label }) => label).join('|')
  const buttons = pressed(before) === pressed(after) ? [] : after.buttons
  const same = words(before.title) === words(after.title) && before.tone === after.tone
  return same && blocks.length === 0 && buttons.length === 0 ? undefined : { ...after, blocks, buttons }
}

function newsOfBlock(before: readonly Block[], block: Block): Block[] {
  switch (block.type) {
    case 'text':
    case 'code': {
      const known = new Set(before.flatMap((old) => ('text' in old ? old.text.split('\n') : [])).map(words))
      const lines = block.text.split('\n').filter((line) => !known.has(words(line)))
      return lines.length === 0 ? [] : [{ ...block, text: lines.join('\n') }]
    }
    case 'fields': {
      const say = ({ label, value }: { label: string; value: string }) => `${label}: ${words(value)}`
      const known = new Set(before.flatMap((old) => (old.type === 'fields' ? old.items : [])).map(say))
      // A clock that begins to run is none either.
      const items = block.items.filter((item) => !known.has(say(item)) && !/^(about )?#$/.test(words(item.value)))
      return items.length === 0 ? [] : [{ ...block, items }]
    }
    case 'progress': {
      const say = (item: (typeof block.items)[number]) => `${item.label} ${item.done}/${item.total} ${words(item.note)}`
      const known = new Set(before.flatMap((old) => (old.type === 'progress' ? old.items : [])).map(say))
      const items = block.items.filter((item) => !known.has(say(item)))
      return items.length === 0 ? [] : [{ ...block, items }]
    }
    case 'table':
      return newsOfTable(before, block)
    case 'links': {
      const known = new Set(before.flatMap((old) => (old.type === 'links' ? old.items.map(({ url }) => url) : [])))
      const items = block.items.filter(({ url }) => !known.has(url))
      return items.length === 0 ? [] : [{ ...block, items }]
    }
    case 'picture':
      return before.some((old) => old.type === 'picture' && old.id === block.id) ? [] : [block]
  }
}

function newsOfTable(before: readonly Block[], table: Table): Table[] {
  const head = table.columns.join('|')
  const known = before.filter((old): old is Table => old.type === 'table' && old.columns.join('|') === head)
  const old = known.find(({ caption }) => caption === table.caption) ?? known[0]
  if (old === undefined) return [table]
  const say = (row: readonly string[]) =>
    row.filter((_, i) => i === 0 || table.news === undefined || table.news.includes(table.columns[i] ?? '')).map(words)
  const rows = new Set(old.rows.map((row) => say(row).join('|')))
  const fresh = table.rows.filter((row) => !rows.has(say(row).join('|')))
  const caption = old.caption === table.caption && fresh.length === 0 ? undefined : table.caption
  if (fresh.length === 0 && caption === undefined) return []
  // Its head has been read; the rows speak for themselves.
  return [{ ...table, caption, columns: table.columns.map(() => ''), rows: fresh }]
}

/** Words without their durations. */
function words(text: string): string {
  return text.replace(/(\b\d+(\.\d+)?\s?(ms|s|min|h|d)\b\s?)+/g, '#')
}
