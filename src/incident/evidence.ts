import type { CallRecord } from '../agent/loop.ts'
import { mean, median } from '../lib/statistics.ts'
import type { Episode } from './alert.ts'
import { expressionOf } from './alert-expression.ts'
import { citedIn, type Evidence, inOrder, noEvidence } from './cited-numbers.ts'
import type { Incident } from './incident.ts'
import { checkPromql } from './promql-check.ts'
import type { Signal, Survey } from './survey.ts'
import { type Measure, measureOf } from './unit-of.ts'
import type { Verdict } from './verdict.ts'

/** What a query of a report was answered with. */
export interface Answered {
  query: string
  series: { labels: string; points: [number, number][] }[]
}

/** Single series of a signal or answer, those that moved most; and how many of these are compared with one another. */
const MOST_SERIES = 40
const MOST_COMPARED = 8
const MOST_MOMENTS = 60
const MOST_CALL_NUMBERS = 20_000
const LONGEST_TEXT = 5000
/** Tools whose results are measurements, by the seed's names, and those of them that are given a query. */
const METRIC_TOOLS = ['execute_query', 'execute_range_query', 'get_metric_metadata', 'list_metrics', 'get_targets']
const QUERY_TOOLS = ['execute_query', 'execute_range_query']
/** Reads on in a result that was too long to be shown whole. */
const READ_RESULT = 'read_result'
const SHORTEST_HANDLE = 8
const USUAL_WINDOWS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800]
const PLAIN: Measure = { unit: 'count', scale: 1 }

/**
 * Everything that a report's numbers may come from: the survey and what was concluded from it, the answers of the report's own
 * queries, the results of tools, the alert's own words, and the times between their moments. A series counts by its statistics
 * (median and mean before and since the onset, least and most since then, last): with every point of every series nearly any
 * number would be found.
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
  const evidence = noEvidence()
  const { measured, seen } = evidence
  const mostMoved = (series: Series[]) => byMovement(series, survey.onset).slice(0, MOST_SERIES)
  // What stands for a whole group stands first: no number of hosts may crowd it out.
  for (const { hosts, unit, limit } of survey.signals) {
    const together = pooled(hosts)
    const single = mostMoved(hosts.map(({ points }) => points))
    measured[unit].push(...[...together, ...single].flatMap((points) => statisticsOf(points, survey.onset)))
    if (limit !== undefined) measured[unit].push(limit)
    compare(together, single, { onset: survey.onset, unit }, evidence)
  }
  for (const { query, series } of answers) {
    const { unit, scale } = measureIn(survey, query)
    const own = ownNumbers(query)
    const single = mostMoved(series.map(({ points }) => based(points, scale, own)))
    measured[unit].push(...single.flatMap((points) => statisticsOf(points, survey.onset)))
    seen.push(...single.flatMap((points) => statisticsOf(points, survey.onset).map((value) => value / scale)))
    compare([], single, { onset: survey.onset, unit }, evidence)
  }
  measured.seconds.push(...momentsApart(survey, episodes))
  measured.seconds.push(survey.stepSeconds, ...lookBacks(survey, answers, calls))
  for (const text of [verdict.why, ...verdict.checks.map(({ why }) => why), ...survey.gaps]) take(text, evidence)
  for (const { alert } of episodes.slice(0, 100)) takeAlert(alert, evidence)
  fromCalls(survey, calls, evidence)
  seen.push(...counts(survey, incident, episodes, answers))
  return inOrder(evidence)
}

/** As the survey has it; else as the query's shape and names tell. */
function measureIn(survey: Survey, query: string): Measure {
  const known = survey.signals.find((signal) => signal.query === query && signal.unit !== 'count')
  return known === undefined ? measureOf(query) : { unit: known.unit, scale: 1 }
}

/** Numbers that the query's author wrote into it: as a value they prove nothing. */
function ownNumbers(query: string): Set<number> {
  const check = checkPromql(query)
  return new Set(check.ok ? check.literals.filter((number) => number !== 0 && number !== 1) : [])
}

function based(points: Series, scale: number, own: Set<number>): Series {
  return points.filter(([, value]) => !own.has(value)).map(([at, value]) => [at, value * scale])
}

type Unit = Signal['unit']
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
  const worst = since.length === 0 ? values : since
  return [...parts.flatMap((part) => [median(part), mean(part)]), least(worst), most(worst), values.at(-1) ?? 0]
}

function least(values: number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
}

function most(values: number[]): number {
  return values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
}

/**
 * Factors, changes and differences between medians of one signal: since the onset against before it, of a group and of the single
 * hosts that moved most, and of one group against another since then. Of shares only, differences count (percentage points).
 */
