import { asFault } from '../lib/fault.ts'
import type { Labels, Metrics, Series } from '../ports/metrics.ts'
import { type Service, toRecipe } from '../release/config.ts'
import { hostsOf } from '../release/desk.ts'
import type { ChosenMetric } from '../release/gate.ts'
import { analyseMetrics, rateWindow } from '../release/metrics.ts'
import { type HostRef, hostOf } from '../release/metrics-families.ts'
import { fill, quote } from '../release/metrics-promql.ts'
import type { Release } from '../release/release.ts'
import { neighbours } from '../topology/topology.ts'
import { type Alert, episodesOf } from './alert.ts'
import { expressionOf } from './alert-expression.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { onsetIn } from './onset.ts'
import type { Signal, Survey } from './survey.ts'
import { unitOf } from './unit-of.ts'

/** Points that a series is asked for. */
const POINTS = 240
/** What lies before the trouble: 60 scrapes, as few as make a distribution, at most an hour. */
const SCRAPES_BEFORE = 60
const LONGEST_BEFORE = 3600
/** Neighbours that are asked in each direction, and series that an answer may bring. */
const NEIGHBOURS = 8
const SERIES = 200
/** Hosts that are asked by SSH whether they are there. */
const PROBED = 5

interface Window {
  from: number
  to: number
  step: number
}

/**
 * Reads the metrics around an incident: RED and USE of its service host by host, of the services around it, the alert's own
 * expression, and what is down. The window begins so long before the trouble, or before the release, that there is something to
 * compare with. Never throws for a query: what could not be asked is in `gaps`.
 */
export async function readSurvey(desk: IncidentDesk, incident: Incident): Promise<Survey> {
  const now = desk.clock().getTime() / 1000
  const alerts = (await episodesOf(desk.store, incident.id)).map(({ alert }) => alert)
  const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
  const service = incident.service ?? release?.service
  const gaps: string[] = []
  const base = {
    incident: incident.id,
    at: now,
    service,
    alerting: incident.hosts,
    release: release && releaseIn(release),
    otherReleases: service === undefined ? [] : await otherReleases(desk, service, release?.id, now),
  }
  const fired = Math.min(now, Date.parse(incident.since) / 1000)
  const { metrics } = desk
  if (metrics === undefined) {
    gaps.push('no Prometheus is configured')
    const window = { from: fired - SCRAPES_BEFORE * 15, to: now, stepSeconds: 15 }
    return { ...base, ...window, onset: fired, onsetFrom: 'alert', signals: [], down: [], expired: [], gaps }
  }
  const reader = createReader(desk, metrics, gaps)
  const own = service === undefined ? [] : await reader.chosen(service, release)
  const scrape = Math.max(1, ...own.map(({ metric }) => metric.scrapeSeconds))
  const began = Math.min(fired, base.release?.startedAt ?? fired)
  const before = Math.min(LONGEST_BEFORE, Math.max(SCRAPES_BEFORE * scrape, now - began))
  const window: Window = { from: began - before, to: now, step: 0 }
  window.step = Math.max(Math.ceil(scrape), Math.ceil((window.to - window.from) / POINTS))
  // Whole steps back from now: the newest point is this moment's.
  window.from = window.to - Math.ceil((window.to - window.from) / window.step) * window.step
  const groups = groupsOf(base.release)
  const around = service === undefined ? { upstream: [], downstream: [] } : neighbours(desk.services, service)
  const [alert, mine, busy, up, down, ...others] = await Promise.all([
    reader.alert(alerts, service, window),
    Promise.all(own.map((each) => reader.signal(service ?? '', 'service', each, window))),
    service === undefined ? undefined : reader.machines(service, window),
    service === undefined ? undefined : reader.up(service, 'service', window),
    Promise.all(around.downstream.slice(0, NEIGHBOURS).map((name) => reader.up(name, 'downstream', window))),
    ...(['upstream', 'downstream'] as const).flatMap((role) =>
      around[role].slice(0, NEIGHBOURS).map((name) => reader.neighbour(name, role, window)),
    ),
  ])
  const ups = [up, ...down].filter((each) => each !== undefined)
  const signals = [alert, ...mine, busy, ...ups, ...others.flat()]
    .filter((signal): signal is Signal => signal !== undefined && signal.hosts.length > 0)
    .map((signal) => grouped(signal, signal.role === 'service' || signal.role === 'alert' ? groups : new Map()))
  const ownDown = up === undefined ? [] : downIn(up)
  const configured = desk.services.find(({ name }) => name === service)
  const onset = onsetIn(signals, {
    fired,
    from: window.from,
    stepSeconds: window.step,
    startedAt: base.release?.startedAt,
  })
  return {
    ...base,
    from: window.from,
    to: window.to,
    stepSeconds: window.step,
    onset: onset ?? fired,
    onsetFrom: onset === undefined ? 'alert' : 'series',
    signals,
    down: [
      ...ups.flatMap((signal) => downIn(signal)),
      ...(await reader.machinesDown([...incident.hosts, ...ownDown.map(({ host }) => host)], service, window)),
      ...(configured === undefined ? [] : await reader.unreachable(ownDown, configured)),
    ],
    expired: await reader.expired([...(service === undefined ? [] : [service]), ...around.downstream]),
    gaps: [...new Set(gaps)],
  }
}

