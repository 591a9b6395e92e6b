import { type Scores, scoreChange } from './rank-scores.ts'

/** What a metric tells; trouble of the first two kinds travels from callee to caller, load from caller to callee, use stays where it is. */
export type Kind = 'errors' | 'latency' | 'load' | 'use' | 'other'

export interface RankedMetric {
  name: string
  /** [seconds since 1970, value] in any order; what is not finite is left out. */
  points: readonly (readonly [number, number])[]
  /** `other` when left out: it travels as errors do, to metrics of the same name. */
  kind?: Kind
  /** The smallest change that is worth a look, in the metric's own unit. Left out: 1 % of the largest value among metrics of its name. */
  floor?: number
}

export interface RankInput {
  /** Seconds since 1970. Points before it are history. */
  onset: number
  nodes: readonly { name: string; metrics: readonly RankedMetric[] }[]
  /** Who calls whom: `from` is the caller. */
  calls: readonly { from: string; to: string }[]
  /** The node that alerts; what it does not call, directly or through others, is less suspect. */
  target?: string
  /** What the alert is about: other kinds of change are less suspect. */
  symptom?: Kind
}

export interface Change {
  metric: string
  kind: Kind
  /** Medians, and the robust scale of the history, in the metric's unit. */
  before: number
  after: number
  scale: number
  /** after - before. */
  shift: number
  direction: 'up' | 'down' | 'none'
  /** The side of the farthest point after the onset: a brief peak may leave the median where it was. */
  peakDirection: 'up' | 'down' | 'none'
  scores: Scores
  /** Fused score after the discounts. */
  score: number
  /** Neighbours that show the same and from which it may have come. */
  from: string[]
}

/** Why a node stands where it does. */
export type Reason =
  | { at: 'calm' }
  /** Anomalous, and no neighbour explains it. */
  | { at: 'own' }
  /** Its strongest change may have come from these. */
  | { at: 'explained'; by: string[] }
  /** Anomalous, but the alerting node does not depend on it. */
  | { at: 'elsewhere' }

export interface Ranked {
  name: string
  score: number
  /** Its anomalous metrics, strongest first. */
  metrics: Change[]
  reason: Reason
}

export interface RankOptions {
  /** Which score ranks; the others are there to be compared with it. */
  by?: keyof Scores
  discount?: number
}

/** Scales from which a change is an anomaly: the three-sigma rule. */
export const ANOMALY = 3
/**
 * What a score is multiplied by for each thing that speaks against the node: a neighbour explains the change, the alerting node
 * does not depend on it, it is of another kind than the alert. A quarter: strong enough to change places with a neighbour that is
 * half as anomalous, weak enough that an enormous change stays in sight. The one constant chosen with the bench's help.
 */
export const DISCOUNT = 0.25
/** A neighbour explains a change only when its own is at least so large beside it: noise in a callee explains no outage. */
const SHARE = 0.5
/** Share of a metric's largest value that is its least scale when nobody has given one. */
const ABSOLUTE_FLOOR = 0.01

/**
 * Nodes by suspicion, most suspect first; ties by name. Each metric's change at the onset is scored three ways and fused
 * (src/incident/rank-scores.ts); an anomaly that a called node shows as well is discounted (for load: a calling node), so of a
 * chain of anomalous nodes the deepest comes first. A node's score is that of its strongest metric. Pure; the order of nodes,
 * metrics, points and calls does not matter, and no unit does when floors are left out or given in the same unit.
 */
export function rank(input: RankInput, { by = 'fused', discount = DISCOUNT }: RankOptions = {}): Ranked[] {
  const changes = new Map(merge(input).map(({ name, metrics }) => [name, changesOf(metrics, input)]))
  const neighbours = neighboursOf(input.calls)
  const reached = input.target === undefined ? undefined : reachable(input.target, neighbours.callees)
  const ranked = [...changes].map(([name, own]): Ranked => {
    const elsewhere = reached !== undefined && !reached.has(name)
    const judged = own.map((change): Change => {
      const from = explaining(name, change, changes, neighbours, by)
      const off = input.symptom !== undefined && change.kind !== input.symptom
      const against = [from.length > 0, elsewhere, off].filter(Boolean).length
      return { ...change, from, score: change.scores[by] * discount ** against }
    })
    // Down to what explains them: which of two like changes is called the strongest may not depend on the order they came in.
    judged.sort(
      (a, b) =>
        b.score - a.score ||
        compare(a.metric, b.metric) ||
        compare(a.kind, b.kind) ||
        compare(a.from.join(), b.from.join()) ||
        b.scores[by] - a.scores[by],
    )
    const metrics = judged.filter(({ scores }) => scores[by] >= ANOMALY)
    return { name, score: judged[0]?.score ?? 0, metrics, reason: reasonOf(metrics, elsewhere) }
  })
  return ranked.sort((a, b) => b.score - a.score || compare(a.name, b.name))
}

