import { formatDuration } from '../lib/duration.ts'
import type { Block, Button, Message } from '../ports/chat.ts'
import { localTime } from '../release/issue.ts'
import { isOver, type Release } from '../release/release.ts'
import { someHosts } from '../release/scene.ts'
import type { Alert, Episode } from './alert.ts'
import type { Incident } from './incident.ts'
import { describe } from './matchers.ts'
import { hostLabel, type NameAlert } from './names.ts'
import { activeSilences, covers, firingOf, matchersOf, type Silence } from './silenced.ts'
import { commonLabels, nameOf } from './tally.ts'

/** Alerts named one by one on a card; `/alerts A-17 --all` has all of them. */
const SHOWN = 10
const LINKS = 4
/** Silences that a card names. */
const SILENCES = 3
/** Most characters of a text that comes from outside. */
const CAP = { short: 60, summary: 300, description: 1000 }
/** Annotations that hold the measured value, by the habits of rule writers. */
const VALUES = ['value', 'current_value', 'currentValue', 'current']

export interface CardParts {
  incident: Incident
  episodes: readonly Episode[]
  /** The joined release as it stands now. */
  release: Release | undefined
  now: Date
  buttons: Button[]
  /** What the configuration knows of an alert's host and service. */
  names?: NameAlert
}

/** The incident as one card: what fires where since when, the release that it belongs to, its alerts, and where to look. */
export function card({ incident, episodes, release, now, buttons, names }: CardParts): Message {
  const rows = ordered(episodes)
  return {
    title: title(incident),
    tone: tone(incident),
    blocks: [
      { type: 'text', text: headline(incident, episodes, now, { release, names }) },
      { type: 'fields', items: fields(incident, rows) },
      ...words(rows),
      ...releaseBlocks(incident, release),
      ...alertsTable(incident, rows, SHOWN, 0, names),
      ...linksOf(incident, rows),
    ],
    buttons,
  }
}

export function title({ id, title: name, service, services }: Incident): string {
  const about = services === undefined ? service : someHosts(services)
  return about === undefined ? `${id} ${name}` : `${id} ${name}: ${about}`
}

function tone({ state, severity, acknowledged }: Incident): Message['tone'] {
  if (state.at === 'resolved') return 'good'
  if (severity === 'info') return 'info'
  return severity === 'critical' && acknowledged === undefined ? 'bad' : 'warn'
}

/** Where it stands, in one line; what became of a rollback in another. */
export function headline(
  incident: Incident,
  episodes: readonly Episode[],
  now: Date,
  more: Pick<Partial<CardParts>, 'release' | 'names'> = {},
): string {
  const { state, acknowledged, outcome, release } = incident
  const lines = [
    state.at === 'resolved'
      ? `Resolved at ${localTime(new Date(state.when))}, after ${lasted(incident)}.`
      : acknowledged === undefined
        ? 'Fires, and nobody has acknowledged it.'
        : `Fires; acknowledged by ${acknowledged.by} at ${localTime(new Date(acknowledged.when))}.`,
  ]
  if (state.at === 'firing') {
    const active = activeSilences(incident, now)
    lines.push(...active.slice(0, SILENCES).flatMap((silence) => [silenced(silence), ...coverage([silence])]))
    lines.push(...whichAreSilenced(active, episodes, more.names))
  }
  if (release?.held === true) {
    const { id, state, turn } = more.release ?? {}
    const pending = id === release.id && state?.at === 'rolling out' && turn === release.heldTurn
    lines.push(pending ? `${release.id} is being held for it.` : `${release.id} was held for it.`)
  }
  if (outcome !== undefined && release !== undefined) lines.push(outcomeText(release.id, outcome))
  return lines.join('\n')
}

/** From the first alert's start to the last one's end. */
export function lasted({ since, state }: Incident): string {
  const end = state.at === 'resolved' ? Date.parse(state.when) : Number.NaN
  const ms = end - Date.parse(since)
  return Number.isFinite(ms) && ms >= 1000 ? formatDuration(ms) : 'less than 1 s'
}

export function silenced({ until, by, reason }: Silence): string {
  return `Silenced until ${localTime(new Date(until))} by ${by}: ${reason}`
}

/** What silences cover, by their matchers; nothing where these were not kept. */
export function coverage(silences: readonly Silence[]): string[] {
  const all = silences.flatMap(matchersOf)
  return all.length === 0 ? [] : [`It covers alerts with ${describe(all)}.`]
}

