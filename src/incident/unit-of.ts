import type { SyntaxNode } from '@lezer/common'
import { parser } from '@prometheus-io/lezer-promql'
import type { Signal } from './survey.ts'

/** What the values of a query are: its unit, and by what a value has to be multiplied to be in the base unit. */
export interface Measure {
  unit: Signal['unit']
  scale: number
}

/** A measure, or a number that is written in the query; `name` is the metric that it is made from. */
type Found = (Measure & { name?: string }) | { number: number }

const COUNT: Measure = { unit: 'count', scale: 1 }
const RATIO: Measure = { unit: 'ratio', scale: 1 }

/** By the name of a metric, as Prometheus' naming practices have it; the first that fits. */
const NAMES: [RegExp, Measure][] = [
  [/(?:^|[_:])(?:percent|percentage|pct)(?:$|[_:])/, { unit: 'ratio', scale: 0.01 }],
  [/(?:^|[_:])(?:ratio|share|fraction)(?:$|[_:\d])|ratio_rate/, RATIO],
  [/(?:_|:)(?:milliseconds|millis|ms)(?:_(?:sum|bucket|total|max|min))?$/, { unit: 'seconds', scale: 1e-3 }],
  [/(?:_|:)(?:microseconds|us)(?:_(?:sum|bucket|total|max|min))?$/, { unit: 'seconds', scale: 1e-6 }],
  [/(?:_|:)seconds(?:_(?:sum|bucket|total|max|min))?$/, { unit: 'seconds', scale: 1 }],
  [/(?:_|:)bytes(?:_(?:sum|bucket|total|max|min))?$/, { unit: 'bytes', scale: 1 }],
  [/(?:_|:)cores$/, { unit: 'cores', scale: 1 }],
  [/(?:per_second|_rps|_qps|:rate\d*[smh])$/, { unit: 'per_second', scale: 1 }],
]

/** Functions whose result is what they are given. */
const KEEPS =
  /^(?:abs|ceil|floor|round|sort|sort_desc|clamp|clamp_max|clamp_min|label_replace|label_join|sum|last|avg|min|max|(?:sum|avg|min|max|last|quantile|stddev|mad)_over_time|increase|delta|idelta|predict_linear|holt_winters|double_exponential_smoothing|sort_by_label|sort_by_label_desc)$/

/** The measure of a query's values, by its shape and the names of its metrics; a count where neither tells. */
export function measureOf(query: string): Measure {
  const found = measure(parser.parse(query).topNode.firstChild, query)
  return 'number' in found ? COUNT : { unit: found.unit, scale: found.scale }
}

/** The unit of a query's values as they are; a percentage or milliseconds are counts, since they are in no base unit. */
export function unitOf(query: string): Signal['unit'] {
  const { unit, scale } = measureOf(query)
  return scale === 1 ? unit : 'count'
}

function measure(node: SyntaxNode | null, query: string): Found {
  switch (node?.name) {
    case 'NumberDurationLiteral':
      return { number: Number(textOf(node, query)) }
    case 'VectorSelector':
      return ofMetric(nameOf(node, query))
    case 'UnaryExpr':
      return measure(node.lastChild, query)
    case 'ParenExpr':
    case 'MatrixSelector':
    case 'SubqueryExpr':
    case 'OffsetExpr':
    case 'StepInvariantExpr':
      return measure(firstExpression(node), query)
    case 'AggregateExpr':
      return ofAggregate(node, query)
    case 'FunctionCall':
      return ofFunction(node, query)
    case 'BinaryExpr':
      return ofBinary(node, query)
    default:
      return COUNT
  }
}

function ofMetric(name: string): Found {
  const known = NAMES.find(([pattern]) => pattern.test(name))?.[1] ?? COUNT
  return { ...known, name }
}

function ofAggregate(node: SyntaxNode, query: string): Found {
  const operator = textOf(node.getChild('AggregateOp'), query).toLowerCase()
  if (/^(?:count|count_values|group)$/.test(operator)) return COUNT
  return measure(node.getChild('FunctionCallBody')?.lastChild ?? null, query)
}

