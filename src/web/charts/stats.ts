import type { WindowView } from '../../ports/console.ts'

export type MetricWindow = WindowView['metrics'][number]
export type HostSeries = MetricWindow['hosts'][number]
export type Point = [number, number]
interface Period {
  from: number
  to: number
}

/** The middle value, the mean of the two middle ones of an even number; undefined of none. Sorts a copy. */
export function median(values: number[]): number | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] as number
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] as number) + high) / 2
}

/** Points that are numbers: what a metrics server answers may hold NaN, which JSON carries as null. */
export function finite(points: Point[]): Point[] {
  return points.filter(([, value]) => typeof value === 'number' && Number.isFinite(value))
}

/** The usual distance between two points in seconds; 1 when there are none. */
export function stepOf(hosts: HostSeries[]): number {
  const gaps: number[] = []
  for (const { points } of hosts)
    for (let i = 1; i < points.length; i++) gaps.push((points[i] as Point)[0] - (points[i - 1] as Point)[0])
  return Math.max(1, median(gaps) ?? 1)
}

/**
 * The median of the hosts at each time, on a grid of the usual step. A time at which fewer than half of the hosts have a value is
 * left out: a median of a few would jump for no reason but their number.
 */
export function medianLine(hosts: HostSeries[], step = stepOf(hosts)): Point[] {
  const at = new Map<number, number[]>()
  let measured = 0
  for (const host of hosts) {
    const points = finite(host.points)
    if (points.length > 0) measured++
    for (const [time, value] of points) {
      const slot = Math.round(time / step) * step
      const values = at.get(slot)
      if (values === undefined) at.set(slot, [value])
      else values.push(value)
    }
  }
  return [...at]
    .filter(([, values]) => values.length * 2 >= measured)
    .sort(([a], [b]) => a - b)
    .map(([time, values]): Point => [time, median(values) as number])
}

/** Values of one host within a period, both ends included. */
export function within(host: HostSeries, { from, to }: Period): number[] {
  return finite(host.points)
    .filter(([time]) => time >= from && time <= to)
    .map(([, value]) => value)
}

interface GroupSummary {
  group: HostSeries['group']
  hosts: number
  /** Median over hosts of each host's median in the period. */
  before?: number
  after?: number
  change?: number
}

/** What the chart shows as figures: per group the level before and after. */
export function summarize(metric: MetricWindow, window: Pick<WindowView, 'before' | 'after'>): GroupSummary[] {
  return (['upgraded', 'waiting'] as const).map((group) => {
    const hosts = metric.hosts.filter((host) => host.group === group)
    const before = level(hosts, window.before)
    const after = level(hosts, window.after)
    const change = before === undefined || after === undefined ? undefined : after - before
    return { group, hosts: hosts.length, before, after, change }
  })
}

interface HostSummary {
  host: string
  group: HostSeries['group']
  before?: number
  after?: number
}

/** Each host's medians of both periods; the highest after the deploy first. */
export function byHost(metric: MetricWindow, window: Pick<WindowView, 'before' | 'after'>): HostSummary[] {
  return metric.hosts
    .map((host) => ({
      host: host.host,
      group: host.group,
      before: median(within(host, window.before)),
      after: median(within(host, window.after)),
    }))
    .sort((a, b) => (b.after ?? Number.NEGATIVE_INFINITY) - (a.after ?? Number.NEGATIVE_INFINITY))
}

function level(hosts: HostSeries[], period: Period): number | undefined {
  return median(hosts.map((host) => median(within(host, period))).filter((value) => value !== undefined))
}

/**
 * The hosts whose own line is drawn when there are more than `cap`: the highest after the deploy, for they are what one looks for,
 * and of the rest every so-manieth.
 */
export function pickLines(hosts: HostSeries[], after: Period, cap: number): HostSeries[] {
  if (hosts.length <= cap) return hosts
  const ranked = hosts
    .map((host) => ({ host, level: median(within(host, after)) ?? Number.NEGATIVE_INFINITY }))
    .sort((a, b) => b.level - a.level)
    .map(({ host }) => host)
  const worst = ranked.slice(0, Math.ceil(cap / 3))
  const rest = ranked.slice(worst.length)
  const room = cap - worst.length
  return [...worst, ...Array.from({ length: room }, (_, i) => rest[Math.floor((i * rest.length) / room)] as HostSeries)]
}

/** Deploy moments closer together than `within` seconds become one mark that counts them, at the time of the first. */
export function deployMarks(hosts: HostSeries[], closeness: number): { at: number; count: number }[] {
  const times = hosts
    .map(({ deployedAt }) => deployedAt)
    .filter((at) => at !== undefined)
    .sort((a, b) => a - b)
  const marks: { at: number; count: number }[] = []
  for (const at of times) {
    const last = marks.at(-1)
    if (last !== undefined && at - last.at < closeness) last.count++
    else marks.push({ at, count: 1 })
  }
  return marks
}
