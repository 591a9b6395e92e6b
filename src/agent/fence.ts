import { seenOf } from '../lib/text.ts'

/** Text from outside without what cannot be seen, at most `most` characters; says how many were left out. */
export function clean(text: string, most: number): string {
  const seen = seenOf(text)
  if (seen.length <= most) return seen
  // Not in the middle of a character of two units.
  const head = seen.slice(0, most).replace(/[\ud800-\udbff]$/, '')
  return `${head}… [${seen.length - head.length} more characters]`
}

/** The same on one line. */
export function cleanLine(text: string, most: number): string {
  return clean(text, most).replace(/\s+/g, ' ').trim()
}

/**
 * Marks text as data for a model. The nonce is random and new for each conversation, so the text cannot close its own fence;
 * should it hold the nonce all the same, that is taken out.
 */
export function fence(nonce: string, text: string, most: number, kind?: string): string {
  const inside = clean(text, most).replaceAll(nonce, '')
  const wide = inside.includes('\n') ? '\n' : ''
  return `<data-${nonce}${kind === undefined ? '' : ` ${kind}`}>${wide}${inside}${wide}</data-${nonce}>`
}
