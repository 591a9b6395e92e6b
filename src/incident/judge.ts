import { formatDuration } from '../lib/duration.ts'
import { mannWhitney, median } from '../lib/statistics.ts'
import { isWorse, shiftOf } from './shift.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'
import type { Verdict } from './verdict.ts'

type Check = Verdict['checks'][number] & {
  /** It may be the cause just as well: nothing is proved while this is open. */
  open?: boolean
}

/** Points that each side of a comparison needs. */
const LEAST_POINTS = 3
/** Chance of seeing a difference between two alike groups; as the gate's (src/release/gate/schema.ts). */
const ALPHA = 0.01
/** Cliff's delta from which a difference counts; 0.474 is "large" (Romano et al. 2006). */
const EFFECT = 0.474
/** Traffic that has grown by so much is a surge: common head-room of a service is about two times. */
const SURGE = 2
/** Of several reasons against it, the one that tells most of the cause stands in the headline. */
const TELLING = ['node', 'certificate', 'traffic', 'dependency', 'saturation', 'timing', 'comparison']
/** A machine that is busy for this share of its time is saturated. */
const SATURATED = 0.95
/**
 * Without hosts to compare with, only an onset that follows the deploy closely speaks for the release: time for a start, a warm-up
 * and a few scrapes at the usual 15 s. At least three steps of the survey.
 */
const CLOSE_SECONDS = 180
/** Another release of the service, or of one that it calls, within this time before the onset may be the cause just as well. */
const NEARBY_SECONDS = 900

/**
 * Whether the release did it, from a survey alone. Rollback is evidence-bound: `release` only if the trouble began after the new
 * version had reached the hosts that alert, the hosts that have it are worse than those that do not (or than before, when all
 * have it), and nothing outside explains it. One check that speaks against is enough for `not the release`; what cannot be seen
 * makes it `unknown`. Pure.
 */
export function judge(survey: Survey): Verdict {
  const { release, service } = survey
  if (release === undefined) {
    const why =
      service === undefined
        ? 'no release of the service has changed these hosts recently'
        : `no release of ${service} has changed these hosts recently`
    return { at: 'not the release', why, checks: [] }
  }
  if (release.upgraded.length === 0) {
    return { at: 'not the release', why: `no host has ${release.candidate} yet`, checks: [] }
  }
  const comparison = compare(survey)
  // Where hosts that have it and hosts that do not live through the same, what happens outside explains no difference between them.
  const apart = comparison.speaks === 'for' && comparison.by === 'hosts'
  const { by: _, ...compared } = comparison
  const looked: Check[] = [
    timing(survey),
    compared,
    dependency(survey, apart),
    traffic(survey, apart),
    saturation(survey),
    certificate(survey),
    node(survey),
    otherRelease(survey),
  ]
  const checks = looked.map(({ open: _, ...check }) => check)
  const against = TELLING.map((name) => checks.find((check) => check.name === name && check.speaks === 'against')).find(
    (check) => check !== undefined,
  )
  if (against !== undefined) return { at: 'not the release', why: against.why, checks }
  const [when, worse] = checks
  const twin = twinOf(survey)
  if (twin !== undefined && !apart) return { at: 'unknown', why: `${twin}; the metrics cannot tell them apart`, checks }
  const undecided = looked.find(({ open }) => open === true)
  if (undecided !== undefined) return { at: 'unknown', why: undecided.why, checks }
  if (when?.speaks === 'for' && worse?.speaks === 'for') {
    return { at: 'release', why: `${release.candidate}: ${worse.why}`, checks }
  }
  const missing = [when, worse].find((check) => check?.speaks === 'nothing')
  return { at: 'unknown', why: missing?.why ?? 'the metrics do not tell', checks }
}

