import { numbered } from '../release/scene.ts'
import { outcomeText } from './card.ts'
import type { Tally } from './count.ts'
import { recheck } from './recheck.ts'
import type { IncidentScene } from './scene.ts'
import { say, showIncident } from './thread.ts'

/** A source tells of an alert's end minutes after the metrics have come back (Alertmanager: with the group's next interval, 5 min). */
const END_HEARD_MS = 600_000

/** Begins to watch when the joined release has been rolled back since it was looked at last. */
export function watchRelease(scene: IncidentScene, release: NonNullable<Tally['release']>, now: Date): void {
  const before = scene.releaseAt
  scene.releaseAt = release.at
  if (release.at !== 'rolled back' || before === 'rolled back') return
  const { everyMs, mostMs, id } = release
  const next = new Date(now.getTime() + everyMs)
  scene.watch = { release: id, everyMs, next, until: new Date(now.getTime() + mostMs) }
}

/**
 * Runs the report's queries again; says once it has recovered, or that it has not within the time, and then watches no more. It has
 * not recovered while it fires, whatever the queries say.
 */
export async function lookAtRecovery(scene: IncidentScene, now: Date, ask = recheck): Promise<void> {
  const { flow, desk, id, watch } = scene
  if (watch === undefined) return
  const last = now >= watch.until
  const outcome = await flow.step(numbered(scene, 'look whether it recovered'), async () => {
    const { report, state } = await desk.incidents.need(id)
    const found =
      report === undefined
        ? { at: 'unknown' as const, why: 'there is no report whose queries could be asked again' }
        : await ask(desk, report)
    const fires = found.at === 'recovered' && state.at === 'firing'
    if (fires ? now.getTime() < watch.until.getTime() + END_HEARD_MS : found.at !== 'recovered' && !last) return null
    const when = desk.clock().toISOString()
    const said = fires ? { at: 'not recovered' as const, why: `its alerts still fire, although ${found.why}` } : found
    await desk.incidents.update(id, (current) => ({ ...current, outcome: { ...said, when } }))
    await showIncident(desk, id)
    return { ...said, when }
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
