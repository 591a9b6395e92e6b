import { translateDuration, translateWord } from '../lib/catalogue/translate.ts'
import { formatDuration } from '../lib/duration.ts'
import type { Episode } from './alert.ts'
import type { Incident } from './incident.ts'
import { ANOMALY } from './rank.ts'
import type { Diagnosis } from './report.ts'
import { causesOf } from './rules-causes.ts'
import {
  causeText,
  changeText,
  type Facts,
  moment,
  names,
  reason,
  releaseText,
  serviceOf,
  text,
} from './rules-facts.ts'
import { type Finding, findingsOf, mainFinding } from './rules-findings.ts'
import { nextSteps } from './rules-steps.ts'
import type { Words } from './rules-words.ts'
import { en } from './rules-words-en.ts'
import { zh } from './rules-words-zh.ts'
import type { Signal, Survey } from './survey.ts'
import type { Verdict } from './verdict.ts'

type Check = Verdict['checks'][number]

/** Changes, suspects and unchanged metrics in one list. */
const CHANGES = 8
const SUSPECTS = 3
const CALM = 10
/** The bounds of `diagnosisSchema`, a little below for the content. */
const QUERIES = 20
const QUERY = 2000
const CONTENT = 19_000

/**
 * The report without a model, in the specification's form: `content` has the four sections, `promQL` the queries of the alert and of
 * every signal that changed or that a stated reason speaks of, as they were asked. The cause is what the verdict says and no more;
 * every value is a median or an extreme of one host's series, or of a group's, on one side of the onset. Services and hosts are
 * ranked as the bench measures it: with what the alert is about, which its own signal, its expression or its name tells
 * (src/incident/rules-symptom.ts). Pure; never throws for a survey that its schema accepts.
 */
export function reportByRules(
  survey: Survey,
  verdict: Verdict,
  incident: Incident,
  episodes: readonly Episode[],
  language: 'en' | 'zh',
): Diagnosis {
  const found = findingsOf(survey, incident.title)
  const words = language === 'zh' ? zh : en
  const facts: Facts = {
    survey,
    verdict,
    incident,
    found,
    causes: causesOf(survey, found),
    release: releaseText(survey, incident, words),
    words,
    language,
  }
  const { headings } = words
  const sections = [
    [headings.summary, summary(facts, episodes)],
    [headings.cause, rootCause(facts)],
    [headings.impact, impact(facts)],
    [headings.next, nextSteps(facts)],
  ] as const
  const content = sections.map(([heading, lines]) => [`【${heading}】`, ...lines].join('\n')).join('\n\n')
  return { promQL: queriesOf(facts), content: shortened(words.polish(content), words) }
}

function summary(facts: Facts, episodes: readonly Episode[]): string[] {
  const { survey, incident, found, words, causes, verdict } = facts
  const named = survey.alerting.length > 0 ? survey.alerting : incident.hosts
  const firing = episodes.length === 0 || episodes.some(({ alert }) => alert.status === 'firing')
  const fires = words.fires({
    title: text(incident.title),
    service: serviceOf(facts),
    hosts: names(named, words),
    since: moment(Date.parse(incident.since) / 1000),
    resolved: incident.state.at === 'resolved' || !firing,
  })
  const [first] = found.findings.filter(({ signal }) => signal.role !== 'alert').concat(found.findings)
  const strongest = mainFinding(found) ?? first
  const measured = found.findings.length + found.calm.length > 0
  const change = strongest === undefined ? (measured ? words.nothingChanged : words.noMetrics) : said(facts, strongest)
  const [cause] = causes.filter(({ at }) => at !== 'other release')
  const seen = cause === undefined || verdict.at === 'release' ? [] : [words.causeSeen(causeText(facts, cause))]
  const told = seen.some((line) => line.includes(change)) ? [] : [change]
  return [fires, ...told, ...seen, words.sentence(headline(facts))]
}

/** Without its full stop. */
function headline({ verdict, release, words }: Facts): string {
  switch (verdict.at) {
    case 'release':
      return release === undefined ? words.verdict.unknown(release) : words.verdict.release(release)
    case 'not the release':
      return release === undefined ? words.verdict.noRelease : words.verdict.notRelease(release)
    case 'unknown':
      return words.verdict.unknown(release)
  }
}

