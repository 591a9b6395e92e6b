import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Button, Field } from '../ports/chat.ts'
import type { Json, Store } from '../ports/store.ts'
import { type Answer, no } from '../release/answer.ts'
import { localTime } from '../release/issue.ts'
import type { Incident } from './incident.ts'
import { silenceNow } from './tally.ts'

export const INCIDENT_ACTIONS = ['incident.acknowledge', 'incident.diagnose-again', 'incident.silence'] as const
export type IncidentAction = (typeof INCIDENT_ACTIONS)[number]

/** What a button of an incident is bound to. A press counts only while all of it still holds. */
const boundSchema = z.object({
  action: z.enum(INCIDENT_ACTIONS),
  incident: z.string(),
  turn: z.number(),
})
export type IncidentBound = z.infer<typeof boundSchema>

/** What a silence asks for. */
export const SILENCE_FIELDS: Field[] = [
  { name: 'time', label: 'for how long', kind: 'duration', value: '2h', required: true, most: 20 },
  { name: 'reason', label: 'reason', kind: 'text', required: true, most: 200 },
]

const LOOK: Record<IncidentAction, Pick<Button, 'label' | 'style' | 'fields'>> = {
  'incident.acknowledge': { label: 'Acknowledge', style: 'primary' },
  'incident.diagnose-again': { label: 'Diagnose again', style: 'plain' },
  'incident.silence': { label: 'Silence', style: 'plain', fields: SILENCE_FIELDS },
}

/** The actions that the incident offers now, most wanted first. */
export function incidentActions(incident: Incident, now: Date): IncidentAction[] {
  if (incident.state.at === 'resolved') return ['incident.diagnose-again']
  return [
    ...(incident.acknowledged === undefined ? (['incident.acknowledge'] as const) : []),
    'incident.diagnose-again',
    ...(silenceNow(incident, now) === undefined ? (['incident.silence'] as const) : []),
  ]
}

/** A button for an action on the incident as it stands, and the row that its id is looked up by. */
export function incidentButton(incident: Incident, action: IncidentAction): { button: Button; bound: IncidentBound } {
  const bound: IncidentBound = { action, incident: incident.id, turn: incident.turn }
  const id = createHash('sha256').update(JSON.stringify(bound)).digest('hex').slice(0, 24)
  return { bound, button: { id, action, ...LOOK[action] } }
}

/** Makes the rows for the card's buttons durable before anybody can press them. */
export async function offerIncidentButtons(store: Store, incident: Incident, now: Date): Promise<Button[]> {
  const buttons: Button[] = []
  for (const action of incidentActions(incident, now)) {
    const { button, bound } = incidentButton(incident, action)
    await store.insert('buttons', button.id, bound as unknown as Json)
    buttons.push(button)
  }
  return buttons
}

/** What the row of a button says, or undefined when it is no incident's. */
export function readIncidentBound(document: Json): IncidentBound | undefined {
  return boundSchema.safeParse(document).data
}

/** Why a press does not count, or undefined when it does: what the incident offers, and whether it has moved on since. */
export function refuse(incident: Incident, bound: IncidentBound, now: Date): Answer | undefined {
  if (!incidentActions(incident, now).includes(bound.action)) return no(staleFor(incident, bound.action, now))
  // A diagnosis changes nothing: it may be asked for from any card.
  if (bound.action === 'incident.diagnose-again' || bound.turn === incident.turn) return undefined
  return no(
    `${incident.id} has moved on since this card was shown. ${stale(incident, now)}`,
    `press again on the card as it is now, or type /alerts ${incident.id}`,
  )
}

function staleFor(incident: Incident, action: IncidentAction, now: Date): string {
  const { id, state, acknowledged } = incident
  if (state.at === 'firing' && action === 'incident.acknowledge' && acknowledged !== undefined) {
    return `${id} was acknowledged already by ${acknowledged.by} at ${localTime(new Date(acknowledged.when))}.`
  }
  return stale(incident, now)
}

/** Where the incident stands, and who brought it there. */
export function stale(incident: Incident, now: Date): string {
  const { id, state, acknowledged } = incident
  if (state.at === 'resolved') return `${id} is resolved since ${localTime(new Date(state.when))}.`
  const silence = silenceNow(incident, now)
  if (silence !== undefined) {
    return `${id} was silenced already by ${silence.by}, until ${localTime(new Date(silence.until))}.`
  }
  if (acknowledged === undefined) return `${id} fires, and nobody has acknowledged it.`
  return `${id} was acknowledged already by ${acknowledged.by} at ${localTime(new Date(acknowledged.when))}.`
}
