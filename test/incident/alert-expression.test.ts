import { describe, expect, test } from 'vitest'
import { expressionOf, takeApart } from '../../src/incident/alert-expression.ts'

describe("an alert's expression", () => {
  test.each([
    ['rate(x[1m]) > 0.05', { query: 'rate(x[1m])', bad: 'up', limit: 0.05 }],
    ['0.05 < x', { query: 'x', bad: 'up', limit: 0.05 }],
    ['(free / total) < 0.1', { query: '(free / total)', bad: 'down', limit: 0.1 }],
    ['(rate(x[1m]) >= 3)', { query: 'rate(x[1m])', bad: 'up', limit: 3 }],
    ['up == 0', { query: 'up', bad: 'down', limit: 0.5 }],
    ['x > bool 1', { query: 'x', bad: 'up', limit: 1 }],
    ['x > -1', { query: 'x', bad: 'up', limit: -1 }],
    ['errors > 0.5 and requests > 2', { query: 'errors', bad: 'up', limit: 0.5 }],
    ['errors > 0.5 unless maintenance', { query: 'errors', bad: 'up', limit: 0.5 }],
  ])('%s is taken apart', (text, parts) => expect(takeApart(text)).toEqual(parts))

  test.each(['x', 'a > b', 'x >', 'up == 1', 'x != 3', '', 'x > 1h', 'rate(x[1m]) > 0.05) or drop'])(
    '%s is left alone',
    (text) => expect(takeApart(text)).toBeUndefined(),
  )

  test('is read from the link to its graph, and from no other', () => {
    const link = `http://prometheus:9090/graph?g0.expr=${encodeURIComponent('rate(x[1m]) > 2')}&g0.tab=1`
    expect(expressionOf(link)).toEqual({ query: 'rate(x[1m])', bad: 'up', limit: 2 })
    expect(expressionOf('http://prometheus:9090/graph')).toBeUndefined()
    expect(expressionOf('not a link')).toBeUndefined()
    expect(expressionOf(undefined)).toBeUndefined()
    expect(expressionOf(`http://p/graph?g0.expr=${'x'.repeat(3000)}%3E1`)).toBeUndefined()
  })
})
