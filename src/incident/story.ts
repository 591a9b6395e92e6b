import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import type { Block } from '../ports/chat.ts'
import type { Flow, FlowEvent } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { localTime } from '../release/issue.ts'
import { numbered, phase, someHosts, sturdy } from '../release/scene.ts'
import { callNext, dueCall } from './call.ts'
import { coverage, lasted, silenced } from './card.ts'
import { count, type Tally } from './count.ts'
import type { IncidentDesk } from './desk.ts'
import { diagnosisFlow } from './diagnose-again.ts'
import { isWorse } from './escalate.ts'
import { hasGrown, SUMMARY_EVERY_MS } from './growth.ts'
import { refreshOffer } from './offer.ts'
import { queuePost } from './pace.ts'
import { reconcile } from './reconcile.ts'
import { joinAndHold, type Rejoined, sayJoined } from './rejoin.ts'
import type { IncidentScene } from './scene.ts'
import type { Silence } from './silenced.ts'
import { cardKey, type Place, say, showIncident } from './thread.ts'
import { lookAtRecovery, watchRelease } from './watch-recovery.ts'

const inputSchema = z.object({ incident: z.string() })

export const incidentEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('alerts') }),
  z.object({ kind: z.literal('acknowledged'), by: z.string() }),
  z.object({ kind: z.literal('silenced') }),
  z.object({ kind: z.literal('unsilenced') }),
  z.object({ kind: z.literal('diagnose'), by: z.string() }),
  z.object({ kind: z.literal('diagnosed'), report: z.string() }),
  z.object({ kind: z.literal('release') }),
])

/** A late event is still heard for this many post intervals after the last alert was resolved; then the thread is closed. */
const LINGER = 10
const TALLY_MS = 1000
const MOST_OWED = 10
/** While the release is being rolled back, its own news are what is waited for; this is for those that got lost. */
const ROLLING_BACK_MS = 600_000

/**
 * The story of an incident: count its alerts, join the release that they may come from, hold that first, show the card, have it
 * diagnosed; then call people level by level until somebody acknowledges it, edit the card with every change, and close the
 * thread when nothing fires any more and no rollback is being watched. Every effect is a named step, so that it goes on after a
 * crash where it stood, and every message has a key, so that none stands there twice.
 */
export async function incidentStory(unsteady: Flow, desk: IncidentDesk, input: Json): Promise<void> {
  const flow = sturdy(unsteady)
  const { incident: id } = inputSchema.parse(input)
  try {
    const scene = await open(flow, desk, id)
    while (!scene.over) await heed(scene)
    await flow.phase('closed')
  } catch (error) {
    await giveUp(desk, id, error)
    throw error
  }
}

async function open(flow: Flow, desk: IncidentDesk, id: string): Promise<IncidentScene> {
  const place: Place = { flow, desk, id, counters: new Map() }
  const fired = new Set<string>()
  const tally = await count(place, fired)
  const from = await flow.now('begun')
  const scene: IncidentScene = {
    ...place,
    tally,
    talliedAt: from,
    dirty: false,
    fired,
    hosts: new Set(tally.hosts),
    unnamed: [],
    namedAt: undefined,
    diagnosed: false,
    joined: undefined,
    rejoined: false,
    heldAt: new Set(),
    from,
    called: from,
    risen: false,
    spoken: { total: tally.total, at: from },
    closes: undefined,
    releaseAt: undefined,
    watch: undefined,
    over: false,
  }
  const joined = await joinAndHold(scene)
  if (joined !== undefined) standWith(scene, joined)
  await showCard(scene, 'card')
  if (joined !== undefined) await sayJoined(scene, joined, false)
  await diagnose(scene)
  await phase(scene, 'firing')
  await follow(scene, scene.tally, from)
  return scene
}

/** From now on the story is about this release. */
function standWith(scene: IncidentScene, { release, changed }: Rejoined): void {
  scene.tally = { ...scene.tally, release }
  if (!changed) return
  scene.releaseAt = release.at
  scene.watch = undefined
}

async function showCard({ flow, desk, id, counters }: Place, rank: 'card' | 'edit'): Promise<void> {
  await flow.step(numbered({ counters }, 'card'), () => showIncident(desk, id, rank))
}

