import { binomialTail, hypergeometricTail, normalQuantile, normalTail, studentQuantile } from './distributions.ts'

/** Middle value; the mean of the two middle ones for an even count. NaN for no values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Median absolute deviation from the median, unscaled. Times 1.4826 it estimates the standard deviation of normal data (Rousseeuw and Croux 1993). */
export function mad(values: readonly number[]): number {
  const middle = median(values)
  return median(values.map((value) => Math.abs(value - middle)))
}

/** Turns a MAD into the standard deviation of normal data: 1 / Phi^-1(3/4). */
export const MAD_TO_SIGMA = 1.4826

/** Arithmetic mean; NaN for no values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Quantile by linear interpolation of order statistics, type 7 of Hyndman and Fan (1996), the default of R and NumPy. NaN for no values. */
export function quantile(values: readonly number[], p: number): number {
  if (values.length === 0) return Number.NaN
  // Sorted by number without a comparing function: several times faster, and fleets have many values.
  const sorted = Float64Array.from(values).sort()
  const position = (sorted.length - 1) * Math.min(1, Math.max(0, p))
  const low = sorted[Math.floor(position)] as number
  const high = sorted[Math.ceil(position)] as number
  return low + (high - low) * (position - Math.floor(position))
}

/** Sample variance with n - 1; 0 for fewer than two values. */
export function variance(values: readonly number[]): number {
  if (values.length < 2) return 0
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1)
}

export type Alternative = 'greater' | 'less' | 'two-sided'

export interface MannWhitney {
  /** Pairs in which a is above b, ties counted half: 0 .. a.length x b.length. */
  u: number
  p: number
  /** Cliff's delta, which is the rank-biserial correlation 2U/(mn) - 1: -1 .. 1 (Cliff 1993; Kerby 2014). */
  delta: number
  /** Vargha and Delaney's A (2000): chance that a value of a is above one of b, U/(mn). */
  a12: number
  method: 'exact' | 'normal'
}

/**
 * Mann-Whitney U test of a against b; `greater` asks whether a is larger (Mann and Whitney 1947).
 * Exact for up to 400 pairs without ties, otherwise the normal approximation with continuity correction and, for ties,
 * the variance mn/12 ((N+1) - sum(t^3 - t)/(N(N-1))) (Lehmann 1975).
 * `ties: 'ignored'` leaves the tie correction out: p is then never too small, and a larger value in a never raises it.
 * p is 1 when either side is empty.
 */
export function mannWhitney(
  a: readonly number[],
  b: readonly number[],
  options: { alternative?: Alternative; ties?: 'corrected' | 'ignored' } = {},
): MannWhitney {
  const { alternative = 'two-sided', ties = 'corrected' } = options
  const pairs = a.length * b.length
  if (pairs === 0) return { u: 0, p: 1, delta: 0, a12: 0.5, method: 'exact' }
  const { u, tieSum } = rankSum(a, b)
  const effect = { u, delta: (2 * u) / pairs - 1, a12: u / pairs }
  if (pairs <= 400 && (tieSum === 0 || ties === 'ignored')) {
    const tails = exactTails(a.length, b.length, u)
    return { ...effect, p: oneOrTwo(tails.atLeast, tails.atMost, alternative), method: 'exact' }
  }
  const n = a.length + b.length
  const correction = ties === 'corrected' ? tieSum / (n * (n - 1)) : 0
  const sigma = Math.sqrt((pairs / 12) * (n + 1 - correction))
  const z = (distance: number) => (sigma === 0 ? 0 : (distance - 0.5) / sigma)
  const p = oneOrTwo(normalTail(z(u - pairs / 2)), normalTail(z(pairs / 2 - u)), alternative)
  return { ...effect, p: sigma === 0 ? 1 : p, method: 'normal' }
}

function oneOrTwo(atLeast: number, atMost: number, alternative: Alternative): number {
  if (alternative === 'greater') return Math.min(1, atLeast)
  if (alternative === 'less') return Math.min(1, atMost)
  return Math.min(1, 2 * Math.min(atLeast, atMost))
}

function rankSum(a: readonly number[], b: readonly number[]): { u: number; tieSum: number } {
  const all = [...a.map((value) => ({ value, mine: 1 })), ...b.map((value) => ({ value, mine: 0 }))]
  all.sort((x, y) => x.value - y.value)
  let ranks = 0
  let tieSum = 0
  for (let start = 0; start < all.length; ) {
    let end = start
    let mine = 0
    while (end < all.length && all[end]?.value === all[start]?.value) mine += all[end++]?.mine ?? 0
    const tied = end - start
    ranks += (mine * (start + 1 + end)) / 2
    tieSum += tied ** 3 - tied
    start = end
  }
  return { u: ranks - (a.length * (a.length + 1)) / 2, tieSum }
}

/** Tails of the null distribution of U: its counts are the coefficients of the Gaussian binomial (m+n choose m)_q. */
function exactTails(m: number, n: number, u: number): { atLeast: number; atMost: number } {
  const counts = new Array<number>(m * n + 1).fill(0)
  counts[0] = 1
  for (let i = 1; i <= Math.min(m, n); i++) {
    const up = Math.max(m, n) + i
    for (let j = counts.length - 1; j >= up; j--) counts[j] = (counts[j] as number) - (counts[j - up] as number)
    for (let j = i; j < counts.length; j++) counts[j] = (counts[j] as number) + (counts[j - i] as number)
  }
  const total = counts.reduce((sum, count) => sum + count, 0)
  const below = counts.slice(0, Math.ceil(u) + 1).reduce((sum, count) => sum + count, 0)
  const above = counts.slice(Math.floor(u)).reduce((sum, count) => sum + count, 0)
  return { atLeast: above / total, atMost: below / total }
}

