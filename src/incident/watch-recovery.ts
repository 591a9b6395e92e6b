import { numbered } from '../release/scene.ts'
import { outcomeText } from './card.ts'
import type { Tally } from './count.ts'
import { recheck } from './recheck.ts'
import type { IncidentScene } from './scene.ts'
import { say, showIncident } from './thread.ts'

/** Begins to watch when the joined release has been rolled back since it was looked at last. */
export function watchRelease(scene: IncidentScene, release: NonNullable<Tally['release']>, now: Date): void {
  const before = scene.releaseAt
  scene.releaseAt = release.at
  if (release.at !== 'rolled back' || before === 'rolled back') return
  const { everyMs, mostMs, id } = release
  const next = new Date(now.getTime() + everyMs)
  scene.watch = { release: id, everyMs, next, until: new Date(now.getTime() + mostMs) }
}

/** Runs the report's queries again; says once it has recovered, or that it has not within the time, and then watches no more. */
export async function lookAtRecovery(scene: IncidentScene, now: Date, ask = recheck): Promise<void> {
  const { flow, desk, id, watch } = scene
  if (watch === undefined) return
  const last = now >= watch.until
  const outcome = await flow.step(numbered(scene, 'look whether it recovered'), async () => {
    const { report } = await desk.incidents.need(id)
    const found =
      report === undefined
        ? { at: 'unknown' as const, why: 'there is no report whose queries could be asked again' }
        : await ask(desk, report)
    if (found.at !== 'recovered' && !last) return null
    const when = desk.clock().toISOString()
    await desk.incidents.update(id, (current) => ({ ...current, outcome: { ...found, when } }))
    await showIncident(desk, id)
    return { ...found, when }
  })
  if (outcome === null) {
    scene.watch = { ...watch, next: new Date(now.getTime() + watch.everyMs) }
    return
  }
  scene.watch = undefined
  await say(scene, numbered(scene, 'outcome').replace(' ', '/'), {
    title: outcomeText(watch.release, outcome),
    tone: outcome.at === 'recovered' ? 'good' : 'warn',
  })
}
