import type { WindowView } from '../../ports/console.ts'

export type Unit = WindowView['metrics'][number]['unit']

interface Step {
  suffix: string
  size: number
}

const steps: Record<'seconds' | 'bytes', Step[]> = {
  seconds: [
    { suffix: 's', size: 1 },
    { suffix: 'ms', size: 1e-3 },
    { suffix: 'µs', size: 1e-6 },
  ],
  bytes: [
    { suffix: 'TB', size: 1e12 },
    { suffix: 'GB', size: 1e9 },
    { suffix: 'MB', size: 1e6 },
    { suffix: 'kB', size: 1e3 },
    { suffix: 'B', size: 1 },
  ],
}

/** A measured value with its unit, three digits at most: `8.1 %`, `412 ms`, `1.5 GB`, `0.42 cores`, `12 /s`. `–` when it is no number. */
export function formatValue(unit: Unit, value: number | undefined, cores = 'cores'): string {
  if (value === undefined || !Number.isFinite(value)) return '–'
  if (unit === 'ratio') return `${digits(value * 100)} %`
  // A ten-thousandth of a core is less than what one looks at a process with costs.
  if (unit === 'cores') return `${digits(Number(value.toFixed(4)))} ${cores}`
  if (unit === 'per_second') return `${digits(value)} /s`
  const list = steps[unit]
  // Three digits may round up across a boundary: 0.9996 s is 1 s.
  const step = list.find(({ size }) => Math.abs(value) >= size * 0.9995) ?? (value === 0 ? list[0] : list.at(-1))
  return `${digits(value / (step?.size ?? 1))} ${step?.suffix ?? ''}`
}

/** A difference with its sign: `+1.2 %`, `−8 ms`. */
export function formatChange(unit: Unit, change: number | undefined, cores = 'cores'): string {
  if (change === undefined || !Number.isFinite(change)) return '–'
  const size = formatValue(unit, Math.abs(change), cores)
  return change === 0 ? `±${size}` : `${change > 0 ? '+' : '−'}${size}`
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)))
}
