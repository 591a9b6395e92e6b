import { predictRisks } from '../knowledge/predict.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import { formatSeconds } from '../lib/duration.ts'
import { type FaultDocument, toDocument } from '../lib/fault.ts'
import type { Artifacts, FoundArtifact } from '../ports/artifacts.ts'
import type { Flow } from '../ports/flow.ts'
import type { HostFacts } from '../ports/target.ts'
import { neighbours } from '../topology/topology.ts'
import { type Service, toArtifactSource, toRecipe } from './config.ts'
import { type Desk, type HostEntry, hostsOf, needService } from './desk.ts'
import { newestOf } from './find.ts'
import { noteSightings } from './fleet.ts'
import { frozen } from './freeze.ts'
import type { ChosenMetric } from './gate.ts'
import { analyseMetrics } from './metrics.ts'
import { approvalsNeeded } from './override-freeze.ts'
import { type Plan, planHash, planRelease } from './plan.ts'
import { type Release, type StepResult, wasReleased } from './release.ts'
import {
  type Conflict,
  checkVersions,
  type Probe,
  probeAll,
  type VersionCheck,
  versionCheckStep,
} from './version-check.ts'

export interface Prepared {
  steps: StepResult[]
  current: string | null
  conflicts: Conflict[]
  notes: string[]
  risks: Release['risks']
  metrics: ChosenMetric[]
  /** Undefined when a conflict forbids the release. */
  plan?: Plan
  planHash: string
  approvalsNeeded: number
}

/**
 * The four steps of the preparation, each a journaled step: VersionCheck, RiskPrediction, MetricAnalysis, ReleasePlan.
 * Nothing on a host is changed. `round` keeps the step names apart when the facts are looked at again.
 */
export async function prepare(
  flow: Flow,
  desk: Desk,
  release: Release,
  round: number,
  inProgress?: string,
): Promise<Prepared> {
  const tag = round === 1 ? '' : `, round ${round}`
  const checked = await flow.step(`check versions${tag}`, () =>
    checkNow(desk, needService(desk, release.service), release, inProgress),
  )
  const { check, artifact, step: versionStep, approvalsNeeded } = checked
  const risk = await flow.step(`predict risks${tag}`, async () => riskStep(desk, needService(desk, release.service)))
  const analysis = await flow.step(`analyse metrics${tag}`, () =>
    metricStep(desk, needService(desk, release.service), check.targets),
  )
  const base = {
    current: check.current,
    conflicts: check.conflicts,
    risks: risk.risks,
    metrics: analysis.metrics,
    approvalsNeeded,
  }
  if (check.conflicts.length > 0 || artifact === undefined) {
    const step = await flow.step(`plan nothing${tag}`, async () =>
      noPlanStep(release.service, check.conflicts, desk.clock()),
    )
    return { ...base, steps: [versionStep, analysis.step, step, risk.step], notes: check.warnings, planHash: '' }
  }
  const planned = await flow.step(`plan the release${tag}`, async () => {
    const plan = planFor(
      desk,
      needService(desk, release.service),
      release.candidate,
      check.targets,
      artifact,
      analysis.metrics,
    )
    return { plan, step: planStep(plan, desk.clock()) }
  })
  return {
    ...base,
    steps: [versionStep, analysis.step, planned.step, risk.step],
    notes: check.warnings,
    plan: planned.plan,
    planHash: planHash(planned.plan),
  }
}

/** Probes, artifact and rules as they are now; used again right before the rollout. */
export async function checkNow(
  desk: Desk,
  service: Service,
  release: Release,
  inProgress?: string,
): Promise<{ check: VersionCheck; artifact?: FoundArtifact; step: StepResult; approvalsNeeded: number }> {
  const now = desk.clock()
  const [probes, found] = await Promise.all([
    probeAll(desk, service, hostsOf(desk, service, release.only)),
    findArtifact(desk.artifacts, service, release.candidate),
  ])
  await noteSightings(desk, service.name, probes)
  const artifact = 'code' in found ? await withSuggestion(desk, release, found, probes) : found
  const freeze = frozen(service.policy, now)
  const check = checkVersions({
    service,
    candidate: release.candidate,
    probes,
    artifact,
    inProgress,
    frozen: freeze,
    overrideFreeze: release.overrideFreeze,
  })
  return {
    check,
    artifact: 'code' in artifact ? undefined : artifact,
    step: versionCheckStep(service.name, release.candidate, check, now),
    approvalsNeeded: approvalsNeeded(service.policy, freeze !== undefined),
  }
}

