import { z } from 'zod'
import type { Json } from '../../ports/store.ts'

type Args = Record<string, Json | undefined>

const names = z.array(z.string())
const metadata = z.record(z.string(), z.array(z.record(z.string(), z.unknown())))
const target = z.looseObject({
  scrapePool: z.string().optional(),
  scrapeUrl: z.string().optional(),
  discoveredLabels: z.record(z.string(), z.string()).optional(),
})
const targets = z.object({ activeTargets: z.array(target).nullish(), droppedTargets: z.array(target).nullish() })

/**
 * What npm prometheus-mcp 1.1.3 answers, filtered, paged and shaped as pab1it0's server does it, since its own tools take none of
 * these arguments. An answer of another shape is passed on as it is.
 */
export const npmAnswers = {
  list_metrics(args: Args, value: unknown): unknown {
    const all = names.safeParse(value)
    if (!all.success) return value
    const found = all.data.filter(holding(args))
    const metrics = page(found, args)
    return { metrics, ...counts(found.length, metrics.length, args) }
  },

  get_metric_metadata(args: Args, value: unknown): unknown {
    const all = metadata.safeParse(value)
    if (!all.success) return value
    const holds = holding(args)
    const found = Object.entries(all.data).filter(([name, entries]) =>
      [name, ...entries.flatMap((entry) => Object.values(entry))].some(
        (text) => typeof text === 'string' && holds(text),
      ),
    )
    if (typeof args.metric === 'string' && args.metric !== '')
      return found.find(([name]) => name === args.metric)?.[1] ?? []
    const shown = page(found, args)
    return { metadata: Object.fromEntries(shown), ...counts(found.length, shown.length, args) }
  },

  get_targets(args: Args, value: unknown): unknown {
    const all = targets.safeParse(value)
    if (!all.success) return value
    const { state = 'active', scrape_pool: pool } = args
    // A dropped target does not name its pool; its job, before relabelling, is called the same.
    const inPool = (each: z.output<typeof target>) =>
      typeof pool !== 'string' || pool === '' || (each.scrapePool ?? each.discoveredLabels?.job) === pool
    const active = state === 'dropped' ? [] : ordered(all.data.activeTargets ?? []).filter(inPool)
    const dropped = state === 'active' ? [] : ordered(all.data.droppedTargets ?? []).filter(inPool)
    const [shownActive, shownDropped] = [page(active, args), page(dropped, args)]
    const offset = numberOf(args.offset) ?? 0
    return {
      activeTargets: shownActive,
      droppedTargets: shownDropped,
      total_active: active.length,
      total_dropped: dropped.length,
      returned_active: shownActive.length,
      returned_dropped: shownDropped.length,
      offset,
      has_more: offset + shownActive.length < active.length || offset + shownDropped.length < dropped.length,
      state,
    }
  },
}

/** Prometheus gives them in another order each time, in which no page would follow another. */
function ordered(all: z.output<typeof target>[]): z.output<typeof target>[] {
  return all
    .map((each) => ({ each, at: each.scrapeUrl ?? JSON.stringify(each.discoveredLabels ?? {}) }))
    .toSorted((a, b) => Number(a.at > b.at) - Number(a.at < b.at))
    .map(({ each }) => each)
}

function page<T>(all: T[], { limit, offset }: Args): T[] {
  const from = numberOf(offset) ?? 0
  return all.slice(from, from + (numberOf(limit) ?? all.length))
}

function counts(total: number, returned: number, args: Args) {
  const offset = numberOf(args.offset) ?? 0
  return { total_count: total, returned_count: returned, offset, has_more: offset + returned < total }
}

function holding({ filter_pattern }: Args): (text: string) => boolean {
  const part = typeof filter_pattern === 'string' ? filter_pattern.toLowerCase() : ''
  return (text) => text.toLowerCase().includes(part)
}

/** A whole number from 0 on; anything else counts as left out. */
function numberOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined
}
