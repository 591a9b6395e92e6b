import type { Store } from '../ports/store.ts'
import type { Audit, From } from './audit.ts'
import type { Person } from './config.ts'
import { needPerson } from './policy.ts'
import { issueToken, listTokens, revokeToken, type TokenView } from './tokens.ts'

/** Who makes or ends a token: whoever may run Rollcall on its machine, by the name that the machine knows them by. */
export interface Clerk {
  who: string
  from: From
}

export interface TokenDesk {
  /** A new token, returned this once. Fault `access.unknown-person`. */
  issue(person: string, clerk: Clerk): Promise<{ id: string; token: string }>
  list(person?: string): Promise<TokenView[]>
  /** Ends a token and its sessions; false when that was done before. Fault `access.unknown-token`. */
  revoke(id: string, clerk: Clerk): Promise<boolean>
}

/** Personal tokens as `rollcall token` makes, lists and ends them; what is made and ended is written into the audit log. */
export function createTokenDesk(parts: {
  store: Store
  audit: Audit
  people: () => readonly Person[]
  clock: () => Date
}): TokenDesk {
  const { store, audit, people, clock } = parts
  return {
    async issue(person, clerk) {
      const made = await issueToken(store, needPerson(people(), person), clock)
      await audit.note({
        ...clerk,
        action: 'access.token-issue',
        target: `token ${made.id} of ${person}`,
        result: 'done',
      })
      return made
    },
    list: (person) => listTokens(store, person),
    async revoke(id, clerk) {
      const done = await revokeToken(store, id, clock)
      if (done) await audit.note({ ...clerk, action: 'access.token-revoke', target: `token ${id}`, result: 'done' })
      return done
    },
  }
}
