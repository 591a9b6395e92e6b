import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { awaitDecision } from './decision.ts'
import { deployBatch } from './deploy.ts'
import type { Desk } from './desk.ts'
import { giveUp } from './give-up.ts'
import { answerTheLate } from './hear.ts'
import { stopBy } from './hold.ts'
import { observeBatch } from './observe.ts'
import { openRelease, requestSchema } from './request.ts'
import { type Course, phase, type Scene, setScene, someHosts, sturdy, tell } from './scene.ts'
import { showCard } from './show.ts'
import { stopHere } from './stop.ts'
import { takeBack } from './take-back.ts'

/**
 * The story of a release: prepare, get it approved, then batch by batch deploy, observe, decide; and back again when the
 * evidence or a person says so. Every effect in it is a named step, so that it goes on after a crash where it stood.
 */
export async function releaseStory(unsteady: Flow, desk: Desk, input: Json): Promise<void> {
  const flow = sturdy(unsteady)
  const request = requestSchema.parse(input)
  try {
    await openRelease(flow, desk, request)
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

  const rolled = await rollOut(scene)
  const course = rolled.go === 'on' ? await finish(scene) : rolled

  if (course.go === 'rollback') await takeBack(scene, course.by, course.why)
  else if (course.go === 'abort') await stopHere(scene, course.by, course.why)
  await flow.step('leave the hosts', () => desk.target.leave([...scene.touched]))
  await answerTheLate(scene, course.go)
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

/** Done, unless somebody has pressed Roll back or Abort in the meantime: then that comes first. */
async function finish(scene: Scene): Promise<Course> {
  const stop = await scene.flow.step('done', async () => {
    const when = scene.desk.clock().toISOString()
    const release = await scene.desk.releases.update(scene.id, (current) =>
      current.stop === undefined
        ? { ...current, state: { at: 'done', when }, endedAt: when, turn: current.turn + 1 }
        : undefined,
    )
    await showCard(scene.desk, scene.id)
    return release.stop
  })
  const course = stop === undefined ? undefined : stopBy(stop)
  if (course !== undefined) return course
  await phase(scene, 'done')
  const without = await scene.flow.step('read who was left out', async () => {
    const { hosts } = await scene.desk.releases.need(scene.id)
    return Object.keys(hosts).filter((host) => hosts[host]?.at !== 'healthy')
  })
  await tell(scene, 'done', {
    title: `Done: ${scene.plan.service} ${scene.plan.candidate} is released${without.length > 0 ? `, without ${someHosts(without)}` : ''}`,
    tone: 'good',
    blocks: [],
  })
  return { go: 'on' }
}
