import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Person } from './config.ts'
import { hashOf, idOf, newSecret, sameHash } from './secret.ts'

const PREFIX = 'rct_'
const COLLECTION = 'tokens'
/** `usedAt` tells people which tokens are still in use; a write at each request would tell them no more. */
const USED_EVERY_MS = 10 * 60_000

const tokenSchema = z.object({
  person: z.string(),
  hash: z.string(),
  createdAt: z.string(),
  usedAt: z.string().optional(),
  revokedAt: z.string().optional(),
})

/** A token as people see it; never the token itself. */
interface TokenView {
  id: string
  person: string
  /** ISO, as the others. */
  createdAt: string
  /** To within ten minutes. */
  usedAt?: string
  revokedAt?: string
}

/**
 * A new personal token: `rct_` and 256 random bits. It is returned here once and stored as its hash only, so nobody can be shown
 * it again. `id` names it for `revokeToken`.
 */
export async function issueToken(
  store: Store,
  person: Pick<Person, 'id'>,
  clock: () => Date,
): Promise<{ id: string; token: string }> {
  for (;;) {
    const token = `${PREFIX}${newSecret()}`
    const row = { person: person.id, hash: hashOf(token), createdAt: clock().toISOString() }
    if (await store.insert(COLLECTION, idOf(token), row)) return { id: idOf(token), token }
  }
}

/** Whose token this is; undefined when it is malformed, unknown or revoked, which are not told apart. */
export async function checkToken(
  store: Store,
  token: string,
  clock: () => Date,
): Promise<{ id: string; person: string } | undefined> {
  // What does not look like one is looked up all the same: the answer takes as long.
  const row = await store.get(COLLECTION, idOf(token.slice(0, 200)))
  const found = row === undefined ? undefined : tokenSchema.parse(row.document)
  const same = sameHash(found?.hash ?? hashOf(''), hashOf(token))
  if (row === undefined || found === undefined || !same || found.revokedAt !== undefined) return undefined
  await noteUse(store, row, clock())
  return { id: row.id, person: found.person }
}

/** Whether a token that was good once has not been revoked since. */
export async function tokenStands(store: Store, id: string): Promise<boolean> {
  const row = await store.get(COLLECTION, id)
  return row !== undefined && tokenSchema.parse(row.document).revokedAt === undefined
}

/** All tokens, of one person or of everybody, the oldest first. */
export async function listTokens(store: Store, person?: string): Promise<TokenView[]> {
  const rows = await store.find(COLLECTION, person === undefined ? {} : { where: { person } })
  return rows
    .map(({ id, document }) => {
      const { hash: _, ...rest } = tokenSchema.parse(document)
      return { id, ...rest }
    })
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
}

/** Ends a token and every session that was opened with it. False when it was revoked before; Fault `access.unknown-token`. */
export async function revokeToken(store: Store, id: string, clock: () => Date): Promise<boolean> {
  for (;;) {
    const row = await store.get(COLLECTION, id)
    if (row === undefined) {
      throw new Fault('access.unknown-token', {
        say: `There is no token ${JSON.stringify(id.slice(0, 40))}.`,
        next: 'list the tokens and use the id that stands there',
      })
    }
    const token = tokenSchema.parse(row.document)
    if (token.revokedAt !== undefined) return false
    const revoked = { ...token, revokedAt: clock().toISOString() }
    if ((await store.put(COLLECTION, id, revoked, row.version)) !== undefined) return true
  }
}

async function noteUse(store: Store, row: Row, now: Date): Promise<void> {
  const token = tokenSchema.parse(row.document)
  if (token.usedAt !== undefined && now.getTime() - Date.parse(token.usedAt) < USED_EVERY_MS) return
  // A lost race is somebody else's use or the revocation, and both are newer.
  await store.put(COLLECTION, row.id, { ...token, usedAt: now.toISOString() }, row.version)
}
