/** Characters that steer a terminal or a line of text instead of being seen: controls, marks of direction, joiners, tags. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu
const CJK =
  /[\u1100-\u11ff\u2e80-\u30ff\u3130-\u318f\u31c0-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\u{20000}-\u{3ffff}]/u

/** A text from outside as one line of at most `most` characters, of which every one can be seen. */
export function clean(text: string, most: number): string {
  const seen = [
    ...text
      .slice(0, 4 * most + 400)
      .toWellFormed()
      .replace(UNSEEN, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  ]
  return seen.length <= most
    ? seen.join('')
    : `${seen
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`
}

export function hasCjk(text: string): boolean {
  return CJK.test(text)
}

/** How wide a text is in DejaVu Sans, in units of the font's size; within some percent, and rather too wide. */
export function widthOf(text: string): number {
  let width = 0
  for (const each of text) width += widthOfOne(each)
  return width
}

function widthOfOne(each: string): number {
  if (CJK.test(each)) return 1
  if (/[ilIj.,:;'|!]/.test(each)) return 0.34
  if (/[ frt()[\]{}/\\-]/.test(each)) return 0.42
  if (/[mwMW@%]/.test(each)) return 0.97
  if (/[A-Z]/.test(each)) return 0.72
  return 0.64
}

/** The text cut so that it is at most `most` wide, in units of the font's size. */
export function cutTo(text: string, most: number): string {
  if (widthOf(text) <= most) return text
  const kept: string[] = []
  let width = widthOf('…')
  for (const each of text) {
    width += widthOfOne(each)
    if (width > most) break
    kept.push(each)
  }
  return `${kept.join('').trimEnd()}…`
}
