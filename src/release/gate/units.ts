import type { MetricKind } from './schema.ts'

interface Unit {
  suffix: string
  /** How many of the metric's unit one of these is. */
  size: number
}

// The units of a threshold in the release issue's JSON, whose form is given; CPU is in CPU seconds used per minute, so 0.5 cores read "30s".
const units: Record<MetricKind, Unit[]> = {
  ratio: [{ suffix: '%', size: 0.01 }],
  seconds: [
    { suffix: 's', size: 1 },
    { suffix: 'ms', size: 1e-3 },
    { suffix: 'us', size: 1e-6 },
  ],
  bytes: [
    { suffix: 'TB', size: 1e12 },
    { suffix: 'GB', size: 1e9 },
    { suffix: 'MB', size: 1e6 },
    { suffix: 'KB', size: 1e3 },
    { suffix: 'B', size: 1 },
  ],
  cores: [{ suffix: 's', size: 1 / 60 }],
  per_second: [{ suffix: '/s', size: 1 }],
}

/** A threshold in the release issue's JSON: "0.1%", "250ms", "2GB", "30s" (CPU seconds a minute), "12/s". */
export function formatLimit(kind: MetricKind, value: number): string {
  const unit = fitting(kind, value)
  return `${Number((value / unit.size).toPrecision(6))}${unit.suffix}`
}

/** Rounds up to two digits of the unit it is printed in, so that the number and its text are one. */
export function roundLimit(kind: MetricKind, value: number): number {
  if (!(value > 0)) return 0
  const { size } = fitting(kind, value)
  const amount = value / size
  const step = 10 ** (Math.floor(Math.log10(amount)) - 1)
  // The nudge keeps 0.3 / 0.1 from becoming 4 steps.
  return Number((Math.ceil(amount / step - 1e-9) * step).toPrecision(2)) * size
}

/** A value in a sentence: "8.1 %", "412 ms", "1.5 GB", "0.42 cores", "12 a second". */
export function say(kind: MetricKind, value: number): string {
  if (kind === 'ratio') return `${(value * 100).toFixed(Math.abs(value) >= 0.0005 || value === 0 ? 1 : 3)} %`
  if (kind === 'cores') return `${value > 0 && value < 0.01 ? Number(value.toPrecision(1)) : value.toFixed(2)} cores`
  if (kind === 'per_second') return `${Number(value.toPrecision(3))} a second`
  const unit = fitting(kind, value)
  return `${Number((value / unit.size).toPrecision(3))} ${unit.suffix}`
}

function fitting(kind: MetricKind, value: number): Unit {
  const list = units[kind]
  // Two digits may round up across a boundary: 0.9996 s is 1 s.
  return list.find(({ size }) => Math.abs(value) >= size * 0.9995) ?? (list.at(-1) as Unit)
}
