import type { IncidentDesk } from '../incident/desk.ts'
import { asFault } from '../lib/fault.ts'
import type { Desk } from '../release/desk.ts'
import { fleet } from '../release/fleet.ts'
import { newestReleases } from '../release/history.ts'
import { isOver, wasReleased } from '../release/release.ts'
import type { FormContext } from './command.ts'

/** Releases that are looked through for what may be chosen or completed. */
const RELEASES_READ = 100
const VERSIONS_SHOWN = 20
/** The newest incidents, among which those that fire are offered; chat services show at most a hundred choices. */
const INCIDENTS_READ = 100

/** Ids of releases that are not over, newest first, and the versions of each service that were asked for or run. */
export async function knownReleases(desk: Desk): Promise<{ releases: string[]; versions: FormContext['versions'] }> {
  const releases: string[] = []
  const versions = new Map(desk.services.map(({ name }) => [name, new Set<string>()]))
  let read = 0
  for await (const release of newestReleases(desk)) {
    if (!isOver(release.state)) releases.push(release.id)
    if (wasReleased(release)) versions.get(release.service)?.add(release.candidate)
    if (++read >= RELEASES_READ) break
  }
  for (const { services } of await fleet(desk)) {
    for (const { service, version } of services) if (version) versions.get(service)?.add(version)
  }
  const first = (all: Set<string>) => [...all].slice(0, VERSIONS_SHOWN)
  return { releases, versions: Object.fromEntries([...versions].map(([name, all]) => [name, first(all)])) }
}

/** What forms offer, kept ready: whoever opens one has three seconds and does not wait for the store. */
export interface Offers {
  now(): FormContext
  /** Reads again what has changed: two numbers where nothing has; everything half a minute after the last time. Never throws. */
  refresh(): Promise<void>
}

const EVERYTHING_MS = 30_000

export function createOffers(desk: IncidentDesk): Offers {
  const services = desk.services.map(({ name }) => name)
  const hosts = desk.hosts.map(({ id }) => id)
  let offers: FormContext = { services, hosts, versions: {}, incidents: [] }
  let seen = { releases: -1, incidents: -1, at: Number.NEGATIVE_INFINITY }
  let reading: Promise<void> | undefined

  const read = async (): Promise<void> => {
    try {
      const [releases, incidents] = await Promise.all([desk.releases.count(), desk.incidents.count()])
      const old = performance.now() - seen.at > EVERYTHING_MS
      if (!old && releases === seen.releases && incidents === seen.incidents) return
      const at = performance.now()
      const [{ versions }, firing] = await Promise.all([knownReleases(desk), firingIncidents(desk)])
      offers = { services, hosts, versions, incidents: firing }
      seen = { releases, incidents, at }
    } catch (error) {
      desk.log.info({ code: asFault(error).code }, 'choices of forms not read')
    }
  }

  return {
    now: () => offers,
    refresh: () => {
      reading ??= read().finally(() => {
        reading = undefined
      })
      return reading
    },
  }
}

async function firingIncidents(desk: IncidentDesk): Promise<string[]> {
  const firing: string[] = []
  let read = 0
  for await (const { id, state } of desk.incidents.newest()) {
    if (state.at === 'firing') firing.push(id)
    if (++read >= INCIDENTS_READ) break
  }
  return firing
}