function timing(survey: Survey): Check {
  const { release, alerting, onset, stepSeconds } = survey
  const name = 'timing'
  const reached = (release?.upgraded ?? []).filter(({ host }) => alerting.length === 0 || alerting.includes(host))
  const version = release?.candidate ?? ''
  if (reached.length === 0) {
    return { name, speaks: 'against', why: `none of the hosts that alert has ${version}: ${some(alerting)}` }
  }
  const first = Math.min(...reached.map(({ at }) => at))
  // The new version serves before its health check has passed; a point stands for the step before it.
  const slack = 2 * stepSeconds + Math.min(120, release?.jobSeconds ?? 0)
  const late = onset - first
  if (late < -slack) {
    const early = formatDuration(Math.round(-late) * 1000)
    return { name, speaks: 'against', why: `it began ${early} before ${version} reached the hosts that alert` }
  }
  const later = formatDuration(Math.max(1, Math.round(late)) * 1000)
  const why =
    late <= 0
      ? `it began as ${version} reached the hosts that alert`
      : `it began ${later} after ${version} reached the hosts that alert`
  const alone = (release?.others.length ?? 0) === 0
  if (alone && late > Math.max(CLOSE_SECONDS, 3 * stepSeconds)) {
    return { name, speaks: 'nothing', why: `${why}, too late to say without hosts to compare with` }
  }
  return { name, speaks: 'for', why }
}

type Compared = Check & { by: 'hosts' | 'time' | 'nothing' }

/**
 * What the alert itself measures decides, where it tells hosts (or before and after) apart: that something else is worse as well
 * does not make the release the cause of this alert. Only where it cannot be compared are the service's other symptoms asked, and
 * then all of them have to agree.
 */
function compare(survey: Survey): Compared {
  const all = survey.signals.filter(isSymptom).map((signal) => ({ signal, found: compareOne(survey, signal) }))
  const own = all.filter(({ signal, found }) => signal.role === 'alert' && found.by !== 'nothing')
  const asked = (own.length > 0 ? own : all).map(({ found }) => found)
  const [guilty, spared] = (['for', 'against'] as const).map((way) => asked.find(({ speaks }) => speaks === way))
  if (guilty !== undefined && spared !== undefined) {
    return { name: 'comparison', speaks: 'nothing', by: 'nothing', why: `${guilty.why}, but ${spared.why}` }
  }
  const found = guilty ?? spared ?? asked.find(({ by }) => by !== 'nothing') ?? asked[0]
  const blind = 'no metric of the service tells its hosts apart'
  return found ?? { name: 'comparison', speaks: 'nothing', by: 'nothing', why: blind }
}

/** What a user of the service, or the alert itself, would notice. */
function isSymptom({ role, key }: Signal): boolean {
  return role === 'alert' || (role === 'service' && ['error_rate', 'latency', 'up'].includes(key))
}

function compareOne(survey: Survey, signal: Signal): Compared {
  const sides = sidesOf(survey, signal)
  const { upgraded, waiting } = sides
  const base = { name: 'comparison', by: 'nothing' as const }
  const say = (value: number) => amount(value, signal.unit)
  if (upgraded.after.length < LEAST_POINTS) {
    return { ...base, speaks: 'nothing', why: `too few samples of ${signal.name} from hosts that have the release` }
  }
  const now = median(upgraded.after)
  const lonely = alone(survey, signal)
  if (lonely !== undefined) return { ...base, by: 'hosts', speaks: 'against', why: lonely }
  if (waiting.after.length >= LEAST_POINTS) {
    const others = median(waiting.after)
    const sign = signal.bad === 'down' ? -1 : 1
    const test = mannWhitney(
      upgraded.after.map((value) => sign * value),
      waiting.after.map((value) => sign * value),
      { alternative: 'greater' },
    )
    const rose = shiftOf(waiting.before, waiting.after, signal)
    const apart = shiftOf(waiting.after, upgraded.after, signal)
    const words = `${signal.name} is ${say(now)} on hosts that have it and ${say(others)} on the others`
    // Had they been apart before it came, it did not set them apart.
    const difference = sign * (now - others - (median(upgraded.before) - median(waiting.before) || 0))
    const worse = test.p < ALPHA && test.delta >= EFFECT && isWorse(apart) && difference > sign * (now - others) * 0.5
    const shared = isWorse(rose)
    if (worse && !(shared && difference < Math.abs(others - median(waiting.before)) / 2)) {
      return { ...base, by: 'hosts', speaks: 'for', why: words }
    }
    // That hosts with it look worse in too few samples to be sure of acquits nobody.
    if (shared) return { ...base, by: 'hosts', speaks: 'against', why: `${words}: hosts without it are as bad` }
    return { ...base, by: 'hosts', speaks: 'nothing', why: words }
  }
  if (survey.release !== undefined && survey.release.others.length > 0) {
    return {
      ...base,
      speaks: 'nothing',
      why: `too few samples of ${signal.name} from hosts that do not have the release`,
    }
  }
  if (upgraded.before.length < LEAST_POINTS) {
    return { ...base, speaks: 'nothing', why: `too few samples of ${signal.name} from before the release` }
  }
  const words = `${signal.name} is ${say(now)} and was ${say(median(upgraded.before))} before it came`
  if (!isWorse(shiftOf(upgraded.before, upgraded.after, signal))) {
    return { ...base, by: 'time', speaks: 'nothing', why: words }
  }
  return { ...base, by: 'time', speaks: 'for', why: words }
}

