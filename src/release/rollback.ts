import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import type { Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { giveUp } from './give-up.ts'
import { occupy } from './request.ts'
import { setScene, tell } from './scene.ts'
import { steer } from './steer.ts'
import { takeBack } from './take-back.ts'

const inputSchema = z.object({ release: z.string(), by: z.string() })

/** Rolls back a release that is under way (an order to its flow), or one that is done (a flow of its own, started once). */
export async function rollback(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  const release = await desk.releases.need(bound.release)
  if (release.state.at !== 'done') return steer(desk, bound, person, 'rollback')
  const allowed = mayDo(person, 'release.rollback')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  if (bound.turn !== release.turn || bound.planHash !== release.planHash) return no(stale(release))
  const newer = (await desk.releases.list({ service: release.service })).find((each) => each.state.at === 'done')
  if (newer !== undefined && newer.id !== release.id) {
    return no(
      `${newer.id} has put ${newer.candidate} on the hosts since.`,
      `roll that back first: /rollback ${release.service}`,
    )
  }
  const started = await desk.flows.start('rollback', `${release.id}.rollback`, { release: release.id, by: person.id })
  return started
    ? yes(`Rolling back ${release.service} to ${release.current ?? 'nothing'}.`)
    : no('It is being rolled back already.')
}

/** The story of taking back a release that was done. */
export async function rollbackStory(flow: Flow, desk: Desk, input: Json): Promise<void> {
  const { release: id, by } = inputSchema.parse(input)
  const release = await flow.step('read the release', () => desk.releases.need(id))
  const here = { flow, desk, id }
  const blockedBy = await flow.step(`occupy ${release.service}`, () => occupy(desk, release.service, id))
  if (blockedBy !== undefined || release.plan === undefined) {
    await tell(here, 'rollback not begun', {
      title: `Not rolled back: ${blockedBy ?? 'no plan'} is in progress`,
      tone: 'warn',
      blocks: [],
    })
    return
  }
  const scene = setScene(flow, desk, { release, plan: release.plan })
  for (const [host, progress] of Object.entries(release.hosts)) {
    if (progress.at !== 'pending') scene.touched.add(host)
  }
  try {
    await takeBack(scene, by, `${by} pressed Roll back`)
    await flow.step('leave the hosts', () => desk.target.leave([...scene.touched]))
  } catch (error) {
    await giveUp(desk, id, error)
    throw error
  }
}
