import { costOf } from '../agent/budget.ts'
import { clean, fence } from '../agent/fence.ts'
import { type AgentResult, type CallRecord, runAgent } from '../agent/loop.ts'
import type { Prompts } from '../agent/prompts.ts'
import { nothingUsed } from '../lib/usage.ts'
import type { Flow } from '../ports/flow.ts'
import type { Model } from '../ports/model.ts'
import { episodesOf } from './alert.ts'
import type { IncidentDesk } from './desk.ts'
import { keptOf } from './kept.ts'
import { parseDiagnosis } from './parse-diagnosis.ts'
import { diagnosisPrompt } from './prompt-input.ts'
import { showReport } from './publish.ts'
import type { Diagnosis } from './report.ts'
import type { reportByRules } from './rules.ts'
import { knownAddresses, safeText } from './safe-text.ts'
import type { Survey } from './survey.ts'
import type { readSurvey } from './survey-read.ts'
import type { Verdict } from './verdict.ts'

/** What a diagnosis is made with besides the desk. */
export interface DiagnosisParts {
  readSurvey: typeof readSurvey
  judge: (survey: Survey) => Verdict
  reportByRules: typeof reportByRules
  prompts: Prompts
}

/** What the steps of one diagnosis share. */
export interface Work {
  flow: Flow
  desk: IncidentDesk
  parts: DiagnosisParts
  incident: string
  /** The report's id. */
  id: string
  /** When its turn came. */
  begun: Date
}

export interface Written {
  diagnosis: Diagnosis
  /** What tools said while it was written. */
  calls: CallRecord[]
}

const PROGRESS_MS = 3000
const LONGEST_RESULT = 40_000
const LONGEST_CONTENT = 20_000
const LONGEST_QUERY = 2000

/** Lets the model write; the rules, when there is none or it gives no report. What came of it is in the report's document then. */
export async function writeReport(work: Work, verdict: Verdict): Promise<Written> {
  const { model } = work.desk
  const asked = model === undefined ? undefined : await askModel(work, model, verdict)
  const diagnosis = asked?.ok === true ? await made(work, asked.value) : await byRules(work, verdict)
  const { flow, desk, id } = work
  await flow.step('note what was written', async () => {
    if (asked?.ok === false)
      desk.log.warn({ report: id, why: asked.why, say: asked.say }, 'model gave no report, the rules write it')
    const usage = asked?.usage ?? nothingUsed
    const spent = asked === undefined || desk.prices === undefined ? undefined : costOf(usage, desk.prices)
    const updatedTime = desk.clock().toISOString()
    await desk.reports.update(id, (report) => ({
      ...report,
      updatedTime,
      content: JSON.stringify(diagnosis),
      by: asked?.ok === true ? 'model' : 'rules',
      model: asked?.model ?? model?.name,
      ...(asked?.ok === false ? { fellBack: desk.redact(clean(asked.say, 300)) } : {}),
      steps: asked?.steps ?? 0,
      tools: asked?.tools ?? {},
      tokens: usage,
      ...(spent === undefined ? {} : { cost: spent }),
    }))
  })
  return { diagnosis, calls: asked?.calls ?? [] }
}

async function askModel(work: Work, model: Model, verdict: Verdict): Promise<AgentResult<Diagnosis>> {
  const { flow, desk, id, parts } = work
  const { system, prompt, nonce } = await flow.step('prompt', async () => {
    const survey = await surveyOf(work)
    const incident = await desk.incidents.need(work.incident)
    const episodes = await episodesOf(desk.store, incident.id)
    const tools = await namesOf(desk)
    return diagnosisPrompt(desk, { incident, episodes, survey, verdict, tools }, parts.prompts)
  })
  const result = await runAgent({
    model,
    tools: desk.tools,
    system,
    prompt,
    budget: desk.budget,
    record: (name, effect) => flow.step(name, effect),
    parse: parseDiagnosis,
    clock: desk.clock,
    // Whatever a server was told to say: no secret goes on to the model, and nothing in it is more than data.
    present: (tool, text) => fence(nonce, desk.redact(clean(text, LONGEST_RESULT)), LONGEST_RESULT, tool),
    onStep: progress(work),
  })
  // What tools said stands in the transcript already.
  const calls = result.calls.map(({ text: _, ...call }) => call)
  await flow.step('keep the transcript', () => keptOf(desk.store).putTranscript(id, { system, ...result, calls }))
  return result
}

async function namesOf({ tools }: IncidentDesk): Promise<string[]> {
  try {
    return tools === undefined ? [] : (await tools.list()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** Edits the report's message before a call of the model, every few seconds at most. */
function progress({ desk, id }: Work): (step: number) => Promise<void> {
  let shown = Number.NEGATIVE_INFINITY
  return async (step) => {
    if (performance.now() - shown < PROGRESS_MS) return
    shown = performance.now()
    await showReport(desk, id, step)
  }
}

/** The model's words as they may be kept and shown. */
async function made({ flow, desk, incident: id }: Work, { promQL, content }: Diagnosis): Promise<Diagnosis> {
  return flow.step('make the text safe', async () => {
    const incident = await desk.incidents.need(id)
    const [first] = await episodesOf(desk.store, id)
    const known = knownAddresses(desk, incident, [first?.alert.generatorUrl ?? ''])
    return {
      promQL: promQL.map((query) => desk.redact(clean(query, LONGEST_QUERY)).trim()).filter((query) => query !== ''),
      content: safeText(content, known, desk.redact, LONGEST_CONTENT),
    }
  })
}

async function byRules(work: Work, verdict: Verdict): Promise<Diagnosis> {
  const { flow, desk, parts } = work
  return flow.step('write by rules', async () => {
    const incident = await desk.incidents.need(work.incident)
    const episodes = await episodesOf(desk.store, incident.id)
    return parts.reportByRules(await surveyOf(work), verdict, incident, episodes, desk.language)
  })
}

/** The survey that the diagnosis rests on. */
export async function surveyOf({ desk, id }: Pick<Work, 'desk' | 'id'>): Promise<Survey> {
  const survey = await keptOf(desk.store).survey(id)
  if (survey === undefined) throw new Error(`the survey of ${id} is gone`)
  return survey
}
