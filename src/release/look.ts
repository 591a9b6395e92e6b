import type { Json } from '../ports/store.ts'
import { gatePolicySchema, judge, type Observation, type Verdict } from './gate.ts'
import { onAgreedTime } from './metrics-clock.ts'
import { buildObservation, type ObservedHost } from './observe-query.ts'
import type { Plan } from './plan.ts'
import type { Release } from './release.ts'
import type { Scene } from './scene.ts'
import { showCard } from './show.ts'

/** The baseline is at least this long, so that a short window still has something to be compared with. */
const LEAST_BASELINE_SECONDS = 60

/**
 * One look of the gate at a batch's window, from `started` until now: asks the metrics, judges, and keeps the observation so
 * that the verdict can be replayed. Upgraded are all hosts that this release has changed so far; waiting are those it will.
 */
export async function lookAtMetrics(
  scene: Scene,
  batch: Plan['batches'][number],
  started: Date,
  look: { name: string; looks: number },
): Promise<Verdict> {
  const { desk, id } = scene
  const now = desk.clock()
  const release = await desk.releases.need(id)
  const policy = gatePolicyOf(scene, look.looks)
  const observation = await observe(scene, release, batch, started, now)
  const verdict = judge(observation, policy)
  await keep(scene, look.name, { observation, policy } as unknown as Json)
  await desk.releases.update(id, (current) => {
    const before = current.verdicts.find((each) => each.batch === batch.id)
    const failed = verdict.at === 'fail' || (verdict.at !== 'pass' && before?.failed === true)
    return {
      ...current,
      verdicts: [
        ...current.verdicts.filter((each) => each.batch !== batch.id),
        { batch: batch.id, at: now.toISOString(), verdict, ...(failed ? { failed } : {}) },
      ],
    }
  })
  await showCard(desk, id)
  return verdict
}

function gatePolicyOf(scene: Scene, looks: number) {
  const { rules } = scene.plan
  return gatePolicySchema.parse({
    looks,
    minRequests: rules.minRequests,
    warmupSeconds: rules.warmup / 1000,
    freshSeconds: rules.freshSeconds,
  })
}

async function observe(
  scene: Scene,
  release: Release,
  batch: Plan['batches'][number],
  started: Date,
  now: Date,
): Promise<Observation> {
  const begun = new Date(release.startedAt ?? started)
  const baseline = Math.max(LEAST_BASELINE_SECONDS, 2 * batch.windowSeconds) * 1000
  const before = { from: new Date(begun.getTime() - baseline), to: begun }
  const after = { from: started, to: now }
  if (scene.desk.metrics === undefined) {
    return { at: now.getTime() / 1000, before: seconds(before), after: seconds(after), metrics: [] }
  }
  return buildObservation(await onAgreedTime(scene.desk.metrics, scene.desk.clock), {
    chosen: release.metrics,
    hosts: observedHosts(scene, release),
    before,
    after,
    warmupSeconds: scene.plan.rules.warmup / 1000,
    rateWindowSeconds: scene.plan.rules.rateWindow === undefined ? undefined : scene.plan.rules.rateWindow / 1000,
  })
}

/** Hosts that failed or were skipped belong to neither side: they run nobody knows what. */
function observedHosts(scene: Scene, release: Release): ObservedHost[] {
  return scene.plan.batches
    .flatMap((batch) => batch.hosts)
    .flatMap((host): ObservedHost[] => {
      const progress = release.hosts[host.id]
      if (progress?.at === 'healthy') {
        const deployedAt = progress.deployedAt === undefined ? undefined : new Date(progress.deployedAt)
        return [{ ...host, group: 'upgraded', deployedAt }]
      }
      return progress?.at === 'pending' ? [{ ...host, group: 'waiting' }] : []
    })
}

/** The last look of a window is kept; earlier ones of the same window are replaced. */
async function keep(scene: Scene, window: string, document: Json): Promise<void> {
  const key = `${scene.id}/${window}`
  if (await scene.desk.store.insert('observations', key, document)) return
  const row = await scene.desk.store.get('observations', key)
  if (row !== undefined) await scene.desk.store.put('observations', key, document, row.version)
}

function seconds(period: { from: Date; to: Date }): { from: number; to: number } {
  return { from: period.from.getTime() / 1000, to: period.to.getTime() / 1000 }
}
