import { EPISODES, episodeId, toJson } from '../../src/incident/alert.ts'
import type { IncidentDesk } from '../../src/incident/desk.ts'
import type { Incident } from '../../src/incident/incident.ts'

/** An incident as its document looks when its thread has just been opened. */
export function anIncident(more: Partial<Incident> = {}): Incident {
  const now = new Date().toISOString()
  return {
    id: 'A-1',
    group: {
      source: 'main',
      key: '{}:{alertname="HighErrorRate"}',
      labels: { alertname: 'HighErrorRate' },
      receiver: 'rollcall',
    },
    channel: '#releases',
    since: now,
    openedAt: now,
    title: 'HighErrorRate',
    severity: 'critical',
    firing: 1,
    resolved: 0,
    truncated: 0,
    service: 'user-service',
    hosts: [],
    state: { at: 'firing' },
    silences: [],
    level: 0,
    turn: 1,
    ...more,
  }
}

/** Puts one firing alert of an incident where the intake would. */
export async function putEpisode(
  desk: IncidentDesk,
  incident: Incident,
  labels: Record<string, string>,
  generatorUrl?: string,
): Promise<void> {
  const alert = {
    source: 'main',
    fingerprint: Object.values(labels).join('-'),
    status: 'firing' as const,
    startsAt: incident.since,
    receivedAt: incident.openedAt,
    labels: { alertname: 'HighErrorRate', ...labels },
    annotations: {},
    ...(generatorUrl === undefined ? {} : { generatorUrl }),
  }
  const episode = { alert, incident: incident.id, firstHeardAt: incident.openedAt, heard: 1 }
  await desk.store.insert(EPISODES, episodeId(alert), toJson(episode))
}
