import { formatDuration } from '../lib/duration.ts'
import type { Block, Button, Message } from '../ports/chat.ts'
import { say } from './gate/units.ts'
import type { Verdict } from './gate.ts'
import type { Plan } from './plan.ts'
import type { HostProgress, Release } from './release.ts'

/** Hosts shown one by one on a card; a larger fleet is counted, and /status names its hosts. */
const HOSTS_SHOWN = 12

/** The release as one card: where it stands, the plan at a glance, a bar per batch, a line per host. */
export function card(release: Release, now: Date, buttons: Button[]): Message {
  const { plan } = release
  const blocks: Block[] = [{ type: 'text', text: headline(release, now) }]
  blocks.push({ type: 'fields', items: fields(release, now) })
  if (plan !== undefined) {
    if (release.state.at === 'awaiting approval') blocks.push(...planBlocks(release, plan))
    else if (release.startedAt !== undefined) blocks.push(...progressBlocks(release, plan))
  }
  const last = release.verdicts.at(-1)
  if (last !== undefined && ['rolling out', 'held'].includes(release.state.at))
    blocks.push(...verdictBlocks(last.verdict))
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
      return `Not possible: ${state.why}${state.next === '' ? '' : ` Next: ${state.next}.`}`
    case 'awaiting approval': {
      const missing = release.approvalsNeeded - release.approvals.length
      return `Waits for ${missing} approval${missing === 1 ? '' : 's'}; expires in ${remaining(state.until, now)}.`
    }
    case 'approved':
      return 'Approved; checking the facts once more.'
    case 'rejected':
      return `Rejected by ${state.by}.`
    case 'expired':
      return `Expired: nobody decided in time. Next: /release ${release.service} ${release.candidate}`
    case 'superseded':
      return `Superseded by ${state.by}.`
    case 'rolling out':
      return state.doing === 'deploying'
        ? `Batch ${state.batch} of ${release.plan?.batches.length ?? 0}: deploying.`
        : `Batch ${state.batch} of ${release.plan?.batches.length ?? 0}: observing, ${remaining(state.until ?? now.toISOString(), now)} left.`
    case 'held':
      return `Held: ${state.why}`
    case 'done':
      return `Done: ${countAt(release, 'healthy')} of ${Object.keys(release.hosts).length} hosts run ${release.candidate}.`
    case 'rolling back':
      return `Rolling back (${state.by}): ${state.why}`
    case 'rolled back':
      return `Rolled back (${state.by}): ${state.why}${state.by === 'the gate' ? `. Next: correct it, then /release ${release.service} <version>` : ''}`
    case 'aborted':
      return `Aborted (${state.by}): ${state.why}. Hosts stay as listed.`
  }
}

function fields(release: Release, now: Date): { label: string; value: string }[] {
  const items = [{ label: 'requested by', value: release.requester }]
  if (release.approvals.length > 0 || release.approvalsNeeded > 1) {
    const names = release.approvals.map((each) => each.by).join(', ') || 'nobody'
    items.push({ label: 'approved by', value: `${names} (${release.approvals.length} of ${release.approvalsNeeded})` })
  }
  if (release.startedAt !== undefined) {
    const end = release.endedAt === undefined ? now : new Date(release.endedAt)
    items.push({
      label: 'elapsed',
      value: formatDuration(Math.max(0, end.getTime() - new Date(release.startedAt).getTime())),
    })
    const left = secondsLeft(release, now)
    if (left !== undefined) items.push({ label: 'remaining', value: `about ${formatDuration(left * 1000)}` })
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
export function planBlocks(release: Release, plan: Plan): Block[] {
  const blocks: Block[] = [
    {
      type: 'table',
      caption: 'Batches',
      columns: ['batch', 'hosts', 'observe'],
      rows: plan.batches.map((batch) => [
        String(batch.id),
        names(batch.hosts.map((host) => host.id)),
        formatDuration(batch.windowSeconds * 1000),
      ]),
    },
  ]
  if (release.metrics.length > 0) {
    blocks.push({
      type: 'table',
      caption: 'Thresholds',
      columns: ['metric', 'limits', 'from'],
      rows: release.metrics.map((metric) => [
        metric.name,
        metric.thresholds.text.join(' / ') || 'no limit',
        metric.candidates.join(', '),
      ]),
    })
  } else {
    blocks.push({ type: 'text', text: 'No metrics: every gate will hold and ask.' })
  }
  if (release.risks.length > 0) {
    blocks.push({
      type: 'table',
      caption: 'Risks',
      columns: ['risk', 'mitigation', 'source'],
      rows: release.risks.slice(0, 5).map((risk) => [risk.type, risk.mitigation, risk.source]),
    })
  }
  blocks.push({ type: 'text', text: `The way back: ${wayBack(plan)}.` })
  return blocks
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
      const states = batch.hosts.map((host) => release.hosts[host.id]?.at ?? 'pending')
      return {
        label: `batch ${batch.id}`,
        done: states.filter((at) => at === 'healthy' || at === 'skipped').length,
        total: states.length,
        note: summary(states),
      }
    }),
  }
  const shown = hosts.length <= HOSTS_SHOWN ? hosts : hosts.filter(({ id }) => isTrouble(release.hosts[id]))
  const rows = shown.slice(0, HOSTS_SHOWN).map(({ id }) => hostRow(id, release.hosts[id]))
  return rows.length === 0 ? [bars] : [bars, { type: 'table', columns: ['host', 'state', 'version'], rows }]
}

function isTrouble(host: HostProgress | undefined): boolean {
  return host !== undefined && ['failed', 'unreachable', 'skipped'].includes(host.at)
}

function hostRow(id: string, host: HostProgress | undefined): string[] {
  if (host === undefined) return [id, 'pending', '']
  const state = host.why === undefined || host.at === 'healthy' ? host.at : `${host.at}: ${host.why}`
  return [id, state, host.version === undefined ? 'unknown' : (host.version ?? 'none')]
}

/** What the gate saw, metric by metric. */
export function verdictBlocks(verdict: Verdict): Block[] {
  return [
    {
      type: 'table',
      caption: `Gate: ${verdict.at}`,
      columns: ['metric', 'gate', 'why', 'would see'],
      rows: verdict.metrics.map((metric) => [metric.key, metric.at, metric.why, wouldSee(metric)]),
    },
  ]
}

/** How small a regression this window could have seen, in the metric's unit. */
function wouldSee({ key, smallestRegression }: Verdict['metrics'][number]): string {
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

function names(ids: string[]): string {
  return ids.length <= 6 ? ids.join(', ') : `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more`
}

function remaining(until: string, now: Date): string {
  return formatDuration(Math.max(0, new Date(until).getTime() - now.getTime()))
}
