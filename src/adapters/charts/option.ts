import type { LineSeriesOption } from 'echarts/charts'
import type { GraphicComponentOption, GridComponentOption } from 'echarts/components'
import type { ComposeOption } from 'echarts/core'
import type { ChartSpec } from '../../ports/pictures.ts'
import { clock, timeMarks, type ValueAxis, valueAxis } from './axis.ts'
import {
  FONT,
  LEFT,
  type LegendEntry,
  type Moment,
  PADDING,
  PLOT_HEIGHT,
  placeLegend,
  placeMoments,
  placeOf,
  RIGHT,
  ROW_HEIGHT,
  WIDTH,
} from './layout.ts'
import { cutTo, widthOf } from './text.ts'
import { stepOf } from './thin.ts'
import { formatValue } from './units.ts'

export type Option = ComposeOption<LineSeriesOption | GridComponentOption | GraphicComponentOption>
type Group = ChartSpec['series'][number]['group']
type Element = NonNullable<Extract<GraphicComponentOption, { elements?: unknown[] }>['elements']>[number]

export interface Words {
  upgraded: string
  waiting: string
  other: string
  nothing: string
  cores: string
}
export const WORDS: Record<'en' | 'zh', Words> = {
  en: {
    upgraded: 'upgraded',
    waiting: 'not upgraded',
    other: 'others',
    nothing: 'no data in this time',
    cores: 'cores',
  },
  zh: { upgraded: '已升级', waiting: '未升级', other: '其他', nothing: '这段时间没有数据', cores: '核' },
}

/** Own names are drawn for that many lines at most; more are counted by group. */
const NAMED = 8
/** A picture lies on white and on dark: it brings its own ground. */
const GROUND = '#ffffff'
const INK = '#111827'
const MUTED = '#566072'
const GRID = '#e8ebf0'
const AXIS = '#9aa3b2'
const LIMIT = '#b45309'
const MOMENTS: Record<Moment['kind'], string> = { alert: '#c81e1e', deploy: '#6d28d9', other: '#475569' }
/** One strong family for what was changed; what it is compared with steps back. The first of each stands for its group. */
const SHADES: Record<Group, string[]> = {
  upgraded: ['#1d4ed8', '#0284c7', '#4338ca', '#0e7490', '#3b82f6', '#1e3a8a', '#0891b2', '#6366f1'],
  waiting: ['#94a3b8', '#a8a29e', '#7c8aa0', '#b6bfcc', '#8d8781', '#9fb0c6', '#c0b8ae', '#6f7c90'],
  other: ['#9db4c9', '#a3b8a8', '#8aa0b4', '#b9c7d4', '#90a799', '#adbfd6', '#bfcfc4', '#7d92a6'],
}
/** Where nothing is compared, nothing has to step back. */
const ALONE = ['#1e40af', '#0f766e', '#9a3412', '#6b21a8', '#0369a1', '#4d7c0f', '#be185d', '#334155']
/** What matters is drawn last, above the rest. */
const ORDER: Group[] = ['other', 'waiting', 'upgraded']

/** How the chart is drawn, and how high it is in logical pixels. Pure. */
export function chartOption(spec: ChartSpec, font: string, words: Words): { option: Option; height: number } {
  const axis = valueAxis(spec)
  const legend = legendOf(spec, words)
  const moments = placeMoments(spec)
  const legendRows = (legend.at(-1)?.row ?? -1) + 1
  const labelRows = Math.max(0, ...moments.map(({ label }) => (label === undefined ? 0 : label.row + 1)))
  const legendTop = PADDING + FONT.title + 14
  const labelTop = legendTop + legendRows * 22 + 4
  const plotTop = labelTop + labelRows * ROW_HEIGHT + 8
  const height = plotTop + PLOT_HEIGHT + 50
  const step = stepOf(spec.series.map(({ points }) => points))
  const empty = spec.series.every(({ points }) => points.length === 0)
  return {
    height,
    option: {
      animation: false,
      backgroundColor: GROUND,
      textStyle: { fontFamily: font, color: INK },
      grid: { left: LEFT, right: RIGHT, top: plotTop, height: PLOT_HEIGHT },
      xAxis: {
        type: 'value',
        min: spec.from,
        max: spec.to,
        show: false,
      },
      yAxis: {
        type: 'value',
        ...axis,
        axisLabel: {
          color: MUTED,
          fontSize: FONT.axis,
          fontFamily: font,
          formatter: (value: number) => formatValue(spec.unit, value, words.cores),
        },
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { lineStyle: { color: GRID } },
      },
      series: linesOf(spec, step),
      graphic: {
        elements: [
          text(cutTo(spec.title, (WIDTH - 2 * PADDING) / FONT.title), PADDING, PADDING, {
            size: FONT.title,
            weight: 'bold',
            font,
          }),
          ...legend.flatMap((entry) => legendElements(entry, legendTop, font)),
          ...timeElements(spec, plotTop, font),
          ...limitElements(spec, axis, plotTop, font, words),
          ...moments.flatMap((moment) => momentElements(moment, plotTop, font)),
          ...(empty
            ? [
                text(words.nothing, (LEFT + WIDTH - RIGHT) / 2, plotTop + PLOT_HEIGHT / 2 - 8, {
                  color: MUTED,
                  align: 'center',
                  font,
                }),
              ]
            : []),
        ],
      },
    },
  }
}

