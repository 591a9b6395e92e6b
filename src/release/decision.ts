import type { Flow } from '../ports/flow.ts'
import { toRecipe } from './config.ts'
import { type Desk, needService } from './desk.ts'
import { limitsText } from './issue.ts'
import { holderOf, occupy } from './occupy.ts'
import { mayApprove } from './override-freeze.ts'
import { type Plan, planDifference, planHash, rulesSchema } from './plan.ts'
import { checkNow, noPlanStep, type Prepared, prepare } from './prepare.ts'
import { issueDocument, type Release } from './release.ts'
import { mark, tell } from './scene.ts'
import { showCard } from './show.ts'
import { inTheWay, WARNINGS_SUMMARISED } from './version-check.ts'

interface Approved {
  release: Release
  plan: Plan
}

/**
 * Prepares the release and waits for its approval; when the facts have changed between the approval and the first host, the
 * approval lapses, the difference is shown and the new plan waits in its turn. Undefined when the release ended here.
 */
export async function awaitDecision(flow: Flow, desk: Desk, id: string): Promise<Approved | undefined> {
  const scene = { flow, desk, id }
  for (let round = 1; ; round++) {
    const release = await flow.step(`read the request, round ${round}`, () => desk.releases.need(id))
    const blockedBy = await flow.step(`look who holds ${release.service}, round ${round}`, () =>
      holderOf(desk, release.service, id),
    )
    await flow.phase(`preparing, round ${round}`)
    const prepared = await prepare(flow, desk, release, round, blockedBy)
    const { plan } = prepared
    if (plan === undefined) {
      await refuse(scene, prepared, round)
      return undefined
    }
    // Only now: a request that comes to nothing must not close another one that waits.
    const late = await flow.step(`occupy ${release.service}, round ${round}`, () => occupy(desk, release.service, id))
    if (late !== undefined) {
      await refuse(scene, { ...prepared, conflicts: [inTheWay(release.service, late)] }, round)
      return undefined
    }
    const until = await deadline(scene, release.service, round)
    await mark(scene, `awaiting approval, round ${round}`, (current) =>
      // Run again after a crash, it must not take back what somebody has approved since.
      current.state.at === 'preparing'
        ? {
            ...withPreparation(current, prepared, plan),
            state: { at: 'awaiting approval', until: until.toISOString() },
            approvals: [],
            turn: current.turn + 1,
          }
        : current,
    )
    await flow.step(`store the issue, round ${round}`, async () =>
      storeIssue(desk, await desk.releases.need(id), round),
    )
    await tellDetails(scene, prepared, round)
    await flow.phase(`awaiting approval, round ${round}`)
    const decided = await waitForDecision(scene, until, round)
    if (decided.state.at !== 'approved') {
      await closeUndecided(scene, decided)
      return undefined
    }
    const again = await flow.step(`check again before the rollout, round ${round}`, () =>
      checkAgain(desk, decided, plan),
    )
    if (again.lapse.length === 0) return begin(scene, plan, round, again.epoch)
    await tell(scene, `approval lapsed, round ${round}`, {
      title: 'The approval lapsed: the facts have changed since',
      tone: 'warn',
      blocks: again.lapse.slice(0, 20).map((line) => ({ type: 'text', text: line })),
    })
    await mark(scene, `prepare again, round ${round + 1}`, (current) => ({
      ...current,
      state: { at: 'preparing' },
      approvals: [],
      turn: current.turn + 1,
    }))
  }
}

function withPreparation(release: Release, prepared: Prepared, plan: Plan): Release {
  return {
    ...release,
    current: prepared.current,
    steps: prepared.steps,
    risks: prepared.risks,
    metrics: prepared.metrics,
    notes: prepared.notes,
    plan,
    planHash: prepared.planHash,
    approvalsNeeded: prepared.approvalsNeeded,
    hosts: Object.fromEntries(
      Object.entries(plan.rollback.versions).map(([host, before]) => [
        host,
        { at: 'pending', version: before, before, attempt: 0 },
      ]),
    ),
  }
}

type Here = { flow: Flow; desk: Desk; id: string }

async function refuse(scene: Here, prepared: Prepared, round: number): Promise<void> {
  await mark(scene, `refused, round ${round}`, (current, now) => ({
    ...current,
    current: prepared.current,
    // Also of a plan that was made and that another release has come before.
    steps: prepared.steps.map((step) =>
      step.step_name === 'ReleasePlan' ? noPlanStep(current.service, prepared.conflicts, now) : step,
    ),
    risks: prepared.risks,
    notes: prepared.notes,
    endedAt: now.toISOString(),
    turn: current.turn + 1,
    state: {
      at: 'refused',
      why: prepared.conflicts.map((conflict) => conflict.say).join(' '),
      next: prepared.conflicts
        .map((conflict) => conflict.next)
        .filter((next) => next !== '')
        .join('; '),
    },
  }))
  await scene.flow.step(`store the issue, round ${round}`, async () =>
    storeIssue(scene.desk, await scene.desk.releases.need(scene.id), round),
  )
  await scene.flow.phase('refused')
}

/** The release issue in the specification's JSON, one row per round: what was approved stays readable. */
async function storeIssue(desk: Desk, release: Release, round: number): Promise<void> {
  await desk.store.insert('issues', `${release.id}/${round}`, issueDocument(release))
}

