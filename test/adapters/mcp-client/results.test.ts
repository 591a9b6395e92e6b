import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clean } from '../../../src/adapters/mcp-client/clean.ts'
import { createKept } from '../../../src/adapters/mcp-client/kept.ts'
import type { Known } from '../../../src/adapters/mcp-client/kinds.ts'
import { boundResult, mostText, readKept } from '../../../src/adapters/mcp-client/results.ts'
import { summarise } from '../../../src/adapters/mcp-client/series.ts'

const query: Known = { name: 'execute_query', serverTool: 'execute_query', prometheus: true }
const other: Known = { name: 'look', serverTool: 'look', prometheus: false }
const asText = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] })
const bound = (value: object, known = query, kept = createKept()) =>
  boundResult(
    'content' in value ? (value as ReturnType<typeof asText>) : asText(value),
    known,
    {},
    { kept, redact: (text) => text },
  )
const vector = (n: number, labels: (i: number) => Record<string, string>, value: (i: number) => string = String) => ({
  resultType: 'vector',
  result: Array.from({ length: n }, (_, i) => ({ metric: labels(i), value: [1_769_900_000, value(i)] })),
})
const matrix = (series: number, points: number, value: (s: number, p: number) => string) => ({
  resultType: 'matrix',
  result: Array.from({ length: series }, (_, s) => ({
    metric: { __name__: 'm', host: `h${s}` },
    values: Array.from({ length: points }, (_, p) => [1_769_900_000 + p * 15, value(s, p)]),
  })),
})

describe("Prometheus' answers", () => {
  test('that are short are shown whole, the largest first', () => {
    const result = bound(vector(3, (i) => ({ __name__: 'up', job: 'api', host: `h${i}` })))
    expect(result).toMatchObject({ failed: false, empty: false })
    expect(result.handle).toBeUndefined()
    expect(result.text.split('\n')).toEqual([
      'vector of 3 series at 2026-01-31T22:53:20Z, largest first',
      'all have up{job="api"}',
      'labels: host has 3 values ("h0", "h1", "h2")',
      '{host="h2"} 2',
      '{host="h1"} 1',
      '{host="h0"} 0',
    ])
  })

  test('of many series show the largest, how labels are spread, and the others as one; the whole can be read', () => {
    const kept = createKept()
    const result = bound(
      vector(3000, (i) => ({ pod: `p${i}`, code: String(200 + (i % 3)) })),
      query,
      kept,
    )
    expect(result.text.length).toBeLessThanOrEqual(mostText)
    expect(result.text).toContain('pod has 3000 values ("p0", "p1", "p2", "p3", "p4", …); code has 3 values')
    expect(result.text).toContain('{pod="p2999", code="202"} 2999')
    expect(result.text).toContain('other: 2970 series, min 0, median 1485, mean 1484.5, max 2969')
    expect(result.text).toContain(`read_result with handle ${result.handle}`)
    let whole = ''
    while (whole.length < result.characters) {
      const page = readKept(kept, { handle: result.handle, offset: whole.length })
      whole += page.text.slice(0, page.text.lastIndexOf('\n(characters'))
      expect(page.text.length).toBeLessThan(8200)
    }
    expect(JSON.parse(whole).result).toHaveLength(3000)
  })

  test('over time keep at most 500 points a series, and the true extremes', () => {
    const value = (_: number, p: number) => (p === 777 ? '99.5' : '1')
    const result = bound(matrix(1, 3000, value))
    expect(result.text).toContain('3000 points, 2026-01-31T22:53:20Z to ')
    expect(result.text).toContain('min 1, median 1, mean 1.03283, max 99.5')
    expect(result.text).toContain('max at 2026-02-01T02:07:35Z')
    const [, every, values] = /every (\d+)th point: (.*)/.exec(result.text) ?? []
    expect(Number(every)).toBe(6)
    expect(values?.split(' ')).toHaveLength(500)
    expect(result.handle).toBeDefined()
  })

  test('of many series over time stay within the bound', () => {
    const result = bound(matrix(200, 1000, (s, p) => String(s * 1000 + p + 0.123456789)))
    expect(result.text.length).toBeLessThanOrEqual(mostText)
    expect(result.text).toContain('matrix of 200 series')
    expect(result.text).toContain('{host="h199"}')
    expect(result.text).toContain('other: 190 series')
  })

  test('show gaps, NaN and infinities', () => {
    const values = [
      [100, '1'],
      [115, 'NaN'],
      [160, '+Inf'],
      [175, '2'],
    ]
    const { text } = bound({ resultType: 'matrix', result: [{ metric: { host: 'a' }, values }] })
    expect(text).toContain('step 15 s: 1 NaN - - +Inf 2')
    expect(text).toContain('2 of 4 are NaN or infinite')
    expect(text).not.toMatch(/undefined|null/)
    expect(
      bound(
        vector(
          2,
          (i) => ({ i: `${i}` }),
          () => 'NaN',
        ),
      ).text,
    ).toContain('{i="0"} NaN')
  })

  test.each([
    ['a bare answer', (data: object) => asText(data)],
    ['the HTTP envelope', (data: object) => asText({ status: 'success', data })],
    ['structured content', (data: object) => ({ content: [], structuredContent: data })],
    [
      'structured content that is wrapped, with links',
      (data: object) => ({
        content: [{ type: 'text' as const, text: 'ignored' }],
        structuredContent: { result: { ...data, links: [{ href: 'http://prometheus/graph' }] } },
      }),
    ],
  ])('are understood in the shape of %s', (_name, shape) => {
    const full = boundResult(shape(vector(1, () => ({}))), query, {}, { kept: createKept(), redact: (text) => text })
    expect(full.text).toMatch(/^vector of 1 series at .*\n\{\} 0$/)
    const none = boundResult(shape(vector(0, () => ({}))), query, {}, { kept: createKept(), redact: (text) => text })
    expect(none).toMatchObject({ empty: true, failed: false, text: expect.stringContaining('no series match') })
  })

  test('of any shape make no more than the bound', () => {
    const number = fc.oneof(fc.double().map(String), fc.constantFrom('NaN', '+Inf', '-Inf', 'x'))
    const labels = fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ maxLength: 3000 }), { maxKeys: 5 })
    const point = fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), number)
    const any = fc.oneof(
      fc.record({
        resultType: fc.constant('vector'),
        result: fc.array(fc.record({ metric: labels, value: point }), { maxLength: 60 }),
      }),
      fc.record({
        resultType: fc.constant('matrix'),
        result: fc.array(fc.record({ metric: labels, values: fc.array(point, { maxLength: 30 }) }), { maxLength: 30 }),
      }),
    )
    fc.assert(
      fc.property(any, (value) => {
        expect(summarise(value, mostText)).toBeDefined()
        expect(bound(value).text.length).toBeLessThanOrEqual(mostText)
      }),
      { numRuns: 150 },
    )
  })
})

