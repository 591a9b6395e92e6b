import type { Freeze, Policy } from './config.ts'
import { weekdays } from './policy-config.ts'

const minute = 60_000
const day = 24 * 60 * minute

/**
 * Whether a release is forbidden at this moment by one of the policy's freeze windows, with the reasons of those in force and
 * the moment when the last of them ends. Windows that follow one another without a gap count as one; `until` is undefined when
 * no end is found within two weeks. Wall-clock times are those of the window's time zone: a time that occurs twice when clocks
 * go back begins with the first and ends with the second; one that is left out when they go forward stands for the jump itself.
 */
export function frozen(policy: Pick<Policy, 'freeze'>, at: Date): { until?: Date; reason: string } | undefined {
  const active = (time: number): { end: number; reason: string }[] =>
    policy.freeze.flatMap((window) => {
      const end = endOf(window, time)
      return end === undefined ? [] : [{ end, reason: window.reason }]
    })
  const now = active(at.getTime())
  if (now.length === 0) return undefined
  const reason = [...new Set(now.map((window) => window.reason))].join('; ')
  let until = at.getTime()
  for (let open = now; open.length > 0; open = active(until)) {
    until = Math.max(...open.map((window) => window.end))
    if (until - at.getTime() > 14 * day) return { reason }
  }
  return { until: new Date(until), reason }
}

// A window that is open now began at most two days ago: it is shorter than a day, and a time zone is less than a day off.
function endOf(window: Freeze, time: number): number | undefined {
  const local = wallClock(time, window.timeZone)
  const [from, to] = [minutes(window.from), minutes(window.to)]
  for (const back of [2, 1, 0, -1]) {
    const date = Math.floor(local / day) * day - back * day
    // 1970-01-01, day 0, was a Thursday: index 3 of a week that starts on Monday.
    const name = weekdays[(((date / day + 3) % 7) + 7) % 7]
    if (name === undefined || !window.days.includes(name)) continue
    const start = instants(date + from * minute, window.timeZone).first
    const end = instants(date + (to > from ? 0 : day) + to * minute, window.timeZone).last
    if (start <= time && time < end) return end
  }
  return undefined
}

function minutes(text: string): number {
  const [hours, rest] = text.split(':').map(Number)
  return (hours ?? 0) * 60 + (rest ?? 0)
}

/** The first and the last moment at which the zone's clocks show `wall` (milliseconds as if it were UTC). */
function instants(wall: number, timeZone: string): { first: number; last: number } {
  const candidates = [wall - day, wall + day].map((near) => wall - (wallClock(near, timeZone) - near))
  const exact = candidates.filter((candidate) => wallClock(candidate, timeZone) === wall)
  if (exact.length > 0) return { first: Math.min(...exact), last: Math.max(...exact) }
  // Left out by a jump forward: find the jump between the two candidates.
  let [before, after] = [Math.min(...candidates), Math.max(...candidates)]
  while (after - before > 1000) {
    const middle = Math.floor((before + after) / 2 / 1000) * 1000
    if (wallClock(middle, timeZone) < wall) before = middle
    else after = middle
  }
  return { first: after, last: after }
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** What the zone's clocks show, as milliseconds of the same reading in UTC. Whole seconds: no offset has fractions. */
function wallClock(time: number, timeZone: string): number {
  let format = formats.get(timeZone)
  if (format === undefined) {
    const two = '2-digit'
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: two,
      day: two,
      hour: two,
      minute: two,
      second: two,
    })
    formats.set(timeZone, format)
  }
  const part: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(time)) part[type] = Number(value)
  const { year = 0, month = 1, day: dayOfMonth = 1, hour = 0, minute: min = 0, second = 0 } = part
  return Date.UTC(year, month - 1, dayOfMonth, hour, min, second)
}
