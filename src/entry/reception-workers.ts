import { hostname } from 'node:os'
import { z } from 'zod'
import type { Store } from '../ports/store.ts'

const WORKERS = 'inbox-workers'
const workerSchema = z.object({ state: z.enum(['live', 'left']) })

/** The processes that take in what chat services bring into one store: who of the others has fallen silent. */
export interface Workers {
  /** Shows that this one lives; to be called several times within the others' patience. */
  beat(): Promise<void>
  /** Those of `workers` who are gone: they said so, or have not shown themselves for the whole patience. To be called steadily. */
  gone(workers: Iterable<string>): Promise<Set<string>>
  /** Says that this one goes: the others wait for nothing. */
  leave(): Promise<void>
}

/**
 * No clocks are compared: everyone counts, on their own steady clock, how long the version of another's row has stood still. Time
 * in which nobody looked (this process was stopped, the database was away) is not counted. A wrong judgement costs a row that two
 * have begun, and only one of them can finish.
 */
export function createWorkers(options: { store: Store; me: string; silentMs: number; lookMs: number }): Workers {
  const { store, me, silentMs, lookMs } = options
  const seen = new Map<string, { version: number; stoodMs: number }>()
  let lastLook = performance.now()

  const write = async (state: 'live' | 'left'): Promise<void> => {
    const document = { state, host: hostname(), pid: process.pid }
    for (;;) {
      const row = await store.get(WORKERS, me)
      if (row === undefined && (await store.insert(WORKERS, me, document))) return
      if (row !== undefined && (await store.put(WORKERS, me, document, row.version)) !== undefined) return
    }
  }

  return {
    beat: () => write('live'),
    leave: () => write('left'),
    async gone(workers) {
      const at = performance.now()
      const elapsed = Math.min(at - lastLook, 2 * lookMs)
      lastLook = at
      const found = new Set<string>()
      const before = new Map(seen)
      seen.clear()
      for (const worker of new Set(workers)) {
        const row = await store.get(WORKERS, worker)
        const version = row?.version ?? 0
        const known = before.get(worker)
        const stoodMs = known?.version === version ? known.stoodMs + elapsed : 0
        seen.set(worker, { version, stoodMs })
        const left = workerSchema.safeParse(row?.document).data?.state === 'left'
        if (left || stoodMs >= silentMs) found.add(worker)
      }
      return found
    },
  }
}
