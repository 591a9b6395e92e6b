import { z } from 'zod'
import type { Store } from '../../ports/store.ts'
import type { Rate } from '../../ports/surface.ts'
import { rank } from './outbox-rank.ts'

/** From such windows on a part is kept for approvals and states, for the rest of the day. */
const LONG_MS = 3_600_000
const KEPT_PART = 0.2
/** Of what is left of such a window, a burst of lines may use this part. */
const BURST_PART = 0.1
/** The stream of a place is trimmed once in so many sends. */
const TRIM_EVERY = 50

/** The sends of one place in sliding windows. Times are milliseconds of one steady clock. */
export interface Window {
  /** Milliseconds until one more of this rank may go out; 0 now. */
  wait(at: number, urgency: number): number
  /** How many more go through from now on within `ms`; of what is left of a long window only a part. */
  room(at: number, ms: number): number
  note(at: number): void
  /** It did not go out after all. */
  forget(at: number): void
}

export function createWindow(rates: readonly Rate[]): Window {
  const longest = Math.max(0, ...rates.map(({ ms }) => ms))
  let sends: number[] = []
  const since = (start: number) => sends.filter((at) => at > start)

  return {
    wait: (at, urgency) => {
      const waits = rates.map(({ count, ms }) => {
        const kept = ms >= LONG_MS && urgency > rank.state ? Math.floor(count * KEPT_PART) : 0
        const recent = since(at - ms)
        // The one that has to be out of the window before.
        const first = recent[recent.length - (count - kept)]
        return first === undefined ? 0 : first + ms - at
      })
      return Math.max(0, ...waits)
    },
    room: (at, ms) => {
      const rooms = rates.map((rate) => {
        if (rate.ms >= LONG_MS) return Math.max(1, Math.floor((rate.count - since(at - rate.ms).length) * BURST_PART))
        if (rate.ms <= ms) return Math.floor((rate.count * ms) / rate.ms)
        return Math.max(0, rate.count - since(at + ms - rate.ms).length)
      })
      return Math.min(Number.POSITIVE_INFINITY, ...rooms)
    },
    note: (at) => {
      const newest = Math.max(at, sends.at(-1) ?? at)
      sends = [...since(newest - longest), at].sort((a, b) => a - b)
    },
    forget: (at) => {
      const place = sends.lastIndexOf(at)
      if (place >= 0) sends.splice(place, 1)
    },
  }
}

const entrySchema = z.object({ key: z.string(), at: z.string() })

/** What was sent to one place, kept so that a restart opens no window anew. Throws the store's faults. */
export interface Sends {
  add(key: string, at: Date): Promise<void>
  /** Those that still count, oldest first. */
  recent(now: Date): Promise<{ key: string; at: string }[]>
}

export function createSends(store: Store, where: { surface: string; place: string }, rates: readonly Rate[]): Sends {
  const stream = `outbox-sends/${where.surface}/${where.place}`
  const longest = Math.max(0, ...rates.map(({ ms }) => ms))
  const read = async (now: Date) =>
    (await store.read(stream)).map(({ seq, entry }) => {
      const sent = entrySchema.parse(entry)
      return { seq, ...sent, counts: Date.parse(sent.at) > now.getTime() - longest }
    })

  return {
    add: async (key, at) => {
      if (rates.length === 0) return
      const seq = await store.append(stream, { key, at: at.toISOString() })
      if (seq === undefined || seq % TRIM_EVERY !== TRIM_EVERY - 1) return
      const first = (await read(at)).find(({ counts }) => counts)
      if (first !== undefined) await store.trim(stream, first.seq)
    },
    recent: async (now) => {
      if (rates.length === 0) return []
      const sent = (await read(now)).filter(({ counts }) => counts)
      return sent.map(({ key, at }) => ({ key, at })).sort((a, b) => a.at.localeCompare(b.at))
    },
  }
}

/**
 * Fills a window with what was sent to its place before, by whomever. `doubtful` are sends (ISO) that a process began and did not
 * live to write down: they count, and are written down now. Throws the store's faults.
 */
export async function restoreWindow(
  { window, sends }: { window: Window; sends: Sends },
  doubtful: readonly { key: string; at: string }[],
  now: { wall: Date; steady: () => number },
): Promise<void> {
  const sent = await sends.recent(now.wall)
  const unsaid = doubtful.filter(({ key, at }) => !sent.some((each) => each.key === key && each.at >= at))
  for (const { key, at } of unsaid) await sends.add(key, new Date(at))
  const steady = now.steady()
  for (const { at } of [...sent, ...unsaid]) {
    window.note(steady - Math.max(0, now.wall.getTime() - Date.parse(at)))
  }
}
