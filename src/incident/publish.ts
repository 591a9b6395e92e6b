import { formatDuration } from '../lib/duration.ts'
import type { Block, Button, Message } from '../ports/chat.ts'
import type { Json } from '../ports/store.ts'
import { buttonFor } from '../release/button.ts'
import type { Release } from '../release/release.ts'
import type { IncidentDesk } from './desk.ts'
import type { Incident } from './incident.ts'
import { offerOf } from './offer-of.ts'
import { queueDrawn, queuePost } from './pace.ts'
import { diagnosisSchema, type Report } from './report.ts'

/** Failed checks that are named one by one. */
const NAMED = 12

/**
 * A report as it stands in the thread: the verdict and what it rests on, the sections of the text, its queries, what could not be
 * confirmed, the charts, what it cost. The only button it may have is the release's own Roll back, as `offerOf` says: words of a
 * model never make one. The verdict and its button do not wait for the model's words: they stand there while it writes; `step` is
 * the call of the model that is under way, 0 when that is not known.
 */
export async function reportMessage(
  desk: IncidentDesk,
  report: Report,
  incident: Incident,
  step = 0,
): Promise<Message> {
  if (report.status === 'generating') {
    const { why, buttons } = await rollbackOffer(desk, report, incident)
    const blocks: Block[] = [...verdictBlocks(report), ...why.map((text) => ({ type: 'text' as const, text }))]
    return { ...diagnosing(report, step), tone: toneOf(report), blocks, buttons }
  }
  if (report.status === 'failed') {
    return {
      title: `The diagnosis of ${incident.id} failed`,
      tone: 'warn',
      blocks: [{ type: 'text', text: report.content }],
      buttons: [],
    }
  }
  const parsed = diagnosisSchema.safeParse(jsonOf(report.content))
  const { promQL, content } = parsed.success ? parsed.data : { promQL: [], content: report.content }
  const offer = await rollbackOffer(desk, report, incident)
  return {
    title: titleOf(report, incident, await aboutOf(desk, report, incident)),
    tone: toneOf(report),
    blocks: [
      ...verdictBlocks(report),
      ...offer.why.map((text): Block => ({ type: 'text', text })),
      ...sectionsOf(content).map((text): Block => ({ type: 'text', text })),
      ...report.pictures.map((picture): Block => ({ type: 'picture', ...picture })),
      ...(promQL.length === 0 ? [] : [{ type: 'code' as const, text: promQL.join('\n') }]),
      ...marks(report),
      { type: 'fields', items: footer(report) },
    ],
    buttons: offer.buttons,
  }
}

function toneOf({ status, verdict }: Report): Message['tone'] {
  if (verdict?.at === 'release') return 'bad'
  return verdict?.at === 'unknown' || status === 'generating' ? 'info' : 'warn'
}

/** Before its verdict is known. `step` is the call of the model that is under way; 0 before the first. */
export function diagnosing(report: Pick<Report, 'id'>, step: number): Message {
  const title = step === 0 ? `Diagnosing… report ${report.id}` : `Diagnosing… report ${report.id}, step ${step}`
  return { title, tone: 'info', blocks: [], buttons: [] }
}

/** Puts the report as everything stands now: again when its release has moved on, so that the button follows it. */
export async function showReport(desk: IncidentDesk, id: string, step = 0): Promise<void> {
  const report = await desk.reports.get(id)
  if (report === undefined) return
  await queueDrawn(desk, keyOf(report.incident, report.flow ?? ''), 'line', async () => {
    const now = (await desk.reports.get(id)) ?? report
    const incident = await desk.incidents.need(now.incident)
    return { ...placeOf(incident), message: await reportMessage(desk, now, incident, step) }
  })
}

/**
 * Puts a report, and those about the same deployment that it changes: an earlier one of its incident loses its button to it, the
 * newest ones of other incidents point to it.
 */
export async function showReports(desk: IncidentDesk, id: string): Promise<void> {
  const report = await desk.reports.get(id)
  if (report === undefined) return
  const versions = await desk.reports.versions(report.deploymentId)
  const shown = versions.filter(({ status, verdict }) => status !== 'generating' || verdict !== undefined)
  const newest = new Map(shown.map((each) => [each.incident, each]))
  for (const each of shown) {
    const other = each.incident !== report.incident
    if (!other || (newest.get(each.incident) === each && each.verdict?.at === 'release'))
      await showReport(desk, each.id)
  }
}

/** A message of the n-th diagnosis in the incident's thread; `flow` is `<incident>/diagnosis-<n>`. */
export async function putInThread(
  desk: IncidentDesk,
  incident: Incident,
  flow: string,
  message: Message,
): Promise<void> {
  await queuePost(desk, { ...placeOf(incident), key: keyOf(incident.id, flow), message }, 'line')
}

