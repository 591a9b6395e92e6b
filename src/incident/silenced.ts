import type { Alert, Episode } from './alert.ts'
import type { Incident } from './incident.ts'
import { matches, type Wanted } from './matchers.ts'

export type Silence = Incident['silences'][number]

/** The silences that hold now, the one that ends last first. */
export function activeSilences({ silences }: Pick<Incident, 'silences'>, now: Date): Silence[] {
  return silences
    .filter(({ until }) => Date.parse(until) > now.getTime())
    .toSorted((a, b) => Date.parse(b.until) - Date.parse(a.until))
}

export function matchersOf({ parts }: Silence): Wanted[] {
  return (parts ?? []).map(({ matchers }) => matchers)
}

/** Whether the silence covers an alert with these labels; one of which the matchers were not kept covers all of its incident. */
export function covers(silence: Silence, labels: Record<string, string>): boolean {
  return silence.parts === undefined || matchersOf(silence).some((matchers) => matches(matchers, labels))
}

/** ISO; when the first of the firing alerts is silenced no longer. Undefined when one of them is not silenced, or none fires. */
export function silencedUntil(
  active: readonly Silence[],
  firing: readonly Pick<Alert, 'labels'>[],
): string | undefined {
  const ends = firing.map(({ labels }) => active.filter((silence) => covers(silence, labels)).map(({ until }) => until))
  if (ends.length === 0 || ends.some((each) => each.length === 0)) return undefined
  return earliest(ends.map((each) => each.reduce((a, b) => (Date.parse(b) > Date.parse(a) ? b : a))))
}

/**
 * Until when nobody is called, as every firing alert is silenced, and when the next silence ends, whatever it covers; ISO. Both
 * undefined while no silence holds.
 */
export function silencing(
  incident: Incident,
  episodes: readonly Episode[],
  now: Date,
): { silencedUntil?: string; silenceEnds?: string } {
  const active = activeSilences(incident, now)
  if (active.length === 0) return {}
  const until = silencedUntil(active, firingOf(episodes.map(({ alert }) => alert)))
  const ends = earliest(active.map((silence) => silence.until))
  return {
    ...(until === undefined ? {} : { silencedUntil: until }),
    ...(ends === undefined ? {} : { silenceEnds: ends }),
  }
}

export function firingOf(alerts: readonly Alert[]): Alert[] {
  return alerts.filter(({ status }) => status === 'firing')
}

function earliest(times: readonly string[]): string | undefined {
  return times.reduce<string | undefined>(
    (first, each) => (first === undefined || Date.parse(each) < Date.parse(first) ? each : first),
    undefined,
  )
}
