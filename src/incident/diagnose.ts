import { z } from 'zod'
import { bundledPrompts } from '../agent/prompts.ts'
import { asFault } from '../lib/fault.ts'
import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { sturdy } from '../release/scene.ts'
import { claimReport } from './claim.ts'
import type { IncidentDesk } from './desk.ts'
import { checkWritten, complete, drawCharts, newPictureIds } from './finish-report.ts'
import { inTurn } from './in-turn.ts'
import { judge } from './judge.ts'
import { keptOf } from './kept.ts'
import { begunHosts } from './offer-of.ts'
import { diagnosing, putInThread, showReports } from './publish.ts'
import { reportByRules } from './rules.ts'
import { readSurvey } from './survey-read.ts'
import { type DiagnosisParts, surveyOf, type Work, writeReport } from './write-report.ts'

const inputSchema = z.object({ incident: z.string(), n: z.number(), by: z.string().optional() })

/**
 * The story of one diagnosis: take the report, read the metrics around the incident, judge the release, let the model (or, without
 * one or when it fails, the rules) write, check every query and number of the text, draw the charts, show it all, and tell the
 * incident's story. Every effect is a named step: after a crash it goes on behind the last that ended, and none is paid for twice.
 */
export async function diagnosisStory(
  unsteady: Flow,
  desk: IncidentDesk,
  input: Json,
  given: Partial<DiagnosisParts> = {},
): Promise<void> {
  const flow = sturdy(unsteady)
  const { incident, by } = inputSchema.parse(input)
  const claim = await flow.step('claim the report', async () =>
    claimReport(desk, await desk.incidents.need(incident), { flow: flow.id, by }),
  )
  if (claim.at === 'exists') return pointTo(flow, desk, incident, claim)
  const { id } = claim
  await flow.step('announce', async () =>
    putInThread(desk, await desk.incidents.need(incident), flow.id, diagnosing({ id }, 0)),
  )
  await inTurn(desk, async () => {
    const begun = await flow.now('begun')
    try {
      const parts = { readSurvey, judge, reportByRules, prompts: given.prompts ?? bundledPrompts(), ...given }
      await diagnose({ flow, desk, parts, incident, id, begun })
      await flow.phase('completed')
    } catch (error) {
      await flow.step('note the failure', () => noteFailure(desk, id, error))
      await flow.phase('failed')
    }
  })
  await flow.step('show the report', () => showReports(desk, id))
  await tellIncident(flow, desk, incident, id)
}

async function diagnose(work: Work): Promise<void> {
  const { flow, desk, parts, id } = work
  await flow.phase('reading metrics')
  await flow.step('survey', async () => {
    const incident = await desk.incidents.need(work.incident)
    const release = incident.release === undefined ? undefined : await desk.releases.get(incident.release.id)
    const begun = release === undefined ? undefined : begunHosts(release)
    const survey = await parts.readSurvey(desk, incident)
    await desk.reports.update(id, (report) => ({ ...report, begun }))
    await keptOf(desk.store).putSurvey(id, survey)
  })
  const verdict = await flow.step('verdict', async () => {
    const verdict = parts.judge(await surveyOf(work))
    await desk.reports.update(id, (report) => ({ ...report, verdict }))
    return verdict
  })
  // A model may take minutes for the words; the rollback does not need them.
  if (desk.model !== undefined) await flow.step('show the verdict', () => showReports(desk, id))
  await flow.phase('looking for the cause')
  const written = await writeReport(work, verdict)
  await flow.phase('checking the report')
  await flow.step('check the report', () => checkWritten(work, verdict, written))
  const ids = await flow.step('name the pictures', async () => newPictureIds())
  await flow.step('draw the charts', () => drawCharts(work, ids))
  await flow.step('complete the report', () => complete(work))
}

/** There is one report about a deployment: another incident of it is shown where that stands. */
async function pointTo(
  flow: Flow,
  desk: IncidentDesk,
  incident: string,
  { id, incident: other }: { id: string; incident: string },
): Promise<void> {
  if (other === incident) return
  await flow.step('point to the report', async () => {
    const text = `Report ${id} stands in the thread of ${other}. Press Diagnose again for one about this thread.`
    await putInThread(desk, await desk.incidents.need(incident), flow.id, {
      title: `Diagnosed already in the thread of ${other}`,
      tone: 'info',
      blocks: [{ type: 'text', text }],
      buttons: [],
    })
  })
  await tellIncident(flow, desk, incident, id)
}

async function tellIncident(flow: Flow, desk: IncidentDesk, incident: string, report: string): Promise<void> {
  await flow.step('tell the incident', async () => {
    await desk.flows.send(incident, `diagnosed/${report}`, { kind: 'diagnosed', report })
  })
}

async function noteFailure(desk: IncidentDesk, id: string, error: unknown): Promise<void> {
  const fault = asFault(error)
  desk.log.error({ report: id, code: fault.code, err: fault }, 'diagnosis failed')
  const updatedTime = desk.clock().toISOString()
  await desk.reports.update(id, (report) => ({
    ...report,
    status: 'failed',
    content: desk.redact(fault.line),
    updatedTime,
  }))
}
