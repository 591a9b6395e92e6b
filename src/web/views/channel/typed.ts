/** What was typed before, oldest first, and where one is in it: `at` = length is the line that is being written. */
interface Typed {
  lines: string[]
  at: number
  /** What was being written when one began to look back. */
  draft: string
}

const MOST = 50

export function remember(lines: string[], line: string): string[] {
  return line === lines.at(-1) ? lines : [...lines, line].slice(-MOST)
}

export function begin(lines: string[]): Typed {
  return { lines, at: lines.length, draft: '' }
}

/** One line back (-1) or on (1). Undefined at either end: the key is not for the history then. */
export function look(typed: Typed, direction: -1 | 1, text: string): { typed: Typed; text: string } | undefined {
  const at = typed.at + direction
  if (at < 0 || at > typed.lines.length) return undefined
  const draft = typed.at === typed.lines.length ? text : typed.draft
  return { typed: { ...typed, at, draft }, text: at === typed.lines.length ? draft : (typed.lines[at] ?? '') }
}

/** The kept lines; anything else than a list of lines counts as none. */
export function readLines(stored: string | null): string[] {
  try {
    const value: unknown = JSON.parse(stored ?? '[]')
    return Array.isArray(value) ? value.filter((line) => typeof line === 'string').slice(-MOST) : []
  } catch {
    return []
  }
}
