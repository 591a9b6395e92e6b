import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quote } from '../../../src/adapters/ssh/quote.ts'

/** What a real shell makes of the words, as bytes. */
function roundTrip(words: string[], shell = 'sh'): Buffer {
  return execFileSync(shell, ['-c', `printf '%s\\0' ${quote(words)}`], { maxBuffer: 1 << 24 })
}
const expected = (words: string[]) => Buffer.concat(words.flatMap((word) => [Buffer.from(word), Buffer.from([0])]))
const anything = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => text.replaceAll('\0', ''))
const hostile = fc.string({
  unit: fc.constantFrom(
    "'",
    '"',
    '\\',
    '$',
    '`',
    '\n',
    '\r',
    '-',
    '!',
    '*',
    ' ',
    ';',
    '&',
    '|',
    '~',
    '#',
    'é',
    '\x7f',
    '\x01',
  ),
  maxLength: 40,
})

describe('quote', () => {
  test('any words come out of a real shell byte for byte', () => {
    const words = fc.array(fc.oneof(anything, hostile), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(words, (list) => {
        expect(roundTrip(list).equals(expected(list))).toBe(true)
      }),
      { numRuns: 150 },
    )
  })

  test('quoting what was quoted adds one layer that a shell takes off again', () => {
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 4 }), (list) => {
        const inner = quote(list)
        expect(roundTrip([inner]).toString()).toBe(`${inner}\0`)
        const nested = execFileSync('sh', ['-c', quote(['sh', '-c', `printf '%s\\0' ${inner}`])])
        expect(nested.equals(expected(list))).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  test.each([
    ['nothing', [''], "''"],
    ['options', ['--help', '-n'], "'--help' '-n'"],
    ['a quote', ["it's"], "'it'\\''s'"],
    ['a command', ['$(id)', '; reboot'], "'$(id)' '; reboot'"],
    ['no words', [], ''],
  ])('%s', (_, words, text) => {
    expect(quote(words)).toBe(text)
  })

  test('a NUL is refused', () => {
    expect(() => quote(['fine', 'a\0b'])).toThrowError(expect.objectContaining({ code: 'target.nul-in-value' }))
  })
})