interface Sides {
  upgraded: { before: number[]; after: number[] }
  waiting: { before: number[]; after: number[] }
}

/** Before: until the release touched the first host, or the trouble began. After: from the onset on, and from the deploy there. */
function sidesOf({ onset, release, from }: Survey, signal: Signal): Sides {
  const sides: Sides = { upgraded: { before: [], after: [] }, waiting: { before: [], after: [] } }
  const first = Math.min(onset, release?.startedAt ?? onset, ...(release?.upgraded ?? []).map(({ at }) => at))
  for (const { host, group, deployedAt, points } of signal.hosts) {
    const on = group === 'upgraded' || (release?.upgraded.some((each) => each.host === host) ?? false)
    const side = on ? sides.upgraded : sides.waiting
    const begin = Math.max(onset, on ? (deployedAt ?? onset) : onset)
    for (const [at, value] of points) {
      if (at >= from && at < first) side.before.push(value)
      else if (at >= begin) side.after.push(value)
    }
  }
  return sides
}

/** One host alone of three or more that have the same version: then it is the host, and not the version. */
function alone(survey: Survey, signal: Signal): string | undefined {
  const upgraded = signal.hosts.filter(({ host }) => survey.release?.upgraded.some((each) => each.host === host))
  const seen = upgraded.flatMap(({ host, deployedAt, points }) => {
    const first = Math.min(survey.onset, deployedAt ?? survey.onset)
    const before = points.filter(([at]) => at < first).map(([, value]) => value)
    const after = points.filter(([at]) => at >= Math.max(survey.onset, deployedAt ?? 0)).map(([, value]) => value)
    if (after.length < LEAST_POINTS || before.length < LEAST_POINTS) return []
    return [{ host, worse: isWorse(shiftOf(before, after, signal)) }]
  })
  const worse = seen.filter((each) => each.worse)
  if (seen.length < 3 || worse.length !== 1) return undefined
  return `only ${worse[0]?.host} of ${seen.length} hosts that have it is worse`
}

/** A service that this one calls is down, or went bad before this one did. */
function dependency(survey: Survey, apart: boolean): Check {
  const name = 'dependency'
  const latest = survey.onset + 2 * survey.stepSeconds
  const callees = new Set(survey.signals.filter(({ role }) => role === 'downstream').map(({ service }) => service))
  for (const callee of callees) {
    const hosts = new Set(
      survey.signals
        .filter(({ service, role }) => service === callee && role === 'downstream')
        .flatMap((signal) => signal.hosts.map(({ host }) => host)),
    )
    const down = survey.down.filter(({ service, since }) => service === callee && since <= latest)
    if (down.length > 0 && down.length >= hosts.size) {
      const why = `${callee}, which it calls, is down`
      return apart
        ? { name, speaks: 'nothing', why: `${why}, for hosts with and without it alike` }
        : { name, speaks: 'against', why }
    }
  }
  const bad = survey.signals.flatMap((signal) => {
    if (signal.role !== 'downstream' || !['error_rate', 'latency', 'up'].includes(signal.key)) return []
    const began = onsetOf(signal, survey)
    return began === undefined || began > survey.onset + survey.stepSeconds ? [] : [{ signal, began }]
  })
  const [first] = bad.toSorted((a, b) => a.began - b.began)
  if (first === undefined) return { name, speaks: 'nothing', why: 'no service that it calls went bad before it' }
  const { signal, began } = first
  const { before, after } = around(signal, survey.onset)
  const [was, is] = [amount(median(before), signal.unit), amount(median(after), signal.unit)]
  // What goes bad with it may be its cause, or be overrun by it.
  if (began >= survey.onset - survey.stepSeconds) {
    const why = `${signal.name} of ${signal.service}, which it calls, went from ${was} to ${is} at the same time`
    return { name, speaks: 'nothing', why, ...(apart ? {} : { open: true }) }
  }
  const why = `${signal.name} of ${signal.service}, which it calls, went from ${was} to ${is} before it`
  return { name, speaks: apart ? 'nothing' : 'against', why }
}

