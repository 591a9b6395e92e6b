import { seenOf } from '../../lib/text.ts'

/** Bytes in UTF-8, in which WeCom counts. */
export const bytesOf = (text: string): number => Buffer.byteLength(text)

/** The longest head of at most `most` bytes that ends between two characters, and what is left. The head of a text is never empty. */
export function cutBytes(text: string, most: number): [head: string, rest: string] {
  if (bytesOf(text) <= most) return [text, '']
  let size = 0
  let end = 0
  for (const char of text) {
    size += bytesOf(char)
    if (size > most && end > 0) break
    end += char.length
    if (size > most) break
  }
  return [text.slice(0, end), text.slice(end)]
}

/** Columns on the screen: WeCom gives its lengths in Chinese characters (字), each two columns wide. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text)
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u.test(
        char,
      )
        ? 2
        : 1
  return width
}

/** The text if it fits in so many columns; otherwise its head with `…`. */
export function fitWidth(text: string, most: number): string {
  if (widthOf(text) <= most) return text
  let head = ''
  let width = 0
  for (const char of text) {
    width += widthOf(char)
    if (width > most - 2) break
    head += char
  }
  return `${head}…`
}

/** Text from outside, so that it stays text where nothing but links, mentions and tags is rendered; nothing that a reader cannot see. */
export function neutral(text: string): string {
  return seenOf(text)
    .replace(/<(?=[@a-z/!?])([^<>\n]*)>/gi, '＜$1＞')
    .replace(/<(?=[@a-z/!?])/gi, '＜')
    .replaceAll('](', '］(')
}

/** The same where all of markdown is rendered: no line begins a block, and nothing in it opens a fence or sets type. */
export function flat(text: string): string {
  return neutral(text)
    .replaceAll(']:', '］:')
    .replace(/`{2,}/g, (run) => 'ˋ'.repeat(run.length))
    .replace(/\*{2,}|_{2,}|~{2,}/g, (run) => (WIDE[run.charAt(0)] ?? '').repeat(run.length))
    .split('\n')
    .map((line) => flatStart(closedCode(line)))
    .join('\n')
}

/** On one line, for a place inside a line of ours. */
export const flatLine = (text: string): string => flat(text).replaceAll('\n', ' ').trim()

/** Set in bold; as it is where there is nothing to set. */
export function bold(text: string): string {
  const words = flatLine(text).replaceAll('*', '＊')
  return words === '' ? '' : `**${words}**`
}

/** Characters that begin a block at the beginning of a line, or set type when doubled, and what reads the same and does not. */
const WIDE: Record<string, string> = {
  '#': '＃',
  '>': '＞',
  '-': '–',
  '*': '＊',
  '+': '＋',
  '=': '＝',
  '|': '｜',
  ':': '：',
  '.': '．',
  ')': '）',
  _: '＿',
  '~': '～',
}

/**
 * A line that begins no block of CommonMark or of its tables: heading, underline of a heading, quote, list, rule, indented code. A
 * fence is left alone.
 */
export function flatStart(line: string): string {
  return line
    .replace(/^\s+/, (blank) =>
      /^ {1,3}$/.test(blank) ? blank : blank.replaceAll('\t', '    ').replace(/\s/g, '\u00a0'),
    )
    .replace(/^(\s*)([#>*+=|-]|:(?=-)|_(?=\s))/, (_, blank: string, mark: string) => blank + (WIDE[mark] ?? mark))
    .replace(/^(\s*\d{1,9})([.)])(?=\s|$)/, (_, number: string, mark: string) => number + (WIDE[mark] ?? mark))
}

/** A backtick without its other one would look for it in a later line. */
function closedCode(line: string): string {
  const odd = line.split('`').length % 2 === 0
  return odd ? line.replace(/`(?=[^`]*$)/, 'ˋ') : line
}

const USERID = /^[\w.@-]{1,64}$/

/** `@alice` of people whom WeCom knows, as markdown renders a mention; the others stay as they are. After `neutral`. */
export function withMentions(text: string, mention: (personId: string) => string | undefined): string {
  return text.replace(/(?<![\w@.])@([a-z0-9][a-z0-9._-]{0,62})/g, (whole, id: string) => {
    const bare = id.replace(/[._-]+$/, '')
    for (const each of new Set([id, bare])) {
      const user = mention(each)
      if (user !== undefined && USERID.test(user)) return `<@${user}>${id.slice(each.length)}`
    }
    return whole
  })
}

/** A mention of the one who did something, where the id can be one. */
export const mentionOf = (user: string): string => (USERID.test(user) ? `<@${user}>` : neutral(user).slice(0, 30))

/** The short code in front of a message's key: `R-3/card` -> R-3, `A-17/report` -> A-17. */
export function codeOf(key: string): string | undefined {
  return /^([RA]-\d{1,9})(?:\/|$)/.exec(key)?.[1]
}

/** Where WeCom acknowledges and does not render a colon; the full-width one reads the same. */
export const withoutColons = (text: string): string => text.replaceAll(':', '：')