/** Starts a diagnosis as soon as the severity asks for one: the first, and one for each release that is joined later. */
async function diagnose(scene: IncidentScene): Promise<void> {
  const { flow, desk, id, tally } = scene
  if (scene.diagnosed || tally.at !== 'firing' || !desk.config.diagnose.includes(tally.severity)) return
  scene.diagnosed = true
  const n = scene.rejoined ? await flow.step(numbered(scene, 'number the diagnosis'), () => nextDiagnosis(desk, id)) : 1
  const name = numbered(scene, 'start the diagnosis')
  await flow.step(name, async () => {
    await desk.flows.start('diagnosis', diagnosisFlow(id, n), { incident: id, n })
  })
}

/** The first number that nobody has taken; who takes it meanwhile starts one about the same release. */
async function nextDiagnosis(desk: IncidentDesk, id: string): Promise<number> {
  for (let n = 1; ; n++) if ((await desk.flows.status(diagnosisFlow(id, n))) === undefined) return n
}

/** Waits for the next event or the next deadline, and does what it asks for. */
async function heed(scene: IncidentScene): Promise<void> {
  const { flow } = scene
  const look = numbered(scene, 'look')
  const due = dueAt(scene)
  const event = await flow.wait(look, due === undefined ? {} : { until: due })
  if (event !== undefined) return hearEvent(scene, event)
  const clock = await flow.now(look)
  // A clock that was put back meanwhile does not make the deadline come twice.
  const now = due !== undefined && due > clock ? due : clock
  const unsilenced = unsilencedAt(scene)
  if (unsilenced !== undefined && unsilenced <= now) await reconcile(scene)
  const recount = [scene.dirty ? tallyDue(scene) : undefined, unsilenced].some((at) => at !== undefined && at <= now)
  if (recount) await countAgain(scene, now)
  const call = dueCall(scene)
  if (call !== undefined && call.at <= now) {
    // Nobody is called for what is over.
    if ((await reconcile(scene)) > 0) await countAgain(scene, now)
    else await callNext(scene, call, now)
  }
  if (summaryDue(scene, now)) await summarize(scene, now)
  if (scene.unnamed.length > 0 && nameDue(scene) <= now) await nameHosts(scene, now)
  if (scene.watch !== undefined && scene.watch.next <= now) await lookAtRecovery(scene, now)
  if (scene.closes !== undefined && scene.closes <= now && scene.watch === undefined) await close(scene, now)
}

/** In a storm the edit would wait for its turn anyway: then the alerts are counted when it is about to come. A hold must not wait. */
function tallyDue({ desk, talliedAt, tally }: IncidentScene): Date {
  const turns = tally.release?.at === 'rolling out' ? 1 : Math.min(Math.max(tally.owed, 1), MOST_OWED)
  return new Date(talliedAt.getTime() + (desk.postEveryMs ?? TALLY_MS) * turns)
}

/** When a silence ends, the card offers one again, and its source is asked what still fires. */
function unsilencedAt({ tally: { silenceEnds, at }, talliedAt }: IncidentScene): Date | undefined {
  if (silenceEnds === undefined || at === 'resolved') return undefined
  return new Date(Math.max(Date.parse(silenceEnds), talliedAt.getTime() + TALLY_MS))
}

function dueAt(scene: IncidentScene): Date | undefined {
  const grown = hasGrown(scene.spoken.total, scene.tally.total)
  const all = [
    scene.dirty ? tallyDue(scene) : undefined,
    unsilencedAt(scene),
    dueCall(scene)?.at,
    grown ? new Date(scene.spoken.at.getTime() + SUMMARY_EVERY_MS) : undefined,
    scene.unnamed.length > 0 ? nameDue(scene) : undefined,
    scene.watch?.next,
    scene.watch === undefined ? scene.closes : undefined,
  ].filter((at) => at !== undefined)
  return all.length === 0 ? undefined : new Date(Math.min(...all.map((at) => at.getTime())))
}

