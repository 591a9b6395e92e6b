import { performance } from 'node:perf_hooks'
import type { Rate } from '../../ports/surface.ts'

/** Counts what was really sent to each place, over sliding windows; it forgets with the process, and WeCom itself counts on. */
export interface Meter {
  /** Milliseconds until one more fits; 0 when it does now. */
  waitMs(place: string): number
  count(place: string): void
}

export function createMeter(rates: readonly Rate[]): Meter {
  const sent = new Map<string, number[]>()
  const longest = Math.max(0, ...rates.map(({ ms }) => ms))
  return {
    waitMs(place) {
      const now = performance.now()
      const times = sent.get(place) ?? []
      const waits = rates.map(({ count, ms }) => {
        const first = times.filter((time) => time > now - ms).at(-count)
        return first === undefined ? 0 : Math.ceil(first + ms - now)
      })
      return Math.max(0, ...waits)
    },
    count(place) {
      if (rates.length === 0) return
      const now = performance.now()
      sent.set(place, [...(sent.get(place) ?? []).filter((time) => time > now - longest), now])
    },
  }
}
