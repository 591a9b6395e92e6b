import { hear, meantForHold } from './hear.ts'
import type { Offer, State } from './release.ts'
import { type Course, mark, numbered, phase, type Scene, tell } from './scene.ts'
import { nameOf, type Order } from './steer.ts'

interface Held {
  why: string
  offers: Offer[]
  batch: number
  /** The verdict that led here, if it was one. */
  gate?: 'fail' | 'inconclusive' | 'error'
  /** What to do that no button does. */
  next?: string
  /** The hosts that failed, when it is about hosts: each may be decided on by itself. */
  hosts?: string[]
  /** What the release does when the hold is over and the order was not one to stop. */
  after: (now: Date, kind: Order['kind']) => State
}

/** Stops the story until a person says how to go on; answers with the first order that the hold offers. */
export async function hold(scene: Scene, { why, next, offers, batch, gate, hosts = [], after }: Held): Promise<Order> {
  const name = numbered(scene, 'held')
  await mark(scene, name, (release, now) => ({
    ...release,
    state: { at: 'held', why, next, offers, batch, since: now.toISOString(), gate },
    // From the journal: run again after a crash, it is the turn that somebody may have pressed for meanwhile.
    turn: scene.turn + 1,
  }))
  for (const host of hosts) if (!scene.shown.has(host)) scene.shown.set(host, scene.turn)
  await phase(scene, `${name}: ${why}`)
  await tell(scene, name, {
    title: `Held: ${why}`,
    tone: 'warn',
    blocks: [
      { type: 'text', text: `You may: ${offers.join(', ')}.${hosts.length > 1 ? oneByOne(scene, offers, hosts) : ''}` },
      ...(next === undefined ? [] : [{ type: 'text' as const, text: `Next: ${next}` }]),
    ],
  })
  for (let look = 1; ; look++) {
    const event = scene.stash.shift() ?? (await scene.flow.wait(`${name}, order ${look}`))
    const order = event === undefined ? undefined : await hear(scene, event, { accepts: offers })
    if (order === undefined || !offers.includes(order.kind as Offer)) continue
    await mark(scene, `${name}, over`, (release, now) => ({
      ...release,
      state: stopping(order, batch, now) ?? after(now, order.kind),
      turn: scene.turn + 1,
    }))
    await tell(scene, `${name}, over`, { title: `${order.by} said: ${nameOf(order)}`, tone: 'info', blocks: [] })
    return order
  }
}

function oneByOne(scene: Scene, offers: Offer[], hosts: string[]): string {
  const verbs = offers.filter((offer) => offer === 'retry' || offer === 'skip')
  return verbs.length === 0 ? '' : ` One host at a time: /release <${verbs.join('|')}> ${scene.id} ${hosts[0]}.`
}

/** Where a release stands from the order to stop on, until the way back, or the look at what runs where, has begun or ended. */
function stopping(order: Order, batch: number, now: Date): State | undefined {
  const course = stopBy(order)
  if (course === undefined || course.go === 'on') return undefined
  const since = now.toISOString()
  if (course.go === 'rollback') return { at: 'rolling back', by: course.by, why: course.why, since }
  // Nothing moves and nothing more may be done; it is aborted once it is known which host runs what.
  return { at: 'held', why: `${course.why}; reading what each host runs`, offers: [], batch, since }
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

/** Why a release is held after a pause: who pressed it, or what it is held for. */
export function pausedBy({ by, why }: Pick<Order, 'by' | 'why'>): string {
  return why ?? `paused by ${by}`
}

/** Reads the orders that have arrived, without waiting; a pause holds here. */
export async function heed(scene: Scene, name: string, batch: number): Promise<Course> {
  for (let look = 1; ; look++) {
    // A wait until this very moment: it brings what was sent before, and ends at once otherwise.
    const until = await scene.flow.now(`${name}, look ${look}`)
    const event = await scene.flow.wait(`${name}, order ${look}`, { until })
    if (event === undefined) return { go: 'on' }
    if (meantForHold(scene, event)) {
      scene.stash.push(event)
      continue
    }
    const order = await hear(scene, event, { accepts: ['pause'], batch })
    if (order === undefined) continue
    const stop = stopBy(order)
    if (stop !== undefined) return stop
    const offers: Offer[] = ['resume', 'abort', 'rollback']
    const course = stopBy(await hold(scene, { why: pausedBy(order), offers, batch, after: deploying(batch) }))
    if (course !== undefined) return course
  }
}
