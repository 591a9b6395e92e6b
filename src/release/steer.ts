import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import type { FlowEvent } from '../ports/flow.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import { actionsNow, type Bound } from './button.ts'
import type { Desk } from './desk.ts'
import type { Release } from './release.ts'

/** What a press says to a running release. `turn` and `batch` are what the presser saw. */
export const orderSchema = z.object({
  kind: z.enum(['pause', 'resume', 'promote', 'abort', 'retry', 'skip', 'rollback']),
  by: z.string(),
  turn: z.number(),
  batch: z.number().optional(),
})
export type Order = z.infer<typeof orderSchema>

/** Sends one order to a running release; each action counts once per turn, whoever presses, races or replays. */
export async function steer(desk: Desk, bound: Bound, person: Person, kind: Order['kind']): Promise<Answer> {
  const allowed = mayDo(person, `release.${kind}`)
  if (!allowed.ok) return no(allowed.why, allowed.next)
  if (kind === 'abort' || kind === 'rollback') return stop(desk, bound, person, kind)
  const release = await desk.releases.need(bound.release)
  const refusal = refuse(release, bound, person, kind)
  if (refusal !== undefined) return refusal
  const order: Order = { kind, by: person.id, turn: release.turn, batch: bound.batch }
  // The row is taken before the order is sent, and its id is the order's key: the first press wins, and no replay acts again.
  const claim = [release.id, release.turn, kind, ...(kind === 'promote' ? [bound.batch ?? 0] : [])].join('/')
  const first = await desk.store.insert('presses', claim, { ...order, at: desk.clock().toISOString() })
  const winner = first ? order : orderSchema.parse((await desk.store.get('presses', claim))?.document)
  // Also on a lost race: the winner's process may have died between the claim and the word.
  await desk.flows.send(release.flow, claim, { ...winner })
  return first ? yes(TOLD[kind]) : no(`${winner.by} has pressed ${kind} already; it is being done.`)
}

/**
 * Stopping counts whenever it arrives before the release is over. It is written on the document by compare-and-set, so that a
 * release that is just about to be done yields to it instead.
 */
async function stop(desk: Desk, bound: Bound, person: Person, kind: 'abort' | 'rollback'): Promise<Answer> {
  let answer = no('Nothing was decided.')
  const release = await desk.releases.update(bound.release, (current) => {
    answer = yes(TOLD[kind])
    if (!actionsNow(current).includes(`release.${kind}`)) answer = no(stale(current))
    else if (bound.planHash !== current.planHash) answer = no('The plan has changed since this card was posted.')
    else if (current.stop !== undefined)
      answer = no(`${current.stop.by} has pressed ${current.stop.kind} already; it is being done.`)
    return answer.ok ? { ...current, stop: { kind, by: person.id, turn: current.turn } } : undefined
  })
  await tellStop(desk, release)
  return answer
}

/** Sends the word of a stop that is written on the document; under one key, so that it arrives once however often it is sent. */
export async function tellStop(desk: Desk, release: Release): Promise<void> {
  const { stop } = release
  if (stop !== undefined) await desk.flows.send(release.flow, `${release.id}/${stop.turn}/${stop.kind}`, { ...stop })
}

const TOLD: Record<Order['kind'], string> = {
  pause: 'Pausing: hosts that are being changed finish first.',
  resume: 'Going on.',
  promote: 'Promoted: the observation of this batch ends now.',
  abort: 'Aborting: hosts that are being changed finish first, the others stay as they are.',
  retry: 'Retrying the failed hosts.',
  skip: 'Going on without the failed hosts.',
  rollback: 'Rolling back.',
}

function refuse(release: Release, bound: Bound, person: Person, kind: Order['kind']): Answer | undefined {
  const { state } = release
  if (!actionsNow(release).includes(`release.${kind}`)) return no(stale(release))
  if (bound.planHash !== release.planHash) return no('The plan has changed since this card was posted.')
  if (bound.turn !== release.turn) return no(`The release has moved on. ${stale(release)}`)
  if (bound.batch !== undefined && state.at === 'rolling out' && bound.batch !== state.batch) {
    return no(`Batch ${bound.batch} is over. ${stale(release)}`)
  }
  // Whoever wants the release must not be the one who overrules what speaks against it.
  if (kind === 'promote' && state.at === 'held' && state.gate === 'fail' && person.id === release.requester) {
    return no(
      'The gate failed, and you requested the release; somebody else has to promote it.',
      'ask a colleague, or roll back',
    )
  }
  return undefined
}

/**
 * The order in a mailbox event if it counts for the release as the flow knows it; undefined when it came too late. During a
 * rollout a stop counts whatever the turn; once it goes back, only what was pressed for this very hold.
 */
export function orderFrom(
  event: FlowEvent,
  now: { turn: number; goingBack: boolean },
  batch?: number,
): Order | undefined {
  const parsed = orderSchema.safeParse(event.data)
  if (!parsed.success) return undefined
  const order = parsed.data
  if ((order.kind === 'abort' || order.kind === 'rollback') && !now.goingBack) return order
  if (order.turn !== now.turn) return undefined
  return order.batch !== undefined && batch !== undefined && order.batch !== batch ? undefined : order
}