function traffic(survey: Survey, apart: boolean): Check {
  const name = 'traffic'
  const signal = survey.signals.find(({ role, key }) => role === 'service' && key === 'traffic')
  if (signal === undefined) return { name, speaks: 'nothing', why: 'the service’s traffic is not known' }
  const total = { ...signal, hosts: [{ host: '*', group: 'other' as const, points: sum(signal) }] }
  const { before, after } = around(total, survey.onset)
  if (before.length < LEAST_POINTS || after.length < LEAST_POINTS) {
    return { name, speaks: 'nothing', why: 'too few samples of its traffic', ...(apart ? {} : { open: true }) }
  }
  const [was, is] = [median(before), median(after)]
  const [earlier, now] = [amount(was, signal.unit), amount(is, signal.unit)]
  if (was <= 0 || is < SURGE * was) return { name, speaks: 'nothing', why: `traffic was ${earlier} and is ${now}` }
  const began = sum(signal).find(([, value]) => value >= SURGE * was)?.[0] ?? survey.onset
  // What grows with the trouble may be retries of those who got errors.
  if (began >= survey.onset - survey.stepSeconds) {
    const why = `traffic was ${earlier} and is ${now} since it began`
    return { name, speaks: 'nothing', why, ...(apart ? {} : { open: true }) }
  }
  return { name, speaks: apart ? 'nothing' : 'against', why: `traffic was ${earlier} and is ${now}: a surge` }
}

/**
 * A machine that was saturated before the new version came, or by something else than the service: a difference between hosts is
 * the machine's then. Every host with the release that alerts has to be so, or the others would still need an explanation.
 */
function saturation(survey: Survey): Check {
  const name = 'saturation'
  const { alerting, release, onset, stepSeconds } = survey
  const machines = survey.signals.find(({ role, key, unit }) => role === 'service' && key === 'cpu' && unit === 'ratio')
  if (machines === undefined) return { name, speaks: 'nothing', why: 'how busy the machines are is not known' }
  const wanted = (release?.upgraded ?? []).filter(({ host }) => alerting.length === 0 || alerting.includes(host))
  const seen = wanted.map(({ host, at }) => {
    const points = machines.hosts.find((each) => each.host === host)?.points ?? []
    const now = points.filter(([time]) => time >= onset).map(([, value]) => value)
    const busy = now.length >= LEAST_POINTS && median(now) >= SATURATED
    const early = points.some(([time, value]) => value >= SATURATED && time < at - 2 * stepSeconds)
    return { host, now, early: busy && early, foreign: busy && usesNoMore(survey, host) }
  })
  const [first] = seen
  if (first === undefined || !seen.every(({ early, foreign }) => early || foreign)) {
    return { name, speaks: 'nothing', why: 'no machine is saturated by anything but the service' }
  }
  const busy = amount(median(first.now), 'ratio')
  const more = first.early
    ? `${first.host} is saturated: its CPU is ${busy} busy, and was before the release`
    : `${first.host} is saturated: its CPU is ${busy} busy, though the service uses no more of it`
  return { name, speaks: 'against', why: more }
}

