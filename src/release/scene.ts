import type { Message } from '../ports/chat.ts'
import type { Flow, FlowEvent } from '../ports/flow.ts'
import type { Desk } from './desk.ts'
import type { Plan } from './plan.ts'
import type { Release } from './release.ts'
import { post, showCard } from './show.ts'

/** How one host came out of a job. */
export interface Outcome {
  host: string
  at: 'healthy' | 'failed' | 'unreachable'
  why?: string
  /** ISO; when the job was seen to have ended. */
  when: string
  /** The attempt in the job's key. After `unreachable` the same key is used again: the host may have the job. */
  attempt: number
  /** What a failure comes from, where the story acts on it by itself. */
  cause?: 'runner-lost'
}

/**
 * What the story of one release carries along. Everything in it comes from journaled steps, so that a replay after a crash
 * rebuilds it: the counters, the turn, and the hosts that failed.
 */
export interface Scene {
  flow: Flow
  desk: Desk
  id: string
  /** Names the release in job keys, on hosts that other data folders may have released to. */
  key: string
  plan: Plan
  epoch: number
  /** Who asked and who approved, for the audit line of a deploy on the hosts. */
  by: string
  turn: number
  /** True from the beginning of a rollback: an order to stop that was meant for the rollout is void then. */
  goingBack: boolean
  /** Somebody has said to go on although fewer hosts serve than the policy wants. */
  warned: boolean
  /** Hosts that failed and that somebody skipped: they are not known to serve. */
  skipped: Set<string>
  /** Hosts that failed or could not be reached, and that nobody has skipped. */
  failing: Map<string, Outcome>
  /** The turn in which a hold first showed a host that fails; a decision on that host counts from there on. */
  shown: Map<string, number>
  /** Decisions on single hosts that arrived outside the hold that they are meant for. */
  stash: FlowEvent[]
  /** What to type for this release to be prepared anew. */
  request: string
  /** Hosts that have been contacted by a job of this release. */
  touched: Set<string>
  deployedAt: Map<string, Date>
  counters: Map<string, number>
}

/** Where the story goes after a batch, a window or a hold. */
export type Course = { go: 'on' } | { go: 'rollback' | 'abort'; by: string; why: string }

/** Why hosts failed, for a headline: the first five, and how many more. */
export function reasons(outcomes: Outcome[]): string {
  const shown = outcomes.slice(0, 5).map((outcome) => `${outcome.host}: ${(outcome.why ?? outcome.at).slice(0, 300)}`)
  return [...shown, ...(outcomes.length > 5 ? [`and ${outcomes.length - 5} more`] : [])].join('; ')
}

/** Host names for a sentence: the first five, and how many more. */
export function someHosts(hosts: string[]): string {
  return hosts.length <= 6 ? hosts.join(', ') : `${hosts.slice(0, 5).join(', ')} and ${hosts.length - 5} more`
}

/** A name that is unique within the flow: `held 1`, `held 2`, … */
export function numbered(scene: Pick<Scene, 'counters'>, name: string): string {
  const next = (scene.counters.get(name) ?? 0) + 1
  scene.counters.set(name, next)
  return `${name} ${next}`
}

/** A name that is numbered only when it comes again: `roll back bj-1`, `roll back bj-1 (2)`, … */
export function onceMore(scene: Pick<Scene, 'counters'>, name: string): string {
  const times = (scene.counters.get(`again ${name}`) ?? 0) + 1
  scene.counters.set(`again ${name}`, times)
  return times === 1 ? name : `${name} (${times})`
}

/** Says where the flow stands; a phase that comes again (a second window, a second hold) is numbered. */
export function phase(scene: Pick<Scene, 'flow' | 'counters'>, text: string): Promise<void> {
  return scene.flow.phase(onceMore(scene, text))
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
    await post(scene.desk, {
      // By flow: the rollout and a later rollback both have a first hold.
      key: `${scene.flow.id}/${name}`,
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
    key: `${doc.id}.${doc.token}`,
    goingBack: false,
    warned: false,
    skipped: new Set(),
    plan,
    epoch: doc.epoch,
    by: `${doc.requester} approved-by ${doc.approvals.map((each) => each.by).join(',')}`,
    turn: doc.turn,
    failing: new Map(),
    shown: new Map(),
    stash: [],
    request: requestOf(doc),
    touched: new Set(),
    deployedAt: new Map(),
    counters: new Map(),
  }
}

function requestOf({ service, candidate, only, overrideFreeze }: Release): string {
  return ['/release', service, candidate, ...only, ...(overrideFreeze ? ['--override-freeze'] : [])].join(' ')
}

/** Half an hour of patience with a store that is away: the release then goes on where it stood. */
const PATIENCE = { delays: [200, 1000, 5000, ...Array.from({ length: 60 }, () => 30_000)] }

/** The same flow, whose steps are tried again while what they need is away (Faults with `retry` that nobody handled). */
export function sturdy(flow: Flow): Flow {
  return {
    id: flow.id,
    step: (name, effect, retry = PATIENCE) => flow.step(name, effect, retry),
    wait: (name, options) => flow.wait(name, options),
    now: (name) => flow.now(name),
    phase: (name) => flow.phase(name),
  }
}
