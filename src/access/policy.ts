import { suggestion } from '../lib/did-you-mean.ts'
import { Fault } from '../lib/fault.ts'
import { approvingRoles, type Person, type Role, requestingRoles } from './config.ts'

const all: readonly Role[] = ['viewer', 'operator', 'approver', 'admin']
const operating: readonly Role[] = ['operator', 'admin']
// Stopping is for everybody who works on a release: the one who sees the trouble first must be able to act on it.
const working: readonly Role[] = ['operator', 'approver', 'admin']

/**
 * The one table of who may do what. An action's name is the path of its code: `release.approve` is src/release/approve.ts.
 * That the requester may not approve is a rule of the release, not of a role, and stands in src/release/approve.ts.
 */
export const policy = {
  'release.request': requestingRoles,
  'release.approve': approvingRoles,
  'release.reject': approvingRoles,
  'release.pause': working,
  'release.resume': operating,
  'release.promote': operating,
  'release.abort': working,
  'release.retry': operating,
  'release.skip': operating,
  'release.rollback': working,
  'release.override-freeze': approvingRoles,
  'incident.acknowledge': working,
  'incident.diagnose-again': working,
  'incident.silence': working,
  'incident.end-silence': working,
  'alerts.read': all,
  'status.read': all,
  'hosts.read': all,
  'help.read': all,
  'people.read': all,
  'audit.read': approvingRoles,
} as const satisfies Record<string, readonly Role[]>

export type Action = keyof typeof policy

export const actions = Object.keys(policy) as Action[]

export type Permission = { ok: true } | { ok: false; why: string; next: string }

/** Whether one of the person's roles may do the action. An action that is not in the table is refused to everybody. */
export function mayDo(person: Person, action: string): Permission {
  const allowed: readonly Role[] | undefined = isAction(action) ? policy[action] : undefined
  if (allowed === undefined)
    return { ok: false, why: `there is no action ${JSON.stringify(action.slice(0, 80))}`, next: 'type /help' }
  if (person.roles.some((role) => allowed.includes(role))) return { ok: true }
  return {
    ok: false,
    why: `${action} needs the role ${allowed.join(' or ')}; ${person.id} has ${person.roles.join(', ') || 'none'}`,
    next: `ask someone with the role ${allowed.join(' or ')}, or have the role added under people in rollcall.yaml`,
  }
}

export function isAction(name: string): name is Action {
  return Object.hasOwn(policy, name)
}

/** The person whom a surface knows by this id; ids are compared exactly. */
export function findPerson(people: readonly Person[], surface: string, userId: string): Person | undefined {
  return people.find((person) =>
    Object.entries(person.surfaces).some(([name, id]) => name === surface && id === userId),
  )
}

/** The person with this id, or Fault `access.unknown-person` with the nearest one. */
export function needPerson(people: readonly Person[], id: string): Person {
  const person = people.find((each) => each.id === id)
  if (person !== undefined) return person
  throw new Fault('access.unknown-person', {
    say: `Nobody is known here as ${JSON.stringify(id.slice(0, 80))}.${suggestion(
      id,
      people.map((each) => each.id),
    )}`,
    next: 'add the person under people in rollcall.yaml',
  })
}
