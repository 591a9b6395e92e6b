import { z } from 'zod'
import type { Store } from '../../ports/store.ts'
import type { Rate } from '../../ports/surface.ts'
import { rank } from './outbox-rank.ts'

/** Of such windows on a part is kept for approvals and states, for the rest of the day; and of the edits of any window. */
const LONG_MS = 3_600_000
const KEPT_PART = 0.2
/** Of what is left of such a window, a burst of lines may use this part. */
const BURST_PART = 0.1
/** The stream of a place is trimmed once in so many sends. */
const TRIM_EVERY = 50

/** A message that does not stand there yet, or the edit of one that does. */
export type Kind = NonNullable<Rate['of']>

/** The sends of one place in sliding windows. Times are milliseconds of one steady clock. */
export interface Window {
  /** Milliseconds until one more of this kind and rank may go out; 0 now. */
  wait(at: number, kind: Kind, urgency: number): number
  /** How many more new messages go through from now on within `ms`; of what is left of a long window only a part. */
  room(at: number, ms: number): number
  /** What is of no known kind counts as either. */
  note(at: number, kind: Kind | undefined, messages?: number): void
  /** It did not go out after all. */
  forget(at: number): void
}

export function createWindow(rates: readonly Rate[]): Window {
  const longest = Math.max(0, ...rates.map(({ ms }) => ms))
  let sends: { at: number; kind: Kind | undefined }[] = []
  /** Those that count in the last window of this rate, oldest first. */
  const counted = ({ ms, of }: Rate, now: number) => {
    const fits = (kind: Kind | undefined) => of === undefined || kind === undefined || kind === of
    return sends.flatMap(({ at, kind }) => (at > now - ms && fits(kind) ? [at] : []))
  }
  const ratesOf = (kind: Kind) => rates.filter(({ of }) => of === undefined || of === kind)

  return {
    wait: (at, kind, urgency) => {
      const waits = ratesOf(kind).map((rate) => {
        const { count, ms, of } = rate
        const keeps = (ms >= LONG_MS || of === 'edit') && urgency > rank.state
        const recent = counted(rate, at)
        // The one that has to be out of the window before.
        const first = recent[recent.length - (count - (keeps ? Math.floor(count * KEPT_PART) : 0))]
        return first === undefined ? 0 : first + ms - at
      })
      return Math.max(0, ...waits)
    },
    room: (at, ms) => {
      const rooms = ratesOf('new').map((rate) => {
        if (rate.ms >= LONG_MS) return Math.max(1, Math.floor((rate.count - counted(rate, at).length) * BURST_PART))
        if (rate.ms <= ms) return Math.floor((rate.count * ms) / rate.ms)
        return Math.max(0, rate.count - counted(rate, at + ms).length)
      })
      return Math.min(Number.POSITIVE_INFINITY, ...rooms)
    },
    note: (at, kind, messages = 1) => {
      const newest = Math.max(at, sends.at(-1)?.at ?? at)
      const more = Array.from({ length: messages }, () => ({ at, kind }))
      sends = [...sends.filter((each) => each.at > newest - longest), ...more].sort((a, b) => a.at - b.at)
    },
    forget: (at) => {
      const place = sends.findLastIndex((each) => each.at === at)
      if (place >= 0) sends.splice(place, 1)
    },
  }
}

const entrySchema = z.object({
  key: z.string(),
  at: z.string(),
  /** Missing in what was sent before the two were told apart. */
  kind: z.enum(['new', 'edit']).optional(),
  /** How many messages it took; one when missing. */
  messages: z.number().optional(),
})
type Entry = z.infer<typeof entrySchema>

/** What was sent to one place, kept so that a restart opens no window anew. Throws the store's faults. */
export interface Sends {
  add(key: string, at: Date, kind: Kind, messages?: number): Promise<void>
  /** Those that still count, oldest first. */
  recent(now: Date): Promise<Entry[]>
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
    add: async (key, at, kind, messages = 1) => {
      if (rates.length === 0) return
      const seq = await store.append(stream, {
        ...{ key, at: at.toISOString(), kind },
        ...(messages === 1 ? {} : { messages }),
      })
      if (seq === undefined || seq % TRIM_EVERY !== TRIM_EVERY - 1) return
      const first = (await read(at)).find(({ counts }) => counts)
      if (first !== undefined) await store.trim(stream, first.seq)
    },
    recent: async (now) => {
      if (rates.length === 0) return []
      const sent = (await read(now)).filter(({ counts }) => counts)
      return sent.map(({ seq: _seq, counts: _counts, ...entry }) => entry).sort((a, b) => a.at.localeCompare(b.at))
    },
  }
}

/**
 * Fills a window with what was sent to its place before, by whomever. `doubtful` are sends (ISO) that a process began and did not
 * live to write down: they count, and are written down now. Throws the store's faults.
 */
export async function restoreWindow(
  { window, sends }: { window: Window; sends: Sends },
  doubtful: readonly { key: string; at: string; kind: Kind; messages?: number }[],
  now: { wall: Date; steady: () => number },
): Promise<void> {
  const sent = await sends.recent(now.wall)
  const unsaid = doubtful.filter(({ key, at }) => !sent.some((each) => each.key === key && each.at >= at))
  for (const { key, at, kind } of unsaid) await sends.add(key, new Date(at), kind)
  const steady = now.steady()
  for (const { at, kind, messages } of [...sent, ...unsaid]) {
    window.note(steady - Math.max(0, now.wall.getTime() - Date.parse(at)), kind, messages)
  }
}
