import type { TemplateCard } from '@wecom/aibot-node-sdk'
import { translateMessage } from '../../lib/catalogue/message.ts'
import type { Language } from '../../lib/catalogue/translate.ts'
import type { Block, Button, Message } from '../../ports/chat.ts'
import {
  bold,
  bytesOf,
  cutBytes,
  fitWidth,
  flat,
  flatLine,
  flatStart,
  neutral,
  widthOf,
  withMentions,
  withoutColons,
} from './text.ts'
import { CARD } from './validate.ts'
import { commandOf, labelsOf, wordsIn } from './words.ts'

/** How a message is to be shown. */
export interface Look {
  language: Language
  /** The short code that every message begins with, such as R-142. */
  code?: string
  mention?: (personId: string) => string | undefined
}

/** One line of markdown; lines of code stand between fences. */
interface Line {
  text: string
  code?: true
}

const BAR = 8
export const FENCE = '```'
/** A line that says which part of how many follows, and the fences around what was cut. */
const ROOM = 160

/** Codes that the message is about: its own, and the only release that it names. */
function codesIn(message: Message, code: string | undefined): { release?: string; incident?: string } {
  const named = [...new Set(JSON.stringify([message.title, message.blocks]).match(/(?<![\w-])R-\d{1,9}(?!\d)/g) ?? [])]
  const release = code?.startsWith('R-') ? code : named.length === 1 ? named[0] : undefined
  return { ...(release ? { release } : {}), ...(code?.startsWith('A-') ? { incident: code } : {}) }
}

/** The commands that do what these buttons of the message do, each with its label; a button without one is left out. */
export function commandsFor(message: Message, buttons: readonly Button[], { language, code }: Look): string[] {
  const codes = codesIn(message, code)
  return buttons.flatMap((button) => commandOf(button, codes, language) ?? [])
}

/** The title as the reader gets it: the code in front, once. */
function titleOf(title: string, { code }: Look): string {
  const shown = neutral(title).replaceAll('\n', ' ').trim()
  return code === undefined || new RegExp(`^${code}(?!\\d)`).test(shown) ? shown : `${code} ${shown}`.trim()
}

