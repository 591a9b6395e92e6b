import { commands } from '../../commands/index.ts'
import type { Person } from '../../src/access/config.ts'
import { createReception, type OpenReception, type ReceptionOptions } from '../../src/entry/reception.ts'
import type { IncidentDesk } from '../../src/incident/desk.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Lead, Leads } from '../../src/ports/lead.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Answer, ChatSurface, Envelope, Sent } from '../../src/ports/surface.ts'
import { intakeDesk, recordedFlows } from '../incident/intake-kit.ts'

const people: Person[] = [
  { id: 'alice', roles: ['operator'], surfaces: { slack: 'U1', wecom: 'alice.wx' } },
  { id: 'bob', roles: ['approver'], surfaces: { slack: 'U2' } },
]

/** What a chat service was told to show, by the envelope that it answers. */
export interface Told {
  id: string
  user: string
  answer: Answer
}

/** One process of those that share a store. */
export interface Process {
  reception: OpenReception
  desk: IncidentDesk
  /** Ids of the flows that it started. */
  started: Set<string>
  told: Told[]
  /** What the surface makes of the next answers; `sent` when empty. */
  next: Sent[]
}

export function processOn(
  store: Store,
  options: Partial<Pick<ReceptionOptions, 'leads' | 'exclusive' | 'timings' | 'pollMs' | 'commands'>> & {
    desk?: Partial<IncidentDesk>
  } = {},
): Process {
  const started = new Set<string>()
  const desk: IncidentDesk = { ...intakeDesk(store, recordedFlows(store, [], started)), people, ...options.desk }
  const told: Told[] = []
  const next: Sent[] = []
  const surface: Pick<ChatSurface, 'answer'> = {
    async answer({ id, user }, answer) {
      told.push({ id, user, answer })
      return next.shift() ?? { at: 'sent', identity: null }
    },
  }
  const reception = createReception({
    desk,
    commands: options.commands ?? commands,
    surfaces: () => new Map([['slack' as const, surface as ChatSurface]]),
    leads: options.leads ?? oneLeads(),
    exclusive: options.exclusive ?? true,
    pollMs: options.pollMs ?? 20,
    timings: options.timings,
  })
  return { reception, desk, started, told, next }
}

let count = 0

export function typed(text: string, part: Partial<Envelope> = {}): Envelope {
  const deed = { kind: 'typed' as const, text }
  return {
    surface: 'slack',
    id: `e${++count}`,
    user: 'U1',
    reply: { to: 'C1' },
    at: '2026-01-31T09:00:00Z',
    deed,
    ...part,
  }
}

/** Leads of one process that has the store for itself. */
export function oneLeads(): Leads {
  return heldBy(() => true)
}

/** Leads that are held while `held` says so. */
export function heldBy(held: () => boolean): Leads {
  const lead: Lead = { held, fence: () => 1, release: async () => {} }
  return { campaign: () => lead, close: async () => {} }
}

/**
 * The store as one process sees it until it dies: at its write number `at`, right before or right after the write is there. From
 * then on it reaches nothing.
 */
export function mortal(store: Store, at: number, when: 'before' | 'after'): { store: Store; died: () => boolean } {
  let writes = 0
  let dead = false
  const gone = () => new Fault('store.unavailable', { say: 'The process is dead.', retry: true })
  const write = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw gone()
    writes++
    if (writes === at && when === 'before') dead = true
    if (dead) throw gone()
    const value = await work()
    if (writes >= at) dead = true
    if (dead) throw gone()
    return value
  }
  const read = async <T>(work: () => Promise<T>): Promise<T> => {
    if (dead) throw gone()
    return work()
  }
  return {
    died: () => dead,
    store: {
      get: (...args) => read(() => store.get(...args)),
      find: (...args) => read(() => store.find(...args)),
      read: (...args) => read(() => store.read(...args)),
      last: (...args) => read(() => store.last(...args)),
      insert: (...args) => write(() => store.insert(...args)),
      put: (...args) => write(() => store.put(...args)),
      append: (...args) => write(() => store.append(...args)),
      trim: (...args) => write(() => store.trim(...args)),
      close: async () => {},
    },
  }
}
