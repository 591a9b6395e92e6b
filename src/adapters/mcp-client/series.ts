import { z } from 'zod'

/** Most points of one series that are shown (facts of the best agent loops). */
export const mostPoints = 500
/** Series of a vector that are shown one by one; the others are one line. */
const mostVector = 40
const mostMatrix = 20
const mostLabelValues = 5

const labels = z.record(z.string(), z.string())
// By hand: a schema per point takes a tenth of a second for fifty thousand of them.
const isPoint = (value: unknown): value is Point =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'number' && typeof value[1] === 'string'
const point = z.custom<Point>(isPoint)
const points = z.custom<Point[]>((value) => Array.isArray(value) && value.every(isPoint))
const answer = z.discriminatedUnion('resultType', [
  z.object({ resultType: z.literal('vector'), result: z.array(z.object({ metric: labels, value: point })) }),
  z.object({ resultType: z.literal('matrix'), result: z.array(z.object({ metric: labels, values: points })) }),
  z.object({ resultType: z.literal('scalar'), result: point }),
  z.object({ resultType: z.literal('string'), result: point }),
])
type Labels = Record<string, string>
type Point = [number, string]
type MatrixSeries = { metric: Labels; values: Point[] }

export interface Summary {
  text: string
  /** No series at all. */
  empty: boolean
  /** The text leaves nothing out. */
  whole: boolean
}

const nothing =
  'The query was answered: no series match. That is an answer, not an error. Check the metric name (list_metrics), the label values ' +
  '(query the bare metric), and the time; a series that was never born counts as none, not as 0.'

/**
 * Prometheus' answer to a query in at most `room` characters: how many series, how the labels are spread, the largest ones one by
 * one and the others together, points thinned evenly with the true minimum and maximum beside them. Undefined when it is no such answer.
 */
export function summarise(value: unknown, room: number): Summary | undefined {
  const parsed = answer.safeParse(value)
  if (!parsed.success) return undefined
  const summary = summaryOf(parsed.data, room)
  // Labels may be as long as they like.
  return summary.text.length <= room
    ? summary
    : { ...summary, text: `${summary.text.slice(0, room - 1)}…`, whole: false }
}

function summaryOf(data: z.output<typeof answer>, room: number): Summary {
  if (data.resultType === 'scalar' || data.resultType === 'string')
    return { text: `${data.resultType} at ${moment(data.result[0])}: ${data.result[1]}`, empty: false, whole: true }
  if (data.result.length === 0) return { text: nothing, empty: true, whole: true }
  return data.resultType === 'vector' ? vector(data.result, room) : matrix(data.result, room)
}

function vector(result: { metric: Labels; value: Point }[], room: number): Summary {
  const common = commonLabels(result.map(({ metric }) => metric))
  const times = new Set(result.map(({ value }) => value[0]))
  const ranked = result.toSorted((a, b) => order(numberOf(b.value[1]), numberOf(a.value[1])))
  const head = [
    `vector of ${count(result.length, 'series', 'series')} at ${moment(Math.max(...first(times, 1)))}, largest first`,
    ...spread(
      result.map(({ metric }) => metric),
      common,
    ),
  ]
  const lines = ranked.map(({ metric, value }) => `${labelText(metric, common)} ${value[1]}`)
  // A few more than are shown would be cut to spare one line.
  const fits = (shown: number) => [...head, ...lines.slice(0, shown)].join('\n').length <= room - 300
  let shown = lines.length <= mostVector ? lines.length : mostVector - 10
  while (shown > 1 && !fits(shown)) shown = Math.floor(shown * 0.8)
  const rest = ranked.slice(shown).map(({ value }) => numberOf(value[1]))
  const other = rest.length === 0 ? [] : [`other: ${count(rest.length, 'series', 'series')}, ${statistics(rest)}`]
  return { text: [...head, ...lines.slice(0, shown), ...other].join('\n'), empty: false, whole: rest.length === 0 }
}

function matrix(result: MatrixSeries[], room: number): Summary {
  const common = commonLabels(result.map(({ metric }) => metric))
  const numbers = result.map(({ values }) => values.map(([, text]) => numberOf(text)))
  const peaks = numbers.map((all) => extreme(all, Math.max, Number.NEGATIVE_INFINITY))
  const ranked = result
    .map((series, index) => ({ series, index }))
    .toSorted((a, b) => order(peaks[b.index]!, peaks[a.index]!))
  const head = [
    `matrix of ${count(result.length, 'series', 'series')}, highest maximum first; values stand in time order, - is a gap`,
    ...spread(
      result.map(({ metric }) => metric),
      common,
    ),
  ]
  let shown = result.length <= mostMatrix ? result.length : mostMatrix / 2
  const base = () =>
    ranked.slice(0, shown).reduce((sum, { series }) => sum + labelText(series.metric, common).length + 220, 0)
  while (shown > 1 && head.join('\n').length + base() > room * 0.7) shown = Math.floor(shown * 0.8)
  const share = Math.max(0, Math.floor((room - 400 - head.join('\n').length - base()) / shown))
  let thinned = false
  const blocks = ranked.slice(0, shown).map(({ series, index }) => {
    const drawn = draw(series.values, share)
    thinned ||= drawn.every > 1
    const [start, end] = [series.values[0]?.[0], series.values.at(-1)?.[0]]
    const range = start === undefined || end === undefined ? 'no points' : `${moment(start)} to ${moment(end)}`
    const how = drawn.every > 1 ? `, every ${drawn.every}th point` : ''
    return (
      `${labelText(series.metric, common)} ${count(series.values.length, 'point', 'points')}, ${range}; ` +
      `${statistics(numbers[index]!)}${extremes(series.values, numbers[index]!)}\n  step ${drawn.step} s${how}: ${drawn.text}`
    )
  })
  const rest = ranked.slice(shown).flatMap(({ index }) => numbers[index]!)
  const other =
    shown === result.length ? [] : [`other: ${count(result.length - shown, 'series', 'series')}, ${statistics(rest)}`]
  return {
    text: [...head, ...blocks, ...other].join('\n'),
    empty: false,
    whole: other.length === 0 && !thinned,
  }
}

