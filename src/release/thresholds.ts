import { binomialTail } from '../lib/distributions.ts'
import { MAD_TO_SIGMA, mad, mean, median, quantile } from '../lib/statistics.ts'
import { formatLimit, roundLimit, say } from './gate/units.ts'
import type { MetricKey, MetricKind, Thresholds } from './gate.ts'

/** No derived threshold is ever below these: below them a change is noise of a small or idle service, not a reason to stop. */
export const floors: Record<MetricKind, { warn: number; fail: number }> = {
  ratio: { warn: 0.005, fail: 0.01 },
  seconds: { warn: 0.1, fail: 0.25 },
  bytes: { warn: 256e6, fail: 512e6 },
  cores: { warn: 0.25, fail: 0.5 },
  per_second: { warn: 0.1, fail: 0.5 },
}

// A share of CPU is a ratio, but not one of errors.
const cpuShareFloor = { warn: 0.7, fail: 0.9 }

/** Points of history from which limits are derived; with fewer the floors are used and the step warns. */
export const enoughHistory = 20

/**
 * Thresholds from the service's own history, in the metric's unit: host after host, the values of each in order of time.
 * Levels: fail = 1.5 x the highest of the 99th percentile and median + 6 sigma, warn = 1.2 x the highest of the 99th
 * percentile and median + 3 sigma; sigma = 1.4826 MAD, which an outage in the history hardly moves (Leys et al. 2013).
 * For the same reason the 99th percentile counts for at most twice the 90th.
 * Error shares: fail = the highest of twice the usual share and the share that `minRequests` requests exceed with a chance
 * below 1 % (binomial); warn = 1.5 x the usual share (`usualShare`). Never below `floors`; rounded up to two digits.
 * A configured limit wins and is taken as it is. Traffic has none.
 */
export function deriveThresholds(
  metric: { key: MetricKey; kind: MetricKind; direction: 'up-is-bad' | 'both' },
  history: readonly number[],
  options: { configured?: number; minRequests?: number } = {},
): { thresholds: Thresholds; words: string; derived: boolean } {
  const { kind, key } = metric
  if (metric.direction === 'both')
    return { thresholds: { warn: 0, fail: 0, text: [] }, words: 'no limit', derived: true }
  const { configured, minRequests = 100 } = options
  if (configured !== undefined)
    return {
      thresholds: { warn: configured, fail: configured, text: [formatLimit(kind, configured)] },
      words: 'limit as configured',
      derived: true,
    }
  const values = history.filter(Number.isFinite)
  const floor = key === 'cpu' && kind === 'ratio' ? cpuShareFloor : floors[kind]
  const known = values.length >= enoughHistory
  const raw = !known
    ? floor
    : key === 'error_rate' && kind === 'ratio'
      ? ofShares(values, minRequests)
      : ofLevels(values)
  const warn = roundLimit(kind, Math.max(floor.warn, raw.warn))
  const fail = Math.max(warn, roundLimit(kind, Math.max(floor.fail, raw.fail)))
  const text = [...new Set([formatLimit(kind, warn), formatLimit(kind, fail)])]
  const summary = `median ${say(kind, median(values))}, 99th percentile ${say(kind, quantile(values, 0.99))}`
  // Said as it is: a quiet history asks for less than anybody wants to be woken for.
  const own = raw.fail > floor.fail ? 'from its own history' : 'at the floor, above all of its own history'
  const words = known ? `limits ${own}: ${summary}` : 'default limits, too little history'
  return { thresholds: { warn, fail, text }, words, derived: known }
}

function ofLevels(values: readonly number[]): { warn: number; fail: number } {
  const [middle, sigma] = [median(values), MAD_TO_SIGMA * mad(values)]
  const high = Math.min(quantile(values, 0.99), 2 * quantile(values, 0.9))
  return { warn: 1.2 * Math.max(high, middle + 3 * sigma), fail: 1.5 * Math.max(high, middle + 6 * sigma) }
}

/** Runs of values that the history is cut into, at most; and the values that a run has where there are enough, so that few requests average out. */
const mostRuns = 60
const runLength = 12
const fewestRuns = 10

/**
 * The share of errors that is usual: the mean over runs of neighbouring values (a few minutes of one host), of which the worst
 * quarter counts only as much as the worst of the others. That is a mean winsorized on its upper side (Dixon 1960; Tukey 1962)
 * of block means (Nemirovsky and Yudin 1983). Errors that are always there count nearly in full, also when most values have
 * none, as long as a run has about one; a canary that failed within the history hardly counts, however badly it failed, while
 * it fills less than a quarter of the runs. Not the median: of few requests most have no error.
 */
function usualShare(values: readonly number[]): number {
  const fair = Math.max(1, Math.min(runLength, Math.floor(values.length / fewestRuns)))
  const length = Math.max(fair, Math.ceil(values.length / mostRuns))
  const runs = Array.from({ length: Math.ceil(values.length / length) }, (_, i) =>
    mean(values.slice(i * length, (i + 1) * length)),
  )
  const most = quantile(runs, 0.75)
  return mean(runs.map((share) => Math.min(share, most)))
}

function ofShares(values: readonly number[], minRequests: number): { warn: number; fail: number } {
  const share = Math.min(1, Math.max(0, usualShare(values)))
  const requests = Math.max(1, minRequests)
  let errors = 0
  while (binomialTail(errors + 1, requests, share) >= 0.01) errors++
  return { warn: 1.5 * share, fail: Math.max(2 * share, errors / requests) }
}
