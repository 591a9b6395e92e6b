import { nextEpoch } from './decision.ts'
import { progress } from './deploy.ts'
import { hold } from './hold.ts'
import { describe, jobFor, jobId, outcomeOf, runJob } from './job.ts'
import { mark, numbered, type Outcome, phase, type Scene, tell } from './scene.ts'
import { stopHere } from './stop.ts'

/**
 * Takes every touched host back to what it ran before, in batches without windows. A new epoch comes first, so that hosts
 * refuse deploys of this release that arrive late; the version is verified by a probe, not believed from the job.
 */
export async function takeBack(scene: Scene, by: string, why: string): Promise<void> {
  scene.epoch = await scene.flow.step('take an epoch for the rollback', () =>
    nextEpoch(scene.desk, scene.plan.service, scene.id),
  )
  const rollingBack = (name: string) =>
    mark(scene, name, (release, now) => ({
      ...release,
      epoch: scene.epoch,
      state: { at: 'rolling back', by, why, since: now.toISOString() },
      turn: release.turn + 1,
    }))
  await rollingBack('rolling back')
  await phase(scene, `rolling back: ${why}`)
  await tell(scene, 'rolling back', {
    title: `Rolling back: ${why}`,
    tone: 'bad',
    blocks: [{ type: 'text', text: `Decided by ${by}.` }],
  })
  const unreached = new Map([...scene.failing].filter(([, outcome]) => outcome.at === 'unreachable'))
  let queue = Object.keys(scene.plan.rollback.versions).filter((host) => scene.touched.has(host))
  for (let attempt = 1; queue.length > 0; attempt++) {
    const outcomes = await backInGroups(scene, queue, attempt, unreached)
    const failing = outcomes.filter((outcome) => outcome.at !== 'healthy')
    queue = failing.map((outcome) => outcome.host)
    // One more try by itself: a rollback that stands still is worse than one that is tried twice.
    if (queue.length === 0 || attempt % 2 === 1) continue
    const reasons = failing.map((outcome) => `${outcome.host}: ${outcome.why ?? outcome.at}`).join('; ')
    const order = await hold(scene, `rollback incomplete: ${reasons}`, ['retry', 'abort'], 0)
    if (order.kind === 'abort') return stopHere(scene, order.by, `rollback incomplete: ${reasons}`)
    await rollingBack(numbered(scene, 'rolling back again'))
  }
  await finish(scene, by, why)
}

async function backInGroups(
  scene: Scene,
  hosts: string[],
  attempt: number,
  unreached: Map<string, Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const size = scene.plan.rollback.atOnce
  for (let start = 0; start < hosts.length; start += size) {
    const group = hosts.slice(start, start + size)
    outcomes.push(...(await Promise.all(group.map((host) => backOne(scene, host, attempt, unreached.get(host))))))
  }
  return outcomes
}

async function backOne(scene: Scene, host: string, attempt: number, unreached: Outcome | undefined): Promise<Outcome> {
  const { desk, id, plan } = scene
  const before = plan.rollback.versions[host] ?? null
  return scene.flow.step(`roll back ${host}, attempt ${attempt}`, async () => {
    const kind = before === null ? 'remove' : 'switch'
    const job = jobFor(scene, kind, { release: id, host, step: 'rollback', attempt }, before ?? plan.candidate)
    await progress(scene, host, { at: 'rolling back' })
    const outcome = await outcomeOf(desk, job, async () => {
      if (unreached !== undefined)
        await desk.target.cancel(
          host,
          { release: id, host, step: 'deploy', attempt: unreached.attempt },
          job.recipe.root,
        )
      await desk.target.fence(host, job.recipe, scene.epoch)
      const facts = await desk.target.probe(host, job.recipe)
      const asBefore =
        before === null ? facts.version === undefined : facts.version === before && facts.state === 'running'
      // Nothing to take back, and a restart would cost requests. A job that was begun before a crash is followed to its end.
      const begun = await desk.store.get('jobs', jobId(job.key))
      if (asBefore && begun === undefined) return { at: 'done', rc: 0 }
      if (facts.version !== undefined && facts.version !== plan.candidate && facts.version !== before) {
        return {
          at: 'done',
          rc: 1,
          reason: `runs ${facts.version}, which this release did not put there; left as it is`,
        }
      }
      return runJob(desk, job)
    })
    const verified = outcome.at === 'healthy' ? await verify(scene, host, before, outcome) : outcome
    await progress(scene, host, {
      at: verified.at === 'healthy' ? 'rolled back' : verified.at,
      why: verified.why,
      ...(verified.at === 'healthy' ? { version: before } : { version: undefined }),
    })
    return verified
  })
}

async function verify(scene: Scene, host: string, before: string | null, outcome: Outcome): Promise<Outcome> {
  const { recipe } = jobFor(scene, 'switch', { release: scene.id, host, step: 'rollback', attempt: 0 }, before ?? '')
  const probed = await outcomeOf(
    scene.desk,
    jobFor(scene, 'switch', { release: scene.id, host, step: 'verify', attempt: 0 }, before ?? ''),
    async () => {
      const facts = await scene.desk.target.probe(host, recipe)
      const right =
        before === null ? facts.version === undefined : facts.version === before && facts.state === 'running'
      return right
        ? { at: 'done', rc: 0 }
        : { at: 'done', rc: 1, reason: `after the rollback ${describe(facts.version, facts.state)}` }
    },
  )
  return probed.at === 'healthy' ? outcome : probed
}

async function finish(scene: Scene, by: string, why: string): Promise<void> {
  await mark(scene, 'rolled back', (release, now) => ({
    ...release,
    state: { at: 'rolled back', by, why, when: now.toISOString() },
    endedAt: now.toISOString(),
    turn: release.turn + 1,
  }))
  await phase(scene, 'rolled back')
  await tell(scene, 'rolled back', {
    title: 'Rolled back: every host that was changed runs what it ran before, verified by probe',
    tone: 'good',
    blocks: [
      {
        type: 'table',
        columns: ['host', 'version'],
        rows: Object.entries(scene.plan.rollback.versions).map(([host, version]) => [host, version ?? 'none']),
      },
      { type: 'text', text: `Reason: ${why}` },
    ],
  })
}
