import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Lead, Leads } from '../../ports/lead.ts'
import type { Store } from '../../ports/store.ts'
import { createCalls } from './calls.ts'
import { runCampaign } from './campaign.ts'
import type { Log } from './log.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface LeadsOptions {
  store: Store
  /** Only this process can use the store: every campaign is gained at once, and nothing is written. */
  exclusive: boolean
  log: Log
  /** A holder that does not beat for so long is replaced. Milliseconds. */
  leaseMs?: number
  /** How often somebody who waits looks. At most a quarter of the lease. Milliseconds. */
  pollMs?: number
  timers?: Timers
}

/**
 * Leads over rows in the collection `leads`, one per name: who holds it, the fence, and a count that grows while the holder
 * lives. A holder that was killed is replaced within leaseMs + pollMs of its last beat, one that released at once (pollMs).
 * While the store is away nobody gains anything, and a holder gives up when 75 % of its lease has passed.
 * `yieldFor` asks in the row, with the next beats, whether somebody waits; who does answers at its next look.
 * `lost` is also called when a lead that was gained is released; only then others may take it. `release` and `close` are not for
 * `gained` and `lost` themselves. They do not throw: what could not be written ends with the lease.
 */
export function createLeads(options: LeadsOptions): Leads {
  const { store, exclusive, log, leaseMs = 6_000, timers = systemTimers } = options
  const pollMs = Math.min(options.pollMs ?? 500, leaseMs / 4)
  const worker = `${hostname()} ${process.pid} ${randomUUID().slice(0, 8)}`
  const open = new Set<Lead>()
  let campaigns = 0

  return {
    campaign(name, on) {
      const calls = createCalls(name, on, log)
      const owner = `${worker} ${++campaigns}`
      const lead = exclusive ? ownLead(calls) : runCampaign({ store, name, owner, leaseMs, pollMs, timers, log, calls })
      const known: Lead = {
        ...lead,
        release: async () => {
          open.delete(known)
          await lead.release()
        },
      }
      open.add(known)
      return known
    },
    close: async () => {
      await Promise.all([...open].map((lead) => lead.release()))
    },
  }
}

/** The lead of the only process: held from the beginning. */
function ownLead(calls: ReturnType<typeof createCalls>): Lead {
  let held = true
  calls.gained()
  return {
    held: () => held,
    fence: () => 1,
    release: async () => {
      if (!held) return
      held = false
      calls.lost()
      await calls.over()
    },
  }
}
