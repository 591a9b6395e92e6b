/** What goes wrong on request, and the buckets of the rate limits. */
export interface Faults {
  invalidAuth: boolean
  refuseNative: boolean
  /** Every envelope is delivered so many more times. */
  duplicates: number
  /** So many acknowledgements are taken as never received. */
  dropAcks: number
  /** Until when nobody reaches Slack. */
  awayUntil: number
  limit(channel: string, options: { seconds: number; times?: number }): void
  /** Milliseconds for which this channel is refused. */
  limited(channel: string): number
  loseAnswer(method: string, times: number): void
  losesAnswer(method: string): boolean
  slow(method: string, ms: number): void
  slowness(method: string): number
  /** Takes one from a bucket; the milliseconds to wait when it is empty. */
  spend(bucket: string, rate: { burst: number; perSecond: number }): number
}

export function createFaults(): Faults {
  const limits = new Map<string, { seconds: number; left: number; until: number }>()
  const lost = new Map<string, number>()
  const slowed = new Map<string, number>()
  const buckets = new Map<string, { left: number; at: number }>()
  return {
    invalidAuth: false,
    refuseNative: false,
    duplicates: 0,
    dropAcks: 0,
    awayUntil: 0,
    limit(channel, { seconds, times = 1 }) {
      limits.set(channel, { seconds, left: times, until: 0 })
    },
    limited(channel) {
      const limit = limits.get(channel)
      const now = Date.now()
      if (limit === undefined) return 0
      if (now < limit.until) return limit.until - now
      if (limit.left <= 0) return 0
      limit.left -= 1
      limit.until = now + limit.seconds * 1000
      return limit.seconds * 1000
    },
    loseAnswer(method, times) {
      lost.set(method, times)
    },
    losesAnswer(method) {
      const left = lost.get(method) ?? 0
      if (left <= 0) return false
      lost.set(method, left - 1)
      return true
    },
    slow(method, ms) {
      slowed.set(method, ms)
    },
    slowness: (method) => slowed.get(method) ?? 0,
    spend(name, { burst, perSecond }) {
      const now = Date.now()
      const bucket = buckets.get(name) ?? { left: burst, at: now }
      buckets.set(name, bucket)
      bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * perSecond)
      bucket.at = now
      if (bucket.left < 1) return Math.ceil(((1 - bucket.left) / perSecond) * 1000)
      bucket.left -= 1
      return 0
    },
  }
}
