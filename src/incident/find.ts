import { suggestion } from '../lib/did-you-mean.ts'
import { Fault } from '../lib/fault.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'

/** Incidents that are looked through for those that are open; what is older and open is named by its number. */
const READ = 500
const NEAR = 50

/** The incident that a person means: `A-17`, `a17` or `17`. Fault `incident.unknown`, with the nearest one. */
export async function findIncident(desk: IncidentDesk, which: string): Promise<Incident> {
  const number = /^(?:a-?)?(\d{1,9})$/i.exec(which)?.[1]
  const found = number === undefined ? undefined : await desk.incidents.get(`A-${Number(number)}`)
  if (found !== undefined) return found
  const recent = await newestIncidents(desk, NEAR)
  const ids = recent.map(({ id }) => id)
  throw new Fault('incident.unknown', {
    say: `There is no incident ${JSON.stringify(which.slice(0, 40))}.${suggestion(which, ids)}`,
    next: 'type /alerts to see the incidents',
  })
}

async function newestIncidents(desk: IncidentDesk, most: number): Promise<Incident[]> {
  const found: Incident[] = []
  for await (const incident of desk.incidents.newest()) {
    found.push(incident)
    if (found.length === most) break
  }
  return found
}

/** The newest incidents, newest first, those that fire before the others; `recent` of the others at most. */
export async function incidentList(
  desk: IncidentDesk,
  recent: number,
): Promise<{ open: Incident[]; over: Incident[] }> {
  const all = await newestIncidents(desk, READ)
  const open = all.filter(({ state }) => state.at === 'firing')
  return { open, over: all.filter(({ state }) => state.at === 'resolved').slice(0, recent) }
}
