type Point = [number, number]

/**
 * At most `most` points of an ascending line, so that it looks the same: of each of `most / 2` equal spans of time the lowest and
 * the highest value stay, in their order. What is no number is a gap and stays out.
 */
export function thin(points: readonly Point[], most: number): Point[] {
  const real = points.filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value)).sort((a, b) => a[0] - b[0])
  if (real.length <= most) return real
  const from = real[0]?.[0] ?? 0
  const span = (real.at(-1)?.[0] ?? 0) - from
  const buckets = Math.max(1, Math.floor(most / 2))
  const kept = new Map<number, { low: number; high: number }>()
  real.forEach(([at, value], index) => {
    const bucket = Math.min(buckets - 1, Math.floor(((at - from) / (span || 1)) * buckets))
    const held = kept.get(bucket)
    if (held === undefined) kept.set(bucket, { low: index, high: index })
    else {
      if (value < (real[held.low]?.[1] ?? 0)) held.low = index
      if (value > (real[held.high]?.[1] ?? 0)) held.high = index
    }
  })
  const indices = new Set([...kept.values()].flatMap(({ low, high }) => [low, high]))
  return real.filter((_, index) => indices.has(index))
}

/** The usual distance between two points in seconds, the median over all lines; 1 when there is none. */
export function stepOf(lines: readonly (readonly Point[])[]): number {
  const gaps = lines.flatMap((points) => points.slice(1).map(([at], index) => at - (points[index]?.[0] ?? at)))
  gaps.sort((a, b) => a - b)
  return Math.max(1, gaps[gaps.length >> 1] ?? 1)
}
