import Table from 'cli-table3'
import type pico from 'picocolors'
import type { Block, Message } from '../../ports/chat.ts'
import { newsOf } from './news.ts'

type Colors = ReturnType<typeof pico.createColors>

const BAR = 10
const TONES: Record<Message['tone'], (colors: Colors) => (text: string) => string> = {
  plain: (colors) => colors.bold,
  info: (colors) => colors.cyan,
  good: (colors) => colors.green,
  warn: (colors) => colors.yellow,
  bad: (colors) => colors.red,
}

/** A message as lines of text, without its buttons. Control characters from outside are shown, never executed. */
export function renderMessage(message: Message, colors: Colors): string[] {
  return [
    TONES[message.tone](colors)(plain(message.title)),
    ...message.blocks.flatMap((block) => renderBlock(block).map((line) => `  ${line}`)),
  ]
}

/** A message that was not shown before: all of it, and what may be pressed. */
export function renderWhole(message: Message, colors: Colors): string[] {
  return [...renderMessage(message, colors), ...renderButtons(message, colors)]
}

/** What an edit tells, under the message's title; no line when it tells nothing. */
export function renderEdit(before: Message, after: Message, colors: Colors): string[] {
  const news = newsOf(before, after)
  return news === undefined ? [] : renderWhole(news, colors)
}

export function renderButtons(message: Message, colors: Colors): string[] {
  if (message.buttons.length === 0) return []
  return [`  ${message.buttons.map((button) => colors.inverse(` ${plain(button.label)} `)).join(' ')}`]
}

function renderBlock(block: Block): string[] {
  switch (block.type) {
    case 'text':
      return plain(block.text).split('\n')
    case 'fields':
      return [block.items.map((item) => `${plain(item.label)}: ${plain(item.value)}`).join('  ·  ')]
    case 'table':
      return [
        ...(block.caption === undefined ? [] : [plain(block.caption)]),
        ...(block.rows.length === 0 ? [] : table(block.columns, block.rows)),
      ]
    case 'progress': {
      const width = Math.max(...block.items.map((item) => item.label.length), 0)
      return block.items.map((item) => {
        const full = item.total === 0 ? 0 : Math.round((item.done / item.total) * BAR)
        return `${plain(item.label).padEnd(width)} ${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${item.done}/${item.total} ${plain(item.note)}`
      })
    }
    case 'code':
      return plain(block.text)
        .split('\n')
        .map((line) => `│ ${line}`)
    case 'links':
      return block.items.map(({ label, url }) => `${plain(label)}: ${plain(url)}`)
    case 'picture':
      return [`[picture: ${plain(block.alt).replaceAll('\n', ' ')}]`]
  }
}

/** Without any column's name there is no head: rows of a table that was shown before. */
function table(columns: string[], rows: string[][]): string[] {
  const bare = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
    left: '',
    'left-mid': '',
    mid: '',
    'mid-mid': '',
    right: '',
    'right-mid': '',
    middle: '  ',
  }
  const drawn = new Table({
    head: columns.some((name) => name !== '') ? columns.map(plain) : [],
    chars: bare,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  drawn.push(...rows.map((row) => row.map(plain)))
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
}

/** Escape sequences in text from hosts or people must not reach the terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (char) => (char === '\n' || char === '\t' ? char : '�'))
}
