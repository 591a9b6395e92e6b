import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { suggestion } from '../lib/did-you-mean.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, no, stale, yes } from './answer.ts'
import { actionsNow, type Bound, standingOf } from './button.ts'
import type { Desk } from './desk.ts'
import { failingHosts, gateFailed, isOver, type Release } from './release.ts'

/** What a press says to a running release. `turn` and `batch` are what the presser saw. */
export const orderSchema = z.object({
  kind: z.enum(['pause', 'resume', 'promote', 'abort', 'retry', 'skip', 'rollback']),
  by: z.string(),
  turn: z.number(),
  batch: z.number().optional(),
  /** retry and skip: these of the hosts that failed; all of them when left out. */
  hosts: z.array(z.string()).optional(),
  /** Of a pause that no person pressed: what it is held for. */
  why: z.string().optional(),
})
export type Order = z.infer<typeof orderSchema>

/** An order that was sent, and what became of it once the story has heard it. */
const pressSchema = orderSchema.extend({
  came: z.enum(['in time', 'too late', 'without the role', 'overruling']).optional(),
})

/** Sends one order to a running release; each action counts once per turn, whoever presses, races or replays. */
export async function steer(desk: Desk, bound: Bound, person: Person, kind: Order['kind']): Promise<Answer> {
  const allowed = mayDo(person, `release.${kind}`)
  if (!allowed.ok) return no(allowed.why, allowed.next)
  if (kind === 'abort' || kind === 'rollback') return stop(desk, bound, person, kind)
  const release = await desk.releases.need(bound.release)
  const refusal = refuse(release, bound, person, kind)
  if (refusal !== undefined) return refusal
  const hosts = bound.hosts === undefined ? undefined : [...new Set(bound.hosts)].sort()
  const order: Order = { kind, by: person.id, turn: release.turn, batch: bound.batch, hosts }
  const { key, winner } = await claim(desk, release.id, order)
  // Also on a lost race: the winner's process may have died between the claim and the word.
  await desk.flows.send(release.flow, key, { ...(winner ?? order) })
  if (winner !== undefined) return no(`${winner.by} has pressed ${nameOf(winner)} already; it is being done.`)
  return (await missed(desk, release.id, key)) ?? yes(toldAbout(release, order))
}

/**
 * The row is taken before the order is sent, and its id is the order's key: the first press wins, and no replay acts again.
 * A press that came to nothing because its presser was not the one to make it stands in nobody's way.
 */
async function claim(desk: Desk, release: string, order: Order): Promise<{ key: string; winner?: Order }> {
  const window = order.kind === 'promote' ? [order.batch ?? 0] : []
  const base = [release, order.turn, order.kind, ...window, ...(order.hosts ? [order.hosts.join(',')] : [])].join('/')
  for (let n = 1; ; n++) {
    const key = n === 1 ? base : `${base}/again ${n}`
    if (await desk.store.insert('presses', key, { ...order, at: desk.clock().toISOString() })) return { key }
    const { came, ...winner } = pressSchema.parse((await desk.store.get('presses', key))?.document)
    if (came !== 'without the role' && came !== 'overruling') return { key, winner }
  }
}

/** The story may have ended between the look and the word: then nobody hears it any more. */
async function missed(desk: Desk, id: string, key: string): Promise<Answer | undefined> {
  const release = await desk.releases.need(id)
  if (!isOver(release.state)) return undefined
  const { came } = pressSchema.parse((await desk.store.get('presses', key))?.document)
  return came === 'in time' ? undefined : no(`That came too late. ${stale(release)}`)
}

/** Writes down what became of a press, for the one who pressed and for the next one who presses the same. */
export async function noteCame(desk: Desk, key: string, came: z.infer<typeof pressSchema>['came']): Promise<void> {
  const row = await desk.store.get('presses', key)
  if (row === undefined) return
  await desk.store.put('presses', key, { ...(row.document as object), came } as Json, row.version)
}

/** `retry`, or `skip bj-2`: an order in the words of a command. */
export function nameOf(order: Pick<Order, 'kind' | 'hosts'>): string {
  return [order.kind, ...(order.hosts ?? [])].join(' ')
}

function toldAbout(release: Release, { kind, hosts }: Order): string {
  if (hosts === undefined) return TOLD[kind]
  const rest = failingHosts(release).filter((host) => !hosts.includes(host))
  const waits =
    rest.length === 0 ? '' : ` ${rest.join(', ')} still ${rest.length === 1 ? 'waits' : 'wait'} for a decision.`
  return `${kind === 'retry' ? 'Retrying' : 'Going on without'} ${hosts.join(', ')}.${waits}`
}

/**
 * Why a report's button counts no longer: it was offered for a state that the release has left. What the release's own card shows
 * is bound to less, because stopping counts whenever it arrives.
 */
export function movedOn(release: Release, bound: Bound): Answer | undefined {
  if (bound.offeredBy === undefined) return undefined
  if (bound.turn === release.turn && bound.state === standingOf(release)) return undefined
  return no(
    `The release has moved on. ${stale(release)}`,
    "look at the report's message: it has a fresh button if it still offers one",
  )
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
    else answer = movedOn(current, bound) ?? answer
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
  const wrong = bound.hosts?.find((host) => !failingHosts(release).includes(host))
  if (wrong !== undefined) return notFailing(release, wrong)
  if (overrulesTheGate(release, { kind, by: person.id })) {
    return no(
      'The gate failed, and you requested the release; somebody else has to promote it.',
      'ask a colleague, or roll back',
    )
  }
  return undefined
}

/**
 * Whoever wants the release must not be the one who overrules what speaks against it: in the hold after a failed gate, in a
 * pause, or in the window itself. A look that saw too little, as the first ones of a new window do, takes nothing back.
 */
export function overrulesTheGate(release: Release, { kind, by }: Pick<Order, 'kind' | 'by'>): boolean {
  return kind === 'promote' && by === release.requester && gateFailed(release)
}

function notFailing(release: Release, host: string): Answer {
  const failing = failingHosts(release)
  const known = Object.hasOwn(release.hosts, host) ? release.hosts[host] : undefined
  const say =
    known === undefined
      ? `${release.id} has no host ${JSON.stringify(host.slice(0, 80))}.${suggestion(host, [...failing, ...Object.keys(release.hosts)])}`
      : `${host} has not failed, it is ${known.at}.`
  return no(say, failing.length === 0 ? `/status ${release.id}` : `use some of: ${failing.slice(0, 20).join(', ')}`)
}
