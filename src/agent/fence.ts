/**
 * What is not seen and may still be read: control and format characters (zero width, direction, tags), variation selectors,
 * line and paragraph separators, and the fillers of Hangul. Line feeds and tabs stay.
 */
const invisible = new RegExp(
  [
    '[\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\u2028\\u2029\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u3164\\uffa0]',
    '[\\ufe00-\\ufe0f]',
    '[\\u{e0000}-\\u{e0fff}]',
  ].join('|'),
  'gu',
)

/** Text from outside without what cannot be seen, at most `most` characters; says how many were left out. */
export function clean(text: string, most: number): string {
  const seen = text
    .toWellFormed()
    .replace(/\r\n?/g, '\n')
    .replace(invisible, (char) => (char === '\n' || char === '\t' ? char : ''))
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
