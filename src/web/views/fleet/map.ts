import type { HostView } from '../../../ports/console.ts'

/** What a tile shows beside its version. `changing`: a release is at work there; `unknown`: nobody has asked the host yet. */
export const MARKS = ['running', 'changing', 'unhealthy', 'stopped', 'unreachable', 'absent', 'unknown'] as const
export type Mark = (typeof MARKS)[number]

/** The letter on a tile, so that its state does not hang on colour alone. A running host bears none: it is the usual case. */
export const LETTERS: Record<Mark, string> = {
  running: '',
  changing: '↻',
  unhealthy: '!',
  stopped: 'S',
  unreachable: '✕',
  absent: '–',
  unknown: '?',
}

/** One service on one host. */
export interface Tile {
  host: string
  ip: string
  region: string
  labels: Record<string, string>
  service: string
  /** Null when the service is not there, undefined when nobody has asked yet. */
  version: string | null | undefined
  mark: Mark
  /** The state in the server's word. */
  state: string
  why?: string
  seenAt?: string
  release?: string
}

interface VersionCount {
  version: string | null | undefined
  count: number
  /** Index into the palette; undefined for no version, which has no colour. */
  color: number | undefined
}

export interface ServiceGroup {
  service: string
  count: number
  versions: VersionCount[]
  /** Marks other than running, with their numbers. */
  trouble: { mark: Mark; count: number }[]
  regions: { region: string; tiles: Tile[] }[]
  /** The longest time since a host was seen: the oldest `seenAt`. */
  oldest?: string
}

export interface FleetFilter {
  service?: string
  region?: string
  /** A version, `none` for hosts without the service, `unknown`. */
  version?: string
  mark?: Mark
  /** Part of a host's name, address, label, version or reason. */
  text?: string
}

const compare = new Intl.Collator('en', { numeric: true }).compare

export function markOf(entry: HostView['services'][number]): Mark {
  if (entry.release !== undefined) return 'changing'
  if (entry.seenAt === undefined && entry.version === undefined && entry.state !== 'unreachable') return 'unknown'
  if (entry.version === null) return 'absent'
  const known = MARKS.find((mark) => mark === entry.state)
  return known ?? 'unhealthy'
}

/** One tile per service and host, by service, then region, then host. */
export function tilesOf(hosts: HostView[]): Tile[] {
  return hosts
    .flatMap((host) =>
      host.services.map(
        (entry): Tile => ({
          host: host.id,
          ip: host.ip,
          region: host.region,
          labels: host.labels,
          service: entry.service,
          version: entry.version,
          mark: markOf(entry),
          state: entry.state,
          why: entry.why,
          seenAt: entry.seenAt,
          release: entry.release,
        }),
      ),
    )
    .sort((a, b) => compare(a.service, b.service) || compare(a.region, b.region) || compare(a.host, b.host))
}

/** The word of a version in a filter and an address. */
export function versionWord(version: string | null | undefined): string {
  return version === undefined ? 'unknown' : (version ?? 'none')
}

export function filterTiles(tiles: Tile[], filter: FleetFilter): Tile[] {
  const text = filter.text?.trim().toLowerCase() ?? ''
  return tiles.filter(
    (tile) =>
      (filter.service === undefined || tile.service === filter.service) &&
      (filter.region === undefined || tile.region === filter.region) &&
      (filter.version === undefined || versionWord(tile.version) === filter.version) &&
      (filter.mark === undefined || tile.mark === filter.mark) &&
      (text === '' || searchable(tile).includes(text)),
  )
}

function searchable(tile: Tile): string {
  const labels = Object.entries(tile.labels).map(([name, value]) => `${name}=${value}`)
  return [tile.host, tile.ip, tile.version ?? '', tile.why ?? '', tile.release ?? '', ...labels]
    .join('\n')
    .toLowerCase()
}