function linesOf(message: Message, look: Look, commands: readonly string[]): Line[] {
  const words = wordsIn(look.language)
  const say = (text: string): string => withMentions(flat(text), look.mention ?? (() => undefined))
  const title = titleOf(message.title, look)
  const [, head = '', rest = ''] =
    look.code === undefined ? ['', '', title] : (/^(\S+)\s?(.*)$/s.exec(title) ?? ['', '', title])
  const icon = words.state[message.tone]
  const lines: Line[] = [{ text: `${head === '' ? '' : `${flatLine(head)} `}${icon}${bold(rest)}`.trim() }]
  const plain = (text: string): void => {
    for (const each of text.split('\n')) lines.push({ text: each })
  }
  for (const block of message.blocks)
    block.type === 'code' ? lines.push(...codeLines(block.text)) : plain(blockText(block, say, look))
  const typed = commands.map((each) => `\`${each.replaceAll('`', 'ˋ').replace(/\s*\n\s*/g, ' ')}\``)
  if (typed.length > 0) plain(`${words.commands}: ${typed.join(' · ')}`)
  return lines
}

function codeLines(text: string): Line[] {
  return neutral(text)
    .replaceAll('```', 'ˋˋˋ')
    .split('\n')
    .map((each) => ({ text: each, code: true }))
}

function blockText(block: Exclude<Block, { type: 'code' }>, say: (text: string) => string, look: Look): string {
  switch (block.type) {
    case 'text':
      return say(block.text)
    case 'fields':
      return block.items
        .map(({ label, value }) => [bold(label), say(value)].filter((each) => each !== '').join(': '))
        .join('\n')
    case 'table': {
      const cells = (row: readonly string[]): string => row.map(flatLine).join(' · ')
      const heads = block.columns.some((column) => column !== '') ? [`> ${cells(block.columns)}`] : []
      const rows = block.rows.map(([first = '', ...rest]) => `- ${flatLine(first)}: ${cells(rest)}`)
      return [...(block.caption === undefined ? [] : [bold(block.caption)]), ...heads, ...rows].join('\n')
    }
    case 'progress':
      return block.items
        .map((item) => progressOf({ ...item, label: flatLine(item.label), note: flatLine(item.note) }))
        .join('\n')
    case 'links':
      return block.items.map(({ label, url }) => linkTo(label, url)).join('\n')
    case 'picture':
      return `[${wordsIn(look.language).picture}] ${flatLine(block.alt)}`
  }
}

function progressOf({
  label,
  done,
  total,
  note,
}: {
  label: string
  done: number
  total: number
  note: string
}): string {
  const full = total > 0 ? Math.round((Math.min(done, total) / total) * BAR) : 0
  return `${label} ${'▓'.repeat(full)}${'░'.repeat(BAR - full)} ${done}/${total} ${note}`.trim()
}

/** As markdown when it is an address of the web; otherwise as plain text. */
function linkTo(label: string, url: string): string {
  const text = flatLine(label).replaceAll(/[[\]]/g, (bracket) => (bracket === '[' ? '［' : '］'))
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) return `${text} ${flatLine(url)}`
  const safe = new URL(url).href.replace(/[()<>]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  return `[${text}](${safe})`
}

/**
 * The whole message as markdown in as many pieces as it takes, each of at most `most` bytes, none cut inside a character. Every
 * piece begins with the code. `typed`: the buttons that are written out as commands.
 */
export function renderMarkdown(
  message: Message,
  look: Look,
  most: number,
  typed: readonly Button[] = message.buttons,
): string[] {
  const shown = translateMessage(message, look.language)
  const pieces = splitLines(linesOf(shown, look, commandsFor(message, typed, look)), most)
  return pieces.map((piece, at) =>
    at === 0 ? piece : `${look.code === undefined ? '' : `${look.code} `}(${at + 1}/${pieces.length})\n${piece}`,
  )
}

/** Markdown of ours in pieces of at most `most` bytes; a fence that is cut is closed, and opened again. */
export function splitText(text: string, most: number): string[] {
  let inCode = false
  const lines = text.split('\n').flatMap((each): Line[] => {
    if (each !== FENCE) return [inCode ? { text: each, code: true } : { text: each }]
    inCode = !inCode
    return []
  })
  return splitLines(lines, most)
}

function splitLines(lines: readonly Line[], most: number): string[] {
  const limit = most - ROOM
  const pieces: Line[][] = [[]]
  let size = 0
  const add = (line: Line): void => {
    const here = bytesOf(line.text) + 1
    if (size + here > limit && size > 0) {
      pieces.push([])
      size = 0
    }
    pieces.at(-1)?.push(line)
    // A change between code and text costs a fence.
    size += here + (pieces.at(-1)?.at(-2)?.code === line.code ? 0 : 5)
  }
  for (const line of lines) {
    let left = line.text
    while (bytesOf(left) + 1 > limit) {
      const [head, rest] = cutBytes(left, limit - 1)
      add({ ...line, text: head })
      // What stood inside a line stands at its beginning now.
      left = line.code ? rest : flatStart(rest)
    }
    add({ ...line, text: left })
  }
  return pieces.map(fenced).filter((piece) => piece.trim() !== '')
}

function fenced(lines: readonly Line[]): string {
  const shown: string[] = []
  for (const [at, line] of lines.entries()) {
    if (line.code && !lines[at - 1]?.code) shown.push(FENCE)
    shown.push(line.text)
    if (line.code && !lines[at + 1]?.code) shown.push(FENCE)
  }
  return shown.join('\n')
}

const STYLES = { primary: 1, danger: 2, plain: 3 } as const

/** A button as a card shows it. */
export interface CardButton {
  key: string
  text: string
  style: number
}

/** The keys of a message's buttons in the card: a click carries nothing else. */
export function cardButtons(
  buttons: readonly Button[],
  language: Language,
  keyOf: (button: Button) => string,
): CardButton[] {
  const first = buttons.slice(0, CARD.buttons)
  const labels = labelsOf(first, language)
  return first.map((button, at) => ({ key: keyOf(button), text: labels[at] ?? '·', style: STYLES[button.style] }))
}

/**
 * The message as a card with these buttons. `whole` says whether everything in the message stands on it; what does not fit is cut
 * with `…`. `notice` stands first: what came of a press, a question.
 */
export function renderCard(
  message: Message,
  look: Look,
  { task, buttons, notice }: { task: string; buttons: CardButton[]; notice?: string },
): { card: TemplateCard; whole: boolean } {
  const shown = translateMessage(message, look.language)
  const words = wordsIn(look.language)
  // The full-width colon takes more room: it is put in before anything is measured.
  const title = withoutColons(titleOf(shown.title, look))
  const cardTitle = fitWidth(title, CARD.title)
  let whole = cardTitle === title
  const texts: string[] = notice === undefined ? [] : [neutral(notice)]
  const fields: { keyname: string; value: string }[] = []
  for (const block of shown.blocks) {
    if (block.type === 'text') texts.push(neutral(block.text))
    else if (block.type === 'fields') {
      for (const { label, value } of block.items) {
        const field = {
          keyname: withoutColons(neutral(label)).trim(),
          value: withoutColons(neutral(value)).replaceAll('\n', ' '),
        }
        const fits =
          field.keyname !== '' && widthOf(field.keyname) <= CARD.keyname && widthOf(field.value) <= CARD.value
        if (fits && fields.length < CARD.fields) fields.push(field)
        else texts.push(`${field.keyname}：${field.value}`)
      }
    } else if (block.type === 'progress') {
      texts.push(
        ...block.items.map((item) => progressOf({ ...item, label: neutral(item.label), note: neutral(item.note) })),
      )
    } else whole = false
  }
  const commands = commandsFor(message, message.buttons.slice(CARD.buttons), look)
  if (message.buttons.length > CARD.buttons) {
    if (commands.length > 0) texts.push(`${words.also}：${commands.join(' · ')}`)
    else whole = false
  }
  const text = withoutColons(texts.filter((each) => each.trim() !== '').join('\n'))
  const subTitle = fitWidth(text, CARD.subTitle)
  whole = whole && subTitle === text
  const desc = words.state[message.tone].trim()
  const card: TemplateCard = {
    card_type: 'button_interaction',
    main_title: { title: cardTitle || look.code || '·', ...(desc === '' ? {} : { desc }) },
    ...(subTitle === '' ? {} : { sub_title_text: subTitle }),
    ...(fields.length === 0
      ? {}
      : {
          horizontal_content_list: fields,
        }),
    button_list: buttons,
    task_id: task,
  }
  return { card, whole }
}
