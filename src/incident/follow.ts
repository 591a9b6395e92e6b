import { asFault } from '../lib/fault.ts'
import { newId } from '../lib/id.ts'
import type { Release } from '../release/release.ts'
import type { IncidentDesk } from './desk.ts'
import { refreshOffer } from './offer.ts'
import { openPosts, stopPosts } from './pace.ts'
import { showIncident } from './thread.ts'

/** Open incidents that are looked for at a start: as many of the newest. */
const SWEPT = 1000
const AGAIN_MS = 1000

/** Told of every change; answers with the function that ends it. The console's feed fits. */
export type Listen = (listener: (numbered: { change: { kind: string; key: string } }) => void) => () => void

/**
 * Tells incidents when the release that they are joined to has moved: once for each of its turns and states, in order. At the
 * start every open incident is told to look at everything once more, and what a process that has died still owed to the channels
 * goes out; and so again whenever `onGone` says that another process that shares the store has died, which may have told nobody.
 * Returns the function that ends it, and with it the sending.
 */
export function followReleases(
  desk: IncidentDesk,
  listen: Listen,
  onGone: (told: () => void) => () => void = () => () => {},
): () => void {
  const queued = new Set<string>()
  const told = new Map<string, string>()
  let working = false
  let ended = false
  let again: NodeJS.Timeout | undefined

  const work = async (): Promise<void> => {
    if (working) return
    working = true
    // What is added meanwhile is come to as well.
    for (const id of queued) {
      queued.delete(id)
      if (ended) break
      try {
        await tell(desk, id, told)
      } catch (error) {
        desk.log.warn({ release: id, code: asFault(error).code, err: error }, 'incidents not told of a release yet')
        again = setTimeout(() => wake(id), AGAIN_MS).unref()
      }
    }
    working = false
  }
  const wake = (id: string): void => {
    if (ended) return
    queued.add(id)
    // Whoever publishes the change goes on first.
    queueMicrotask(() => void work())
  }

  const deaf = listen(({ change }) => {
    if (change.kind === 'release') wake(change.key)
  })
  const lookAtAll = (): void => {
    sweep(desk, () => ended).catch((error: unknown) => desk.log.warn({ err: error }, 'open incidents not looked at'))
  }
  lookAtAll()
  const alone = onGone(lookAtAll)
  return () => {
    ended = true
    clearTimeout(again)
    deaf()
    alone()
    stopPosts(desk)
  }
}

async function tell(desk: IncidentDesk, id: string, told: Map<string, string>): Promise<void> {
  const release = await desk.releases.get(id)
  if (release === undefined) return
  const stage = stageOf(release)
  if (told.get(id) === stage) return
  for (const incident of await desk.incidents.ofRelease(id)) {
    const status = await desk.flows.status(incident.id)
    const runs = status?.at === 'running'
    if (runs) await desk.flows.send(incident.id, stage, { kind: 'release' })
    // Its thread is closed, or about to be without hearing this; neither its card nor the report's button may stay behind.
    if (runs && incident.state.at === 'firing') continue
    await refreshOffer(desk, incident)
    await showIncident(desk, incident.id)
  }
  told.set(id, stage)
}

/** Where a release stands as far as those who press are concerned; progress of single hosts is none. */
function stageOf({ id, turn, state }: Release): string {
  const doing = state.at === 'rolling out' ? ` ${state.batch} ${state.doing}` : ''
  return `release/${id}/${turn}/${state.at}${doing}`
}

/** After a start: a word may have been lost between a document and the flow, and a release may have moved meanwhile. */
async function sweep(desk: IncidentDesk, ended: () => boolean): Promise<void> {
  await openPosts(desk)
  const key = `start/${newId()}`
  let seen = 0
  for await (const incident of desk.incidents.newest()) {
    if (ended() || ++seen > SWEPT) return
    const status = await desk.flows.status(incident.id)
    if (status?.at !== 'running') continue
    await desk.flows.send(incident.id, key, { kind: incident.joined === undefined ? 'alerts' : 'release' })
  }
}

/** Fields that threads are looked up by; a store that has indexes should be given these. */
export const threadIndexes = [
  { collection: 'incidents', field: 'joined' },
  { collection: 'incident-posts', field: 'waiting' },
]
