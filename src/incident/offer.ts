import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { showReport } from './publish.ts'

/** Shows the incident's newest report with the button that fits its release now, or with none; nothing when there is no report. */
export async function refreshOffer(desk: IncidentDesk, { report }: Pick<Incident, 'report'>): Promise<void> {
  if (report !== undefined) await showReport(desk, report)
}
