import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { braces, fill, isClassicName, literal, quote, selector } from '../../src/release/metrics-promql.ts'

/** Reads a PromQL (Go) string literal as the server does; undefined when anything follows it. */
function unquote(text: string): string | undefined {
  const body = /^"((?:[^"\\\n]|\\.)*)"$/su.exec(text)?.[1]
  return body?.replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)/gsu, (_, code: string) =>
    code.length === 1 ? code : String.fromCodePoint(Number.parseInt(code.slice(1), 16)),
  )
}

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', '\n', '$', 'window', 'é', '\u0000', '\u0085', "'", '`') }),
)

describe('PromQL text', () => {
  test('any text is one string literal that reads back as itself', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(unquote(quote(value))).toBe(value.toWellFormed())
      }),
      { numRuns: 1000 },
    )
  })

  test('no value can leave its matcher, be a line break, or pass for the window', () => {
    fc.assert(
      fc.property(text, (value) => {
        const found = selector('up', [
          { label: 'service', op: '=', value },
          { label: 'x', op: '=', value: '' },
        ])
        expect(found.startsWith('up{service="')).toBe(true)
        expect(unquote(found.slice('up{service='.length, -',x=""}'.length))).toBe(value.toWellFormed())
        expect(found).not.toMatch(/[\n\r]/)
        expect(fill(found, 60)).toBe(found)
      }),
    )
  })

  test('a literal regular expression matches its text and nothing else', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const pattern = new RegExp(`^(?:${literal(one)})$`, 's')
        expect(pattern.test(one)).toBe(true)
        expect(pattern.test(other)).toBe(one === other)
      }),
    )
  })

  test('names of other alphabets are matched by __name__', () => {
    expect(selector('up', [])).toBe('up')
    expect(selector('user-service_errors_total', [])).toBe('{__name__="user-service_errors_total"}')
    expect(selector('a"} or vector(1) #', [{ label: 'l', op: '=~', value: 'x' }])).toBe(
      '{__name__="a\\"} or vector(1) #",l=~"x"}',
    )
    expect(braces([{ label: 'a', op: '!=', value: 'b' }])).toBe('{a!="b"}')
    expect(isClassicName('a:b_c1')).toBe(true)
    expect(isClassicName('1a')).toBe(false)
  })

  test('the window is filled in as whole seconds, one at least', () => {
    expect(fill('rate(x[$window]) + rate(x[1m] offset $window)', 59.6)).toBe('rate(x[60s]) + rate(x[1m] offset 60s)')
    expect(fill('x[$window]', 0.2)).toBe('x[1s]')
  })
})
