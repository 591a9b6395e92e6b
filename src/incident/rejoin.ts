import { setTimeout as delay } from 'node:timers/promises'
import { holders } from '../release/find.ts'
import { isOver, type Release } from '../release/release.ts'
import { numbered } from '../release/scene.ts'
import { type ReleaseSeen, releaseSeen } from './count.ts'
import type { IncidentDesk } from './desk.ts'
import { holdRelease } from './hold-release.ts'
import type { Incident } from './incident.ts'
import { joined, joinRelease } from './join.ts'
import type { IncidentScene } from './scene.ts'
import { type Place, say } from './thread.ts'

/** How long the card waits for a hold to take effect, as a share of the time between two posts, and how often it looks. */
const WAIT = 0.5
const LOOK_MS = 20

type JoinedScene = Place & Pick<IncidentScene, 'joined' | 'heldAt' | 'tally'>

/** What came of it: the release that it is joined to now, and whether to say that it is held. */
export interface Rejoined {
  release: ReleaseSeen
  /** Another one than before. */
  changed: boolean
  held: boolean
  /** What else is held: releases of other services that newly fire. */
  others: string[]
}

/**
 * Something fires that did not before: joins the release that it may come from, and holds that first if it is being deployed or
 * observed, before anybody looks for the cause. What fired before a person resumed does not hold again: they have decided about it.
 */
export async function joinAndHold(scene: JoinedScene): Promise<Rejoined | undefined> {
  const { flow, desk, id } = scene
  const release = await flow.step(numbered(scene, 'join the release'), () => join(desk, id))
  if (release === null) return undefined
  const changed = release.id !== scene.joined
  scene.joined = release.id
  const heldAt = await flow.step(numbered(scene, 'hold the release'), () => holdFirst(desk, id))
  const held = heldAt !== null && !scene.heldAt.has(heldAt)
  if (heldAt !== null) scene.heldAt.add(heldAt)
  const { services } = scene.tally
  const also = await flow.step(numbered(scene, 'hold what else is under way'), () =>
    holdOthers(desk, id, { services, asked: scene.heldAt }),
  )
  const others = also.filter((hold) => !scene.heldAt.has(hold))
  for (const hold of others) scene.heldAt.add(hold)
  return { release, changed, held, others: others.map((hold) => hold.slice(0, hold.indexOf('/'))) }
}

/** The lines about it: once for each time that it is held, and once for another release that is joined later. */
export async function sayJoined(scene: Place, joined: Rejoined, late: boolean): Promise<void> {
  const { release, changed, held, others } = joined
  for (const other of others) {
    const title = `Held ${other} first: no further host is changed`
    await say(scene, numbered(scene, 'held-also').replace(' ', '/'), { title, tone: 'warn' })
  }
  if (changed && late) {
    await say(scene, numbered(scene, 'joined').replace(' ', '/'), {
      title: `Belongs to ${release.id} now`,
      tone: 'info',
    })
  }
  if (!held) return
  const name = numbered(scene, 'held')
  const first = name === 'held 1'
  await say(scene, first ? 'held' : name.replace(' ', '/'), {
    title:
      first || changed
        ? `Held ${release.id} first: no further host is changed`
        : `Held ${release.id} again, for what fires newly: no further host is changed`,
    tone: 'warn',
  })
}

async function join(desk: IncidentDesk, id: string): Promise<ReleaseSeen | null> {
  const incident = await desk.incidents.need(id)
  const chosen = await choose(desk, incident.release, await joinRelease(desk, incident))
  if (chosen === undefined) return null
  await desk.incidents.update(id, (current) => {
    if (current.release?.id === chosen.id) {
      return current.joined === chosen.id ? undefined : { ...current, joined: chosen.id }
    }
    // What became of another one's rollback is nothing about this one.
    const { outcome: _, ...rest } = current
    return { ...rest, service: chosen.service, release: chosen, joined: chosen.id }
  })
  return releaseSeen(await desk.releases.need(chosen.id))
}

type Joined = NonNullable<Incident['release']>

/** What is being changed now wins over what is at rest, and that over what has ended; else the newer one. */
async function choose(
  desk: IncidentDesk,
  kept: Joined | undefined,
  fresh: Joined | undefined,
): Promise<Joined | undefined> {
  if (kept === undefined || fresh === undefined) return fresh ?? kept
  if (kept.id === fresh.id) return kept
  const [before, now] = await Promise.all([desk.releases.get(kept.id), desk.releases.get(fresh.id)])
  // What was asked to hold is as good as held: another one goes on meanwhile.
  const one = before === undefined ? -1 : kept.heldTurn === before.turn ? 1 : motion(before)
  const other = now === undefined ? -1 : motion(now)
  if (one !== other) return one > other ? kept : fresh
  return one === 0 && numberOf(fresh) > numberOf(kept) ? fresh : kept
}

function motion({ state }: Release): number {
  if (state.at === 'rolling out') return 2
  return isOver(state) ? 0 : 1
}

function numberOf({ id }: Joined): number {
  return Number(id.slice(2))
}

/** Which hold it is: the release and the turn that it was asked for in. Null when there is none. Run again it finds the same. */
async function holdFirst(desk: IncidentDesk, id: string): Promise<string | null> {
  const incident = await desk.incidents.need(id)
  if (incident.release === undefined) return null
  const { id: release } = incident.release
  const { turn } = await desk.releases.need(release)
  if (incident.release.heldTurn === turn) return `${release}/${turn}`
  const asked = await holdRelease(desk, incident)
  const after = asked ? await heldSoon(desk, release) : await desk.releases.need(release)
  const isHeld = after.state.at === 'held' && after.state.why.includes(`${id} `)
  if (!asked && !isHeld) return null
  const heldTurn = asked ? turn : after.turn - 1
  await desk.incidents.update(id, (current) =>
    current.release?.id !== release || (current.release.held && current.release.heldTurn === heldTurn)
      ? undefined
      : { ...current, release: { ...current.release, held: true, heldTurn } },
  )
  // To be held is another turn.
  return `${release}/${heldTurn}`
}

/** An incident is joined to one release; those of other services that newly fire must not go on meanwhile either. */
async function holdOthers(
  desk: IncidentDesk,
  id: string,
  { services, asked }: { services: readonly string[]; asked: ReadonlySet<string> },
): Promise<string[]> {
  const incident = await desk.incidents.need(id)
  const found = (await Promise.all(services.map((service) => holders(desk, service)))).flat()
  const holds: string[] = []
  for (const release of found) {
    const { id: other, turn, state } = release
    if (other === incident.release?.id || asked.has(`${other}/${turn}`)) continue
    if (await holdRelease(desk, { ...incident, release: joined(release) })) holds.push(`${other}/${turn}`)
    else if (state.at === 'held' && state.why.includes(`${id} `)) holds.push(`${other}/${turn - 1}`)
  }
  return holds
}

/** The release once it is held, or as it stands when the time is over: the card goes out with what is true by then. */
async function heldSoon(desk: IncidentDesk, id: string): Promise<Release> {
  const until = performance.now() + WAIT * (desk.postEveryMs ?? 1000)
  for (;;) {
    const release = await desk.releases.need(id)
    if (release.state.at !== 'rolling out' || performance.now() >= until) return release
    await delay(LOOK_MS)
  }
}
