export type Sieve = (key: string) => { pass: false } | { pass: true; missed: number }

/**
 * Anybody can be refused without end, and each refusal is worth an entry only once a while: of each key `each` pass within the
 * window, and `most` altogether. `missed` is how many were held back since the last one that passed.
 */
export function createSieve(clock: () => Date, most = 60, windowMs = 60_000, each = 1): Sieve {
  let began = Number.NEGATIVE_INFINITY
  let seen = new Map<string, number>()
  let passed = 0
  let missed = 0
  return (key) => {
    const now = clock().getTime()
    if (now - began >= windowMs || now < began) {
      began = now
      seen = new Map()
      passed = 0
    }
    const times = seen.get(key) ?? 0
    if (times >= each || passed >= most) {
      missed++
      return { pass: false }
    }
    seen.set(key, times + 1)
    passed++
    const before = missed
    missed = 0
    return { pass: true, missed: before }
  }
}

/** A sieve for each of the people, so that none of them hides another's refusals: ten of a kind pass within a minute. */
export function createSieves(clock: () => Date): (person: string) => Sieve {
  const all = new Map<string, Sieve>()
  return (person) => {
    const known = all.get(person) ?? createSieve(clock, 60, 60_000, 10)
    all.set(person, known)
    return known
  }
}

/** The reason as it is written down: with how many more of them there were. */
export function withMissed(why: string, missed: number): string {
  return missed > 0 ? `${why} (and ${missed} more refusals before)` : why
}
