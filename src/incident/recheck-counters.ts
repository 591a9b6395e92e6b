import { parser } from '@prometheus-io/lezer-promql'
import type { KeptAnswers } from './kept.ts'

/** Functions that make of a counter how fast it grows. */
const OF_COUNTERS = new Set(['rate', 'irate', 'increase', 'delta', 'idelta', 'deriv', 'changes', 'resets'])
const COUNTER = /_(total|count|sum|bucket)$/

/**
 * True for a counter that is read as it is: its metric is called like one, no function makes a rate of it, and every series has only
 * grown. It never goes back to what it was, and falls to nothing when the process begins anew: neither says how things are.
 */
export function onlyGrows({ query, series }: KeptAnswers[number]): boolean {
  let counter = false
  let rated = false
  parser.parse(query).iterate({
    enter({ type, from, to, node }) {
      if (type.name === 'FunctionIdentifier') rated ||= OF_COUNTERS.has(query.slice(from, to))
      const name = type.name === 'VectorSelector' ? node.getChild('Identifier') : null
      if (name !== null) counter ||= COUNTER.test(query.slice(name.from, name.to))
    },
  })
  if (!counter || rated || series.length === 0) return false
  return series.every(({ before, since, last }) => {
    const course = [before, since, last].filter((value) => value !== null)
    return course.every((value, index) => index === 0 || value >= (course[index - 1] ?? value))
  })
}
