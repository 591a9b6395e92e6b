import { median } from '../lib/statistics.ts'
import type { Series } from '../ports/metrics.ts'
import { hostOf } from '../release/metrics-families.ts'
import { labelsOf } from './check-report.ts'
import type { IncidentDesk } from './desk.ts'
import type { KeptAnswers } from './kept.ts'
import { checkPromql } from './promql-check.ts'

/** A value has gone back when at least this share of the way from normal to bad is behind it. */
const BACK = 0.75
/** What differs by less of its level than this was not abnormal. */
const CHANGED = 0.1

type Kept = KeptAnswers[number]['series'][number]
type Hosts = IncidentDesk['hosts']

/** A query that is asked again, with what it gave in the diagnosis. */
export interface Asked {
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
  /** From which value on it is bad, where the survey knows. */
  limit?: { value: number; bad: 'up' | 'down' }
  /** No data is as good as nought: a share of errors while there are none. */
  nought?: boolean
}

export interface Look {
  at: 'back' | 'bad' | 'gone'
  of: Asked['of']
  /** What the sentence begins with. */
  name: string
  words: string
}

type Now = { labels: Record<string, string>; value: number }
/** A series that had left its level; without a value when it is gone. */
type Pair = { host: string | undefined; before: number | null; since: number; value: number | undefined }

/**
 * What has become of a query's series that had left their level: of each query the one that tells most, one that is still bad before
 * one that is gone, before one that is back. A series that is gone is one that nobody knows about, unless it was not there before
 * the trouble either, as a share of errors while there are none; labels that changed with the version are seen through.
 */
export function compare(hosts: Hosts, asked: Asked, series: Series[], candidate: string | undefined): Look[] {
  const now = series.flatMap(({ labels, points }): Now[] => {
    const finite = points.map(([, value]) => value).filter(Number.isFinite)
    return finite.length === 0 ? [] : [{ labels, value: median(finite.slice(-2)) }]
  })
  const changed = asked.kept.series.filter((each) => hasChanged(asked, each))
  if (changed.length === 0) return appeared(asked, now.length, candidate)
  const pairs = changed.flatMap((each): Pair[] => {
    const { labels, before, since } = each
    if (since === null) return []
    const value = asked.of === 'query' ? ofLabels(asked, now, each, candidate) : ofHost(hosts, asked, now, labels)
    return [{ host: asked.host(labels), before, since, value }]
  })
  // Of several that are alike the one that was worst is told of.
  const [worst] = pairs
    .map((pair) => ({ ...pair, at: becameOf(asked, pair) }))
    .toSorted(
      (a, b) => RANK[a.at] - RANK[b.at] || Math.abs(b.since - (b.before ?? 0)) - Math.abs(a.since - (a.before ?? 0)),
    )
  return worst === undefined ? [] : [{ at: worst.at, of: asked.of, name: asked.name, words: told(asked, worst) }]
}

const RANK: Record<Look['at'], number> = { bad: 0, gone: 1, back: 2 }

function told({ name, say, limit }: Asked, { host, before, since, value }: Pair): string {
  const subject = host === undefined ? name : `${name} on ${host}`
  const bad = say(since)
  if (value === undefined && before === null) return `${subject} has no data, as before the trouble`
  if (value === undefined) return `${subject} has no data now, was ${bad} in the trouble`
  const now = say(value)
  if (before === null && limit === undefined) return `${subject} is at ${now}, was ${bad} in the trouble`
  if (before === null)
    return `${subject} is at ${now}, was ${bad} in the trouble, its limit is ${say(limit?.value ?? 0)}`
  const normal = say(before)
  return limit !== undefined && isBeyond(limit, value, before)
    ? `${subject} is at ${now}, was ${bad} in the trouble and ${normal} before it, its limit is ${say(limit.value)}`
    : `${subject} is at ${now}, was ${bad} in the trouble and ${normal} before it`
}

