import { asFault } from '../lib/fault.ts'
import type { IncidentDesk } from './desk.ts'
import { summaryOf } from './finish-report.ts'
import { type KeptAnswers, keptOf } from './kept.ts'
import { type Asked, compare, type Look } from './recheck-compare.ts'
import { onlyGrows } from './recheck-counters.ts'
import { hostIn, nameOfQuery } from './recheck-names.ts'
import { shiftOf } from './shift.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'

export interface Rechecked {
  at: 'recovered' | 'not recovered' | 'unknown'
  /** A sentence with the numbers. */
  why: string
}

/** How far back the present is read, in steps of the survey; and at least so many points. */
const STEPS = 4
const MOST_QUERIES = 24
/** Series that the sentence names. */
const NAMED = 3

/**
 * Whether things went back to normal: runs the queries of a completed report, and the alert's own expression, once more, and compares
 * each series that had left its level with what it was before the onset and what the diagnosis saw; where the survey knows from
 * which value on it is bad, that counts too. `not recovered` when one of them is still nearer to the trouble or beyond its limit;
 * `unknown` when a query is not answered, when a series is gone that was there before the trouble, and when none can be compared.
 * Counters that are read as they are tell nothing and are left out. A query that is one of the survey's signals is told by the
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
  const others = answers.filter((each) => !known.has(each.query) && !onlyGrows(each))
  const asked = [...signals, ...ofReport(others, desk.config.hostLabels)].slice(0, MOST_QUERIES)
  const now = desk.clock()
  const looks: Look[] = []
  let failed: string | undefined
  for (const each of asked) {
    try {
      const from = new Date(now.getTime() - STEPS * survey.stepSeconds * 1000)
      const series = await metrics.range(each.query, from, now, Math.max(1, Math.ceil(survey.stepSeconds)))
      looks.push(...compare(desk.hosts, each, series, survey.release?.candidate))
    } catch (error) {
      failed = asFault(error).message
    }
  }
  return conclude(looks, failed)
}

const behind = ({ name, words }: Look): string => words.slice(name.length)

const ORDER: Asked['of'][] = ['alert', 'signal', 'query']

/** The alert's expression is often a signal of its service under another name: then that is told. */
function conclude(looks: Look[], failed: string | undefined): Rechecked {
  const [bad, gone] = (['bad', 'gone'] as const).map((at) => looks.filter((look) => look.at === at))
  const words = (few: Look[]) =>
    few
      .filter((one) => one.of !== 'alert' || !few.some((each) => each.of === 'signal' && behind(each) === behind(one)))
      .toSorted((a, b) => ORDER.indexOf(a.of) - ORDER.indexOf(b.of))
      .slice(0, NAMED)
      .map((each) => each.words)
      .join('; ')
  if (bad !== undefined && bad.length > 0) return { at: 'not recovered', why: words(bad) }
  if (failed !== undefined) return { at: 'unknown', why: failed }
  if (gone !== undefined && gone.length > 0) return { at: 'unknown', why: words(gone) }
  if (looks.length > 0) return { at: 'recovered', why: words(looks) }
  return { at: 'unknown', why: 'none of the queries shows a series that had left its level' }
}

/** The alert's expression and the signals that the report asks for, as the survey read them; each query once. */
function ofSignals(survey: Survey, reported: ReadonlySet<string>): Asked[] {
  const wanted = survey.signals.filter(({ role, query }) => role === 'alert' || reported.has(query))
  const first = new Map(wanted.toReversed().map((signal) => [signal.query, signal]))
  return wanted.filter((signal) => first.get(signal.query) === signal).map((signal) => ofSignal(signal, survey.onset))
}

function ofSignal(signal: Signal, onset: number): Asked {
  const { query, name, unit, role, key, limit, bad = 'up' } = signal
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
    ...(limit === undefined ? {} : { limit: { value: limit, bad } }),
    nought: key === 'error_rate',
  }
}

/** The scale of a shift, so that a shift of one scale is noise. */
function noiseOf(signal: Signal, points: [number, number][], onset: number): number {
  const before = points.filter(([at]) => at < onset).map(([, value]) => value)
  const { from, to, z } = shiftOf(before.length === 0 ? [0] : before, [(before[0] ?? 0) + 1], signal)
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
