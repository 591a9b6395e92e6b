/** ln Gamma(x) for x > 0: Lanczos' approximation, g = 7, nine terms (Godfrey's coefficients), about 15 digits. */
export function lnGamma(x: number): number {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ]
  const y = x - 1
  const sum = terms.reduce((total, term, i) => total + term / (y + i + 1), 0.9999999999998099)
  const t = y + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum)
}

/** Chance that a standard normal variable is above z: erfc(z / sqrt 2) / 2, by its series near 0 and its continued fraction beyond (Abramowitz and Stegun 26.2.10, 26.2.14). */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z)
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  if (z < 3) {
    let term = z
    let sum = z
    for (let n = 1; term > sum * 1e-17 && n < 200; n++) {
      term *= (z * z) / (2 * n + 1)
      sum += term
    }
    return 0.5 - density * sum
  }
  let fraction = z
  for (let n = 120; n >= 1; n--) fraction = z + n / fraction
  return density / fraction
}

/** z below which a standard normal variable lies with chance p, by bisection of the tail. */
export function normalQuantile(p: number): number {
  return bisect((z) => 1 - normalTail(z) - p, -40, 40)
}

/** Chance that Student's t with `freedom` degrees is above t: I_x(v/2, 1/2) / 2 with x = v/(v + t^2) (Abramowitz and Stegun 26.7.1). */
export function studentTail(t: number, freedom: number): number {
  const half = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
  return t >= 0 ? half : 1 - half
}

/** t below which Student's variable lies with chance p. */
export function studentQuantile(p: number, freedom: number): number {
  return bisect((t) => 1 - studentTail(t, freedom) - p, -1e4, 1e4)
}

/** Chance of at least k successes in n trials of chance p: I_p(k, n - k + 1) (Abramowitz and Stegun 26.5.24). */
export function binomialTail(k: number, n: number, p: number): number {
  if (k <= 0) return 1
  if (k > n || p <= 0) return 0
  return incompleteBeta(Math.min(1, p), k, n - k + 1)
}

/** Chance of at least k marked among n drawn from `total` of which `marked` are marked, summed outward from k in logarithms. */
export function hypergeometricTail(k: number, n: number, marked: number, total: number): number {
  const [low, high] = [Math.max(0, n + marked - total), Math.min(n, marked)]
  if (k <= low) return 1
  if (k > high) return 0
  const mass = (x: number) => Math.exp(lnChoose(marked, x) + lnChoose(total - marked, n - x) - lnChoose(total, n))
  const mode = Math.floor(((n + 1) * (marked + 1)) / (total + 2))
  // From the near side of the mode the first terms may vanish, so the smaller tail is the one that is summed.
  if (k <= mode) {
    let term = mass(k - 1)
    let below = term
    for (let x = k - 1; x > low && term > below * 1e-18; x--) {
      term *= (x * (total - marked - n + x)) / ((marked - x + 1) * (n - x + 1))
      below += term
    }
    return Math.max(0, 1 - below)
  }
  let term = mass(k)
  let above = term
  for (let x = k; x < high && term > above * 1e-18; x++) {
    term *= ((marked - x) * (n - x)) / ((x + 1) * (total - marked - n + x + 1))
    above += term
  }
  return Math.min(1, above)
}

function lnChoose(n: number, k: number): number {
  return lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1)
}

/** Regularised incomplete beta function I_x(a, b) by the modified Lentz continued fraction (Press et al., Numerical Recipes, section 6.4). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  const tiny = 1e-300
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return front * result
}

function bisect(f: (x: number) => number, from: number, to: number): number {
  let [low, high] = [from, to]
  for (let i = 0; i < 200 && high - low > 1e-12; i++) {
    const middle = (low + high) / 2
    if (f(middle) < 0) low = middle
    else high = middle
  }
  return (low + high) / 2
}
