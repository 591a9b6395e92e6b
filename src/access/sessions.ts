import { z } from 'zod'
import type { Store } from '../ports/store.ts'
import type { Person } from './config.ts'
import { findPerson } from './policy.ts'
import { hashOf, idOf, newSecret, sameHash } from './secret.ts'
import { tokenStands } from './tokens.ts'

const COLLECTION = 'sessions'
/** How exactly the idle time is kept: a write at each request would make readers into writers. */
const USED_EVERY_MS = 60_000

const HOUR_MS = 3_600_000

/** What the person showed on signing in; the session holds only as long as that does. */
const waySchema = z.discriminatedUnion('by', [
  z.object({ by: z.literal('token'), token: z.string() }),
  z.object({ by: z.literal('oidc'), subject: z.string() }),
  z.object({ by: z.literal('demo') }),
])
export type Way = z.infer<typeof waySchema>

const sessionSchema = z.object({
  person: z.string(),
  hash: z.string(),
  way: waySchema,
  createdAt: z.string(),
  usedAt: z.string(),
  endedAt: z.string().optional(),
})

export interface Sessions {
  /** A new session. The secret goes into the cookie and is stored as its hash only. `seconds`: how long it lives at most. */
  open(person: Person, way: Way): Promise<{ secret: string; seconds: number }>
  /** Whose session this is, as the configuration knows the person now; undefined when it is over, for whatever reason. */
  find(secret: string): Promise<{ person: Person; way: Way } | undefined>
  /** Signs out. False when there was nothing to end. */
  end(secret: string): Promise<boolean>
}

/**
 * Sessions of the console. One that is not used for `idleHours` (default 12) or is older than `longestHours` (default 168) is
 * over. The person is looked up at each request among those whom the configuration named when Rollcall started: who is removed
 * from it, or has other roles, is so at the next start. A revoked token ends its sessions at once.
 */
export function createSessions(parts: {
  store: Store
  people: () => readonly Person[]
  clock: () => Date
  idleHours?: number
  longestHours?: number
}): Sessions {
  const { store, people, clock } = parts
  const idleMs = (parts.idleHours ?? 12) * HOUR_MS
  const longestMs = (parts.longestHours ?? 168) * HOUR_MS

  const load = async (secret: string) => {
    const row = await store.get(COLLECTION, idOf(secret.slice(0, 200)))
    const session = row === undefined ? undefined : sessionSchema.parse(row.document)
    const same = sameHash(session?.hash ?? hashOf(''), hashOf(secret))
    if (row === undefined || session === undefined || !same || session.endedAt !== undefined) return undefined
    const now = clock().getTime()
    const over = now - Date.parse(session.usedAt) >= idleMs || now - Date.parse(session.createdAt) >= longestMs
    return over ? undefined : { row, session, now }
  }

  const personOf = async ({ person: id, way }: z.infer<typeof sessionSchema>): Promise<Person | undefined> => {
    const person = people().find((each) => each.id === id)
    if (way.by === 'token') return (await tokenStands(store, way.token)) ? person : undefined
    if (way.by === 'oidc') return findPerson(people(), 'console', way.subject)?.id === id ? person : undefined
    return person
  }

  return {
    async open(person, way) {
      const now = clock().toISOString()
      for (;;) {
        const secret = newSecret()
        const row = { person: person.id, hash: hashOf(secret), way, createdAt: now, usedAt: now }
        if (await store.insert(COLLECTION, idOf(secret), row)) return { secret, seconds: longestMs / 1000 }
      }
    },
    async find(secret) {
      const found = await load(secret)
      const person = found === undefined ? undefined : await personOf(found.session)
      if (found === undefined || person === undefined) return undefined
      const { row, session, now } = found
      if (now - Date.parse(session.usedAt) >= Math.min(USED_EVERY_MS, idleMs / 2)) {
        // A lost race is another use or the end, and both are newer.
        await store.put(COLLECTION, row.id, { ...session, usedAt: new Date(now).toISOString() }, row.version)
      }
      return { person, way: session.way }
    },
    async end(secret) {
      for (;;) {
        const found = await load(secret)
        if (found === undefined) return false
        const ended = { ...found.session, endedAt: clock().toISOString() }
        if ((await store.put(COLLECTION, found.row.id, ended, found.row.version)) !== undefined) return true
      }
    },
  }
}
