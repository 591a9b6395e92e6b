import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Release } from '../release/release.ts'
import { numbered } from '../release/scene.ts'
import { type Episode, episodeId, episodesOf } from './alert.ts'
import type { Severity } from './config.ts'
import type { IncidentDesk } from './desk.ts'
import { toldAt } from './escalate.ts'
import type { Incident } from './incident.ts'
import { hostsOfAlerts, serviceOf } from './join.ts'
import { alertNames, hostName, servicesOf } from './names.ts'
import { owedIn } from './pace.ts'
import { recoveryTimes } from './recovery.ts'
import { silencing } from './silenced.ts'
import { commonLabels, tallied } from './tally.ts'
import type { Place } from './thread.ts'

/** Hosts that one tally names. */
const MOST_HOSTS = 1000

/** What the story has to know of the release that an incident is joined to. */
export interface ReleaseSeen {
  id: string
  at: string
  everyMs: number
  mostMs: number
}

/** What the story has to know of an incident as it stands, and of the release that it is joined to. */
export interface Tally {
  at: 'firing' | 'resolved'
  severity: Severity
  firing: number
  total: number
  /** Levels of its severity that have been told. */
  level: number
  acknowledged: boolean
  /** The acknowledgement that lapsed last. */
  lapsed?: { by: string; when: string; severity: Severity }
  /** Set while every firing alert is silenced. */
  silencedUntil?: string
  /** When the next of its silences ends, whatever it covers. */
  silenceEnds?: string
  /** Posts that waited in its channel: an edit that is queued now goes out after about so many intervals. */
  owed: number
  release?: ReleaseSeen
  /** Keys of the episodes that fire and did not at the last tally, those that no longer do; hosts and services of the former. */
  newly: string[]
  ceased: string[]
  hosts: string[]
  services: string[]
}

/** Counts the incident's alerts anew, and writes down what they make of it. One journaled step; `fired` is kept up to date. */
export async function count(place: Place, fired: Set<string>): Promise<Tally> {
  const tally = await place.flow.step(numbered(place, 'count'), () => readTally(place.desk, place.id, fired))
  for (const key of tally.newly) fired.add(key)
  for (const key of tally.ceased) fired.delete(key)
  return tally
}

async function readTally(desk: IncidentDesk, id: string, fired: ReadonlySet<string>): Promise<Tally> {
  const { incident, episodes } = await settle(desk, id)
  const now = desk.clock()
  const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
  return {
    at: incident.state.at,
    severity: incident.severity,
    firing: incident.firing,
    total: incident.firing + incident.resolved,
    level: incident.levels === undefined ? incident.level : toldAt(incident.levels, incident.severity),
    acknowledged: incident.acknowledged !== undefined,
    owed: await owedIn(desk, incident.channel),
    ...(incident.lapsed === undefined ? {} : { lapsed: incident.lapsed }),
    ...silencing(incident, episodes, now),
    ...(release === undefined ? {} : { release: releaseSeen(release) }),
    ...moved(desk, episodes, fired),
  }
}

export function releaseSeen(release: Release): ReleaseSeen {
  return { id: release.id, at: release.state.at, ...recoveryTimes(release.plan) }
}

function moved(
  desk: IncidentDesk,
  episodes: readonly Episode[],
  fired: ReadonlySet<string>,
): Pick<Tally, 'newly' | 'ceased' | 'hosts' | 'services'> {
  const firing = new Map(
    episodes.filter(({ alert }) => alert.status === 'firing').map(({ alert }) => [keyOf(alert), alert]),
  )
  const newly = [...firing].filter(([key]) => !fired.has(key))
  const names = alertNames(desk)
  const hosts = new Set(newly.flatMap(([, alert]) => hostName(alert, names) ?? []))
  return {
    newly: newly.map(([key]) => key),
    ceased: [...fired].filter((key) => !firing.has(key)),
    hosts: [...hosts].slice(0, MOST_HOSTS),
    services: servicesOf(
      newly.map(([, alert]) => alert),
      names,
    ),
  }
}

/** Short: a storm has thousands of them in its journal. */
function keyOf(alert: Episode['alert']): string {
  return createHash('sha256').update(episodeId(alert)).digest('base64url').slice(0, 12)
}

/**
 * Sets the incident to what its episodes make of it. Whoever attaches an episode to it meanwhile relies on this (see `placeFor`):
 * after `resolved` was written the episodes are read once more, and it fires again when one of them does.
 */
async function settle(desk: IncidentDesk, id: string): Promise<{ incident: Incident; episodes: Episode[] }> {
  const names = alertNames(desk)
  let episodes = await episodesOf(desk.store, id)
  for (;;) {
    const seen = episodes
    const alerts = seen.map(({ alert }) => alert)
    const firing = alerts.filter(({ status }) => status === 'firing')
    const counted = firing.length > 0 ? firing : alerts
    const hosts = hostsOfAlerts(desk, counted).map((host) => host.id)
    const services = servicesOf(counted, names)
    const now = desk.clock()
    const incident = await desk.incidents.update(id, (current) => {
      const shared = [current.group.labels, commonLabels(counted)].flatMap((each) => serviceOf(desk, each) ?? [])
      const service = current.release?.service ?? services[0] ?? shared[0]
      const after = tallied(current, { episodes: seen, config: desk.config, hosts, service, services, now })
      return isDeepStrictEqual(after, current) ? undefined : after
    })
    if (incident.state.at === 'firing') return { incident, episodes }
    episodes = await episodesOf(desk.store, id)
    if (!episodes.some(({ alert }) => alert.status === 'firing')) return { incident, episodes }
  }
}
