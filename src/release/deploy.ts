import { deploying, heed, hold, stopBy } from './hold.ts'
import { jobFor, jobId, outcomeOf, readOutput, runJob } from './job.ts'
import type { Plan } from './plan.ts'
import type { HostProgress, Release } from './release.ts'
import { type Course, mark, numbered, type Outcome, phase, reasons, type Scene, someHosts, tell } from './scene.ts'
import { showCardSoon } from './show.ts'

type Batch = Plan['batches'][number]

/** Puts the version on a batch's hosts, as many at once as may be away, and stops when more fail than the budget allows. */
export async function deployBatch(scene: Scene, batch: Batch): Promise<Course> {
  await mark(scene, `batch ${batch.id}: deploying`, (release, now) => ({
    ...release,
    state: { at: 'rolling out', batch: batch.id, doing: 'deploying', since: now.toISOString() },
  }))
  await phase(scene, `batch ${batch.id} of ${scene.plan.batches.length}: deploying`)
  let queue = batch.hosts.map((host) => ({ id: host.id, attempt: 1 }))
  // Hosts at the head of the queue that are tried again: how they come out is seen before any other is touched.
  let again = 0
  for (let wave = 1; queue.length > 0; wave++) {
    const heard = await heed(scene, `batch ${batch.id}, before wave ${wave}`, batch.id)
    if (heard.go !== 'on') return heard
    // Hosts that are down already count against those that may be away; those that are tried again are among them.
    const down = [...scene.failing.keys(), ...scene.skipped].filter((host) => !queue.some((each) => each.id === host))
    const room = batch.atOnce - down.length
    if (room < 1 && !scene.warned) {
      const why = `${someHosts(down)} ${down.length === 1 ? 'does' : 'do'} not serve: one more host away leaves fewer than the policy wants`
      const order = await hold(scene, {
        why,
        offers: ['resume', 'rollback', 'abort'],
        batch: batch.id,
        after: deploying(batch.id),
      })
      const stop = stopBy(order)
      if (stop !== undefined) return stop
      // From here on it is a person's word, one host after another.
      scene.warned = true
    }
    const next = queue.slice(0, Math.min(Math.max(1, room), again > 0 ? again : queue.length))
    queue = queue.slice(next.length)
    again = Math.max(0, again - next.length)
    const outcomes = await allOf(next.map((host) => deployHost(scene, batch.id, host.id, host.attempt)))
    for (const outcome of outcomes) {
      if (outcome.at === 'healthy') scene.failing.delete(outcome.host)
      else scene.failing.set(outcome.host, outcome)
      scene.shown.delete(outcome.host)
    }
    if (again > 0) continue
    const settled = await settleFailures(scene, batch.id)
    if (settled.go === 'retry') {
      queue = [...settled.hosts, ...queue]
      again = settled.hosts.length
    } else if (settled.go !== 'on') return settled
  }
  await tell(scene, `batch ${batch.id} deployed`, {
    title: `Batch ${batch.id}: ${scene.plan.candidate} is on ${someHosts(batch.hosts.map((host) => host.id).filter((host) => scene.deployedAt.has(host))) || 'no host'}`,
    tone: 'info',
    blocks: [],
  })
  return { go: 'on' }
}

/** All results, or the first error once every one has ended: a story that gives up leaves no sibling at work. */
async function allOf<T>(works: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}

type Settled = Course | { go: 'retry'; hosts: { id: string; attempt: number }[] }

/**
 * Compares the failures so far with the budget; beyond it an automatic policy rolls back, unless only contact was lost. What a
 * hold has shown stays held until each of its hosts was decided on, also when the rest alone would be within the budget.
 */
