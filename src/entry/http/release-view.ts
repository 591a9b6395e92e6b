import type { Button, Message } from '../../ports/chat.ts'
import type { HostProgressView, JobView, ReleaseDetail, ReleaseView, VerdictView } from '../../ports/console.ts'
import type { Desk } from '../../release/desk.ts'
import { metricNames } from '../../release/gate/why.ts'
import type { Verdict } from '../../release/gate.ts'
import { card } from '../../release/issue.ts'
import { isOver, type Release } from '../../release/release.ts'
import { jobRow } from './job-row.ts'

/** A release as it stands in a list. `now` is for durations that still grow. */
export function releaseView(release: Release, now: Date): ReleaseView {
  const shown = card(release, now, [])
  const [first] = shown.blocks
  const hosts: Record<string, number> = {}
  for (const { at } of Object.values(release.hosts)) hosts[at] = (hosts[at] ?? 0) + 1
  const { startedAt, endedAt } = release
  return {
    id: release.id,
    service: release.service,
    candidate: release.candidate,
    current: release.current,
    requester: release.requester,
    approvals: release.approvals,
    approvalsNeeded: release.approvalsNeeded,
    state: release.state.at,
    headline: first?.type === 'text' ? first.text : release.state.at,
    tone: shown.tone,
    over: isOver(release.state),
    createdAt: release.createdAt,
    startedAt,
    endedAt,
    ...(startedAt === undefined ? {} : { seconds: secondsBetween(startedAt, endedAt, now) }),
    batches: release.plan?.batches.length ?? 0,
    hosts,
  }
}

function secondsBetween(from: string, to: string | undefined, now: Date): number {
  const end = to === undefined ? now.getTime() : Date.parse(to)
  return Math.max(0, Math.round((end - Date.parse(from)) / 1000))
}

/** Everything about one release; `jobs` are those that it ran. */
export async function releaseDetail(desk: Desk, release: Release, buttons: Button[]): Promise<ReleaseDetail> {
  const now = desk.clock()
  const shown: Message = card(release, now, buttons)
  const { plan } = release
  return {
    ...releaseView(release, now),
    card: shown,
    buttons,
    channel: release.channel,
    planHash: release.planHash,
    steps: release.steps,
    risks: release.risks,
    metrics: release.metrics.map(({ key, name, query, thresholds, source }) => {
      return { key, name, query, limits: thresholds.text, source }
    }),
    notes: release.notes,
    ...whereabouts(release),
    ...(plan === undefined
      ? {}
      : {
          plan: {
            artifact: { url: plan.artifact.url, algorithm: plan.artifact.algorithm, digest: plan.artifact.digest },
            batches: plan.batches.map(({ id, hosts, windowSeconds, atOnce }) => {
              return { id, hosts: hosts.map((host) => host.id), windowSeconds, atOnce }
            }),
            gate: plan.rules.gate,
            rollback: { atOnce: plan.rollback.atOnce, versions: plan.rollback.versions },
          },
        }),
    progress: progressViews(desk, release, await jobsByHost(desk, release)),
    verdicts: release.verdicts.map(({ batch, at, verdict }) => verdictView(batch, at, verdict)),
  }
}

function whereabouts({ state }: Release): Pick<ReleaseDetail, 'now'> {
  if (state.at === 'rolling out') {
    const { batch, doing, since, until } = state
    return { now: { batch, doing, since, ...(until === undefined ? {} : { until }) } }
  }
  if (state.at === 'held') return { now: { batch: state.batch, doing: 'held', since: state.since } }
  if (state.at === 'rolling back') return { now: { batch: 0, doing: 'rolling back', since: state.since } }
  return {}
}

function progressViews(desk: Desk, release: Release, jobs: Map<string, JobView[]>): HostProgressView[] {
  const regions = new Map(desk.hosts.map((host) => [host.id, host.region]))
  const batches = new Map(
    release.plan?.batches.flatMap((batch) => batch.hosts.map(({ id }) => [id, batch.id] as const)),
  )
  const views = Object.entries(release.hosts).map(([host, progress]): HostProgressView => {
    const { at, version, before, why, deployedAt } = progress
    return {
      host,
      region: regions.get(host) ?? '',
      batch: batches.get(host) ?? 0,
      state: at,
      version,
      before,
      why,
      deployedAt,
      jobs: jobs.get(host) ?? [],
    }
  })
  // As the plan orders them; hosts that it does not name come last.
  const order = new Map([...batches.keys()].map((host, index) => [host, index]))
  const place = (view: HostProgressView) => order.get(view.host) ?? Number.MAX_SAFE_INTEGER
  return views.sort((a, b) => place(a) - place(b))
}

async function jobsByHost({ store }: Desk, { id, token }: Release): Promise<Map<string, JobView[]>> {
  const jobs = new Map<string, JobView[]>()
  const rows = (await store.find('jobs', { prefix: `${id}.${token}/` })).map(jobRow)
  for (const { host, ...job } of rows.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1))) {
    jobs.set(host, [...(jobs.get(host) ?? []), job])
  }
  return jobs
}

function verdictView(batch: number, at: string, verdict: Verdict): VerdictView {
  return {
    batch,
    at,
    verdict: verdict.at,
    why: verdict.why,
    metrics: verdict.metrics.map(({ key, at, why, value, limit, samples }) => {
      return {
        key,
        name: metricNames[key],
        verdict: at,
        why,
        value,
        limit,
        samples: samples.requests ?? samples.upgraded,
      }
    }),
  }
}
