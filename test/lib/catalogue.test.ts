import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/lib/catalogue/template.ts'
import { gateTable } from '../../src/lib/catalogue/zh/gate.ts'
import { hosts } from '../../src/lib/catalogue/zh/hosts.ts'
import { words } from '../../src/lib/catalogue/zh/words.ts'
import { zh } from '../../src/lib/catalogue/zh.ts'
import { zh as client } from '../../src/web/i18n/zh.ts'
import { COMPOSED, FORMS, PARTS, SILENT, SILENT_FILES } from './catalogue-exceptions.ts'
import { literalsOf, scan, scanSource } from './catalogue-scan.ts'

const root = join(import.meta.dirname, '../..')
const scripts = 'src/adapters/ssh/scripts'
const ssh = ['connect', 'artifact', 'index', 'run', 'call', 'protocol'].map((name) => `src/adapters/ssh/${name}.ts`)
const folders = [
  ...['src/release', 'src/incident', 'src/access', 'src/entry', 'commands', 'src/knowledge', 'src/topology'].map(
    (path) => ({ path }),
  ),
  { path: 'src/lib/did-you-mean.ts' },
  { path: 'src/lib', only: 'faults' as const },
  { path: 'src/adapters', only: 'faults' as const },
  // The rest is said at the terminal.
  { path: 'src/demo/heard.ts', only: 'shown' as const },
  // Their faults are put together from clauses that stand in arguments.
  ...ssh.map((path) => ({ path })),
]

const said = scan(root, folders, Object.keys(SILENT_FILES))
const saidTexts = new Set(said.map(({ text }) => text))
/** A key's texts with `{}` for every placeholder, whatever its name. */
const plain = (key: string): string[] => compile(key).map(({ literals }) => literals.join('{}'))
const entries = new Set(Object.keys(zh).flatMap(plain))
const countWords = (text: string): number => text.replaceAll('{}', ' ').match(/[A-Za-z]{2,}/g)?.length ?? 0
/** Without the blanks, signs and values around it. */
const inner = (text: string): string => text.replace(/^(?:\{\}|[\s;,.:(…])+|(?:\{\}|[\s;,:)…])+$/g, '')

/** Whether `text` is `pattern` with further words or placeholders in the places of its placeholders. */
function isInstance(text: string, pattern: string): boolean {
  const parts = pattern.split('{}')
  const [head = '', tail = ''] = [parts[0], parts.at(-1)]
  if (parts.length === 1) return text === pattern
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false
  let at = head.length
  const end = text.length - tail.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return at <= end
}

function isTranslated(text: string): boolean {
  if (entries.has(text) || Object.hasOwn(words, text) || Object.hasOwn(FORMS, text)) return true
  // A part of a sentence begins or ends in the middle of it.
  if (/^[\s;,…]|[\s;,…]$/.test(text) || Object.hasOwn(PARTS, text)) {
    return [...entries].some((entry) => entry.includes(inner(text)))
  }
  // The catalogue may have a sentence in several forms, one for each kind of value.
  return text.includes('{}') && countWords(text) > 2 && [...entries].some((entry) => isInstance(entry, text))
}

