import type { Block, Button, Message } from '../../ports/chat.ts'
import { type Part, part, plainText, type SlackBlock } from './block.ts'
import { LIMITS } from './limits.ts'
import { buttonParts } from './render-buttons.ts'
import { barParts, captionParts, fitsTable, nativeTable, pictureLine, planParts, tableParts } from './render-table.ts'
import { codeParts, fieldParts, linkParts, type Mention, textParts, withMentions } from './render-text.ts'
import { cut, escaped, pieces } from './text.ts'
import type { Words } from './words.ts'

/** Where a picture is: a file that an image block can show, one that stands in the thread, or nowhere any more. */
export type Shown = { file: string } | 'thread' | undefined

export interface RenderOptions {
  /** Tables and plans as Slack's own blocks. */
  native: boolean
  mention: Mention
  picture: (id: string) => Shown
  words: Words
  /** The line about what did not fit; that the rest is attached when left out. */
  rest?: string
}

export interface OneMessage {
  /** For notifications and screen readers. */
  text: string
  blocks: SlackBlock[]
}

/** The message, what of it stands in further messages of its thread, and what is attached because it is longer than that. */
export interface Rendered {
  messages: [OneMessage, ...OneMessage[]]
  /** `whole`: all of it, from its first line on; `left`: characters of `text`, without its head. */
  file?: { name: string; text: string; whole: string; left: number }
}

const MOST_FALLBACK = 1500

/**
 * A message as Slack's blocks, within all of its limits. Nothing is left out: what does not fit into one message goes on in
 * further ones, and what is longer than these in a file, with a line that says so. The message is in the language it is shown in.
 */
export function render(message: Message, options: RenderOptions): Rendered {
  const parts = [...headParts(message, options), ...bodyParts(message.blocks, options)]
  const lines = [message.title, ...linesOf(message)]
  return assembled({ title: message.title, parts, buttons: message.buttons, lines }, options)
}

/** An answer: its sentence, and under it the message that belongs to it. */
export function renderAnswer(line: string, message: Message | undefined, options: RenderOptions): Rendered {
  const said = textParts(line, options.mention)
  if (message === undefined) {
    return assembled({ title: 'Rollcall', parts: said, buttons: [], lines: [line] }, options)
  }
  const parts = [...said, ...headParts(message, options), ...bodyParts(message.blocks, options)]
  const lines = [line, message.title, ...linesOf(message)]
  return assembled({ title: message.title, parts, buttons: message.buttons, lines }, options)
}

function assembled(
  shown: { title: string; parts: readonly Part[]; buttons: readonly Button[]; lines: readonly string[] },
  options: RenderOptions,
): Rendered {
  const packs = pack(shown.parts, buttonParts(shown.buttons, options.words))
  const kept = packs.slice(0, LIMITS.messages)
  const fallback = fallbackOf(shown.lines, options)
  const messages = kept.map((each, at) => ({
    text: at === 0 ? fallback : escaped(`${cut(shown.title, 200)} (${at + 1}/${kept.length})`),
    blocks: each.map(({ block }) => block),
  }))
  const [first, ...more] = messages
  if (first === undefined) throw new Error('a message has a head')
  if (packs.length === kept.length) return { messages: [first, ...more] }
  const last = more.at(-1) ?? first
  last.blocks.push({ type: 'context', elements: [plainText(options.rest ?? options.words.rest)] })
  const plainOf = (some: readonly Part[][]) => some.flatMap((each) => each.map(({ plain }) => plain)).join('\n')
  const rest = plainOf(packs.slice(LIMITS.messages))
  return {
    messages: [first, ...more],
    file: {
      name: 'rest.txt',
      text: `${shown.title}\n\n${rest}\n`,
      whole: `${plainOf(packs)}\n`,
      left: rest.length,
    },
  }
}

function headParts({ title, tone }: Message, { words, mention }: RenderOptions): Part[] {
  const line = title.replace(/\s+/g, ' ').trim()
  const fits = escaped(line).length <= LIMITS.header
  const short = fits ? line : cut(line, Math.floor(LIMITS.header / 5))
  return [
    part({ type: 'header', text: plainText(short === '' ? 'Rollcall' : short) }, short),
    ...(fits ? [] : textParts(title, mention)),
    ...(tone === 'plain'
      ? []
      : [part({ type: 'context', elements: [plainText(words.tones[tone])] }, words.tones[tone])]),
  ]
}

