import { cleanLine } from '../agent/fence.ts'
import { translate, translateWord } from '../lib/catalogue/translate.ts'
import type { Incident } from './incident.ts'
import type { Cause } from './rules-causes.ts'
import type { Finding, Findings } from './rules-findings.ts'
import type { CauseText, ChangeText, ReleaseText, Words } from './rules-words.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'
import type { Verdict } from './verdict.ts'

/** Names in one sentence. */
const NAMES = 5

/** What a section is written from. */
export interface Facts {
  survey: Survey
  verdict: Verdict
  incident: Incident
  found: Findings
  causes: Cause[]
  release: ReleaseText | undefined
  words: Words
  language: 'en' | 'zh'
}

export function serviceOf({ survey, incident }: Pick<Facts, 'survey' | 'incident'>): string | undefined {
  const name = survey.service ?? incident.service
  return name === undefined ? undefined : text(name)
}

export function changeText({ words, release, language }: Facts, { signal, hosts, sides }: Finding): ChangeText {
  const value = (of: number) => words.amount(stated(of, signal.unit))
  const [worst] = hosts
  const values = new Set(hosts.map(({ before, after }) => `${value(before)} ${value(after)}`))
  const apart = signal.role === 'alert' || signal.role === 'service' ? sides : undefined
  return {
    metric: translateWord(text(signal.name), language),
    service: text(signal.service),
    before: value(worst?.before ?? Number.NaN),
    after: value(worst?.after ?? Number.NaN),
    brief: worst?.brief ?? false,
    up: signal.key === 'up',
    back: hosts.every(({ host }) => (signal.hosts.find((each) => each.host === host)?.points.at(-1)?.[1] ?? 0) > 0),
    alert: signal.role === 'alert' || signal.key === 'alert',
    host: values.size > 1 ? text(worst?.host ?? '') : '',
    hosts: names(hosts.map(({ host }) => host).toSorted(), words),
    count: hosts.length,
    all: hosts.length === signal.hosts.length,
    measured: signal.hosts.length,
    ...(apart === undefined || release === undefined
      ? {}
      : { sides: { upgraded: value(apart.upgraded), waiting: value(apart.waiting), version: release.version } }),
  }
}

export function causeText(facts: Facts, cause: Cause): CauseText {
  const { survey, words } = facts
  const upstream = survey.signals.filter(({ role }) => role === 'upstream').map(({ service }) => service)
  const finding = 'finding' in cause ? cause.finding : undefined
  const list =
    cause.at === 'certificate' ? cause.names : 'hosts' in cause ? cause.hosts : 'host' in cause ? [cause.host] : []
  return {
    at: cause.at,
    names: names(list, words),
    service: 'service' in cause ? text(cause.service) : '',
    release: cause.at === 'other release' ? text(cause.id) : '',
    version: cause.at === 'other release' ? text(cause.candidate) : '',
    state: cause.at === 'other release' ? cause.state : undefined,
    busy: cause.at === 'saturation' ? words.amount(stated(cause.busy, 'ratio')) : '',
    change: finding === undefined ? undefined : changeText(facts, finding),
    own: serviceOf(facts) ?? text(facts.incident.title),
    called: cause.at === 'dependency' && cause.called,
    callers: names([...new Set(upstream)], words),
  }
}

export function releaseText(survey: Survey, incident: Incident, words: Words): ReleaseText | undefined {
  const { release } = survey
  if (release === undefined) return undefined
  const service = text(incident.release?.service ?? survey.service ?? incident.service ?? '')
  return {
    id: text(release.id),
    version: text(release.candidate),
    previous: release.current === null ? undefined : text(release.current),
    service,
    upgraded: counted(
      release.upgraded.map(({ host }) => host),
      words,
    ),
    others: counted(release.others, words),
  }
}

/** Names, and how many there are in all where not all are named. */
function counted(list: readonly string[], words: Words): string {
  return names(list, words) + (list.length > NAMES + 1 ? words.total(list.length) : '')
}

/** A sentence of the verdict without its full stop and the version that it begins with, in the report's language. */
export function reason({ survey, language }: Facts, why: string): string {
  const version = `${survey.release?.candidate ?? ''}: `
  const words = text(why.startsWith(version) ? why.slice(version.length) : why, 1000)
  const said = translate(words, language).replace(/[.。]$/, '')
  // Metrics are values of such a sentence, and those come out unchanged.
  const metrics = [...new Set(survey.signals.map(({ name }) => text(name)))].sort((a, b) => b.length - a.length)
  return metrics.reduce((known, name) => known.replaceAll(name, translateWord(name, language)), said)
}

/** Up to five names and whether there are more; six are all named: one is no "others". */
export function names(list: readonly string[], words: Words): string {
  if (list.length === NAMES + 1) return list.map((each) => text(each)).join(words.join)
  const clean = list.slice(0, NAMES).map((each) => text(each))
  return clean.join(words.join) + (list.length <= NAMES ? '' : words.others)
}

/** From outside: one line, capped, and never a heading of the report. */
export function text(value: string, most = 120): string {
  return cleanLine(value, most).replaceAll('【', '[').replaceAll('】', ']')
}

/** `2026-11-21 18:03:20 UTC` of seconds since 1970. */
export function moment(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isFinite(date.getTime()) ? `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC` : '?'
}

const inOne: Record<string, number> = { '%': 0.01, ms: 1e-3, MB: 1e6, GB: 1e9 }

/** As on cards, but whole from a thousand on: a report's numbers are looked up, and 1230 for 1234 would not be found. */
function stated(value: number, unit: Signal['unit']): string {
  const [number = '', of = ''] = amount(value, unit).split(' ')
  if (!(Math.abs(Number(number)) >= 1000)) return amount(value, unit)
  return `${Math.round(value / (inOne[of] ?? 1))} ${of}`.trim()
}