/** Values on the grid of the smallest distance between two points; every n-th one when they would not fit. */
function draw(values: Point[], room: number): { text: string; step: number; every: number } {
  const gaps = values.slice(1).map(([at], index) => at - values[index]![0])
  const step = gaps.length === 0 ? 0 : Math.round(extreme(gaps, Math.min, Number.POSITIVE_INFINITY) * 1000) / 1000
  const width = 1 + values.reduce((most, [, text]) => Math.max(most, shortNumber(text).length), 1)
  const fit = Math.max(10, Math.min(mostPoints, Math.floor(room / width)))
  const every = Math.max(1, Math.ceil(values.length / fit))
  const words: string[] = []
  values.forEach(([at, text], index) => {
    if (index % every !== 0) return
    const before = values[index - every]
    const missing = every === 1 && before !== undefined && step > 0 ? Math.round((at - before[0]) / step) - 1 : 0
    if (missing > 0) words.push(missing > 3 ? `-(${missing})` : Array(missing).fill('-').join(' '))
    words.push(shortNumber(text))
  })
  return { text: words.join(' '), step, every }
}

/** At most eight significant digits; what is exact in fewer stays as it is. */
function shortNumber(text: string): string {
  const number = Number(text)
  return text.length <= 9 || !Number.isFinite(number) ? text : String(Number(number.toPrecision(8)))
}

function statistics(values: number[]): string {
  const finite = values.filter(Number.isFinite)
  const odd = values.length - finite.length
  const strange = odd === 0 ? '' : `, ${odd} of ${values.length} are NaN or infinite`
  if (finite.length === 0) return `no finite value${strange}`
  const sorted = finite.toSorted((a, b) => a - b)
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length
  const [min, median, max] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!]
  return `min ${figure(min)}, median ${figure(median)}, mean ${figure(mean)}, max ${figure(max)}${strange}`
}

function extremes(values: Point[], numbers: number[]): string {
  const at = (index: number) => (index < 0 ? '' : moment(values[index]![0]))
  const min = numbers.indexOf(extreme(numbers, Math.min, Number.POSITIVE_INFINITY))
  const max = numbers.indexOf(extreme(numbers, Math.max, Number.NEGATIVE_INFINITY))
  return min < 0 || max < 0 || min === max ? '' : `; min at ${at(min)}, max at ${at(max)}`
}

/** How many values each label has, which shows at once what a query should be narrowed or summed by. */
function spread(all: Labels[], common: Labels): string[] {
  const values = new Map<string, Set<string>>()
  for (const metric of all)
    for (const [name, value] of Object.entries(metric)) {
      if (Object.hasOwn(common, name)) continue
      const known = values.get(name) ?? new Set()
      values.set(name, known.add(value))
    }
  const lines: string[] = []
  if (all.length > 1 && Object.keys(common).length > 0) lines.push(`all have ${labelText(common, {})}`)
  if (all.length > 1 && values.size > 0)
    lines.push(
      `labels: ${first(values.entries(), 30)
        .map(([name, set]) => cardinality(name, set))
        .join('; ')}`,
    )
  return lines
}

function cardinality(name: string, values: Set<string>): string {
  const some = first(values, mostLabelValues)
    .map((value) => JSON.stringify(value.slice(0, 60)))
    .join(', ')
  return `${name.slice(0, 100)} has ${count(values.size, 'value', 'values')} (${some}${values.size > mostLabelValues ? ', …' : ''})`
}

function commonLabels(all: Labels[]): Labels {
  const [one, ...others] = all
  if (one === undefined || others.length === 0) return {}
  return Object.fromEntries(
    Object.entries(one).filter(([name, value]) => others.every((metric) => metric[name] === value)),
  )
}

function labelText(metric: Labels, without: Labels): string {
  const { __name__: name = '', ...rest } = metric
  const own = Object.entries(rest)
    .filter(([label]) => !Object.hasOwn(without, label))
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(', ')
  const shown = Object.hasOwn(without, '__name__') ? '' : name
  const text = own === '' && shown !== '' ? shown : `${shown}{${own}}`
  return text.length <= 600 ? text : `${text.slice(0, 600)}…`
}

function moment(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace(/\.000Z$/, 'Z')
}

/** Prometheus writes numbers as text, and infinities as +Inf and -Inf. */
function numberOf(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function figure(value: number): string {
  return String(Number(value.toPrecision(6)))
}

/** NaN goes last. */
function order(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a))
  return a === b ? 0 : a - b
}

function extreme(values: number[], choose: (a: number, b: number) => number, start: number): number {
  return values.reduce((best, value) => (Number.isNaN(value) ? best : choose(best, value)), start)
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}

function first<T>(values: Iterable<T>, most: number): T[] {
  return [...values].slice(0, most)
}
