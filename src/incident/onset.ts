import { isWorse, shiftOf } from './shift.ts'
import type { Signal } from './survey.ts'

/** Points before the trouble that a history needs. */
const LEAST = 3
/** Steps without a point after which a bad stretch is over: a ratio of errors has none while there are no errors. */
const GAP_STEPS = 3

interface Window {
  /** When the alert began to fire, and where the series begin, seconds since 1970. */
  fired: number
  from: number
  stepSeconds: number
  /** When a release touched the first host. */
  startedAt?: number
}

/**
 * When the trouble began, seconds since 1970: the first point of the last bad stretch before (or at) the alert, in the alert's own
 * series, else in error rate or latency of the service. A point is bad beyond the signal's limit, or where there is none when it is
 * worse than the history before. The alert itself waits for its `for` and its evaluation: it is the latest that it can be.
 * Undefined when no series shows it.
 */
export function onsetIn(signals: readonly Signal[], window: Window): number | undefined {
  const wanted = [
    ...signals.filter(({ role }) => role === 'alert'),
    ...signals.filter(({ role, key }) => role === 'service' && ['error_rate', 'latency', 'up'].includes(key)),
  ]
  for (const signal of wanted) {
    const found = signal.hosts.flatMap((host) => firstBad(signal, host.points, window) ?? [])
    if (found.length > 0) return Math.min(...found)
  }
  return undefined
}

function firstBad(
  signal: Signal,
  points: readonly [number, number][],
  { fired, from, stepSeconds, startedAt }: Window,
): number | undefined {
  const quiet = Math.min(startedAt ?? fired, fired)
  const history = points.filter(([at]) => at < quiet - (quiet - from) / 4).map(([, value]) => value)
  const bad = (value: number): boolean => {
    if (signal.limit !== undefined) return signal.bad === 'down' ? value < signal.limit : value > signal.limit
    return history.length >= LEAST && isWorse(shiftOf(history, [value], signal))
  }
  let began: number | undefined
  let last = Number.POSITIVE_INFINITY
  for (const [at, value] of points) {
    if (at - last > GAP_STEPS * stepSeconds && last < fired) began = undefined
    last = at
    if (!bad(value)) {
      // A gap after the alert is a recovery; before it, an earlier flicker.
      if (at >= fired && began !== undefined) break
      began = undefined
    } else began ??= at
  }
  return began === undefined ? undefined : Math.min(began, fired)
}
