import type { Matcher } from '../ports/silences.ts'
import type { Alert } from './alert.ts'
import type { AlertsConfig } from './config.ts'
import { commonLabels } from './tally.ts'

/** What one silence matches: alerts that have all of these labels. */
export type Wanted = { name: string; value: string }[]

/** Silences that one press makes at most. */
export const MOST_SILENCES = 10
/** Characters of matchers that people are shown, and silences named among them. */
const SHOWN = 300
const NAMED = 3

/**
 * The silences that mean these alerts and no more than their like: one over the labels that they share, if the alert's name is
 * among these, and a service or a host wherever every alert has one; otherwise one for each alert, by all of its labels.
 * Undefined when that would be more than 10.
 */
export function silencesFor(
  config: Pick<AlertsConfig, 'serviceLabels' | 'hostLabels'>,
  alerts: readonly Alert[],
): Wanted[] | undefined {
  const shared = commonLabels(alerts)
  if (isSpecific(config, shared, alerts)) return [wanted(shared)]
  const each = alerts.map(({ labels }) => wanted(labels)).filter((matchers) => matchers.length > 0)
  const all = [...new Map(each.map((matchers) => [JSON.stringify(matchers.map(pair).sort()), matchers])).values()]
  return all.length === 0 || each.length < alerts.length || all.length > MOST_SILENCES ? undefined : all
}

function isSpecific(
  { serviceLabels, hostLabels }: Pick<AlertsConfig, 'serviceLabels' | 'hostLabels'>,
  shared: Record<string, string>,
  alerts: readonly Alert[],
): boolean {
  if (shared.alertname === undefined) return false
  const has = (name: string): boolean => alerts.some(({ labels }) => (labels[name] ?? '') !== '')
  // Of several such labels the first names the service; the others may be the same everywhere, such as the job of all targets.
  const service = serviceLabels.find(has)
  const hosts = hostLabels.filter(has)
  if (service === undefined && hosts.length === 0) return true
  return [...(service === undefined ? [] : [service]), ...hosts].some((name) => shared[name] !== undefined)
}

/** A value that was cut when it came in is not what the source has: it would match nothing there. */
function wanted(labels: Record<string, string>): Wanted {
  return Object.entries(labels).flatMap(([name, value]) =>
    value === '' || value.endsWith('…') ? [] : [{ name, value }],
  )
}

export function toMatchers(matchers: Wanted): Matcher[] {
  return matchers.map(({ name, value }) => ({ name, value, isRegex: false, isEqual: true }))
}

/** As Alertmanager does it: all of them are equal, and a label that is missing counts as an empty one. */
export function matches(matchers: Wanted, labels: Record<string, string>): boolean {
  return matchers.every(({ name, value }) => (labels[name] ?? '') === value)
}

/** `alertname="HighErrorRate", service="web"`; several in braces; cut to what people read. */
export function describe(silences: readonly Wanted[]): string {
  const named = silences.slice(0, NAMED).map((matchers) => matchers.map(pair).join(', '))
  const text = silences.length === 1 ? (named[0] ?? '') : named.map((one) => `{${one}}`).join(' ')
  if (text.length > SHOWN) return `${text.slice(0, SHOWN - 1)}…`
  return silences.length > NAMED ? `${text} …` : text
}

function pair({ name, value }: Wanted[number]): string {
  return `${/^\w+$/.test(name) ? name : JSON.stringify(name)}=${JSON.stringify(value)}`
}
