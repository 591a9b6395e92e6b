import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cut, escaped, literal, pieces, typedLine, unescaped } from '../../../src/adapters/slack/text.ts'

describe('what was typed', () => {
  test.each([
    ['<@U0BOT> release user-service v1.1.0', '/release user-service v1.1.0'],
    ['<@U0BOT|rollcall>: status', '/: status'],
    ['  /release  x\n y ', '/release x y'],
    ['release\u00a0x\u2007y\u200b\u2060', '/release x y'],
    ['silence “a b” ‘c’ —reason x', `/silence "a b" 'c' --reason x`],
    ['ask <@U0EVE|eve> in <#C1|ops> <!here> now', '/ask @eve in #ops @here now'],
    ['probe <http://web-1.test|web-1.test> <https://a.test/x>', '/probe web-1.test https://a.test/x'],
    ['mail <mailto:a@b.test|a@b.test>', '/mail a@b.test'],
    ['say a &lt; b &amp;&amp; c', '/say a < b && c'],
    ['`release x y`', '/release x y'],
    ['<@U0BOT>', '/help'],
    ['', '/help'],
    ['/', '/'],
  ])('%j is %j', (typed, line) => expect(typedLine(typed, 'U0BOT')).toBe(line))

  test('is one line of at most 10,000 characters with a slash, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const line = typedLine(text.repeat(120), 'U0BOT')
        expect(line.startsWith('/')).toBe(true)
        expect(line.length).toBeLessThanOrEqual(10_000)
        expect(line).not.toMatch(/[\n\u200b\u00a0]/)
      }),
      { numRuns: 50 },
    )
  })
})

test.each(['<', '<!', '<@U', '`', '&', '— ', ' '])('many %j in a row take no long', (sign) => {
  const began = performance.now()
  typedLine(sign.repeat(20_000), 'U0BOT')
  expect(performance.now() - began).toBeLessThan(500)
})

describe('pieces', () => {
  test('hold all of the text, each within the bound once encoded, cut at lines or blanks', () => {
    const words = fc.array(fc.constantFrom('a', 'word', '<&>', '\n', ' ', '🚀🚀', '测试', 'x'.repeat(40)), {
      maxLength: 200,
    })
    fc.assert(
      fc.property(words, fc.integer({ min: 10, max: 60 }), (parts, most) => {
        const text = parts.join('')
        const found = pieces(text, most)
        expect(
          found.every((piece) => escaped(piece).length <= most && piece.isWellFormed() && piece.trim() !== ''),
        ).toBe(true)
        expect(found.join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''))
      }),
    )
  })
  test('prefer the ends of lines', () => expect(pieces('one two\nthree four', 12)).toEqual(['one two', 'three four']))
})

test('escaping is undone by Slack, and what stands for formatting only looks like it', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(unescaped(escaped(text))).toBe(text)
    }),
  )
  expect(literal('rate(http_requests_total[5m]) 2 * 3')).toBe('rate(http_requests_total[5m]) 2 * 3')
  expect(literal('*a* _b_ `c`')).not.toMatch(/[*_`]/)
})

test('cut marks what it leaves out, and leaves no half characters', () => {
  expect(cut('abc', 3)).toBe('abc')
  expect(cut('abcd', 3)).toBe('ab…')
  expect(cut('a🚀b', 3).isWellFormed()).toBe(true)
})
