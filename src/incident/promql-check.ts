import { parser } from '@prometheus-io/lezer-promql'

const LONGEST = 2000

export type PromqlCheck =
  | {
      ok: true /** A range of samples, which a range query refuses. */
      matrix: boolean /** Compares, so that an empty answer means "not so". */
      filters: boolean
      lookBackSeconds: number
      /** It asks for series: without a selector its values are the text's own. */
      selects: boolean
      /** Numbers that are written in it. */
      literals: number[]
    }
  | { ok: false; why: string }

const COMPARISONS = ['Eql', 'EqlC', 'Neq', 'Lss', 'Lte', 'Gtr', 'Gte']

/** Whether a text is PromQL, by the grammar of Prometheus' own console; the place of the first error when it is not. */
export function checkPromql(query: string): PromqlCheck {
  if (query.trim() === '') return { ok: false, why: 'it is empty' }
  if (query.length > LONGEST) return { ok: false, why: `it has more than ${LONGEST} characters` }
  const tree = parser.parse(query)
  let error: number | undefined
  let filters = false
  let lookBackSeconds = 0
  let selects = false
  const literals: number[] = []
  tree.iterate({
    enter({ type, from, to, node }) {
      if (type.isError) error ??= from
      if (type.name === 'BinaryExpr' && node.getChild('BoolModifier') === null)
        filters ||= COMPARISONS.some((name) => node.getChild(name) !== null)
      selects ||= type.name === 'VectorSelector'
      if (type.name === 'NumberDurationLiteral') literals.push(Number(query.slice(from, to)))
      else if (/Duration/.test(type.name)) lookBackSeconds = Math.max(lookBackSeconds, secondsOf(query.slice(from, to)))
    },
  })
  if (error !== undefined) {
    const near = query.slice(error, error + 20).trim()
    return { ok: false, why: `syntax error at character ${error + 1}${near === '' ? '' : ` near ${near}`}` }
  }
  let top = tree.topNode.firstChild
  while (top?.name === 'ParenExpr') top = top.firstChild?.nextSibling ?? top.firstChild
  const matrix = /MatrixSelector|SubqueryExpr/.test(top?.name ?? '')
  return { ok: true, matrix, filters, lookBackSeconds, selects, literals: literals.filter(Number.isFinite) }
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 }

/** `1h30m` -> 5400; 0 for what is no duration. */
export function secondsOf(duration: string): number {
  let total = 0
  for (const [, count, unit = ''] of duration.matchAll(/(\d+)(ms|[smhdwy])/g))
    total += Number(count) * (SECONDS[unit] ?? 0)
  return total
}
