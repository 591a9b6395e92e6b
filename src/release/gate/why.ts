import type { MetricKey, MetricVerdict } from './schema.ts'

/** How people read a metric's name in a sentence. */
export const metricNames: Record<MetricKey, string> = {
  cpu: 'CPU',
  memory: 'memory',
  error_rate: 'error rate',
  latency: 'latency',
  traffic: 'traffic',
}

/** Why one upgraded host cannot be judged by one metric. */
export type Gap = { host: string } & (
  | { reason: 'no series' | 'no current data' | 'only NaN' }
  | { reason: 'stale'; seconds: number }
  | { reason: 'few samples'; samples: number; needed: number }
)

/** A metric's verdict with what it has in common with others, so that a sentence about several can say it once. */
export interface Judged extends MetricVerdict {
  gaps?: Gap[]
  /** A reason without the metric's name in front, which other metrics may have as well. */
  shared?: string
}

/** The longest reason in characters; a headline and a chat line have to hold it. */
const LONGEST = 400
const REST = '… (/status R-n shows every metric)'

/** The first five names and how many more; six are all named. */
export function some(names: readonly string[]): string {
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}

/** One clause per reason: "bj-1, sh-1 have no series, sh-2 has 3 of 5 samples needed". */
export function sayGaps(gaps: readonly Gap[]): string {
  return [...by(gaps, ({ reason }) => reason).values()].map(clause).join(', ')
}

/**
 * Why several metrics came out as they did: one clause per reason with the metrics and hosts it concerns, each sentence once,
 * at most 400 characters. A reason that holds for all `watched` metrics is said of none in particular.
 */
export function summarise(found: readonly Judged[], watched: number): string {
  const reasons = found.flatMap((metric): { key: string; name: string; gaps: Gap[]; text: string }[] => {
    const name = metricNames[metric.key]
    const gaps = [...by(metric.gaps ?? [], ({ reason }) => reason)].map(([reason, of]) => ({
      key: `${reason}: ${of.map(({ host }) => host).join()}`,
      name,
      gaps: of,
      text: '',
    }))
    const { shared } = metric
    // Two looks at one clock or age, a moment apart, are one reason.
    if (shared !== undefined) gaps.push({ key: shared.replace(/\d+ s\b/g, '# s'), name, gaps: [], text: shared })
    return gaps.length > 0 ? gaps : [{ key: metric.why, name: '', gaps: [], text: metric.why }]
  })
  const clauses = [...by(reasons, ({ key }) => key).values()].map((same) => {
    const all = same.flatMap(({ gaps }) => gaps)
    const words = all.length > 0 ? sayGaps(all) : (same[0]?.text ?? '')
    const names = [...new Set(same.map(({ name }) => name))]
    if (names[0] === '') return words
    return `${names.length > 1 && names.length === watched ? 'no metric can be judged' : names.join(', ')}: ${words}`
  })
  return capped(clauses.join('; '))
}

function capped(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - REST.length).trimEnd()}${REST}`
}

/** The hosts that share a reason, with the oldest age or the range of samples. */
function clause(gaps: readonly Gap[]): string {
  const hosts = [...new Set(gaps.map(({ host }) => host))]
  const who = some(hosts)
  const has = hosts.length === 1 ? 'has' : 'have'
  const [first] = gaps
  if (first?.reason === 'stale') {
    const ages = gaps.flatMap((gap) => (gap.reason === 'stale' ? [Math.round(gap.seconds)] : []))
    const oldest = Math.max(...ages)
    const upTo = hosts.length > 1 && Math.min(...ages) < oldest ? 'up to ' : ''
    return `${who} ${has} no fresh data (${upTo}${oldest} s old)`
  }
  if (first?.reason === 'few samples') {
    const counts = gaps.flatMap((gap) => (gap.reason === 'few samples' ? [gap.samples] : []))
    const [fewest, most] = [Math.min(...counts), Math.max(...counts)]
    return `${who} ${has} ${fewest === most ? fewest : `${fewest} to ${most}`} of ${first.needed} samples needed`
  }
  if (first?.reason === 'only NaN') return `${who} ${hosts.length === 1 ? 'gives' : 'give'} only NaN`
  return `${who} ${has} ${first?.reason ?? 'no data'}`
}

function by<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item])
  return groups
}
