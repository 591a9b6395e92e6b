import pLimit from 'p-limit'
import type { CallRecord } from '../agent/loop.ts'
import { asFault } from '../lib/fault.ts'
import type { Metrics, Series } from '../ports/metrics.ts'
import type { Episode } from './alert.ts'
import { citedIn, confirms } from './cited-numbers.ts'
import type { IncidentDesk } from './desk.ts'
import { type Answered, evidenceOf } from './evidence.ts'
import type { Incident } from './incident.ts'
import { checkPromql } from './promql-check.ts'
import type { Diagnosis, Report } from './report.ts'
import type { Survey } from './survey.ts'
import type { Verdict } from './verdict.ts'

/** Points and series that an answer is kept with, queries at the same time, numbers that a report is marked for. */
const POINTS = 120
const SERIES = 100
const AT_ONCE = 4
const NUMBERS = 200

export interface Checked {
  queries: Report['queries']
  numbers: Report['numbers']
  /** Of the queries that were answered with something. */
  answers: Answered[]
}

/**
 * Runs every PromQL of a report over the survey's window, and looks for every number that its text states in what was seen. A query
 * that does not parse is not sent. Nothing is thrown: what fails is marked.
 */
export async function checkReport(
  desk: Pick<IncidentDesk, 'metrics'>,
  given: {
    diagnosis: Diagnosis
    survey: Survey
    verdict: Verdict
    incident: Incident
    episodes: Episode[]
    calls: CallRecord[]
  },
): Promise<Checked> {
  const limit = pLimit(AT_ONCE)
  const queries = [...new Set(given.diagnosis.promQL)]
  const run = await Promise.all(queries.map((query) => limit(() => runQuery(desk.metrics, query, given.survey))))
  const answers = run.flatMap(({ answered }) => answered ?? [])
  const evidence = evidenceOf({ ...given, answers })
  const numbers = citedIn(given.diagnosis.content)
    .slice(0, NUMBERS)
    .map((cited) => ({ text: cited.text, at: confirms(evidence, cited) ? ('found' as const) : ('not found' as const) }))
  return { queries: run.map(({ mark }) => mark), numbers: unique(numbers), answers }
}

/** The same text in two meanings is found if either is. */
function unique(numbers: Report['numbers']): Report['numbers'] {
  const found = new Set(numbers.filter(({ at }) => at === 'found').map(({ text }) => text))
  return [...new Set(numbers.map(({ text }) => text))].map((text) => ({
    text,
    at: found.has(text) ? 'found' : 'not found',
  }))
}

interface Run {
  mark: Report['queries'][number]
  answered?: Answered
}

async function runQuery(metrics: Metrics | undefined, query: string, survey: Survey): Promise<Run> {
  const failed = (note: string): Run => ({ mark: { query, at: 'failed', note: note.slice(0, 300) } })
  const check = checkPromql(query)
  if (!check.ok) return failed(check.why)
  // Whatever it says was written by whoever wrote the report.
  if (!check.selects) return failed('selects no series')
  if (metrics === undefined) return failed('no Prometheus is configured')
  try {
    const series = check.matrix ? await instantly(metrics, query, survey) : await answerOf(metrics, query, survey)
    const finite = series
      .map(({ labels, points }) => ({
        labels: labelsOf(labels),
        points: points.filter(([, value]) => Number.isFinite(value)),
      }))
      .filter(({ points }) => points.length > 0)
    if (finite.length === 0) {
      return { mark: { query, at: 'empty', note: series.length === 0 ? 'no data' : 'no number among its values' } }
    }
    const note = finite.length === 1 ? '1 series' : `${finite.length} series`
    return { mark: { query, at: 'ok', note }, answered: { query, series: finite.slice(0, SERIES) } }
  } catch (error) {
    return failed(asFault(error).message)
  }
}

/** Over the survey's window, at most 121 points a series. */
export function answerOf(
  metrics: Metrics,
  query: string,
  window: { from: number; to: number; stepSeconds: number },
): Promise<Series[]> {
  const step = Math.max(1, Math.ceil(window.stepSeconds), Math.ceil((window.to - window.from) / POINTS))
  return metrics.range(query, new Date(window.from * 1000), new Date(window.to * 1000), step)
}

async function instantly(metrics: Metrics, query: string, { to }: Survey): Promise<Series[]> {
  const samples = await metrics.instant(query, new Date(to * 1000))
  return samples.map(({ labels, at, value }) => ({ labels, points: [[at, value]] }))
}

/** `{host="bj-1"}`, labels in order: the same series has the same text. */
export function labelsOf(labels: Record<string, string>): string {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}}`
}