function createReader(desk: IncidentDesk, metrics: Metrics, gaps: string[]) {
  const now = desk.clock()
  const asked = async <T>(what: string, ask: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await ask()
    } catch (error) {
      gaps.push(`${what} could not be read: ${asFault(error).message}`)
      return undefined
    }
  }
  const range = async (what: string, query: string, { from, to, step }: Window): Promise<Series[]> =>
    (await asked(what, () => metrics.range(query, new Date(from * 1000), new Date(to * 1000), step))) ?? []
  const hostsFor = (service: string): HostRef[] => {
    const known = desk.services.find(({ name }) => name === service)
    return known === undefined ? [] : hostsOf(desk, known, [])
  }
  const selectors = (name: string, service: string, more = ''): string =>
    desk.config.serviceLabels.map((label) => `${name}{${label}=${quote(service)}${more}}`).join(' or ')
  return {
    /** What the release is watched by, or what is found for the service. */
    async chosen(service: string, release?: Release): Promise<{ metric: ChosenMetric; hosts: HostRef[] }[]> {
      const hosts = hostsFor(service)
      const known = release?.service === service ? release.metrics : []
      if (known.length > 0) return known.map((metric) => ({ metric, hosts }))
      const red = desk.services.find(({ name }) => name === service)?.red
      const refs = hosts.length > 0 ? hosts : await this.instances(service)
      const analysis = await asked(`metrics of ${service}`, () =>
        analyseMetrics(metrics, { service, hosts: refs, red, now }),
      )
      if (analysis?.metrics.length === 0) gaps.push(`no metric of ${service} was found`)
      return (analysis?.metrics ?? []).map((metric) => ({ metric, hosts: refs }))
    },
    /** The instances of a service that nobody configured, as its targets name them. */
    async instances(service: string): Promise<HostRef[]> {
      const found = await asked(`targets of ${service}`, () => metrics.instant(selectors('up', service)))
      const names = (found ?? []).map(({ labels }) => instanceOf(desk, labels))
      return [...new Set(names)].slice(0, SERIES).map((id) => ({ id }))
    },
    async signal(
      service: string,
      role: Signal['role'],
      { metric, hosts }: { metric: ChosenMetric; hosts: HostRef[] },
      window: Window,
    ): Promise<Signal> {
      const query = fill(metric.query, rateWindow(metric.scrapeSeconds))
      const series = await range(`${metric.name} of ${service}`, query, window)
      const unit = metric.kind
      const limit =
        metric.direction === 'up-is-bad' && metric.thresholds.fail > 0 ? { limit: metric.thresholds.fail } : {}
      const byHost = perHost(series, ({ [metric.hostLabel]: value }) => hostOf(value, hosts)?.id)
      return { service, role, key: metric.key, name: metric.name, unit, query, ...limit, hosts: byHost }
    },
    async neighbour(service: string, role: 'upstream' | 'downstream', window: Window): Promise<Signal[]> {
      const chosen = await this.chosen(service)
      return Promise.all(
        chosen
          .filter(({ metric }) => ['error_rate', 'latency', 'traffic', 'cpu'].includes(metric.key))
          .map((each) => this.signal(service, role, each, window)),
      )
    },
    /** The alert's own expression, when all of them have the same one. */
    async alert(alerts: readonly Alert[], service: string | undefined, window: Window): Promise<Signal | undefined> {
      const found = alerts.map(({ generatorUrl }) => expressionOf(generatorUrl))
      const [first] = found
      if (first === undefined || found.some((each) => each?.query !== first.query)) return undefined
      const series = await range('the alert’s expression', first.query, window)
      const names = new Set(alerts.map(({ labels }) => labels.alertname ?? 'alert'))
      const mine = series.filter(({ labels }) => service === undefined || mentions(desk, labels, service))
      const hosts = perHost(mine.length > 0 ? mine : series, (labels) => {
        const named = desk.config.hostLabels.map((label) => hostOf(labels[label], desk.hosts)?.id)
        return named.find((id) => id !== undefined) ?? instanceOf(desk, labels)
      })
      const name = [...names].join(', ').slice(0, 80)
      const limit = first.limit === undefined ? {} : { limit: first.limit }
      const unit = unitOf(first.query)
      return {
        service: service ?? '',
        role: 'alert',
        key: 'alert',
        name,
        unit,
        query: first.query,
        bad: first.bad,
        ...limit,
        hosts,
      }
    },
    async up(service: string, role: 'service' | 'downstream', window: Window): Promise<Signal> {
      const query = selectors('up', service)
      const known = hostsFor(service)
      const hosts = perHost(await range(`targets of ${service}`, query, window), (labels) => {
        const named = desk.config.hostLabels.map((label) => hostOf(labels[label], known)?.id)
        return named.find((id) => id !== undefined) ?? instanceOf(desk, labels)
      })
      return { service, role, key: 'up', name: 'Up', unit: 'count', query, bad: 'down', limit: 0.5, hosts }
    },
    /** How busy the machines of a service are, from the node exporter where there is one. */
    async machines(service: string, window: Window): Promise<Signal | undefined> {
      const query = '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[1m]))'
      const known = hostsFor(service)
      const hosts = perHost(
        await range('CPU of the machines', query, window),
        ({ instance }) => hostOf(instance, known)?.id,
      )
      if (hosts.length === 0) return undefined
      return { service, role: 'service', key: 'cpu', name: 'Machine CPU', unit: 'ratio', query, hosts }
    },
    /** Targets of any other service on these hosts that are down now, and since when. */
    async machinesDown(hosts: readonly string[], service: string | undefined, window: Window): Promise<Survey['down']> {
      if (hosts.length === 0) return []
      const known = desk.hosts.filter(({ id }) => hosts.includes(id))
      const found = await range('targets that are down', 'up == 0', window)
      return found.slice(0, SERIES).flatMap(({ labels, points }) => {
        const host = desk.config.hostLabels
          .map((label) => hostOf(labels[label], known)?.id)
          .find((id) => id !== undefined)
        const other = desk.config.serviceLabels.map((label) => labels[label]).find((name) => name !== undefined)
        const since = downSince(points, window)
        if (host === undefined || other === undefined || other === service || since === undefined) return []
        return [{ service: other.slice(0, 200), host, since }]
      })
    },
    /** Hosts whose service is down and that SSH does not reach either: then it is not only the service. */
    async unreachable(down: Survey['down'], service: Service): Promise<Survey['down']> {
      const recipe = toRecipe(service)
      const found = await Promise.all(
        down.slice(0, PROBED).map(async ({ host, since }) => {
          try {
            await desk.target.probe(host, recipe)
            return []
          } catch (error) {
            return asFault(error).code === 'target.unreachable' ? [{ service: 'SSH', host, since }] : []
          }
        }),
      )
      return found.flat()
    },
    async expired(services: readonly string[]): Promise<Survey['expired']> {
      if (services.length === 0) return []
      const query = services.map((service) => selectors('probe_ssl_earliest_cert_expiry', service)).join(' or ')
      const found = (await asked('the certificates', () => metrics.instant(query))) ?? []
      const at = now.getTime() / 1000
      return found
        .filter(({ value }) => Number.isFinite(value) && value > 0 && value <= at)
        .map(({ labels, value }) => ({
          name: (labels.instance ?? labels.service ?? 'a target').slice(0, 200),
          at: value,
        }))
    },
  }
}

