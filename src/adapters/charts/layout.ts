import type { ChartSpec } from '../../ports/pictures.ts'
import { cutTo, widthOf } from './text.ts'

/** Logical pixels; the picture has `SCALE` of its own per each. */
export const WIDTH = 720
export const SCALE = 1.5
export const PLOT_HEIGHT = 236
export const LEFT = 84
export const RIGHT = 26
export const PADDING = 20
export const FONT = { title: 19, text: 14, axis: 13.5 }
const ROWS = 3
export const ROW_HEIGHT = 20

export interface Moment {
  /** Seconds since 1970, and the place on the x axis. */
  at: number
  x: number
  kind: ChartSpec['moments'][number]['kind']
  /** Where its label stands: the middle of its text, and the row above the plot, 0 the nearest; undefined when there is no room. */
  label?: { text: string; x: number; row: number }
}

/** The place of a moment on the x axis. */
export function placeOf({ from, to }: Pick<ChartSpec, 'from' | 'to'>, at: number): number {
  return LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT)
}

/**
 * The vertical lines with their labels, none of which covers another one or is crossed by a line: moments of a kind that are close
 * together are one line that counts them, alerts are placed first, and each label takes the lowest row in which there is room, on
 * its line or beside it. One for which there is none has a line only.
 */
export function placeMoments(spec: Pick<ChartSpec, 'from' | 'to' | 'moments'>): Moment[] {
  const labels: { left: number; right: number; row: number }[] = []
  const lines: { x: number; row: number }[] = []
  const order = (kind: Moment['kind']) => ['alert', 'deploy', 'other'].indexOf(kind)
  const merged = mergeMoments(spec).sort((a, b) => order(a.kind) - order(b.kind) || a.at - b.at)
  const xs = merged.map(({ at }) => placeOf(spec, at))
  return merged.map(({ at, kind, label, more }, index): Moment => {
    const x = xs[index] ?? LEFT
    const text = `${cutTo(label, more > 0 ? 17 : 20)}${more > 0 ? ` +${more}` : ''}`
    const half = (widthOf(text) * FONT.text) / 2 + 5
    const free = ({ left, right, row }: Place) => {
      const covered = labels.some((each) => each.row === row && left < each.right && right > each.left)
      const crossed = lines.some((each) => each.row >= row && each.x > left - 3 && each.x < right + 3)
      const crosses = labels.some((each) => each.row < row && x > each.left - 3 && x < each.right + 3)
      return !covered && !crossed && !crosses
    }
    // Over the lines of others, they could not have a label of their own any more.
    const cost = ({ left, right, row }: Place) =>
      row + 2 * xs.filter((each) => each !== x && each > left && each < right).length
    const [place] =
      text === ''
        ? []
        : placesOf(x, half)
            .filter(free)
            .sort((a, b) => cost(a) - cost(b))
    lines.push({ x, row: place?.row ?? -1 })
    if (place === undefined) return { at, x, kind }
    labels.push(place)
    return { at, x, kind, label: { text, x: (place.left + place.right) / 2, row: place.row } }
  })
}

interface Place {
  left: number
  right: number
  row: number
}

/** On its line, right of it, left of it, in each row. */
function placesOf(x: number, half: number): Place[] {
  return Array.from({ length: ROWS }, (_, row) =>
    [x, x + half + 1, x - half - 1].map((wanted): Place => {
      const middle = within(6 + half, WIDTH - 6 - half, wanted)
      return { left: middle - half, right: middle + half, row }
    }),
  ).flat()
}

function within(low: number, high: number, value: number): number {
  return Math.max(low, Math.min(high, value))
}

interface Merged {
  at: number
  kind: Moment['kind']
  label: string
  /** How many others it stands for, with other words. */
  more: number
  last: number
}

function mergeMoments({ from, to, moments }: Pick<ChartSpec, 'from' | 'to' | 'moments'>): Merged[] {
  const near = (to - from) / 60
  const merged: Merged[] = []
  const shown = moments.filter(({ at }) => at >= from && at <= to).sort((a, b) => a.at - b.at)
  for (const { at, kind, label } of shown) {
    const before = merged.findLast((each) => each.kind === kind)
    if (before !== undefined && at - before.last < near) {
      before.last = at
      if (label !== before.label) before.more++
    } else merged.push({ at, kind, label, more: 0, last: at })
  }
  return merged
}

export interface LegendEntry {
  text: string
  /** Undefined for a word that stands before lines. */
  color?: string
  width: number
  x: number
  row: number
}
const SWATCH = 30

/** Entries side by side; each group begins a row when `apart`, and goes on in the next where the room ends. */
export function placeLegend(groups: Omit<LegendEntry, 'x' | 'row'>[][], apart: boolean): LegendEntry[] {
  const widest = groups.flat().length <= 4 ? 42 : 22
  let x = PADDING
  let row = 0
  return groups.flatMap((entries, index) => {
    if (apart && index > 0) {
      x = PADDING
      row++
    }
    return entries.map((entry) => {
      const text = cutTo(entry.text, widest)
      const width = (entry.color === undefined ? 0 : SWATCH) + widthOf(text) * FONT.text + 16
      if (x > PADDING && x + width > WIDTH - PADDING) {
        x = PADDING
        row++
      }
      const placed = { ...entry, text, x, row }
      x += width
      return placed
    })
  })
}
