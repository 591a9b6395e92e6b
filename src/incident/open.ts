import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Alert, type AlertGroup, EPISODES, episodesOf, toJson } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { hostsOfAlerts } from './join.ts'
import { alertNames, servicesOf } from './names.ts'
import { tallied } from './tally.ts'

/** A row says which incident a group's alerts go to; who changes it by compare-and-set has opened the incident. */
const GROUPS = 'alert-groups'

const rowSchema = z.object({
  incident: z.string(),
  /** What the source left out, as it last said, and the number of the delivery that said so first. */
  truncated: z.number(),
  delivery: z.number(),
})

/** Id of the row of a group. The source's key may be as long and as strange as it likes. */
export function groupId({ source, key }: Pick<AlertGroup, 'source' | 'key'>): string {
  return createHash('sha256')
    .update(JSON.stringify([source, key]))
    .digest('hex')
    .slice(0, 40)
}

/** What brings an alert to an incident. */
export interface Arrival {
  group: AlertGroup
  /** Those of the group that stand in no incident yet; never empty. */
  alerts: Alert[]
  truncated: number
  /** Number of the delivery. */
  seq: number
}

/**
 * The incident that new episodes of a group go to: the group's, or a new one when that one is over (its state is `resolved` and
 * nothing in it fires). A crash between any two writes is made good by calling it again. `leave` is an incident that they must
 * not go to.
 *
 * Closing and attaching race, as they write two documents. The rule that loses nothing:
 * - Who closes an incident sets `resolved` by compare-and-set, reads the episodes again AFTER that write, and sets `firing`
 *   again when one of them fires.
 * - Who attaches an episode writes it, and reads the incident AFTER that write. Is it `firing`, then a closing that comes later
 *   sees the episode. Is it `resolved`, then the closing may have looked before: the episode moves to a new incident, and both
 *   are told, so that one that was opened again for it looks again and closes.
 */
export async function placeFor(desk: IncidentDesk, arrival: Arrival, leave?: string): Promise<Incident> {
  const { group, truncated, seq } = arrival
  const rowId = groupId(group)
  for (;;) {
    const row = await desk.store.get(GROUPS, rowId)
    if (row !== undefined) {
      const { incident: id } = rowSchema.parse(row.document)
      const incident = await desk.incidents.get(id)
      // The row came first, and the process ended before the incident was written.
      if (incident === undefined) return open(desk, id, arrival)
      if (id !== leave && !(await isOver(desk, incident))) return incident
    }
    const id = await desk.incidents.newId(rowId)
    const next = { incident: id, truncated, delivery: seq }
    const won =
      row === undefined
        ? await desk.store.insert(GROUPS, rowId, next)
        : (await desk.store.put(GROUPS, rowId, next, row.version)) !== undefined
    if (won) return open(desk, id, arrival)
  }
}

/** Whether new episodes of its group open another incident. */
async function isOver(desk: IncidentDesk, incident: Incident): Promise<boolean> {
  if (incident.state.at !== 'resolved') return false
  // One that fires was seen by whoever is closing it, or will be: it is about to be opened again.
  return !(await episodesOf(desk.store, incident.id)).some(({ alert }) => alert.status === 'firing')
}

async function open(desk: IncidentDesk, id: string, arrival: Arrival): Promise<Incident> {
  const incident = draft(desk, id, arrival)
  await desk.incidents.insert(incident)
  return desk.incidents.need(id)
}

/** An incident as it is opened, firing whatever became of its alerts since: its flow closes it. */
function draft(desk: IncidentDesk, id: string, { group, alerts, truncated }: Arrival): Incident {
  const now = desk.clock()
  const blank: Incident = {
    id,
    group,
    channel: desk.config.channel ?? desk.channel,
    since: now.toISOString(),
    openedAt: now.toISOString(),
    title: '',
    severity: 'warning',
    firing: 0,
    resolved: 0,
    truncated,
    hosts: [],
    state: { at: 'firing' },
    silences: [],
    level: 0,
    turn: 0,
  }
  const services = servicesOf(alerts, alertNames(desk))
  const episodes = alerts.map((alert) => ({ alert, incident: id, firstHeardAt: alert.receivedAt, heard: 1 }))
  const hosts = hostsOfAlerts(desk, alerts).map((host) => host.id)
  const { config } = desk
  return {
    ...tallied(blank, { episodes, config, hosts, service: services[0], services, now }),
    state: { at: 'firing' },
    turn: 0,
  }
}

/**
 * Keeps how many alerts of a group its source left out, in the group's incident as long as that is open. Answers with the
 * incident and the number of the delivery that said so; undefined when the group has no open incident.
 */
export async function noteTruncated(
  desk: IncidentDesk,
  { group, truncated, seq }: Omit<Arrival, 'alerts'>,
): Promise<{ incident: string; delivery: number } | undefined> {
  for (;;) {
    const row = await desk.store.get(GROUPS, groupId(group))
    if (row === undefined) return undefined
    const kept = rowSchema.parse(row.document)
    const incident = await desk.incidents.get(kept.incident)
    if (incident === undefined || incident.state.at === 'resolved') return undefined
    const news = seq > kept.delivery && truncated !== kept.truncated
    const said = news ? { ...kept, truncated, delivery: seq } : kept
    if (news && (await desk.store.put(GROUPS, row.id, toJson(said), row.version)) === undefined) continue
    if (incident.truncated !== said.truncated) {
      await desk.incidents.update(incident.id, (now) => ({ ...now, truncated: said.truncated }))
    }
    return { incident: incident.id, delivery: said.delivery }
  }
}

/** Fields that incidents and their alerts are looked up by; a store that has indexes should be given these. */
export const incidentIndexes = [{ collection: EPISODES, field: 'incident' }]
