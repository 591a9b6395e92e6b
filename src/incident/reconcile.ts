import { setTimeout as delay } from 'node:timers/promises'
import { numbered } from '../release/scene.ts'
import { type Episode, episodeId, episodesOf } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { receive } from './receive.ts'
import { type Place, say } from './thread.ts'

/** An alert that was heard within so many post intervals is not asked about; between two questions there are so many. */
const FRESH = 60
const BETWEEN = 3
const TICK_MS = 1000
/** How long the intake is waited for, and how often it is looked. */
const PATIENCE = 5
const LOOK_MS = 20
/** Alerts that one question ends; the next one ends the others. */
const MOST = 2000
/** As Alertmanager makes them: another one is ours, and stands in no list of its. */
const FINGERPRINT = /^[0-9a-f]{16}$/

/**
 * Ends the firing alerts of the incident that their source lists no longer: for what is resolved while it is silenced, it sends no
 * resolve. Answers with how many there were, and says so in the thread. Journaled steps; a source that cannot be asked ends
 * nothing.
 */
export async function reconcile(place: Place): Promise<number> {
  const { flow, desk, id } = place
  const name = numbered(place, 'ask the source')
  const lost = await flow.step(name, async () => unlisted(desk, await desk.incidents.need(id)))
  if (lost.length === 0) return 0
  const { ended, source } = await flow.step(`${name}: end`, async () => {
    const incident = await desk.incidents.need(id)
    return { ended: await endUnlisted(desk, incident, lost), source: incident.group.source }
  })
  if (ended > 0) {
    const title = `Resolved ${ended} alert${ended === 1 ? '' : 's'}: no longer listed by Alertmanager ${source}`
    await say(place, name.replaceAll(' ', '-'), { title, tone: 'info' })
  }
  return ended
}

/** Ids of the firing episodes that the source lists no longer, asked twice with some seconds between. */
export async function unlisted(desk: IncidentDesk, incident: Incident): Promise<string[]> {
  const heardBefore = desk.clock().getTime() - FRESH * tick(desk)
  const asked = (await episodesOf(desk.store, incident.id)).filter(
    ({ alert: { status, callback, fingerprint, receivedAt } }) =>
      status === 'firing' &&
      callback === undefined &&
      FINGERPRINT.test(fingerprint) &&
      Date.parse(receivedAt) <= heardBefore,
  )
  const first = await missing(desk, incident, asked)
  if (first.length === 0) return []
  await delay(BETWEEN * tick(desk))
  return (await missing(desk, incident, first)).slice(0, MOST).map(({ alert }) => episodeId(alert))
}

async function missing(desk: IncidentDesk, { group }: Incident, episodes: Episode[]): Promise<Episode[]> {
  if (episodes.length === 0) return []
  const listed = await desk.silences.firing(group.source)
  return listed === undefined ? [] : episodes.filter(({ alert }) => !listed.has(alert.fingerprint))
}

/** As if the source had said so: the intake hears it by the same rules. Answers with how many of them are resolved by then. */
export async function endUnlisted(desk: IncidentDesk, incident: Incident, ids: readonly string[]): Promise<number> {
  const wanted = new Set(ids)
  const stand = async (): Promise<Episode[]> =>
    (await episodesOf(desk.store, incident.id)).filter(({ alert }) => wanted.has(episodeId(alert)))
  const firing = (await stand()).filter(({ alert }) => alert.status === 'firing')
  if (firing.length > 0) {
    const receivedAt = desk.clock().toISOString()
    const alerts = firing.map(({ alert }) => ({
      ...alert,
      status: 'resolved' as const,
      endsAt: receivedAt,
      receivedAt,
    }))
    await receive(desk, { group: incident.group, alerts, truncated: incident.truncated, receivedAt })
  }
  const patience = performance.now() + PATIENCE * TICK_MS
  for (;;) {
    const ended = (await stand()).filter(({ alert }) => alert.status === 'resolved').length
    if (ended === ids.length || performance.now() > patience) return ended
    await delay(LOOK_MS)
  }
}

function tick({ postEveryMs }: IncidentDesk): number {
  return postEveryMs ?? TICK_MS
}
