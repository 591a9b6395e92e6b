import type { Labels, MetricInfo } from '../ports/metrics.ts'
import type { ChosenMetric, MetricKey, MetricKind } from './gate.ts'
import type { Red } from './metrics-config.ts'
import { type Family, familiesOf, type HostRef, select, selectFew } from './metrics-families.ts'
import { isClassicName, type Matcher } from './metrics-promql.ts'

/** A chosen metric before its history is known. */
export type Draft = Omit<ChosenMetric, 'thresholds' | 'scrapeSeconds'> & {
  /** Gives the times of the last samples of a few hosts, from which the scrape interval can be read. */
  probe?: string
}

export interface Choice {
  drafts: Draft[]
  /** What was not found or not usable, a sentence each. */
  notes: string[]
}

export interface ChooseInput {
  catalogue: readonly MetricInfo[]
  /** Label sets with `__name__`. */
  series: readonly Labels[]
  service: string
  hosts: readonly HostRef[]
  configured?: Red
}

export const names: Record<MetricKey, string> = {
  cpu: 'CPU',
  memory: 'Memory',
  error_rate: 'Error Rate',
  latency: 'Latency',
  traffic: 'Traffic',
}

const patterns = {
  cpu: [
    /(^|[_:])process_cpu_seconds_total$/,
    /(^|[_:])container_cpu_usage_seconds_total$/,
    /(^|[_:])cpu(_usage|_total)?_seconds_total$/,
  ],
  cpuGauge: [/(^|[_:])(process_)?cpu_(usage|utili[sz]ation)(_ratio|_percent)?$/],
  memory: [
    /(^|[_:])process_resident_memory_bytes$/,
    /(^|[_:])container_memory_working_set_bytes$/,
    /(^|[_:])(resident|used)_memory_bytes$/,
    /(^|[_:])memory_(rss|resident|working_set|used|usage|in_use|active)_bytes$/,
  ],
  requests: [
    /(^|[_:])http_(server_)?requests?(_total)?$/,
    /(^|[_:])(requests?|calls)(_(handled|served|received|processed))?_total$/,
    /(^|[_:])grpc_server_handled_total$/,
    /(^|[_:])http_server_requests_seconds_count$/,
    /(^|[_:])(http|grpc|rpc|request)\w*_(duration|latency|time)(_\w+)?_count$/,
  ],
  errors: [/(^|[_:])(errors?|failures?|exceptions?|failed_requests?|requests_failed)_total$/],
  duration: [
    /(^|[_:])(http|grpc|rpc)_?\w*(duration|latency|response_time)(_(seconds|milliseconds|ms))?$/,
    /(^|[_:])http_server_requests_seconds$/,
    /(^|[_:])requests?_\w*(duration|latency|time)(_(seconds|milliseconds|ms))?$/,
    /(^|[_:])(duration|latency|response_time)(_(seconds|milliseconds|ms))?$/,
  ],
}

const notRequests = /error|fail|exception|byte|size|client|in_flight|inflight|retr|timeout|reject/i
const notService = /^(node|go|scrape|prometheus|kube|container_network)_/

/**
 * Picks CPU, memory, error rate, latency and traffic of a service: RED and USE by name, type and label; what is configured
 * wins. Of several names that fit one pattern, the one that most hosts have is taken, then the shortest. Pure.
 */
export function chooseMetrics(input: ChooseInput): Choice {
  const red = input.configured ?? {}
  const families = familiesOf({ ...input, labels: red.labels, hostLabel: red.hostLabel }).filter(
    ({ name }) => !notService.test(name),
  )
  const notes: string[] = []
  const hostLabel = red.hostLabel ?? families.toSorted((a, b) => b.covered - a.covered)[0]?.hostLabel ?? 'instance'
  const configured = (what: 'requests' | 'errors' | 'duration' | 'cpu' | 'memory'): Source | undefined => {
    const text = red[what]
    if (text === undefined) return undefined
    const source = sourceOf(text, families, hostLabel)
    if (source === undefined) notes.push(`the configured ${what} metric ${text} has no series for these hosts`)
    return source
  }
  const requests = configured('requests') ?? family(best(families, patterns.requests, isRequests))
  const errors = configured('errors') ?? errorsIn(requests, families)
  const found = [
    cpu(configured('cpu'), families),
    memory(configured('memory'), families),
    errorRate(requests, errors, families),
    latency(configured('duration'), families, requests),
    traffic(requests, families),
  ]
  const drafts = found.filter((draft) => draft !== undefined)
  for (const key of Object.keys(names) as MetricKey[])
    if (!drafts.some((draft) => draft.key === key)) notes.push(`no metric for ${names[key]} was found`)
  return { drafts, notes }
}

