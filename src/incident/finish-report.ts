import { randomBytes } from 'node:crypto'
import { asFault } from '../lib/fault.ts'
import { median } from '../lib/statistics.ts'
import { episodesOf } from './alert.ts'
import { chartsOf } from './charts-of.ts'
import { checkReport } from './check-report.ts'
import type { Answered } from './evidence.ts'
import { type KeptAnswers, keptOf, replace } from './kept.ts'
import type { Report } from './report.ts'
import type { Verdict } from './verdict.ts'
import { surveyOf, type Work, type Written } from './write-report.ts'

const PICTURES = 3
const SERIES_KEPT = 50

/** Runs the report's queries, looks its numbers up, and notes what came of it; the answers are kept for the look after a rollback. */
export async function checkWritten(work: Work, verdict: Verdict, { diagnosis, calls }: Written): Promise<void> {
  const { desk, id } = work
  const survey = await surveyOf(work)
  const incident = await desk.incidents.need(work.incident)
  const episodes = await episodesOf(desk.store, incident.id)
  const { queries, numbers, answers } = await checkReport(desk, {
    diagnosis,
    survey,
    verdict,
    incident,
    episodes,
    calls,
  })
  await keptOf(desk.store).putAnswers(
    id,
    answers.map((answered) => summaryOf(answered, survey.onset)),
  )
  await desk.reports.update(id, (report) => ({
    ...report,
    queries: queries.map((each) => ({ ...each, note: desk.redact(each.note) })),
    numbers,
  }))
}

/** Medians before and since the onset. */
export function summaryOf({ query, series }: Answered, onset: number): KeptAnswers[number] {
  const middle = (points: [number, number][]) => (points.length === 0 ? null : median(points.map(([, value]) => value)))
  return {
    query,
    series: series.slice(0, SERIES_KEPT).map(({ labels, points }) => ({
      labels,
      before: middle(points.filter(([at]) => at < onset)),
      since: middle(points.filter(([at]) => at >= onset)),
      last: points.at(-1)?.[1] ?? null,
    })),
  }
}

/** Nobody can guess them: whoever has an id may see the picture. */
export function newPictureIds(): string[] {
  return Array.from({ length: PICTURES }, () => randomBytes(16).toString('hex'))
}

/** Draws the charts of the survey. One that cannot be drawn is left out: the report stands without it. */
export async function drawCharts(work: Work, ids: string[]): Promise<void> {
  const { desk, id } = work
  const pictures: Report['pictures'] = []
  for (const [index, { chart, alt }] of chartsOf(await surveyOf(work), desk.language).entries()) {
    const picture = ids[index]
    if (picture === undefined) break
    try {
      const { png, width, height } = await desk.pictures.draw(chart)
      const base64 = Buffer.from(png).toString('base64')
      await replace(desk.store, 'pictures', picture, { png: base64, width, height, alt })
      pictures.push({ id: picture, alt, width, height })
    } catch (error) {
      const fault = asFault(error)
      if (fault.code.startsWith('store.')) throw fault
      desk.log.warn({ report: id, code: fault.code }, 'chart not drawn')
    }
  }
  await desk.reports.update(id, (report) => ({ ...report, pictures }))
}

export async function complete({ desk, id, begun }: Work): Promise<void> {
  const now = desk.clock()
  await desk.reports.update(id, (report) => ({
    ...report,
    status: 'completed',
    updatedTime: now.toISOString(),
    seconds: Math.max(0, (now.getTime() - begun.getTime()) / 1000),
  }))
}
