import { setTimeout as delay } from 'node:timers/promises'
import { asFault } from '../lib/fault.ts'
import type { Desk } from './desk.ts'
import { type HostProgress, isOver, type Release } from './release.ts'
import { showCard } from './show.ts'

/**
 * A defect must not leave a card that looks alive: it is closed with what is known, and the service is free again. Written
 * directly, because a flow that broke its own rules can take no further step; run again it finds the release over.
 */
export async function giveUp(desk: Desk, id: string, error: unknown): Promise<void> {
  const fault = asFault(error)
  desk.log.error({ release: id, code: fault.code, err: fault }, 'release given up')
  const now = desk.clock().toISOString()
  const why = `an error of Rollcall itself: ${fault.line} Hosts are as last seen; /hosts asks them`
  for (let attempt = 1; ; attempt++) {
    try {
      await desk.releases.update(id, (current) => (isOver(current.state) ? undefined : closed(current, why, now)))
      await showCard(desk, id)
      return
    } catch (trouble) {
      // A store that is away for longer is made up for at the next start.
      if (attempt === TRIES || !asFault(trouble).retry) throw trouble
      await delay(1000 * attempt)
    }
  }
}

const TRIES = 5

/** Hosts in the middle of something run nobody knows what. */
function closed(release: Release, why: string, when: string): Release {
  const hosts = Object.entries(release.hosts).map(([id, host]): [string, HostProgress] =>
    host.at === 'deploying' || host.at === 'rolling back'
      ? [id, { ...host, at: 'failed', why: 'not known how it ended', version: undefined }]
      : [id, host],
  )
  return {
    ...release,
    hosts: Object.fromEntries(hosts),
    state: { at: 'aborted', by: 'Rollcall', why, when },
    endedAt: when,
    stop: undefined,
    turn: release.turn + 1,
  }
}
