import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { awaitDecision } from './decision.ts'
import { deployBatch } from './deploy.ts'
import type { Desk } from './desk.ts'
import { giveUp } from './give-up.ts'
import { observeBatch } from './observe.ts'
import { openRelease, requestSchema } from './request.ts'
import { type Course, mark, phase, type Scene, setScene, tell } from './scene.ts'
import { stopHere } from './stop.ts'
import { takeBack } from './take-back.ts'

/**
 * The story of a release: prepare, get it approved, then batch by batch deploy, observe, decide; and back again when the
 * evidence or a person says so. Every effect in it is a named step, so that it goes on after a crash where it stood.
 */
export async function releaseStory(flow: Flow, desk: Desk, input: Json): Promise<void> {
  const request = requestSchema.parse(input)
  await openRelease(flow, desk, request)
  try {
    await goOn(flow, desk)
  } catch (error) {
    await giveUp(desk, flow.id, error)
    throw error
  }
}

async function goOn(flow: Flow, desk: Desk): Promise<void> {
  const approved = await awaitDecision(flow, desk, flow.id)
  if (approved === undefined) return
  const scene = setScene(flow, desk, approved)

  const course = await rollOut(scene)

  if (course.go === 'rollback') await takeBack(scene, course.by, course.why)
  else if (course.go === 'abort') await stopHere(scene, course.by, course.why)
  else await finish(scene)
  await flow.step('leave the hosts', () => desk.target.leave([...scene.touched]))
}

async function rollOut(scene: Scene): Promise<Course> {
  for (const batch of scene.plan.batches) {
    const deployed = await deployBatch(scene, batch)
    if (deployed.go !== 'on') return deployed
    const observed = await observeBatch(scene, batch)
    if (observed.go !== 'on') return observed
  }
  return { go: 'on' }
}

async function finish(scene: Scene): Promise<void> {
  await mark(scene, 'done', (current, now) => ({
    ...current,
    state: { at: 'done', when: now.toISOString() },
    endedAt: now.toISOString(),
    turn: current.turn + 1,
  }))
  await phase(scene, 'done')
  const without = await scene.flow.step('read who was left out', async () => {
    const { hosts } = await scene.desk.releases.need(scene.id)
    return Object.keys(hosts).filter((host) => hosts[host]?.at !== 'healthy')
  })
  await tell(scene, 'done', {
    title: `Done: ${scene.plan.service} ${scene.plan.candidate} is released${without.length > 0 ? `, without ${without.join(', ')}` : ''}`,
    tone: 'good',
    blocks: [],
  })
}
