import { asFault } from '../lib/fault.ts'
import { median } from '../lib/statistics.ts'
import { hostOf } from '../release/metrics-families.ts'
import { labelsOf } from './check-report.ts'
import type { IncidentDesk } from './desk.ts'
import { summaryOf } from './finish-report.ts'
import { type KeptAnswers, keptOf } from './kept.ts'
import { checkPromql } from './promql-check.ts'
import { shiftOf } from './shift.ts'
import type { Survey } from './survey.ts'
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

interface Asked {
  query: string
  /** How values are written. */
  say: (value: number) => string
  kept: KeptAnswers[number]
  /** It stands for the alert itself. */
  alert: boolean
  /** Nothing else counts as back to normal: the range of ordinary noise. */
  noise: number
}

/**
 * Whether things went back to normal: runs the queries of a completed report, and the alert's own expression, once more, and compares
 * each series that had left its level with what it was before the onset and what the diagnosis saw. `not recovered` when one of them
 * is still nearer to the trouble; `unknown` when none can be compared. Throws for an unavailable store only.
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
  const asked = [...ofAlert(survey), ...ofReport(await kept.answers(reportId))].slice(0, MOST_QUERIES)
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
  alert: boolean
  words: string
}

function conclude(looks: Look[], failed: string | undefined): Rechecked {
  const bad = looks.filter(({ back }) => !back)
  const words = (few: Look[]) =>
    few
      .toSorted((a, b) => Number(b.alert) - Number(a.alert))
      .slice(0, 3)
      .map((each) => each.words)
      .join('; ')
  if (bad.length > 0) return { at: 'not recovered', why: words(bad) }
  if (looks.length > 0) return { at: 'recovered', why: words(looks) }
  return { at: 'unknown', why: failed ?? 'none of the queries shows a series that had left its level' }
}

/** The alert's expression as the survey read it. */
function ofAlert(survey: Survey): Asked[] {
  return survey.signals
    .filter(({ role }) => role === 'alert')
    .map((signal) => {
      const series = signal.hosts.map(({ host, points }) => ({ labels: host, points }))
      const noise = Math.max(0, ...signal.hosts.map(({ points }) => noiseOf(signal, points, survey.onset)))
      return {
        query: signal.query,
        say: (value) => amount(value, signal.unit),
        kept: summaryOf({ query: signal.query, series }, survey.onset),
        alert: true,
        noise,
      }
    })
}

/** The scale of a shift, so that a shift of one scale is noise. */
function noiseOf(signal: Survey['signals'][number], points: [number, number][], onset: number): number {
  const before = points.filter(([at]) => at < onset).map(([, value]) => value)
  const { from, to, z } = shiftOf(before, [(before[0] ?? 0) + 1], signal)
  return Number.isFinite(z) && z !== 0 ? Math.abs((to - from) / z) : 0
}

function ofReport(answers: KeptAnswers): Asked[] {
  return answers.map((kept) => ({
    query: kept.query,
    say: (value) => String(Number(value.toPrecision(3))),
    kept,
    alert: false,
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
  const changed = asked.kept.series.filter(hasChanged)
  if (changed.length === 0) return appeared(asked, now.length)
  const same = (labels: string) =>
    asked.alert ? ofHost(desk, now, labels) : now.find((each) => labelsOf(each.labels) === labels)?.value
  const matched = changed.flatMap(({ labels, before, since }) => {
    const value = same(labels)
    return value === undefined || before === null || since === null ? [] : [{ before, since, value }]
  })
  const pairs =
    matched.length > 0
      ? matched
      : extremes(
          changed,
          now.map(({ value }) => value),
        )
  const worst = pairs.toSorted((a, b) => progressOf(a) - progressOf(b))[0]
  if (worst === undefined) return []
  const { before, since, value } = worst
  const back = progressOf(worst) >= BACK || Math.abs(value - before) <= asked.noise
  const levels = { now: asked.say(value), bad: asked.say(since), normal: asked.say(before) }
  const words = asked.alert
    ? `the alert is at ${levels.now}, was ${levels.bad} in the trouble and ${levels.normal} before it`
    : `${asked.query.slice(0, 120)} is at ${levels.now}, was ${levels.bad} in the trouble and ${levels.normal} before it`
  return [{ back, alert: asked.alert, words }]
}

/** The survey names series of the alert by host; what several series of one host say, their highest says. */
function ofHost({ hosts }: Pick<IncidentDesk, 'hosts'>, now: Now[], host: string): number | undefined {
  const own = now.filter(({ labels }) =>
    Object.values(labels).some((value) => value === host || hostOf(value, hosts)?.id === host),
  )
  const values = (own.length === 0 && now.length === 1 ? now : own).map(({ value }) => value)
  return values.length === 0 ? undefined : values.reduce((a, b) => Math.max(a, b))
}

function hasChanged({ before, since }: KeptAnswers[number]['series'][number]): boolean {
  if (before === null || since === null || before === since) return false
  return Math.abs(since - before) > CHANGED * Math.max(Math.abs(before), Math.abs(since))
}

/** A query that filters (`x > 5`) gave nothing before the trouble: it is back when it gives nothing again. */
function appeared({ kept, query, alert }: Asked, now: number): Look[] {
  const check = checkPromql(query)
  const fresh = kept.series.length > 0 && kept.series.every(({ before, since }) => before === null && since !== null)
  if (!check.ok || !check.filters || !fresh) return []
  const words = `${query.slice(0, 120)} gives ${now} series, gave ${kept.series.length} in the trouble and none before it`
  return [{ back: now === 0, alert, words }]
}

type Pair = { before: number; since: number; value: number }

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
