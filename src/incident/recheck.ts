import { asFault } from '../lib/fault.ts'
import { median } from '../lib/statistics.ts'
import { hostOf } from '../release/metrics-families.ts'
import { labelsOf } from './check-report.ts'
import type { IncidentDesk } from './desk.ts'
import { summaryOf } from './finish-report.ts'
import { type KeptAnswers, keptOf } from './kept.ts'
import { checkPromql } from './promql-check.ts'
import { hostIn, nameOfQuery } from './recheck-names.ts'
import { shiftOf } from './shift.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'

export interface Rechecked {
  at: 'recovered' | 'not recovered' | 'unknown'
  /** A sentence with the numbers. */
  why: string
}

/** A value has gone back when at least this share of the way from normal to bad is behind it. */
const BACK = 0.75
/** What differs by less of its level than this was not abnormal. */
const CHANGED = 0.1
/** How far back the present is read, in steps of the survey; and at least so many points. */
const STEPS = 4
const MOST_QUERIES = 24
/** Series that the sentence names. */
const NAMED = 3

interface Asked {
  query: string
  /** As people know it: the signal's name, or the metrics that a query of the report reads. */
  name: string
  /** How values are written. */
  say: (value: number) => string
  kept: KeptAnswers[number]
  /** Whose series it is, by its labels as they are kept. */
  host: (labels: string) => string | undefined
  /** What it is of: kept series of signals go by host, those of other queries by their labels. */
  of: 'alert' | 'signal' | 'query'
  /** What differs by less from normal is normal. */
  noise: number
  /** Which way is trouble, where that is known. */
  bad?: 'up' | 'down'
}

/**
 * Whether things went back to normal: runs the queries of a completed report, and the alert's own expression, once more, and compares
 * each series that had left its level with what it was before the onset and what the diagnosis saw. `not recovered` when one of them
 * is still nearer to the trouble; `unknown` when none can be compared. A query that is one of the survey's signals is told by the
 * signal's name and in its unit, host by host; the sentence names three series at most. Throws for an unavailable store only.
 */
export async function recheck(desk: IncidentDesk, reportId: string): Promise<Rechecked> {
  const report = await desk.reports.get(reportId)
  const kept = keptOf(desk.store)
  const survey = await kept.survey(reportId)
  if (report?.status !== 'completed' || survey === undefined) {
    return { at: 'unknown', why: 'there is no report whose queries could be asked again' }
  }
  const { metrics } = desk
  if (metrics === undefined) return { at: 'unknown', why: 'no Prometheus is configured' }
  const answers = await kept.answers(reportId)
  const signals = ofSignals(survey, new Set(answers.map(({ query }) => query)))
  const known = new Set(signals.map(({ query }) => query))
  const others = answers.filter(({ query }) => !known.has(query))
  const asked = [...signals, ...ofReport(others, desk.config.hostLabels)].slice(0, MOST_QUERIES)
  const now = desk.clock()
  const looks: Look[] = []
  let failed: string | undefined
  for (const each of asked) {
    try {
      const from = new Date(now.getTime() - STEPS * survey.stepSeconds * 1000)
      const series = await metrics.range(each.query, from, now, Math.max(1, Math.ceil(survey.stepSeconds)))
      looks.push(...compare(desk, each, series))
    } catch (error) {
      failed = asFault(error).message
    }
  }
  return conclude(looks, failed)
}

interface Look {
  back: boolean
  of: Asked['of']
  /** What the sentence begins with. */
  name: string
  words: string
}

const behind = ({ name, words }: Look): string => words.slice(name.length)

const ORDER: Asked['of'][] = ['alert', 'signal', 'query']

/** The alert's expression is often a signal of its service under another name: then that is told. */
function conclude(looks: Look[], failed: string | undefined): Rechecked {
  const bad = looks.filter(({ back }) => !back)
  const words = (few: Look[]) =>
    few
      .filter((one) => one.of !== 'alert' || !few.some((each) => each.of === 'signal' && behind(each) === behind(one)))
      .toSorted((a, b) => ORDER.indexOf(a.of) - ORDER.indexOf(b.of))
      .slice(0, NAMED)
      .map((each) => each.words)
      .join('; ')
  if (bad.length > 0) return { at: 'not recovered', why: words(bad) }
  if (looks.length > 0) return { at: 'recovered', why: words(looks) }
  return { at: 'unknown', why: failed ?? 'none of the queries shows a series that had left its level' }
}

/** The alert's expression and the signals that the report asks for, as the survey read them; each query once. */
function ofSignals(survey: Survey, reported: ReadonlySet<string>): Asked[] {
  const wanted = survey.signals.filter(({ role, query }) => role === 'alert' || reported.has(query))
  const first = new Map(wanted.toReversed().map((signal) => [signal.query, signal]))
  return wanted.filter((signal) => first.get(signal.query) === signal).map((signal) => ofSignal(signal, survey.onset))
}

function ofSignal(signal: Signal, onset: number): Asked {
  const { query, name, unit, role, key, bad = 'up' } = signal
  const series = signal.hosts.map(({ host, points }) => ({ labels: host, points }))
  return {
    query,
    // An alert may be called by a whole sentence.
    name: role === 'alert' && /\s/.test(name) ? JSON.stringify(name) : name,
    say: (value) => amount(value, unit),
    kept: summaryOf({ query, series }, onset),
    // Series without a host are called so in the survey.
    host: (host) => (host === 'all' ? undefined : host),
    of: role === 'alert' ? 'alert' : 'signal',
    noise: Math.max(0, ...signal.hosts.map(({ points }) => noiseOf(signal, points, onset))),
    // Less traffic is trouble as well.
    ...(key === 'traffic' ? {} : { bad }),
  }
}