function rootCause(facts: Facts): string[] {
  const { verdict, release, words, found, causes, survey } = facts
  const seen = causes.filter(({ at }) => at !== 'other release' || verdict.at !== 'release')
  const isSeen = ({ name }: Check) => seen.some(({ at }) => at === name)
  // What the reason or a cause says is not said twice.
  const speaking = verdict.checks
    .filter((check) => check.speaks !== 'nothing' && spoken(facts, check.speaks))
    .filter((check) => !verdict.why.includes(check.why) && !isSeen(check))
  const told = verdict.checks.some((check) => check.why === verdict.why && isSeen(check))
  const [first, ...others] = speaking
  const evidence = (told ? others : speaking).map(({ why }) => `- ${words.sentence(reason(facts, why))}`)
  const causeLines = seen.map((cause) => words.causeSeen(causeText(facts, cause)))
  const judged = judgedBy(facts, told ? first?.why : verdict.why)
  // What callers see is told with the impact.
  const changed = found.findings.filter((finding) => finding.signal.role !== 'upstream' && !isRepeated(facts, finding))
  const changes = changed.slice(0, CHANGES).map((finding) => `- ${said(facts, finding)}`)
  const calm = calmNames(facts)
  const certain = verdict.at === 'release' || seen.length > 0
  return [
    // What was found comes before what it is not.
    ...(verdict.at === 'not the release' ? [...causeLines, judged] : [judged, ...causeLines]),
    ...(evidence.length === 0 ? [] : [verdict.at === 'unknown' ? words.known : words.evidence, ...evidence]),
    ...(changes.length === 0 ? [] : [words.changes, ...changes]),
    ...suspects(facts),
    ...(calm === '' ? [] : [words.unchanged(calm)]),
    ...(certain && (release !== undefined || survey.signals.length > 0) ? [words.onlyCorrelation] : []),
  ]
}

/** The alert's expression is often a metric of its service under another name. */
function isRepeated(facts: Facts, finding: Finding): boolean {
  if (finding.signal.role !== 'alert') return false
  const values = (each: Finding) => {
    const { before, after, hosts, host } = changeText(facts, each)
    return JSON.stringify({ before, after, hosts, host })
  }
  return facts.found.findings.some((each) => each.signal.role === 'service' && values(each) === values(finding))
}

/** The verdict with its reason, where there is one. */
function judgedBy(facts: Facts, why: string | undefined): string {
  const { words, verdict } = facts
  const because = why === undefined ? '' : reason(facts, why)
  if (because === '') return words.sentence(headline(facts))
  return (verdict.at === 'unknown' ? words.missing : words.because)(headline(facts), because)
}

/** Against a release: only what speaks against it. */
function spoken({ verdict }: Facts, speaks: 'for' | 'against' | 'nothing'): boolean {
  return verdict.at === 'not the release' ? speaks === 'against' : true
}

function suspects(facts: Facts): string[] {
  const { found, words, verdict } = facts
  const strongest = (signals: readonly Finding[]): string | undefined => {
    const [first] = signals.toSorted((a, b) => b.score - a.score)
    return first === undefined ? undefined : words.short(changeText(facts, first))
  }
  const services = found.services.flatMap(({ name, reason }) => {
    // What only calls it, or stands beside it, is no suspect.
    if (reason.at === 'elsewhere') return []
    const change = strongest(found.findings.filter(({ signal }) => signal.service === name))
    const from = reason.at === 'explained' ? names(reason.by, words) : ''
    return change === undefined ? [] : [{ name: text(name), change, from }]
  })
  const hosts = found.hosts.flatMap(({ name, score }) => {
    const own = found.findings.flatMap(({ signal, hosts: changed, ...finding }) => {
      const here = changed.filter(({ host }) => host === name)
      const mine = signal.role === 'alert' || signal.role === 'service'
      const [{ score: own } = { score: 0 }] = here
      return mine && here.length > 0 ? [{ ...finding, signal, hosts: here, score: own }] : []
    })
    const change = score < ANOMALY ? undefined : strongest(own)
    return change === undefined ? [] : [{ name: text(name), change }]
  })
  return [
    ...(services.length > 1 ? [words.services(services.slice(0, SUSPECTS))] : []),
    // Where all show the same, or it is the version that they have, the change itself has said it.
    ...(verdict.at !== 'release' && new Set(hosts.map(({ change }) => change)).size > 1
      ? [words.hosts(serviceOf(facts) ?? '', hosts.slice(0, SUSPECTS))]
      : []),
  ]
}

