import { Fault } from '../lib/fault.ts'
import type { Row } from '../ports/store.ts'
import {
  type Alert,
  type AlertGroup,
  EPISODES,
  type Episode,
  episodeId,
  episodeSchema,
  episodesOf,
  toJson,
} from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import { hear, hearOfSibling, type Known } from './hear.ts'
import { groupId, placeFor } from './open.ts'

/** Ids of episodes whose end was heard of before anything else. */
const ENDS = 'episode-ends'

/** One alert of one delivery. */
export interface Heard {
  seq: number
  group: AlertGroup
  truncated: number
  alert: Alert
}

interface Slot {
  id: string
  /** The row's version, where there is one. */
  version: number | undefined
  before: Known
  now: Known
  /** What brought it first, when it stands in no incident yet. */
  by: Heard | undefined
}

/** Incidents of which something new was heard, each with the number of the newest delivery that brought it. */
export type Told = Map<string, number>

/**
 * Turns alerts, in the order in which they were heard, into episodes of incidents; each of them at most once, however often it is
 * called. `from` is the number of the first delivery that may not have been settled entirely: incidents that it, or a later one,
 * has brought something new for go into `told`, be it that a run before this one has written it down.
 */
export async function settle(desk: IncidentDesk, heard: Heard[], from: number, told: Told): Promise<void> {
  const slots = await load(desk, heard)
  apply(heard, slots)
  await attach(desk, slots)
  await Promise.all(slots.map((slot) => write(desk, slot)))
  await stayOpen(desk, attachedSince(slots, from))
  for (const { now } of slots) {
    if (now.at !== 'heard' || (now.episode.delivery ?? -1) < from) continue
    for (const incident of [now.episode.incident, now.episode.movedFrom]) {
      if (incident !== undefined) told.set(incident, Math.max(told.get(incident) ?? 0, now.episode.delivery ?? 0))
    }
  }
}

type Named = Pick<Alert, 'source' | 'fingerprint'>

const familyOf = ({ source, fingerprint }: Named): string => `${source}/${fingerprint}/`

/** Episodes of one alert that are looked at, the latest to begin: what began before those has ended long since. */
const FAMILY = 20

/** What is known of these alerts, of all their latest episodes. */
async function load(desk: IncidentDesk, heard: Heard[]): Promise<Slot[]> {
  const ids = new Set(heard.map(({ alert }) => episodeId(alert)))
  const families = new Map(heard.map(({ alert }) => [familyOf(alert), alert]))
  const found = await Promise.all(
    [...families].map(async ([prefix, { fingerprint }]) => {
      const rows = await desk.store.find(EPISODES, { prefix, descending: true, limit: FAMILY })
      return rows
        .map(slotOf)
        .filter(({ before }) => before.at !== 'heard' || before.episode.alert.fingerprint === fingerprint)
    }),
  )
  const slots = found.flat()
  const known = new Set(slots.map(({ id }) => id))
  const others = await Promise.all(
    [...ids]
      .filter((id) => !known.has(id))
      .map(async (id): Promise<Slot> => {
        const row = await desk.store.get(EPISODES, id)
        if (row !== undefined) return slotOf(row)
        const before: Known = { at: (await desk.store.get(ENDS, id)) === undefined ? 'unknown' : 'over' }
        return { id, version: undefined, before, now: before, by: undefined }
      }),
  )
  return [...slots, ...others]
}

function slotOf({ id, version, document }: Row): Slot {
  const known: Known = { at: 'heard', episode: episodeSchema.parse(document) }
  return { id, version, before: known, now: known, by: undefined }
}