/** When the approval expires, by the policy as it was when it was asked for. */
async function deadline({ flow, desk }: Here, service: string, round: number): Promise<Date> {
  const asked = await flow.now(`asked for approval, round ${round}`)
  const ms = await flow.step(`read how long approval may take, round ${round}`, async () => {
    return needService(desk, service).policy.approvalExpires
  })
  return new Date(asked.getTime() + ms)
}

/** The preparation in full, under the card. */
async function tellDetails(scene: Here, prepared: Prepared, round: number): Promise<void> {
  await tell(scene, `preparation, round ${round}`, {
    title: 'What was found',
    tone: prepared.notes.length > 0 ? 'warn' : 'info',
    blocks: [
      {
        type: 'fields',
        items: prepared.steps.map((step) => ({ label: step.step_name, value: `${step.status}: ${step.summary}` })),
      },
      // The first ones stand in the summary of the step that gave them.
      ...prepared.notes.slice(WARNINGS_SUMMARISED).map((note) => ({ type: 'text' as const, text: note })),
      ...prepared.metrics.map((metric) => ({
        type: 'text' as const,
        text: `${metric.name}: ${[limitsText(metric), metric.source].filter((part) => part !== '').join('; ')}`,
      })),
      ...prepared.risks.map((risk) => ({
        type: 'text' as const,
        text: `Risk ${risk.type} → ${risk.mitigation}: ${risk.why} (${risk.source})`,
      })),
    ],
  })
}

/** Waits for the press that decides, or for the deadline; then reads what was decided, once. */
async function waitForDecision(scene: Here, until: Date, round: number): Promise<Release> {
  const { flow, desk, id } = scene
  for (let look = 1; ; look++) {
    const event = await flow.wait(`decision, round ${round}, look ${look}`, { until })
    const release = await flow.step(`read the decision, round ${round}, look ${look}`, async () => {
      const expired = event === undefined
      const now = desk.clock()
      // A press that came in time but is still being written wins or loses here, by compare-and-set.
      const current = await desk.releases.update(id, (doc) =>
        expired && doc.state.at === 'awaiting approval'
          ? {
              ...doc,
              state: { at: 'expired', when: now.toISOString() },
              endedAt: now.toISOString(),
              turn: doc.turn + 1,
            }
          : undefined,
      )
      await showCard(desk, id)
      return current
    })
    if (release.state.at !== 'awaiting approval') return release
  }
}

async function closeUndecided(scene: Here, release: Release): Promise<void> {
  await mark(scene, 'closed without a rollout', (current, now) => ({
    ...current,
    endedAt: current.endedAt ?? now.toISOString(),
  }))
  await scene.flow.phase(release.state.at)
}

/**
 * What speaks against going on with this approval now; empty when nothing does. Roles are read again here. `epoch` is the
 * highest that any host has seen.
 */
async function checkAgain(desk: Desk, release: Release, plan: Plan): Promise<{ lapse: string[]; epoch: number }> {
  const service = needService(desk, release.service)
  const valid = release.approvals.filter(({ by }) => {
    const person = desk.people.find((each) => each.id === by)
    return person !== undefined && by !== release.requester && mayApprove(person, release).ok
  })
  const { check, artifact, approvalsNeeded } = await checkNow(desk, service, release)
  const lines = check.conflicts.map((conflict) => conflict.say)
  if (valid.length < approvalsNeeded) lines.push(`${valid.length} of ${approvalsNeeded} approvals are valid now`)
  const epoch = Math.max(0, ...check.targets.map(({ facts }) => facts.epoch))
  if (artifact === undefined || check.conflicts.length > 0) return { lapse: lines, epoch }
  const versions = Object.fromEntries(check.targets.map(({ host, facts }) => [host.id, facts.version ?? null]))
  const fresh: Plan = {
    ...plan,
    artifact: {
      url: artifact.url,
      algorithm: artifact.algorithm,
      digest: artifact.digest,
      delivery: artifact.delivery,
    },
    scriptDigest: desk.target.scriptDigest,
    recipe: toRecipe(service),
    rules: rulesSchema.parse(service.policy),
    rollback: { ...plan.rollback, versions },
    batches: plan.batches.map((batch) => ({
      ...batch,
      hosts: batch.hosts.map(({ id, ip }) => ({ id, ip: desk.hosts.find((host) => host.id === id)?.ip ?? ip })),
    })),
  }
  return { lapse: planHash(fresh) === release.planHash ? lines : [...lines, ...planDifference(plan, fresh)], epoch }
}

/** Takes the next epoch of the service: hosts refuse jobs of any release before this one. */
async function begin(scene: Here, plan: Plan, round: number, seen: number): Promise<Approved> {
  const { flow, desk, id } = scene
  const epoch = await flow.step(`take an epoch, round ${round}`, () => nextEpoch(desk, plan.service, id, seen))
  await mark(scene, 'rollout begins', (current, now) => ({ ...current, epoch, startedAt: now.toISOString() }))
  return { plan, release: await flow.step('read the approved release', () => desk.releases.need(id)) }
}

/**
 * The next number of the service, above every one that its hosts have seen: another data folder may have released to them.
 * Gaps after a crash do no harm.
 */
export async function nextEpoch(desk: Desk, service: string, release: string, above: number): Promise<number> {
  const stream = `epochs/${service}`
  // Entry n of the stream stands for epoch n + 1.
  const jumped = await desk.store.append(stream, { release }, above)
  const entry = jumped ?? (await desk.store.append(stream, { release }))
  return (entry ?? above) + 1
}