describe('the Chinese catalogue', () => {
  test('has a translation for every sentence and label that the code says', () => {
    const missing = said.filter(({ text }) => !Object.hasOwn(SILENT, text) && !isTranslated(text))
    expect([...new Set(missing.map(({ text, file }) => `${file}: ${text}`))]).toEqual([])
  })

  test('holds no sentence that the code no longer says', () => {
    const patterns = [...saidTexts]
      .map((text) => text.trim())
      .filter((text) => text.includes('{}') && countWords(text) > 0)
    const parts = [...saidTexts].map(inner).filter((text) => countWords(text) > 1 && !text.includes('{}'))
    const elsewhere = new Set([COMPOSED, gateTable, hosts].flatMap((each) => Object.keys(each)).flatMap(plain))
    const left = [...entries].filter(
      (entry) =>
        !saidTexts.has(entry) &&
        !elsewhere.has(entry) &&
        !patterns.some((pattern) => isInstance(entry, pattern)) &&
        !parts.some((part) => entry.includes(part)),
    )
    expect(left).toEqual([])
  })

  test('holds no word that the code no longer says', () => {
    const spoken = literalsOf(root, ['src', 'commands'])
    expect(Object.keys(words).filter((word) => !spoken.has(word) && !saidTexts.has(word))).toEqual([])
  })

  test('has a translation for every reason that the scripts on the hosts give, and for no other', () => {
    const names = readdirSync(join(root, scripts)).filter((name) => name.endsWith('.sh'))
    const text = names.map((name) => readFileSync(join(root, scripts, name), 'utf8')).join('\n')
    const given = [...text.matchAll(/\b(?:fail|deny \w+|end|refuse \w+) "([^"]+)"/g)].map(([, reason = '']) => reason)
    // "${said:-gzip ended with $rc}" is what a program has said, or else a reason of its own.
    const defaults = [...text.matchAll(/\$\{\w+:-([^}"]*)\}/g)].map(([, reason = '']) => reason)
    const reasons = [...given, ...defaults.filter((reason) => reason.includes(' '))]
      .filter((reason) => !reason.includes('%%'))
      .map((reason) => reason.replace(/\$\(\(.*?\)\)|\$\{[^}]*\}|\$\w+/g, '{}'))
    expect(reasons.length).toBeGreaterThan(20)
    const known = [...new Set(Object.keys(hosts).flatMap(plain))]
    const told = reasons.map((reason) => reason.replace(/^\d+ /, '')).filter((reason) => countWords(reason) > 0)
    const missing = told.filter((reason) => !known.some((entry) => isInstance(entry, reason)))
    expect(missing).toEqual([])
    const gone = known.filter((entry) =>
      entry
        .split('{}')
        .some((part) => countWords(part) > 1 && !part.split(/; | \(|, /).some((at) => text.includes(at))),
    )
    expect(gone).toEqual([])
  })

  test('says every value of a sentence once, and no other', () => {
    const names = (text: string) =>
      [...text.matchAll(/\{([A-Za-z][A-Za-z0-9]*)[\^~#%"@*!_]?\}/g)].map(([, name]) => name)
    const wrong = Object.entries(zh).filter(([key, chinese]) => {
      const [wanted, found] = [names(key), names(chinese)]
      return new Set(wanted).size !== wanted.length || wanted.toSorted().join() !== found.toSorted().join()
    })
    expect(wrong.map(([key]) => key)).toEqual([])
  })

  test("calls states as the console's client does", () => {
    const states = new Map(
      Object.entries(client).flatMap(([key, text]) => (/^state\./.test(key) ? [[key.slice(6), text]] : [])),
    )
    const shared = Object.keys(words).filter((word) => states.has(word))
    expect(shared.length).toBeGreaterThan(20)
    expect(shared.map((word) => [word, words[word]])).toEqual(shared.map((word) => [word, states.get(word)]))
  })

  test('is exempted from only where the code still says what is exempted', () => {
    expect(Object.keys({ ...SILENT, ...PARTS, ...FORMS }).filter((text) => !saidTexts.has(text))).toEqual([])
    const known = new Set(Object.keys(zh))
    expect(Object.keys(COMPOSED).filter((key) => !known.has(key))).toEqual([])
    const isForm = ([text, key]: [string, string]) =>
      known.has(key) && plain(key).some((entry) => entry.includes(inner(text)) || isInstance(entry, text))
    expect(Object.entries(FORMS).filter((form) => !isForm(form))).toEqual([])
  })
})

describe('the scanner', () => {
  const texts = (source: string) => scanSource(source, { file: 'x.ts' }).map(({ text }) => text)

  test('finds sentences wherever they stand, with placeholders and both forms of a choice', () => {
    const dollar = (source: string) => source.replaceAll('#{', '$' + '{')
    expect(texts(dollar("const a = no(`#{n} host#{n === 1 ? '' : 's'} failed.`, 'try again')"))).toEqual([
      '{} host failed.',
      '{} hosts failed.',
      'try again',
    ])
    expect(texts(dollar('const s = `Held#{x ? ` until #{time(x)}` : ""}: #{why || "nobody knows"}`'))).toEqual([
      'Held until {}: {}',
      'Held: {}',
      'nobody knows',
    ])
  })

  test('finds single words only where they are shown', () => {
    expect(texts("const a = { label: 'host', at: 'held', columns: ['one', 'two'], id: 'a b' }")).toEqual([
      'host',
      'one',
      'two',
    ])
  })

  test('leaves out what nobody but developers reads', () => {
    expect(texts("import a from 'a b'; log.warn({ a }, 'went wrong here'); throw new Error('no such thing')")).toEqual(
      [],
    )
    expect(texts("await flow.step('read the plan', async () => say({ text: 'Read it now' }))")).toEqual(['Read it now'])
    expect(texts("if (a === 'rolling out') tell(scene, 'the end', { title: 'It is over' })")).toEqual(['It is over'])
  })
})
