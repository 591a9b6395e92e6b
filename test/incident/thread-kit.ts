import { setTimeout as delay } from 'node:timers/promises'
import { type Alert, EPISODES, type Episode, episodeId, toJson } from '../../src/incident/alert.ts'
import type { AlertsConfig } from '../../src/incident/config.ts'
import { alertsSchema } from '../../src/incident/config.ts'
import type { Incident } from '../../src/incident/incident.ts'
import { owedPosts } from '../../src/incident/pace.ts'
import type { Silences } from '../../src/ports/silences.ts'
import type { Json } from '../../src/ports/store.ts'
import type { Release } from '../../src/release/release.ts'
import type { TestDesk } from '../fakes/desk.ts'
import { incidentParts } from '../fakes/desk.ts'

export const T0 = '2026-01-01T00:00:00.000Z'

/** An alert of the group in `anIncident`. */
export function anAlert(more: Partial<Alert> = {}): Alert {
  return {
    source: 'main',
    fingerprint: 'f1',
    status: 'firing',
    startsAt: T0,
    receivedAt: T0,
    labels: { alertname: 'HighErrorRate', severity: 'critical', service: 'user-service', instance: '10.0.0.1:8080' },
    annotations: { summary: 'Errors above 5 %', value: '12.5 %' },
    generatorUrl: 'http://prometheus:9090/graph?g0.expr=x',
    ...more,
  }
}

export function anEpisode(more: Partial<Alert> = {}, incident = 'A-1'): Episode {
  const alert = anAlert(more)
  return { alert, incident, firstHeardAt: alert.receivedAt, heard: 1 }
}

export function anIncident(more: Partial<Incident> = {}): Incident {
  return {
    id: 'A-1',
    group: {
      source: 'main',
      key: '{}:{alertname="HighErrorRate"}',
      labels: { alertname: 'HighErrorRate' },
      receiver: 'rollcall',
      externalUrl: 'http://alertmanager:9093',
    },
    channel: '#alerts',
    since: T0,
    openedAt: T0,
    title: 'HighErrorRate',
    severity: 'critical',
    firing: 1,
    resolved: 0,
    truncated: 0,
    hosts: [],
    state: { at: 'firing' },
    silences: [],
    level: 0,
    turn: 0,
    ...more,
  }
}

export function alertsConfig(more: Record<string, unknown> = {}): AlertsConfig {
  return alertsSchema.parse({ sources: [{ name: 'main', url: 'http://127.0.0.1:1' }], channel: '#alerts', ...more })
}

/** Parts of a desk on which a second lasts 20 ms for posts. */
export function quickParts(more: Record<string, unknown> = {}, silences?: Silences) {
  const parts = { ...incidentParts(), config: alertsConfig(more), postEveryMs: 20 }
  return silences === undefined ? parts : { ...parts, silences }
}

/** Silences in memory; `lists` is what fires at the source. */
export interface FakeSilences extends Silences {
  made: Parameters<Silences['create']>[1][]
  ended: string[]
  lists: (ReadonlySet<string> | undefined)[]
}

export function fakeSilences(): FakeSilences {
  const made: Parameters<Silences['create']>[1][] = []
  const ended: string[] = []
  const lists: (ReadonlySet<string> | undefined)[] = []
  return {
    made,
    ended,
    lists,
    async create(_source, silence) {
      made.push(silence)
      return `s-${made.length}`
    },
    async expire(_source, id) {
      ended.push(id)
    },
    /** Each answer once, the last one from then on. */
    async firing() {
      return lists.length > 1 ? lists.shift() : lists[0]
    },
  }
}

/** Writes an episode as the intake does: a new one, or what was heard of it since. */
export async function hearAlert({ desk }: TestDesk, more: Partial<Alert> = {}, incident = 'A-1'): Promise<void> {
  const episode = anEpisode(more, incident)
  const id = episodeId(episode.alert)
  if (await desk.store.insert(EPISODES, id, toJson(episode))) return
  const row = await desk.store.get(EPISODES, id)
  await desk.store.put(EPISODES, id, toJson(episode), row?.version ?? 0)
}

let deliveries = 0
/** Tells the story that there are new alerts. */
export function tellAlerts({ desk }: TestDesk, incident = 'A-1'): Promise<boolean> {
  return desk.flows.send(incident, `alerts/${++deliveries}`, { kind: 'alerts' })
}

/** An incident with one alert that fires, and its story. */
export async function openIncident(t: TestDesk, more: Partial<Incident> = {}, alert: Partial<Alert> = {}) {
  const incident = anIncident({ openedAt: new Date().toISOString(), ...more })
  await hearAlert(t, { startsAt: new Date().toISOString(), ...alert }, incident.id)
  await t.desk.store.append('incident-numbers', { group: 'x' }, Number(incident.id.slice(2)) - 1)
  await t.desk.incidents.insert(incident)
  await t.desk.flows.start('incident', incident.id, { incident: incident.id })
}

/** A release as if it had been asked for. */
export async function insertRelease({ desk }: TestDesk, release: Release): Promise<void> {
  const seq = Number(release.id.slice(2)) - 1
  await desk.store.append(
    'release-numbers',
    { service: release.service, candidate: release.candidate, by: 'alice' },
    seq,
  )
  await desk.store.insert('releases', release.id, release as unknown as Json)
}

/** Waits until nothing is owed to any channel. */
export async function settled({ desk }: TestDesk): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    quiet = owedPosts(desk) === 0 ? quiet + 1 : 0
    await delay(10)
  }
}

export function titles({ chat }: TestDesk, incident = 'A-1'): string[] {
  return [...chat.posts.values()].filter((post) => post.thread === `${incident}/card`).map((post) => post.message.title)
}