/** Which of the firing alerts are silenced and which are not, by their hosts. */
function whichAreSilenced(
  active: readonly Silence[],
  episodes: readonly Episode[],
  lookUp: NameAlert | undefined,
): string[] {
  if (active.length === 0) return []
  const firing = firingOf(episodes.map(({ alert }) => alert))
  const common = commonLabels(firing)
  const isSilenced = ({ labels }: Alert): boolean => active.some((silence) => covers(silence, labels))
  const names = (alerts: readonly Alert[]): string =>
    someHosts([...new Set(alerts.map((alert) => ownName(alert, common, lookUp)))])
  const silent = firing.filter(isSilenced)
  const others = firing.filter((alert) => !isSilenced(alert))
  if (others.length === 0) return silent.length === 0 ? [] : [`Silenced: ${names(silent)}.`]
  return silent.length === 0
    ? [`Not silenced: ${names(others)}.`]
    : [`Silenced: ${names(silent)}. Not silenced: ${names(others)}.`]
}

export function outcomeText(release: string, { at, why }: NonNullable<Incident['outcome']>): string {
  switch (at) {
    case 'recovered':
      return `Recovered after ${release} was rolled back: ${why}`
    case 'not recovered':
      return `Not recovered although ${release} was rolled back: ${why}`
    case 'unknown':
      return `Whether it recovered after ${release} was rolled back is not known: ${why}`
  }
}

function fields(incident: Incident, rows: readonly Episode[]): { label: string; value: string }[] {
  const { severity, since, service, services, hosts, firing, resolved, truncated, group } = incident
  const about = services === undefined ? service : someHosts(services)
  const values = [...new Set(rows.filter(isFiring).flatMap(({ alert }) => measured(alert) ?? []))]
  return [
    { label: 'severity', value: severity },
    { label: 'since', value: localTime(new Date(since)) },
    ...(about === undefined ? [] : [{ label: 'service', value: about }]),
    ...(hosts.length === 0 ? [] : [{ label: 'hosts', value: someHosts(hosts) }]),
    { label: 'alerts', value: counts(firing, resolved) },
    ...(truncated === 0 ? [] : [{ label: 'left out by the source', value: String(truncated) }]),
    ...(values.length === 0 || values.length > 3 ? [] : [{ label: 'value', value: values.join(', ') }]),
    { label: 'source', value: group.source },
  ]
}

export function counts(firing: number, resolved: number): string {
  if (firing === 0) return `${resolved} resolved`
  return resolved === 0 ? `${firing} firing` : `${firing} firing, ${resolved} resolved`
}

/** What the rule's author says about it. */
function words(rows: readonly Episode[]): Block[] {
  const first = rows[0]?.alert
  if (first === undefined) return []
  const { annotations, callback } = first
  const summary = annotations.summary ?? annotations.message ?? callback?.desc
  const texts = [
    ...(summary === undefined ? [] : [cap(summary, CAP.summary)]),
    ...(annotations.description === undefined ? [] : [cap(annotations.description, CAP.description)]),
  ].filter((text) => text !== '')
  return texts.length === 0 ? [] : [{ type: 'text', text: [...new Set(texts)].join('\n') }]
}

function releaseBlocks({ release: joined }: Incident, live: Release | undefined): Block[] {
  if (joined === undefined) return []
  const { upgraded, others } = live === undefined ? joined : hostsOf(live)
  const batches = live?.plan?.batches.length
  const batch = batchOf(live) ?? joined.batch
  const items = [
    { label: 'release', value: joined.id },
    { label: 'service', value: joined.service },
    { label: 'version', value: `${joined.current ?? 'nothing'} → ${joined.candidate}` },
    ...(live === undefined ? [] : [{ label: 'state', value: live.state.at }]),
    ...(batch === undefined
      ? []
      : [{ label: 'batch', value: batches === undefined ? `${batch}` : `${batch}/${batches}` }]),
    { label: 'approved by', value: joined.approvedBy.join(', ') || 'nobody' },
  ]
  return [
    { type: 'fields', items },
    {
      type: 'table',
      caption: 'Hosts of the release',
      columns: ['version', 'count', 'hosts'],
      rows: [
        [joined.candidate, String(upgraded.length), someHosts(upgraded)],
        [joined.current ?? 'none', String(others.length), someHosts(others)],
      ].filter(([, count]) => count !== '0'),
    },
  ]
}

function batchOf(live: Release | undefined): number | undefined {
  if (live === undefined || isOver(live.state)) return undefined
  return live.state.at === 'rolling out' || live.state.at === 'held' ? live.state.batch : undefined
}

