import { describe, expect, it } from 'vitest'
import type { SurfacesView } from '../../src/ports/console.ts'
import { ASK_EVERY_MS, troubled } from '../../src/web/shell/surfaces.ts'

const now = Date.parse('2026-01-31T21:05:00Z')
const surface = (part: Partial<SurfacesView['surfaces'][number]>) => ({
  ...{ surface: 'slack' as const, at: 'up' as const, since: '2026-01-31T21:04:00Z', waiting: 0, refused: { count: 0 } },
  ...part,
})
const names = (view: SurfacesView | undefined, at = now) => troubled(view, at).map(({ surface }) => surface)

describe('the banner about chat services', () => {
  it('names those that are down, at once', () => {
    const since = new Date(now).toISOString()
    const view = { known: true, surfaces: [surface({ at: 'down', since }), surface({ surface: 'wecom' })] }
    expect(names(view)).toEqual(['slack'])
  })

  it('names one that connects only when that takes long, and still within a minute of the outage', () => {
    const begun = now - 5000
    const view = { known: true, surfaces: [surface({ at: 'connecting', since: new Date(begun).toISOString() })] }
    expect(names(view)).toEqual([])
    const shown = [...Array(60).keys()].map((second) => begun + second * 1000).find((at) => names(view, at).length > 0)
    expect((shown ?? Number.POSITIVE_INFINITY) - begun + ASK_EVERY_MS).toBeLessThan(60_000)
  })

  it('is silent about what works, here or in another process, and about what nobody knows', () => {
    expect(names({ known: true, surfaces: [surface({}), surface({ surface: 'wecom', at: 'standby' })] })).toEqual([])
    expect(names({ known: false, surfaces: [] })).toEqual([])
    expect(names(undefined)).toEqual([])
  })
})
