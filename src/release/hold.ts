import type { Offer, State } from './release.ts'
import { type Course, mark, numbered, phase, type Scene, tell } from './scene.ts'
import { type Order, orderFrom } from './steer.ts'

interface Held {
  why: string
  offers: Offer[]
  batch: number
  /** The verdict that led here, if it was one. */
  gate?: 'fail' | 'inconclusive' | 'error'
  /** What the release does again when the hold is over. */
  after: (now: Date) => State
}

/** Stops the story until a person says how to go on; answers with the first order that the hold offers. */
export async function hold(scene: Scene, { why, offers, batch, gate, after }: Held): Promise<Order> {
  const name = numbered(scene, 'held')
  await mark(scene, name, (release, now) => ({
    ...release,
    state: { at: 'held', why, offers, batch, since: now.toISOString(), ...(gate === undefined ? {} : { gate }) },
    // From the journal: run again after a crash, it is the turn that somebody may have pressed for meanwhile.
    turn: scene.turn + 1,
  }))
  await phase(scene, `${name}: ${why}`)
  await tell(scene, name, {
    title: `Held: ${why}`,
    tone: 'warn',
    blocks: [{ type: 'text', text: `You may: ${offers.join(', ')}.` }],
  })
  for (let look = 1; ; look++) {
    const event = await scene.flow.wait(`${name}, order ${look}`)
    const order = event === undefined ? undefined : orderFrom(event, scene)
    if (order === undefined || !offers.includes(order.kind as Offer)) continue
    await mark(scene, `${name}, over`, (release, now) => ({ ...release, state: after(now), turn: scene.turn + 1 }))
    await tell(scene, `${name}, over`, { title: `${order.by} said: ${order.kind}`, tone: 'info', blocks: [] })
    return order
  }
}

/** The state of a batch that is being deployed, for the end of a hold within it. */
export function deploying(batch: number): (now: Date) => State {
  return (now) => ({ at: 'rolling out', batch, doing: 'deploying', since: now.toISOString() })
}

/** The course that an order to stop means, or undefined for the others. */
export function stopBy(order: Pick<Order, 'kind' | 'by'>): Course | undefined {
  if (order.kind !== 'rollback' && order.kind !== 'abort') return undefined
  return { go: order.kind, by: order.by, why: `${order.by} pressed ${order.kind === 'abort' ? 'Abort' : 'Roll back'}` }
}

/** Reads the orders that have arrived, without waiting; a pause holds here. */
export async function heed(scene: Scene, name: string, batch: number): Promise<Course> {
  for (let look = 1; ; look++) {
    // A wait until this very moment: it brings what was sent before, and ends at once otherwise.
    const until = await scene.flow.now(`${name}, look ${look}`)
    const event = await scene.flow.wait(`${name}, order ${look}`, { until })
    if (event === undefined) return { go: 'on' }
    const order = orderFrom(event, scene, batch)
    if (order === undefined) continue
    const stop = stopBy(order)
    if (stop !== undefined) return stop
    if (order.kind !== 'pause') continue
    const offers: Offer[] = ['resume', 'abort', 'rollback']
    const course = stopBy(await hold(scene, { why: `paused by ${order.by}`, offers, batch, after: deploying(batch) }))
    if (course !== undefined) return course
  }
}