async function hearEvent(scene: IncidentScene, event: FlowEvent): Promise<void> {
  const parsed = incidentEventSchema.safeParse(event.data)
  if (!parsed.success) return
  const { desk, flow, id } = scene
  switch (parsed.data.kind) {
    case 'alerts':
      // Many come within a second: the next tally holds them all.
      scene.dirty = true
      return
    case 'acknowledged':
      // First, as it may have lapsed already: that is said behind it.
      await say(scene, event.key, {
        title: `${parsed.data.by} has acknowledged it; nobody else is called`,
        tone: 'info',
      })
      await countAgain(scene)
      return
    case 'silenced': {
      await countAgain(scene)
      const made = await flow.step(numbered(scene, 'read the silence'), async () => {
        const { silences } = await desk.incidents.need(id)
        return silences.find((each) => event.key.endsWith(each.id)) ?? null
      })
      if (made !== null) await say(scene, event.key, { title: silenced(made), tone: 'info', blocks: told([made]) })
      return
    }
    case 'unsilenced': {
      await reconcile(scene)
      await countAgain(scene)
      const ended = await flow.step(numbered(scene, 'read the silence'), async () => {
        const { silences } = await desk.incidents.need(id)
        return silences.filter(({ endedBy, until }) => endedBy !== undefined && until === untilOf(silences, event.key))
      })
      const by = ended[0]?.endedBy
      if (by !== undefined) {
        await say(scene, event.key, { title: `${by} has ended the silence`, tone: 'info', blocks: told(ended) })
      }
      return
    }
    case 'diagnose':
      await say(scene, event.key, { title: `${parsed.data.by} asked for another diagnosis`, tone: 'info' })
      return
    case 'diagnosed': {
      const { report } = parsed.data
      await flow.step(numbered(scene, 'note the report'), async () => {
        await desk.incidents.update(id, (current) => {
          // One about a release that it was joined to before must not stand in the way of one about this one.
          const about = (each: string | undefined) => each?.startsWith(`${current.joined}/`) === true
          return current.report === report || (about(current.report) && !about(report))
            ? undefined
            : { ...current, report }
        })
        await refreshOffer(desk, await desk.incidents.need(id))
      })
      return
    }
    case 'release':
      await countAgain(scene)
      await offerAnew(scene)
      return
  }
}

function told(silences: readonly Silence[]): Block[] {
  return coverage(silences).map((text) => ({ type: 'text', text }))
}

/** Silences that were ended together have one end. */
function untilOf(silences: readonly Silence[], key: string): string | undefined {
  return silences.find((each) => key.endsWith(each.id))?.until
}

async function offerAnew(scene: IncidentScene): Promise<void> {
  const { desk, flow, id } = scene
  await flow.step(numbered(scene, 'refresh the offer'), async () => refreshOffer(desk, await desk.incidents.need(id)))
}

/** Counts the alerts, shows them, and says what has become of the incident. */
async function countAgain(scene: IncidentScene, at?: Date): Promise<void> {
  const now = at ?? (await scene.flow.now(numbered(scene, 'counted')))
  scene.dirty = false
  scene.talliedAt = now
  const before = scene.tally
  scene.tally = await count(scene, scene.fired)
  const joined = scene.tally.newly.length > 0 ? await joinAndHold(scene) : undefined
  if (joined !== undefined) standWith(scene, joined)
  const { tally } = scene
  await showCard(scene, 'edit')
  // What a report offers is offered while something fires, and for the release that it is joined to.
  if (before.at !== tally.at || joined?.changed === true) await offerAnew(scene)
  if (before.at === 'resolved' && tally.at === 'firing') {
    scene.from = now
    scene.called = now
    await phase(scene, 'firing')
    await say(scene, numbered(scene, 'fires-again'), { title: 'Fires again', tone: 'warn' })
  }
  if (joined !== undefined) await sayJoined(scene, joined, true)
  if (joined?.changed === true) {
    scene.diagnosed = false
    scene.rejoined = true
  }
  await rise(scene, before, now)
  await diagnose(scene)
  await follow(scene, tally, now, before)
}

/** What the thread owes to those who have acknowledged it, and to those who are called: that it is worse, or at more hosts. */
async function rise(scene: IncidentScene, before: Tally, now: Date): Promise<void> {
  const { tally } = scene
  const fresh = tally.hosts.filter((host) => !scene.hosts.has(host))
  for (const host of fresh) scene.hosts.add(host)
  if (tally.at === 'firing' && isWorse(tally.severity, before.severity)) {
    scene.from = now
    scene.risen = true
  }
  const { lapsed } = tally
  if (lapsed !== undefined && lapsed.when !== before.lapsed?.when) {
    scene.from = now
    scene.risen = true
    await say(scene, `lapsed/${lapsed.when}`, {
      title: `It is ${tally.severity} now; ${lapsed.by} had acknowledged it as ${lapsed.severity}, which counts no longer`,
      tone: 'warn',
    })
  }
  if (!tally.acknowledged) scene.unnamed = []
  else if (tally.at === 'firing') scene.unnamed.push(...fresh)
}

