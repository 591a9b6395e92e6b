import type { Parsed } from '../agent/loop.ts'
import { type Diagnosis, diagnosisSchema } from './report.ts'

const HEADINGS = [
  ['【问题概述】', '【根因分析】', '【影响范围】', '【解决方案】'],
  ['【Summary】', '【Root cause】', '【Impact】', '【Next steps】'],
]
/** Letters and digits that a section has at least: as many as "None." has. */
const FEWEST = 4
/** A Chinese character says about as much as three letters. */
const HAN_COUNTS = 3
const strictSchema = diagnosisSchema.strict()

/**
 * What a model answered, as a diagnosis: exactly `promQL` and `content`, and in the content the four headings in order, each on a
 * line of its own with some words below it.
 */
export function parseDiagnosis(value: unknown): Parsed<Diagnosis> {
  const parsed = strictSchema.safeParse(value)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the object'}: ${message}`)
    return { ok: false, problems }
  }
  const sections = HEADINGS.map((headings) => ({ headings, below: sectionsOf(parsed.data.content, headings) })).find(
    ({ below }) => below !== undefined,
  )
  if (sections?.below === undefined) {
    const wanted = HEADINGS.map((headings) => headings.join(' ')).join(' or ')
    return { ok: false, problems: [`content: needs the headings ${wanted}, in this order, each on a line of its own`] }
  }
  const { headings, below } = sections
  const empty = headings.filter((_, index) => !saysSomething(below[index] ?? ''))
  if (empty.length === 0) return { ok: true, value: parsed.data }
  return { ok: false, problems: empty.map((heading) => `content: there has to be text below ${heading}`) }
}

/** What stands below each heading; undefined unless all stand on lines of their own, in this order. */
function sectionsOf(content: string, headings: string[]): string[] | undefined {
  const lines = content.split(/\r?\n/)
  const places: number[] = []
  for (const heading of headings) {
    const place = lines.findIndex((line, index) => index > (places.at(-1) ?? -1) && bare(line) === heading)
    if (place === -1) return undefined
    places.push(place)
  }
  return places.map((place, index) => lines.slice(place + 1, places[index + 1]).join('\n'))
}

/** Models like to set a heading in bold or as one of Markdown. */
function bare(line: string): string {
  return line.replace(/^[\s#*]+|[\s*:：]+$/g, '')
}

function saysSomething(text: string): boolean {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0
  const all = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0
  return all + han * (HAN_COUNTS - 1) >= FEWEST
}