function compare(
  together: Series[],
  single: Series[],
  { onset, unit }: { onset: number; unit: Unit },
  into: Pick<Evidence, 'factor' | 'change' | 'difference'>,
): void {
  const middles = (points: Series) => {
    const side = (since: boolean) =>
      points.filter(([at, value]) => at >= onset === since && Number.isFinite(value)).map(([, value]) => value)
    const [before, since] = [side(false), side(true)]
    return {
      before: before.length === 0 ? undefined : median(before),
      since: since.length === 0 ? undefined : median(since),
    }
  }
  const groups = together.map(middles)
  const pairs = [
    ...[...groups, ...single.slice(0, MOST_COMPARED).map(middles)].map(({ before, since }) => [since, before]),
    ...groups.flatMap((a) => groups.map((b) => (a === b ? [] : [a.since, b.since]))),
  ]
  for (const [a, b] of pairs) {
    if (a === undefined || b === undefined || a === b) continue
    if (unit === 'ratio') into.difference.push(a - b)
    if (b === 0) continue
    into.factor.push(a / b)
    into.change.push(a / b - 1)
    if (a !== 0) into.factor.push(b / a)
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

/**
 * Windows such as `[5m]`: a report says "over 5 minutes". Those of the model's own queries only if they are usual ones: with others
 * it could state any time.
 */
function lookBacks(survey: Survey, answers: Answered[], calls: CallRecord[]): number[] {
  const back = (query: string) => {
    const check = checkPromql(query)
    return check.ok ? check.lookBackSeconds : 0
  }
  const written = [...answers.map(({ query }) => query), ...calls.flatMap((call) => queryOf(call) ?? [])]
  return [
    ...survey.signals.map(({ query }) => back(query)),
    ...written.map(back).filter((seconds) => USUAL_WINDOWS.includes(seconds)),
  ]
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

/** Numbers of a sentence, in base units; those without a unit are only seen. */
function take(text: string, into: Evidence): void {
  for (const { readings, unit } of citedIn(text.slice(0, LONGEST_TEXT))) {
    for (const { value, relative } of readings) {
      if (relative !== undefined) into[relative].push(value)
      else if (unit === undefined) into.seen.push(value)
      else into.measured[unit].push(value)
    }
  }
}

/** What an alert says, and its bare value in the unit of its expression, or in percent where its words speak of percent. */
function takeAlert(alert: Episode['alert'], into: Evidence): void {
  const { annotations, labels, callback, generatorUrl } = alert
  const texts = [...Object.values(annotations), ...Object.values(labels), callback?.desc ?? '']
  for (const text of texts) take(text, into)
  const bare = [callback?.values, ...[annotations.value, annotations.current_value].map(numberOf)]
  const expression = expressionOf(generatorUrl)
  const shape = expression === undefined ? undefined : measureOf(expression.query)
  const inPercent = texts.some((text) => /\d ?[%％]/.test(text.slice(0, LONGEST_TEXT)))
  const percent: Measure = { unit: 'ratio', scale: 0.01 }
  const { unit, scale } = shape !== undefined && shape.unit !== 'count' ? shape : inPercent ? percent : PLAIN
  for (const value of bare) {
    if (value === undefined || !Number.isFinite(value)) continue
    into.seen.push(value)
    into.measured[unit].push(value * scale)
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text.trim() === '' ? undefined : Number(text)
}

/** What a tool for metrics is called in the seed, whichever server has it: the second one's name stands in front. */
function canonicalTool(name: string): string {
  return METRIC_TOOLS.find((tool) => name === tool || name.endsWith(`_${tool}`)) ?? name
}

/** The query that a call asked a tool for metrics. */
function queryOf({ name, arguments: args }: CallRecord): string | undefined {
  return QUERY_TOOLS.includes(canonicalTool(name)) ? argumentOf(args, 'query') : undefined
}

function argumentOf(args: string, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(args)
    if (typeof value !== 'object' || value === null || !(name in value)) return undefined
    const found: unknown = Reflect.get(value, name)
    return typeof found === 'string' ? found : undefined
  } catch {
    return undefined
  }
}

/**
 * What tools answered: values of queries in the unit of the query, of other tools for metrics what has a unit. Pages of a result
 * that was kept belong to the call that it came from. Never what the model wrote: arguments, and answers that only repeat them.
 */
function fromCalls(survey: Survey, calls: CallRecord[], into: Evidence): void {
  const answered = calls.filter(({ refused, failed }) => !refused && !failed)
  for (const call of answered) {
    const source = sourceOf(call, answered)
    if (source === undefined) continue
    const query = queryOf(source)
    if (query === undefined) {
      into.seen.push(...numbersIn(call.text))
      if (METRIC_TOOLS.includes(canonicalTool(source.name))) take(call.text, into)
      continue
    }
    const check = checkPromql(query)
    if (check.ok && !check.selects) continue
    const { unit, scale } = measureIn(survey, query)
    const own = ownNumbers(query)
    const values = numbersIn(valuesOf(call.text)).filter((value) => !own.has(value))
    into.seen.push(...values)
    into.measured[unit].push(...values.map((value) => value * scale))
  }
}

/** The call that a page was read from; undefined when there is none. */
function sourceOf(call: CallRecord, calls: CallRecord[]): CallRecord | undefined {
  if (call.name !== READ_RESULT) return call
  const handle = argumentOf(call.arguments, 'handle')
  if (handle === undefined || handle.length < SHORTEST_HANDLE) return undefined
  return calls.find(({ name, text }) => name !== READ_RESULT && text.includes(handle))
}

/** Without labels, times, and the words with which a long result is summarised: only what was measured is left. */
function valuesOf(text: string): string {
  return text
    .replace(/"(?:[^"\\]|\\.)*"\s*:\s*"(?:[^"\\]|\\.)*"/g, ' ')
    .replace(/[\w.]+="(?:[^"\\]|\\.)*"/g, ' ')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, ' ')
    .replace(/^(?:vector|matrix) of .*$/gm, ' ')
    .replace(/\b\d+ (?:series|points?)\b|\bevery \d+th point\b|\bstep [\d.]+ s\b|-\(\d+\)/g, ' ')
}

function numbersIn(text: string): number[] {
  const found: number[] = []
  for (const [match] of text.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?(?!\w)/g)) {
    found.push(Number(match))
    if (found.length >= MOST_CALL_NUMBERS) break
  }
  return found
}
