import { isDeepStrictEqual } from 'node:util'
import { numbered } from '../release/scene.ts'
import { episodesOf } from './alert.ts'
import type { Severity } from './config.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { hostsOfAlerts, serviceOf } from './join.ts'
import { owedIn } from './pace.ts'
import { recoveryTimes } from './recovery.ts'
import { commonLabels, silenceNow, tallied } from './tally.ts'
import type { Place } from './thread.ts'

/** What the story has to know of an incident as it stands, and of the release that it is joined to. */
export interface Tally {
  at: 'firing' | 'resolved'
  severity: Severity
  firing: number
  total: number
  /** Levels that have been told. */
  level: number
  acknowledged: boolean
  silencedUntil?: string
  /** Posts that waited in its channel: an edit that is queued now goes out after about so many intervals. */
  owed: number
  release?: { id: string; at: string; everyMs: number; mostMs: number }
}

/** Counts the incident's alerts anew, and writes down what they make of it. One journaled step. */
export function count(place: Place): Promise<Tally> {
  return place.flow.step(numbered(place, 'count'), () => readTally(place.desk, place.id))
}

async function readTally(desk: IncidentDesk, id: string): Promise<Tally> {
  const incident = await settle(desk, id)
  const now = desk.clock()
  const silence = silenceNow(incident, now)
  const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
  return {
    at: incident.state.at,
    severity: incident.severity,
    firing: incident.firing,
    total: incident.firing + incident.resolved,
    level: incident.level,
    acknowledged: incident.acknowledged !== undefined,
    owed: owedIn(desk, incident.channel),
    ...(silence === undefined ? {} : { silencedUntil: silence.until }),
    ...(release === undefined
      ? {}
      : { release: { id: release.id, at: release.state.at, ...recoveryTimes(release.plan) } }),
  }
}

/**
 * Sets the incident to what its episodes make of it. Whoever attaches an episode to it meanwhile relies on this (see `placeFor`):
 * after `resolved` was written the episodes are read once more, and it fires again when one of them does.
 */
async function settle(desk: IncidentDesk, id: string): Promise<Incident> {
  let episodes = await episodesOf(desk.store, id)
  for (;;) {
    const seen = episodes
    const alerts = seen.map(({ alert }) => alert)
    const firing = alerts.filter(({ status }) => status === 'firing')
    const counted = firing.length > 0 ? firing : alerts
    const hosts = hostsOfAlerts(desk, counted).map((host) => host.id)
    const now = desk.clock()
    const incident = await desk.incidents.update(id, (current) => {
      const labels = [current.group.labels, commonLabels(counted), ...counted.slice(0, 1).map((alert) => alert.labels)]
      const service = labels.map((each) => serviceOf(desk, each)).find((name) => name !== undefined)
      const after = tallied(current, { episodes: seen, config: desk.config, hosts, service, now })
      return isDeepStrictEqual(after, current) ? undefined : after
    })
    if (incident.state.at === 'firing') return incident
    episodes = await episodesOf(desk.store, id)
    if (!episodes.some(({ alert }) => alert.status === 'firing')) return incident
  }
}
