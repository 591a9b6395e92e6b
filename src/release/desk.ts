import type { Audit } from '../access/audit.ts'
import type { Person } from '../access/config.ts'
import type { KnowledgeEntry } from '../knowledge/knowledge.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import { Fault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Artifacts } from '../ports/artifacts.ts'
import type { Chat } from '../ports/chat.ts'
import type { Flows } from '../ports/flow.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { Store } from '../ports/store.ts'
import type { SurfaceHealth } from '../ports/surface.ts'
import type { Target } from '../ports/target.ts'
import { type Service, selects } from './config.ts'
import { type Releases, releases } from './release.ts'

export interface HostEntry {
  id: string
  ip: string
  region: string
  labels: Record<string, string>
}

/** Everything the release feature works with; built once by src/app.ts. */
export interface Desk {
  store: Store
  flows: Flows
  chat: Chat
  target: Target
  /** Undefined when no Prometheus is configured: gates are inconclusive then. */
  metrics: Metrics | undefined
  artifacts: Artifacts
  releases: Releases
  services: Service[]
  hosts: HostEntry[]
  people: Person[]
  knowledge: KnowledgeEntry[]
  /** Who did what, and who was refused. */
  audit: Audit
  /** The channel that release cards go to when the request names none. */
  channel: string
  /** Masks secrets in text that comes from hosts. */
  redact: (text: string) => string
  /** How the chat services are; none when left out. */
  surfaces?: () => Promise<SurfaceHealth[]>
  clock: () => Date
  log: Log
}

export function createDesk(parts: Omit<Desk, 'releases'>): Desk {
  return { ...parts, releases: releases(parts.store) }
}

/** The service of this name, or Fault `release.unknown-service` with the nearest name. */
export function needService(desk: Desk, name: string): Service {
  const service = desk.services.find((each) => each.name === name)
  if (service !== undefined) return service
  const names = desk.services.map((each) => each.name)
  throw new Fault('release.unknown-service', {
    say: `There is no service ${JSON.stringify(name.slice(0, 80))}.${suggestion(name, names)}`,
    next: `use one of: ${names.slice(0, 20).join(', ')}`,
  })
}

/** The hosts that the service's selector names, narrowed to `only` when it is not empty. Fault `release.unknown-host`. */
export function hostsOf(desk: Desk, service: Service, only: string[]): HostEntry[] {
  const all = desk.hosts.filter((host) => selects(service.hosts, host))
  if (only.length === 0) return all
  return [...new Set(only)].map((id) => {
    const host = all.find((each) => each.id === id || each.ip === id)
    if (host !== undefined) return host
    const ids = all.map((each) => each.id)
    throw new Fault('release.unknown-host', {
      say: `${service.name} has no host ${JSON.stringify(id.slice(0, 80))}.${suggestion(id, ids)}`,
      next: `use some of: ${ids.slice(0, 20).join(', ')}${ids.length > 20 ? ', …' : ''}`,
    })
  })
}