/** Hears the alerts one after the other. */
function apply(heard: Heard[], slots: Slot[]): void {
  const byId = new Map(slots.map((slot) => [slot.id, slot]))
  const families = Map.groupBy(slots, ({ id }) => id.slice(0, id.lastIndexOf('/') + 1))
  for (const each of heard) {
    const { alert, seq } = each
    const slot = byId.get(episodeId(alert))
    if (slot === undefined) continue
    const siblings = (families.get(familyOf(alert)) ?? []).filter((sibling) => sibling !== slot)
    const episodes = siblings.flatMap(({ now }) => (now.at === 'heard' ? [now.episode] : []))
    const after = hear(slot.now, alert, seq, episodes)
    if (slot.now.at === 'unknown' && after.at === 'heard') slot.by = each
    slot.now = after
    for (const sibling of siblings) sibling.now = hearOfSibling(sibling.now, alert, seq)
  }
}

/** Gives every episode that is new the incident of the group that it was heard in first. */
async function attach(desk: IncidentDesk, slots: Slot[]): Promise<void> {
  const fresh = Map.groupBy(
    slots.filter(({ by }) => by !== undefined),
    ({ by }) => (by === undefined ? '' : groupId(by.group)),
  )
  await Promise.all(
    [...fresh.values()].map(async (all) => {
      const by = all[0]?.by
      if (by === undefined) return
      const incident = await placeFor(desk, { ...by, alerts: alertsOf(all) })
      for (const slot of all) if (slot.now.at === 'heard') slot.now = inIncident(slot.now.episode, incident.id)
    }),
  )
}

function inIncident(episode: Episode, incident: string): Known {
  return { at: 'heard', episode: { ...episode, incident } }
}

function alertsOf(slots: Slot[]): Alert[] {
  return slots.flatMap(({ now }) => (now.at === 'heard' ? [now.episode.alert] : []))
}

async function write(desk: IncidentDesk, slot: Slot): Promise<void> {
  const { id, version, before, now } = slot
  if (now === before) return
  if (now.at === 'over') {
    await desk.store.insert(ENDS, id, { at: desk.clock().toISOString() })
    return
  }
  if (now.at !== 'heard') return
  if (version === undefined) {
    if (!(await desk.store.insert(EPISODES, id, toJson(now.episode)))) throw raced()
    slot.version = 1
    return
  }
  slot.version = await desk.store.put(EPISODES, id, toJson(now.episode), version)
  if (slot.version === undefined) throw raced()
}

function raced(): Fault {
  return new Fault('incident.raced', {
    say: 'Another process takes the same alerts in.',
    next: 'wait: what it has not done is done here in a moment',
    retry: true,
  })
}

/** Firing episodes that were attached by the deliveries from this number on, by the incident that they were attached to. */
function attachedSince(slots: Slot[], from: number): Map<string, Slot[]> {
  const attached = slots.filter(
    ({ now }) =>
      now.at === 'heard' && now.episode.alert.status === 'firing' && (now.episode.firstDelivery ?? -1) >= from,
  )
  return Map.groupBy(attached, ({ now }) => (now.at === 'heard' ? now.episode.incident : ''))
}

/** The attaching side of the rule at `placeFor`: what was attached to an incident that is closed meanwhile goes to a new one. */
async function stayOpen(desk: IncidentDesk, attached: Map<string, Slot[]>): Promise<void> {
  for (const [id, slots] of attached) {
    const incident = await desk.incidents.need(id)
    if (incident.state.at !== 'resolved') continue
    const ours = new Set(slots.map((slot) => slot.id))
    const others = (await episodesOf(desk.store, id)).filter(({ alert }) => !ours.has(episodeId(alert)))
    // Whoever closes it sees that one: it is about to be opened again.
    if (others.some(({ alert }) => alert.status === 'firing')) continue
    const seq = Math.max(...slots.map(({ now }) => (now.at === 'heard' ? (now.episode.firstDelivery ?? 0) : 0)))
    const { group, truncated } = incident
    const next = await placeFor(desk, { group, truncated, seq, alerts: alertsOf(slots) }, id)
    for (const slot of slots) {
      if (slot.now.at !== 'heard' || slot.version === undefined) continue
      slot.now = { at: 'heard', episode: { ...slot.now.episode, incident: next.id, movedFrom: id } }
      slot.version = await desk.store.put(EPISODES, slot.id, toJson(slot.now.episode), slot.version)
      if (slot.version === undefined) throw raced()
    }
  }
}
