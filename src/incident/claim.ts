import { cleanLine } from '../agent/fence.ts'
import { episodeId, episodesOf } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import type { Report } from './report.ts'

/** A report that is ours to write, or the one that exists already. */
export type Claim = { at: 'claimed'; id: string } | { at: 'exists'; id: string; incident: string }

/** Incidents of one deployment that are diagnosed by themselves while they fire: a storm about one release is paid for so often. */
const MOST_AT_ONCE = 3

/**
 * Takes the next version of the report about the incident's deployment, or about its first episode where there is none. An incident
 * gets one of its own by itself: another alert of the same deployment has evidence of its own. It gets none when it has one already,
 * unless that failed, or when three others of the deployment that still fire have theirs: then it is shown where one stands, the one
 * that convicts the release if there is one. A person who asks always gets another. Run again by the same flow it finds what it took.
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
    const enough = order.by === undefined ? await enoughOf(desk, incident, versions) : undefined
    if (enough !== undefined) return { at: 'exists', id: enough.id, incident: enough.incident }
    const report = blank(deploymentId, (versions.at(-1)?.version ?? 0) + 1, incident, order.flow, desk.clock())
    if (await desk.reports.insert(report)) return { at: 'claimed', id: report.id }
  }
}

/** The report that makes one more unnecessary. */
async function enoughOf(
  desk: IncidentDesk,
  { id }: Incident,
  versions: readonly Report[],
): Promise<Report | undefined> {
  const standing = versions.filter(({ status }) => status !== 'failed')
  const own = standing.findLast(({ incident }) => incident === id)
  if (own !== undefined) return own
  const others: Report[] = []
  for (const other of new Set(standing.map(({ incident }) => incident))) {
    const last = standing.findLast(({ incident }) => incident === other)
    if (last !== undefined && (await desk.incidents.get(other))?.state.at === 'firing') others.push(last)
  }
  if (others.length < MOST_AT_ONCE) return undefined
  return others.findLast(({ verdict }) => verdict?.at === 'release') ?? others.at(-1)
}

/** The joined release; else the deployment that the alert names, unless that could be one of ours. */
async function subjectOf(desk: IncidentDesk, incident: Incident): Promise<string> {
  if (incident.release !== undefined) return incident.release.id
  const [first] = await episodesOf(desk.store, incident.id)
  const named = cleanLine(first?.alert.labels.deploymentId ?? '', 100)
  // Our own numbers belong to releases that are joined, or will be.
  if (named !== '' && !/^R-\d+$/i.test(named)) return named
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
