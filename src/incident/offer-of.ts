import { actionsNow } from '../release/button.ts'
import { localTime } from '../release/issue.ts'
import type { Release } from '../release/release.ts'
import { someHosts } from '../release/scene.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import type { Report } from './report.ts'

/** The release that a report offers to roll back, where it does; and what there is to say about the offer, a sentence each. */
export interface OfferOf {
  release?: Release
  why: string[]
}

/**
 * Whether a report offers the rollback of its release now. Its verdict says `release`; no newer report of the same incident has
 * come to a verdict; the incident fires (what ended by itself needs no rollback on its evidence: then the release's own card is
 * there for it); the release can be rolled back; and it has begun no host since the metrics were read, about which the report
 * could not know.
 */
export async function offerOf(desk: IncidentDesk, report: Report, incident: Incident): Promise<OfferOf> {
  const no = (why: string): OfferOf => ({ why: [why] })
  if (report.verdict?.at !== 'release' || report.status === 'failed' || incident.release === undefined) {
    return { why: [] }
  }
  const { id } = incident.release
  if (id !== report.deploymentId) return no(`${incident.id} belongs to ${id} now. Press Diagnose again.`)
  const decided = (await desk.reports.versions(report.deploymentId)).filter(decides)
  const newest = decided.findLast((each) => each.incident === incident.id)
  if (newest !== undefined && newest.id !== report.id) return no(`There is a newer report: ${newest.id}.`)
  const release = await desk.releases.get(id)
  if (release === undefined || !actionsNow(release).includes('release.rollback')) {
    return no(`${id} offers no rollback now: it is ${release?.state.at ?? 'unknown'}.`)
  }
  if (incident.state.at === 'resolved') {
    const since = localTime(new Date(incident.state.when))
    return no(`${incident.id} is resolved since ${since}: this report offers no rollback of ${id} any more.`)
  }
  const added = addedSince(release, report)
  if (added.length > 0) {
    return no(`${id} was brought to more hosts after this report: ${someHosts(added)}. Press Diagnose again.`)
  }
  const other = decided.findLast((each) => each.incident !== incident.id && each.version > report.version)
  if (other === undefined) return { release, why: [] }
  return { release, why: [`Newer report ${other.id} about this release stands in the thread of ${other.incident}.`] }
}

/** The newest of an incident that does so has the button, or withholds it: also while a model still writes the words. */
function decides({ status, verdict }: Report): boolean {
  return status === 'completed' || (status === 'generating' && verdict !== undefined)
}

/** Hosts that a release has begun to change, whatever came of it. */
export function begunHosts({ hosts }: Release): string[] {
  return Object.entries(hosts).flatMap(([id, { at }]) => (at === 'pending' ? [] : [id]))
}

function addedSince(release: Release, { begun, createdTime }: Report): string[] {
  const isNew = (id: string) => {
    if (begun !== undefined) return !begun.includes(id)
    const { deployedAt } = release.hosts[id] ?? {}
    return deployedAt !== undefined && Date.parse(deployedAt) > Date.parse(createdTime)
  }
  return begunHosts(release).filter(isNew)
}