function inOrder(spec: ChartSpec): ChartSpec['series'] {
  return [...spec.series].sort((a, b) => ORDER.indexOf(a.group) - ORDER.indexOf(b.group))
}

function comparesNothing({ series }: ChartSpec): boolean {
  return series.every(({ group }) => group === 'other')
}

function colorOf(group: Group, nth: number, named: boolean, alone: boolean): string {
  const shades = alone ? ALONE : SHADES[group]
  return shades[named ? nth % shades.length : 0] ?? shades[0] ?? INK
}

/** Lines with their places within their groups, which choose their shades. */
function numbered(series: ChartSpec['series']): { line: ChartSpec['series'][number]; nth: number }[] {
  const counts: Record<string, number> = {}
  return series.map((line) => {
    const nth = counts[line.group] ?? 0
    counts[line.group] = nth + 1
    return { line, nth }
  })
}

function linesOf(spec: ChartSpec, step: number): LineSeriesOption[] {
  const named = spec.series.length <= NAMED
  const alone = comparesNothing(spec)
  return numbered(inOrder(spec)).map(({ line: { group, points }, nth }): LineSeriesOption => {
    const color = colorOf(group, nth, named, alone)
    const strong = group === 'upgraded' || alone
    return {
      type: 'line',
      data: withGaps(points, step),
      // A point alone has no line: it is a dot.
      showSymbol: points.length === 1,
      symbol: 'circle',
      symbolSize: 7,
      silent: true,
      clip: true,
      z: strong ? 4 : 3,
      lineStyle: {
        color,
        width: strong ? (named ? 3 : 2) : named ? 2 : 1.25,
        opacity: strong ? (named ? 1 : 0.8) : named ? 1 : 0.6,
        join: 'round',
        type: 'solid',
      },
      itemStyle: { color },
    }
  })
}

/** A break where values are missing: no line is drawn through a time of which nothing is known. */
function withGaps(points: [number, number][], step: number): [number, number | null][] {
  return points.flatMap(([at, value], index): [number, number | null][] => {
    const before = points[index - 1]
    return before !== undefined && at - before[0] > step * 4
      ? [
          [before[0] + step / 2, null],
          [at, value],
        ]
      : [[at, value]]
  })
}

/** Per group its word and the names of its lines, or how many they are. */
function legendOf(spec: ChartSpec, words: Words): LegendEntry[] {
  const named = spec.series.length <= NAMED
  const alone = comparesNothing(spec)
  const groups = ORDER.toReversed().flatMap((group) => {
    const lines = spec.series.filter((line) => line.group === group)
    const width = group === 'upgraded' || alone ? 4 : 2.5
    if (lines.length === 0) return []
    if (!named) return [[{ text: `${words[group]} (${lines.length})`, color: colorOf(group, 0, false, alone), width }]]
    const entries = lines.map(({ name }, nth) => ({ text: name, color: colorOf(group, nth, true, alone), width }))
    return [alone ? entries : [{ text: `${words[group]}:`, width: 0 }, ...entries]]
  })
  return placeLegend(groups, named)
}

