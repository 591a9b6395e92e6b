import type { ChartSpec } from '../../ports/pictures.ts'

export type Unit = ChartSpec['unit']

const STEPS: Record<'seconds' | 'bytes' | 'count', [size: number, suffix: string][]> = {
  seconds: [
    [1, ' s'],
    [1e-3, ' ms'],
    [1e-6, ' µs'],
  ],
  bytes: [
    [1e12, ' TB'],
    [1e9, ' GB'],
    [1e6, ' MB'],
    [1e3, ' kB'],
    [1, ' B'],
  ],
  count: [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
    [1, ''],
  ],
}

/** A value with its unit, three digits at most, as the console writes them: `8.1 %`, `412 ms`, `1.5 GB`, `0.42 cores`, `12 /s`. */
export function formatValue(unit: Unit, value: number, cores = 'cores'): string {
  if (!Number.isFinite(value)) return '–'
  if (unit === 'ratio') return `${digits(value * 100)} %`
  if (unit === 'cores') return `${digits(value)} ${cores}`
  if (unit === 'per_second') return `${scaled('count', value)} /s`
  return scaled(unit, value)
}

function scaled(unit: 'seconds' | 'bytes' | 'count', value: number): string {
  const steps = STEPS[unit]
  const smallest = unit === 'seconds' ? steps.at(-1) : ([1, unit === 'bytes' ? ' B' : ''] as const)
  // Three digits may round up across a boundary: 0.9996 s is 1 s.
  const [size, suffix] =
    value === 0 ? ([1, ''] as const) : (steps.find(([size]) => Math.abs(value) >= size * 0.9995) ?? smallest ?? [1, ''])
  return `${digits(value / size)}${suffix}`
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)))
}
