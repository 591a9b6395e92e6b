import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Button, Field } from '../ports/chat.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, no } from '../release/answer.ts'
import { localTime } from '../release/issue.ts'
import type { Alert } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { describe, silencesFor, type Wanted } from './matchers.ts'
import { activeSilences, firingOf, matchersOf, silencedUntil } from './silenced.ts'

export const INCIDENT_ACTIONS = [
  'incident.acknowledge',
  'incident.diagnose-again',
  'incident.silence',
  'incident.end-silence',
] as const
export type IncidentAction = (typeof INCIDENT_ACTIONS)[number]

/** What a button of an incident is bound to. A press counts only while all of it still holds. */
const boundSchema = z.object({
  action: z.enum(INCIDENT_ACTIONS),
  incident: z.string(),
  turn: z.number(),
  /** What a silence covers: the question said so, and more may fire by the time that somebody answers it. */
  silences: z.array(z.array(z.object({ name: z.string(), value: z.string() }))).optional(),
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
  'incident.end-silence': { label: 'End silence', style: 'plain' },
}

/** The actions that fit where the incident stands, most wanted first; what a silence would cover is not looked at. */
export function incidentActions(incident: Incident, now: Date): IncidentAction[] {
  if (incident.state.at === 'resolved') return ['incident.diagnose-again']
  return [
    ...(incident.acknowledged === undefined ? (['incident.acknowledge'] as const) : []),
    'incident.diagnose-again',
    'incident.silence',
    ...(activeSilences(incident, now).length > 0 ? (['incident.end-silence'] as const) : []),
  ]
}

/** A button for an action on the incident as it stands, and the row that its id is looked up by. */
export function incidentButton(
  incident: Incident,
  action: IncidentAction,
  more: { silences?: Wanted[]; confirm?: string } = {},
): { button: Button; bound: IncidentBound } {
  const { silences, confirm } = more
  const bound: IncidentBound = {
    action,
    incident: incident.id,
    turn: incident.turn,
    ...(silences === undefined ? {} : { silences }),
  }
  const id = createHash('sha256').update(JSON.stringify(bound)).digest('hex').slice(0, 24)
  return { bound, button: { id, action, ...LOOK[action], ...(confirm === undefined ? {} : { confirm }) } }
}

/** Makes the rows for the card's buttons durable before anybody can press them. A silence is offered where one can be made. */
export async function offerIncidentButtons(
  desk: Pick<IncidentDesk, 'store' | 'config'>,
  incident: Incident,
  alerts: readonly Alert[],
  now: Date,
): Promise<Button[]> {
  const buttons: Button[] = []
  for (const action of incidentActions(incident, now)) {
    const more = detailsOf(desk, incident, action, alerts, now)
    if (more === undefined) continue
    const { button, bound } = incidentButton(incident, action, more)
    await desk.store.insert('buttons', button.id, bound as unknown as Json)
    buttons.push(button)
  }
  return buttons
}

/** What the button asks, and is bound to, besides its action; undefined when pressing it could come to nothing only. */
function detailsOf(
  { config }: Pick<IncidentDesk, 'config'>,
  incident: Incident,
  action: IncidentAction,
  alerts: readonly Alert[],
  now: Date,
): { silences?: Wanted[]; confirm?: string } | undefined {
  const active = activeSilences(incident, now)
  if (action === 'incident.end-silence') {
    const covered = describe(active.flatMap(matchersOf))
    return { confirm: `Ends the silence of alerts with ${covered}. People are called again for what still fires.` }
  }
  if (action !== 'incident.silence') return {}
  const firing = firingOf(alerts)
  if (config.sources.find(({ name }) => name === incident.group.source)?.url === undefined) return undefined
  if (silencedUntil(active, firing) !== undefined) return undefined
  const silences = silencesFor(config, firing.length > 0 ? firing : alerts)
  return silences && { silences, confirm: `Silences alerts with ${describe(silences)}.` }
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
  if (state.at === 'firing' && action === 'incident.end-silence') {
    const ended = incident.silences.findLast(({ endedBy }) => endedBy !== undefined)
    if (ended === undefined) return `${id} is not silenced.`
    return `The silence of ${id} was ended already by ${ended.endedBy} at ${localTime(new Date(ended.until))}.`
  }
  return stale(incident, now)
}

/** Where the incident stands, and who brought it there. */
export function stale(incident: Incident, now: Date): string {
  const { id, state, acknowledged } = incident
  if (state.at === 'resolved') return `${id} is resolved since ${localTime(new Date(state.when))}.`
  const [silence] = activeSilences(incident, now)
  if (silence !== undefined) {
    return `${id} was silenced already by ${silence.by}, until ${localTime(new Date(silence.until))}.`
  }
  if (acknowledged === undefined) return `${id} fires, and nobody has acknowledged it.`
  return `${id} was acknowledged already by ${acknowledged.by} at ${localTime(new Date(acknowledged.when))}.`
}
