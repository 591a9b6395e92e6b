import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clock, timeMarks, valueAxis } from '../../../src/adapters/charts/axis.ts'
import { FONT, placeMoments, WIDTH } from '../../../src/adapters/charts/layout.ts'
import { widthOf } from '../../../src/adapters/charts/text.ts'
import { thin } from '../../../src/adapters/charts/thin.ts'
import { formatValue } from '../../../src/adapters/charts/units.ts'
import { chart, END, line, START } from './kit.ts'

const kinds = fc.constantFrom('deploy' as const, 'alert' as const, 'other' as const)
const moments = fc.array(
  fc.record({
    at: fc.integer({ min: START, max: END }),
    label: fc.string({ minLength: 1, maxLength: 30 }),
    kind: kinds,
  }),
  { maxLength: 20 },
)

describe('labels of moments', () => {
  test('never cover each other, are crossed by no other line, and stay in the picture', () => {
    fc.assert(
      fc.property(moments, (list) => {
        const placed = placeMoments({ from: START, to: END, moments: list })
        const spans = placed.flatMap(({ label, x }) => {
          if (label === undefined) return []
          const half = (widthOf(label.text) * FONT.text) / 2
          return [{ left: label.x - half, right: label.x + half, row: label.row, own: x }]
        })
        for (const [index, each] of spans.entries()) {
          expect(each.left).toBeGreaterThanOrEqual(0)
          expect(each.right).toBeLessThanOrEqual(WIDTH)
          for (const other of spans.slice(index + 1)) {
            expect(each.row === other.row && each.left < other.right && other.left < each.right).toBe(false)
          }
          for (const other of placed) {
            const reaches = other.label !== undefined && other.label.row > each.row
            expect(reaches && other.x > each.left && other.x < each.right).toBe(false)
          }
        }
      }),
    )
  })

  test('of one kind and close together become one that counts them', () => {
    const list = ['bj-1', 'bj-2', 'bj-3'].map((label, n) => ({ at: START + 900 + n, label, kind: 'deploy' as const }))
    const placed = placeMoments({ from: START, to: END, moments: list })
    expect(placed.map(({ label }) => label?.text)).toEqual(['bj-1 +2'])
  })

  test('of an alert beside a deploy leave room for both', () => {
    const list = [
      { at: START + 900, label: 'batch 1', kind: 'deploy' as const },
      { at: START + 990, label: 'batch 2', kind: 'deploy' as const },
      { at: START + 1000, label: 'alert', kind: 'alert' as const },
    ]
    const placed = placeMoments({ from: START, to: END, moments: list })
    expect(placed.map(({ label }) => label?.text).sort()).toEqual(['alert', 'batch 1', 'batch 2'])
  })

  test('outside of the time that is shown are left out', () => {
    expect(placeMoments({ from: START, to: END, moments: [{ at: END + 1, label: 'x', kind: 'alert' }] })).toEqual([])
  })
})

describe('thinning', () => {
  test('keeps the order, the bound, and the highest and lowest values', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: -1e6, max: 1e6 })), {
      minLength: 1,
      maxLength: 400,
    })
    fc.assert(
      fc.property(points, fc.integer({ min: 2, max: 60 }), (list, most) => {
        const kept = thin(list, most)
        expect(kept.length).toBeLessThanOrEqual(Math.max(most, 2))
        const values = list.map(([, value]) => value)
        expect(Math.max(...kept.map(([, value]) => value))).toBe(Math.max(...values))
        expect(Math.min(...kept.map(([, value]) => value))).toBe(Math.min(...values))
        expect(kept.map(([at]) => at)).toEqual(kept.map(([at]) => at).toSorted((a, b) => a - b))
      }),
    )
  })

  test('leaves out what is no number', () => {
    expect(
      thin(
        [
          [1, Number.NaN],
          [2, 5],
          [3, Number.POSITIVE_INFINITY],
        ],
        10,
      ),
    ).toEqual([[2, 5]])
  })
})

describe('axes', () => {
  test('begin at 0 and end at a round value above everything that is shown', () => {
    const { min, max, interval } = valueAxis(chart({ series: [line('a', 'other', () => 0.087)], limits: [] }))
    expect(min).toBe(0)
    expect(max).toBeGreaterThan(0.087)
    expect(Math.abs(max / interval - Math.round(max / interval))).toBeLessThan(1e-9)
  })

  test.each([
    [60, '17:30:10'],
    [1800, '17:35'],
    [86_400, '20:00'],
    [10 * 86_400, '11-22 00:00'],
  ])('over %i s have at most seven marks such as %s', (seconds, mark) => {
    const span = { from: START, to: START + seconds }
    const marks = timeMarks(span)
    expect(marks.length).toBeGreaterThan(2)
    expect(marks.length).toBeLessThanOrEqual(7)
    expect(marks.map((at) => clock(at, span))).toContain(mark)
  })

  test.each([
    ['ratio', 0.0812, '8.12 %'],
    ['seconds', 0.412, '412 ms'],
    ['seconds', 0.9996, '1 s'],
    ['seconds', 2.5e-7, '0.25 µs'],
    ['seconds', 0, '0'],
    ['bytes', 1.5e9, '1.5 GB'],
    ['bytes', 0.5, '0.5 B'],
    ['cores', 0.42, '0.42 cores'],
    ['per_second', 12, '12 /s'],
    ['per_second', 12_500, '12.5 k /s'],
    ['count', 0.5, '0.5'],
    ['count', -3e6, '-3 M'],
    ['count', Number.NaN, '–'],
  ] as const)('write %s %d as %s', (unit, value, text) => {
    expect(formatValue(unit, value)).toBe(text)
  })
})
