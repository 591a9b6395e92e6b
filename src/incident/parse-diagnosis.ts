import type { Parsed } from '../agent/loop.ts'
import { type Diagnosis, diagnosisSchema } from './report.ts'

const HEADINGS = [
  ['【问题概述】', '【根因分析】', '【影响范围】', '【解决方案】'],
  ['【Summary】', '【Root cause】', '【Impact】', '【Next steps】'],
]
const strictSchema = diagnosisSchema.strict()

/** What a model answered, as a diagnosis: exactly `promQL` and `content`, and in the content the four headings in order. */
export function parseDiagnosis(value: unknown): Parsed<Diagnosis> {
  const parsed = strictSchema.safeParse(value)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the object'}: ${message}`)
    return { ok: false, problems }
  }
  if (HEADINGS.some((headings) => inOrder(parsed.data.content, headings))) return { ok: true, value: parsed.data }
  const wanted = HEADINGS.map((headings) => headings.join(' ')).join(' or ')
  return { ok: false, problems: [`content: needs the headings ${wanted}, in this order, each on a line of its own`] }
}

function inOrder(content: string, headings: string[]): boolean {
  let from = 0
  for (const heading of headings) {
    const at = content.indexOf(heading, from)
    if (at === -1) return false
    from = at + heading.length
  }
  return true
}
