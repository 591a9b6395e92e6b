import { MAD_TO_SIGMA, mad, mean, median, quantile, variance } from '../lib/statistics.ts'

/** The same change measured in three ways, each in scales of the history; 0 is no change. */
export interface Scores {
  /** Distance of the medians over 1.4826 MAD: moves with lasting changes and is deaf to spikes. */
  shift: number
  /** Largest distance from the mean over the standard deviation: hears a single bad point. */
  peak: number
  /** Largest distance from the median over the interquartile range (RobustScorer of BARO, Pham et al. 2024): as peak, but a history with outliers does not deafen it. */
  robust: number
  /** Geometric mean of 1 + each, less 1: high only where no score disagrees entirely, and no huge one decides alone. */
  fused: number
}

export interface Scored {
  scores: Scores
  before: number
  after: number
  /** The robust spread of the history, floored: 1.4826 MAD. */
  scale: number
}

/** Share of its own level by which any steady series is allowed to vary. Twice the 5 % of the verdict's shift: here single points count as well. */
export const RELATIVE_FLOOR = 0.1
/** Largest score: what divides by next to nothing is not infinitely certain. */
export const MOST = 1e6

/**
 * How far the values after the onset lie from those before it; all finite, both sides not empty. Two-sided.
 * `recent` are the last of `before`; distances are taken from the band between the level of the whole history and theirs: what
 * had drifted away before the onset did not begin with it. Without any, the history's level stands alone.
 * `floor` is the least scale in the series' own unit; the scale is also at least a tenth of the series' level.
 */
export function scoreChange(
  before: readonly number[],
  recent: readonly number[],
  after: readonly number[],
  floor: number,
): Scored {
  const [level, later] = [median(before), median(after)]
  const least = Math.max(RELATIVE_FLOOR * Math.abs(level), floor)
  const medians = recent.length === 0 ? [level] : [level, median(recent)]
  const means = recent.length === 0 ? [mean(before)] : [mean(before), mean(recent)]
  const spread = Math.max(MAD_TO_SIGMA * mad(before), least)
  const deviation = Math.max(Math.sqrt(variance(before)), least)
  const range = Math.max(quantile(before, 0.75) - quantile(before, 0.25), least)
  const farthest = (band: readonly number[]) => after.reduce((most, value) => Math.max(most, outside(value, band)), 0)
  const shift = ratio(outside(later, medians), spread)
  const peak = ratio(farthest(means), deviation)
  const robust = ratio(farthest(medians), range)
  const fused = Math.expm1((Math.log1p(shift) + Math.log1p(peak) + Math.log1p(robust)) / 3)
  return { scores: { shift, peak, robust, fused }, before: level, after: later, scale: spread }
}

function outside(value: number, band: readonly number[]): number {
  return Math.max(0, Math.min(...band) - value, value - Math.max(...band))
}

function ratio(distance: number, scale: number): number {
  if (!(distance > 0)) return 0
  const scores = distance / scale
  return Number.isFinite(scores) ? Math.min(scores, MOST) : MOST
}
