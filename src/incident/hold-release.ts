import { holdFor } from '../release/hold-for.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'

/**
 * Holds the release that the incident is joined to, if it is being deployed or observed: before anybody looks for the cause, no
 * further host is changed. Once for an incident and turn. True when it was asked to hold.
 */
export async function holdRelease(desk: IncidentDesk, incident: Incident): Promise<boolean> {
  if (incident.release === undefined) return false
  const why = `alert ${incident.id} fires: ${incident.title}`
  const held = await holdFor(desk, incident.release.id, { key: incident.id, by: incident.id, why })
  if (held) {
    const from = { surface: 'alerts' }
    await desk.audit.note({
      who: incident.id,
      from,
      action: 'release.pause',
      target: incident.release.id,
      result: 'done',
      why,
    })
  }
  return held
}
