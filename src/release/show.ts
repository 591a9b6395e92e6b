import { offerButtons } from './button.ts'
import type { Desk } from './desk.ts'
import { card } from './issue.ts'

/** Per process: one card is drawn at a time, and a request that comes meanwhile is served by one more drawing. */
const drawing = new Map<string, { again: boolean; done: Promise<void> }>()

/** Progress of single hosts is shown at most this often; what decides something is shown at once. */
const PROGRESS_MS = 250
const later = new Map<string, NodeJS.Timeout>()

/** Shows the card within a quarter of a second: for changes that come in hundreds, and that the next `showCard` shows as well. */
export function showCardSoon(desk: Desk, id: string): void {
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
  const key = `${id}/card`
  const running = drawing.get(key)
  if (running !== undefined) {
    running.again = true
    return running.done
  }
  const state = { again: false, done: Promise.resolve() }
  drawing.set(key, state)
  state.done = (async () => {
    try {
      do {
        state.again = false
        await draw(desk, id, key)
      } while (state.again)
    } finally {
      drawing.delete(key)
    }
  })()
  return state.done
}

async function draw(desk: Desk, id: string, key: string): Promise<void> {
  const release = await desk.releases.need(id)
  const buttons = await offerButtons(desk.store, release)
  await desk.chat.put({ key, channel: release.channel, message: card(release, desk.clock(), buttons) })
}
