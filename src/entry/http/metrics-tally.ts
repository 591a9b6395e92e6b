import type { IncidentDesk } from '../../incident/desk.ts'
import { asFault } from '../../lib/fault.ts'
import type { Release } from '../../release/release.ts'
import type { Feed } from './feed.ts'

type ReleaseState = Release['state']['at']

/** Every state, so that a count of none is told as well. */
const NONE: Readonly<Record<ReleaseState, 0>> = {
  preparing: 0,
  refused: 0,
  'awaiting approval': 0,
  approved: 0,
  rejected: 0,
  expired: 0,
  superseded: 0,
  'rolling out': 0,
  held: 0,
  done: 0,
  'rolling back': 0,
  'rolled back': 0,
  aborted: 0,
}

export interface Tally {
  /**
   * How many releases stand in each state, and how many incidents fire; undefined while they are still being counted. Those who ask
   * at the same time share one reading.
   */
  read(): Promise<{ releases: Record<ReleaseState, number>; firing: number } | undefined>
  close(): void
}

/** Documents that are read again at once. */
const AT_ONCE = 20

/**
 * Counts without looking at everything each time: all are read once, in the background and only when somebody asks at all; from
 * then on those that the feed has named since the last time.
 */
export function createTally(desk: IncidentDesk, feed: Feed): Tally {
  const releases = new Map<string, ReleaseState>()
  const firing = new Set<string>()
  const changed = { release: new Set<string>(), incident: new Set<string>() }
  let known: 'nothing' | 'some' | 'all' = 'nothing'
  let closed = false
  const ends = [
    feed.listen(({ change: { kind, key } }) => {
      if (known !== 'nothing' && (kind === 'release' || kind === 'incident')) changed[kind].add(key)
    }),
    feed.onLoss(() => {
      if (known === 'all') known = 'nothing'
    }),
  ]

  let reading: ReturnType<Tally['read']> | undefined

  const countAll = async (): Promise<boolean> => {
    firing.clear()
    try {
      for await (const { id, state } of desk.releases.newest()) {
        if (closed) return false
        releases.set(id, state.at)
      }
      for await (const { id, state } of desk.incidents.newest()) {
        if (closed) return false
        if (state.at === 'firing') firing.add(id)
      }
      return true
    } catch (error) {
      desk.log.info({ code: asFault(error).code }, 'releases and incidents not counted')
      return false
    }
  }

  const again = async (keys: Set<string>, look: (id: string) => Promise<void>): Promise<void> => {
    const all = [...keys]
    for (let start = 0; start < all.length; start += AT_ONCE) {
      await Promise.all(
        all.slice(start, start + AT_ONCE).map(async (id) => {
          keys.delete(id)
          await look(id).catch((error: unknown) => {
            keys.add(id)
            throw error
          })
        }),
      )
    }
  }

  const readChanged: Tally['read'] = async () => {
    if (known === 'nothing') {
      known = 'some'
      void countAll().then((done) => {
        known = done ? 'all' : 'nothing'
      })
    }
    if (known !== 'all') return undefined
    await again(changed.release, async (id) => {
      const release = await desk.releases.get(id)
      if (release !== undefined) releases.set(id, release.state.at)
    })
    await again(changed.incident, async (id) => {
      const incident = await desk.incidents.get(id)
      if (incident?.state.at === 'firing') firing.add(id)
      else firing.delete(id)
    })
    const states: Record<ReleaseState, number> = { ...NONE }
    for (const state of releases.values()) states[state]++
    return { releases: states, firing: firing.size }
  }

  return {
    read() {
      reading ??= readChanged().finally(() => {
        reading = undefined
      })
      return reading
    },
    close() {
      closed = true
      for (const end of ends) end()
    },
  }
}
