import { z } from 'zod'
import type { SeriesView, WindowView } from '../../ports/console.ts'
import type { Row } from '../../ports/store.ts'
import type { Desk } from '../../release/desk.ts'
import { gatePolicySchema, judge, type MetricObservation, type Observation, type Verdict } from '../../release/gate.ts'
import type { Release } from '../../release/release.ts'

/** Points of one window in an answer: a fleet of hundreds of hosts is thinned out, which a chart does not show. */
const POINTS_SHOWN = 60_000
/** Digits of a value that a chart can show. */
const DIGITS = 6

/** What the gate has kept is taken as it is: hundreds of thousands of points are not looked at one by one. */
const keptSchema = z.object({
  observation: z.custom<Observation>((value) => z.object({ metrics: z.array(z.unknown()) }).safeParse(value).success),
  policy: gatePolicySchema,
})

/** What the gate saw, window by window, from the observations that were kept with the verdicts. */
export async function seriesOf(desk: Desk, release: Release): Promise<SeriesView> {
  const rows = await desk.store.find('observations', { prefix: `${release.id}/` })
  const windows: WindowView[] = []
  for (const row of rows) {
    windows.push(windowOf(row, release))
    // Each may be large; between two of them others get their turn.
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return { windows: windows.sort((a, b) => a.at - b.at) }
}

function windowOf(row: Row, release: Release): WindowView {
  const name = row.id.slice(release.id.length + 1)
  const { observation, policy } = keptSchema.parse(row.document)
  const known = release.verdicts.find(({ verdict }) => verdict.time === observation.at)
  // The release keeps the last verdict of each batch; those of earlier rounds come out of the observation again.
  const verdict = known?.verdict ?? judge(observation, policy)
  const points = observation.metrics.reduce(
    (sum, { hosts }) => sum + hosts.reduce((all, host) => all + host.before.length + host.after.length, 0),
    0,
  )
  return {
    name,
    batch: known?.batch ?? Number(/batch (\d+)/.exec(name)?.[1] ?? 0),
    before: observation.before,
    after: observation.after,
    at: observation.at,
    verdict: verdict.at,
    why: verdict.why,
    metrics: observation.metrics.map((metric) =>
      metricOf(metric, verdict, release, Math.max(1, Math.ceil(points / POINTS_SHOWN))),
    ),
  }
}

function metricOf(
  { key, name, kind, query, limits, hosts }: MetricObservation,
  verdict: Verdict,
  release: Release,
  every: number,
): WindowView['metrics'][number] {
  const judged = verdict.metrics.find((each) => each.key === key)
  return {
    key,
    name,
    unit: kind,
    query,
    verdict: judged?.at ?? 'inconclusive',
    why: judged?.why ?? '',
    limits,
    hosts: hosts.map(({ host, group, before, after }) => {
      const at = release.hosts[host]?.deployedAt
      const deployedAt = group === 'upgraded' && at !== undefined ? { deployedAt: Date.parse(at) / 1000 } : {}
      return { host, group, ...deployedAt, points: thin([...before, ...after], every) }
    }),
  }
}

/** Every n-th point, and the last one always. */
function thin(points: [number, number][], every: number): [number, number][] {
  const shown: [number, number][] = []
  for (const [index, [at, value]] of points.entries()) {
    if (index % every === 0 || index === points.length - 1) shown.push([at, Number(value.toPrecision(DIGITS))])
  }
  return shown
}
