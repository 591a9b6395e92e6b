import { nextEpoch } from './decision.ts'
import { nextTry, progress } from './deploy.ts'
import { hold } from './hold.ts'
import { type Begun, describe, endedState, jobFor, jobId, outcomeOf, runJob } from './job.ts'
import type { State } from './release.ts'
import { mark, type Outcome, onceMore, phase, reasons, type Scene, tell } from './scene.ts'
import { stopHere } from './stop.ts'

/**
 * Takes every touched host back to what it ran before, in batches without windows. A new epoch comes first, so that hosts
 * refuse deploys of this release that arrive late; the version is verified by a probe, not believed from the job.
 */
export async function takeBack(scene: Scene, by: string, why: string): Promise<void> {
  scene.goingBack = true
  scene.shown.clear()
  scene.epoch = await scene.flow.step('take an epoch for the rollback', () =>
    nextEpoch(scene.desk, scene.plan.service, scene.id, scene.epoch),
  )
  const rollingBack = (now: Date): State => ({ at: 'rolling back', by, why, since: now.toISOString() })
  await mark(scene, 'rolling back', (release, now) => ({
    ...release,
    epoch: scene.epoch,
    state: rollingBack(now),
    stop: undefined,
    endedAt: undefined,
    turn: release.turn + 1,
  }))
  await phase(scene, `rolling back: ${why}`)
  await tell(scene, 'rolling back', {
    title: `Rolling back: ${why}`,
    tone: 'bad',
    blocks: [{ type: 'text', text: `Decided by ${by}.` }],
  })
  const left = new Map<string, Outcome>()
  let queue = Object.keys(scene.plan.rollback.versions)
    .filter((host) => scene.touched.has(host))
    .map((id) => ({ id, attempt: 1 }))
  for (;;) {
    for (const outcome of await backTwice(scene, queue, by)) {
      if (outcome.at === 'healthy') left.delete(outcome.host)
      else left.set(outcome.host, outcome)
      scene.shown.delete(outcome.host)
    }
    if (left.size === 0) break
    const incomplete = `rollback incomplete: ${reasons([...left.values()])}`
    const order = await hold(scene, {
      why: incomplete,
      offers: ['retry', 'abort'],
      batch: 0,
      hosts: [...left.keys()],
      after: rollingBack,
    })
    if (order.kind === 'abort') return stopHere(scene, order.by, incomplete)
    queue = [...left.values()].filter(({ host }) => order.hosts?.includes(host) ?? true).map(nextTry)
  }
  await finish(scene, by, why)
}

type Turn = ReturnType<typeof nextTry>

/** What fails is tried once more by itself: a rollback that stands still is worse than one that is tried twice. */
async function backTwice(scene: Scene, hosts: Turn[], by: string): Promise<Outcome[]> {
  const first = await backInGroups(scene, hosts, by)
  const failing = first.filter(({ at }) => at !== 'healthy')
  const again = await backInGroups(scene, failing.map(nextTry), by)
  return [...first.filter(({ at }) => at === 'healthy'), ...again]
}

async function backInGroups(scene: Scene, hosts: Turn[], by: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const size = scene.plan.rollback.atOnce
  for (let start = 0; start < hosts.length; start += size) {
    const group = hosts.slice(start, start + size)
    outcomes.push(...(await Promise.all(group.map(({ id, attempt }) => backOne(scene, id, attempt, by)))))
  }
  return outcomes
}

async function backOne(scene: Scene, host: string, attempt: number, by: string): Promise<Outcome> {
  const { desk, key: release, plan } = scene
  const before = plan.rollback.versions[host] ?? null
  return scene.flow.step(onceMore(scene, `roll back ${host}, attempt ${attempt}`), async () => {
    const job = jobFor(
      scene,
      before === null ? 'remove' : 'switch',
      { release, host, step: stepOf(scene), attempt },
      before ?? plan.candidate,
      orderedBy(scene, by),
    )
    const isBack = async (): Promise<{ back: boolean; version: string | undefined; words: string }> => {
      const { version, state } = await desk.target.probe(host, job.recipe)
      const back = before === null ? version === undefined : version === before && state === 'running'
      return { back, version, words: describe(version, state) }
    }
    await progress(scene, host, { at: 'rolling back', why: undefined })
    const outcome = await outcomeOf(desk, job, async () => {
      await endDeploys(scene, host)
      await desk.target.fence(host, job.recipe, scene.epoch)
      const found = await isBack()
      // Nothing to take back, and a restart would cost requests. A job that was begun before a crash is followed to its end.
      const begun = await desk.store.get('jobs', jobId(job.key))
      if (found.back && begun === undefined) return endedState(0)
      if (found.version !== undefined && found.version !== plan.candidate && found.version !== before) {
        return endedState(1, `runs ${found.version}, which this release did not put there; left as it is`)
      }
      const state = await runJob(desk, job)
      if (state.at !== 'done' || state.rc !== 0) return state
      const after = await isBack()
      return after.back ? state : endedState(1, `after the rollback ${after.words}`)
    })
    await progress(scene, host, {
      at: outcome.at === 'healthy' ? 'rolled back' : outcome.at,
      why: outcome.why,
      version: outcome.at === 'healthy' ? before : undefined,
    })
    return outcome
  })
}

/** What a host takes for `by`, in characters; a long list of approvers must not keep the way back shut. */
const MOST_BY = 1000

/**
 * The audit line of a rollback: who ordered it, and the approval that put the version there, as in
 * `carol rolled-back R-2 of alice approved-by bob`. The ids of people have no blanks, so `the gate` is nobody's.
 */
function orderedBy({ id, by: approved }: Pick<Scene, 'id' | 'by'>, by: string): string {
  return [by, 'rolled-back', id, 'of', approved].join(' ').slice(0, MOST_BY)
}

/** A release that is done may be taken back more than once, when the first time was aborted: each time has its own keys. */
function stepOf({ flow, id }: Scene): string {
  return flow.id === id ? 'rollback' : `undo-${flow.id.split('.').at(-1)}`
}

/** Ends what may still run or arrive of this release on a host: every deploy that is not known to have ended. */
async function endDeploys(scene: Scene, host: string): Promise<void> {
  const { desk, key: release, plan } = scene
  const last = (await desk.releases.need(scene.id)).hosts[host]?.attempt ?? 0
  for (let attempt = 1; attempt <= last; attempt++) {
    const key = { release, host, step: 'deploy', attempt }
    const row = await desk.store.get('jobs', jobId(key))
    const at = row === undefined ? 'done' : (row.document as unknown as Begun).state.at
    if (at !== 'done') await desk.target.cancel(host, key, plan.recipe.root)
  }
}

async function finish(scene: Scene, by: string, why: string): Promise<void> {
  await mark(scene, 'rolled back', (release, now) => ({
    ...release,
    state: { at: 'rolled back', by, why, when: now.toISOString() },
    endedAt: now.toISOString(),
    turn: release.turn + 1,
  }))
  await phase(scene, 'rolled back')
  const rows = await scene.flow.step('read what the hosts run after the rollback', async () =>
    Object.entries((await scene.desk.releases.need(scene.id)).hosts).map(([host, { at, version }]) =>
      at === 'pending' ? [host, 'not touched'] : [host, version === undefined ? 'unknown' : (version ?? 'none')],
    ),
  )
  await tell(scene, 'rolled back', {
    title: 'Rolled back: every host that was changed runs what it ran before, verified by probe',
    tone: 'good',
    blocks: [
      { type: 'table', columns: ['host', 'version'], rows },
      { type: 'text', text: `Reason: ${why}` },
    ],
  })
}
