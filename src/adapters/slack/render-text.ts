import type { Block } from '../../ports/chat.ts'
import { markup, type Part, part, plainText } from './block.ts'
import { LIMITS } from './limits.ts'
import { escaped, literal, pieces } from './text.ts'

type Of<T extends Block['type']> = Extract<Block, { type: T }>
export type Mention = (person: string) => string | undefined

const NAME = /(?<![\p{L}\p{N}@._-])@([a-z0-9][a-z0-9._-]{0,62})/gu

/** The text as mrkdwn, `@alice` of somebody known there made a mention. */
export function withMentions(text: string, mention: Mention): string {
  let end = 0
  let found = ''
  for (const match of text.matchAll(NAME)) {
    const name = match[1] ?? ''
    // A full stop may end the sentence and not the name.
    const person = [name, name.replace(/[._-]+$/, '')].find((each) => mention(each) !== undefined)
    const user = person === undefined ? undefined : mention(person)
    if (person === undefined || user === undefined || !/^[A-Z0-9]{2,30}$/.test(user)) continue
    found += `${literal(text.slice(end, match.index))}<@${user}>`
    end = match.index + 1 + person.length
  }
  return end === 0 ? '' : found + literal(text.slice(end))
}

/** Text without mentions is plain, so that nothing in it is read as formatting. */
export function textParts(text: string, mention: Mention): Part[] {
  // A mention is hardly longer than its name; there is room for it.
  return pieces(text, LIMITS.section - 500, literalOrLonger).map((piece) => {
    const marked = withMentions(piece, mention)
    if (marked !== '' && marked.length <= LIMITS.section) return part(markup(marked), piece)
    return part({ type: 'section', text: plainText(piece) }, piece)
  })
}

function literalOrLonger(text: string): string {
  return escaped(text)
}

/** Label and value beside each other: Slack shows fields in two columns. */
export function fieldParts({ items }: Of<'fields'>, mention: Mention): Part[] {
  const parts: Part[] = []
  let row: Of<'fields'>['items'] = []
  const flush = (): void => {
    if (row.length === 0) return
    const fields = row.flatMap(({ label, value }) => {
      const marked = withMentions(value, mention)
      return [
        { type: 'mrkdwn' as const, text: bold(label), verbatim: true },
        marked !== '' && marked.length <= LIMITS.field
          ? { type: 'mrkdwn' as const, text: marked, verbatim: true }
          : plainText(value.trim() === '' ? '—' : value),
      ]
    })
    parts.push(part({ type: 'section', fields }, row.map(({ label, value }) => `${label}: ${value}`).join('\n')))
    row = []
  }
  for (const item of items) {
    if (bold(item.label).length > LIMITS.field || escaped(item.value).length > LIMITS.field) {
      flush()
      parts.push(...textParts(`${item.label}: ${item.value}`, mention))
      continue
    }
    row.push(item)
    if (row.length * 2 === LIMITS.fields) flush()
  }
  flush()
  return parts
}

export function bold(text: string): string {
  const line = literal(text.replace(/\s+/g, ' ').trim())
  return line === '' ? '—' : `*${line}*`
}

/** No two backticks are left beside each other, so that nothing in it ends the block. */
export function codeParts(text: string): Part[] {
  const fence = (piece: string) => `\`\`\`\n${escaped(piece.replace(/`(?=`|$)/g, '`\u200b'))}\n\`\`\``
  return pieces(text, LIMITS.section, fence).map((piece) => part(markup(fence(piece)), piece))
}

/** A label that is no link can not be made one from outside: `<`, `>` and `|` never reach Slack as they are. */
export function linkParts({ items }: Of<'links'>): Part[] {
  return items.flatMap(({ label, url }) => {
    const target = escaped(url.replace(/[<>|\s]/g, (sign) => encodeURIComponent(sign)))
    const name = literal((label.trim() === '' ? url : label).replace(/\s+/g, ' ').replaceAll('|', '¦'))
    const link = `<${target}|${name}>`
    const plain = `${label}: ${url}`
    return /^https?:\/\//i.test(url) && link.length <= LIMITS.section
      ? [part(markup(link), plain)]
      : pieces(plain, LIMITS.section).map((piece) => part({ type: 'section', text: plainText(piece) }, piece))
  })
}
