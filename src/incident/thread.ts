import type { Message } from '../ports/chat.ts'
import type { Flow } from '../ports/flow.ts'
import { episodesOf } from './alert.ts'
import { offerIncidentButtons } from './button.ts'
import { card } from './card.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { alertNames } from './names.ts'
import { queueDrawn, queuePost, type Rank } from './pace.ts'

/** What a step of an incident's story works with. */
export interface Place {
  flow: Flow
  desk: IncidentDesk
  id: string
  /** Everything that is counted comes from the story's course, so that a replay counts alike. */
  counters: Map<string, number>
}

/** The incident's card, under which its thread stands. */
export function cardKey(id: string): string {
  return `${id}/card`
}

/** The card as the incident and its release stand now. */
export async function incidentCard(desk: IncidentDesk, incident: Incident): Promise<Message> {
  const now = desk.clock()
  const episodes = await episodesOf(desk.store, incident.id)
  const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
  const buttons = await offerIncidentButtons(
    desk,
    incident,
    episodes.map(({ alert }) => alert),
    now,
  )
  return card({ incident, episodes, release, now, buttons, names: alertNames(desk) })
}

/** Puts the card as everything stands now: the first time as a new one, later as an edit of it. */
export async function showIncident(desk: IncidentDesk, id: string, rank: Rank = 'edit'): Promise<void> {
  await queueDrawn(desk, cardKey(id), rank, async () => {
    const incident = await desk.incidents.need(id)
    return { channel: incident.channel, message: await incidentCard(desk, incident) }
  })
}

/** A line in the incident's thread. The key makes it stand there once. */
export async function say(
  { flow, desk, id }: Place,
  name: string,
  message: Omit<Message, 'buttons' | 'blocks'> & { blocks?: Message['blocks'] },
  rank: Rank = 'line',
): Promise<void> {
  await flow.step(`say: ${name}`, async () => {
    const { channel } = await desk.incidents.need(id)
    const whole = { blocks: [], ...message, buttons: [] }
    await queuePost(desk, { key: `${id}/${name}`, channel, thread: cardKey(id), message: whole }, rank)
  })
}
