import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostView } from '../../src/ports/console.ts'
import { fillOf, VERSION_COLORS } from '../../src/web/views/fleet/colors.ts'
import {
  answered,
  COLORS,
  choices,
  type FleetFilter,
  filterTiles,
  groupTiles,
  LETTERS,
  lastHeard,
  MARKS,
  markOf,
  readFilter,
  step,
  tilesOf,
  versionColors,
  writeFilter,
} from '../../src/web/views/fleet/map.ts'

type Entry = HostView['services'][number]
const entry = (change: Partial<Entry> = {}): Entry => ({
  service: 'user-service',
  version: '1.0.0',
  state: 'running',
  seenAt: '2026-01-02T08:00:00.000Z',
  ...change,
})
const host = (id: string, region: string, ...services: Entry[]): HostView => ({
  id,
  ip: `10.0.0.${id.split('-').at(-1)}`,
  region,
  labels: { rack: 'r7' },
  services,
})
const fleet = [
  host('web-10', 'eu', entry()),
  host('web-2', 'eu', entry({ version: '1.1.0', release: 'rel-1' })),
  host('web-3', 'us', entry({ version: '1.1.0' }), entry({ service: 'billing', version: null, state: 'absent' })),
  host('web-4', 'us', entry({ state: 'unreachable', why: 'connect ETIMEDOUT', seenAt: '2026-01-01T00:00:00.000Z' })),
  host('web-5', 'us', entry({ version: undefined, state: 'unknown', seenAt: undefined })),
]

describe('the mark of a tile', () => {
  test.each([
    ['running', entry()],
    ['changing', entry({ release: 'rel-1', state: 'stopped' })],
    ['stopped', entry({ state: 'stopped' })],
    ['unhealthy', entry({ state: 'unhealthy' })],
    ['unreachable', entry({ state: 'unreachable', version: undefined, seenAt: undefined })],
    ['absent', entry({ version: null, state: 'absent' })],
    ['unknown', entry({ version: undefined, state: 'unknown', seenAt: undefined })],
    ['unhealthy', entry({ state: 'something new' })],
  ] as const)('is %s', (mark, given) => {
    expect(markOf(given)).toBe(mark)
  })

  test('has a letter of its own, so that it does not hang on colour', () => {
    expect(new Set(MARKS.map((mark) => LETTERS[mark])).size).toBe(MARKS.length)
  })
})

describe('the map', () => {
  const tiles = tilesOf(fleet)

  test('groups by service and region, hosts in the order of their numbers', () => {
    const groups = groupTiles(tiles)
    expect(groups.map((group) => [group.service, group.count])).toEqual([
      ['billing', 1],
      ['user-service', 5],
    ])
    expect(groups[1]?.regions.map(({ region, tiles: there }) => [region, there.map((tile) => tile.host)])).toEqual([
      ['eu', ['web-2', 'web-10']],
      ['us', ['web-3', 'web-4', 'web-5']],
    ])
  })

  test('counts versions, the newest first, and hosts without one last', () => {
    const counts = groupTiles(tiles)[1]?.versions.map(({ version, count }) => [version, count])
    expect(counts).toEqual([
      ['1.1.0', 2],
      ['1.0.0', 2],
      [undefined, 1],
    ])
  })

  test('counts what is unusual, and tells since when the longest unseen host is', () => {
    const group = groupTiles(tiles)[1]
    expect(group?.trouble).toEqual([
      { mark: 'changing', count: 1 },
      { mark: 'unreachable', count: 1 },
      { mark: 'unknown', count: 1 },
    ])
    expect(group?.oldest).toBe('2026-01-01T00:00:00.000Z')
  })

  test('keeps the colours when it is filtered', () => {
    const all = groupTiles(tiles)[1]
    const some = groupTiles(filterTiles(tiles, { version: '1.0.0' }), tiles)[0]
    const color = (group: typeof all) => group?.versions.find(({ version }) => version === '1.0.0')?.color
    expect(color(some)).toBe(color(all))
  })

  test('loses no host: the tiles of the groups are the tiles', () => {
    const regrouped = groupTiles(tiles).flatMap((group) => group.regions.flatMap((region) => region.tiles))
    expect(regrouped).toEqual(tiles)
  })
})

