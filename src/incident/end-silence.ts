import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { type Answer, no, yes } from '../release/answer.ts'
import { type IncidentBound, refuse } from './button.ts'
import type { IncidentDesk } from './desk.ts'
import { describe } from './matchers.ts'
import { activeSilences, matchersOf } from './silenced.ts'

/**
 * Ends every silence of the incident that holds, at the server first: what could not be ended there still stands here, and may be
 * pressed again. Throws the faults of the port Silences.
 */
export async function endSilence(desk: IncidentDesk, bound: IncidentBound, person: Person): Promise<Answer> {
  const allowed = mayDo(person, 'incident.end-silence')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const incident = await desk.incidents.need(bound.incident)
  const refusal = refuse(incident, bound, desk.clock())
  if (refusal !== undefined) return refusal
  const active = activeSilences(incident, desk.clock())
  for (const { id, parts = [{ id }] } of active) {
    for (const part of parts) await desk.silences.expire(incident.group.source, part.id)
  }
  const now = desk.clock()
  const covered = describe(active.flatMap(matchersOf))
  const ids = new Set(active.map(({ id }) => id))
  const until = now.toISOString()
  let answer = no('Nothing was decided.')
  // They are over at the server: that is written down, whatever else has changed meanwhile.
  await desk.incidents.update(incident.id, (current) => {
    const open = current.silences.filter((each) => ids.has(each.id) && each.endedBy === undefined)
    if (open.length === 0) {
      answer = refuse(current, bound, now) ?? answer
      return undefined
    }
    answer = yes(`${current.id} is silenced no longer: alerts with ${covered}.`)
    const silences = current.silences.map((each) =>
      open.includes(each) ? { ...each, until, endedBy: person.id } : each,
    )
    return { ...current, silences, turn: current.turn + 1 }
  })
  const [first] = active
  // Also on a lost race: the winner's process may have died between the document and the word.
  if (first !== undefined) await desk.flows.send(incident.id, `unsilenced/${first.id}`, { kind: 'unsilenced' })
  return answer
}
