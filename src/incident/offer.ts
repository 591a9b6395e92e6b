import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { type Answer, no } from '../release/answer.ts'
import type { Bound } from '../release/button.ts'
import { rollback } from '../release/rollback.ts'
import { movedOn } from '../release/steer.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { offerOf } from './offer-of.ts'
import { showReport } from './publish.ts'

/**
 * Shows the incident's reports about its release with the button that fits that now, or with none: the one that has come to a
 * verdict last (a diagnosis that failed takes nothing from the one before it), and the one that is being written.
 */
export async function refreshOffer(
  desk: IncidentDesk,
  { id, release, report }: Pick<Incident, 'id' | 'release' | 'report'>,
): Promise<void> {
  const noted = report === undefined ? undefined : await desk.reports.get(report)
  // It may have been joined to another release since.
  for (const subject of new Set([release?.id, noted?.deploymentId])) {
    if (subject === undefined) continue
    const own = (await desk.reports.versions(subject)).filter(({ incident, verdict, status }) => {
      return incident === id && verdict !== undefined && status !== 'failed'
    })
    for (const each of own.slice(-2)) await showReport(desk, each.id)
  }
}

/** Rolls a release back, by its card, a command, or the button of a report; that one counts only while the report offers it. */
export async function rollBack(desk: IncidentDesk, bound: Bound, person: Person): Promise<Answer> {
  const allowed = mayDo(person, 'release.rollback')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  return (await refuseOffer(desk, bound)) ?? rollback(desk, bound, person)
}

/** Why a report's button counts no longer; undefined when it does, and for every other button. */
export async function refuseOffer(desk: IncidentDesk, bound: Bound): Promise<Answer | undefined> {
  if (bound.offeredBy === undefined) return undefined
  const report = await desk.reports.get(bound.offeredBy)
  if (report === undefined) return no('The report of this button is gone.', `/status ${bound.release}`)
  const { release, why } = await offerOf(desk, report, await desk.incidents.need(report.incident))
  if (release === undefined) return no(why[0] ?? 'This report offers no rollback.', `/status ${bound.release}`)
  return movedOn(release, bound)
}
