import { formatDuration } from '../lib/duration.ts'
import type { Block, Button, Message } from '../ports/chat.ts'
import { say } from './gate/units.ts'
import { metricNames, some } from './gate/why.ts'
import type { Verdict } from './gate.ts'
import type { Plan } from './plan.ts'
import { type HostProgress, isOver, type Offer, onHosts, type Release } from './release.ts'

/** Hosts shown one by one on a card; a larger fleet is counted, and /status names its hosts. */
const HOSTS_SHOWN = 12

/** Risks named on a card; its thread has them all, each with its reason. */
const RISKS_SHOWN = 8

/** The release as one card: where it stands, the plan at a glance, a bar per batch, a line per host. */
export function card(release: Release, now: Date, buttons: Button[]): Message {
  const { plan } = release
  const blocks: Block[] = [{ type: 'text', text: headline(release, now) }]
  blocks.push({ type: 'fields', items: fields(release, now) })
  if (plan !== undefined) {
    if (release.state.at === 'awaiting approval') blocks.push(...planBlocks(release, plan))
    else if (release.startedAt !== undefined && release.state.at !== 'approved')
      blocks.push(...progressBlocks(release, plan))
  }
  blocks.push(...gateBlocks(release))
  return { title: title(release), tone: tone(release), blocks, buttons }
}

export function title(release: Release): string {
  const from = release.current === null ? '' : `${release.current} → `
  return `${release.id} ${release.service} ${from}${release.candidate}`
}

function tone(release: Release): Message['tone'] {
  switch (release.state.at) {
    case 'done':
      return 'good'
    case 'held':
    case 'refused':
    case 'expired':
    case 'aborted':
      return 'warn'
    case 'rolling back':
    case 'rolled back':
      return 'bad'
    case 'rolling out':
    case 'awaiting approval':
      return 'info'
    default:
      return 'plain'
  }
}

function headline(release: Release, now: Date): string {
  const { state } = release
  switch (state.at) {
    case 'preparing':
      return 'Preparing: checking hosts, predicting risks, choosing metrics.'
    case 'refused':
      return `Not possible: ${sentence(state.why)} Next: ${sentence(state.next || `correct it, then ${again(release)}`)}`
    case 'awaiting approval': {
      const missing = release.approvalsNeeded - release.approvals.length
      return `Waits for ${missing} approval${missing === 1 ? '' : 's'}; expires in ${remaining(state.until, now)}.`
    }
    case 'approved':
      return 'Approved; checking the facts once more.'
    case 'rejected':
      return `Rejected by ${state.by}; no host was touched. Next: correct what was wrong, then ${again(release)}`
    case 'expired':
      return `Expired: nobody decided in time; no host was touched. Next: ${again(release)}`
    case 'superseded':
      return `Superseded by ${state.by}. Next: /status ${state.by}`
    case 'rolling out':
      return state.doing === 'deploying'
        ? `Batch ${state.batch} of ${release.plan?.batches.length ?? 0}: deploying.`
        : `Batch ${state.batch} of ${release.plan?.batches.length ?? 0}: observing, ${remaining(state.until ?? now.toISOString(), now)} left.`
    case 'held':
      // Somebody has decided; it is being done.
      if (state.offers.length === 0) return `Held: ${sentence(state.why)}`
      return `Held: ${sentence(state.why)} Next: ${choices(release.id, state)}${state.next === undefined ? '' : ` ${sentence(state.next)}`}`
    case 'done':
      return done(release)
    case 'rolling back':
      return `Rolling back (${state.by}): ${sentence(state.why)}`
    case 'rolled back':
      return `Rolled back (${state.by}): ${sentence(state.why)} Next: correct it, then /release ${release.service} <version>`
    case 'aborted':
      return onHosts(release)
        ? `Aborted (${state.by}): ${sentence(state.why)} Hosts stay as listed. Next: /release rollback ${release.id}, or /release ${release.service} <version>`
        : `Aborted (${state.by}): ${sentence(state.why)} No host was changed. Next: ${again(release)}`
  }
}

function done(release: Release): string {
  const left = Object.keys(release.hosts).filter((host) => release.hosts[host]?.at !== 'healthy')
  const count = `${countAt(release, 'healthy')} of ${Object.keys(release.hosts).length} hosts run ${release.candidate}`
  const back = `press Roll back, or type /release rollback ${release.id}, which acts at once`
  if (left.length === 0) return `Done: ${count}. If trouble shows later: ${back}.`
  return `Done: ${count}; not ${some(left)}. Next: mend what is left out, then ${again(release)} ${left.slice(0, 5).join(' ')}; ${back}.`
}

/** The same request once more. */
function again(release: Release): string {
  return `/release ${release.service} ${release.candidate}`
}