function nameDue({ namedAt, talliedAt }: IncidentScene): Date {
  return namedAt === undefined ? talliedAt : new Date(namedAt.getTime() + SUMMARY_EVERY_MS)
}

/** Nobody is called for more hosts of what is acknowledged; the thread names them, all that came within a minute in one line. */
async function nameHosts(scene: IncidentScene, now: Date): Promise<void> {
  const hosts = scene.unnamed
  scene.unnamed = []
  scene.namedAt = now
  const title = `Fires on more hosts: ${someHosts(hosts)}`
  await say(scene, numbered(scene, 'more-hosts').replace(' ', '/'), { title, tone: 'warn' })
}

/** What a tally says about the end of the incident and about its release. */
async function follow(scene: IncidentScene, tally: Tally, now: Date, before?: Tally): Promise<void> {
  const wasGoingBack = scene.releaseAt === 'rolling back'
  if (tally.release !== undefined) watchRelease(scene, tally.release, now)
  // It was kept open for that.
  if (scene.closes !== undefined && wasGoingBack && scene.releaseAt !== 'rolling back')
    scene.closes = closing(scene, now)
  if (tally.at === 'firing') {
    scene.closes = undefined
    return
  }
  if (before?.at === 'resolved') return
  scene.closes = closing(scene, now)
  await phase(scene, 'resolved')
  const text = await scene.flow.step(numbered(scene, 'read how long it lasted'), async () => {
    const incident = await scene.desk.incidents.need(scene.id)
    return { lasted: lasted(incident), when: incident.state.at === 'resolved' ? incident.state.when : incident.since }
  })
  await say(scene, numbered(scene, 'resolved').replace(' ', '/'), {
    title: `Resolved after ${text.lasted}, at ${localTime(new Date(text.when))}`,
    tone: 'good',
  })
}

function closing({ desk }: IncidentScene, now: Date): Date {
  return new Date(now.getTime() + LINGER * (desk.postEveryMs ?? TALLY_MS))
}

function summaryDue({ spoken, tally }: IncidentScene, now: Date): boolean {
  return hasGrown(spoken.total, tally.total) && spoken.at.getTime() + SUMMARY_EVERY_MS <= now.getTime()
}

/** One line for a group that has grown a lot, instead of one for each alert. */
async function summarize(scene: IncidentScene, now: Date): Promise<void> {
  const { spoken, tally, id } = scene
  const name = numbered(scene, 'grown').replace(' ', '/')
  const title = `Grown from ${spoken.total} to ${tally.total} alerts: ${tally.firing} firing. All of them: /alerts ${id} --all`
  scene.spoken = { total: tally.total, at: now }
  await say(scene, name, { title, tone: 'warn' }, 'reminder')
}

/** Closes the thread after one last look at the alerts, unless a rollback is still to be watched. */
async function close(scene: IncidentScene, now: Date): Promise<void> {
  await countAgain(scene, now)
  if (scene.tally.at === 'firing' || scene.watch !== undefined) return
  if (scene.releaseAt === 'rolling back') scene.closes = new Date(now.getTime() + ROLLING_BACK_MS)
  else scene.over = true
}

/** The thread must not go quiet for a reason that nobody sees. */
async function giveUp(desk: IncidentDesk, id: string, error: unknown): Promise<void> {
  const fault = asFault(error)
  desk.log.error({ incident: id, code: fault.code, err: fault }, 'story of an incident ended with a fault')
  try {
    const { channel } = await desk.incidents.need(id)
    const title = `This thread follows ${id} no longer: ${fault.message}`
    const text = `Next: type /alerts ${id} for where it stands, and look into the log.`
    const message = { title, tone: 'bad' as const, blocks: [{ type: 'text' as const, text }], buttons: [] }
    await queuePost(desk, { key: `${id}/given-up`, channel, thread: cardKey(id), message }, 'line')
  } catch (again) {
    desk.log.warn({ incident: id, code: asFault(again).code }, 'end of a story not told')
  }
}