function calmNames({ found, words, survey, language, causes }: Facts): string {
  const saturated = causes.some(({ at }) => at === 'saturation')
  // What has been saturated all along has not changed, and is not calm either.
  const calm = found.calm.filter(({ key, unit }) => !(saturated && key === 'cpu' && unit === 'ratio'))
  const name = (signal: Signal) => {
    const metric = translateWord(text(signal.name), language)
    return signal.service === survey.service ? metric : `${metric} (${text(signal.service)})`
  }
  const unique = [...new Set(calm.map(name))]
  return unique.slice(0, CALM).join(words.join) + (unique.length <= CALM ? '' : words.others)
}

function impact(facts: Facts): string[] {
  const { survey, found, words, release, language } = facts
  const lasting = translateDuration(formatDuration(Math.max(0, survey.at - survey.onset) * 1000), language)
  const began = { at: moment(survey.onset), lasting, fromSeries: survey.onsetFrom === 'series' }
  const own = found.findings.filter(({ signal }) => signal.role === 'alert' || signal.role === 'service')
  const bad = [...new Set(own.flatMap(({ hosts }) => hosts.map(({ host }) => host)))]
  const measured = new Set(
    survey.signals
      .filter(({ role }) => role === 'alert' || role === 'service')
      .flatMap(({ hosts }) => hosts.map(({ host }) => host)),
  ).size
  const extent =
    bad.length === 0
      ? words.unknownExtent
      : words.affected({
          hosts: names(bad.toSorted(), words),
          count: bad.length,
          all: bad.length === measured,
          measured,
        })
  return [
    words.began(began),
    extent,
    ...(release === undefined ? [] : [words.has(release), words.hasNot(release)]),
    ...callers(facts),
  ]
}

function callers(facts: Facts): string[] {
  const { survey, found, words } = facts
  const upstream = [...new Set(survey.signals.filter(({ role }) => role === 'upstream').map(({ service }) => service))]
  if (upstream.length === 0) return survey.service === undefined ? [] : [words.callersUnknown]
  const changed = found.findings.filter(({ signal }) => signal.role === 'upstream')
  const calm = upstream.filter((name) => !changed.some(({ signal }) => signal.service === name))
  return [
    ...changed.map((finding) => words.callersSee(said(facts, finding))),
    ...(calm.length === 0 ? [] : [words.callersFine(names(calm, words))]),
  ]
}

function said(facts: Facts, finding: Finding): string {
  return facts.words.change(changeText(facts, finding))
}

/** Of the alert, of what changed, and of what a stated reason names; as they were asked. */
function queriesOf({ survey, found, verdict, causes }: Facts): string[] {
  const told = [verdict.why, ...verdict.checks.filter(({ speaks }) => speaks !== 'nothing').map(({ why }) => why)]
  const named = (signal: Signal) =>
    signal.role !== 'upstream' && told.some((why) => why.toLowerCase().includes(signal.name.toLowerCase()))
  const busy = causes.some(({ at }) => at === 'saturation')
  const wanted = [
    ...survey.signals.filter(({ role }) => role === 'alert'),
    ...found.findings.map(({ signal }) => signal),
    ...survey.signals.filter((signal) => named(signal) || (busy && signal.key === 'cpu' && signal.role === 'service')),
  ]
  const queries = wanted.map(({ query }) => query).filter((query) => query.length > 0 && query.length <= QUERY)
  return [...new Set(queries)].slice(0, QUERIES)
}

function shortened(content: string, { shortened: mark }: Words): string {
  return content.length <= CONTENT ? content : `${content.slice(0, CONTENT).toWellFormed()}\n${mark}`
}
