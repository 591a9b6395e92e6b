import type { Person } from '../access/config.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { mayApprove } from './override-freeze.ts'
import type { Release } from './release.ts'

/**
 * One approval by one person: permission, plan hash, one compare-and-set, then word to the flow.
 * The same person's second press, a press on an old card and a press after the decision change nothing and say so.
 */
export async function approve(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  const now = desk.clock()
  let answer: Answer = no('Nothing was decided.')
  const release = await desk.releases.update(bound.release, (current) => {
    answer = decide(current, bound, person, now)
    const allowed = mayApprove(person, current)
    if (answer.ok && !allowed.ok) answer = no(allowed.why, allowed.next)
    if (!answer.ok) return undefined
    const approvals = [...current.approvals, { by: person.id, at: now.toISOString() }]
    const enough = approvals.length >= current.approvalsNeeded
    return { ...current, approvals, ...(enough ? { state: { at: 'approved' } as const, turn: current.turn + 1 } : {}) }
  })
  // Sent on each press, the refused ones too: a process that died between the decision and the word is healed by the next press.
  await tellFlow(desk, release)
  return answer
}

/** What an approval by this person would be answered now, roles apart. */
export function decide(release: Release, bound: Bound, person: Person, now: Date): Answer {
  const { state } = release
  if (state.at !== 'awaiting approval') return no(stale(release))
  if (bound.planHash !== release.planHash || bound.turn !== release.turn) {
    return no('The plan has changed since this card was posted.', 'read the new card and decide there')
  }
  if (now >= new Date(state.until)) return no(`The time to approve ${release.id} ran out.`, 'request the release again')
  if (person.id === release.requester) {
    return no(`You requested ${release.id}; somebody else has to approve it.`, 'ask an approver in the channel')
  }
  if (release.approvals.some((approval) => approval.by === person.id)) {
    return no(
      `You have approved ${release.id} already.`,
      `${release.approvalsNeeded - release.approvals.length} more needed`,
    )
  }
  const missing = release.approvalsNeeded - release.approvals.length - 1
  return yes(missing > 0 ? `Approved by you; ${missing} more needed.` : `Approved: ${release.id} rolls out now.`)
}

/** Wakes the release's flow after a decision; sent under a fixed key, so that it arrives once however often it is sent. */
export async function tellFlow(desk: Desk, release: Release): Promise<void> {
  const decided = ['approved', 'rejected', 'superseded'].includes(release.state.at)
  // By turn: the same plan may be asked for twice.
  const word = decided ? `decision ${release.turn}` : `approvals ${release.turn} ${release.approvals.length}`
  if (decided || release.approvals.length > 0) await desk.flows.send(release.id, word, { kind: 'decision' })
}
