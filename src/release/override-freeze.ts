import type { Person } from '../access/config.ts'
import { mayDo, type Permission } from '../access/policy.ts'
import type { Policy } from './config.ts'

/** How many approvals a release needs: in a freeze window those of the override, if they are more. */
export function approvalsNeeded(
  policy: Pick<Policy, 'approvals' | 'freezeOverrideApprovals'>,
  frozen: boolean,
): number {
  return frozen ? Math.max(policy.approvals, policy.freezeOverrideApprovals) : policy.approvals
}

/** Whether the person's approval counts: a release that overrides a freeze takes the right to override as well. */
export function mayApprove(person: Person, release: { overrideFreeze: boolean }): Permission {
  const allowed = mayDo(person, 'release.approve')
  return allowed.ok && release.overrideFreeze ? mayDo(person, 'release.override-freeze') : allowed
}