/** The tiles by service and region. Colours come from `all`, so that filtering recolours nothing. */
export function groupTiles(tiles: Tile[], all: Tile[] = tiles): ServiceGroup[] {
  return [...Map.groupBy(tiles, (tile) => tile.service)].map(([service, own]) => {
    const colors = versionColors(all.filter((tile) => tile.service === service).map((tile) => tile.version))
    return {
      service,
      count: own.length,
      versions: [...Map.groupBy(own, (tile) => tile.version)]
        .map(([version, { length }]) => ({ version, count: length, color: colors.get(version ?? '') }))
        .sort((a, b) => newestFirst(a.version, b.version)),
      trouble: MARKS.filter((mark) => mark !== 'running')
        .map((mark) => ({ mark, count: own.filter((tile) => tile.mark === mark).length }))
        .filter(({ count }) => count > 0),
      regions: [...Map.groupBy(own, (tile) => tile.region)].map(([region, there]) => ({ region, tiles: there })),
      oldest: own
        .map((tile) => tile.seenAt)
        .filter((at) => at !== undefined)
        .sort()[0],
    }
  })
}

function newestFirst(a: string | null | undefined, b: string | null | undefined): number {
  if (typeof a === 'string' && typeof b === 'string') return compare(b, a)
  return Number(typeof b === 'string') - Number(typeof a === 'string')
}

/** Colours in the palette; with more versions of one service than that, some share one. */
export const COLORS = 7

/**
 * A colour per version of a service. Each version asks for the place its name hashes to and takes the next free one, in order of
 * name: it keeps its colour when others come or go, unless one that asks for the same place comes before it.
 */
export function versionColors(versions: (string | null | undefined)[]): Map<string, number> {
  const names = [...new Set(versions.filter((version) => typeof version === 'string'))].sort()
  const colors = new Map<string, number>()
  const taken = new Set<number>()
  for (const name of names) {
    let place = hash(name) % COLORS
    while (taken.has(place) && taken.size < COLORS) place = (place + 1) % COLORS
    taken.add(place)
    colors.set(name, place)
  }
  return colors
}

/** FNV-1a, 32 bits, with a final mix: versions differ in their last letter, which alone would only shift the place by a little. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b)
  return (value ^ (value >>> 16)) >>> 0
}

/** Whether the host answered when it was last asked; `seenAt` of one that did not is when it was asked. */
export function answered({ state, seenAt }: Pick<Tile, 'state' | 'seenAt'>): boolean {
  return seenAt !== undefined && state !== 'unreachable'
}

/** When a host was last heard from: the newest answer of any; undefined when none has answered. */
export function lastHeard(tiles: Pick<Tile, 'state' | 'seenAt'>[]): string | undefined {
  return tiles
    .filter(answered)
    .map(({ seenAt }) => seenAt)
    .filter((at) => at !== undefined)
    .sort()
    .at(-1)
}

/** What may be chosen in the filters. */
export function choices(tiles: Tile[]): { services: string[]; regions: string[]; versions: string[]; marks: Mark[] } {
  const distinct = (values: string[]) => [...new Set(values)].sort(compare)
  return {
    services: distinct(tiles.map((tile) => tile.service)),
    regions: distinct(tiles.map((tile) => tile.region)),
    versions: distinct(tiles.map((tile) => versionWord(tile.version))).reverse(),
    marks: MARKS.filter((mark) => tiles.some((tile) => tile.mark === mark)),
  }
}

export function readFilter(params: URLSearchParams): FleetFilter {
  const value = (name: string) => params.get(name) || undefined
  return {
    service: value('service'),
    region: value('region'),
    version: value('version'),
    mark: MARKS.find((mark) => mark === params.get('state')),
    text: value('q'),
  }
}

/** The filter as address parameters; what is not chosen is left out. */
export function writeFilter(filter: FleetFilter): Record<string, string> {
  const { service, region, version, mark, text } = filter
  const entries = { service, region, version, state: mark, q: text }
  return Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  )
}

/** The tile reached from `index` by an arrow key, Home or End; the same one when the key means nothing. `perRow` is at least 1. */
export function step(key: string, index: number, count: number, perRow: number): number {
  const to = { ArrowRight: index + 1, ArrowLeft: index - 1, ArrowDown: index + perRow, ArrowUp: index - perRow }[key]
  if (key === 'Home') return 0
  if (key === 'End') return count - 1
  return to === undefined || to < 0 || to >= count ? index : to
}