export interface Share {
  /** Events among `n` trials; both are rounded to whole numbers where a test needs them. */
  k: number
  n: number
}

/**
 * One-sided p that the first share is larger: Fisher's exact test (1935), the hypergeometric tail given both margins.
 * Chosen over the score test because error counts are small and often zero on one side, where the normal
 * approximation promises too much; Fisher's p is never too small at any count. 1 when either side is empty.
 */
export function fisherGreater(first: Share, second: Share): number {
  const [a, b] = [whole(first), whole(second)]
  if (a.n === 0 || b.n === 0) return 1
  return hypergeometricTail(a.k, a.n, a.k + b.k, a.n + b.n)
}

/** p of seeing at least k events in n trials when the true share is `limit`: the exact binomial tail. 1 when n is 0. */
export function exceedsShare(share: Share, limit: number): number {
  const { k, n } = whole(share)
  return n === 0 ? 1 : binomialTail(k, n, limit)
}

function whole({ k, n }: Share): Share {
  const trials = Math.max(0, Math.round(n))
  return { k: Math.min(trials, Math.max(0, Math.round(k))), n: trials }
}

/**
 * How much more the shares within each group spread than chance alone would make them: Pearson's X^2 / degrees of freedom.
 * Dividing k and n by it keeps a test of pooled counts honest when events come in bursts or differ by host (Rao and
 * Scott 1992). 1 unless X^2 is above its 95 % point (Wilson and Hilferty 1931): smaller excess is chance.
 */
export function overdispersion(groups: readonly (readonly Share[])[]): number {
  let chi2 = 0
  let freedom = 0
  for (const group of groups) {
    const used = group.filter(({ n }) => n > 0)
    const pooled = pool(used)
    const p = pooled.k / pooled.n
    if (used.length < 2 || p <= 0 || p >= 1) continue
    chi2 += used.reduce((sum, { k, n }) => sum + (k - n * p) ** 2 / (n * p * (1 - p)), 0)
    freedom += used.length - 1
  }
  if (freedom === 0) return 1
  const unit = 2 / (9 * freedom)
  const z = ((chi2 / freedom) ** (1 / 3) - 1 + unit) / Math.sqrt(unit)
  return z > normalQuantile(0.95) ? Math.max(1, chi2 / freedom) : 1
}

/** Sums shares: 3 of 100 and 1 of 50 are 4 of 150. */
export function pool(shares: readonly Share[]): Share {
  return shares.reduce((sum, { k, n }) => ({ k: sum.k + k, n: sum.n + n }), { k: 0, n: 0 })
}

/**
 * Difference in differences: the mean change of the treated minus that of the control hosts, with the one-sided lower
 * bound at 1 - alpha. Each number is one host's change (after minus before) of a robust mean.
 * The spread is taken from the control hosts alone, as in Glass's delta (1976), with n - 1 degrees of freedom: a treated
 * host that gets worse must not widen the interval that would convict it. `low` is undefined with fewer than three
 * control hosts, whose spread would say nothing.
 */
export function differenceInDifferences(
  treated: readonly number[],
  control: readonly number[],
  alpha: number,
): { did: number; low: number | undefined } {
  const did = mean(treated) - (control.length === 0 ? 0 : mean(control))
  if (treated.length === 0 || control.length < 3) return { did, low: undefined }
  const error = Math.sqrt(variance(control) * (1 / treated.length + 1 / control.length))
  return { did, low: did - studentQuantile(1 - alpha, control.length - 1) * error }
}

/**
 * Smallest rise of a proportion above `base` that a one-sided test at alpha finds with the given power: the sample size
 * formula of Fleiss, Levin and Paik (2003, section 4.2, without continuity correction) solved for the second share.
 * `base` is the share among the m reference trials, n counts the tested ones. Undefined when no rise up to 1 would be found.
 */
export function detectableRise(base: number, n: number, m: number, alpha: number, power = 0.8): number | undefined {
  if (n <= 0 || m <= 0) return undefined
  const [zAlpha, zBeta] = [normalQuantile(1 - alpha), normalQuantile(power)]
  const shortfall = (share: number) => {
    const both = (share * n + base * m) / (n + m)
    const under = zAlpha * Math.sqrt(both * (1 - both) * (1 / n + 1 / m))
    return share - base - under - zBeta * Math.sqrt((share * (1 - share)) / n + (base * (1 - base)) / m)
  }
  if (shortfall(1) < 0) return undefined
  let [low, high] = [base, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (shortfall(middle) < 0) low = middle
    else high = middle
  }
  return high - base
}

/**
 * Smallest rise of a mean that a one-sided test at alpha finds with the given power, for n and m samples whose standard
 * deviation is sigma: (z_alpha + z_beta) sigma sqrt(1/n + 1/m) (Cohen 1988, normal approximation). Undefined without samples.
 */
export function detectableShift(sigma: number, n: number, m: number, alpha: number, power = 0.8): number | undefined {
  if (n <= 0 || m <= 0) return undefined
  return (normalQuantile(1 - alpha) + normalQuantile(power)) * sigma * Math.sqrt(1 / n + 1 / m)
}