/** Hosts that run the release's version as last seen, and hosts of its plan that do not. */
function hostsOf({ hosts, candidate }: Release): { upgraded: string[]; others: string[] } {
  const ids = Object.keys(hosts)
  const upgraded = ids.filter((id) => hosts[id]?.version === candidate)
  return { upgraded, others: ids.filter((id) => !upgraded.includes(id)) }
}

/** The alerts, those that fire first; at most `most`, and where the others are. */
export function alertsTable(
  { id }: Incident,
  rows: readonly Episode[],
  most: number,
  from = 0,
  names?: NameAlert,
): Block[] {
  const shown = ordered(rows).slice(from, from + most)
  const common = commonLabels(rows.map(({ alert }) => alert))
  const services = new Set(rows.map(({ alert }) => names?.(alert).service ?? ''))
  const bySeveral = services.size > 1
  const seen = new Map<string, number>()
  const table: Block = {
    type: 'table',
    caption: 'Alerts',
    columns: ['alert', ...(bySeveral ? ['service'] : []), 'state', 'since', 'value'],
    rows: shown.map(({ alert }) => {
      const own = ownName(alert, common, names)
      const times = (seen.get(own) ?? 0) + 1
      seen.set(own, times)
      return [
        times === 1 ? own : `${own} (${times})`,
        ...(bySeveral ? [names?.(alert).service ?? ''] : []),
        alert.status,
        localTime(new Date(alert.startsAt)),
        measured(alert) ?? '',
      ]
    }),
    news: ['state'],
  }
  const more = rows.length - from - shown.length
  return [
    ...(shown.length === 0 ? [] : [table]),
    ...(more <= 0 ? [] : [{ type: 'text' as const, text: `and ${more} more: /alerts ${id} --all` }]),
  ]
}

/** By what sets it apart from the others: its host, else its own labels, else its name. */
function ownName(alert: Alert, common: Record<string, string>, names: NameAlert | undefined): string {
  const own = Object.entries(alert.labels).filter(([name]) => common[name] === undefined && name !== 'alertname')
  const name = common.alertname === undefined ? `${nameOf(alert)} ` : ''
  // A host that all of them share sets none apart; an alert that stands alone is named by it all the same.
  const label = hostLabel(alert, (each) => own.length === 0 || common[each] === undefined)
  const host = label === undefined ? undefined : (names?.(alert).host ?? alert.labels[label])
  if (own.length === 0) return cap(host ?? nameOf(alert), CAP.short)
  const text = host ?? own.map(([key, value]) => `${key}=${value}`).join(' ')
  return cap(`${name}${text}`, CAP.short)
}

/** What was measured, as the source says it; never computed here. */
export function measured({ annotations, callback }: Alert): string | undefined {
  const said = VALUES.map((name) => annotations[name]).find((value) => value !== undefined && value !== '')
  if (said !== undefined) return cap(said, CAP.short)
  return callback?.values === undefined ? undefined : String(callback.values)
}

function linksOf({ group }: Incident, rows: readonly Episode[]): Block[] {
  const alerts = rows.map(({ alert }) => alert)
  const first = (urls: readonly (string | undefined)[], label: string) => {
    const url = urls.find(isWeb)
    return url === undefined ? [] : [{ label, url }]
  }
  const graphs = [...new Set(alerts.flatMap(({ generatorUrl }) => (isWeb(generatorUrl) ? [generatorUrl] : [])))]
  const items = [
    ...graphs.slice(0, 1).map((url) => ({ label: 'Graph', url })),
    ...first([group.externalUrl], 'Source'),
    ...first(
      alerts.map(({ annotations }) => annotations.runbook_url ?? annotations.runbook),
      'Runbook',
    ),
    ...first(
      alerts.map(({ callback }) => callback?.repoAddress),
      'Repository',
    ),
  ]
  return items.length === 0 ? [] : [{ type: 'links', items: items.slice(0, LINKS) }]
}

function isWeb(url: string | undefined): url is string {
  if (url === undefined || !URL.canParse(url)) return false
  return ['http:', 'https:'].includes(new URL(url).protocol)
}

function isFiring({ alert }: Episode): boolean {
  return alert.status === 'firing'
}

/** Firing ones first, each in the order of their start. */
export function ordered(episodes: readonly Episode[]): Episode[] {
  return episodes.toSorted(
    (a, b) =>
      Number(isFiring(b)) - Number(isFiring(a)) ||
      Date.parse(a.alert.startsAt) - Date.parse(b.alert.startsAt) ||
      a.alert.fingerprint.localeCompare(b.alert.fingerprint),
  )
}

function cap(text: string, most: number): string {
  const trimmed = text.trim()
  return trimmed.length <= most ? trimmed : `${trimmed.slice(0, most - 1)}…`
}
