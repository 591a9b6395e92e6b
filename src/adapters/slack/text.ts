import { seenOf } from '../../lib/text.ts'
import { withoutPrefix } from './slash.ts'

/** Slack's three control characters as it wants them in every text object: it decodes these and no other entity. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

export function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

const LOOKALIKES: Record<string, string> = { '*': '∗', _: '＿', '~': '∼', '`': '｀' }

/**
 * Text from outside as it may stand in mrkdwn: escaped, and without what would make it bold, quoted or code. mrkdwn knows no
 * escape for these, so signs that stand where formatting could begin or end are replaced by others that look alike; backticks
 * wherever they stand, as code begins within words too.
 */
export function literal(text: string): string {
  return escaped(
    text
      .replace(/`|(?<![\p{L}\p{N}])[*_~](?=\S)|(?<=\S)[*_~](?![\p{L}\p{N}])/gu, (sign) => LOOKALIKES[sign] ?? sign)
      .replace(/^>/gm, '＞'),
  )
}

/**
 * For texts that Slack neither formats nor decodes (cells of tables, titles of tasks), where entities would be shown as such: what
 * could be taken for a tag elsewhere, in an export or a preview, only looks like one.
 */
export function untagged(text: string): string {
  return text.replace(/<(?=[!@#]|https?:|mailto:)/gi, '＜')
}

/** At most `max` characters, with … where something was cut off; characters are never cut in half. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text
  return `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** The longest beginning of the text that has at most `max` characters once encoded. */
function fitting(text: string, max: number, encode: (text: string) => string): string {
  let low = 1
  let high = Math.min(text.length, max)
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (encode(text.slice(0, middle)).length <= max) low = middle
    else high = middle - 1
  }
  // Half a character is none.
  return /[\ud800-\udbff]$/.test(text.slice(0, low)) && low > 1 ? text.slice(0, low - 1) : text.slice(0, low)
}

/**
 * The text in pieces of at most `max` characters once encoded: at ends of lines where possible, else at blanks, else anywhere.
 * Pieces without any character to be seen are left out.
 */
export function pieces(text: string, max: number, encode: (text: string) => string = escaped): string[] {
  const found: string[] = []
  let rest = text
  while (rest !== '') {
    let piece = fitting(rest, max, encode)
    if (piece.length < rest.length) {
      const line = piece.lastIndexOf('\n')
      const blank = piece.lastIndexOf(' ')
      if (line > 0) piece = piece.slice(0, line + 1)
      else if (blank > 0) piece = piece.slice(0, blank + 1)
    }
    rest = rest.slice(piece.length)
    if (piece.trim() !== '') found.push(piece.replace(/\n+$/, ''))
  }
  return found
}

const MOST_TYPED = 10_000

/**
 * What somebody typed, as a command line: mentions of the bot taken off, Slack's tags turned back into what they stood for, and
 * what keyboards put in by themselves (typographic quotes, long dashes, no-break blanks, unseen characters) turned into what was
 * meant. A slash is put in front where there is none, and `rollcall-` is taken off. Empty text asks for help.
 */
export function typedLine(raw: string, botUser: string | undefined): string {
  // No tag holds another one, which keeps many opening signs from being slow.
  const plain = seenOf(raw.slice(0, MOST_TYPED * 2))
    .replace(/<@([A-Z0-9]{1,30})(?:\|([^<>]*))?>/g, (_, user: string, name?: string) =>
      user === botUser ? ' ' : `@${name || user}`,
    )
    .replace(/<#([A-Z0-9]{1,30})(?:\|([^<>]*))?>/g, (_, id: string, name?: string) => `#${name || id}`)
    .replace(/<!(?:subteam\^[A-Z0-9]{1,30}\|)?@?([^|<>]*)(?:\|[^<>]*)?>/g, (_, name: string) => `@${name}`)
    // Slack makes links of names that look like one: what was typed is the label.
    .replace(/<(?:mailto:|tel:)?[^|<>\s]+\|([^<>]*)>/g, (_, label: string) => label)
    .replace(/<(?:mailto:|tel:)?([^<>\s]+)>/g, '$1')
  const words = unescaped(plain)
    .replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\s]+/g, ' ')
    .replace(/[“”„‟«»″＂]/g, '"')
    .replace(/[‘’‚‛′＇]/g, "'")
    .replace(/(^|\s)[—–]+(?=[a-z])/g, '$1--')
    .trim()
    .replace(/^`{1,3}([^`]*)`{1,3}$/, '$1')
    .trim()
  const line = words === '' ? '/help' : words.startsWith('/') ? words : `/${words}`
  return withoutPrefix(line).slice(0, MOST_TYPED)
}
