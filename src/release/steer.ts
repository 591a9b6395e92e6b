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

/** Stopping counts whenever it arrives; going on counts only for what the person saw. */
const ALWAYS: Order['kind'][] = ['abort', 'rollback']

/**
 * Sends one order to a running release. The first press of an action in a turn wins: the row `presses/<release>/<turn>/<action>`
 * is taken before the order is sent, and the order's key is that row's id, so that neither races nor replays act twice.
 */
export async function steer(desk: Desk, bound: Bound, person: Person, kind: Order['kind']): Promise<Answer> {
  const action = `release.${kind}`
  const allowed = mayDo(person, action)
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const release = await desk.releases.need(bound.release)
  const refusal = refuse(release, bound, kind)
  if (refusal !== undefined) return refusal
  const order: Order = { kind, by: person.id, turn: release.turn, batch: bound.batch }
  const claim = [release.id, release.turn, kind, ...(kind === 'promote' ? [bound.batch ?? 0] : [])].join('/')
  const first = await desk.store.insert('presses', claim, { ...order, at: desk.clock().toISOString() })
  const winner = first ? order : orderSchema.parse((await desk.store.get('presses', claim))?.document)
  // Also on a lost race: the winner's process may have died between the claim and the word.
  await desk.flows.send(release.id, claim, { ...winner })
  return first ? yes(TOLD[kind]) : no(`${winner.by} has pressed ${kind} already; it is being done.`)
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

function refuse(release: Release, bound: Bound, kind: Order['kind']): Answer | undefined {
  if (!actionsNow(release).includes(`release.${kind}`)) return no(stale(release))
  if (bound.planHash !== release.planHash) return no('The plan has changed since this card was posted.')
  if (ALWAYS.includes(kind)) return undefined
  if (bound.turn !== release.turn) return no(`The release has moved on. ${stale(release)}`)
  if (bound.batch !== undefined && release.state.at === 'rolling out' && bound.batch !== release.state.batch) {
    return no(`Batch ${bound.batch} is over. ${stale(release)}`)
  }
  return undefined
}

/** The order in a mailbox event if it counts for the release as the flow knows it; undefined when it came too late. */
export function orderFrom(event: FlowEvent, turn: number, batch?: number): Order | undefined {
  const parsed = orderSchema.safeParse(event.data)
  if (!parsed.success) return undefined
  const order = parsed.data
  if (ALWAYS.includes(order.kind)) return order
  if (order.turn !== turn) return undefined
  return order.batch !== undefined && batch !== undefined && order.batch !== batch ? undefined : order
}
