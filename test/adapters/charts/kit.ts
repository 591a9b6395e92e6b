import type { ChartSpec } from '../../../src/ports/pictures.ts'

/** 2025-11-21 17:30 to 18:00 in UTC. */
export const START = 1_763_746_200
export const END = START + 1800

export function line(
  name: string,
  group: ChartSpec['series'][number]['group'],
  value: (n: number) => number = (n) => 0.004 + 0.001 * Math.sin(n),
  points = 60,
): ChartSpec['series'][number] {
  return {
    name,
    group,
    points: Array.from({ length: points }, (_, n) => [START + (n * 1800) / points, value(n)]),
  }
}

export function chart(change: Partial<ChartSpec> = {}): ChartSpec {
  return {
    title: 'Errors',
    unit: 'ratio',
    from: START,
    to: END,
    series: [line('bj-1', 'upgraded', (n) => (n < 30 ? 0.004 : 0.1)), line('sh-1', 'waiting')],
    moments: [
      { at: START + 900, label: 'v1.2.0', kind: 'deploy' },
      { at: START + 1100, label: 'HighErrorRate', kind: 'alert' },
    ],
    limits: [{ value: 0.01, label: 'limit' }],
    ...change,
  }
}
