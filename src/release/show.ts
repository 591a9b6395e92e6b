import { asFault } from '../lib/fault.ts'
import type { Post } from '../ports/chat.ts'
import { offerButtons } from './button.ts'
import type { Desk } from './desk.ts'
import { card } from './issue.ts'
import { releaseSchema } from './release.ts'

interface Drawings {
  /** One card is drawn at a time; a request that comes meanwhile is served by one more drawing. */
  running: Map<string, { again: boolean; done: Promise<void> }>
  later: Map<string, NodeJS.Timeout>
}
const drawings = new WeakMap<Desk, Drawings>()

/** Progress of single hosts is shown at most this often; what decides something is shown at once. */
const PROGRESS_MS = 250

/** Puts a message. A surface that is out never stops a rollout: that is logged, and the store keeps what was decided. */
export async function post(desk: Desk, message: Post): Promise<void> {
  try {
    await desk.chat.put(message)
  } catch (error) {
    const fault = asFault(error)
    if (fault.code.startsWith('store.')) throw fault
    desk.log.warn({ key: message.key, code: fault.code, err: fault }, 'message not shown')
  }
}

/** Shows the card within a quarter of a second: for changes that come in hundreds, and that the next `showCard` shows as well. */
export function showCardSoon(desk: Desk, id: string): void {
  const { later } = drawingsOf(desk)
  if (later.has(id)) return
  const timer = setTimeout(() => {
    later.delete(id)
    showCard(desk, id).catch((error: unknown) => desk.log.debug({ release: id, err: error }, 'card not drawn'))
  }, PROGRESS_MS)
  timer.unref()
  later.set(id, timer)
}

/** Puts the release's card as the document stands now. Resolves when a drawing that began after the call is durable. */
export async function showCard(desk: Desk, id: string): Promise<void> {
  const { running } = drawingsOf(desk)
  const other = running.get(id)
  if (other !== undefined) {
    other.again = true
    return other.done
  }
  const state = { again: false, done: Promise.resolve() }
  running.set(id, state)
  state.done = (async () => {
    try {
      do {
        state.again = false
        await draw(desk, id)
      } while (state.again)
    } finally {
      running.delete(id)
    }
  })()
  return state.done
}

/** Another process may draw the same card: the version that each has seen decides which drawing stays. */
async function draw(desk: Desk, id: string): Promise<void> {
  const row = await desk.store.get('releases', id)
  const release = row === undefined ? await desk.releases.need(id) : releaseSchema.parse(row.document)
  const buttons = await offerButtons(desk.store, release)
  const message = card(release, desk.clock(), buttons)
  await post(desk, { key: `${id}/card`, channel: release.channel, message, basis: row?.version })
}

function drawingsOf(desk: Desk): Drawings {
  const known = drawings.get(desk)
  if (known !== undefined) return known
  const fresh: Drawings = { running: new Map(), later: new Map() }
  drawings.set(desk, fresh)
  return fresh
}
