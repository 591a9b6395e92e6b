/**
 * Characters that a reader does not see but a model may read: controls, formats (zero width, bidi, tags), fillers, variation
 * selectors, private use, unassigned. Newline and tab stay.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}]|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u3164|\uffa0|\p{Variation_Selector}/gu

/** The text as it may be shown and sent on: no unseen characters, no halves of characters, newlines as \n. */
export function seenOf(text: string): string {
  // Nearly all labels and numbers are such, and there may be a million of them.
  if (/^[ -~\n]*$/.test(text)) return text
  return text
    .replace(/\r\n?|[\u2028\u2029\u0085]/g, '\n')
    .toWellFormed()
    .replace(unseen, (char) => (char === '\n' || char === '\t' ? char : ''))
}
