import type { LineSeriesOption } from 'echarts/charts'
import type {
  AriaComponentOption,
  GridComponentOption,
  LegendComponentOption,
  TooltipComponentOption,
} from 'echarts/components'
import type { ComposeOption } from 'echarts/core'
import type { WindowView } from '../../ports/console.ts'
import type { Look } from './look.ts'
import { deployMarks, finite, type MetricWindow, medianLine, type Point, pickLines, stepOf } from './stats.ts'
import { formatChange, formatValue, type Unit } from './units.ts'

export type ChartOption = ComposeOption<
  LineSeriesOption | GridComponentOption | LegendComponentOption | TooltipComponentOption | AriaComponentOption
>

/** Own lines of hosts drawn per group; more become a carpet. */
export const LINES_PER_GROUP = 24

export interface Words {
  upgraded: string
  waiting: string
  warn: string
  fail: string
  deployed: string
  before: string
  after: string
  difference: string
  cores: string
  /** What a screen reader says instead of the picture. */
  description: string
}

type Mark = NonNullable<NonNullable<LineSeriesOption['markLine']>['data']>[number]

/**
 * What the gate saw of one metric in one window: a thick median line per group over thin lines of single hosts, the limits across,
 * the deploy moments upright, and the two periods that were compared shaded.
 */
