import type { Labels, MetricInfo } from '../ports/metrics.ts'
import { braces, isClassicName, literal, type Matcher, selector } from './metrics-promql.ts'

export interface HostRef {
  id: string
  ip?: string
  /** Further label values that mean this host, such as `10.0.0.7:9100`. */
  aliases?: readonly string[]
}

/** All series of one metric name that belong to one service. */
export interface Family {
  name: string
  type: MetricInfo['type']
  matchers: Matcher[]
  series: Labels[]
  hostLabel: string
  /** How many of the wanted hosts have a series. */
  covered: number
}

// The label that names a service, in order of trust.
const serviceLabels = [
  'service',
  'service_name',
  'exported_service',
  'app',
  'app_kubernetes_io_name',
  'application',
  'job',
  'container',
] as const

const hostLabels = ['host', 'hostname', 'node', 'instance', 'nodename', 'machine']
const longestName = 200

/**
 * Groups series (label sets with `__name__`) by metric name and keeps those of the service: by a label that names it
 * (`job` may be `namespace/service`), else by the name's prefix, as in `user_service_requests_total`. With `labels`,
 * only series that carry all of them. Names of more than 200 characters or with control characters are left out, and so are
 * metrics without a label that tells the wanted hosts apart.
 */
export function familiesOf(input: {
  catalogue: readonly MetricInfo[]
  series: readonly Labels[]
  service: string
  hosts: readonly HostRef[]
  labels?: Labels
  hostLabel?: string
}): Family[] {
  const types = new Map(input.catalogue.map(({ name, type }) => [name, type]))
  const byName = Map.groupBy(input.series, (labels) => labels.__name__ ?? '')
  const families: Family[] = []
  for (const [name, all] of byName) {
    if (!presentable(name)) continue
    const matchers = matchersFor(name, all, input.service, input.labels)
    if (matchers === undefined) continue
    const series = all.filter((labels) => matchers.every(({ label, value }) => labels[label] === value))
    const host = hostLabelOf(series, input.hosts, input.hostLabel)
    if (host === undefined) continue
    const type = types.get(name) ?? 'unknown'
    families.push({ name, type, matchers, series, hostLabel: host.label, covered: host.covered })
  }
  return families.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function matchersFor(name: string, series: Labels[], service: string, labels?: Labels): Matcher[] | undefined {
  if (labels !== undefined) {
    const matchers = Object.entries(labels).map(([label, value]) => ({ label, op: '=' as const, value }))
    return series.some((each) => matchers.every(({ label, value }) => each[label] === value)) ? matchers : undefined
  }
  for (const label of serviceLabels) {
    const found = series.find((each) => namesService(label, each[label], service))
    if (found !== undefined) return [{ label, op: '=', value: found[label] as string }]
  }
  return hasPrefix(name, service) ? [] : undefined
}

function namesService(label: string, value: string | undefined, service: string): boolean {
  return value === service || (label === 'job' && value?.endsWith(`/${service}`) === true)
}

/** `user_service_requests_total` and `user-service_requests_total` both start with the service `user-service`. */
export function hasPrefix(name: string, service: string): boolean {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, '_')
  return plain(name).startsWith(`${plain(service)}_`)
}

export function presentable(name: string): boolean {
  return name.length > 0 && name.length <= longestName && !/[\p{Cc}\p{Cf}]/u.test(name)
}

/** The label by which most of the hosts are found; `wanted` is taken if it finds any. */
function hostLabelOf(
  series: readonly Labels[],
  hosts: readonly HostRef[],
  wanted?: string,
): { label: string; covered: number } | undefined {
  const keys = new Set(series.flatMap((labels) => Object.keys(labels)))
  const candidates = wanted === undefined ? [...hostLabels, ...[...keys].sort()] : [wanted]
  let best: { label: string; covered: number } | undefined
  for (const label of candidates) {
    if (!keys.has(label) || !isClassicName(label) || label === '__name__') continue
    const found = new Set(series.flatMap((labels) => hostOf(labels[label], hosts)?.id ?? []))
    if (found.size > (best?.covered ?? 0)) best = { label, covered: found.size }
  }
  return best
}

/** The host that a label value means: its id, an alias, or its address, each with or without a port. Undefined when several share it. */
export function hostOf<T extends HostRef>(value: string | undefined, hosts: readonly T[]): T | undefined {
  if (value === undefined || value === '') return undefined
  const bare = /^(.+):\d{1,5}$/.exec(value)?.[1]?.replace(/^\[(.*)\]$/, '$1')
  const isNamed = (host: T, text: string) => host.id === text || host.aliases?.includes(text) === true
  const exact = hosts.find((host) => isNamed(host, value))
  if (exact !== undefined) return exact
  const loose = hosts.filter(
    (host) => host.ip === value || (bare !== undefined && (isNamed(host, bare) || host.ip === bare)),
  )
  return loose.length === 1 ? loose[0] : undefined
}

/** Selects a family's series, with further matchers. */
export function select(family: Family, ...more: Matcher[]): string {
  return selector(family.name, [...family.matchers, ...more])
}

/** Selects what a few hosts of the family have: enough to see how it is scraped, whichever of them are down or have restarted. */
export function selectFew(family: Family): string {
  const values = new Set(family.series.flatMap((labels) => labels[family.hostLabel] ?? []))
  const few = [...values].slice(0, 5).map(literal).join('|')
  return select(family, { label: family.hostLabel, op: '=~', value: few })
}

// Only what CPU, memory, errors, latency and traffic are called; buckets but for the last are left out.
const interesting = '.*(cpu|memory|request|call|handled|error|fail|exception|duration|latency|response_time).*'
const buckets: Matcher = { label: 'le', op: '=~', value: '|\\+Inf' }

/** Matchers for Prometheus' series list that between them find every metric of the service. */
export function seriesMatchers(service: string, names: readonly string[], labels?: Labels): string[] {
  const named: Matcher = { label: '__name__', op: '=~', value: interesting }
  const byLabel =
    labels === undefined
      ? serviceLabels.map((label): Matcher[] => [
          label === 'job'
            ? { label, op: '=~', value: `(.*/)?${literal(service)}` }
            : { label, op: '=', value: service },
          named,
          buckets,
        ])
      : [[...Object.entries(labels).map(([label, value]): Matcher => ({ label, op: '=', value })), named, buckets]]
  const alternatives = names.slice(0, 100).map(literal).join('|')
  const byName: Matcher[][] =
    alternatives === '' ? [] : [[{ label: '__name__', op: '=~', value: alternatives }, buckets]]
  return [...byLabel, ...byName].map(braces)
}