/** Whether the service itself uses no more CPU there than before. */
function usesNoMore(survey: Survey, host: string): boolean {
  const own = survey.signals.find(({ role, key, unit }) => role === 'service' && key === 'cpu' && unit === 'cores')
  const mine = own?.hosts.find((each) => each.host === host)
  if (own === undefined || mine === undefined) return false
  const { before, after } = around({ ...own, hosts: [mine] }, survey.onset)
  return before.length >= LEAST_POINTS && after.length >= LEAST_POINTS && !isWorse(shiftOf(before, after, own))
}

function certificate({ expired, onset, from }: Survey): Check {
  const name = 'certificate'
  // One that expired long ago broke things long ago.
  const found = expired.find(({ at }) => at >= from && at <= onset + 60)
  if (found === undefined) return { name, speaks: 'nothing', why: 'no certificate is known to have expired' }
  return { name, speaks: 'against', why: `the certificate of ${found.name} has expired` }
}

/** Another service's target on the same machine went down with it: then it is the machine. */
function node({ down, alerting, service, onset, stepSeconds }: Survey): Check {
  const name = 'node'
  const hosts = [...new Set(down.map(({ host }) => host))].filter(
    (host) => alerting.length === 0 || alerting.includes(host),
  )
  for (const host of hosts) {
    const here = down.filter((each) => each.host === host && each.since <= onset + 4 * stepSeconds)
    if (here.some((each) => each.service === service) && here.some((each) => each.service !== service)) {
      return { name, speaks: 'against', why: `everything on ${host} is down, not only ${service}` }
    }
  }
  return { name, speaks: 'nothing', why: 'no machine is down as a whole' }
}

/** Two changes came together: without hosts to compare, neither can be told from the other. */
function otherRelease(survey: Survey): Check {
  const why = twinOf(survey) ?? 'nothing else was released shortly before'
  return { name: 'other release', speaks: 'nothing', why }
}

function twinOf({ otherReleases, onset }: Survey): string | undefined {
  const other = otherReleases.find(({ startedAt }) => startedAt >= onset - NEARBY_SECONDS && startedAt <= onset)
  if (other === undefined) return undefined
  const earlier = formatDuration(Math.max(1, Math.round(onset - other.startedAt)) * 1000)
  return `${other.id} put ${other.service} ${other.candidate} on hosts ${earlier} before it began`
}

/** When a signal went bad for good: the first point from which on it is never again as before. Undefined when it did not. */
function onsetOf(signal: Signal, { onset }: Survey): number | undefined {
  const { before } = around(signal, onset - 1)
  const points = sum(signal)
  let began: number | undefined
  for (const [at, value] of points) {
    const bad = before.length >= LEAST_POINTS && isWorse(shiftOf(before, [value, value, value], signal))
    if (!bad) began = undefined
    else began ??= at
  }
  return began
}

/** All hosts' values: well before the onset (a quarter of the time before it is left out), and from it on. */
function around({ hosts }: Pick<Signal, 'hosts'>, onset: number): { before: number[]; after: number[] } {
  const points = hosts.flatMap((host) => host.points)
  const from = Math.min(...points.map(([at]) => at))
  const edge = onset - (onset - from) / 4
  return {
    before: points.filter(([at]) => at < edge).map(([, value]) => value),
    after: points.filter(([at]) => at >= onset).map(([, value]) => value),
  }
}

/** Counts add up over hosts; of everything else the mean stands for all. */
function sum({ hosts, unit }: Pick<Signal, 'hosts' | 'unit'>): [number, number][] {
  const at = new Map<number, number[]>()
  for (const { points } of hosts) for (const [time, value] of points) at.set(time, [...(at.get(time) ?? []), value])
  const whole = unit === 'per_second' || unit === 'count'
  return [...at]
    .sort(([a], [b]) => a - b)
    .map(([time, values]) => {
      const total = values.reduce((one, other) => one + other, 0)
      return [time, whole ? total : total / values.length]
    })
}

function some(hosts: readonly string[]): string {
  return hosts.length <= 3 ? hosts.join(', ') : `${hosts.slice(0, 3).join(', ')} and ${hosts.length - 3} more`
}