// Compiled once: it knows all of Unicode.
const anyUnseen = /[^\P{C}\n\t]/u

describe('other answers', () => {
  test('that are long are cut and kept; that are nothing say so', () => {
    const long = bound({ content: [{ type: 'text', text: 'line\n'.repeat(10_000) }] }, other)
    expect(long.text).toContain('These are the first 8000 characters')
    expect(long).toMatchObject({ characters: 50_000, handle: expect.any(String) })
    for (const text of ['', ' \n', '[]', '{}', 'null'])
      expect(bound({ content: [{ type: 'text', text }] }, other)).toMatchObject({ empty: true, failed: false })
    expect(bound({ content: [{ type: 'text', text: 'false' }] }, other)).toMatchObject({ empty: false })
  })

  test('that are errors are failed, whatever they hold, and bounded', () => {
    const result = { isError: true, content: [{ type: 'text' as const, text: 'boom '.repeat(10_000) }] }
    const bounded = boundResult(result, query, {}, { kept: createKept(), redact: (text) => text })
    expect(bounded).toMatchObject({ failed: true, empty: false })
    expect(bounded.text.length).toBeLessThanOrEqual(mostText)
  })

  test('hold no unseen characters, also where JSON escapes hide them', () => {
    const unseen = '\u202e\u200b\u2066\ufeff\u00ad\u0007\u001b[31m\u{e0041}\ufe0f\u3164'
    expect(clean(`a${unseen}b\r\nc\td\u2028e`)).toBe('a[31mb\nc\td\ne')
    expect(bound({ [`k${unseen}`]: [`v${unseen}`] }, other).text).toBe('{"k[31m":["v[31m"]}')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(clean(text)).not.toMatch(anyUnseen)
        expect(clean(clean(text))).toBe(clean(text))
      }),
    )
  })
})

describe('what is kept', () => {
  test('makes room by dropping what was used least recently', () => {
    const kept = createKept({ most: 3, mostCharacters: 100 })
    const [a, b, c] = ['a', 'b', 'c'].map((text) => kept.keep(text)) as [string, string, string]
    kept.read(a, 0)
    const d = kept.keep('d')
    expect([a, b, c, d].map((handle) => kept.read(handle, 0)?.text)).toEqual(['a', undefined, 'c', 'd'])
    kept.keep('x'.repeat(99))
    expect([a, c, d].map((handle) => kept.read(handle, 0)?.text)).toEqual([undefined, undefined, 'd'])
  })

  test('is told from what is not', () => {
    expect(readKept(createKept(), { handle: 'result-x' })).toMatchObject({ failed: true })
    expect(readKept(createKept(), {})).toMatchObject({ failed: true })
    const kept = createKept()
    expect(readKept(kept, { handle: kept.keep('abc'), offset: 99 })).toMatchObject({ failed: false, empty: true })
  })
})
