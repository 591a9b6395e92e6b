import type { ChartSpec } from '../../ports/pictures.ts'
import { clean } from './text.ts'
import { thin } from './thin.ts'

export const MOST = { series: 60, points: 500, moments: 40, limits: 4 }
/** More lines than this are a carpet, in which fewer points look the same. */
const CROWD = 16
const CROWD_POINTS = 240

/**
 * The chart within bounds, its texts cleaned: all upgraded lines before the others when there are too many, points within the span
 * of time thinned so that peaks stay.
 */
export function bound(chart: ChartSpec): ChartSpec {
  const { from, to } = spanOf(chart)
  const first = [...chart.series].sort((a, b) => Number(b.group === 'upgraded') - Number(a.group === 'upgraded'))
  const points = chart.series.length > CROWD ? CROWD_POINTS : MOST.points
  return {
    title: clean(chart.title, 120),
    unit: chart.unit,
    from,
    to,
    series: first.slice(0, MOST.series).map(({ name, group, points: all }) => ({
      name: clean(name, 60),
      group,
      points: thin(
        all.filter(([at]) => at >= from && at <= to),
        points,
      ),
    })),
    moments: chart.moments
      .filter(({ at }) => Number.isFinite(at))
      .slice(0, MOST.moments)
      .map(({ at, label, kind }) => ({ at, kind, label: clean(label, 40) })),
    limits: chart.limits
      .filter(({ value }) => Number.isFinite(value))
      .slice(0, MOST.limits)
      .map(({ value, label }) => ({ value, label: clean(label, 40) })),
  }
}

/** The chart's own span; where it has none, a minute that ends there. */
function spanOf({ from, to }: ChartSpec): { from: number; to: number } {
  const end = Number.isFinite(to) ? to : 0
  return Number.isFinite(from) && from < end ? { from, to: end } : { from: end - 60, to: end }
}
