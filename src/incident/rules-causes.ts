import { median } from '../lib/statistics.ts'
import type { Finding, Findings } from './rules-findings.ts'
import type { Survey } from './survey.ts'

/** What besides the release may explain the trouble, as the survey shows it. */
export type Cause =
  | { at: 'certificate'; names: string[] }
  /** Several services' targets on one machine are down. */
  | { at: 'node'; hosts: string[] }
  /** The service's own targets. */
  | { at: 'down'; hosts: string[] }
  /** `called`: the service is known to call it; otherwise it is some neighbour. */
  | { at: 'dependency'; service: string; called: boolean; hosts: string[]; finding?: Finding }
  | { at: 'traffic'; finding: Finding }
  | { at: 'saturation'; host: string; busy: number }
  | ({ at: 'other release' } & Pick<Survey['otherReleases'][number], 'id' | 'service' | 'candidate' | 'state'>)

/** Traffic that has at least doubled, and a machine that is busy for 95 % of its time: the limits of the verdict. */
const SURGE = 2
const SATURATED = 0.95
/** A certificate counts when it expired at most a minute after the onset: clocks differ. */
const CLOCKS_SECONDS = 60

/** Strongest kind first; what is known for certain stands before what is likely. Pure. */
export function causesOf(survey: Survey, { findings, services }: Findings): Cause[] {
  const names = survey.expired.filter(({ at }) => at <= survey.onset + CLOCKS_SECONDS).map(({ name }) => name)
  const certificates: Cause[] = names.length === 0 ? [] : [{ at: 'certificate', names: [...new Set(names)] }]
  const down = targets(survey)
  const machines = new Set(down.flatMap((cause) => (cause.at === 'node' ? cause.hosts : [])))
  return [
    ...certificates,
    ...down,
    ...dependencies({ ...survey, down: survey.down.filter(({ host }) => !machines.has(host)) }, findings, services),
    ...local(survey, findings),
  ]
}

/** Targets that were down, or went down, by the time the trouble showed; four scrapes at most later, as in the verdict. */
function targets(survey: Survey): Cause[] {
  const { service, onset, stepSeconds } = survey
  const down = survey.down.filter(({ since }) => since <= onset + 4 * stepSeconds)
  const hosts = [...new Set(down.map(({ host }) => host))]
  const on = (host: string) => new Set(down.filter((each) => each.host === host).map((each) => each.service))
  const machines = hosts.filter((host) => on(host).size > 1)
  const own = hosts.filter((host) => !machines.includes(host) && service !== undefined && on(host).has(service))
  const causes: Cause[] = []
  if (machines.length > 0) causes.push({ at: 'node', hosts: machines })
  if (own.length > 0) causes.push({ at: 'down', hosts: own })
  return causes
}

/** What is down with its whole machine is told of as the machine. */
function dependencies(survey: Survey, findings: Findings['findings'], services: Findings['services']): Cause[] {
  const called = new Set(survey.signals.filter(({ role }) => role === 'downstream').map(({ service }) => service))
  const callees = new Set(called)
  const upstream = new Set(survey.signals.filter(({ role }) => role === 'upstream').map(({ service }) => service))
  for (const { service } of survey.down) {
    if (service !== survey.service && !upstream.has(service)) callees.add(service)
  }
  const order = new Map(services.map(({ name }, n) => [name, n]))
  return [...callees]
    .sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
    .flatMap((service): Cause[] => {
      const hosts = survey.down.filter((each) => each.service === service).map(({ host }) => host)
      const finding = findings.find(
        ({ signal }) => signal.service === service && ['error_rate', 'latency', 'up'].includes(signal.key),
      )
      if (hosts.length === 0 && finding === undefined) return []
      return [
        {
          at: 'dependency',
          service,
          called: called.has(service),
          hosts: [...new Set(hosts)],
          ...(finding === undefined ? {} : { finding }),
        },
      ]
    })
}

function local(survey: Survey, findings: Findings['findings']): Cause[] {
  const causes: Cause[] = []
  const traffic = findings.find(({ signal }) => signal.role === 'service' && signal.key === 'traffic')
  if (traffic !== undefined && grewBy(survey, traffic) >= SURGE) causes.push({ at: 'traffic', finding: traffic })
  for (const { role, key, unit, hosts } of survey.signals) {
    if (role !== 'service' || key !== 'cpu' || unit !== 'ratio') continue
    for (const { host, points } of hosts) {
      const since = points.filter(([at]) => at >= survey.onset).map(([, value]) => value)
      if (since.length > 0 && median(since) >= SATURATED) causes.push({ at: 'saturation', host, busy: median(since) })
    }
  }
  const nearest = survey.otherReleases.filter(({ startedAt }) => startedAt <= survey.onset)
  return [...causes, ...nearest.map(({ startedAt: _, ...release }): Cause => ({ at: 'other release', ...release }))]
}

/** All hosts together; 0 when there was nothing before. */
function grewBy({ onset }: Survey, { signal }: Finding): number {
  const total = (on: (at: number) => boolean) =>
    signal.hosts.reduce((sum, { points }) => {
      const values = points.filter(([at]) => on(at)).map(([, value]) => value)
      return sum + (values.length === 0 ? 0 : median(values))
    }, 0)
  const before = total((at) => at < onset)
  return before <= 0 ? 0 : total((at) => at >= onset) / before
}
