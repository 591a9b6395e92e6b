import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { type Answer, no, yes } from '../release/answer.ts'
import { type IncidentBound, refuse } from './button.ts'
import type { IncidentDesk } from './desk.ts'

/** Takes the incident on: nobody else is called, and nobody is reminded. The first press counts. */
export async function acknowledge(desk: IncidentDesk, bound: IncidentBound, person: Person): Promise<Answer> {
  const allowed = mayDo(person, 'incident.acknowledge')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const now = desk.clock()
  let answer = no('Nothing was decided.')
  const after = await desk.incidents.update(bound.incident, (current) => {
    answer = refuse(current, bound, now) ?? yes(`${current.id} is yours: nobody else is called for it.`)
    if (!answer.ok) return undefined
    return {
      ...current,
      acknowledged: { by: person.id, when: now.toISOString(), severity: current.severity },
      turn: current.turn + 1,
    }
  })
  // Also on a lost race: the winner's process may have died between the document and the word.
  if (after.acknowledged !== undefined) {
    const { by, when } = after.acknowledged
    await desk.flows.send(after.id, `acknowledged/${when}`, { kind: 'acknowledged', by })
  }
  return answer
}