/** What each offer of a hold does, as what to type: every surface has commands, not every one shows buttons. */
function choices(id: string, { offers, gate }: Extract<Release['state'], { at: 'held' }>): string {
  const does: Record<Offer, string> = {
    resume: gate === undefined ? 'goes on' : 'observes the batch again',
    promote: 'goes on without the gate',
    retry: 'tries the failed hosts again',
    skip: 'goes on without the failed hosts',
    rollback: 'takes back every changed host',
    abort: 'stops and leaves hosts as they are',
  }
  return `${offers.map((offer, i) => `${i === 0 ? `/release ${offer} ${id}` : offer} ${does[offer]}`).join('; ')}.`
}

/** The text with a full stop, unless it has one. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** A moment for people: local time to the second with its offset, "2026-01-01 08:12:00 +08:00". Documents keep ISO. */
export function localTime(moment: Date): string {
  const two = (value: number) => String(Math.abs(Math.trunc(value))).padStart(2, '0')
  const ahead = -moment.getTimezoneOffset()
  const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map(two).join(':')
  return `${day} ${time} ${ahead < 0 ? '-' : '+'}${two(ahead / 60)}:${two(ahead % 60)}`
}

function fields(release: Release, now: Date): { label: string; value: string }[] {
  const items = [{ label: 'requested by', value: release.requester }]
  if (release.approvals.length > 0 || release.approvalsNeeded > 1) {
    const names = release.approvals.map((each) => each.by).join(', ') || 'nobody'
    items.push({ label: 'approved by', value: `${names} (${release.approvals.length} of ${release.approvalsNeeded})` })
  }
  if (release.startedAt !== undefined && release.state.at !== 'approved') {
    const end = release.endedAt === undefined ? now : new Date(release.endedAt)
    const elapsed = end.getTime() - new Date(release.startedAt).getTime()
    items.push({ label: 'started', value: localTime(new Date(release.startedAt)) })
    if (release.endedAt !== undefined) items.push({ label: 'ended', value: localTime(end) })
    if (elapsed >= 1000) items.push({ label: 'elapsed', value: formatDuration(elapsed) })
    const left = secondsLeft(release, now)
    if (left !== undefined) items.push({ label: 'remaining', value: `about ${wholeSeconds(left * 1000)}` })
  }
  if (release.planHash !== '') items.push({ label: 'plan', value: release.planHash.slice(0, 12) })
  return items
}

/** The windows that are still to come; deploying time is not known beforehand. Undefined when nothing runs. */
function secondsLeft(release: Release, now: Date): number | undefined {
  const { state, plan } = release
  if (state.at !== 'rolling out' || plan === undefined) return undefined
  const later = plan.batches
    .filter((batch) => batch.id > state.batch)
    .reduce((sum, batch) => sum + batch.windowSeconds, 0)
  const here =
    state.doing === 'observing' && state.until !== undefined
      ? Math.max(0, (new Date(state.until).getTime() - now.getTime()) / 1000)
      : (plan.batches.find((batch) => batch.id === state.batch)?.windowSeconds ?? 0)
  return later + here
}

/** The plan at a glance: batches, thresholds, risks. */
function planBlocks(release: Release, plan: Plan): Block[] {
  const blocks: Block[] = [
    {
      type: 'table',
      caption: 'Batches',
      columns: ['batch', 'hosts', 'observe'],
      rows: plan.batches.map((batch) => [
        String(batch.id),
        some(batch.hosts.map((host) => host.id)),
        formatDuration(batch.windowSeconds * 1000),
      ]),
    },
  ]
  if (release.metrics.length > 0) {
    blocks.push({
      type: 'table',
      caption: 'Thresholds',
      columns: ['metric', 'warns above', 'fails above', 'measured by'],
      rows: release.metrics.map((metric) => [metric.name, ...limits(metric), metric.candidates.join(', ')]),
    })
  } else {
    const watched = `They are part of what is approved: once Prometheus has them, ${again(release)} makes a plan that is watched.`
    blocks.push({ type: 'text', text: `No metrics: every gate will hold and ask. ${watched}` })
  }
  if (release.risks.length > 0) {
    blocks.push({
      type: 'table',
      caption: 'Risks',
      columns: ['risk', 'mitigation', 'source'],
      rows: release.risks.slice(0, RISKS_SHOWN).map((risk) => [risk.type, risk.mitigation, risk.source]),
    })
    const more = release.risks.length - RISKS_SHOWN
    if (more > 0) blocks.push({ type: 'text', text: `and ${more} more risk${more === 1 ? '' : 's'}, in the thread` })
  }
  blocks.push({ type: 'text', text: `The way back: ${wayBack(plan)}.` })
  return blocks
}

/** A metric's limits in one sentence, in the units of the card; empty when it has none. */
export function limitsText(metric: Release['metrics'][number]): string {
  const [warn, fail] = limits(metric)
  if (metric.thresholds.text.length === 0) return ''
  return warn === '' ? `fails above ${fail}` : `warns above ${warn}, fails above ${fail}`
}

/** The two limits as people read them: CPU in cores, as everywhere on a card. Traffic has none. */
function limits({ kind, thresholds: { warn, fail, text } }: Release['metrics'][number]): [string, string] {
  if (text.length === 0) return ['', 'no limit']
  return [warn < fail ? say(kind, warn) : '', say(kind, fail)]
}

