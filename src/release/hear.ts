import { mayDo } from '../access/policy.ts'
import type { FlowEvent } from '../ports/flow.ts'
import { type Course, numbered, type Scene, tell } from './scene.ts'
import { nameOf, noteCame, type Order, orderSchema, overrulesTheGate } from './steer.ts'

/** Where the story stands when it hears an order. */
interface Here {
  /** What is heeded here besides an order to stop. */
  accepts: readonly Order['kind'][]
  /** The batch whose window, or whose deploying, this is. */
  batch?: number
  /** How the release has ended, once it has. */
  ended?: Course['go']
}

/**
 * The order in a mailbox event if it counts for the release as the story knows it. During a rollout a stop counts whatever the
 * turn; once it goes back, only what was pressed for this very hold. An order that came too late, or whose presser has lost the
 * role since, is dropped, and a line in the thread says so: the presser had been told that it would be done.
 */
export async function hear(scene: Scene, event: FlowEvent, here: Here): Promise<Order | undefined> {
  const parsed = orderSchema.safeParse(event.data)
  if (!parsed.success) return undefined
  const order = stillMeant(scene, parsed.data)
  const late = lateBecause(scene, order, here)
  if (isStop(order)) {
    // A wish that came true another way is no wish that was missed.
    if (late !== undefined && order.kind !== 'rollback' && order.kind !== here.ended) {
      await drop(scene, event, parsed.data, tooLate(late))
    }
    return late === undefined ? order : undefined
  }
  const refused = await scene.flow.step(`hear ${event.key}`, () => weigh(scene, event.key, order, late))
  if (refused === null) return order
  await drop(scene, event, parsed.data, refused)
  return undefined
}

/** True for a decision on single hosts that is still to be taken: it is kept for the hold that asks for it. */
export function meantForHold(scene: Pick<Scene, 'shown'>, event: FlowEvent): boolean {
  const order = orderSchema.safeParse(event.data).data
  return order?.hosts !== undefined && (stillMeant(scene, order).hosts?.length ?? 0) > 0
}

/** At the end of a release: whoever pressed something that nobody will act on any more learns it. */
export async function answerTheLate(scene: Scene, ended: Course['go']): Promise<void> {
  for (;;) {
    const name = numbered(scene, 'after the end, look')
    const until = await scene.flow.now(name)
    const event = scene.stash.shift() ?? (await scene.flow.wait(`${name}, order`, { until }))
    if (event === undefined) return
    await hear(scene, event, { accepts: [], ended })
  }
}

function isStop(order: Order): boolean {
  return order.kind === 'abort' || order.kind === 'rollback'
}

/** The order without the hosts that have been decided on since it was pressed. */
function stillMeant({ shown }: Pick<Scene, 'shown'>, order: Order): Order {
  if (order.hosts === undefined) return order
  return { ...order, hosts: order.hosts.filter((host) => (shown.get(host) ?? Number.POSITIVE_INFINITY) <= order.turn) }
}

/** Why the order no longer counts, or undefined when it does. */
function lateBecause(scene: Scene, order: Order, here: Here): string | undefined {
  if (isStop(order)) {
    if (here.ended === undefined && (!scene.goingBack || order.turn === scene.turn)) return undefined
    return scene.goingBack ? 'the rollback had begun' : 'the release was over'
  }
  const otherBatch = order.batch !== undefined && here.batch !== undefined && order.batch !== here.batch
  const meant = order.hosts === undefined ? order.turn === scene.turn : order.hosts.length > 0
  if (here.accepts.includes(order.kind) && meant && !otherBatch) return undefined
  if (order.kind === 'promote' && order.batch !== undefined) return `the window of batch ${order.batch} had ended`
  if (order.kind === 'pause') return here.ended === undefined ? 'a hold had come first' : 'the release was over'
  return order.hosts === undefined ? 'the hold was over' : 'it had been decided already'
}

/** Null when the order is to be done, else why not; written on the press as well. Roles and the gate are read again here. */
async function weigh({ desk, id }: Scene, key: string, order: Order, late: string | undefined): Promise<string | null> {
  if (late !== undefined) {
    await noteCame(desk, key, 'too late')
    return tooLate(late)
  }
  const person = desk.people.find((each) => each.id === order.by)
  const allowed = person === undefined ? undefined : mayDo(person, `release.${order.kind}`)
  // The look that failed may have come between the press and this.
  if (order.kind === 'promote' && overrulesTheGate(await desk.releases.need(id), order)) {
    await noteCame(desk, key, 'overruling')
    return notDone(`the gate failed, and ${order.by} requested the release; somebody else has to promote it`)
  }
  if (allowed?.ok === true || order.kind === 'pause') {
    await noteCame(desk, key, 'in time')
    return null
  }
  await noteCame(desk, key, 'without the role')
  return notDone(allowed?.why ?? `${order.by} is no longer among the people in rollcall.yaml`)
}

function notDone(why: string): string {
  return `, and it was not done: ${why}`
}

function tooLate(late: string): string {
  return ` too late: ${late}`
}

function drop(scene: Scene, event: FlowEvent, order: Order, why: string): Promise<void> {
  const title = `${order.by} pressed ${nameOf(order)}${why}`
  return tell(scene, `dropped ${event.key}`, { title, tone: 'warn', blocks: [] })
}