export function gateOption(
  metric: MetricWindow,
  window: Pick<WindowView, 'before' | 'after'>,
  look: Look,
  words: Words,
): ChartOption {
  const value = (amount: number | undefined) => formatValue(metric.unit, amount, words.cores)
  const step = stepOf(metric.hosts)
  const groups = (['upgraded', 'waiting'] as const)
    .map((group) => ({ group, hosts: metric.hosts.filter((host) => host.group === group) }))
    .filter(({ hosts }) => hosts.length > 0)
    .map(({ group, hosts }) => ({ group, hosts, line: medianLine(hosts, step) }))
  const span = window.after.to - window.before.from
  const marks = deployMarks(metric.hosts, Math.max(step, span / 40))

  const hostLines = groups.flatMap(({ group, hosts }) =>
    pickLines(hosts, window.after, LINES_PER_GROUP).map(
      (host): LineSeriesOption => ({
        id: `host ${host.host}`,
        name: words[group],
        type: 'line',
        data: drawn(finite(host.points), step),
        showSymbol: false,
        silent: true,
        animation: false,
        z: 2,
        lineStyle: { color: look[group], width: 1, opacity: look.dark ? 0.26 : 0.2 },
        itemStyle: { color: look[group] },
        tooltip: { show: false },
      }),
    ),
  )
  const medians = groups.map(
    ({ group, line }): LineSeriesOption => ({
      id: `median ${group}`,
      name: words[group],
      type: 'line',
      data: drawn(line, step),
      showSymbol: false,
      symbol: group === 'upgraded' ? 'circle' : 'rect',
      animation: false,
      z: 5,
      lineStyle: { color: look[group], width: 2.75, type: group === 'upgraded' ? 'solid' : [7, 4] },
      itemStyle: { color: look[group] },
    }),
  )
  const frame: LineSeriesOption = {
    id: 'frame',
    type: 'line',
    data: [],
    silent: true,
    z: 6,
    markLine: {
      silent: true,
      symbol: 'none',
      animation: false,
      z: 7,
      // The default rounds places to two decimals, which moves a limit of 0.5 % (0.005) to 1 %.
      precision: 12,
      data: [...limitMarks(metric, look, words, value), ...deploys(marks, look, words)],
    },
    markArea: {
      silent: true,
      animation: false,
      data: [
        area(window.before, words.before, look.before, look.muted),
        area(window.after, words.after, look.after, look.muted),
      ],
    },
  }
  return {
    aria: { enabled: true, label: { description: words.description } },
    animation: false,
    textStyle: { color: look.text, fontFamily: look.font },
    grid: { left: 8, right: 16, top: 44, bottom: 8, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    legend: {
      top: 0,
      left: 0,
      icon: 'roundRect',
      itemHeight: 4,
      itemWidth: 22,
      itemGap: 18,
      textStyle: { color: look.text },
      inactiveColor: look.border,
      data: groups.map(({ group }) => words[group]),
    },
    xAxis: {
      type: 'time',
      min: window.before.from * 1000,
      max: window.after.to * 1000,
      axisLine: { lineStyle: { color: look.border } },
      axisLabel: { color: look.muted, hideOverlap: true },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'value',
      min: 0,
      max: top(metric),
      splitNumber: 4,
      axisLabel: { color: look.muted, formatter: (amount: number) => value(amount), showMaxLabel: false },
      splitLine: { lineStyle: { color: look.grid } },
    },
    tooltip: {
      trigger: 'axis',
      // HTML tooltips carry inline styles, which the content security policy forbids.
      renderMode: 'richText',
      confine: true,
      backgroundColor: look.surface,
      borderColor: look.border,
      textStyle: { color: look.text, fontSize: 12, fontFamily: look.font },
      axisPointer: { type: 'line', lineStyle: { color: look.muted, type: 'dotted' } },
      formatter: (params) => {
        const shown = (Array.isArray(params) ? params : [params]) as unknown as Shown[]
        const marker = (group: string) => shown.find(({ seriesId }) => seriesId === `median ${group}`)?.marker ?? ''
        return tooltipText(groups, Number(shown[0]?.axisValue) / 1000, step, metric.unit, words, marker)
      },
    },
    series: [...hostLines, ...medians, frame],
  }
}

/** What ECharts says of a series under the pointer; its own type leaves the axis out. */
interface Shown {
  seriesId?: string
  axisValue?: number
  /** A coloured dot in the tooltip's own markup. */
  marker?: string
}

/** The words at a moment: each group's median nearest to it, and how far they are apart. */
export function tooltipText(
  groups: { group: 'upgraded' | 'waiting'; line: Point[] }[],
  seconds: number,
  step: number,
  unit: Unit,
  words: Words,
  marker: (group: string) => string,
): string {
  const found = groups.flatMap(({ group, line }) => {
    const value = nearest(line, seconds, step)
    return value === undefined ? [] : [{ group, value }]
  })
  const rows = found.map(
    ({ group, value }) => `${marker(group)}${words[group]}: ${formatValue(unit, value, words.cores)}`,
  )
  const [first, second] = found
  if (first?.group === 'upgraded' && second !== undefined)
    rows.push(`${words.difference}: ${formatChange(unit, first.value - second.value, words.cores)}`)
  return [clock(seconds), ...rows].join('\n')
}

function nearest(line: Point[], seconds: number, step: number): number | undefined {
  let best: Point | undefined
  for (const point of line)
    if (best === undefined || Math.abs(point[0] - seconds) < Math.abs(best[0] - seconds)) best = point
  return best !== undefined && Math.abs(best[0] - seconds) <= step ? best[1] : undefined
}

function clock(seconds: number): string {
  return Number.isFinite(seconds) ? new Date(seconds * 1000).toLocaleTimeString('en-GB') : ''
}

/** The axis reaches a limit unless it lies so far above the values that they would shrink to a line; then the limit is only named. */
export function top(metric: MetricWindow): number {
  let highest = 0
  for (const { points } of metric.hosts) for (const [, value] of finite(points)) highest = Math.max(highest, value)
  const { warn, fail } = metric.limits
  const reach = [warn, fail].filter((limit) => limit !== undefined && limit <= highest * 6) as number[]
  const all = Math.max(highest, ...reach)
  if (all === 0) return fail ?? warn ?? 1
  return niceCeil(all * 1.12)
}

/** The next of 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten: round marks on the axis. */
function niceCeil(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10
  return factor * power
}

function limitMarks(metric: MetricWindow, look: Look, words: Words, value: (amount: number) => string): Mark[] {
  return (['warn', 'fail'] as const).flatMap((kind): Mark[] => {
    const limit = metric.limits[kind]
    if (limit === undefined || limit > top(metric)) return []
    return [
      {
        yAxis: limit,
        lineStyle: { color: look[kind], type: kind === 'fail' ? 'solid' : 'dashed', width: 1.5 },
        label: {
          show: true,
          formatter: `${words[kind]} ${value(limit)}`,
          position: kind === 'fail' ? 'insideEndTop' : 'insideEndBottom',
          color: look[kind],
          backgroundColor: look.surface,
          borderRadius: 3,
          padding: [2, 4],
          fontSize: 11,
        },
      },
    ]
  })
}

/** One line per moment; the first says what the lines are, and how many hosts all of them stand for. */
function deploys(marks: { at: number; count: number }[], look: Look, words: Words): Mark[] {
  const hosts = marks.reduce((sum, { count }) => sum + count, 0)
  return marks.map(({ at }, i) => ({
    xAxis: at * 1000,
    lineStyle: { color: look.deploy, type: 'dashed', width: 1.25, opacity: 0.9 },
    label: {
      show: i === 0,
      formatter: hosts > 1 ? `${words.deployed} ×${hosts}` : words.deployed,
      position: 'end',
      distance: 4,
      color: look.deploy,
      fontSize: 11,
    },
  }))
}

type Area = NonNullable<NonNullable<LineSeriesOption['markArea']>['data']>[number]

function area(period: { from: number; to: number }, name: string, color: string, label: string): Area {
  return [
    {
      xAxis: period.from * 1000,
      name,
      itemStyle: { color },
      label: { show: true, position: 'insideTop', color: label, fontSize: 11, distance: 4 },
    },
    { xAxis: period.to * 1000 },
  ]
}

/** In milliseconds, with a break where values are missing: no line is drawn through a time of which nothing is known. */
function drawn(points: Point[], step: number): [number, number | null][] {
  return points.flatMap(([time, value], i): [number, number | null][] => {
    const before = points[i - 1]
    const broken = before !== undefined && time - before[0] > step * 4
    return broken
      ? [
          [before[0] * 1000 + 1, null],
          [time * 1000, value],
        ]
      : [[time * 1000, value]]
  })
}