function keyOf(incident: string, flow: string): string {
  return `${incident}/report/${/-(\d+)$/.exec(flow)?.[1] ?? '1'}`
}

function placeOf({ id, channel }: Incident): { channel: string; thread: string } {
  return { channel, thread: `${id}/card` }
}

async function rollbackOffer(
  desk: IncidentDesk,
  report: Report,
  incident: Incident,
): Promise<{ buttons: Button[]; why: string[] }> {
  const { release, why } = await offerOf(desk, report, incident)
  if (release === undefined) return { buttons: [], why }
  const { button, bound } = buttonFor(release, 'release.rollback', report.id)
  await desk.store.insert('buttons', button.id, bound as unknown as Json)
  return { buttons: [{ ...button, style: 'primary' }], why }
}

/** The release that a report is about: its incident may have been joined to another since. */
async function aboutOf(
  desk: IncidentDesk,
  { deploymentId }: Report,
  { release }: Incident,
): Promise<About | undefined> {
  return release?.id === deploymentId ? release : desk.releases.get(deploymentId)
}
type About = Pick<Release, 'id' | 'candidate'>

function titleOf({ verdict, id }: Report, { service, id: incident }: Incident, release: About | undefined): string {
  const subject = service ?? incident
  if (verdict === undefined) return `Diagnosis of ${subject}: report ${id}`
  if (verdict.at === 'release' && release !== undefined) {
    return `Diagnosis of ${subject}: release ${release.id} (${release.candidate}) did it`
  }
  if (verdict.at === 'unknown') return `Diagnosis of ${subject}: unknown whether the release did it`
  return `Diagnosis of ${subject}: not the release`
}

function verdictBlocks({ verdict }: Report): Block[] {
  if (verdict === undefined) return []
  const why = verdict.why
  const text =
    verdict.at === 'release'
      ? `The release did it: ${why}`
      : verdict.at === 'unknown'
        ? `Unknown whether the release did it: ${why}`
        : `Not the release: ${why}`
  const rows = verdict.checks.map((check) => [
    check.name,
    check.speaks === 'for' ? 'for the release' : check.speaks === 'against' ? 'against it' : 'says nothing',
    check.why,
  ])
  if (rows.length === 0) return [{ type: 'text', text }]
  return [
    { type: 'text', text },
    { type: 'table', caption: 'What speaks for the release as the cause', columns: ['check', 'speaks', 'why'], rows },
  ]
}

/** Each heading in 【】 begins a block of its own. */
function sectionsOf(content: string): string[] {
  return content
    .split(/(?=^[ \t]*【[^】\n]{1,40}】)/m)
    .map((text) => text.trim())
    .filter((text) => text !== '')
}

function marks({ queries, numbers }: Report): Block[] {
  const missing = numbers.filter(({ at }) => at === 'not found').map(({ text }) => text)
  const rows = queries
    .filter(({ at }) => at !== 'ok')
    .map(({ query, at, note }) => [query, at === 'empty' ? 'no data' : 'failed', note])
  const more = missing.length > NAMED ? ` … ${missing.length - NAMED}` : ''
  return [
    ...(missing.length === 0
      ? []
      : [
          {
            type: 'text' as const,
            text: `Not confirmed by any measurement: ${missing.slice(0, NAMED).join(', ')}${more}`,
          },
        ]),
    ...(rows.length === 0
      ? []
      : [
          {
            type: 'table' as const,
            caption: 'Queries of the report that gave nothing',
            columns: ['query', 'result', 'why'],
            rows,
          },
        ]),
  ]
}

function footer(report: Report): { label: string; value: string }[] {
  const { tokens, tools, numbers, queries } = report
  const total = tokens.input + tokens.cacheRead + tokens.cacheWrite + tokens.output
  const called = Object.entries(tools).map(([name, times]) => `${name} ×${times}`)
  const found = numbers.filter(({ at }) => at === 'found').length
  const answered = queries.filter(({ at }) => at === 'ok').length
  return [
    { label: 'report', value: report.id },
    { label: 'written by', value: writer(report) },
    { label: 'checked', value: `${answered}/${queries.length} queries, ${found}/${numbers.length} numbers` },
    ...(report.steps === 0
      ? []
      : [
          { label: 'steps', value: String(report.steps) },
          { label: 'tools', value: called.length === 0 ? 'none' : called.join(', ') },
          { label: 'tokens', value: `${total} (${tokens.cacheRead} from cache, ${tokens.output} written)` },
          { label: 'cost', value: report.cost === undefined ? 'unknown: set ai.prices' : `$${report.cost.toFixed(4)}` },
        ]),
    { label: 'took', value: formatDuration(report.seconds * 1000) },
  ]
}

function writer({ by, model, fellBack }: Report): string {
  if (by === 'model') return model ?? 'a model'
  return fellBack === undefined ? 'rules (no model configured)' : `rules, because the model gave no report: ${fellBack}`
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