function planFor(
  desk: Desk,
  service: Service,
  candidate: string,
  targets: { host: HostEntry; facts: HostFacts }[],
  artifact: FoundArtifact,
  metrics: ChosenMetric[],
): Plan {
  return planRelease({
    service: service.name,
    candidate,
    artifact,
    scriptDigest: desk.target.scriptDigest,
    recipe: toRecipe(service),
    policy: service.policy,
    hosts: targets.map(({ host, facts }) => ({ id: host.id, ip: host.ip, region: host.region, facts })),
    metrics,
  })
}

/** A version that does not exist is often one that was typed wrongly: the nearest that was on hosts is named. */
async function withSuggestion(
  desk: Desk,
  release: Release,
  fault: FaultDocument,
  probes: Probe[],
): Promise<FaultDocument> {
  if (fault.code !== 'artifact.missing') return fault
  const released = (await newestOf(desk, 50, release.service)).filter(wasReleased).map((each) => each.candidate)
  const known = new Set([...released, ...probes.flatMap((probe) => probe.facts?.versions ?? [])])
  known.delete(release.candidate)
  return { ...fault, say: `${fault.say}${suggestion(release.candidate, known)}` }
}

async function findArtifact(artifacts: Artifacts, service: Service, version: string) {
  try {
    return await artifacts.find(toArtifactSource(service), version)
  } catch (error) {
    return toDocument(error)
  }
}

function riskStep(desk: Desk, service: Service): { step: StepResult; risks: Release['risks'] } {
  const predicted = predictRisks({
    service,
    neighbours: neighbours(desk.services, service.name),
    entries: desk.knowledge,
  })
  const risks = predicted.risks.map(({ type, mitigation, source, why }) => ({ type, mitigation, source, why }))
  const count = risks.length
  return {
    risks,
    step: {
      step_name: 'RiskPrediction',
      status: 'success',
      summary: `${count} risk${count === 1 ? '' : 's'} identified`,
      details: { ...predicted.details },
      timestamp: desk.clock().toISOString(),
    },
  }
}

async function metricStep(
  desk: Desk,
  service: Service,
  targets: { host: HostEntry }[],
): Promise<{ step: StepResult; metrics: ChosenMetric[] }> {
  const now = desk.clock()
  const timestamp = now.toISOString()
  const empty = (summary: string): { step: StepResult; metrics: ChosenMetric[] } => ({
    metrics: [],
    step: {
      step_name: 'MetricAnalysis',
      status: 'warning',
      summary,
      details: { metrics: [], service: service.name },
      timestamp,
    },
  })
  if (desk.metrics === undefined) return empty('No Prometheus is configured: every gate will hold and ask')
  try {
    const analysis = await analyseMetrics(desk.metrics, {
      service: service.name,
      hosts: targets.map(({ host }) => ({ id: host.id, ip: host.ip })),
      red: service.red,
      limits: service.policy.thresholds,
      minRequests: service.policy.minRequests,
      rateWindowSeconds: service.policy.rateWindow === undefined ? undefined : service.policy.rateWindow / 1000,
      now,
    })
    return {
      metrics: analysis.metrics,
      step: {
        step_name: 'MetricAnalysis',
        status: analysis.status,
        summary: analysis.summary,
        details: { ...analysis.details },
        timestamp,
      },
    }
  } catch (error) {
    return empty(`Metrics could not be read: ${toDocument(error).say} Every gate will hold and ask`)
  }
}

/** The step of a release that is refused: it has no batches, and says why. */
export function noPlanStep(service: string, conflicts: Conflict[], at: Date): StepResult {
  return {
    step_name: 'ReleasePlan',
    status: 'failed',
    summary: `No plan: ${conflicts.map((conflict) => conflict.say).join(' ')}`,
    details: { gray_strategy: { batches: [] }, service },
    timestamp: at.toISOString(),
  }
}

/** The step in the specification's JSON. */
function planStep(plan: Plan, at: Date): StepResult {
  return {
    step_name: 'ReleasePlan',
    status: 'success',
    summary: `${plan.batches.length} batch${plan.batches.length === 1 ? '' : 'es'} created with observation times`,
    details: {
      gray_strategy: {
        batches: plan.batches.map((batch) => ({
          batch_id: batch.id,
          observation_time: formatSeconds(batch.windowSeconds * 1000),
          hosts: batch.hosts.map((host) => ({ host_id: host.id, host_ip: host.ip })),
        })),
      },
      service: plan.service,
    },
    timestamp: at.toISOString(),
  }
}