interface TextLook {
  size?: number
  weight?: 'bold' | 'normal'
  color?: string
  align?: 'left' | 'center' | 'right'
  font: string
  ground?: boolean
}

/** Drawn as it is, `y` being the top of its line. */
function text(content: string, x: number, y: number, look: TextLook): Element {
  return {
    type: 'text',
    silent: true,
    z: 20,
    x,
    y,
    style: {
      text: content,
      fill: look.color ?? INK,
      fontSize: look.size ?? FONT.text,
      fontWeight: look.weight ?? 'normal',
      fontFamily: look.font,
      align: look.align ?? 'left',
      verticalAlign: 'top',
      ...(look.ground === true ? { backgroundColor: 'rgba(255,255,255,0.82)', padding: [1, 3] } : {}),
    },
  }
}

function stroke(
  shape: { x1: number; y1: number; x2: number; y2: number },
  color: string,
  width: number,
  dash?: number[],
): Element {
  return {
    type: 'line',
    silent: true,
    z: 10,
    shape,
    style: { stroke: color, lineWidth: width, ...(dash === undefined ? {} : { lineDash: dash }) },
  }
}

function legendElements({ text: name, color, width, x, row }: LegendEntry, top: number, font: string): Element[] {
  const y = top + row * 22
  if (color === undefined) return [text(name, x, y, { font, color: MUTED })]
  return [stroke({ x1: x, y1: y + 8, x2: x + 22, y2: y + 8 }, color, width), text(name, x + 30, y, { font })]
}

function timeElements(spec: ChartSpec, plotTop: number, font: string): Element[] {
  const bottom = plotTop + PLOT_HEIGHT
  const half = (widthOf(clock(spec.to, spec)) * FONT.axis) / 2
  const look: TextLook = { font, color: MUTED, size: FONT.axis, align: 'center' }
  return [
    stroke({ x1: LEFT, y1: bottom, x2: WIDTH - RIGHT, y2: bottom }, AXIS, 1),
    ...timeMarks(spec).flatMap((at) => {
      const x = placeOf(spec, at)
      return [
        stroke({ x1: x, y1: bottom, x2: x, y2: bottom + 5 }, AXIS, 1),
        text(clock(at, spec), Math.min(WIDTH - 6 - half, x), bottom + 9, look),
      ]
    }),
    text(`${new Date(spec.from * 1000).toISOString().slice(0, 10)} UTC`, PADDING, bottom + 28, {
      ...look,
      align: 'left',
    }),
  ]
}

/** A limit across; one that is far above is only named, at the top. Named at the left, where most trouble has not begun yet. */
function limitElements(spec: ChartSpec, axis: ValueAxis, plotTop: number, font: string, words: Words): Element[] {
  const limits = spec.limits.filter(({ value }) => value >= axis.min)
  let above = 0
  return limits.flatMap(({ value, label }) => {
    const named = `${label === '' ? '' : `${cutTo(label, 18)} `}${formatValue(spec.unit, value, words.cores)}`
    const look: TextLook = { font, color: LIMIT, size: FONT.axis, ground: true }
    if (value > axis.max) return [text(`↑ ${named}`, LEFT + 4, plotTop + 4 + 19 * above++, look)]
    const y = plotTop + PLOT_HEIGHT * (1 - (value - axis.min) / (axis.max - axis.min))
    return [
      stroke({ x1: LEFT, y1: y, x2: WIDTH - RIGHT, y2: y }, LIMIT, 1.75, [7, 5]),
      text(named, LEFT + 4, y - plotTop > 22 ? y - 20 : y + 4, look),
    ]
  })
}

function momentElements({ x, kind, label }: Moment, plotTop: number, font: string): Element[] {
  const color = MOMENTS[kind]
  const top = label === undefined ? plotTop - 4 : plotTop - 6 - label.row * ROW_HEIGHT
  const line = stroke(
    { x1: x, y1: top, x2: x, y2: plotTop + PLOT_HEIGHT },
    color,
    2,
    kind === 'alert' ? undefined : [5, 4],
  )
  if (label === undefined) return [line]
  const look: TextLook = { font, color, align: 'center', weight: 'bold', ground: true }
  return [line, text(label.text, label.x, top - FONT.text - 5, look)]
}
