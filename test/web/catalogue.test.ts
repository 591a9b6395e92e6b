import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { en } from '../../src/web/i18n/en.ts'
import { pickLanguage, type Sentence, write } from '../../src/web/i18n/write.ts'
import { zh } from '../../src/web/i18n/zh.ts'

const catalogues: [string, Record<string, Sentence>][] = [
  ['en', en],
  ['zh', zh],
]

function placeholders(sentence: Sentence): string[] {
  const forms = typeof sentence === 'string' ? [sentence] : Object.values(sentence)
  return [...new Set(forms.flatMap((form) => form.match(/\{\w+\}/g) ?? []))].sort()
}

describe('the catalogues', () => {
  it('have the same keys', () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
  })

  it('name the same values in every sentence', () => {
    const english: Record<string, Sentence> = en
    const differing = Object.entries(zh).filter(
      ([key, sentence]) => placeholders(sentence).join() !== placeholders(english[key] ?? '').join(),
    )
    expect(differing.map(([key]) => key)).toEqual([])
  })

  it('have no empty sentence', () => {
    for (const [, catalogue] of catalogues) {
      const empty = Object.entries(catalogue).filter(([, sentence]) =>
        (typeof sentence === 'string' ? [sentence] : Object.values(sentence)).some((form) => form.trim() === ''),
      )
      expect(empty).toEqual([])
    }
  })

  it('hold every key that a view names, and none that no view names', () => {
    const source = sources(join(import.meta.dirname, '../../src/web'))
    // A key that is put together, such as `state.${state}`, names all that begin like it.
    const beginnings = [...source.matchAll(/`([a-z][\w.-]*\.)\$\{/g)].map((match) => match[1] ?? '')
    const unused = Object.keys(en).filter(
      (key) =>
        !source.includes(`'${key}'`) &&
        !source.includes(`"${key}"`) &&
        !beginnings.some((beginning) => key.startsWith(beginning)),
    )
    expect(unused).toEqual([])
  })
})

describe('write', () => {
  const catalogue = { plain: 'Hello {name}', many: { one: '{count} host', other: '{count} hosts' } }

  it('puts values in, and leaves alone what has none', () => {
    expect(write(catalogue, 'en', 'plain', { name: 'alice' })).toBe('Hello alice')
    expect(write(catalogue, 'en', 'plain')).toBe('Hello {name}')
  })

  it('chooses the form by the language’s plural rule and groups numbers', () => {
    expect(write(catalogue, 'en', 'many', { count: 1 })).toBe('1 host')
    expect(write(catalogue, 'en', 'many', { count: 0 })).toBe('0 hosts')
    expect(write(catalogue, 'en', 'many', { count: 1500 })).toBe('1,500 hosts')
    expect(write(catalogue, 'zh', 'many', { count: 1 })).toBe('1 hosts')
  })

  it('does not read a value as a pattern', () => {
    expect(write(catalogue, 'en', 'plain', { name: '{name} $& <b>' })).toBe('Hello {name} $& <b>')
  })

  it('shows the key of a sentence that is missing', () => {
    const lacking: Record<string, Sentence> = {}
    expect(write(lacking, 'en', 'nowhere')).toBe('nowhere')
  })
})

describe('pickLanguage', () => {
  it('takes the person’s choice, then the server’s Chinese, then the browser’s, then English', () => {
    expect(pickLanguage(null, 'en', ['zh-CN', 'en'])).toBe('zh')
    expect(pickLanguage(null, 'en', ['en-GB', 'zh'])).toBe('en')
    expect(pickLanguage('zh', 'en', ['en'])).toBe('zh')
    expect(pickLanguage(null, 'zh', ['en'])).toBe('zh')
    expect(pickLanguage('tlh', undefined, ['de', 'zh-CN', 'en'])).toBe('zh')
    expect(pickLanguage(null, undefined, ['de'])).toBe('en')
  })
})

function sources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/^(views-)?(en|zh)\.ts$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n')
}
