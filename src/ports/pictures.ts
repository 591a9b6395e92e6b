/** A chart of one metric over time. Times are seconds since 1970; names come from outside and are drawn as they are. */
export interface ChartSpec {
  title: string
  /** Unit of the values, for the axis. */
  unit: 'cores' | 'bytes' | 'ratio' | 'seconds' | 'per_second' | 'count'
  from: number
  to: number
  series: {
    name: string
    /** Upgraded hosts are drawn apart from the others. */
    group: 'upgraded' | 'waiting' | 'other'
    points: [number, number][]
  }[]
  /** Vertical lines: deploys, the alert's onset. */
  moments: { at: number; label: string; kind: 'deploy' | 'alert' | 'other' }[]
  limits: { value: number; label: string }[]
}

export interface Picture {
  png: Uint8Array
  width: number
  height: number
}

/** Draws charts as pictures. Fault `picture.not-drawn`. */
export interface Pictures {
  draw(chart: ChartSpec): Promise<Picture>
}
