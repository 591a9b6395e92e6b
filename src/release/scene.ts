import type { Message } from '../ports/chat.ts'
import type { Flow } from '../ports/flow.ts'
import type { Desk } from './desk.ts'
import type { Plan } from './plan.ts'
import type { Release } from './release.ts'
import { showCard } from './show.ts'

/** How one host came out of a job. */
export interface Outcome {
  host: string
  at: 'healthy' | 'failed' | 'unreachable'
  why?: string
  /** ISO; when the job was seen to have ended. */
  when: string
  /** The attempt in the job's key. After `unreachable` the same key is used again: the host may have the job. */
  attempt: number
}

/**
 * What the story of one release carries along. Everything in it comes from journaled steps, so that a replay after a crash
 * rebuilds it: the counters, the turn, and the hosts that failed.
 */
export interface Scene {
  flow: Flow
  desk: Desk
  id: string
  plan: Plan
  epoch: number
  /** Who asked and who approved, for the audit line on the hosts. */
  by: string
  turn: number
  /** Hosts that failed or could not be reached, and that nobody has skipped. */
  failing: Map<string, Outcome>
  /** Hosts that have been contacted by a job of this release. */
  touched: Set<string>
  deployedAt: Map<string, Date>
  counters: Map<string, number>
}

/** Where the story goes after a batch, a window or a hold. */
export type Course = { go: 'on' } | { go: 'rollback' | 'abort'; by: string; why: string }

/** A name that is unique within the flow: `held 1`, `held 2`, … */
export function numbered(scene: Pick<Scene, 'counters'>, name: string): string {
  const next = (scene.counters.get(name) ?? 0) + 1
  scene.counters.set(name, next)
  return `${name} ${next}`
}

/** Says where the flow stands; a phase that comes again (a second window, a second hold) is numbered. */
export function phase(scene: Pick<Scene, 'flow' | 'counters'>, text: string): Promise<void> {
  const times = (scene.counters.get(`phase ${text}`) ?? 0) + 1
  scene.counters.set(`phase ${text}`, times)
  return scene.flow.phase(times === 1 ? text : `${text} (${times})`)
}

/**
 * One journaled change of the release document, shown on the card before it counts as done. Run again after a crash it makes
 * the same change, so `change` sets and never adds (the turn excepted: a skipped number does no harm).
 */
export async function mark(
  scene: Pick<Scene, 'flow' | 'desk' | 'id'> & { turn?: number },
  name: string,
  change: (release: Release, now: Date) => Release,
): Promise<number> {
  const turn = await scene.flow.step(name, async () => {
    const now = scene.desk.clock()
    const release = await scene.desk.releases.update(scene.id, (current) => change(current, now))
    await showCard(scene.desk, scene.id)
    return release.turn
  })
  if (scene.turn !== undefined) scene.turn = turn
  return turn
}

/** A line in the release's thread. The key makes it stand there once. */
export async function tell(
  scene: Pick<Scene, 'flow' | 'desk' | 'id'>,
  name: string,
  message: Omit<Message, 'buttons'>,
): Promise<void> {
  await scene.flow.step(`tell: ${name}`, async () => {
    const release = await scene.desk.releases.need(scene.id)
    await scene.desk.chat.put({
      key: `${scene.id}/${name}`,
      channel: release.channel,
      thread: `${scene.id}/card`,
      message: { ...message, buttons: [] },
    })
  })
}

/** The scene of an approved release, as its story carries it along. */
export function setScene(flow: Flow, desk: Desk, approved: { release: Release; plan: Plan }): Scene {
  const { release: doc, plan } = approved
  return {
    flow,
    desk,
    id: doc.id,
    plan,
    epoch: doc.epoch,
    by: `${doc.requester} approved-by ${doc.approvals.map((each) => each.by).join(',')}`,
    turn: doc.turn,
    failing: new Map(),
    touched: new Set(),
    deployedAt: new Map(),
    counters: new Map(),
  }
}
