import { cleanLine } from '../agent/fence.ts'
import { episodeId, episodesOf } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import type { Report } from './report.ts'

/** A report that is ours to write, or the one that exists already. */
export type Claim = { at: 'claimed'; id: string } | { at: 'exists'; id: string; incident: string }

/**
 * Takes the next version of the report about the incident's deployment, or about its first episode where there is none. There is one
 * report for each: unless a person asks, a second diagnosis gets none of its own, but one that failed is made anew. Run again by the
 * same flow it finds what it took.
 */
export async function claimReport(
  desk: IncidentDesk,
  incident: Incident,
  order: { flow: string; by?: string },
): Promise<Claim> {
  const deploymentId = await subjectOf(desk, incident)
  for (;;) {
    const versions = await desk.reports.versions(deploymentId)
    const mine = versions.find(({ flow }) => flow === order.flow)
    if (mine !== undefined) return { at: 'claimed', id: mine.id }
    const last = versions.at(-1)
    if (last !== undefined && order.by === undefined && last.status !== 'failed') {
      return { at: 'exists', id: last.id, incident: last.incident }
    }
    const report = blank(deploymentId, (last?.version ?? 0) + 1, incident, order.flow, desk.clock())
    if (await desk.reports.insert(report)) return { at: 'claimed', id: report.id }
  }
}

/** The joined release; else the deployment that the alert names, unless that is one of ours which it was not joined to. */
async function subjectOf(desk: IncidentDesk, incident: Incident): Promise<string> {
  if (incident.release !== undefined) return incident.release.id
  const [first] = await episodesOf(desk.store, incident.id)
  const named = cleanLine(first?.alert.labels.deploymentId ?? '', 100)
  if (named !== '' && (await desk.releases.get(named)) === undefined) return named
  return first === undefined ? incident.id : episodeId(first.alert)
}

function blank(deploymentId: string, version: number, incident: Incident, flow: string, now: Date): Report {
  return {
    id: `${deploymentId}/${version}`,
    deploymentId,
    version,
    incident: incident.id,
    flow,
    content: '',
    status: 'generating',
    createdTime: now.toISOString(),
    updatedTime: now.toISOString(),
    by: 'rules',
    queries: [],
    numbers: [],
    pictures: [],
    steps: 0,
    tools: {},
    tokens: { input: 0, cacheRead: 0, cacheWrite: 0, output: 0 },
    seconds: 0,
  }
}
