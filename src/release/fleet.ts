import pLimit from 'p-limit'
import { z } from 'zod'
import type { HostView } from '../ports/console.ts'
import type { Json } from '../ports/store.ts'
import { type Service, selects } from './config.ts'
import { type Desk, hostsOf, needService } from './desk.ts'
import { newestReleases } from './history.ts'
import { type HostProgress, isOver, type Release } from './release.ts'
import { type Probe, probeAll } from './version-check.ts'

const COLLECTION = 'sightings'
/** Hosts that are asked at the same time, over all requests. */
const AT_ONCE = 32
/** Releases that are looked through for hosts that no newer one has touched. */
const RELEASES_READ = 100

/** What a host was last seen with. The version stays what it was when the host could not be asked. */
const sightingSchema = z.object({
  host: z.string(),
  service: z.string(),
  /** Null when the service is not there, undefined when nobody has ever got an answer. */
  version: z.string().nullable().optional(),
  state: z.string(),
  why: z.string().optional(),
  seenAt: z.string(),
})
export type Sighting = z.infer<typeof sightingSchema>

/** Keeps what probes of a service have brought; an older one never replaces a newer one. */
export async function noteSightings(desk: Desk, service: string, probes: Probe[]): Promise<void> {
  const limit = pLimit(AT_ONCE)
  const seenAt = desk.clock().toISOString()
  await Promise.all(probes.map((probe) => limit(() => noteOne(desk, sightingOf(desk, service, probe, seenAt)))))
}

function sightingOf(desk: Desk, service: string, { host, facts, fault }: Probe, seenAt: string): Sighting {
  const base = { host: host.id, service, seenAt }
  if (facts !== undefined) return { ...base, version: facts.version ?? null, state: facts.state }
  return { ...base, state: 'unreachable', why: desk.redact(fault?.say ?? 'it did not answer') }
}

async function noteOne({ store }: Desk, sighting: Sighting): Promise<void> {
  const id = `${sighting.host}/${sighting.service}`
  for (;;) {
    const row = await store.get(COLLECTION, id)
    if (row === undefined) {
      if (await store.insert(COLLECTION, id, sighting as unknown as Json)) return
      continue
    }
    const before = sightingSchema.parse(row.document)
    if (before.seenAt > sighting.seenAt) return
    const after = sighting.version === undefined ? { ...sighting, version: before.version } : sighting
    if ((await store.put(COLLECTION, id, after as unknown as Json, row.version)) !== undefined) return
  }
}

interface Probing {
  limit: ReturnType<typeof pLimit>
  running: Map<string, Promise<void>>
}
const probings = new WeakMap<Desk, Probing>()

/**
 * Asks every host of the service, or of all services, which version it runs, and keeps the answers. Resolves when all have
 * answered or failed; who asks for the same meanwhile waits for the same run. Fault `release.unknown-service`.
 */
export async function probeFleet(desk: Desk, service?: string): Promise<void> {
  const services = service === undefined ? desk.services : [needService(desk, service)]
  await Promise.all(services.map((each) => probeService(desk, each)))
}

function probeService(desk: Desk, service: Service): Promise<void> {
  const { limit, running } = probingOf(desk)
  const other = running.get(service.name)
  if (other !== undefined) return other
  const run = Promise.all(
    hostsOf(desk, service, []).map((host) =>
      limit(async () => noteSightings(desk, service.name, await probeAll(desk, service, [host]))),
    ),
  )
    .then(() => undefined)
    .finally(() => running.delete(service.name))
  running.set(service.name, run)
  return run
}

function probingOf(desk: Desk): Probing {
  const known = probings.get(desk)
  if (known !== undefined) return known
  const fresh: Probing = { limit: pLimit(AT_ONCE), running: new Map() }
  probings.set(desk, fresh)
  return fresh
}

/** The fleet, or the hosts of one service, as probes and releases have last seen it; nobody is asked. Fault `release.unknown-service`. */
export async function fleet(desk: Desk, service?: string): Promise<HostView[]> {
  const services = service === undefined ? desk.services : [needService(desk, service)]
  const rows = await desk.store.find(COLLECTION, { where: service === undefined ? {} : { service } })
  const sightings = new Map(rows.map((row) => [row.id, sightingSchema.parse(row.document)]))
  const touches = await newestTouches(desk, services)
  return desk.hosts.flatMap((host): HostView[] => {
    const here = services.filter((each) => selects(each.hosts, host))
    if (service !== undefined && here.length === 0) return []
    const views = here.map(({ name }) =>
      merge(name, sightings.get(`${host.id}/${name}`), touches.get(`${host.id}/${name}`)),
    )
    return [{ id: host.id, ip: host.ip, region: host.region, labels: host.labels, services: views }]
  })
}

interface Touch {
  release: Release
  progress: HostProgress
  /** ISO; the moment that the progress speaks of. */
  at: string
}

/** By host and service: the newest release that names the host and, unless it is under way, has changed something there. */
async function newestTouches(desk: Desk, services: Service[]): Promise<Map<string, Touch>> {
  const touches = new Map<string, Touch>()
  const missing = new Set(
    services.flatMap(({ name, hosts }) =>
      desk.hosts.filter((host) => selects(hosts, host)).map((host) => `${host.id}/${name}`),
    ),
  )
  const now = desk.clock().toISOString()
  let read = 0
  for await (const release of newestReleases(desk, services.length === 1 ? { service: services[0]?.name } : {})) {
    for (const [host, progress] of Object.entries(release.hosts)) {
      const key = `${host}/${release.service}`
      if (!missing.has(key) || release.startedAt === undefined) continue
      if (isOver(release.state) && progress.at === 'pending') continue
      touches.set(key, { release, progress, at: momentOf(release, progress, now) })
      missing.delete(key)
    }
    if (missing.size === 0 || ++read >= RELEASES_READ) break
  }
  return touches
}

/** A release under way knows its hosts better than any probe before, except those that it has finished or not begun. */
function momentOf(release: Release, progress: HostProgress, now: string): string {
  if (progress.at === 'healthy') return progress.deployedAt ?? release.startedAt ?? release.createdAt
  if (progress.at === 'pending') return release.createdAt
  return isOver(release.state) ? (release.endedAt ?? release.createdAt) : now
}

function merge(service: string, seen: Sighting | undefined, touch: Touch | undefined): HostView['services'][number] {
  const changing = touch !== undefined && ['deploying', 'rolling back'].includes(touch.progress.at)
  const running = changing && !isOver(touch.release.state) ? { release: touch.release.id } : {}
  if (touch !== undefined && (seen === undefined || touch.at > seen.seenAt)) {
    const { progress, at } = touch
    const version = progress.version === undefined ? seen?.version : progress.version
    const why = progress.why === undefined ? {} : { why: progress.why }
    return { service, version, state: stateOf(progress), ...why, seenAt: at, ...running }
  }
  if (seen === undefined) return { service, state: 'unknown', ...running }
  const why = seen.why === undefined ? {} : { why: seen.why }
  return { service, version: seen.version, state: seen.state, ...why, seenAt: seen.seenAt, ...running }
}

function stateOf({ at, version }: HostProgress): string {
  if (at === 'healthy') return 'running'
  if (at === 'rolled back') return version === null ? 'absent' : 'running'
  return at === 'pending' ? 'unknown' : at
}