/** Where numbers come from: a counter or gauge that can be selected, or a whole expression. */
type Source =
  | { by: 'selector'; text: string; name: string; hostLabel: string; family?: Family; what: string }
  | { by: 'expression'; text: string; name: string; hostLabel: string; what: string }

function family(found: Family | undefined): Source | undefined {
  if (found === undefined) return undefined
  return {
    by: 'selector',
    text: select(found),
    name: found.name,
    hostLabel: found.hostLabel,
    family: found,
    what: found.name,
  }
}

/** Reads a configured metric: a known name, a selector, or an expression. Undefined for a name without series. */
function sourceOf(text: string, families: readonly Family[], hostLabel: string): Source | undefined {
  const known = families.find(({ name }) => name === text || name === `${text}_bucket`)
  if (known !== undefined) return { ...(family(known) as Source), what: `${text} (configured)` }
  if (isClassicName(text)) return undefined
  const found = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}$/.exec(text)
  const name = found?.[1] ?? text
  return { by: found === null ? 'expression' : 'selector', text, name, hostLabel, what: `${text} (configured)` }
}

function best(
  families: readonly Family[],
  list: readonly RegExp[],
  fits: (family: Family) => boolean,
): Family | undefined {
  for (const pattern of list) {
    const found = families.filter((each) => pattern.test(each.name) && fits(each))
    const order = (a: Family, b: Family) =>
      Number(statusMatcher(b) !== undefined) - Number(statusMatcher(a) !== undefined) ||
      b.covered - a.covered ||
      a.name.length - b.name.length
    if (found.length > 0) return found.toSorted(order)[0]
  }
  return undefined
}

const isCounter = ({ type }: Family) => type === 'counter' || type === 'unknown'
const isGauge = ({ type }: Family) => type === 'gauge' || type === 'unknown'
const isRequests = ({ name, type }: Family) => !notRequests.test(name) && type !== 'gauge'

/** Other names that measure the same, for the reader of the issue. */
function alike(used: readonly string[], families: readonly Family[], list: readonly RegExp[]): string[] {
  const others = families
    .map(({ name }) => name)
    .filter((name) => !used.includes(name) && list.some((one) => one.test(name)))
  return [...new Set([...used, ...others])].slice(0, 4)
}

const perHost = (source: { hostLabel: string }, inner: string, how = 'sum') =>
  `${how} by (${source.hostLabel}) (${inner})`
const rate = (source: Source) =>
  source.by === 'expression' ? perHost(source, source.text) : perHost(source, `rate(${source.text}[$window])`)

function common(source: Source): Pick<Draft, 'hostLabel' | 'freshQuery' | 'probe' | 'direction'> {
  const fresh = source.by === 'selector' ? { freshQuery: perHost(source, `timestamp(${source.text})`, 'max') } : {}
  const probe =
    source.by === 'selector' && source.family !== undefined
      ? { probe: perHost(source, `timestamp(${selectFew(source.family)})`, 'max') }
      : {}
  return { hostLabel: source.hostLabel, direction: 'up-is-bad', ...fresh, ...probe }
}

function draft(
  key: MetricKey,
  kind: MetricKind,
  source: Source,
  rest: Pick<Draft, 'candidates' | 'query' | 'source'> & Partial<Draft>,
): Draft {
  return { key, name: names[key], kind, ...common(source), ...rest }
}