function instanceOf(desk: IncidentDesk, labels: Labels): string {
  const named = desk.config.hostLabels.map((label) => labels[label]).find((value) => value !== undefined)
  return (named ?? 'all').slice(0, 200)
}

function mentions(desk: IncidentDesk, labels: Labels, service: string): boolean {
  const named = desk.config.serviceLabels.map((label) => labels[label]).filter((value) => value !== undefined)
  return named.length === 0 || named.some((value) => value === service || value.endsWith(`/${service}`))
}

/** By host, several series of one added up; NaN and infinities left out. */
function perHost(series: readonly Series[], nameOf: (labels: Labels) => string | undefined): Signal['hosts'] {
  const sums = new Map<string, Map<number, number>>()
  for (const { labels, points } of series) {
    const host = nameOf(labels)
    if (host === undefined || (!sums.has(host) && sums.size >= SERIES)) continue
    const sum = sums.get(host) ?? new Map<number, number>()
    sums.set(host, sum)
    for (const [at, value] of points) if (Number.isFinite(value)) sum.set(at, (sum.get(at) ?? 0) + value)
  }
  return [...sums].map(([host, sum]) => ({
    host,
    group: 'other' as const,
    points: [...sum]
      .sort(([a], [b]) => a - b)
      .map(([at, value]): [number, number] => [at, Number(value.toPrecision(6))]),
  }))
}

