import { performance } from 'node:perf_hooks'
import type { Store } from '../../ports/store.ts'

const COLLECTION = 'wecom-wanted'
const ID = 'push'
/** A holder that was asked to send within so many looks keeps the bot. */
const LOOKS = 5

/**
 * The process that sends what waits (the holder of the outbox) need not be the one that holds the bot; then nothing would go out.
 * Who is asked to send and does not hold the bot says so in a row; a holder that nobody asks to send reads it and gives the bot up.
 */
export interface Handover {
  /** This process should send, and cannot. Never throws. */
  want(): void
  /** This process sends, or tried. */
  used(): void
  /** Looks until it is called with false. `yields` may be called each time that another one wants the bot. */
  hold(on: boolean): void
}

export function createHandover(options: { store: Store; everyMs: number; yields: () => void }): Handover {
  const { store, everyMs, yields } = options
  let timer: NodeJS.Timeout | undefined
  let seen: number | undefined
  let lastWant = Number.NEGATIVE_INFINITY
  let lastUse = Number.NEGATIVE_INFINITY

  async function look(): Promise<void> {
    const version = (await store.get(COLLECTION, ID))?.version ?? 0
    const wanted = seen !== undefined && version > seen
    seen = version
    if (wanted && timer !== undefined && performance.now() - lastUse > LOOKS * everyMs) yields()
  }

  async function write(): Promise<void> {
    const row = await store.get(COLLECTION, ID)
    if (row === undefined) await store.insert(COLLECTION, ID, {})
    else await store.put(COLLECTION, ID, {}, row.version)
  }

  return {
    want() {
      if (performance.now() - lastWant < everyMs) return
      lastWant = performance.now()
      // A store that is away is asked again with the next message.
      write().catch(() => {})
    },
    used() {
      lastUse = performance.now()
    },
    hold(on) {
      clearInterval(timer)
      timer = undefined
      seen = undefined
      if (on) timer = setInterval(() => void look().catch(() => {}), everyMs)
    },
  }
}
