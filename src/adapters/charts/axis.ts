import type { ChartSpec } from '../../ports/pictures.ts'

const FACTORS = [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]
/** Limits further above the values than this would press the lines to the ground. */
const REACH = 6

export interface ValueAxis {
  min: number
  max: number
  interval: number
}

/** From 0 (or the lowest, when it is below) to a round value above the highest, and above the limits that are in reach. */
export function valueAxis(spec: Pick<ChartSpec, 'series' | 'limits' | 'unit'>): ValueAxis {
  let highest = 0
  let lowest = 0
  for (const { points } of spec.series)
    for (const [, value] of points) {
      if (!Number.isFinite(value)) continue
      highest = Math.max(highest, value)
      lowest = Math.min(lowest, value)
    }
  const limits = spec.limits.map(({ value }) => value).filter(Number.isFinite)
  for (const value of limits) if (value <= highest * REACH) highest = Math.max(highest, value)
  if (highest === 0 && lowest === 0) highest = Math.max(0, ...limits) || (spec.unit === 'ratio' ? 0.01 : 1)
  const step = roundUp(((highest - lowest) * 1.1) / 4)
  return {
    min: Math.floor(lowest / step) * step,
    max: Math.ceil((highest * 1.06) / step) * step || step,
    interval: step,
  }
}

/** The next of 1, 1.25, 1.5, 2, … times a power of ten: round marks on the axis. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = FACTORS.find((each) => each * power >= value * (1 - 1e-9)) ?? 10
  return Number((factor * power).toPrecision(3))
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400]
const MARKS = 6

/** Round moments in UTC, at most seven, in seconds since 1970. */
export function timeMarks({ from, to }: Pick<ChartSpec, 'from' | 'to'>): number[] {
  const wanted = (to - from) / MARKS
  const step = STEPS.find((each) => each >= wanted) ?? Math.ceil(wanted / 86_400) * 86_400
  const marks: number[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) marks.push(at)
  return marks
}

/** `14:05`, with seconds or the day where the span asks for them. */
export function clock(at: number, { from, to }: Pick<ChartSpec, 'from' | 'to'>): string {
  const iso = new Date(at * 1000).toISOString()
  if (to - from > 2 * 86_400) return `${iso.slice(5, 10)} ${iso.slice(11, 16)}`
  return to - from < 300 ? iso.slice(11, 19) : iso.slice(11, 16)
}
