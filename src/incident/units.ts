import type { Signal } from './survey.ts'

/** A value as people read it: `8.2 %`, `250 ms`, `1.4 cores`, `512 MB`, `41 /s`; three significant digits, and whole numbers whole. */
export function amount(value: number, unit: Signal['unit']): string {
  if (!Number.isFinite(value)) return 'unknown'
  switch (unit) {
    case 'ratio':
      return `${digits(value * 100)} %`
    case 'seconds':
      return Math.abs(value) < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`
    case 'bytes':
      return Math.abs(value) >= 1e9 ? `${digits(value / 1e9)} GB` : `${digits(value / 1e6)} MB`
    case 'cores':
      return `${digits(value)} cores`
    case 'per_second':
      return `${digits(value)} /s`
    case 'count':
      return digits(value)
  }
}

function digits(value: number): string {
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3)))
}