async function settleFailures(scene: Scene, batch: number): Promise<Settled> {
  const { rules } = scene.plan
  for (;;) {
    const failing = [...scene.failing.values()]
    const failed = failing.filter((outcome) => outcome.at === 'failed')
    const over = failed.length > rules.failureBudget.failed
    const within = !over && failing.length - failed.length <= rules.failureBudget.unreachable
    if (within && scene.shown.size === 0) return { go: 'on' }
    const why = reasons(failing)
    if (over && rules.gate === 'automatic') return { go: 'rollback', by: 'the gate', why }
    const order = await hold(scene, {
      why,
      offers: ['retry', 'skip', 'rollback', 'abort'],
      batch,
      hosts: failing.map(({ host }) => host),
      after: deploying(batch),
    })
    const stop = stopBy(order)
    if (stop !== undefined) return stop
    const chosen = failing.filter(({ host }) => order.hosts === undefined || order.hosts.includes(host))
    for (const { host } of chosen) {
      scene.failing.delete(host)
      scene.shown.delete(host)
    }
    if (order.kind === 'retry') return { go: 'retry', hosts: chosen.map(nextTry) }
    await mark(scene, numbered(scene, `batch ${batch}: skipped hosts`), (release) =>
      chosen.reduce((current, { host }) => withHost(current, host, { at: 'skipped' }), release),
    )
    for (const { host } of chosen) scene.skipped.add(host)
  }
}

/** A job that has failed takes a new key; one whose host was not reached keeps its own, the host may have it. */
export function nextTry({ host, at, attempt }: Outcome): { id: string; attempt: number } {
  return { id: host, attempt: at === 'failed' ? attempt + 1 : attempt }
}

async function deployHost(scene: Scene, batch: number, host: string, attempt: number): Promise<Outcome> {
  scene.touched.add(host)
  const first = await deployOnce(scene, batch, host, attempt)
  // The runner vanished and the version is not there: one new key under the same rules, then people decide.
  return first.cause === 'runner-lost' && attempt === 1 ? deployOnce(scene, batch, host, attempt + 1) : first
}

async function deployOnce(scene: Scene, batch: number, host: string, attempt: number): Promise<Outcome> {
  const { desk } = scene
  const key = { release: scene.key, host, step: 'deploy', attempt }
  const job = jobFor(scene, 'deploy', key, scene.plan.candidate)
  const outcome = await scene.flow.step(
    numbered(scene, `deploy ${host}, batch ${batch}, attempt ${attempt}, try`),
    async () => {
      // Why an earlier attempt failed says nothing about this one.
      await progress(scene, host, { at: 'deploying', attempt, why: undefined })
      const result = await outcomeOf(desk, job, () => runJob(desk, job))
      const version =
        result.at === 'unreachable'
          ? undefined
          : result.at === 'healthy'
            ? scene.plan.candidate
            : await versionNow(scene, host)
      await progress(scene, host, {
        at: result.at,
        why: result.why,
        version,
        ...(result.at === 'healthy' ? { deployedAt: result.when } : {}),
      })
      return result
    },
  )
  if (outcome.at === 'healthy') scene.deployedAt.set(host, new Date(outcome.when))
  else await tellFailure(scene, outcome, jobId(key))
  return outcome
}

async function versionNow(scene: Scene, host: string): Promise<string | null | undefined> {
  try {
    const facts = await scene.desk.target.probe(host, scene.plan.recipe)
    return facts.version ?? null
  } catch {
    return undefined
  }
}

async function tellFailure(scene: Scene, outcome: Outcome, job: string): Promise<void> {
  const output = await scene.flow.step(numbered(scene, `read the output of ${outcome.host}`), () =>
    readOutput(scene.desk, job, 1500),
  )
  await tell(scene, numbered(scene, `${outcome.host} failed`), {
    title: `${outcome.host}: ${outcome.why ?? outcome.at}`,
    tone: 'bad',
    blocks: output.trim() === '' ? [] : [{ type: 'code', text: output.trimEnd() }],
  })
}

/** Changes one host on the release document and on the card. */
export async function progress(
  scene: Pick<Scene, 'desk' | 'id'>,
  host: string,
  change: Partial<HostProgress>,
): Promise<void> {
  await scene.desk.releases.update(scene.id, (release) => withHost(release, host, change))
  showCardSoon(scene.desk, scene.id)
}

export function withHost(release: Release, host: string, change: Partial<HostProgress>): Release {
  const before = release.hosts[host]
  if (before === undefined) return release
  return { ...release, hosts: { ...release.hosts, [host]: { ...before, ...change } } }
}