function wayBack(plan: Plan): string {
  const versions = [...new Set(Object.values(plan.rollback.versions).map((version) => version ?? 'no release'))]
  return `${versions.join(' or ')}, ${plan.rollback.atOnce} host${plan.rollback.atOnce === 1 ? '' : 's'} at a time`
}

function progressBlocks(release: Release, plan: Plan): Block[] {
  const hosts = plan.batches.flatMap((batch) => batch.hosts.map((host) => ({ batch: batch.id, id: host.id })))
  const bars: Block = {
    type: 'progress',
    items: plan.batches.map((batch) => {
      const states = batch.hosts.map((host) => stateOf(release, host.id))
      return {
        label: `batch ${batch.id}`,
        done: states.filter((at) => at === 'healthy').length,
        total: states.length,
        note: summary(states),
      }
    }),
  }
  const shown = hosts.length <= HOSTS_SHOWN ? hosts : hosts.filter(({ id }) => isTrouble(release.hosts[id]))
  const rows = shown.slice(0, HOSTS_SHOWN).map(({ id }) => hostRow(release, id))
  return rows.length === 0 ? [bars] : [bars, { type: 'table', columns: ['host', 'state', 'version'], rows }]
}

function isTrouble(host: HostProgress | undefined): boolean {
  return host !== undefined && ['failed', 'unreachable', 'skipped'].includes(host.at)
}

/** How a host stands, in a word. When the release is over nothing is pending any more. */
function stateOf(release: Release, id: string): string {
  const at = release.hosts[id]?.at ?? 'pending'
  return at === 'pending' && isOver(release.state) ? 'not touched' : at
}

function hostRow(release: Release, id: string): string[] {
  const host = release.hosts[id]
  if (host === undefined) return [id, stateOf(release, id), '']
  const at = stateOf(release, id)
  const state = host.why === undefined || at === 'healthy' ? at : `${at}: ${host.why}`
  return [id, state, host.version === undefined ? 'unknown' : (host.version ?? 'none')]
}

/** The gate of the batch that is under way. While its window is open, metrics that only need more time are just named. */
function gateBlocks({ state, verdicts }: Release): Block[] {
  const last = verdicts.at(-1)
  if (last === undefined || !('batch' in state) || state.batch !== last.batch) return []
  if (state.at === 'held') return verdictBlocks(last.verdict, `Gate of batch ${last.batch}: ${last.verdict.at}`)
  const { metrics } = last.verdict
  const early = metrics.filter(({ at, value }) => at === 'inconclusive' && value === undefined)
  const judged = metrics.filter((metric) => !early.includes(metric))
  const blocks: Block[] = []
  if (judged.length > 0) {
    blocks.push(...verdictBlocks({ ...last.verdict, metrics: judged }, `Gate of batch ${last.batch}, so far`))
  }
  if (early.length > 0) {
    const named = early.length === metrics.length ? 'any metric' : early.map(({ key }) => metricNames[key]).join(', ')
    blocks.push({ type: 'text', text: `Not enough data yet for ${named}.` })
  }
  return blocks
}

/** What the gate saw, metric by metric. */
export function verdictBlocks(verdict: Verdict, caption = `Gate: ${verdict.at}`): Block[] {
  if (verdict.metrics.length === 0) return []
  return [
    {
      type: 'table',
      caption,
      columns: ['metric', 'gate', 'why', 'would detect'],
      news: ['gate'],
      rows: verdict.metrics.map((metric) => {
        const name = metricNames[metric.key]
        // The first column has said it.
        const why = metric.why.startsWith(name) ? metric.why.slice(name.length).replace(/^:?\s*/, '') : metric.why
        return [name, metric.at, why, wouldDetect(metric)]
      }),
    },
  ]
}

/** How small a regression this window could have seen, in the metric's unit. */
function wouldDetect({ key, smallestRegression }: Verdict['metrics'][number]): string {
  return smallestRegression === undefined ? '' : `+${say(KINDS[key], smallestRegression)}`
}

const KINDS = { cpu: 'cores', memory: 'bytes', error_rate: 'ratio', latency: 'seconds', traffic: 'per_second' } as const

function summary(states: string[]): string {
  const counts = new Map<string, number>()
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1)
  return [...counts].map(([state, count]) => (counts.size === 1 ? state : `${count} ${state}`)).join(', ')
}

function countAt(release: Release, at: HostProgress['at']): number {
  return Object.values(release.hosts).filter((host) => host.at === at).length
}

function remaining(until: string, now: Date): string {
  return wholeSeconds(new Date(until).getTime() - now.getTime())
}

/** Time that is left, rounded up: a window of 14 s that has just begun has 14 s left. */
function wholeSeconds(ms: number): string {
  return formatDuration(Math.max(0, Math.ceil(ms / 1000) * 1000))
}
