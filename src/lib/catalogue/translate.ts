import { type Captured, compile, DURATION, matchTemplate, type Template, wordsOf } from './template.ts'
import { words } from './zh/words.ts'
import { zh } from './zh.ts'

export type Language = 'en' | 'zh'

/** Longer lines are none of ours. */
const LONGEST = 4096
const MOST_LINES = 400
const DEEPEST = 8
/** Comparisons for one text. Ours need some hundreds at most. */
const BUDGET = 10_000
/** Texts whose translation is remembered, and how long such a text may be. */
const REMEMBERED = 2000
const MEMORABLE = 2000
/** Pieces that are tried as one sentence: hardly one of ours holds more full stops or semicolons. */
const RUN = 5
/** Stands between what happened and what to do. */
const NEXT = ' Next: '

interface Entry {
  template: Template
  chinese: string
}

interface Index {
  exact: Map<string, string>
  /** By a word that the text must hold. */
  byWord: Map<string, Entry[]>
  /** Those without any word, such as `{state!}: {why*}`. */
  wordless: Entry[]
}

function indexOf(catalogue: Readonly<Record<string, string>>): Index {
  const entries = Object.entries(catalogue).flatMap(([key, chinese]) =>
    compile(key).map((template): Entry => ({ template, chinese })),
  )
  const counts = new Map<string, number>()
  for (const { template } of entries) {
    for (const word of new Set(wordsOf(template))) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const index: Index = { exact: new Map(), byWord: new Map(), wordless: [] }
  for (const entry of entries) {
    const { literals, slots } = entry.template
    if (slots.length === 0) {
      index.exact.set(literals[0] ?? '', entry.chinese)
      continue
    }
    // The rarest word leads to the fewest templates.
    const [rarest] = wordsOf(entry.template).sort(
      (a, b) => (counts.get(a) ?? 0) - (counts.get(b) ?? 0) || b.length - a.length,
    )
    if (rarest === undefined) index.wordless.push(entry)
    else index.byWord.set(rarest, [...(index.byWord.get(rarest) ?? []), entry])
  }
  return index
}

const index = indexOf(zh)
const remembered = new Map<string, string>()

interface Run {
  left: number
}

/**
 * The text in the reader's language. English is what the code says and what is stored, so it is returned as it is. What is not
 * made of our sentences is returned unchanged, and so are the values inside a sentence. Takes bounded time for any text.
 */
export function translate(text: string, language: Language): string {
  if (language === 'en' || text === '') return text
  const known = remembered.get(text)
  if (known !== undefined) {
    // Back to the end: the ones that are asked for again stay.
    remembered.delete(text)
    remembered.set(text, known)
    return known
  }
  const translated = lines(text)
  if (text.length <= MEMORABLE) {
    remembered.set(text, translated)
    const oldest = remembered.size > REMEMBERED ? remembered.keys().next().value : undefined
    if (oldest !== undefined) remembered.delete(oldest)
  }
  return translated
}

/** As `translate`, and a single word of ours (a state, a label) as well: for places where nothing else stands. */
export function translateWord(text: string, language: Language): string {
  if (language === 'en') return text
  return wordOf(text) ?? translate(text, language)
}

/** `1 h 5 min` -> `1 小时 5 分钟`; anything else as `translate`. */
export function translateDuration(text: string, language: Language): string {
  return language === 'zh' && DURATION.test(text) ? duration(text) : translate(text, language)
}

/** Whether it is a single word or label of ours. */
export function isOurWord(text: string): boolean {
  return Object.hasOwn(words, text)
}

function wordOf(text: string): string | undefined {
  return isOurWord(text) ? words[text] : undefined
}

function lines(text: string): string {
  if (!text.includes('\n')) return text.length > LONGEST ? text : (whole(text, 0, { left: BUDGET }) ?? text)
  const all = text.split('\n')
  if (all.length > MOST_LINES) return text
  const run = { left: BUDGET }
  return all
    .map((line) => {
      if (line.length > LONGEST) return line
      const [, before = '', inner = ''] = /^(\s*)(.*)$/s.exec(line) ?? []
      return before + (whole(inner, 0, run) ?? inner)
    })
    .join('\n')
}

/** One sentence or several, or undefined when nothing in it is ours. */
function whole(text: string, depth: number, run: Run): string | undefined {
  if (depth > DEEPEST || run.left <= 0 || !/[A-Za-z]{2}/.test(text)) return undefined
  return advised(text, depth, run) ?? sentence(text, depth, run) ?? several(text, depth, run)
}

/** A text that one entry of the catalogue makes, with or without the full stop that it got where it was put in. */
function sentence(text: string, depth: number, run: Run): string | undefined {
  if (!text.endsWith('.') || text.endsWith('..')) return one(text, depth, run, anyone)
  // A value at the end must not take the full stop along.
  const found = one(text, depth, run, isClosed)
  if (found !== undefined) return found
  const bare = one(text.slice(0, -1), depth, run, anyone)
  return bare === undefined ? one(text, depth, run, anyone) : ended(bare)
}

const anyone = (): boolean => true
/** Does not end with a value, or with one that knows what to do with a full stop. */
const isClosed = ({ literals, slots }: Template): boolean =>
  literals.at(-1) !== '' || slots.at(-1)?.kind === '*' || slots.at(-1)?.kind === '_'

function ended(chinese: string): string {
  return /[。！？…]$/.test(chinese) ? chinese : `${chinese.replace(/[.；]$/, '')}。`
}

function one(text: string, depth: number, run: Run, which: (template: Template) => boolean): string | undefined {
  const exact = index.exact.get(text)
  if (exact !== undefined) return exact
  // Taking a long text apart into words costs as well.
  run.left -= text.length >> 5
  if (run.left <= 0) return undefined
  const candidates: Entry[] = []
  for (const word of new Set(text.match(/[A-Za-z]{2,}/g))) candidates.push(...(index.byWord.get(word) ?? []))
  candidates.sort((a, b) => b.template.weight - a.template.weight)
  for (const entry of candidates) {
    if (run.left-- <= 0) return undefined
    if (!which(entry.template)) continue
    const captured = matchTemplate(entry.template, text, isOurWord, run)
    if (captured !== undefined) return fill(entry.chinese, captured, depth, run).text
  }
  for (const entry of index.wordless) {
    if (run.left-- <= 0) return undefined
    if (!which(entry.template)) continue
    const captured = matchTemplate(entry.template, text, isOurWord, run)
    if (captured === undefined) continue
    // Its form alone proves nothing: `a: b` may come from anywhere, and `a: b; c: d` are two.
    const filled = fill(entry.chinese, captured, depth, run, true)
    if (filled.ours) return filled.text
  }
  return undefined
}

function fill(
  chinese: string,
  captured: Captured[],
  depth: number,
  run: Run,
  strict = false,
): { text: string; ours: boolean } {
  let ours = false
  const values = new Map<string, string>()
  for (const { name, kind, text } of captured) {
    const several = strict && kind === '*' && text.includes('; ')
    const value = several ? sentence(text, depth + 1, run) : partOf(kind, text, depth, run)
    if (several && value === undefined) return { text: '', ours: false }
    if (value !== undefined) ours = true
    values.set(name, value ?? text)
  }
  // One pass: a value that looks like a placeholder is not filled in again.
  const text = chinese.replace(/\{([A-Za-z][A-Za-z0-9]*)\}(?=(.?))/gu, (slot, name: string, behind: string) => {
    const value = values.get(name) ?? slot
    // An English full stop wants its blank.
    return /[.!?]$/.test(value) && /\p{Script=Han}/u.test(behind) ? `${value} ` : value
  })
  return { text, ours }
}

function partOf(kind: Captured['kind'], text: string, depth: number, run: Run): string | undefined {
  if (kind === '!') return wordOf(text)
  if (kind === '@') return duration(text)
  if (kind === '*' || kind === '~' || kind === '%') return whole(text, depth + 1, run)
  return kind === '_' ? whole(text.trimStart(), depth + 1, run) : undefined
}

const UNITS: Record<string, string> = { ms: '毫秒', s: '秒', min: '分钟', h: '小时', d: '天' }

function duration(text: string): string {
  return text.replace(/\b(ms|s|min|h|d)\b/g, (unit) => UNITS[unit] ?? unit)
}

/** `A. Next: B`, when both or B are ours: a value at the end of A must not take B along. */
function advised(text: string, depth: number, run: Run): string | undefined {
  if (text.startsWith(NEXT.trimStart())) {
    const done = whole(text.slice(NEXT.length - 1), depth + 1, run)
    return done === undefined ? undefined : `下一步：${done}`
  }
  const next = text.indexOf(NEXT)
  if (next <= 0) return undefined
  const both = one(text, depth, run, ({ literals }) => literals.some((literal) => literal.includes(NEXT)))
  if (both !== undefined) return both
  const done = whole(text.slice(next + NEXT.length), depth + 1, run)
  if (done === undefined) return undefined
  const head = text.slice(0, next)
  return `${whole(head, depth + 1, run) ?? `${head} `}下一步：${done}`
}

/** Several sentences, or clauses, after each other. What is not ours among them stays as it is, with what separates it. */
function several(text: string, depth: number, run: Run): string | undefined {
  const sentences = pieces(text, /(?<=[.!?…]) /, ' ', '', depth, run)
  const clauses = pieces(text, /; /, '; ', '；', depth, run)
  // A full stop may belong to a value: the way that leaves less English is the right one.
  const best =
    clauses !== undefined && (sentences === undefined || latin(clauses) < latin(sentences)) ? clauses : sentences
  return best ?? listed(text, depth, run)
}

function latin(text: string): number {
  return text.replace(/[^A-Za-z]/g, '').length
}

/** From the left, as many pieces at a time as make a sentence of ours. */
function pieces(
  text: string,
  at: RegExp,
  english: string,
  chinese: string,
  depth: number,
  run: Run,
): string | undefined {
  const parts = text.split(at)
  if (parts.length < 2 || parts.length > 200) return undefined
  let result = ''
  let ours = false
  let before: boolean | undefined
  for (let start = 0; start < parts.length; ) {
    let taken = 1
    let found: string | undefined
    for (let size = Math.min(RUN, parts.length - start); size > 0 && found === undefined; size--) {
      if (size === parts.length) continue
      const joined = parts.slice(start, start + size).join(english)
      found = sentence(joined, depth + 1, run)
      // A single sentence may hold clauses.
      if (found === undefined && size === 1 && english === ' ') found = several(joined, depth + 1, run)
      if (found !== undefined) taken = size
    }
    const here = found !== undefined
    if (before !== undefined) result += before && here ? chinese : english
    result += found ?? parts[start]
    before = here
    ours ||= here
    start += taken
  }
  return ours ? result : undefined
}

/** `2 healthy, 1 failed`: only when every part is ours. Names with commas between them are none. */
function listed(text: string, depth: number, run: Run): string | undefined {
  const parts = text.split(', ')
  if (parts.length < 2 || parts.length > 50) return undefined
  const result: string[] = []
  for (let start = 0; start < parts.length; ) {
    let found: string | undefined
    let size = Math.min(8, parts.length - start)
    for (; size > 0; size--) {
      if (size === parts.length) continue
      found = sentence(parts.slice(start, start + size).join(', '), depth + 1, run)
      if (found !== undefined) break
    }
    if (found === undefined) return undefined
    result.push(found)
    start += size
  }
  return result.join('，')
}
