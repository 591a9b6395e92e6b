import { median } from '../lib/statistics.ts'
import { ANOMALY, type Change, type Kind, type Ranked, type RankedMetric, type RankInput, rank } from './rank.ts'
import { withoutRestarts } from './rules-restarts.ts'
import { symptomOf } from './rules-symptom.ts'
import type { Signal, Survey } from './survey.ts'

/** One host of a signal that has changed for the worse. */
export interface HostChange {
  host: string
  before: number
  /** Median since the onset; the extreme where only few points are bad. */
  after: number
  brief: boolean
  score: number
}

/** A signal with at least one changed host, the one that moved farthest first. */
export interface Finding {
  signal: Signal
  hosts: HostChange[]
  score: number
  /** Medians since the onset of hosts that have the release and of those of its plan that do not. */
  sides?: { upgraded: number; waiting: number }
}

export interface Findings {
  /** What the alert is about, where that is known. */
  symptom: Kind | undefined
  /** Strongest first: of the alert and the service, then of its neighbours. */
  findings: Finding[]
  /** Signals that were measured on both sides of the onset and have not changed. */
  calm: Signal[]
  services: Ranked[]
  /** Hosts of the service; empty unless there are two. */
  hosts: Ranked[]
}

const kinds: Record<Signal['key'], Kind> = {
  error_rate: 'errors',
  latency: 'latency',
  traffic: 'load',
  cpu: 'use',
  memory: 'use',
  // What does not answer makes its callers fail.
  up: 'errors',
  // Unless it is known what the alert is about.
  alert: 'other',
}

/** Smallest changes worth a look, by unit, as on the gate's cards; what an alert's own expression counts is not known. */
const floors: Record<Signal['unit'], number> = {
  ratio: 0.002,
  seconds: 0.005,
  bytes: 4e6,
  cores: 0.02,
  per_second: 0.1,
  count: 0.5,
}

/**
 * What the signals of a survey say: each one's changed hosts, and services and hosts by suspicion. What a deploy's own restart
 * explains is none of it (src/incident/rules-restarts.ts). `title` is the alert's name: it may tell what the alert is about
 * (src/incident/rules-symptom.ts), and changes of that kind are the more suspect. Pure.
 */
export function findingsOf(whole: Survey, title: string): Findings {
  const survey = withoutRestarts(whole)
  const symptom = symptomOf(survey, title)
  const own = survey.signals.filter(({ role }) => role === 'alert' || role === 'service')
  const scored = survey.signals.map((signal) => ({ signal, finding: findingOf(survey, signal) }))
  return {
    symptom,
    findings: scored
      .flatMap(({ finding }) => finding ?? [])
      .sort((a, b) => place(a.signal) - place(b.signal) || b.score - a.score),
    calm: scored.filter(({ signal, finding }) => finding === undefined && isMeasured(survey, signal)).map(bySignal),
    services: rank(servicesOf(survey, symptom)),
    hosts: rank(hostsOf(survey, own, symptom)),
  }
}

/** Of the service's own findings the strongest one of the alert's kind; the strongest where none is. */
export function mainFinding({ findings, symptom }: Findings): Finding | undefined {
  const own = findings.filter(({ signal }) => signal.role === 'service')
  return own.find(({ signal }) => kinds[signal.key] === symptom) ?? own[0]
}

const bySignal = ({ signal }: { signal: Signal }): Signal => signal

const place = ({ role }: Signal): number => (role === 'alert' || role === 'service' ? 0 : 1)

function isMeasured({ onset }: Survey, { hosts }: Signal): boolean {
  const points = hosts.flatMap((host) => host.points)
  return points.some(([at]) => at < onset) && points.some(([at]) => at >= onset)
}

