import { z } from 'zod'

/** Entries of one list when no limit is given, and at most whatever limit is given. */
interface Lengths {
  usual: number
  most: number
}
export const metricsLengths: Lengths = { usual: 500, most: 10_000 }
export const metadataLengths: Lengths = { usual: 200, most: 2000 }
export const targetsLengths: Lengths = { usual: 200, most: 1000 }

export const targetStates = ['active', 'dropped', 'any'] as const

interface Paging {
  limit?: number | null | undefined
  offset: number
}
interface Filter {
  filter_pattern?: string | null | undefined
}

const mostEntries = 50
const longestHelp = 1000
const mostLabels = 40
const longestLabel = 200

const names = z.array(z.string())
const entry = z.looseObject({})
const metadata = z.record(z.string(), z.array(entry))
const target = z.looseObject({
  health: z.string().optional(),
  scrapePool: z.string().optional(),
  scrapeUrl: z.string().optional(),
  discoveredLabels: z.record(z.string(), z.string()).optional(),
})
const targets = z.object({
  activeTargets: z.array(target).nullish(),
  droppedTargets: z.array(target).nullish(),
})
type Target = z.output<typeof target>

/** One page of the metrics' names; undefined when the data are no list of names. */
export function metricsPage(data: unknown, { filter_pattern, ...paging }: Paging & Filter): object | undefined {
  const all = names.safeParse(data)
  if (!all.success) return undefined
  const found = all.data.filter(holding(filter_pattern))
  const metrics = page(found, paging, metricsLengths)
  return { metrics, ...counts(found.length, metrics.length, paging.offset) }
}

/**
 * The entries of one metric, as a list, or one page of all metrics' entries. The filter looks at names and texts. Undefined when the
 * data are no metadata. Texts are cut at 1000 characters.
 */
export function metadataPage(
  data: unknown,
  { metric, filter_pattern, ...paging }: Paging & Filter & { metric?: string | null | undefined },
): object | undefined {
  const all = metadata.safeParse(data)
  if (!all.success) return undefined
  const holds = holding(filter_pattern)
  const texts = (entries: object[]) => entries.flatMap((each) => Object.values(each).filter((value) => isText(value)))
  const found = Object.entries(all.data).filter(([name, entries]) => holds(name) || texts(entries).some(holds))
  if (metric) return short(found.find(([name]) => name === metric)?.[1] ?? [])
  const shown = page(found, paging, metadataLengths)
  return {
    metadata: Object.fromEntries(shown.map(([name, entries]) => [name, short(entries)])),
    ...counts(found.length, shown.length, paging.offset),
  }
}

/**
 * One page of the targets of each kind, those in trouble first: they are what is looked for. Of an active target the labels before
 * relabelling are left out, which are long and say little; a dropped one has no others, and keeps the first 40, cut at 200 characters.
 * Undefined when the data are no targets.
 */
export function targetsPage(
  data: unknown,
  { state, scrape_pool, ...paging }: Paging & { state: string; scrape_pool?: string | null | undefined },
): object | undefined {
  const all = targets.safeParse(data)
  if (!all.success) return undefined
  // Prometheus before 2.42 does not know the parameter scrapePool.
  const inPool = (each: Target) => !scrape_pool || each.scrapePool === undefined || each.scrapePool === scrape_pool
  const active = ordered((state === 'dropped' ? [] : (all.data.activeTargets ?? [])).filter(inPool))
  const dropped = ordered((state === 'active' ? [] : (all.data.droppedTargets ?? [])).filter(inPool))
  const shownActive = page(active, paging, targetsLengths).map(({ discoveredLabels: _, ...rest }) => rest)
  const shownDropped = page(dropped, paging, targetsLengths).map(withFewLabels)
  const end = paging.offset + Math.max(shownActive.length, shownDropped.length)
  return {
    activeTargets: shownActive,
    droppedTargets: shownDropped,
    total_active: active.length,
    total_dropped: dropped.length,
    returned_active: shownActive.length,
    returned_dropped: shownDropped.length,
    offset: paging.offset,
    has_more: end < Math.max(active.length, dropped.length),
    state,
  }
}

/** Prometheus gives them in another order each time, in which no page would follow another. */
function ordered(all: Target[]): Target[] {
  const key = ({ health, scrapePool = '', scrapeUrl, discoveredLabels }: Target) =>
    `${health === 'up' ? 1 : 0} ${scrapePool} ${scrapeUrl ?? JSON.stringify(discoveredLabels)}`
  return all
    .map((each) => ({ each, at: key(each) }))
    .toSorted((a, b) => Number(a.at > b.at) - Number(a.at < b.at))
    .map(({ each }) => each)
}

function page<T>(all: T[], { limit, offset }: Paging, { usual, most }: Lengths): T[] {
  return all.slice(offset, offset + Math.min(limit ?? usual, most))
}

function counts(total: number, returned: number, offset: number) {
  return { total_count: total, returned_count: returned, offset, has_more: offset + returned < total }
}

function holding(pattern: string | null | undefined): (text: string) => boolean {
  const part = (pattern ?? '').toLowerCase()
  return (text) => text.toLowerCase().includes(part)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function short(entries: z.output<typeof entry>[]): object[] {
  const cut = (value: unknown) => (isText(value) ? value.slice(0, longestHelp).toWellFormed() : value)
  return entries
    .slice(0, mostEntries)
    .map((each) => Object.fromEntries(Object.entries(each).map(([name, value]) => [name, cut(value)])))
}

function withFewLabels({ discoveredLabels = {}, ...rest }: Target): object {
  const few = Object.entries(discoveredLabels).slice(0, mostLabels)
  const cut = few.map(([name, value]) => [name, value.slice(0, longestLabel).toWellFormed()])
  return { discoveredLabels: Object.fromEntries(cut), ...rest }
}
