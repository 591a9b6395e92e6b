export type Part = { type: 'heading'; text: string } | { type: 'words'; text: string } | { type: 'code'; text: string }

const HEADING = /^[ \t]*【([^【】\n]{1,60})】[:：]?[ \t]*(.*)$/
const FENCE = /^```[\w-]*\s*$/

/** Whether a text is a report: it has headings such as `【根因分析】` at the beginning of a line. */
export function isReport(text: string): boolean {
  return text.split('\n').some((line) => HEADING.test(line))
}

/**
 * A report as headings, words and fenced code, in their order. Nothing is lost but the marks themselves: what is no heading and no
 * whole fence stays words, as it was written.
 */
export function partsOf(text: string): Part[] {
  const parts: Part[] = []
  let words: string[] = []
  let code: string[] | undefined
  const flush = () => {
    const text = words.join('\n').replace(/^\n+|\s+$/g, '')
    if (text !== '') parts.push({ type: 'words', text })
    words = []
  }
  for (const line of text.split('\n')) {
    if (code !== undefined) {
      if (FENCE.test(line)) {
        parts.push({ type: 'code', text: code.slice(1).join('\n') })
        code = undefined
      } else code.push(line)
      continue
    }
    const heading = HEADING.exec(line)
    if (FENCE.test(line)) {
      flush()
      code = [line]
    } else if (heading !== null) {
      flush()
      parts.push({ type: 'heading', text: heading[1] ?? '' })
      if (heading[2] !== undefined && heading[2] !== '') words.push(heading[2])
    } else words.push(line)
  }
  if (code !== undefined) words.push(...code)
  flush()
  return parts
}
