import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { WindowView } from '../../src/ports/console.ts'
import { gateOption, LINES_PER_GROUP, tooltipText, top, type Words } from '../../src/web/charts/gate-option.ts'
import { lookOf } from '../../src/web/charts/look.ts'
import {
  byHost,
  deployMarks,
  type HostSeries,
  type MetricWindow,
  median,
  medianLine,
  type Point,
  pickLines,
  summarize,
} from '../../src/web/charts/stats.ts'
import { formatChange, formatValue } from '../../src/web/charts/units.ts'

const words: Words = {
  upgraded: 'upgraded hosts',
  waiting: 'waiting hosts',
  warn: 'warns',
  fail: 'fails',
  deployed: 'deployed',
  before: 'before',
  after: 'after',
  difference: 'apart',
  cores: 'cores',
  description: 'Error rate during batch 2',
}

const window: Pick<WindowView, 'before' | 'after'> = {
  before: { from: 1000, to: 1300 },
  after: { from: 1400, to: 1700 },
}

/** A host that measures `before`, and `after` from 1400 on, every 15 s. */
function host(
  name: string,
  group: HostSeries['group'],
  before: number,
  after: number,
  deployedAt?: number,
): HostSeries {
  const points: Point[] = []
  for (let at = 1000; at <= 1700; at += 15) points.push([at, at < 1400 ? before : after])
  return { host: name, group, deployedAt, points }
}

function metric(hosts: HostSeries[], change: Partial<MetricWindow> = {}): MetricWindow {
  return {
    key: 'error_rate',
    name: 'Error rate',
    unit: 'ratio',
    query: 'up',
    verdict: 'fail',
    why: '',
    limits: { warn: 0.005, fail: 0.01 },
    hosts,
    ...change,
  }
}

const hosts = [
  host('web-1', 'upgraded', 0.002, 0.04, 1350),
  host('web-2', 'upgraded', 0.004, 0.06, 1360),
  host('web-3', 'waiting', 0.003, 0.003),
]

type Line = { id: string; name: string; data: [number, number | null][]; markLine?: unknown; markArea?: unknown }
function lines(option: ReturnType<typeof gateOption>): Line[] {
  return option.series as unknown as Line[]
}
function frame(option: ReturnType<typeof gateOption>) {
  return lines(option).find(({ id }) => id === 'frame') as unknown as {
    markLine: {
      precision: number
      data: { xAxis?: number; yAxis?: number; label: { show: boolean; formatter: string } }[]
    }
    markArea: { data: { xAxis: number; name?: string }[][] }
  }
}

describe('a value in words', () => {
  test.each([
    ['ratio', 0.0412, '4.12 %'],
    ['ratio', 0, '0 %'],
    ['seconds', 0.412, '412 ms'],
    ['seconds', 0.9996, '1 s'],
    ['seconds', 0.0000042, '4.2 µs'],
    ['bytes', 1_500_000_000, '1.5 GB'],
    ['cores', 0.4231, '0.423 cores'],
    ['per_second', 84.34, '84.3 /s'],
  ] as const)('has three digits and a unit: %s %d is %s', (unit, value, text) => {
    expect(formatValue(unit, value)).toBe(text)
  })

  test('is a dash when there is none', () => {
    expect(formatValue('ratio', undefined)).toBe('–')
    expect(formatValue('bytes', Number.NaN)).toBe('–')
  })

  test('of a difference has its sign', () => {
    expect(formatChange('seconds', -0.008)).toBe('−8 ms')
    expect(formatChange('ratio', 0.0362)).toBe('+3.62 %')
    expect(formatChange('ratio', 0)).toBe('±0 %')
  })
})

