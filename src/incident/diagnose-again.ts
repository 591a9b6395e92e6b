import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { type Answer, no, yes } from '../release/answer.ts'
import { type IncidentBound, refuse } from './button.ts'
import type { IncidentDesk } from './desk.ts'

const askedSchema = z.object({ by: z.string() })

/** Starts one more diagnosis, which makes a new version of the report. One at a time for an incident. */
export async function diagnoseAgain(desk: IncidentDesk, bound: IncidentBound, person: Person): Promise<Answer> {
  const allowed = mayDo(person, 'incident.diagnose-again')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const incident = await desk.incidents.need(bound.incident)
  const refusal = refuse(incident, bound, desk.clock())
  if (refusal !== undefined) return refusal
  for (let n = 1; ; n++) {
    const status = await desk.flows.status(diagnosisFlow(incident.id, n))
    if (status?.at === 'running') return under(desk, incident.id, n)
    if (status !== undefined) continue
    const row = `${incident.id}/diagnosis/${n}`
    await desk.store.insert('presses', row, { by: person.id, at: desk.clock().toISOString() })
    const first = askedSchema.parse((await desk.store.get('presses', row))?.document)
    // Whoever was quicker is named; also when they died before the flow was there.
    const started = await desk.flows.start('diagnosis', diagnosisFlow(incident.id, n), {
      incident: incident.id,
      n,
      by: first.by,
    })
    if (!started || first.by !== person.id) return under(desk, incident.id, n)
    await desk.flows.send(incident.id, `diagnose/${n}`, { kind: 'diagnose', by: person.id })
    return yes(`${incident.id} is being diagnosed again; the report will stand in its thread.`)
  }
}

export function diagnosisFlow(incident: string, n: number): string {
  return `${incident}/diagnosis-${n}`
}

async function under(desk: IncidentDesk, incident: string, n: number): Promise<Answer> {
  const row = await desk.store.get('presses', `${incident}/diagnosis/${n}`)
  const by = row === undefined ? undefined : askedSchema.parse(row.document).by
  const asked = by === undefined ? '' : ` ${by} has asked for it.`
  return no(`${incident} is being diagnosed already.${asked}`, 'wait for the report in its thread')
}
