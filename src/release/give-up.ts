import { asFault } from '../lib/fault.ts'
import type { Desk } from './desk.ts'
import { isOver } from './release.ts'
import { showCard } from './show.ts'

/**
 * A defect must not leave a card that looks alive: it is closed with what is known, and the service is free again. Written
 * directly, because a flow that broke its own rules can take no further step; run again it finds the release over.
 */
export async function giveUp(desk: Desk, id: string, error: unknown): Promise<void> {
  const fault = asFault(error)
  desk.log.error({ release: id, code: fault.code, err: fault }, 'release given up')
  const now = desk.clock().toISOString()
  const why = `an error of Rollcall itself: ${fault.line} Versions are as last seen; /hosts asks the hosts`
  await desk.releases.update(id, (current) =>
    isOver(current.state)
      ? undefined
      : { ...current, state: { at: 'aborted', by: 'Rollcall', why, when: now }, endedAt: now, turn: current.turn + 1 },
  )
  await showCard(desk, id)
}
