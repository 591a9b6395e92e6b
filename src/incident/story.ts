import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import type { Flow, FlowEvent } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { localTime } from '../release/issue.ts'
import { numbered, phase, sturdy } from '../release/scene.ts'
import { callNext, dueCall } from './call.ts'
import { lasted, silenced } from './card.ts'
import type { Severity } from './config.ts'
import { count, type Tally } from './count.ts'
import type { IncidentDesk } from './desk.ts'
import { diagnosisFlow } from './diagnose-again.ts'
import { hasGrown, SUMMARY_EVERY_MS } from './growth.ts'
import { holdRelease } from './hold-release.ts'
import { joinRelease } from './join.ts'
import { refreshOffer } from './offer.ts'
import { queuePost } from './pace.ts'
import type { IncidentScene } from './scene.ts'
import { cardKey, type Place, say, showIncident } from './thread.ts'
import { lookAtRecovery, watchRelease } from './watch-recovery.ts'

const inputSchema = z.object({ incident: z.string() })

export const incidentEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('alerts') }),
  z.object({ kind: z.literal('acknowledged'), by: z.string() }),
  z.object({ kind: z.literal('silenced') }),
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
  const tally = await count(place)
  const from = await flow.now('begun')
  const joined = await flow.step('join the release', async () => {
    const incident = await desk.incidents.need(id)
    const release = incident.release ?? (await joinRelease(desk, incident))
    if (release === undefined) return null
    await desk.incidents.update(id, (current) => ({ ...current, release, joined: release.id }))
    return { id: release.id, at: (await desk.releases.need(release.id)).state.at }
  })
  const held = joined !== null && (await holdFirst(place, joined.id))
  await showCard(place, 'card')
  if (held && joined !== null) {
    await say(place, 'held', { title: `Held ${joined.id} first: no further host is changed`, tone: 'warn' })
  }
  const scene: IncidentScene = {
    ...place,
    tally,
    talliedAt: from,
    dirty: false,
    diagnosed: false,
    from,
    called: from,
    spoken: { total: tally.total, at: from },
    closes: undefined,
    releaseAt: joined?.at,
    watch: undefined,
    over: false,
  }
  await diagnose(scene)
  await phase(scene, 'firing')
  await follow(scene, tally, from)
  return scene
}

/** Before anybody looks for the cause: what is being changed stops here. Run again after a crash it finds the same. */
async function holdFirst({ flow, desk, id }: Place, release: string): Promise<boolean> {
  return flow.step('hold the release', async () => {
    const incident = await desk.incidents.need(id)
    const asked = await holdRelease(desk, incident)
    const { state } = await desk.releases.need(release)
    const held = asked || (state.at === 'held' && state.why.includes(`${id} `))
    if (held) {
      await desk.incidents.update(id, (current) =>
        current.release === undefined ? undefined : { ...current, release: { ...current.release, held: true } },
      )
    }
    return held
  })
}

async function showCard({ flow, desk, id, counters }: Place, rank: 'card' | 'edit'): Promise<void> {
  await flow.step(numbered({ counters }, 'card'), () => showIncident(desk, id, rank))
}

/** Starts the first diagnosis as soon as the severity asks for one. */
async function diagnose(scene: IncidentScene): Promise<void> {
  const { flow, desk, id, tally } = scene
  if (scene.diagnosed || tally.at !== 'firing' || !desk.config.diagnose.includes(tally.severity as Severity)) return
  scene.diagnosed = true
  await flow.step('start the diagnosis', async () => {
    await desk.flows.start('diagnosis', diagnosisFlow(id, 1), { incident: id, n: 1 })
  })
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
  const recount = [scene.dirty ? tallyDue(scene) : undefined, unsilencedAt(scene)].some(
    (at) => at !== undefined && at <= now,
  )
  if (recount) await countAgain(scene, now)
  const call = dueCall(scene)
  if (call !== undefined && call.at <= now) await callNext(scene, call, now)
  if (summaryDue(scene, now)) await summarize(scene, now)
  if (scene.watch !== undefined && scene.watch.next <= now) await lookAtRecovery(scene, now)
  if (scene.closes !== undefined && scene.closes <= now && scene.watch === undefined) await close(scene, now)
}

/** In a storm the edit would wait for its turn anyway: then the alerts are counted when it is about to come. */
function tallyDue({ desk, talliedAt, tally }: IncidentScene): Date {
  return new Date(talliedAt.getTime() + (desk.postEveryMs ?? TALLY_MS) * Math.min(Math.max(tally.owed, 1), MOST_OWED))
}

/** When a silence ends, the card offers one again. */
function unsilencedAt({ tally: { silencedUntil, at }, talliedAt }: IncidentScene): Date | undefined {
  if (silencedUntil === undefined || at === 'resolved') return undefined
  return new Date(Math.max(Date.parse(silencedUntil), talliedAt.getTime() + TALLY_MS))
}

function dueAt(scene: IncidentScene): Date | undefined {
  const grown = hasGrown(scene.spoken.total, scene.tally.total)
  const all = [
    scene.dirty ? tallyDue(scene) : undefined,
    unsilencedAt(scene),
    dueCall(scene)?.at,
    grown ? new Date(scene.spoken.at.getTime() + SUMMARY_EVERY_MS) : undefined,
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
      await countAgain(scene)
      await say(scene, event.key, {
        title: `${parsed.data.by} has acknowledged it; nobody else is called`,
        tone: 'info',
      })
      return
    case 'silenced': {
      await countAgain(scene)
      const made = await flow.step(numbered(scene, 'read the silence'), async () => {
        const { silences } = await desk.incidents.need(id)
        return silences.find((each) => event.key.endsWith(each.id)) ?? null
      })
      if (made !== null) await say(scene, event.key, { title: silenced(made), tone: 'info' })
      return
    }
    case 'diagnose':
      await say(scene, event.key, { title: `${parsed.data.by} asked for another diagnosis`, tone: 'info' })
      return
    case 'diagnosed': {
      const { report } = parsed.data
      await flow.step(numbered(scene, 'note the report'), async () => {
        await desk.incidents.update(id, (current) => (current.report === report ? undefined : { ...current, report }))
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
  const tally = await count(scene)
  scene.tally = tally
  await showCard(scene, 'edit')
  // What a report offers is offered while something fires.
  if (before.at !== tally.at) await offerAnew(scene)
  if (before.at === 'resolved' && tally.at === 'firing') {
    scene.from = now
    scene.called = now
    await phase(scene, 'firing')
    await say(scene, numbered(scene, 'fires-again'), { title: 'Fires again', tone: 'warn' })
  }
  await diagnose(scene)
  await follow(scene, tally, now, before)
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
