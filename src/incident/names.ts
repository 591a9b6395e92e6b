import type { Alert } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import { hostsOfAlerts, serviceOf } from './join.ts'

/** What an alert is about: a configured host's id and a known service, where its labels name one. */
export interface AlertNames {
  host?: string
  service?: string
}
export type NameAlert = (alert: Pick<Alert, 'labels'>) => AlertNames

type Known = Pick<IncidentDesk, 'services' | 'hosts' | 'config'>

/** Labels that name a host by the habits of exporters, the one that people know it by first. */
const HOST_LABELS = ['host', 'hostname', 'instance', 'node']
const LONGEST = 60

/** Looks names up; alerts of a group that share their labels' values are looked up once. */
export function alertNames(desk: Known): NameAlert {
  const { serviceLabels, hostLabels } = desk.config
  const seen = new Map<string, AlertNames>()
  return ({ labels }) => {
    const key = JSON.stringify([...serviceLabels, ...hostLabels].map((label) => labels[label] ?? null))
    const known = seen.get(key)
    if (known !== undefined) return known
    const host = hostsOfAlerts(desk, [{ labels }])[0]?.id
    const service = serviceOf(desk, labels)
    const names = { ...(host === undefined ? {} : { host }), ...(service === undefined ? {} : { service }) }
    seen.set(key, names)
    return names
  }
}

/** The label that tells which host it is about, of those that `may` be used; undefined when it has none. */
export function hostLabel({ labels }: Pick<Alert, 'labels'>, may: (label: string) => boolean): string | undefined {
  return HOST_LABELS.find((label) => labels[label] !== undefined && labels[label] !== '' && may(label))
}

/** The host of an alert for a sentence: the configured one's id, else what a label says, as one word. */
export function hostName(alert: Pick<Alert, 'labels'>, names: NameAlert): string | undefined {
  const label = hostLabel(alert, () => true)
  const said = names(alert).host ?? (label === undefined ? undefined : alert.labels[label])
  return said?.replace(/[\s,;]+/g, '_').slice(0, LONGEST)
}

/** The services that alerts name, the most frequent first; those named equally often in the order of their first alert. */
export function servicesOf(alerts: readonly Pick<Alert, 'labels'>[], names: NameAlert): string[] {
  const times = new Map<string, number>()
  for (const alert of alerts) {
    const { service } = names(alert)
    if (service !== undefined) times.set(service, (times.get(service) ?? 0) + 1)
  }
  return [...times].toSorted(([, a], [, b]) => b - a).map(([service]) => service)
}