function cpu(wanted: Source | undefined, families: readonly Family[]): Draft | undefined {
  const [user, system] = ['user', 'system'].map((mode) =>
    best(families, [new RegExp(`cpu_${mode}_seconds_total$`)], isCounter),
  )
  const source = wanted ?? family(best(families, patterns.cpu, isCounter))
  const list = [...patterns.cpu, /cpu_(user|system)_seconds_total$/]
  if (source !== undefined) {
    const counter = source.by === 'expression' || /_total$/.test(source.name) || source.family?.type === 'counter'
    const query = counter ? rate(source) : perHost(source, source.text)
    const candidates = wanted === undefined ? alike([source.name], families, list) : [source.name]
    return draft('cpu', 'cores', source, { candidates, query, source: `CPU cores in use, from ${source.what}` })
  }
  const parts = [user, system].filter((each) => each !== undefined).map((each) => family(each) as Source)
  if (parts[0] !== undefined) {
    const used = parts.map(({ name }) => name)
    return draft('cpu', 'cores', parts[0], {
      candidates: alike(used, families, list),
      query: parts.map(rate).join(' + '),
      source: `CPU cores in use, from ${used.join(' + ')}`,
    })
  }
  const gauge = family(best(families, patterns.cpuGauge, isGauge))
  if (gauge === undefined) return undefined
  const percent = gauge.name.endsWith('_percent')
  return draft('cpu', 'ratio', gauge, {
    candidates: alike([gauge.name], families, patterns.cpuGauge),
    query: `${perHost(gauge, gauge.text, 'max')}${percent ? ' / 100' : ''}`,
    source: `share of CPU in use, from ${gauge.what}`,
  })
}

function memory(wanted: Source | undefined, families: readonly Family[]): Draft | undefined {
  const source = wanted ?? family(best(families, patterns.memory, isGauge))
  if (source === undefined) return undefined
  const candidates = wanted === undefined ? alike([source.name], families, patterns.memory) : [source.name]
  return draft('memory', 'bytes', source, {
    candidates,
    query: perHost(source, source.text),
    source: `bytes in use, from ${source.what}`,
  })
}

const statusLabels = [
  'code',
  'status',
  'status_code',
  'http_status',
  'http_status_code',
  'http_response_status_code',
  'response_code',
  'grpc_code',
  'outcome',
  'result',
]
const grpcErrors = 'Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss'
const wordErrors = '(?i:error|errors|failure|failed|fail|server_error)'
const outcomes = /^(ok|success|successful|succeeded|error|errors|failure|failed|fail|server_error|client_error)$/i

/** The matcher that selects failed requests by a status label; undefined when no label looks like a status. */
function statusMatcher(found: Family): Matcher | undefined {
  for (const label of statusLabels) {
    const values = found.series.flatMap((labels) => labels[label] ?? [])
    if (values.some((value) => /^[1-5](\d\d|xx)$/i.test(value))) return { label, op: '=~', value: '5..' }
    if (label === 'grpc_code' && values.some((value) => /^[A-Z][A-Za-z]+$/.test(value)))
      return { label, op: '=~', value: grpcErrors }
    if (values.some((value) => outcomes.test(value))) return { label, op: '=~', value: wordErrors }
  }
  return undefined
}

function errorsIn(requests: Source | undefined, families: readonly Family[]): Source | undefined {
  const found = requests?.by === 'selector' ? requests.family : undefined
  const status = found === undefined ? undefined : statusMatcher(found)
  if (requests !== undefined && found !== undefined && status !== undefined)
    return { ...requests, text: select(found, status), what: `${found.name} where ${status.label} is ${status.value}` }
  return family(best(families, patterns.errors, isCounter))
}

function errorRate(
  requests: Source | undefined,
  errors: Source | undefined,
  families: readonly Family[],
): Draft | undefined {
  if (errors === undefined) return undefined
  const candidates = alike([errors.name], families, patterns.errors)
  if (requests === undefined || requests.hostLabel !== errors.hostLabel) {
    const source = `errors per second, from ${errors.what}; no request counter to relate them to`
    return draft('error_rate', 'per_second', errors, { candidates, query: rate(errors), source })
  }
  // A service without any error has no error series: then the share is 0, not unknown.
  const query = `(${rate(errors)} or ${rate(requests)} * 0) / ${rate(requests)}`
  return draft('error_rate', 'ratio', requests, {
    candidates: alike([...new Set([errors.name, requests.name])], families, patterns.errors),
    query,
    counts: countsOf(requests, errors),
    source: `failed share of requests, from ${errors.what} over ${requests.what}`,
  })
}

