import type { Desk } from './desk.ts'

/**
 * Holds a release that is being deployed or observed, for something that is not a person: an alert. Sent once for the same
 * `reason` and turn, however often it is asked for. False when nothing moves there, so that there is nothing to hold.
 */
export async function holdFor(
  desk: Desk,
  id: string,
  reason: { key: string; by: string; why: string },
): Promise<boolean> {
  const release = await desk.releases.need(id)
  if (release.state.at !== 'rolling out') return false
  const order = { kind: 'pause', by: reason.by, turn: release.turn, why: reason.why }
  await desk.flows.send(release.flow, `${id}/${release.turn}/pause/${reason.key}`, order)
  return true
}
