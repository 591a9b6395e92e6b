import type { ReleaseView } from '../../../ports/console.ts'
import { median } from '../../charts/stats.ts'

/** What the list is narrowed to. Days are `YYYY-MM-DD` in the reader's time zone; both count as a whole. */
export interface HistoryFilter {
  service?: string
  state?: string
  person?: string
  version?: string
  from?: string
  to?: string
}

const NAMES = ['service', 'state', 'person', 'version', 'from', 'to'] as const

/** States that can be asked for, outcomes first. */
export const STATES = [
  'done',
  'rolled back',
  'aborted',
  'rejected',
  'expired',
  'superseded',
  'refused',
  'preparing',
  'awaiting approval',
  'approved',
  'rolling out',
  'held',
  'rolling back',
] as const

export function readFilter(params: URLSearchParams): HistoryFilter {
  const filter: HistoryFilter = {}
  for (const name of NAMES) {
    const value = params.get(name)?.trim()
    if (!value) continue
    if ((name === 'from' || name === 'to') && dayStart(value) === undefined) continue
    filter[name] = value
  }
  return filter
}

/** The filter as address parameters; what is not chosen is left out. */
export function writeFilter(filter: HistoryFilter): Record<string, string> {
  return Object.fromEntries(
    NAMES.map((name) => [name, filter[name]?.trim()]).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '',
    ),
  )
}

/** What is asked of the server: days become moments, the last one its end. */
export function forServer(filter: HistoryFilter): HistoryFilter {
  const { from, to, ...rest } = filter
  const start = from === undefined ? undefined : dayStart(from)
  const end = to === undefined ? undefined : dayStart(to)
  if (end !== undefined) end.setDate(end.getDate() + 1)
  return {
    ...rest,
    ...(start === undefined ? {} : { from: start.toISOString() }),
    ...(end === undefined ? {} : { to: new Date(end.getTime() - 1).toISOString() }),
  }
}

function dayStart(day: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined
  const date = new Date(`${day}T00:00:00`)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** How many of a release's hosts something happened to, and how many it was meant for. */
export function touchedOf({ hosts }: Pick<ReleaseView, 'hosts'>): { touched: number; total: number } {
  const total = Object.values(hosts).reduce((sum, count) => sum + count, 0)
  return { touched: total - (hosts.pending ?? 0), total }
}

interface Summary {
  shown: number
  running: number
  done: number
  rolledBack: number
  aborted: number
  /** Of the releases that touched hosts and are over, the share that is done, 0 to 1; undefined when there is none. */
  success?: number
  /** Of those that are done. */
  medianSeconds?: number
}

/** What the shown releases say together. A release that touched no host (rejected, expired, ...) is no success and no failure. */
export function summarize(releases: ReleaseView[]): Summary {
  const at = (state: string) => releases.filter((release) => release.state === state)
  const done = at('done').length
  const rolledBack = at('rolled back').length
  const aborted = at('aborted').filter((release) => release.startedAt !== undefined).length
  const ended = done + rolledBack + aborted
  return {
    shown: releases.length,
    running: releases.filter((release) => !release.over).length,
    done,
    rolledBack,
    aborted,
    success: ended === 0 ? undefined : done / ended,
    medianSeconds: median(
      at('done')
        .map((release) => release.seconds)
        .filter((seconds) => seconds !== undefined),
    ),
  }
}