describe('colours of versions', () => {
  test('differ as long as there are enough of them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: COLORS }), (versions) => {
        const colors = versionColors(versions)
        expect(new Set(colors.values()).size).toBe(versions.length)
      }),
    )
  })

  test('are the same whatever order the hosts come in', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (versions) => {
        expect(versionColors([...versions].reverse())).toEqual(versionColors(versions))
      }),
    )
  })

  test('exist for any number of versions', () => {
    const colors = versionColors(Array.from({ length: 40 }, (_, i) => `1.${i}.0`))
    expect([...colors.values()].every((color) => color >= 0 && color < COLORS)).toBe(true)
  })

  test('are as many as the palettes hold, and none for no version', () => {
    expect(VERSION_COLORS.light).toHaveLength(COLORS)
    expect(VERSION_COLORS.dark).toHaveLength(COLORS)
    expect(versionColors([null, undefined]).size).toBe(0)
    expect(VERSION_COLORS.light).not.toContain(fillOf('light', undefined))
  })

  test.each(['light', 'dark'] as const)('let the letter on a tile be read in %s (4.5 : 1)', (mode) => {
    const style = readFileSync(join(import.meta.dirname, '../../src/web/views/fleet/fleet.css'), 'utf8')
    const selector = mode === 'dark' ? ':root[data-theme="dark"] .fleet-tile {' : '\n.fleet-tile {'
    const rule = style.slice(style.indexOf(selector) + selector.length)
    const letter = /^\s*--letter: #(\w+);/.exec(rule)?.[1] ?? ''
    const whole = letter.length === 3 ? letter.replace(/./g, '$&$&') : letter
    for (const color of VERSION_COLORS[mode]) expect(contrast(color, `#${whole}`)).toBeGreaterThanOrEqual(4.5)
  })
})

describe('a host', () => {
  const at = (state: string, seenAt?: string) => ({ state, seenAt })

  test('that did not answer was asked, not heard from', () => {
    expect(answered(at('running', '2026-01-01T10:00:00Z'))).toBe(true)
    expect(answered(at('stopped', '2026-01-01T10:00:00Z'))).toBe(true)
    expect(answered(at('unreachable', '2026-01-01T10:00:00Z'))).toBe(false)
    expect(answered(at('unknown'))).toBe(false)
  })

  test('that did not answer says nothing about when the fleet was last heard from', () => {
    const hosts = [
      at('running', '2026-01-01T10:00:00Z'),
      at('stopped', '2026-01-01T10:05:00Z'),
      at('unreachable', '2026-01-01T11:00:00Z'),
    ]
    expect(lastHeard(hosts)).toBe('2026-01-01T10:05:00Z')
    expect(lastHeard([at('unreachable', '2026-01-01T11:00:00Z'), at('unknown')])).toBeUndefined()
  })
})

describe('the filter', () => {
  const tiles = tilesOf(fleet)
  test.each<[string, FleetFilter, string[]]>([
    ['a service', { service: 'billing' }, ['web-3']],
    ['a region', { region: 'eu' }, ['web-2', 'web-10']],
    ['a version', { version: '1.1.0' }, ['web-2', 'web-3']],
    ['hosts without the service', { version: 'none' }, ['web-3']],
    ['hosts never asked', { version: 'unknown' }, ['web-5']],
    ['a state', { mark: 'unreachable' }, ['web-4']],
    ['a reason', { text: 'etimedout' }, ['web-4']],
    ['an address', { text: '10.0.0.10' }, ['web-10']],
    ['a release', { text: 'REL-1' }, ['web-2']],
    ['all that is asked at once', { region: 'us', text: 'web', version: '1.1.0' }, ['web-3']],
  ])('finds %s', (_name, filter, hosts) => {
    expect(filterTiles(tiles, filter).map((tile) => tile.host)).toEqual(hosts)
  })

  test('comes back from the address as it went there', () => {
    const text = fc.option(fc.string({ minLength: 1 }), { nil: undefined })
    const filters = fc.record({
      service: text,
      region: text,
      version: text,
      mark: fc.option(fc.constantFrom(...MARKS), { nil: undefined }),
      text,
    })
    fc.assert(
      fc.property(filters, (filter) => {
        expect(readFilter(new URLSearchParams(writeFilter(filter)))).toEqual(filter)
      }),
    )
  })

  test('ignores a state that there is not', () => {
    expect(readFilter(new URLSearchParams('state=flying')).mark).toBeUndefined()
  })

  test('offers what there is', () => {
    expect(choices(tiles)).toEqual({
      services: ['billing', 'user-service'],
      regions: ['eu', 'us'],
      versions: ['unknown', 'none', '1.1.0', '1.0.0'],
      marks: ['running', 'changing', 'unreachable', 'absent', 'unknown'],
    })
  })
})

describe('arrow keys on the tiles', () => {
  test.each([
    ['ArrowRight', 3, 4],
    ['ArrowLeft', 3, 2],
    ['ArrowDown', 3, 8],
    ['ArrowUp', 7, 2],
    ['Home', 7, 0],
    ['End', 3, 11],
    ['ArrowUp', 3, 3],
    ['ArrowDown', 9, 9],
    ['ArrowRight', 11, 11],
    ['x', 3, 3],
  ])('%s goes from %d to %d', (key, from, to) => {
    expect(step(key, from, 12, 5)).toBe(to)
  })
})

/** Contrast ratio of two colours, as WCAG 2.2 defines it. */
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