/** The scale of a shift, so that a shift of one scale is noise. */
function noiseOf(signal: Signal, points: [number, number][], onset: number): number {
  const before = points.filter(([at]) => at < onset).map(([, value]) => value)
  const { from, to, z } = shiftOf(before, [(before[0] ?? 0) + 1], signal)
  return Number.isFinite(z) && z !== 0 ? Math.abs((to - from) / z) : 0
}

function ofReport(answers: KeptAnswers, hostLabels: readonly string[]): Asked[] {
  return answers.map((kept) => ({
    query: kept.query,
    name: nameOfQuery(kept.query),
    say: (value) => String(Number(value.toPrecision(3))),
    kept,
    host: (labels) => hostIn(labels, hostLabels),
    of: 'query',
    noise: 0,
  }))
}

type Now = { labels: Record<string, string>; value: number }

/** Series by series where the same are there again; else the highest (or lowest) of all, as labels change with a version. */
function compare(
  desk: Pick<IncidentDesk, 'hosts'>,
  asked: Asked,
  series: { labels: Record<string, string>; points: [number, number][] }[],
): Look[] {
  const now = series.flatMap(({ labels, points }): Now[] => {
    const finite = points.map(([, value]) => value).filter(Number.isFinite)
    return finite.length === 0 ? [] : [{ labels, value: median(finite.slice(-2)) }]
  })
  const changed = asked.kept.series.filter((each) => hasChanged(asked, each))
  if (changed.length === 0) return appeared(asked, now.length)
  const same = (labels: string) =>
    asked.of === 'query' ? now.find((each) => labelsOf(each.labels) === labels)?.value : ofHost(desk, now, labels)
  const matched = changed.flatMap(({ labels, before, since }): Pair[] => {
    const value = same(labels)
    if (value === undefined || before === null || since === null) return []
    return [{ host: asked.host(labels), before, since, value }]
  })
  const pairs =
    matched.length > 0
      ? matched
      : extremes(
          changed,
          now.map(({ value }) => value),
        )
  // Of several that are back the one that was worst is told of.
  const [worst] = pairs.toSorted(
    (a, b) =>
      Number(isBack(asked, a)) - Number(isBack(asked, b)) ||
      Math.abs(b.since - b.before) - Math.abs(a.since - a.before),
  )
  return worst === undefined
    ? []
    : [{ back: isBack(asked, worst), of: asked.of, name: asked.name, words: told(asked, worst) }]
}

function told({ name, say }: Asked, { host, before, since, value }: Pair): string {
  const [now, bad, normal] = [say(value), say(since), say(before)]
  return host === undefined
    ? `${name} is at ${now}, was ${bad} in the trouble and ${normal} before it`
    : `${name} on ${host} is at ${now}, was ${bad} in the trouble and ${normal} before it`
}

function isBack({ noise }: Asked, pair: Pair): boolean {
  return progressOf(pair) >= BACK || Math.abs(pair.value - pair.before) <= noise
}

/** The survey names series by host and adds up several of one. */
function ofHost({ hosts }: Pick<IncidentDesk, 'hosts'>, now: Now[], host: string): number | undefined {
  const own = now.filter(({ labels }) =>
    Object.values(labels).some((value) => value === host || hostOf(value, hosts)?.id === host),
  )
  const values = (own.length === 0 && now.length === 1 ? now : own).map(({ value }) => value)
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b)
}

/** A series that has left its level, for the worse where it is known which way that is. */
function hasChanged({ noise, bad }: Asked, { before, since }: KeptAnswers[number]['series'][number]): boolean {
  if (before === null || since === null || before === since) return false
  if (bad !== undefined && since > before !== (bad === 'up')) return false
  const by = Math.abs(since - before)
  return by > noise && by > CHANGED * Math.max(Math.abs(before), Math.abs(since))
}

/** A query that filters (`x > 5`) gave nothing before the trouble: it is back when it gives nothing again. */
function appeared({ kept, query, name, of }: Asked, now: number): Look[] {
  const check = checkPromql(query)
  const fresh = kept.series.length > 0 && kept.series.every(({ before, since }) => before === null && since !== null)
  if (!check.ok || !check.filters || !fresh) return []
  const words = `the condition on ${name} gives ${now} series, gave ${kept.series.length} in the trouble and none before it`
  return [{ back: now === 0, of, name, words }]
}

type Pair = { host?: string | undefined; before: number; since: number; value: number }

function extremes(changed: KeptAnswers[number]['series'], now: number[]): Pair[] {
  if (now.length === 0) return []
  const befores = changed.flatMap(({ before }) => before ?? [])
  const sinces = changed.flatMap(({ since }) => since ?? [])
  const up = median(sinces) > median(befores)
  const pick = (values: number[]) => values.reduce((a, b) => (up ? Math.max(a, b) : Math.min(a, b)))
  return [{ before: pick(befores), since: pick(sinces), value: pick(now) }]
}

/** 0 where the trouble was, 1 where things were before it; beyond 1 when it is better than before. */
function progressOf({ before, since, value }: Pair): number {
  return (since - value) / (since - before)
}
