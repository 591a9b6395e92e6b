import type { Change } from '../ports/console.ts'
import type { AuditFilter, IncidentFilter, ReleaseFilter } from './api.ts'

/** Under which keys answers are kept. The first word names the kind, so that a kind can be asked for again as a whole. */
export const keys = {
  session: ['session'] as const,
  messages: (channel: string) => ['messages', channel] as const,
  thread: (channel: string, thread: string) => ['thread', channel, thread] as const,
  message: (key: string) => ['message', key] as const,
  releases: (filter: ReleaseFilter) => ['releases', filter] as const,
  release: (id: string) => ['release', id] as const,
  series: (id: string) => ['series', id] as const,
  output: (job: string) => ['output', job] as const,
  hosts: (service: string | undefined) => ['hosts', service ?? ''] as const,
  services: ['services'] as const,
  surfaces: ['surfaces'] as const,
  incidents: (filter: IncidentFilter) => ['incidents', filter] as const,
  incident: (id: string) => ['incident', id] as const,
  alerts: (incident: string) => ['alerts', incident] as const,
  audit: (filter: AuditFilter) => ['audit', filter] as const,
  commands: ['commands'] as const,
}

/** The answers that a change makes old, as the beginnings of their keys. A message is fetched by itself: see live/gather.ts. */
export function staleAfter({ kind, key }: Change): (readonly unknown[])[] {
  switch (kind) {
    case 'message':
      return []
    case 'release':
      return [keys.release(key), keys.series(key), ['releases'], keys.services, keys.commands, ['audit']]
    case 'output':
      return [keys.output(key)]
    case 'host':
      return [['hosts'], keys.services]
    case 'incident':
      return [keys.incident(key), keys.alerts(key), ['incidents']]
    case 'session':
      return [keys.session]
    default:
      return []
  }
}