function findingOf(survey: Survey, signal: Signal): Finding | undefined {
  const nodes = signal.hosts.map((each) => ({ name: each.host, metrics: [metricOf(signal, each.points)] }))
  const changed = rank({ onset: survey.onset, nodes, calls: [] }).flatMap(({ name, metrics: [change] }) => {
    if (change === undefined || !isWorse(signal, change)) return []
    const points = signal.hosts.filter(({ host }) => host === name).flatMap((each) => each.points)
    return [hostChange(survey, points, name, change)]
  })
  const [worst] = changed
  if (worst === undefined) return undefined
  // By how far each has moved; what lasts before what was brief.
  const far = ({ before, after }: HostChange) => Math.abs(after - before)
  const hosts = changed.toSorted((a, b) => Number(a.brief) - Number(b.brief) || far(b) - far(a))
  return { signal, hosts, score: worst.score, ...sidesOf(survey, signal) }
}

/** Less traffic tells something as well; of everything else only one direction is trouble. */
function isWorse({ key, bad }: Signal, { direction, peakDirection }: Change): boolean {
  const way = direction === 'none' ? peakDirection : direction
  if (key === 'traffic') return true
  return way === (key === 'up' || bad !== 'down' ? 'up' : 'down')
}

/** A target that is up is 1; its absence is counted instead, so that it starts from 0 as errors do. */
function metricOf(
  { key, name, unit }: Signal,
  points: Signal['hosts'][number]['points'],
  symptom?: Kind,
): RankedMetric {
  const kind = key === 'alert' ? (symptom ?? kinds.alert) : kinds[key]
  if (key === 'up') {
    return { name, kind, floor: floors.ratio, points: points.map(([at, value]): [number, number] => [at, 1 - value]) }
  }
  return key === 'alert' && unit === 'count' ? { name, kind, points } : { name, kind, points, floor: floors[unit] }
}

function hostChange({ onset }: Survey, points: [number, number][], host: string, change: Change): HostChange {
  const before = points.filter(([at]) => at < onset).map(([, value]) => value)
  const after = points.filter(([at]) => at >= onset).map(([, value]) => value)
  const brief = change.scores.shift < ANOMALY
  const was = median(before)
  const farthest = after.reduce((most, value) => (Math.abs(value - was) > Math.abs(most - was) ? value : most), was)
  return { host, before: was, after: brief ? farthest : median(after), brief, score: change.scores.fused }
}

function sidesOf({ onset }: Survey, { hosts }: Signal): Pick<Finding, 'sides'> {
  const since = (group: 'upgraded' | 'waiting') =>
    hosts
      .filter((host) => host.group === group)
      .flatMap(({ points }) => points.filter(([at]) => at >= onset).map(([, value]) => value))
  const [upgraded, waiting] = [since('upgraded'), since('waiting')]
  if (upgraded.length === 0 || waiting.length === 0) return {}
  return { sides: { upgraded: median(upgraded), waiting: median(waiting) } }
}

/** A node a service; each host's series is a metric of it, so that one bad host of many is heard. */
function servicesOf(survey: Survey, symptom: Kind | undefined): RankInput {
  const names = [...new Set(survey.signals.map(({ service }) => service))]
  const nodes = names.map((name) => ({
    name,
    metrics: survey.signals
      .filter(({ service }) => service === name)
      .flatMap((signal) => signal.hosts.map(({ points }) => metricOf(signal, points, symptom))),
  }))
  const target = survey.service
  const calls = survey.signals.flatMap(({ role, service }) => {
    if (target === undefined || service === target) return []
    if (role === 'downstream') return [{ from: target, to: service }]
    return role === 'upstream' ? [{ from: service, to: target }] : []
  })
  return {
    ...{ onset: survey.onset, nodes, calls },
    ...(target === undefined ? {} : { target }),
    ...(symptom === undefined ? {} : { symptom }),
  }
}

function hostsOf({ onset }: Survey, own: readonly Signal[], symptom: Kind | undefined): RankInput {
  const names = [...new Set(own.flatMap(({ hosts }) => hosts.map(({ host }) => host)))]
  const nodes = names.map((name) => ({
    name,
    metrics: own.flatMap((signal) =>
      signal.hosts.filter(({ host }) => host === name).map(({ points }) => metricOf(signal, points, symptom)),
    ),
  }))
  return { onset, nodes: nodes.length < 2 ? [] : nodes, calls: [], ...(symptom === undefined ? {} : { symptom }) }
}
