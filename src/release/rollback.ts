import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import { actionsNow, type Bound } from './button.ts'
import type { Desk } from './desk.ts'
import { lastDone } from './find.ts'
import { giveUp } from './give-up.ts'
import { answerTheLate } from './hear.ts'
import { occupy } from './occupy.ts'
import { isOver, type Release } from './release.ts'
import { mark, setScene, sturdy, tell } from './scene.ts'
import { showCard } from './show.ts'
import { movedOn, steer } from './steer.ts'
import { takeBack } from './take-back.ts'

const inputSchema = z.object({ release: z.string(), by: z.string() })

/**
 * Rolls back a release that is under way (an order to its flow), or one that is over and left its version on hosts: done, or
 * aborted. Then it gets a flow of its own; the compare-and-set from over to `rolling back` makes that one, whoever races.
 */
export async function rollback(desk: Desk, bound: Bound, person: Person): Promise<Answer> {
  const release = await desk.releases.need(bound.release)
  if (!isOver(release.state)) return steer(desk, bound, person, 'rollback')
  const allowed = mayDo(person, 'release.rollback')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const newer = await lastDone(desk, release.service)
  if (newer !== undefined && newer.id !== release.id) {
    return no(`${newer.id} has put ${newer.candidate} on hosts since.`, `roll that back first: /rollback ${newer.id}`)
  }
  const blockedBy = await occupy(desk, release.service, release.id)
  if (blockedBy !== undefined)
    return no(`${blockedBy} of ${release.service} is in progress.`, `wait until it is over, then roll back`)
  let answer = no('Nothing was decided.')
  const begun = await desk.releases.update(release.id, (current) => {
    answer = yes(`Rolling back ${current.service} to ${current.current ?? 'nothing'}.`)
    const offered = isOver(current.state) && actionsNow(current).includes('release.rollback')
    if (!offered || bound.planHash !== current.planHash) answer = no(stale(current))
    else answer = movedOn(current, bound) ?? (bound.turn === current.turn ? answer : no(stale(current)))
    if (!answer.ok) return undefined
    return {
      ...current,
      state: {
        at: 'rolling back',
        by: person.id,
        why: `${person.id} pressed Roll back`,
        since: desk.clock().toISOString(),
      },
      flow: `${current.id}.rollback.${current.turn}`,
      endedAt: undefined,
      stop: undefined,
      turn: current.turn + 1,
    }
  })
  await startRollback(desk, begun)
  return answer
}

/** Starts the flow of a rollback that is written on the document; at a start of the bot, too, if a crash came between. */
export async function startRollback(desk: Desk, release: Release): Promise<void> {
  if (release.state.at !== 'rolling back' || release.flow === release.id) return
  await desk.flows.start('rollback', release.flow, { release: release.id, by: release.state.by })
  await showCard(desk, release.id)
}

/** The story of taking back a release that was over. */
export async function rollbackStory(unsteady: Flow, desk: Desk, input: Json): Promise<void> {
  const flow = sturdy(unsteady)
  const { release: id, by } = inputSchema.parse(input)
  try {
    const release = await flow.step('read the release', () => desk.releases.need(id))
    const here = { flow, desk, id }
    const blockedBy = await flow.step(`occupy ${release.service}`, () => occupy(desk, release.service, id))
    if (blockedBy !== undefined || release.plan === undefined) {
      await mark(here, 'rollback not begun', (current, now) => ({
        ...current,
        state: {
          at: 'aborted',
          by,
          why: `the rollback could not begin, ${blockedBy} came first`,
          when: now.toISOString(),
        },
        endedAt: now.toISOString(),
        turn: current.turn + 1,
      }))
      const title = `Not rolled back: ${blockedBy ?? 'no plan'} is in progress`
      await tell(here, 'rollback not begun', { title, tone: 'warn', blocks: [] })
      return
    }
    const scene = setScene(flow, desk, { release, plan: release.plan })
    for (const [host, progress] of Object.entries(release.hosts)) {
      if (progress.at !== 'pending') scene.touched.add(host)
    }
    await takeBack(scene, by, `${by} pressed Roll back`)
    await flow.step('leave the hosts', () => desk.target.leave([...scene.touched]))
    await answerTheLate(scene, 'rollback')
  } catch (error) {
    await giveUp(desk, id, error)
    throw error
  }
}
