import { Fault } from '../lib/fault.ts'
import { tellFlow } from './approve.ts'
import type { Desk } from './desk.ts'
import { giveUp } from './give-up.ts'
import { isOver, type Release } from './release.ts'
import { startRollback } from './rollback.ts'
import { tellStop } from './steer.ts'

/** Every release in turn: at a start, and when another process that shares the store was found dead. */
export async function healAll(desk: Desk): Promise<void> {
  for (const release of await desk.releases.list()) await heal(desk, release)
}

/**
 * Puts right what a crash may have left between two writes: a decision, a stop or a rollback that is on the document but whose
 * word never reached a flow, and a document that looks alive although its flow has failed. Harmless while another process runs the
 * flow: what it sends arrives once, whoever sends it.
 */
export async function heal(desk: Desk, release: Release): Promise<void> {
  await startRollback(desk, release)
  const status = await desk.flows.status(release.flow)
  if (status?.at === 'running') {
    await tellFlow(desk, release)
    await tellStop(desk, release)
  } else if (status?.at === 'failed' && !isOver(release.state)) {
    // Another process may have gone on with it since it was read.
    const { flow } = await desk.releases.need(release.id)
    if (flow === release.flow) await giveUp(desk, release.id, new Fault('release.flow-failed', { say: status.why }))
  }
}