function bodyParts(blocks: readonly Block[], options: RenderOptions): Part[] {
  // One table of Slack's own to a message; a second one would tear the card apart.
  const first = options.native ? blocks.find((block) => block.type === 'table' && fitsTable(block)) : undefined
  return blocks.flatMap((block) => blockParts(block, options, block === first))
}

function blockParts(block: Block, options: RenderOptions, ownTable: boolean): Part[] {
  switch (block.type) {
    case 'text':
      return textParts(block.text, options.mention)
    case 'fields':
      return fieldParts(block, options.mention)
    case 'table':
      return [...captionParts(block.caption), ...(ownTable ? [nativeTable(block)] : tableParts(block))]
    case 'progress':
      return options.native ? planParts(block, options.words.progress) : barParts(block)
    case 'code':
      return codeParts(block.text)
    case 'links':
      return linkParts(block)
    case 'picture':
      return pictureParts(block, options)
  }
}

function pictureParts({ id, alt }: Extract<Block, { type: 'picture' }>, { picture, words }: RenderOptions): Part[] {
  const shown = picture(id)
  const line = `[${alt.replace(/\s+/g, ' ').trim()}]`
  if (shown === undefined || shown === 'thread') {
    const text = shown === undefined ? `${line} ${words.gone}` : `🖼 ${line}`
    return pieces(text, LIMITS.section).map((piece) => part({ type: 'section', text: plainText(piece) }, piece))
  }
  const whole = escaped(alt.replace(/\s+/g, ' ').trim()).length <= LIMITS.alt
  return [
    ...(whole
      ? []
      : pieces(alt, LIMITS.section).map((piece) => part({ type: 'section', text: plainText(piece) }, piece))),
    part(
      { type: 'image', slack_file: { id: shown.file }, alt_text: pictureLine(whole ? alt : alt.slice(0, 300)) },
      line,
    ),
  ]
}

/** Parts in the order they stand, as messages; the buttons stand below the first, as it is the one that is looked for. */
function pack(parts: readonly Part[], buttons: readonly Part[]): Part[][] {
  const size = (some: readonly Part[]) => some.reduce((sum, { characters }) => sum + characters, 0)
  // Questions that are too long for dialogs stand above the buttons, or go on below where there are too many of them.
  const few = buttons.length <= LIMITS.blocks / 2 && size(buttons) <= LIMITS.message / 2
  const own: Part[] = []
  for (const each of few ? buttons : buttons.filter(({ block }) => block.type === 'actions'))
    if (own.length < LIMITS.blocks / 2 && size([...own, each]) <= LIMITS.message / 2) own.push(each)
  const packs: Part[][] = []
  let now: Part[] = []
  // One block is kept free for the line about the rest.
  const room = () => LIMITS.blocks - 1 - (packs.length === 0 ? own.length : 0)
  const budget = () => LIMITS.message - (packs.length === 0 ? size(own) : 0)
  for (const each of [...parts, ...buttons.filter((each) => !own.includes(each))]) {
    if (now.length > 0 && (now.length >= room() || size(now) + each.characters > budget())) {
      packs.push(packs.length === 0 ? [...now, ...own] : now)
      now = []
    }
    now.push(each)
  }
  packs.push(packs.length === 0 ? [...now, ...own] : now)
  return packs
}

function linesOf({ blocks }: Message): string[] {
  return blocks.flatMap((block) => {
    if (block.type === 'text') return [block.text]
    if (block.type === 'fields') return block.items.map(({ label, value }) => `${label}: ${value}`)
    return []
  })
}

/** What a notification says: the title, and the first of what it tells. */
function fallbackOf(lines: readonly string[], { mention }: RenderOptions): string {
  const whole = lines.join('\n')
  const [short = ''] = pieces(whole, MOST_FALLBACK)
  const text = short.length < whole.trimEnd().length ? `${short} …` : short
  return withMentions(text, mention) || escaped(text) || 'Rollcall'
}
