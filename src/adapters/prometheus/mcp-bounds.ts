import { z } from 'zod'
import { parseDuration } from '../../lib/duration.ts'

/** Points of one series that Prometheus computes at most (its own limit, web/api/v1: 11,000). */
export const mostPointsAsked = 11_000

export interface Bounds {
  /** Series of one answer. */
  series: number
  /** Points of one answer over all its series. */
  points: number
}

const answer = z.object({ resultType: z.string(), result: z.array(z.looseObject({})) })
const withValues = z.looseObject({ values: z.array(z.unknown()) })

/** An answer of at most so many series and points; what was left out is said beside it. Scalars pass as they are. */
export function boundAnswer(data: unknown, { series, points }: Bounds): { data: unknown; note?: string } {
  const parsed = answer.safeParse(data)
  if (!parsed.success) return { data }
  const { resultType, result } = parsed.data
  let kept = result.slice(0, series)
  let total = 0
  const end = kept.findIndex((each) => {
    const values = withValues.safeParse(each)
    total += values.success ? values.data.values.length : 1
    return total > points
  })
  if (end > 0) kept = kept.slice(0, end)
  if (kept.length === result.length) return { data: { resultType, result } }
  const leftOut = `${result.length - kept.length} of ${result.length} series left out; sum them, take topk(), or add label matchers`
  return { data: { resultType, result: kept }, note: leftOut }
}

/** Seconds of `15s`, `1m`, `1h30m`, `2w` or a bare number of seconds; undefined for anything else, and for 0. */
export function stepSeconds(step: string): number | undefined {
  const text = step.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) > 0 ? Number(text) : undefined
  const weeks = /^(\d+)([wy])$/.exec(text)
  const ms = weeks === null ? parseDuration(text) : Number(weeks[1]) * (weeks[2] === 'w' ? 7 : 365) * 86_400_000
  return ms === undefined || ms === 0 ? undefined : ms / 1000
}

/** Seconds since 1970 of an RFC 3339 time or of Unix seconds as text; undefined for anything else. */
export function timeSeconds(time: string): number | undefined {
  const text = time.trim()
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms / 1000
}

/** Why a range cannot be asked for, with what to do about it; or the times as Prometheus takes them. */
export function checkRange(
  start: string,
  end: string,
  step: string,
): { refused: string } | { start: string; end: string; step: string } {
  const [from, to, every] = [timeSeconds(start), timeSeconds(end), stepSeconds(step)]
  if (from === undefined || to === undefined)
    return { refused: `${from === undefined ? 'start' : 'end'} is no time. ${timeHint}` }
  if (every === undefined) return { refused: 'step is no duration. Write it as 15s, 1m or 1h.' }
  if (to < from) return { refused: 'end is before start.' }
  const points = Math.floor((to - from) / every) + 1
  if (points > mostPointsAsked) {
    const enough = Math.ceil((to - from) / 250)
    return {
      refused: `This would be ${points} points per series, more than ${mostPointsAsked}. Use a step of ${enough}s or more for this range, or a shorter range.`,
    }
  }
  return { start: String(from), end: String(to), step: String(every) }
}

export const timeHint = 'Write it as RFC 3339, such as 2026-01-31T08:00:00Z, or as Unix seconds.'
