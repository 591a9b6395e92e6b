import { approvingRoles, requestingRoles } from '../access/config.ts'
import type { Parts } from './parts.ts'
import type { Problem } from './problems.ts'

// Two people are needed for every release: whoever requests one cannot approve it.
export function checkApprovals({ services, people, readable }: Parts): Problem[] {
  // Somebody who could not be read may be the one.
  if (people.length === 0 || people.length < readable.people.length) return []
  const having = (roles: readonly string[]): string[] =>
    people.filter(({ value }) => value.roles.some((role) => roles.includes(role))).map(({ value }) => value.id)
  const [requesters, approvers] = [having(requestingRoles), having(approvingRoles)]
  if (services.length > 0 && requesters.length === 0) {
    return [
      { path: 'people', say: 'nobody may request a release', remedy: `give somebody the role ${requestingRoles[0]}` },
    ]
  }
  return services.flatMap(({ at, value: { policy } }) => {
    const stuck = requesters.filter((id) => approvers.filter((other) => other !== id).length < policy.approvals)
    if (stuck.length < requesters.length || requesters.length === 0) return []
    const say = `no release could ever be approved: ${policy.approvals} needed, the requester does not count, and ${approvers.length} may approve (${approvers.join(', ') || 'nobody'})`
    return [{ path: `${at}.policy.approvals`, say, remedy: `give more people the role ${approvingRoles[0]}` }]
  })
}

export function speechlessPeople({ people }: Parts): Problem[] {
  return people
    .filter(({ value }) => Object.keys(value.surfaces).length === 0)
    .map(({ at, value }) => ({
      path: `${at}.surfaces`,
      say: `${value.id} has no id on any surface, so no press can be theirs`,
      remedy: `add one, such as slack: U0123ABCD`,
    }))
}
