/** At most `count` in any `ms` milliseconds. */
export interface Limit {
  count: number
  ms: number
}

/** Sends per place, over sliding windows. A refused one does not count. */
export function createMeter(limits: readonly Limit[], now: () => number): { take(place: string): boolean } {
  const taken = new Map<string, number[]>()
  const longest = Math.max(0, ...limits.map(({ ms }) => ms))
  return {
    take(place) {
      const at = now()
      const times = (taken.get(place) ?? []).filter((time) => time > at - longest)
      const full = limits.some(({ count, ms }) => times.filter((time) => time > at - ms).length >= count)
      if (!full) times.push(at)
      taken.set(place, times)
      return !full
    },
  }
}
