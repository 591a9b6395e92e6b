/**
 * Strangers can be refused without end, and each refusal is worth an entry only once a while: of each key one passes within the
 * window, and `most` keys altogether. `missed` is how many were held back since the last one that passed.
 */
export function createSieve(clock: () => Date, most = 60, windowMs = 60_000) {
  let began = Number.NEGATIVE_INFINITY
  let seen = new Set<string>()
  let missed = 0
  return (key: string): { pass: false } | { pass: true; missed: number } => {
    const now = clock().getTime()
    if (now - began >= windowMs || now < began) {
      began = now
      seen = new Set()
    }
    if (seen.has(key) || seen.size >= most) {
      missed++
      return { pass: false }
    }
    seen.add(key)
    const before = missed
    missed = 0
    return { pass: true, missed: before }
  }
}