function becameOf({ noise, limit }: Asked, { before, since, value }: Pair): Look['at'] {
  if (value === undefined) return before === null ? 'back' : 'gone'
  if (limit !== undefined && isBeyond(limit, value, before)) return 'bad'
  if (before === null && limit !== undefined) return 'back'
  const normal = before ?? 0
  return progressOf(normal, since, value) >= BACK || Math.abs(value - normal) <= noise ? 'back' : 'bad'
}

/** At the limit is beyond it, unless things were there before the trouble; a limit that was passed even then says nothing. */
function isBeyond({ value: limit, bad }: NonNullable<Asked['limit']>, value: number, before: number | null): boolean {
  const over = (one: number) => (bad === 'up' ? one > limit : one < limit)
  if (before !== null && over(before)) return false
  return over(value) || (value === limit && before !== limit)
}

/** The survey names series by host and adds up several of one. A series that names no host is that of the one there was. */
function ofHost(hosts: Hosts, { kept }: Asked, now: Now[], host: string): number | undefined {
  const named = (value: string) => hostOf(value, hosts)?.id
  const own = now.filter(({ labels }) => Object.values(labels).some((value) => value === host || named(value) === host))
  const nobodys = now.filter(({ labels }) => !Object.values(labels).some((value) => named(value) !== undefined))
  const alone = own.length === 0 && kept.series.length === 1 && now.length === 1
  const values = (alone ? nobodys : own).map(({ value }) => value)
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b)
}

/**
 * The series with the same labels. Where there is none, labels may have changed with the version or the process: then the worst of
 * those of its host that were not there in the diagnosis; of a series that names the version taken back, of all that are left.
 */
function ofLabels(asked: Asked, now: Now[], { labels, before, since }: Kept, candidate = ''): number | undefined {
  const named = now.map(({ labels, value }) => ({ labels: labelsOf(labels), value }))
  const same = named.find((each) => each.labels === labels)
  if (same !== undefined) return same.value
  const known = new Set(asked.kept.series.map((each) => each.labels))
  const takenBack = candidate !== '' && labels.includes(candidate)
  const values = named
    .filter((each) => asked.host(each.labels) === asked.host(labels) && (takenBack || !known.has(each.labels)))
    .map(({ value }) => value)
  if (values.length === 0) return undefined
  return values.reduce((a, b) => ((since ?? 0) > (before ?? 0) ? Math.max(a, b) : Math.min(a, b)))
}

/** A series that has left its level, for the worse where it is known which way that is. */
function hasChanged({ noise, bad, limit, nought }: Asked, { before, since }: Kept): boolean {
  if (since === null) return false
  if (before === null) return limit === undefined ? nought === true && since > noise : isBeyond(limit, since, null)
  if (before === since) return false
  if (limit !== undefined && isBeyond(limit, since, before)) return true
  if (bad !== undefined && since > before !== (bad === 'up')) return false
  const by = Math.abs(since - before)
  return by > noise && by > CHANGED * Math.max(Math.abs(before), Math.abs(since))
}

/** A query that gave nothing before the trouble, as one that filters (`x > 5`): it is back when it gives nothing again. */
function appeared({ kept, query, name, of }: Asked, now: number, candidate = ''): Look[] {
  const check = checkPromql(query)
  const fresh = kept.series.length > 0 && kept.series.every(({ before, since }) => before === null && since !== null)
  if (!check.ok || !fresh) return []
  if (check.filters) {
    const words = `the condition on ${name} gives ${now} series, gave ${kept.series.length} in the trouble and none before it`
    return [{ at: now === 0 ? 'back' : 'bad', of, name, words }]
  }
  // What is of the version taken back is gone with it, whatever became of the trouble.
  const ofVersion = candidate !== '' && [query, ...kept.series.map(({ labels }) => labels)].join().includes(candidate)
  if (now > 0 || ofVersion) return []
  return [{ at: 'back', of, name, words: `${name} has no data, as before the trouble` }]
}

/** 0 where the trouble was, 1 where things were before it; beyond 1 when it is better than before. */
function progressOf(before: number, since: number, value: number): number {
  return (since - value) / (since - before)
}
