import type { IncidentFilter } from '../../api.ts'

/** The filter as it stands in the address; what is no state is left out. */
export function readFilter(params: URLSearchParams): IncidentFilter {
  const state = params.get('state')
  const service = params.get('service')?.trim()
  return {
    ...(state === 'open' || state === 'over' ? { state } : {}),
    ...(service === undefined || service === '' ? {} : { service }),
  }
}

export function writeFilter({ state, service }: IncidentFilter): Record<string, string> {
  return { ...(state === undefined ? {} : { state }), ...(service === undefined || service === '' ? {} : { service }) }
}

/** The labels that tell an alert from others: not its name, which stands before them, nor those that all of them share. */
export function ownLabels(labels: Record<string, string>, shared: Record<string, string>): [string, string][] {
  const all = Object.entries(labels)
    .filter(([name]) => name !== 'alertname')
    .sort(([a], [b]) => a.localeCompare(b))
  const own = all.filter(([name, value]) => shared[name] !== value)
  return own.length === 0 ? all : own
}

/** Labels that all alerts have with the same value; none of a single alert. */
export function sharedLabels(alerts: readonly { labels: Record<string, string> }[]): Record<string, string> {
  const [first, ...rest] = alerts
  if (first === undefined || rest.length === 0) return {}
  return Object.fromEntries(
    Object.entries(first.labels).filter(([name, value]) => rest.every(({ labels }) => labels[name] === value)),
  )
}

/** The receiver that Alertmanager needs, with this console's own address. */
export function receiverConfig(origin: string): string {
  return [
    'route:',
    '  receiver: rollcall',
    '  group_by: [alertname, service]',
    'receivers:',
    '  - name: rollcall',
    '    webhook_configs:',
    `      - url: ${origin}/api/v1/alertmanager`,
    '        send_resolved: true',
    '        http_config:',
    '          authorization:',
    '            credentials_file: /etc/alertmanager/rollcall.token',
    '',
  ].join('\n')
}

export const SOURCE_CONFIG = [
  'alerts:',
  '  sources:',
  '    - name: alertmanager',
  '      tokenEnv: ALERTMANAGER_TOKEN',
  '      url: http://alertmanager:9093',
  '',
].join('\n')
