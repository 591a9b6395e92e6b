import { hostname } from 'node:os'
import { z } from 'zod'
import type { Context } from './context.ts'

/** A worker counts as gone after this part of its lease without a beat, so that with the poll after it the whole lease is kept. */
const silentPart = 0.75
const beatPart = 0.25

const WorkerDocument = z.object({
  state: z.enum(['live', 'dead', 'left']),
  /** Milliseconds. */
  leaseMs: z.number().positive(),
  host: z.string(),
  pid: z.number(),
})

/** Who works on the flows of one store, and since when they have been silent. */
export interface Lease {
  /** Enters this worker. */
  open(): Promise<void>
  /** Shows that this worker lives. */
  beat(): Promise<void>
  beatMs: number
  /** True when the others may already have taken this worker for gone. */
  overdue(): boolean
  /** Looks at all workers once; returns those who have become silent. */
  look(): Promise<string[]>
  /** As of the last look; this worker always. */
  alive(worker: string): boolean
  /** Notes that a silent worker's flows were taken over; it may come back by beating again. */
  bury(worker: string): Promise<void>
  close(): Promise<void>
}

/**
 * Leases without comparing clocks: a worker beats by writing its row, and an observer counts, on its own steady clock, how
 * long the row's version has stood still. Time in which the observer itself did not look (it was stopped, the database was
 * away) is not counted. A lease that is judged wrongly costs a take-over, never correctness: that is the fence's matter.
 */
export function createLease(ctx: Context, leaseMs: number, pollMs: number): Lease {
  const mine = { state: 'live', leaseMs, host: hostname(), pid: process.pid }
  const seen = new Map<string, { version: number; silentMs: number; leaseMs: number }>()
  let version = 0
  let lastBeat = 0
  let lastLook = ctx.clock.steady()

  const isSilent = (worker: { silentMs: number; leaseMs: number }) => worker.silentMs >= worker.leaseMs * silentPart

  const write = async (document: typeof mine) => {
    for (;;) {
      const next = await ctx.store.put('workers', ctx.worker, document, version)
      if (next !== undefined) {
        version = next
        return
      }
      // Another worker buried this one, or an attempt before failed only on its way back.
      version = (await ctx.store.get('workers', ctx.worker))?.version ?? 0
      if (version === 0) await ctx.store.insert('workers', ctx.worker, document)
    }
  }

  const beat = async () => {
    const at = ctx.clock.steady()
    await write(mine)
    lastBeat = at
  }

  return {
    open: beat,
    beat,
    beatMs: leaseMs * beatPart,
    overdue: () => ctx.clock.steady() - lastBeat > leaseMs * silentPart,
    look: async () => {
      const rows = await ctx.store.find('workers', { where: { state: 'live' } })
      const at = ctx.clock.steady()
      const elapsed = Math.min(at - lastLook, 2 * pollMs)
      lastLook = at
      const known = new Map(seen)
      seen.clear()
      for (const row of rows) {
        const parsed = WorkerDocument.safeParse(row.document)
        if (!parsed.success || row.id === ctx.worker) continue
        const before = known.get(row.id)
        const silentMs = before?.version === row.version ? before.silentMs + elapsed : 0
        seen.set(row.id, { version: row.version, silentMs, leaseMs: parsed.data.leaseMs })
      }
      return [...seen].filter(([, worker]) => isSilent(worker)).map(([id]) => id)
    },
    alive: (worker) => {
      const known = seen.get(worker)
      return worker === ctx.worker || (known !== undefined && !isSilent(known))
    },
    bury: async (worker) => {
      const known = seen.get(worker)
      const row = await ctx.store.get('workers', worker)
      const parsed = WorkerDocument.safeParse(row?.document)
      if (!known || !parsed.success || row?.version !== known.version) return
      await ctx.store.put('workers', worker, { ...parsed.data, state: 'dead' }, known.version)
    },
    close: () => write({ ...mine, state: 'left' }),
  }
}
