import { isOurWord, type Language, translate, translateDuration, translateWord } from './translate.ts'

/** What a message must have to be translated; the one of the chat port has it. */
interface Shown {
  title: string
  blocks: ShownBlock[]
  buttons: ShownButton[]
}
type ShownBlock =
  | { type: 'text'; text: string }
  | { type: 'fields'; items: { label: string; value: string }[] }
  | { type: 'table'; caption?: string; columns: string[]; rows: string[][]; news?: string[] }
  | { type: 'progress'; items: { label: string; done: number; total: number; note: string }[] }
  | { type: 'code'; text: string }
  | { type: 'links'; items: { label: string; url: string }[] }
  | { type: 'picture'; id: string; alt: string; width: number; height: number }
interface ShownButton {
  label: string
  confirm?: string
  fields?: { label: string }[]
}

interface Options {
  keepStates?: boolean
}

/** Columns whose cells are words of ours, such as a state; in the others only whole sentences are. */
const WORDS = new Set([
  'state',
  'gate',
  'version',
  'back to',
  'metric',
  'would detect',
  'warns above',
  'fails above',
  'severity',
])
/** Columns and labels under which names stand, whatever they look like. */
const NAMES = new Set([
  'host',
  'service',
  'release',
  'by',
  'region',
  'requested by',
  'plan',
  'batch',
  'started',
  'ended',
  'since',
  'alert',
  'incident',
  'thread',
  'for',
])
/** Columns whose cells begin with a state, `failed: exit code 3`. */
const STATES = new Set(['state', 'gate'])
const DURATIONS = new Set(['observe', 'elapsed', 'remaining'])

/**
 * The message in the reader's language: title, texts, labels, values, captions, columns, cells, notes, the labels of buttons and
 * their questions. Ids, actions, tones and code blocks stay as they are, and so does what is not a sentence of ours.
 * With `keepStates`, the state in front of a cell stays: for a surface that colours it and says it in its own words.
 */
export function translateMessage<M extends Shown>(message: M, language: Language, options: Options = {}): M {
  if (language === 'en') return message
  return {
    ...message,
    title: translateWord(message.title, language),
    blocks: message.blocks.map((block) => translateBlock(block, language, options)),
    buttons: message.buttons.map((button) => translateButton(button, language)),
  }
}

export function translateButton<B extends ShownButton>(button: B, language: Language): B {
  const { label, confirm, fields } = button
  return {
    ...button,
    label: translateWord(label, language),
    ...(confirm === undefined ? {} : { confirm: translate(confirm, language) }),
    // What is filled in beforehand is no text of ours.
    ...(fields === undefined
      ? {}
      : { fields: fields.map((field) => ({ ...field, label: translateWord(field.label, language) })) }),
  }
}

function translateBlock(block: ShownBlock, language: Language, options: Options): ShownBlock {
  switch (block.type) {
    case 'text':
      return { ...block, text: translate(block.text, language) }
    case 'fields':
      return {
        ...block,
        items: block.items.map(({ label, value }) => ({
          label: translateWord(label, language),
          value: translateCell(label, value, language, options),
        })),
      }
    case 'table':
      return {
        ...block,
        ...(block.caption === undefined ? {} : { caption: translateWord(block.caption, language) }),
        columns: block.columns.map((column) => translateWord(column, language)),
        rows: block.rows.map((row) =>
          row.map((cell, at) => translateCell(block.columns[at] ?? '', cell, language, options)),
        ),
        // Names of columns, which are translated alike.
        ...(block.news === undefined ? {} : { news: block.news.map((column) => translateWord(column, language)) }),
      }
    case 'progress':
      return {
        ...block,
        items: block.items.map((item) => ({
          ...item,
          label: translate(item.label, language),
          note: translateWord(item.note, language),
        })),
      }
    case 'links':
      return {
        ...block,
        items: block.items.map((item) => ({ ...item, label: translateWord(item.label, language) })),
      }
    case 'picture':
      return { ...block, alt: translate(block.alt, language) }
    case 'code':
      return block
  }
}

function translateCell(column: string, cell: string, language: Language, { keepStates = false }: Options): string {
  if (NAMES.has(column)) return cell
  if (keepStates && STATES.has(column)) {
    const [, state = '', why] = /^([^:]*)(?:: (.*))?$/s.exec(cell) ?? []
    if (isOurWord(state)) return why === undefined ? cell : `${state}: ${translate(why, language)}`
  }
  if (WORDS.has(column)) return translateWord(cell, language)
  return DURATIONS.has(column) ? translateDuration(cell, language) : translate(cell, language)
}
