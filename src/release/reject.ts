import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import { tellFlow } from './approve.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'

/** Ends a release that waits for approval. An approver may; so may the requester, who takes the request back. */
export async function reject(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  const allowed = mayDo(person, 'release.reject')
  const now = desk.clock()
  let answer: Answer = no('Nothing was decided.')
  const release = await desk.releases.update(bound.release, (current) => {
    answer = yes(`Rejected: ${current.id} will not be released.`)
    if (!allowed.ok && current.requester !== person.id) answer = no(allowed.why, allowed.next)
    else if (current.state.at !== 'awaiting approval') answer = no(stale(current))
    else if (bound.planHash !== current.planHash || bound.turn !== current.turn) {
      answer = no('The plan has changed since this card was posted.', 'read the new card and decide there')
    }
    if (!answer.ok) return undefined
    return { ...current, state: { at: 'rejected', by: person.id, when: now.toISOString() }, turn: current.turn + 1 }
  })
  await tellFlow(desk, release)
  return answer
}
