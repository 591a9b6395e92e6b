import type { ChartSpec } from '../ports/pictures.ts'
import { badness, isWorse, shiftOf } from './shift.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'

const CHARTS = 3
/** Lines of one chart: more cannot be told apart. */
const LINES = 12
const DEPLOYS = 8

export interface PlannedChart {
  chart: ChartSpec
  /** The picture in one sentence. */
  alt: string
}

/**
 * The charts of a report: the signals that moved most since the onset, those of the alert and its own service first. Without any
 * that moved, the alert's own signal alone.
 */
export function chartsOf(survey: Survey, language: 'en' | 'zh'): PlannedChart[] {
  const ranked = survey.signals
    .filter(({ hosts }) => hosts.some(({ points }) => points.length > 1))
    .map((signal) => ({ signal, moved: movedBy(signal, survey.onset) }))
    .filter(({ moved }) => isWorse({ from: 0, to: 0, z: moved, crossed: false }))
    .sort((a, b) => roleRank(a.signal) - roleRank(b.signal) || b.moved - a.moved)
    .map(({ signal }) => signal)
  const own = survey.signals.filter(({ role }) => role === 'alert' || role === 'service').slice(0, 1)
  const chosen = ranked.length > 0 ? apart(ranked) : own
  return chosen.slice(0, CHARTS).map((signal) => plan(survey, signal, language))
}

function roleRank({ role }: Signal): number {
  return role === 'alert' ? 0 : role === 'service' ? 1 : 2
}

/** The alert's expression is often the same metric as one of the service: once is enough. */
function apart(signals: Signal[]): Signal[] {
  const seen = new Set<string>()
  return signals.filter(({ service, query, key, unit }) => {
    const keys = [query, ...(key === 'alert' ? [] : [`${service} ${key} ${unit}`])]
    const known = keys.some((each) => seen.has(each))
    for (const each of keys) seen.add(each)
    return !known
  })
}

/** The largest shift of any host since the onset, whichever way it went. */
function movedBy(signal: Signal, onset: number): number {
  const shifts = signal.hosts.map((host) => Math.abs(shift(signal, host, onset)))
  return shifts.reduce((a, b) => Math.max(a, b), 0)
}

function shift(signal: Signal, { points }: Signal['hosts'][number], onset: number): number {
  const before = points.filter(([at]) => at < onset).map(([, value]) => value)
  const after = points.filter(([at]) => at >= onset).map(([, value]) => value)
  const moved = badness(shiftOf(before, after, signal))
  return Number.isFinite(moved) ? moved : 0
}

function plan(survey: Survey, signal: Signal, language: 'en' | 'zh'): PlannedChart {
  const { release, onset } = survey
  const deploys = (release?.upgraded ?? []).filter(({ at }) => at >= survey.from && at <= survey.to)
  const words = language === 'zh' ? { onset: '异常开始', limit: '阈值' } : { onset: 'onset', limit: 'limit' }
  const lines = signal.hosts
    .filter(({ points }) => points.length > 0)
    .map((host) => ({ host, moved: Math.abs(shift(signal, host, onset)) }))
    .sort((a, b) => b.moved - a.moved)
  const shown = lines.slice(0, LINES).map(({ host }) => host)
  const ends = shown
    .slice(0, 4)
    .map(({ host, points }) => `${host} ${amount(points.at(-1)?.[1] ?? Number.NaN, signal.unit)}`)
  return {
    alt: `${signal.name} of ${signal.service} by host, last values: ${ends.join(', ')}`,
    chart: {
      title: `${signal.name} · ${signal.service}`,
      unit: signal.unit,
      from: survey.from,
      to: survey.to,
      series: shown
        .sort((a, b) => a.host.localeCompare(b.host))
        .map(({ host, group, points }) => ({ name: host, group, points })),
      moments: [
        ...deploys
          .slice(0, DEPLOYS)
          .map(({ host, at }) => ({ at, label: `${release?.candidate} · ${host}`, kind: 'deploy' as const })),
        { at: onset, label: words.onset, kind: 'alert' as const },
      ],
      limits: signal.limit === undefined ? [] : [{ value: signal.limit, label: words.limit }],
    },
  }
}