/** When the last stretch of points began, if it lasts until now. */
function downSince(points: readonly [number, number][], { to, step }: Window): number | undefined {
  const last = points.at(-1)
  if (last === undefined || last[0] < to - 2 * step) return undefined
  let since = last[0]
  for (const [at] of points.toReversed()) {
    if (since - at > 1.5 * step) break
    since = at
  }
  return since
}

function downIn({ service, hosts, key }: Signal): Survey['down'] {
  if (key !== 'up') return []
  return hosts.flatMap(({ host, points }) => {
    const last = points.at(-1)
    if (last === undefined || last[1] > 0) return []
    const lived = points.findLastIndex(([, value]) => value > 0)
    return [{ service, host, since: points[lived + 1]?.[0] ?? last[0] }]
  })
}

type Group = Pick<Signal['hosts'][number], 'group' | 'deployedAt'>

function groupsOf(release: Survey['release']): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const { host, at } of release?.upgraded ?? []) groups.set(host, { group: 'upgraded', deployedAt: at })
  for (const host of release?.others ?? []) groups.set(host, { group: 'waiting' })
  return groups
}

function grouped(signal: Signal, groups: ReadonlyMap<string, Group>): Signal {
  return { ...signal, hosts: signal.hosts.map((host) => ({ ...host, ...(groups.get(host.host) ?? {}) })) }
}

function releaseIn(release: Release): Survey['release'] {
  const upgraded = Object.entries(release.hosts).flatMap(([host, { at, deployedAt, version }]) =>
    deployedAt !== undefined && (at === 'healthy' || version === release.candidate)
      ? [{ host, at: Date.parse(deployedAt) / 1000 }]
      : [],
  )
  const startedAt = release.startedAt === undefined ? undefined : Date.parse(release.startedAt) / 1000
  const first = upgraded.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY)
  return {
    id: release.id,
    candidate: release.candidate,
    current: release.current,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(startedAt === undefined || first === Number.POSITIVE_INFINITY
      ? {}
      : { jobSeconds: Math.max(0, first - startedAt) }),
    upgraded,
    others: Object.keys(release.hosts).filter((host) => !upgraded.some((each) => each.host === host)),
  }
}

/** Releases of the service and of what it calls that put something on hosts within the last hour, but for the one that is asked about. */
async function otherReleases(
  desk: IncidentDesk,
  service: string,
  except: string | undefined,
  now: number,
): Promise<Survey['otherReleases']> {
  const found: Survey['otherReleases'] = []
  for (const name of [service, ...neighbours(desk.services, service).downstream]) {
    let seen = 0
    for await (const { id, candidate, startedAt, createdAt, state } of desk.releases.newest({ service: name })) {
      // What was taken back is gone.
      if (state.at === 'rolled back') continue
      if (++seen > 10 || Date.parse(createdAt) / 1000 < now - LONGEST_BEFORE - 86_400) break
      const at = startedAt === undefined ? undefined : Date.parse(startedAt) / 1000
      if (id !== except && at !== undefined && at > now - LONGEST_BEFORE)
        found.push({ id, service: name, candidate, startedAt: at, state: standing(state) })
    }
  }
  return found
}

/** What can still be done with it: what is rolling back is as good as over. */
function standing({ at }: Release['state']): 'rolling out' | 'held' | 'over' {
  return at === 'rolling out' || at === 'held' ? at : 'over'
}
