import { randomBytes } from 'node:crypto'
import { clean, cleanLine, fence } from '../agent/fence.ts'
import type { Prompts } from '../agent/prompts.ts'
import { median } from '../lib/statistics.ts'
import type { Alert, Episode } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import type { Signal, Survey } from './survey.ts'
import { amount } from './units.ts'
import type { Verdict } from './verdict.ts'

const LINE = 500
const BLOCK = 6000
const VALUE = 1000
const ENTRIES = 60
const OTHERS = 20
const SIGNALS = 24
const POINTS: Record<Verdict['checks'][number]['speaks'], string> = {
  for: 'points to the release as the cause',
  against: 'points away from the release',
  nothing: 'says nothing about the release either way',
}

export interface DiagnosisPrompt {
  system: string
  prompt: string
  /** In the marks around data of this conversation. */
  nonce: string
}

/**
 * The prompt of a diagnosis: every field of the specification's template, then what is known of the release and what was measured.
 * Whatever came from outside stands in a fence with a new random nonce, without secrets and invisible characters, and is capped.
 */
export function diagnosisPrompt(
  desk: Pick<IncidentDesk, 'services' | 'language' | 'redact'>,
  about: { incident: Incident; episodes: Episode[]; survey: Survey; verdict: Verdict; tools: string[] },
  prompts: Prompts,
): DiagnosisPrompt {
  const { incident, episodes, survey, verdict, tools } = about
  const { language } = desk
  const nonce = randomBytes(12).toString('hex')
  const none = language === 'zh' ? '（无）' : '(none)'
  // Invisible characters first: they could stand in the middle of a secret.
  const data = (text: string | undefined, most = LINE): string =>
    text === undefined || text.trim() === '' ? none : fence(nonce, desk.redact(clean(text, most)), most)
  const list = (lines: string[]): string => (lines.length === 0 ? none : data(lines.join('\n'), BLOCK))
  const alert = mainAlert(episodes)
  const { callback } = alert ?? {}
  const yes = (value: boolean | undefined) =>
    value === undefined ? none : language === 'zh' ? (value ? '是' : '否') : value ? 'yes' : 'no'
  const value = callback?.values?.toFixed(2) ?? alert?.annotations.value ?? alert?.annotations.current_value
  const inputs = {
    type: data(callback?.key ?? alert?.labels.alertgroup ?? incident.group.receiver),
    name: data(alert?.labels.alertname ?? incident.title),
    status: alert?.status ?? incident.state.at,
    severity: data(callback?.severity ?? alert?.labels.severity ?? incident.severity),
    description: data(
      alert?.annotations.description || callback?.desc || alert?.annotations.summary || alert?.annotations.message,
      BLOCK,
    ),
    value: data(value),
    startsAt: data(alert?.startsAt ?? incident.since),
    receivedAt: data(alert?.receivedAt ?? incident.openedAt),
    endsAt: data(alert?.endsAt),
    source: data([alert?.source ?? incident.group.source, alert?.generatorUrl ?? ''].join(' ').trim(), VALUE),
    needHandle: yes(callback?.needHandle),
    isEmergent: yes(callback?.isEmergent),
    labels: list(entriesOf(alert?.labels)),
    annotations: list(entriesOf(alert?.annotations)),
    others: list(othersOf(episodes, alert)),
    release: list(releaseLines(incident)),
    measurements: list(measurementLines(survey, verdict)),
    codeReview: codeReview(desk, { incident, alert, tools, data }, prompts),
  }
  return {
    nonce,
    system: prompts.render('_rules', language, {}),
    prompt: prompts.render('diagnose-alert', language, inputs),
  }
}

/** The one that fires longest; the first heard when none does. */
function mainAlert(episodes: Episode[]): Alert | undefined {
  const alerts = episodes.map(({ alert }) => alert)
  return (
    alerts.filter(({ status }) => status === 'firing').toSorted((a, b) => a.startsAt.localeCompare(b.startsAt))[0] ??
    alerts[0]
  )
}

function entriesOf(map: Record<string, string> | undefined): string[] {
  return Object.entries(map ?? {})
    .slice(0, ENTRIES)
    .map(([name, value]) => `- ${cleanLine(name, 200)}: ${cleanLine(value, VALUE)}`)
}