function ofFunction(node: SyntaxNode, query: string): Found {
  const name = textOf(node.getChild('FunctionIdentifier'), query).toLowerCase()
  const body = node.getChild('FunctionCallBody')
  if (name === 'histogram_quantile' || name === 'histogram_avg') {
    const inner = selectorIn(body)
    return inner === undefined ? COUNT : ofMetric(nameOf(inner, query))
  }
  if (name === 'time' || name === 'timestamp') return { unit: 'seconds', scale: 1 }
  if (/^(?:rate|irate|deriv)$/.test(name)) return perSecond(measure(body?.firstChild ?? null, query))
  if (name === 'quantile_over_time') return measure(body?.lastChild ?? null, query)
  return KEEPS.test(name) ? measure(body?.firstChild ?? null, query) : COUNT
}

/** Seconds of work each second are cores; bytes stay bytes, so that MB/s are bytes too. */
function perSecond(found: Found): Found {
  if ('number' in found) return COUNT
  if (found.unit === 'count') return { ...found, unit: 'per_second' }
  return found.unit === 'seconds' ? { ...found, unit: 'cores' } : found
}

function ofBinary(node: SyntaxNode, query: string): Found {
  const [left, right] = [measure(node.firstChild, query), measure(node.lastChild, query)]
  const has = (name: string) => node.getChild(name) !== null
  if (has('BoolModifier')) return COUNT
  if (has('Div')) return divided(left, right)
  if (has('Mul')) return multiplied(left, right)
  if (has('Add') || has('Sub')) {
    if ('number' in left && 'number' in right) return COUNT
    if ('number' in left) return complement(left.number, right)
    if ('number' in right) return left
    return left.unit === right.unit && left.scale === right.scale ? left : COUNT
  }
  if (has('Mod') || has('Pow') || has('Atan2')) return COUNT
  // Comparisons and set operators keep the left side's values, unless that is a number.
  return 'number' in left ? right : left
}

/** `1 - idle`: what is a share of one already, or seconds per second. */
function complement(of: number, right: Found): Found {
  if ('number' in right) return COUNT
  if (of === 1 && (right.unit === 'cores' || right.unit === 'ratio') && right.scale === 1) return RATIO
  return right
}

function divided(left: Found, right: Found): Found {
  if ('number' in left) return COUNT
  if ('number' in right) return scaled(left, right.number)
  // What all observations took, by how many there were.
  if (/_sum$/.test(left.name ?? '') && /_count$/.test(right.name ?? ''))
    return { unit: ofSum(left.name ?? ''), scale: left.scale }
  const share: Measure = { unit: 'ratio', scale: Number((left.scale / right.scale).toPrecision(12)) }
  if (left.unit === right.unit) return share
  if (left.unit === 'bytes' || left.unit === 'seconds') return right.unit === 'count' ? left : COUNT
  // Cores that are used by cores there are; errors by requests, whichever of them a rate was taken of.
  return left.unit === 'per_second' && right.unit === 'count' ? left : share
}

function ofSum(name: string): Signal['unit'] {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1].unit ?? 'count'
}

function multiplied(left: Found, right: Found): Found {
  if ('number' in left) return 'number' in right ? COUNT : scaled(right, 1 / left.number)
  if ('number' in right) return scaled(left, 1 / right.number)
  // A factor of one with the labels of an info metric.
  if (right.unit === 'count') return left
  return left.unit === 'count' ? right : COUNT
}

function scaled(found: Measure & { name?: string }, by: number): Found {
  if (!Number.isFinite(by) || by === 0) return COUNT
  return { ...found, scale: Number((found.scale * by).toPrecision(12)) }
}

function firstExpression(node: SyntaxNode): SyntaxNode | null {
  for (let child = node.firstChild; child !== null; child = child.nextSibling)
    if (/Expr|Selector|Call|Literal/.test(child.name)) return child
  return null
}

function selectorIn(node: SyntaxNode | null): SyntaxNode | undefined {
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) {
    const found = child.name === 'VectorSelector' ? child : selectorIn(child)
    if (found !== undefined) return found
  }
  return undefined
}

function nameOf(selector: SyntaxNode, query: string): string {
  const plain = textOf(selector.getChild('Identifier'), query)
  return plain !== '' ? plain : (/__name__\s*=~?\s*"([^"]*)"/.exec(textOf(selector, query))?.[1] ?? '')
}

function textOf(node: SyntaxNode | null, query: string): string {
  return node === null ? '' : query.slice(node.from, node.to)
}
