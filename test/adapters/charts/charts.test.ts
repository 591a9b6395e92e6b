import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bound, MOST } from '../../../src/adapters/charts/bound.ts'
import { createCharts } from '../../../src/adapters/charts/index.ts'
import { SCALE, WIDTH } from '../../../src/adapters/charts/layout.ts'
import { cjkFont, toSvg } from '../../../src/adapters/charts/paint.ts'
import { createPainter } from '../../../src/adapters/charts/painter.ts'
import type { ChartSpec } from '../../../src/ports/pictures.ts'
import { chart, END, line, START } from './kit.ts'

const charts = createCharts()

function sizeOf(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  return { width: view.getUint32(16), height: view.getUint32(20) }
}
const svgOf = (spec: ChartSpec) => toSvg(bound(spec), 'en').svg
/** Every text that the picture shows, unescaped. */
function textsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([\s\S]*?)<\/text>/g)].map(([, inside = '']) =>
    inside
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&amp;', '&'),
  )
}
const strokes = (svg: string) => [...svg.matchAll(/stroke="([^"]+)"/g)].map(([, color]) => color)

describe('a chart', () => {
  test('is a PNG of the size that it says, and the same bytes every time', async () => {
    const { png, width, height } = await charts.draw(chart())
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
    expect(sizeOf(png)).toEqual({ width, height })
    expect(width).toBe(WIDTH * SCALE)
    expect(png.byteLength).toBeLessThan(150_000)
    expect(Buffer.from((await charts.draw(chart())).png).equals(Buffer.from(png))).toBe(true)
    const other = await charts.draw(chart({ title: 'Another' }))
    expect(Buffer.from(other.png).equals(Buffer.from(png))).toBe(false)
  })

  test('draws upgraded hosts in blue over all others, which are grey', () => {
    const svg = svgOf(chart())
    const drawn = strokes(svg)
    expect(drawn).toContain('#1d4ed8')
    expect(drawn).toContain('#94a3b8')
    // The legend is drawn in another order: the lines are the thick ones of each colour.
    const lines = [...svg.matchAll(/<path d="([^"]*)"[^>]*stroke="(#1d4ed8|#94a3b8)"/g)].filter(
      ([, d = '']) => d.length > 200,
    )
    expect(lines.map(([, , color]) => color)).toEqual(['#94a3b8', '#1d4ed8'])
  })

  test('names few lines and counts many by group', () => {
    expect(textsOf(svgOf(chart()))).toEqual(expect.arrayContaining(['upgraded:', 'bj-1', 'not upgraded:', 'sh-1']))
    const many = [
      ...Array.from({ length: 3 }, (_, n) => line(`bj-${n}`, 'upgraded')),
      ...Array.from({ length: 17 }, (_, n) => line(`sh-${n}`, 'waiting')),
    ]
    const texts = textsOf(svgOf(chart({ series: many })))
    expect(texts).toEqual(expect.arrayContaining(['upgraded (3)', 'not upgraded (17)']))
    expect(texts.filter((text) => /^(bj|sh)-/.test(text))).toEqual([])
  })

  test('draws lines strongly where there is nothing to compare them with', () => {
    const svg = svgOf(chart({ series: [line('mysql', 'other')] }))
    expect(strokes(svg)).toContain('#1e40af')
    expect(strokes(svg)).not.toContain('#9db4c9')
    expect(textsOf(svg)).toContain('mysql')
    expect(textsOf(svg)).not.toContain('others:')
  })

  test('says its title, its unit, the time in UTC, the moments and the limits', () => {
    const texts = textsOf(svgOf(chart()))
    expect(texts).toEqual(
      expect.arrayContaining([
        'Errors',
        '0 %',
        '12 %',
        '17:45',
        '2025-11-21 UTC',
        'v1.2.0',
        'HighErrorRate',
        'limit 1 %',
      ]),
    )
  })

  test('names a limit that is far above without pressing the lines to the ground', () => {
    const texts = textsOf(svgOf(chart({ limits: [{ value: 9, label: 'fail' }] })))
    expect(texts).toContain('↑ fail 900 %')
    expect(texts).toContain('12 %')
  })

  test('speaks Chinese where it is asked to and a font for it is there', () => {
    const { svg } = toSvg(bound(chart()), 'zh')
    expect(textsOf(svg)).toContain(cjkFont() === undefined ? 'upgraded:' : '已升级:')
  })

  test.each<[string, Partial<ChartSpec>]>([
    ['no line', { series: [] }],
    ['a line without points', { series: [line('bj-1', 'upgraded', () => Number.NaN)] }],
    [
      'values that are no numbers among others',
      { series: [line('bj-1', 'upgraded', (n) => (n % 3 === 0 ? Number.NaN : n))] },
    ],
    ['infinite values', { series: [line('bj-1', 'upgraded', () => Number.POSITIVE_INFINITY)] }],
    ['zeros only', { series: [line('bj-1', 'upgraded', () => 0)] }],
    ['negative values', { series: [line('bj-1', 'upgraded', (n) => -n)], unit: 'count' }],
    ['one point', { series: [{ name: 'bj-1', group: 'upgraded', points: [[START + 60, 3]] }] }],
    ['no span of time', { from: START, to: START }],
    ['a span that runs backwards', { from: END, to: START }],
    ['a limit that is no number', { limits: [{ value: Number.NaN, label: 'fail' }] }],
    ['huge values', { series: [line('bj-1', 'upgraded', (n) => n * 1e300)] }],
  ])('of %s is drawn all the same', async (_, change) => {
    const spec = chart(change)
    expect(textsOf(svgOf(spec)).join(' ')).not.toMatch(/NaN|Infinity|undefined/)
    expect(sizeOf((await charts.draw(spec)).png).width).toBe(WIDTH * SCALE)
  })

  test('says that there is no data', () => {
    expect(textsOf(svgOf(chart({ series: [] })))).toContain('no data in this time')
  })

  test('shows names from outside as text and nothing else', async () => {
    const hostile = [
      '</text></svg><script>alert(1)</script>',
      '<image href="file:///etc/passwd"/>',
      '"><style>*{fill:red}</style>',
      '&lt;b&gt; &#x3c;script> ]]> <!-- <![CDATA[',
      '{a|rich} {b} {value} %s',
      'url(#a) javascript:x',
    ]
    for (const name of hostile) {
      const spec = chart({
        title: name,
        series: [{ ...line('bj-1', 'upgraded'), name }],
        moments: [{ at: END - 60, label: name, kind: 'alert' }],
        limits: [{ value: 0.01, label: name }],
      })
      const svg = svgOf(spec)
      expect(textsOf(svg).some((text) => text.startsWith(name.slice(0, 12)))).toBe(true)
      const tags = [...svg.matchAll(/<(\w+)/g)].map(([, tag = '']) => tag)
      expect(tags.filter((tag) => !/^(svg|g|path|text|rect|defs|clipPath|style)$/.test(tag))).toEqual([])
      expect(tags.filter((tag) => tag === 'style' || tag === 'svg').sort()).toEqual(['style', 'svg'])
      expect(svg).not.toMatch(/<[^>]* (href|on\w+)=|<!--/)
      await charts.draw(spec)
    }
  })

  test('leaves out characters that steer a line of text, and cuts what is long', () => {
    const svg = svgOf(chart({ title: `a\u202eb\u0000c\u2066d\n\te\u200f ${'x'.repeat(5000)}` }))
    const title = textsOf(svg).find((text) => text.startsWith('a')) ?? ''
    expect(title).toMatch(/^a b c d e x+…$/)
    expect(title.length).toBeLessThan(80)
    expect(svg).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
  })

  test('of any texts and numbers gives a well-formed picture', () => {
    const text = fc.string({ unit: 'binary', maxLength: 80 })
    const number = fc.double()
    const spec = fc.record<ChartSpec>({
      title: text,
      unit: fc.constantFrom('cores', 'bytes', 'ratio', 'seconds', 'per_second', 'count'),
      from: fc.integer({ min: 0, max: 2_000_000_000 }),
      to: fc.integer({ min: 0, max: 2_000_000_000 }),
      series: fc.array(
        fc.record({
          name: text,
          group: fc.constantFrom('upgraded' as const, 'waiting' as const, 'other' as const),
          points: fc.array(fc.tuple(fc.integer({ min: 0, max: 2_000_000_000 }), number), { maxLength: 8 }),
        }),
        { maxLength: 4 },
      ),
      moments: fc.array(
        fc.record({
          at: number,
          label: text,
          kind: fc.constantFrom('deploy' as const, 'alert' as const, 'other' as const),
        }),
        { maxLength: 4 },
      ),
      limits: fc.array(fc.record({ value: number, label: text }), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(spec, (each) => {
        const svg = svgOf(each)
        expect(svg).toMatch(/^<svg[\s\S]*<\/svg>$/)
        expect(svg).not.toMatch(/ (d|x|y|transform|width|height)="[^"]*(NaN|Infinity|undefined)/)
      }),
      { numRuns: 60 },
    )
  })

  test('is bounded however much it is asked to draw', async () => {
    const much = Array.from({ length: 200 }, (_, n) =>
      line(`host-${n}`, n < 150 ? 'waiting' : 'upgraded', undefined, 2000),
    )
    const moments = Array.from({ length: 500 }, (_, n) => ({ at: START + n, label: `m ${n}`, kind: 'other' as const }))
    const spec = bound(chart({ series: much, moments, limits: [] }))
    expect(spec.series).toHaveLength(MOST.series)
    expect(spec.series.filter(({ group }) => group === 'upgraded')).toHaveLength(50)
    expect(Math.max(...spec.series.map(({ points }) => points.length))).toBeLessThanOrEqual(MOST.points)
    expect(spec.moments).toHaveLength(MOST.moments)
    const { png } = await charts.draw(chart({ series: much, moments }))
    expect(png.byteLength).toBeLessThan(400_000)
  })
})

describe('the painter', () => {
  test('leaves the event loop to others while it paints', async () => {
    const heavy = chart({ series: Array.from({ length: 60 }, (_, n) => line(`h${n}`, 'waiting', undefined, 500)) })
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    await Promise.all([charts.draw(heavy), charts.draw(heavy), charts.draw(heavy)])
    clearInterval(timer)
    expect(turns).toBeGreaterThan(20)
  })

  test('of which the thread breaks says so, and the next picture is drawn by another', async () => {
    const broken = new URL('data:text/javascript,throw new Error("out of memory")')
    const starts = [
      () => new Worker(broken),
      () => new Worker(new URL('../../../src/adapters/charts/worker.ts', import.meta.url)),
    ]
    const painter = createPainter(() => (starts.shift() ?? (() => new Worker(broken)))())
    const mine = createCharts({ painter })
    await expect(mine.draw(chart())).rejects.toMatchObject({ code: 'picture.not-drawn' })
    expect((await mine.draw(chart())).png.byteLength).toBeGreaterThan(1000)
  })
})