function othersOf(episodes: Episode[], main: Alert | undefined): string[] {
  const others = episodes.map(({ alert }) => alert).filter((alert) => alert !== main)
  const lines = others.slice(0, OTHERS).map(({ labels, status, startsAt }) => {
    const shown = Object.entries(labels).slice(0, 8)
    return `- ${status} ${startsAt}: ${cleanLine(shown.map(([name, value]) => `${name}=${value}`).join(', '), LINE)}`
  })
  return [...lines, ...(others.length > OTHERS ? [`- and ${others.length - OTHERS} more`] : [])]
}

function releaseLines({ release }: Incident): string[] {
  if (release === undefined) return []
  return [
    `- release ${release.id} of ${release.service}: ${release.candidate}, before it ${release.current ?? 'nothing'}`,
    ...(release.batch === undefined ? [] : [`- batch ${release.batch}`]),
    `- approved by ${release.approvedBy.join(', ') || 'nobody'}`,
    `- hosts that have it: ${release.upgraded.slice(0, 50).join(', ') || 'none'}`,
    `- hosts of the plan that do not: ${release.others.slice(0, 50).join(', ') || 'none'}`,
  ]
}

function measurementLines(survey: Survey, verdict: Verdict): string[] {
  const time = (seconds: number) => new Date(seconds * 1000).toISOString()
  return [
    `- window ${time(survey.from)} to ${time(survey.to)}; onset ${time(survey.onset)} (from the ${survey.onsetFrom})`,
    ...(survey.release?.upgraded ?? [])
      .slice(0, 20)
      .map(({ host, at }) => `- ${host} got ${survey.release?.candidate} at ${time(at)}`),
    ...survey.signals.slice(0, SIGNALS).map((signal) => signalLine(signal, survey.onset)),
    ...survey.down
      .slice(0, 20)
      .map(({ service, host, since }) => `- ${host} of ${service} is down since ${time(since)}`),
    ...survey.gaps.slice(0, 10).map((gap) => `- gap: ${gap}`),
    `- computed verdict: ${verdict.at}: ${verdict.why}`,
    ...verdict.checks.map(({ name, speaks, why }) => `- ${name} ${POINTS[speaks]}: ${why}`),
  ]
}

/** Medians before and since the onset, by who has the release. */
function signalLine({ name, service, role, unit, query, hosts }: Signal, onset: number): string {
  const parts = (['upgraded', 'waiting', 'other'] as const).flatMap((group) => {
    const points = hosts.filter((host) => host.group === group).flatMap((host) => host.points)
    if (points.length === 0) return []
    const side = (part: [number, number][]) =>
      part.length === 0 ? 'no data' : amount(median(part.map(([, value]) => value)), unit)
    const [before, since] = [points.filter(([at]) => at < onset), points.filter(([at]) => at >= onset)]
    return [`${group} ${side(before)} -> ${side(since)}`]
  })
  return `- ${name} of ${service} (${role}), median before -> since: ${parts.join('; ')}; query: ${cleanLine(query, LINE)}`
}

/** The walk from the release to the code, when there are tools for it and it is known where the code lies. */
function codeReview(
  desk: Pick<IncidentDesk, 'services' | 'language'>,
  about: { incident: Incident; alert: Alert | undefined; tools: string[]; data: (text: string) => string },
  prompts: Prompts,
): string {
  const { incident, alert, tools } = about
  const configured = desk.services.find(({ name }) => name === (incident.service ?? incident.release?.service))?.repo
  const repo = configured ?? alert?.callback?.repoAddress ?? ''
  const tag = alert?.callback?.tag || incident.release?.candidate || ''
  const walkable = ['pull_request_read', 'get_release_by_tag'].every((name) => tools.includes(name))
  if (!walkable || !/^[\w.:/@-]{3,300}$/.test(repo) || !/^[\w.+-]{1,100}$/.test(tag))
    return prompts.render('no-code', desk.language, {})
  return prompts.render('review-code', desk.language, { repo: about.data(repo), tag: about.data(tag) })
}
