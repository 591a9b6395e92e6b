import { type Captured, compile, DURATION, matchTemplate, type Template, wordsOf } from './template.ts'
import { zh } from './zh.ts'
import { words } from './zh/words.ts'

export type Language = 'en' | 'zh'

/** Longer lines are none of ours. */
const LONGEST = 4096
const MOST_LINES = 400
const DEEPEST = 8
/** Comparisons for one text. Ours need some hundreds at most. */
const BUDGET = 20_000
/** Texts whose translation is remembered, and how long such a text may be. */
const REMEMBERED = 5000
const MEMORABLE = 2000
/** Pieces that are tried as one sentence: hardly one of ours holds more full stops or semicolons. */
const RUN = 5

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
const isWord = (text: string): boolean => Object.hasOwn(words, text)
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
    if (remembered.size > REMEMBERED) for (const [oldest] of remembered) return forget(oldest, translated)
  }
  return translated
}

function forget(key: string, result: string): string {
  remembered.delete(key)
  return result
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

function wordOf(text: string): string | undefined {
  return Object.hasOwn(words, text) ? words[text] : undefined
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
  return sentence(text, depth, run) ?? several(text, depth, run)
}

/** A text that one entry of the catalogue makes, with or without the full stop that it got where it was put in. */
function sentence(text: string, depth: number, run: Run): string | undefined {
  if (!text.endsWith('.')) return one(text, depth, run, false)
  // A value at the end must not take the full stop along.
  const found = one(text, depth, run, true)
  if (found !== undefined) return found
  const bare = one(text.slice(0, -1), depth, run, false)
  return bare === undefined ? one(text, depth, run, false) : ended(bare)
}

function ended(chinese: string): string {
  return /[。！？…]$/.test(chinese) ? chinese : `${chinese.replace(/[.；]$/, '')}。`
}

/** `closed`: only by templates that do not end with a value. */
function one(text: string, depth: number, run: Run, closed: boolean): string | undefined {
  const exact = index.exact.get(text)
  if (exact !== undefined) return exact
  const candidates: Entry[] = []
  for (const word of new Set(text.match(/[A-Za-z]{2,}/g))) candidates.push(...(index.byWord.get(word) ?? []))
  candidates.sort((a, b) => b.template.weight - a.template.weight)
  for (const entry of candidates) {
    if (run.left-- <= 0) return undefined
    if (closed && entry.template.literals.at(-1) === '') continue
    const captured = matchTemplate(entry.template, text, isWord, run)
    if (captured !== undefined) return fill(entry.chinese, captured, depth, run).text
  }
  for (const entry of index.wordless) {
    if (run.left-- <= 0) return undefined
    if (closed && entry.template.literals.at(-1) === '') continue
    const captured = matchTemplate(entry.template, text, isWord, run)
    if (captured === undefined) continue
    // Its form alone proves nothing: `a: b` may come from anywhere.
    const filled = fill(entry.chinese, captured, depth, run)
    if (filled.ours) return filled.text
  }
  return undefined
}

function fill(chinese: string, captured: Captured[], depth: number, run: Run): { text: string; ours: boolean } {
  let ours = false
  const values = new Map<string, string>()
  for (const { name, kind, text } of captured) {
    const value = valueOf(kind, text, depth, run)
    if (value !== undefined) ours = true
    values.set(name, value ?? text)
  }
  // One pass: a value that looks like a placeholder is not filled in again.
  return { text: chinese.replace(/\{([A-Za-z]\w*)\}/g, (slot, name: string) => values.get(name) ?? slot), ours }
}

function valueOf(kind: Captured['kind'], text: string, depth: number, run: Run): string | undefined {
  if (kind === '!') return wordOf(text)
  if (kind === '@') return duration(text)
  if (kind === '*' || kind === '~') return whole(text, depth + 1, run)
  return kind === '_' ? whole(text.trimStart(), depth + 1, run) : undefined
}

const UNITS: Record<string, string> = { ms: '毫秒', s: '秒', min: '分钟', h: '小时', d: '天' }

function duration(text: string): string {
  return text.replace(/\b(ms|s|min|h|d)\b/g, (unit) => UNITS[unit] ?? unit)
}

/** Several sentences, or clauses, after each other. What is not ours among them stays as it is, with what separates it. */
function several(text: string, depth: number, run: Run): string | undefined {
  const next = text.indexOf(' Next: ')
  if (next > 0) {
    const [head, tail] = [text.slice(0, next), text.slice(next + 7)]
    const [said, done] = [whole(head, depth + 1, run), whole(tail, depth + 1, run)]
    if (said !== undefined || done !== undefined) return `${said ?? `${head} `}下一步：${done ?? tail}`
  }
  return (
    pieces(text, /(?<=[.!?…]) /, ' ', '', depth, run) ??
    pieces(text, /; /, '; ', '；', depth, run) ??
    listed(text, depth, run)
  )
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
