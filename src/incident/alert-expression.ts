import { parser } from '@prometheus-io/lezer-promql'

/** An alert's expression taken apart at its comparison: `rate(x[1m]) > 0.05`. */
export interface AlertExpression {
  /** The side that is measured; the whole expression where nothing is compared. */
  query: string
  bad: 'up' | 'down'
  limit?: number
}

const COMPARISONS: Record<string, AlertExpression['bad']> = { Gtr: 'up', Gte: 'up', Lss: 'down', Lte: 'down' }
const LONGEST = 2000

/**
 * The expression behind an alert, from the link to its graph (`g0.expr`, as Prometheus writes it). Undefined without one, when it
 * does not parse, or when it compares nothing with a number, so that nobody knows which way is bad.
 */
export function expressionOf(generatorUrl: string | undefined): AlertExpression | undefined {
  if (generatorUrl === undefined || !URL.canParse(generatorUrl)) return undefined
  const text = new URL(generatorUrl).searchParams.get('g0.expr')?.trim()
  return text === undefined || text === '' || text.length > LONGEST ? undefined : takeApart(text)
}

/** The same for the text of an expression. */
export function takeApart(text: string): AlertExpression | undefined {
  const tree = parser.parse(text)
  let broken = false
  tree.iterate({
    enter: ({ type }) => {
      if (type.isError) broken = true
    },
  })
  if (broken) return undefined
  // Parentheses around the whole are stepped into.
  let node = tree.topNode.firstChild
  while (node?.name === 'ParenExpr') node = node.firstChild?.nextSibling ?? node.firstChild
  if (node?.name !== 'BinaryExpr') return undefined
  const [left, right] = [node.firstChild, node.lastChild]
  if (left === null || right === null) return undefined
  // What is only watched under a condition is still what is watched.
  if (node.getChild('And') !== null || node.getChild('Unless') !== null)
    return takeApart(text.slice(left.from, left.to))
  if (node.getChild('Eql') !== null && Number(text.slice(right.from, right.to)) === 0) {
    return { query: text.slice(left.from, left.to), bad: 'down', limit: 0.5 }
  }
  const operator = Object.keys(COMPARISONS).find((name) => node.getChild(name) !== null)
  if (operator === undefined) return undefined
  const bad = COMPARISONS[operator] ?? 'up'
  const limit = Number(text.slice(right.from, right.to))
  if (Number.isFinite(limit)) return { query: text.slice(left.from, left.to), bad, limit }
  const mirrored = Number(text.slice(left.from, left.to))
  if (!Number.isFinite(mirrored)) return undefined
  return { query: text.slice(right.from, right.to), bad: bad === 'up' ? 'down' : 'up', limit: mirrored }
}
