import type { Alert, Episode } from './alert.ts'
import type { AlertsConfig, Severity } from './config.ts'
import { isWorse, toldAt, toldBelow } from './escalate.ts'
import type { Incident } from './incident.ts'

const ORDER: readonly Severity[] = ['critical', 'warning', 'info']

/** What the alert's severity counts as; `warning` when its label is missing or unknown. */
export function severityOf(config: AlertsConfig, alert: Alert): Severity {
  const said = alert.labels[config.severityLabel] ?? alert.callback?.severity ?? ''
  const known = Object.entries(config.severities).find(([name]) => name.toLowerCase() === said.toLowerCase())
  if (known !== undefined) return known[1]
  return alert.callback?.isEmergent === true ? 'critical' : 'warning'
}

/** The alert's name; what the callback calls it, or its key, when it has no such label. */
export function nameOf(alert: Alert): string {
  return (alert.labels.alertname ?? alert.callback?.key ?? alert.fingerprint).slice(0, 120)
}

/** The labels that all of these alerts share, with values that are not empty. */
export function commonLabels(alerts: readonly Alert[]): Record<string, string> {
  const [first, ...rest] = alerts
  const shared = Object.entries(first?.labels ?? {}).filter(
    ([name, value]) => value !== '' && rest.every(({ labels }) => labels[name] === value),
  )
  return Object.fromEntries(shared)
}

/** Services that are named one by one in an incident. */
const SERVICES = 20

/**
 * The incident as its episodes, host ids and services make it now. Its turn grows when it begins or ceases to fire, and when an
 * acknowledgement lapses because it has become worse than what was acknowledged.
 */
export function tallied(
  incident: Incident,
  seen: {
    episodes: readonly Episode[]
    config: AlertsConfig
    hosts: string[]
    service?: string
    /** Of those that fire, the most frequent first. */
    services?: string[]
    now: Date
  },
): Incident {
  const alerts = seen.episodes.map(({ alert }) => alert)
  if (alerts.length === 0) return incident
  const firing = alerts.filter(({ status }) => status === 'firing')
  const counted = firing.length > 0 ? firing : alerts
  const names = new Set(counted.map(nameOf))
  const [only = ''] = names
  const severities = new Set(counted.map((alert) => severityOf(seen.config, alert)))
  const severity = ORDER.find((each) => severities.has(each)) ?? 'warning'
  const since = alerts.map(({ startsAt }) => startsAt).reduce((a, b) => (Date.parse(b) < Date.parse(a) ? b : a))
  const state = stateOf(incident, alerts, firing.length, seen.now)
  const { services: _, ...before } = firing.length > 0 ? lapsing(incident, severity) : incident
  const services = seen.services ?? []
  return {
    ...before,
    since,
    title: names.size === 1 ? only : `${counted.length} alerts`,
    severity,
    firing: firing.length,
    resolved: alerts.length - firing.length,
    ...(seen.service === undefined ? {} : { service: seen.service }),
    ...(services.length > 1 ? { services: services.slice(0, SERVICES) } : {}),
    hosts: seen.hosts,
    level: before.levels === undefined ? before.level : toldAt(before.levels, severity),
    state,
    turn: before.turn + (state.at === incident.state.at ? 0 : 1),
  }
}

/** Whoever acknowledged something milder has not acknowledged this: the levels of the severity begin at the first. */
function lapsing(incident: Incident, severity: Severity): Incident {
  const { acknowledged, ...rest } = incident
  if (acknowledged === undefined) return incident
  const was = acknowledged.severity ?? incident.severity
  if (!isWorse(severity, was)) return incident
  return {
    ...rest,
    lapsed: { by: acknowledged.by, when: acknowledged.when, severity: was },
    levels: toldBelow(incident.levels ?? { [was]: incident.level }, severity),
    turn: incident.turn + 1,
  }
}

function stateOf(incident: Incident, alerts: readonly Alert[], firing: number, now: Date): Incident['state'] {
  if (firing > 0) return { at: 'firing' }
  if (incident.state.at === 'resolved') return incident.state
  // When the last of them ended, as its source says; a source whose clock runs ahead does not end it in the future.
  const ends = alerts.map(({ endsAt, receivedAt }) => Date.parse(endsAt ?? receivedAt)).filter(Number.isFinite)
  const last = ends.length === 0 ? now.getTime() : Math.max(...ends)
  return { at: 'resolved', when: new Date(Math.min(last, now.getTime())).toISOString() }
}
