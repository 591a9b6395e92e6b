export interface MetricInfo {
  name: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'unknown'
  help: string
}

export type Labels = Record<string, string>

export interface Sample {
  labels: Labels
  /** Seconds since 1970. */
  at: number
  value: number
}

export interface Series {
  labels: Labels
  /** [seconds since 1970, value], ascending; NaN and infinities are kept as they came. */
  points: [number, number][]
}

/**
 * A time-series database that speaks PromQL. Faults: `metrics.unreachable` (retry), `metrics.refused` (a bad query), `metrics.timeout` (retry).
 */
export interface Metrics {
  /** All metric names with type and help. */
  catalogue(): Promise<MetricInfo[]>
  /** Label sets of the series that match, at most `limit`. */
  series(matcher: string, limit?: number): Promise<Labels[]>
  instant(query: string, at?: Date): Promise<Sample[]>
  range(query: string, from: Date, to: Date, stepSeconds: number): Promise<Series[]>
}
