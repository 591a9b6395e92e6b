import type { CallRecord } from '../agent/loop.ts'
import { mean, median } from '../lib/statistics.ts'
import type { Episode } from './alert.ts'
import { citedIn, type Evidence, inOrder } from './cited-numbers.ts'
import type { Incident } from './incident.ts'
import { checkPromql, secondsOf } from './promql-check.ts'
import type { Survey } from './survey.ts'
import type { Verdict } from './verdict.ts'

/** What a query of a report was answered with. */
export interface Answered {
  query: string
  series: { labels: string; points: [number, number][] }[]
}

/** Tools whose results are measurements; the seed's names. */
const METRIC_TOOLS = ['execute_query', 'execute_range_query', 'get_metric_metadata', 'list_metrics', 'get_targets']
/** Single series of a signal or answer, those that moved most; and how many of these are compared with one another. */
const MOST_SERIES = 40
const MOST_COMPARED = 8
const MOST_MOMENTS = 60
const MOST_CALL_NUMBERS = 20_000

/**
 * Everything that a report's numbers may come from: the survey and what was concluded from it, the answers of the report's own
 * queries, the results of tools, the alert's own words, and the times between their moments. A series counts by its statistics
 * (before and since the onset, least, most, mean, last): with every point of every series nearly any number would be found.
 */
export function evidenceOf(from: {
  survey: Survey
  verdict: Verdict
  incident: Incident
  episodes: Episode[]
  answers: Answered[]
  calls: CallRecord[]
}): Evidence {
  const { survey, verdict, incident, episodes, answers, calls } = from
  const measured: number[] = []
  const seen: number[] = []
  const compared: Compared = { factor: [], change: [], difference: [] }
  const mostMoved = (series: Series[]) => byMovement(series, survey.onset).slice(0, MOST_SERIES)
  // What stands for a whole group stands first: no number of hosts may crowd it out.
  const groups = [
    ...survey.signals.map(({ hosts }) => ({
      together: pooled(hosts),
      single: mostMoved(hosts.map(({ points }) => points)),
    })),
    ...answers.map(({ series }) => ({ together: [], single: mostMoved(series.map(({ points }) => points)) })),
  ]
  for (const { together, single } of groups) {
    const all = [...together, ...single].map((points) => statisticsOf(points, survey.onset))
    measured.push(...all.flat())
    compare([...together, ...single.slice(0, MOST_COMPARED)], survey.onset, compared)
  }
  measured.push(...survey.signals.flatMap(({ limit }) => limit ?? []))
  measured.push(...momentsApart(survey, episodes))
  measured.push(survey.stepSeconds, ...lookBacks(survey, answers, calls))
  for (const text of [verdict.why, ...verdict.checks.map(({ why }) => why), ...survey.gaps])
    take(text, measured, compared)
  for (const { alert } of episodes.slice(0, 100)) {
    for (const text of [
      ...Object.values(alert.annotations),
      ...Object.values(alert.labels),
      alert.callback?.desc ?? '',
    ])
      take(text, measured, compared)
    if (alert.callback?.values !== undefined) measured.push(alert.callback.values)
  }
  for (const { name, text, arguments: args } of calls) {
    const into = METRIC_TOOLS.includes(name) ? measured : seen
    into.push(...numbersIn(text))
    seen.push(...numbersIn(args))
  }
  seen.push(...counts(survey, incident, episodes, answers))
  return inOrder({ measured, seen, ...compared })
}

type Series = [number, number][]

/** All hosts of a group as one series. */
function pooled(hosts: Survey['signals'][number]['hosts']): Series[] {
  return ['upgraded', 'waiting', 'other'].map((group) =>
    hosts.filter((host) => host.group === group).flatMap(({ points }) => points),
  )
}

/** Those first whose median moved farthest at the onset: what a report speaks of is among them. */
function byMovement(series: Series[], onset: number): Series[] {
  if (series.length <= MOST_COMPARED) return series
  const moved = (points: Series) => {
    const side = (since: boolean) =>
      points.filter(([at, value]) => at >= onset === since && Number.isFinite(value)).map(([, value]) => value)
    return Math.abs(median(side(true)) - median(side(false))) || 0
  }
  return series
    .map((points) => ({ points, by: moved(points) }))
    .sort((a, b) => b.by - a.by)
    .map(({ points }) => points)
}

function statisticsOf(points: Series, onset: number): number[] {
  const finite = points.filter(([, value]) => Number.isFinite(value))
  const values = finite.map(([, value]) => value)
  if (values.length === 0) return []
  const before = finite.filter(([at]) => at < onset).map(([, value]) => value)
  const since = finite.filter(([at]) => at >= onset).map(([, value]) => value)
  const parts = [before, since].filter((part) => part.length > 0)
  return [
    ...parts.flatMap((part) => [median(part), mean(part), least(part), most(part)]),
    values.at(-1) ?? 0,
    values[0] ?? 0,
    mean(values),
  ]
}