function reasonOf([strongest]: readonly Change[], elsewhere: boolean): Reason {
  if (strongest === undefined) return { at: 'calm' }
  if (elsewhere) return { at: 'elsewhere' }
  return strongest.from.length > 0 ? { at: 'explained', by: strongest.from } : { at: 'own' }
}

/** One entry a name; a floor for each metric. */
function merge({ nodes }: RankInput): { name: string; metrics: Required<RankedMetric>[] }[] {
  const largest = new Map<string, number>()
  for (const { name, points } of nodes.flatMap(({ metrics }) => metrics)) {
    const most = points.reduce((max, [, value]) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max), 0)
    largest.set(name, Math.max(most, largest.get(name) ?? 0))
  }
  const merged = new Map<string, Required<RankedMetric>[]>()
  for (const { name, metrics } of nodes) {
    const whole = metrics.map(({ kind = 'other', floor, ...metric }) => {
      const given = floor !== undefined && Number.isFinite(floor) && floor > 0
      return { ...metric, kind, floor: given ? floor : ABSOLUTE_FLOOR * (largest.get(metric.name) ?? 0) }
    })
    merged.set(name, [...(merged.get(name) ?? []), ...whole])
  }
  return [...merged].map(([name, metrics]) => ({ name, metrics }))
}

type Measured = Omit<Change, 'score' | 'from'>

/** Metrics with values on both sides of the onset; the others have nothing to compare. */
function changesOf(metrics: readonly Required<RankedMetric>[], { onset }: RankInput): Measured[] {
  return metrics.flatMap(({ name, kind, points, floor }) => {
    const sorted = points
      .filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value))
      .toSorted(([a, v], [b, w]) => a - b || v - w)
    const values = (from: number, to: number) =>
      sorted.filter(([at]) => at >= from && at < to).map(([, value]) => value)
    const before = values(Number.NEGATIVE_INFINITY, onset)
    const after = values(onset, Number.POSITIVE_INFINITY)
    if (before.length === 0 || after.length === 0) return []
    // As long before the onset as it is known after it.
    const recent = values(2 * onset - (sorted.at(-1)?.[0] ?? onset), onset)
    const scored = scoreChange(before, recent, after, floor)
    const shift = scored.after - scored.before
    const far = after.reduce(
      (most, value) => (Math.abs(value - scored.before) > Math.abs(most) ? value - scored.before : most),
      0,
    )
    return [{ metric: name, kind, ...scored, shift, direction: sideOf(shift), peakDirection: sideOf(far) }]
  })
}

function sideOf(shift: number): 'up' | 'down' | 'none' {
  return shift > 0 ? 'up' : shift < 0 ? 'down' : 'none'
}

interface Neighbours {
  callers: Map<string, Set<string>>
  callees: Map<string, Set<string>>
}

function neighboursOf(calls: RankInput['calls']): Neighbours {
  const found: Neighbours = { callers: new Map(), callees: new Map() }
  for (const { from, to } of calls) {
    if (from === to) continue
    found.callees.set(from, (found.callees.get(from) ?? new Set()).add(to))
    found.callers.set(to, (found.callers.get(to) ?? new Set()).add(from))
  }
  return found
}

function explaining(
  name: string,
  { metric, kind, scores }: Measured,
  changes: ReadonlyMap<string, readonly Measured[]>,
  { callers, callees }: Neighbours,
  by: keyof Scores,
): string[] {
  if (kind === 'use') return []
  const sources = (kind === 'load' ? callers : callees).get(name) ?? new Set<string>()
  const least = Math.max(ANOMALY, SHARE * scores[by])
  return [...sources]
    .filter((source) =>
      (changes.get(source) ?? []).some(
        (other) => other.kind === kind && (kind !== 'other' || other.metric === metric) && other.scores[by] >= least,
      ),
    )
    .sort(compare)
}

function reachable(target: string, callees: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const reached = new Set([target])
  for (const name of reached) for (const callee of callees.get(name) ?? []) reached.add(callee)
  return reached
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
