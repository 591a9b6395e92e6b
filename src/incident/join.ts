import type { Labels } from '../ports/metrics.ts'
import type { HostEntry } from '../release/desk.ts'
import { holders } from '../release/find.ts'
import { hostOf } from '../release/metrics-families.ts'
import { isOver, onHosts, type Release } from '../release/release.ts'
import { createTopology } from '../topology/topology.ts'
import { episodesOf } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'

/** Releases of a service that are looked through for one that fits. */
const MOST = 20

/**
 * The service that labels name: a configured one, or one that the topology mentions (`namespace/service` in `job` counts as
 * service), by the first of the configured labels that names one. Undefined when none does.
 */
export function serviceOf(desk: Pick<IncidentDesk, 'services' | 'config'>, labels: Labels): string | undefined {
  const known = [...createTopology(desk.services).keys()]
  for (const label of desk.config.serviceLabels) {
    const value = labels[label]
    if (value === undefined) continue
    const name = known.find((each) => each === value || value.endsWith(`/${each}`))
    if (name !== undefined) return name
  }
  return undefined
}

/**
 * The configured hosts that alerts name, by the first label that names one: its id, or its address with or without a port when no
 * other host shares it. Each once, in the order of the configuration.
 */
export function hostsOfAlerts(
  desk: Pick<IncidentDesk, 'hosts' | 'config'>,
  alerts: readonly { labels: Labels }[],
): HostEntry[] {
  const named = new Set(
    alerts.flatMap(({ labels }) => {
      for (const label of desk.config.hostLabels) {
        const host = hostOf(labels[label], desk.hosts)
        if (host !== undefined) return [host.id]
      }
      return []
    }),
  )
  return desk.hosts.filter(({ id }) => named.has(id))
}

/**
 * The release that an incident may have to do with, as it stands now: the one that its alerts name (label `deploymentId`), the one
 * that is changing its service or its hosts, or the newest that left its version on hosts within the configured memory. One that
 * was taken back counts only if the incident began while it was there. Undefined when there is none.
 */
export async function joinRelease(desk: IncidentDesk, incident: Incident): Promise<Incident['release'] | undefined> {
  const services = await servicesOf(desk, incident)
  const meant = await named(desk, incident)
  // What an alert names and is over does not keep from holding what is under way.
  const live = meant !== undefined && !isOver(meant.state) ? meant : await underWay(desk, incident, services)
  const release = live ?? meant ?? (await recent(desk, incident, services))
  return release === undefined ? undefined : joined(release)
}

/** What an incident keeps of a release. */
export function joined(release: Release): NonNullable<Incident['release']> {
  const { state } = release
  const on = Object.keys(release.hosts).filter((host) => has(release, host))
  return {
    id: release.id,
    service: release.service,
    candidate: release.candidate,
    current: release.current,
    planHash: release.planHash,
    ...(state.at === 'rolling out' || state.at === 'held' ? { batch: state.batch } : {}),
    approvedBy: release.approvals.map(({ by }) => by),
    upgraded: on,
    others: Object.keys(release.hosts).filter((host) => !on.includes(host)),
    held: false,
  }
}

/** A host that was changed and has not been taken back; one whose job failed may run either version, and counts. */
function has({ hosts, candidate }: Release, host: string): boolean {
  const progress = hosts[host]
  return progress !== undefined && (progress.at === 'healthy' || progress.version === candidate)
}

async function named(desk: IncidentDesk, incident: Incident): Promise<Release | undefined> {
  for (const { alert } of await episodesOf(desk.store, incident.id)) {
    const id = alert.labels.deploymentId ?? alert.labels.deployment_id
    const release = id === undefined || !/^R-\d{1,9}$/.test(id) ? undefined : await desk.releases.get(id)
    if (release !== undefined) return release
  }
  return undefined
}

async function underWay(
  desk: IncidentDesk,
  incident: Incident,
  services: readonly string[],
): Promise<Release | undefined> {
  for (const service of services) {
    const release = (await holders(desk, service)).find(({ startedAt }) => startedAt !== undefined)
    if (release !== undefined) return release
  }
  if (services.length > 0) return undefined
  // Without a service only the hosts say whose it is.
  const started = (await holders(desk)).filter(({ startedAt }) => startedAt !== undefined)
  return started.find(({ hosts }) => incident.hosts.some((host) => Object.hasOwn(hosts, host)))
}

/** The services that its alerts name: those of firing alerts first, the most frequent first. */
async function servicesOf(desk: IncidentDesk, incident: Incident): Promise<string[]> {
  const episodes = await episodesOf(desk.store, incident.id)
  const counts = new Map<string, number>(incident.service === undefined ? [] : [[incident.service, 0]])
  for (const { alert } of episodes) {
    const name = serviceOf(desk, alert.labels)
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + (alert.status === 'firing' ? 1000 : 1))
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name)
}

async function recent(
  desk: IncidentDesk,
  { since }: Incident,
  services: readonly string[],
): Promise<Release | undefined> {
  for (const service of services) {
    const release = await recentOf(desk, service, since)
    if (release !== undefined) return release
  }
  return undefined
}

async function recentOf(desk: IncidentDesk, service: string, since: string): Promise<Release | undefined> {
  const oldest = desk.clock().getTime() - desk.config.releaseMemory
  let seen = 0
  for await (const release of desk.releases.newest({ service })) {
    if (++seen > MOST) return undefined
    const { startedAt, endedAt, state } = release
    if (startedAt === undefined || !isOver(state)) continue
    if (endedAt !== undefined && Date.parse(endedAt) < oldest) return undefined
    if (onHosts(release)) return release
    const during =
      Date.parse(startedAt) <= Date.parse(since) && (endedAt === undefined || Date.parse(since) <= Date.parse(endedAt))
    if (state.at === 'rolled back' && during) return release
  }
  return undefined
}