function countsOf(requests: Source, errors: Source | undefined): Draft['counts'] {
  if (requests.by === 'selector' && errors?.by !== 'expression')
    return { by: 'increase', requests: increase(requests), errors: errors && increase(errors) }
  return { by: 'rate', requests: rate(requests), errors: errors && rate(errors) }
}

/**
 * Events over `$window`. increase() does not see the first value of a series that appears within the window, and the first
 * errors of a new version are just that: so the smallest value of a series that did not exist before is added.
 */
function increase(source: Source): string {
  const { text } = source
  const grown = perHost(source, `increase(${text}[$window])`)
  const born = perHost(source, `min_over_time(${text}[$window]) unless present_over_time(${text}[5m] offset $window)`)
  return `(${grown} + (${born} or ${grown} * 0)) or ${born}`
}

function latency(
  wanted: Source | undefined,
  families: readonly Family[],
  requests: Source | undefined,
): Draft | undefined {
  const counts = requests === undefined ? undefined : countsOf(requests, undefined)
  if (wanted?.by === 'expression') {
    const source = `seconds, from ${wanted.what}`
    return draft('latency', 'seconds', wanted, {
      candidates: [wanted.name],
      query: perHost(wanted, wanted.text, 'max'),
      counts,
      source,
    })
  }
  const fits = (suffix: string) => (each: Family) => each.name.endsWith(suffix) && !/client|upstream/.test(each.name)
  const ended = (suffix: string) => patterns.duration.map((one) => new RegExp(one.source.replace(/\$$/, `${suffix}$`)))
  const from = (suffix: string) => family(best(families, ended(suffix), fits(suffix)))
  const given = wanted?.name.endsWith('_bucket') ? wanted : undefined
  const histogram = wanted === undefined ? from('_bucket') : given
  if (histogram !== undefined) {
    const query = `histogram_quantile(0.95, sum by (le, ${histogram.hostLabel}) (rate(${histogram.text}[$window])))`
    return finished(histogram, query, `95th percentile, from histogram ${histogram.what}`, families, counts)
  }
  const summary = wanted ?? family(best(families, patterns.duration, (each) => quantileOf(each) !== undefined))
  if (summary !== undefined) {
    const level = summary.by === 'selector' && summary.family !== undefined ? quantileOf(summary.family) : undefined
    const text =
      level === undefined
        ? summary.text
        : select((summary as { family: Family }).family, { label: 'quantile', op: '=', value: level })
    const what = level === undefined ? 'seconds' : `quantile ${level}`
    return finished(summary, perHost(summary, text, 'max'), `${what}, from ${summary.what}`, families, counts)
  }
  const [sum, count] = [from('_sum'), from('_count')]
  if (sum === undefined || count === undefined || sum.hostLabel !== count.hostLabel) return undefined
  return finished(sum, `${rate(sum)} / ${rate(count)}`, `mean, from ${sum.what} / ${count.what}`, families, counts)
}

function finished(
  source: Source,
  query: string,
  words: string,
  families: readonly Family[],
  counts: Draft['counts'],
): Draft {
  const base = source.name.replace(/_(bucket|sum|count)$/, '')
  const scale = /_(milliseconds|ms)$/.test(base) ? ' / 1000' : ''
  const buckets = patterns.duration.map((one) => new RegExp(one.source.replace(/\$$/, '_bucket$')))
  const scaled = scale === '' ? query : `(${query})${scale}`
  return draft('latency', 'seconds', source, {
    candidates: alike([source.name], families, buckets),
    query: scaled,
    counts,
    source: words,
  })
}

/** The quantile of a summary nearest to 0.95 from above, else the highest. */
function quantileOf(found: Family): string | undefined {
  const levels = [...new Set(found.series.flatMap((labels) => labels.quantile ?? []))].filter((level) =>
    Number.isFinite(Number(level)),
  )
  levels.sort((a, b) => Number(a) - Number(b))
  return levels.find((level) => Number(level) >= 0.95) ?? levels.at(-1)
}

function traffic(requests: Source | undefined, families: readonly Family[]): Draft | undefined {
  if (requests === undefined) return undefined
  return draft('traffic', 'per_second', requests, {
    candidates: alike([requests.name], families, []),
    query: rate(requests),
    direction: 'both',
    counts: countsOf(requests, undefined),
    source: `requests per second, from ${requests.what}; shown and used as sample size, never a limit`,
  })
}