describe('the median', () => {
  test('lies between half of the values and the other half, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
        const middle = median(values) as number
        const below = values.filter((value) => value <= middle).length
        const above = values.filter((value) => value >= middle).length
        expect(below * 2).toBeGreaterThanOrEqual(values.length)
        expect(above * 2).toBeGreaterThanOrEqual(values.length)
      }),
    )
  })

  test('of none is none', () => {
    expect(median([])).toBeUndefined()
  })

  test('line joins hosts that are measured some seconds apart', () => {
    const late: HostSeries = {
      ...host('b', 'upgraded', 3, 3),
      points: host('b', 'upgraded', 3, 3).points.map(([at, v]) => [at + 4, v]),
    }
    const line = medianLine([host('a', 'upgraded', 1, 1), late])
    expect(new Set(line.map(([, value]) => value))).toEqual(new Set([2]))
  })

  test('line leaves out the moments of which fewer than half of the hosts know', () => {
    const lone: HostSeries = {
      host: 'c',
      group: 'waiting',
      points: [
        [1000, 9],
        [1015, 9],
        [1900, 9],
      ],
    }
    const line = medianLine([host('a', 'waiting', 1, 1), host('b', 'waiting', 1, 1), lone], 15)
    expect(line.at(-1)?.[0]).toBeLessThan(1800)
  })

  test('line skips what is no number', () => {
    const broken = {
      ...host('a', 'waiting', 1, 1),
      points: [
        [1000, null],
        [1015, 2],
      ] as unknown as Point[],
    }
    expect(medianLine([broken], 15)).toEqual([[1020, 2]])
  })
})

describe('the figures beside the chart', () => {
  test('compare each group before and after', () => {
    const [upgraded, waiting] = summarize(metric(hosts), window)
    expect(upgraded).toMatchObject({ hosts: 2, before: 0.003, after: 0.05 })
    expect(upgraded?.change).toBeCloseTo(0.047)
    expect(waiting).toMatchObject({ hosts: 1, before: 0.003, after: 0.003, change: 0 })
  })

  test('say nothing of a group without hosts', () => {
    const [, waiting] = summarize(metric(hosts.slice(0, 2)), window)
    expect(waiting).toEqual({ group: 'waiting', hosts: 0, before: undefined, after: undefined, change: undefined })
  })

  test('name the highest host first, and those without values last', () => {
    const silent: HostSeries = { host: 'web-9', group: 'upgraded', points: [] }
    expect(byHost(metric([silent, ...hosts]), window).map((each) => each.host)).toEqual([
      'web-2',
      'web-1',
      'web-3',
      'web-9',
    ])
  })
})

describe('the lines of single hosts', () => {
  const many = Array.from({ length: 120 }, (_, i) => host(`web-${i}`, 'upgraded', 1, i))

  test('are capped, each host once, the highest among them', () => {
    const drawn = pickLines(many, window.after, 24).map((each) => each.host)
    expect(drawn).toHaveLength(24)
    expect(new Set(drawn).size).toBe(24)
    expect(drawn).toEqual(expect.arrayContaining(['web-119', 'web-118', 'web-112']))
    // And not only those.
    expect(drawn.some((name) => Number(name.slice(4)) < 40)).toBe(true)
  })

  test('are all drawn when they are few', () => {
    expect(pickLines(hosts, window.after, 24)).toEqual(hosts)
  })

  test('of a fleet are at most the cap per group on the chart', () => {
    const option = gateOption(
      metric([...many, ...many.map((each) => ({ ...each, group: 'waiting' as const }))]),
      window,
      lookOf(false),
      words,
    )
    expect(lines(option).filter(({ id }) => id.startsWith('host '))).toHaveLength(2 * LINES_PER_GROUP)
  })
})

describe('the deploy marks', () => {
  test('count hosts that came close together', () => {
    const at = (seconds: number) => host('x', 'upgraded', 1, 1, seconds)
    expect(deployMarks([at(1350), at(1300), at(1310), at(1315)], 20)).toEqual([
      { at: 1300, count: 3 },
      { at: 1350, count: 1 },
    ])
  })

  test('say once what they are, for all hosts', () => {
    const marks = frame(gateOption(metric(hosts), window, lookOf(false), words)).markLine.data.filter(
      (mark) => mark.xAxis !== undefined,
    )
    expect(marks.map((mark) => mark.label.formatter)).toContain('deployed ×2')
    expect(marks.filter((mark) => mark.label.show)).toHaveLength(1)
  })
})

