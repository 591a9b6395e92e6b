import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Store } from '../ports/store.ts'
import type { SurfaceHealth, SurfaceName } from '../ports/surface.ts'
import type { Desk } from '../release/desk.ts'
import { localTime, sentence } from '../release/issue.ts'

export const surfaceTitles: Record<SurfaceName, string> = { slack: 'Slack', wecom: 'WeCom' }

/** What is being read, by who reads it: those who ask meanwhile wait for the same. */
const running = new WeakMap<NonNullable<Desk['surfaces']>, Promise<SurfaceHealth[]>>()

function readOnce(surfaces: NonNullable<Desk['surfaces']>): Promise<SurfaceHealth[]> {
  const before = running.get(surfaces)
  if (before !== undefined) return before
  const reading = Promise.resolve()
    .then(surfaces)
    .finally(() => running.delete(surfaces))
  running.set(surfaces, reading)
  return reading
}

/** How the chat services are; none when there are none, undefined when nobody can tell within `ms` milliseconds. Never throws. */
export async function readSurfaces(
  { surfaces, log }: Pick<Desk, 'surfaces' | 'log'>,
  ms = 1000,
): Promise<SurfaceHealth[] | undefined> {
  if (surfaces === undefined) return []
  const patience = new AbortController()
  try {
    const late = delay(ms, undefined, { signal: patience.signal, ref: false }).catch(() => undefined)
    return await Promise.race([readOnce(surfaces), late])
  } catch (error) {
    log.info({ code: asFault(error).code }, 'state of the chat services not read')
    return undefined
  } finally {
    patience.abort()
  }
}

/** One line for each chat service that does not work; another process that holds it is no trouble. */
export function troubles(all: readonly SurfaceHealth[] | undefined): string[] {
  if (all === undefined) return ['Nobody can tell now how the chat services are.']
  return all.flatMap((health) => (health.at === 'up' || health.at === 'standby' ? [] : [trouble(health)]))
}

function trouble({ surface, at, since, why, waiting }: SurfaceHealth): string {
  const name = surfaceTitles[surface]
  const begun = localTime(new Date(since))
  const reason = why === undefined || why === '' ? 'Nobody has said why.' : sentence(why)
  if (at === 'down') {
    if (waiting === 0) return `${name} is down since ${begun}: ${reason}`
    return `${name} is down since ${begun}, and ${waiting} message${waiting === 1 ? ' waits' : 's wait'}: ${reason}`
  }
  if (waiting === 0) return `${name} is connecting since ${begun}: ${reason}`
  return `${name} is connecting since ${begun}, and ${waiting} message${waiting === 1 ? ' waits' : 's wait'}: ${reason}`
}

/** Where the process that holds a connection tells the others how it is; the id is the surface. */
const HEALTHS = 'surface-health'
/** Milliseconds: so often a row is written though nothing has changed, and after so long without it nobody is there to write it. */
const AT_LEAST_MS = 30_000
const SILENT_MS = 90_000
const NOBODY = 'No bot holds the connection.'
/** A holder's own entry, never `standby`. */
const heldSchema = z.object({ at: z.enum(['up', 'connecting', 'down']), since: z.string(), why: z.string().optional() })

export interface Healths {
  /**
   * How the chat services are: for those that another process holds, what that one says. Throws what `own` and the store throw.
   */
  read(): Promise<SurfaceHealth[]>
  /** Writes and looks from now on, until stopped. */
  start(): void
  stop(): Promise<void>
}

/**
 * The health of the chat services over all processes that share the store. Whoever holds a connection writes how it is into the row
 * `surface-health/<surface>`; who stands by shows that row, and `down` once it has stood still for 90 s. No clocks are compared: the
 * version of the row is watched by the steady clock of the one who looks, and time in which nobody looked is not counted. Until a
 * holder has written anything, it stays `standby`.
 */
export function createHealths(options: {
  store: Store
  /** As this process sees them. */
  own: () => Promise<SurfaceHealth[]>
  /** True when no other process can use the store: then nothing is written. */
  exclusive: boolean
  everyMs?: number
  log: Log
  timings?: { atLeastMs?: number; silentMs?: number }
}): Healths {
  const { store, own, exclusive, everyMs = 5000, log } = options
  const { atLeastMs = AT_LEAST_MS, silentMs = SILENT_MS } = options.timings ?? {}
  const written = new Map<SurfaceName, { text: string; at: number }>()
  const seen = new Map<SurfaceName, { version: number; stoodMs: number; lookedAt: number; since: string }>()
  const stopped = new AbortController()
  let loop: Promise<void> = Promise.resolve()

  /** How long the row has stood still, and since when. */
  const stillness = (surface: SurfaceName, version: number): { stoodMs: number; since: string } => {
    const lookedAt = performance.now()
    const before = seen.get(surface)
    const now =
      before?.version === version
        ? { ...before, stoodMs: before.stoodMs + Math.min(lookedAt - before.lookedAt, 2 * everyMs), lookedAt }
        : { version, stoodMs: 0, lookedAt, since: new Date().toISOString() }
    seen.set(surface, now)
    return now
  }

  const shown = async (health: SurfaceHealth): Promise<SurfaceHealth> => {
    if (health.at !== 'standby') {
      seen.delete(health.surface)
      return health
    }
    const row = await store.get(HEALTHS, health.surface)
    const held = heldSchema.safeParse(row?.document).data
    if (row === undefined || held === undefined) return health
    const { stoodMs, since } = stillness(health.surface, row.version)
    const { why: _, ...rest } = health
    return stoodMs > silentMs ? { ...rest, at: 'down', since, why: NOBODY } : { ...rest, ...held }
  }

  const read = async (): Promise<SurfaceHealth[]> => {
    const all = await own()
    return exclusive ? all : Promise.all(all.map(shown))
  }

  const write = async ({ surface, at, since, why }: SurfaceHealth): Promise<void> => {
    if (at === 'standby') {
      written.delete(surface)
      return
    }
    const document = { at, since, ...(why === undefined ? {} : { why }) }
    const text = JSON.stringify(document)
    const last = written.get(surface)
    const now = performance.now()
    if (last?.text === text && now - last.at < atLeastMs) return
    const row = await store.get(HEALTHS, surface)
    const done =
      row === undefined
        ? await store.insert(HEALTHS, surface, document)
        : (await store.put(HEALTHS, surface, document, row.version)) !== undefined
    // Who lost the race looks again next time whether it still holds the connection.
    if (done) written.set(surface, { text, at: now })
  }

  const look = async (): Promise<void> => {
    const all = await own()
    await Promise.all(all.map(write))
    await Promise.all(all.map(shown))
  }

  return {
    read,
    start() {
      if (exclusive) return
      loop = (async () => {
        while (!stopped.signal.aborted) {
          await look().catch((error: unknown) =>
            log.info({ code: asFault(error).code }, 'state of the chat services not shared'),
          )
          await delay(everyMs, undefined, { signal: stopped.signal, ref: false }).catch(() => {})
        }
      })()
    },
    async stop() {
      stopped.abort()
      await loop
    },
  }
}
