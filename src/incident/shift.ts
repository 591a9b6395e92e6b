import { MAD_TO_SIGMA, mad, median } from '../lib/statistics.ts'
import type { Signal } from './survey.ts'

/** How far a group of values lies from another, in the bad direction. */
export interface Shift {
  from: number
  to: number
  /** (to - from) / scale, its sign so that more is worse. NaN when either side is empty. */
  z: number
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
  { unit, bad }: Pick<Signal, 'unit' | 'bad'>,
): Shift {
  const [from, to] = [median(before), median(after)]
  const scale = Math.max(mad(before) * MAD_TO_SIGMA || 0, Math.abs(from) * RELATIVE || 0, FLOORS[unit])
  return { from, to, z: ((bad === 'down' ? -1 : 1) * (to - from)) / scale }
}

export function isWorse({ z }: Shift): boolean {
  return z >= WORSE
}