function least(values: number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
}

function most(values: number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
}

type Compared = Pick<Evidence, 'factor' | 'change' | 'difference'>

/** Factors, changes and differences between the levels of a few series: medians before and since the onset, the peak, the last. */
function compare(group: Series[], onset: number, into: Compared): void {
  const levels = group.flatMap((points) => {
    const finite = points.filter(([, value]) => Number.isFinite(value))
    const before = finite.filter(([at]) => at < onset).map(([, value]) => value)
    const since = finite.filter(([at]) => at >= onset).map(([, value]) => value)
    const [last] = finite.slice(-1).map(([, value]) => value)
    const peak = since.length === 0 ? undefined : most(since)
    return [
      before.length === 0 ? undefined : median(before),
      since.length === 0 ? undefined : median(since),
      peak,
      last,
    ]
  })
  const values = [...new Set(levels.filter((value) => value !== undefined))]
  for (const a of values) {
    for (const b of values) {
      if (a === b) continue
      into.difference.push(a - b)
      if (b === 0) continue
      into.factor.push(a / b)
      into.change.push(a / b - 1)
    }
  }
}

/** Seconds between any two moments that a report may speak of. */
function momentsApart(survey: Survey, episodes: Episode[]): number[] {
  const { release } = survey
  const moments = [
    ...[survey.onset, survey.at, survey.from, survey.to, release?.startedAt],
    ...(release?.upgraded ?? []).map(({ at }) => at),
    ...survey.down.map(({ since }) => since),
    ...survey.otherReleases.map(({ startedAt }) => startedAt),
    ...survey.expired.map(({ at }) => at),
    ...episodes.flatMap(({ alert }) =>
      [alert.startsAt, alert.endsAt, alert.receivedAt].map((time) => Date.parse(time ?? '') / 1000),
    ),
  ].filter((at): at is number => at !== undefined && Number.isFinite(at))
  const few = [...new Set(moments)].slice(0, MOST_MOMENTS)
  const jobs = release?.jobSeconds === undefined ? [] : [release.jobSeconds]
  return [...few.flatMap((a) => few.map((b) => Math.abs(a - b))), ...jobs]
}

/** Windows such as `[5m]`: a report says "over 5 minutes". */
function lookBacks(survey: Survey, answers: Answered[], calls: CallRecord[]): number[] {
  const asked = calls.flatMap(({ name, arguments: args }) => (METRIC_TOOLS.includes(name) ? args : []))
  const windows = [...survey.signals.map(({ query }) => query), ...answers.map(({ query }) => query)].flatMap(
    (query) => {
      const check = checkPromql(query)
      return check.ok ? check.lookBackSeconds : []
    },
  )
  const inCalls = asked.flatMap((args) => [...args.matchAll(/\[([\dsmhd]+)/g)].map(([, span = '']) => secondsOf(span)))
  return [...windows, ...inCalls]
}

function counts(survey: Survey, incident: Incident, episodes: Episode[], answers: Answered[]): number[] {
  const { release, signals } = survey
  const own = signals.filter(({ role }) => role === 'alert' || role === 'service')
  // "2 of 4 hosts": as many as there are, of one signal, of all that measure the service, or of the plan.
  const hosts = Math.max(
    new Set(own.flatMap((signal) => signal.hosts.map(({ host }) => host))).size,
    release === undefined ? 0 : release.upgraded.length + release.others.length,
    ...signals.map((signal) => signal.hosts.length),
  )
  const firing = episodes.filter(({ alert }) => alert.status === 'firing').length
  return [
    ...[incident.firing, incident.resolved, incident.hosts.length, incident.truncated, episodes.length, firing],
    ...[survey.alerting.length, survey.down.length, signals.length, survey.gaps.length, answers.length],
    ...Array.from({ length: hosts + 1 }, (_, n) => n),
    ...answers.map(({ series }) => series.length),
  ]
}

/** Numbers of a sentence, in base units. */
function take(text: string, measured: number[], compared: Compared): void {
  for (const { readings } of citedIn(text.slice(0, 5000))) {
    for (const reading of readings)
      (reading.relative === undefined ? measured : compared[reading.relative]).push(reading.value)
  }
}

function numbersIn(text: string): number[] {
  const found: number[] = []
  for (const [match] of text.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?(?!\w)/g)) {
    found.push(Number(match))
    if (found.length >= MOST_CALL_NUMBERS) break
  }
  return found
}
