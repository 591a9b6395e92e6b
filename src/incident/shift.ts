import { MAD_TO_SIGMA, mad, median } from '../lib/statistics.ts'
import type { Signal } from './survey.ts'

/** How far a group of values lies from another, in the bad direction. */
export interface Shift {
  from: number
  to: number
  /** (to - from) / scale, its sign so that more is worse. NaN when either side is empty. */
  z: number
  /** It has gone from the good side of the signal's limit to the bad one, and moved by half of its size at least. */
  crossed: boolean
}

/** Below this, a difference is noise whatever the history: per unit, as on the gate's cards. */
const FLOORS: Record<Signal['unit'], number> = {
  ratio: 0.002,
  seconds: 0.005,
  bytes: 4e6,
  cores: 0.02,
  per_second: 0.1,
  count: 0.5,
}
/** A history without any spread still varies by this share of its level. */
const RELATIVE = 0.05
/** Scales from which a shift counts: about one in 15,000 for normal data. */
const WORSE = 4

/**
 * The shift of the median in units of the history's robust spread: 1.4826 MAD (Rousseeuw and Croux 1993), at least 5 % of its
 * level and at least a floor by unit, so that a constant history does not make every flicker infinite.
 */
export function shiftOf(
  before: readonly number[],
  after: readonly number[],
  { unit, bad, limit }: Pick<Signal, 'unit' | 'bad' | 'limit'>,
): Shift {
  const [from, to] = [median(before), median(after)]
  const scale = Math.max(mad(before) * MAD_TO_SIGMA || 0, Math.abs(from) * RELATIVE || 0, FLOORS[unit])
  const sign = bad === 'down' ? -1 : 1
  const far = Math.abs(to - from) >= Math.max(Math.abs(from), Math.abs(to)) / 2
  const crossed = limit !== undefined && far && sign * (limit - from) >= 0 && sign * (to - limit) > 0
  return { from, to, z: (sign * (to - from)) / scale, crossed }
}

/** Far beyond the history's spread, or over the limit: what is up or down only has no spread to speak of. */
export function isWorse({ z, crossed }: Shift): boolean {
  return z >= WORSE || crossed
}

/** How far it has gone, for comparing shifts with each other: what crossed its limit counts as worse however small its spread. */
export function badness({ z, crossed }: Shift): number {
  return crossed ? Math.max(z, WORSE) : z
}