describe('the chart', () => {
  const option = gateOption(metric(hosts), window, lookOf(false), words)

  test('draws a median per group in its own colour over the hosts, in milliseconds', () => {
    const medians = lines(option).filter(({ id }) => id.startsWith('median '))
    expect(medians.map(({ name }) => name)).toEqual(['upgraded hosts', 'waiting hosts'])
    expect(medians[0]?.data.at(-1)).toEqual([1695_000, 0.05])
    expect(lookOf(false).upgraded).not.toBe(lookOf(false).waiting)
  })

  test('draws the limits where they are, not rounded', () => {
    const { precision, data } = frame(option).markLine
    expect(data.filter((mark) => mark.yAxis !== undefined).map((mark) => mark.yAxis)).toEqual([0.005, 0.01])
    expect(precision).toBeGreaterThanOrEqual(6)
    expect(data.map((mark) => mark.label.formatter)).toEqual(expect.arrayContaining(['warns 0.5 %', 'fails 1 %']))
  })

  test('shades the two periods that were compared', () => {
    const areas = frame(option).markArea.data.map(([from, to]) => [from?.name, from?.xAxis, to?.xAxis])
    expect(areas).toEqual([
      ['before', 1000_000, 1300_000],
      ['after', 1400_000, 1700_000],
    ])
  })

  test('draws no line through a time without values', () => {
    const gap: HostSeries = {
      host: 'web-1',
      group: 'upgraded',
      points: [
        [1000, 1],
        [1015, 1],
        [1030, 1],
        [1400, 2],
        [1415, 2],
      ],
    }
    const drawn = lines(gateOption(metric([gap]), window, lookOf(false), words)).find(({ id }) => id === 'host web-1')
    expect(drawn?.data.map(([, value]) => value)).toEqual([1, 1, 1, null, 2, 2])
  })

  test('has no group in its legend that has no hosts', () => {
    const only = gateOption(metric(hosts.slice(0, 2)), window, lookOf(true), words)
    expect((only.legend as { data: string[] }).data).toEqual(['upgraded hosts'])
  })

  test('writes its tooltip without HTML and says in words what it shows', () => {
    expect(option.tooltip).toMatchObject({ renderMode: 'richText' })
    expect(option.aria).toMatchObject({ label: { description: words.description } })
  })

  test('reaches a limit that is near, and only names one that would flatten the values', () => {
    expect(top(metric(hosts))).toBeGreaterThan(0.06)
    expect(top(metric(hosts, { limits: { fail: 0.1 } }))).toBeGreaterThan(0.1)
    expect(top(metric(hosts, { limits: { fail: 5 } }))).toBeLessThan(0.1)
    expect(top(metric([], { limits: {} }))).toBe(1)
  })
})

describe('the tooltip', () => {
  const groups = [
    { group: 'upgraded' as const, line: [[1000, 0.05]] as Point[] },
    { group: 'waiting' as const, line: [[1000, 0.01]] as Point[] },
  ]
  const at = (seconds: number, of = groups) => tooltipText(of, seconds, 15, 'ratio', words, (group) => `<${group}> `)

  test('says both medians and how far they are apart', () => {
    expect(at(1004).split('\n').slice(1)).toEqual([
      '<upgraded> upgraded hosts: 5 %',
      '<waiting> waiting hosts: 1 %',
      'apart: +4 %',
    ])
  })

  test('compares nothing when one group has no value there', () => {
    expect(at(1004, groups.slice(1)).split('\n').slice(1)).toEqual(['<waiting> waiting hosts: 1 %'])
    expect(at(1100).split('\n')).toHaveLength(1)
  })
})
