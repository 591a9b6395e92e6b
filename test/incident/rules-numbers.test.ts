import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { citedIn, confirms } from '../../src/incident/cited-numbers.ts'
import { evidenceOf } from '../../src/incident/evidence.ts'
import { judge } from '../../src/incident/judge.ts'
import { diagnosisSchema } from '../../src/incident/report.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import type { Signal, Survey } from '../../src/incident/survey.ts'
import type { Verdict } from '../../src/incident/verdict.ts'
import { type Case, episode, incident, surveys } from './rules-cases.ts'
import { survey, T } from './survey-kit.ts'

/** Numbers of a report that the check before posting would not find in the survey. */
function notFound(given: Survey, verdict: Verdict, language: 'en' | 'zh'): string[] {
  const [about, episodes] = [incident(), [episode()]]
  const { content } = reportByRules(given, verdict, about, episodes, language)
  const evidence = evidenceOf({ survey: given, verdict, incident: about, episodes, answers: [], calls: [] })
  return citedIn(content)
    .filter((cited) => !confirms(evidence, cited))
    .map(({ text }) => text)
}

const units = {
  error_rate: { name: 'Error Rate', unit: 'ratio', most: 1 },
  latency: { name: 'Latency', unit: 'seconds', most: 30 },
  traffic: { name: 'Traffic', unit: 'per_second', most: 5000 },
  cpu: { name: 'CPU', unit: 'cores', most: 64 },
  memory: { name: 'Memory', unit: 'bytes', most: 2e11 },
  up: { name: 'Up', unit: 'count', most: 1 },
  alert: { name: 'Alert', unit: 'count', most: 1e4 },
} as const

const anySignal = fc
  .record({
    key: fc.constantFrom(...(Object.keys(units) as Signal['key'][])),
    neighbour: fc.constantFrom('downstream' as const, 'upstream' as const, undefined),
    hosts: fc.array(
      fc.record({
        group: fc.constantFrom('upgraded' as const, 'waiting' as const, 'other' as const),
        values: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }),
        jump: fc.constantFrom(1, 1, 10, 0.1),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ key, neighbour, hosts }): Signal => {
    const { name, unit, most } = units[key]
    const role = neighbour ?? (key === 'alert' ? 'alert' : 'service')
    const service = role === 'downstream' ? 'store' : role === 'upstream' ? 'web' : 'shop'
    return {
      ...{ service, role, key, name, unit, query: `${key} of ${service}` },
      hosts: hosts.map(({ group, values, jump }, n) => ({
        host: `h${n}`,
        group,
        ...(group === 'upgraded' ? { deployedAt: T.deploy } : {}),
        points: values.map((value, at): [number, number] => {
          const time = T.onset + (at - 6) * T.step
          return [time, value * most * (time >= T.onset ? jump : 1)]
        }),
      })),
    }
  })

const down = fc.record({
  service: fc.constantFrom('shop', 'store', 'web'),
  host: fc.constantFrom('h0', 'h1', 's1'),
  since: fc.integer({ min: 300, max: 600 }),
})

const anySurvey = fc
  .record({
    signals: fc.array(anySignal, { maxLength: 8 }),
    down: fc.array(down, { maxLength: 4 }),
    onsetFrom: fc.constantFrom('series' as const, 'alert' as const),
    expired: fc.array(fc.constant({ name: 'shop.example.com', at: 400 }), { maxLength: 1 }),
    gaps: fc.array(fc.constantFrom('No Prometheus is configured.', 'Latency could not be asked.'), { maxLength: 2 }),
    released: fc.boolean(),
    named: fc.boolean(),
  })
  .map(({ released, named, ...part }) =>
    survey({ ...part, ...(released ? {} : { release: undefined }), ...(named ? {} : { service: undefined }) }),
  )

describe('the numbers of a report by the rules', () => {
  test.each(Object.keys(surveys) as Case[])('are all found in the survey: %s', (name) => {
    for (const language of ['en', 'zh'] as const) {
      const { content } = reportByRules(surveys[name], judge(surveys[name]), incident(), [episode()], language)
      if (surveys[name].signals.length > 0) expect(citedIn(content).length).toBeGreaterThan(0)
      expect(notFound(surveys[name], judge(surveys[name]), language)).toEqual([])
    }
  })

  test('are all found in the survey, whatever it holds, and the report keeps its form', () => {
    fc.assert(
      fc.property(anySurvey, fc.constantFrom('en' as const, 'zh' as const), (given, language) => {
        const verdict = judge(given)
        const report = reportByRules(given, verdict, incident(), [episode()], language)
        expect(diagnosisSchema.safeParse(report).success).toBe(true)
        expect(report.content).not.toMatch(/NaN|undefined|Infinity/)
        expect(report.content.match(/^【/gm)).toHaveLength(4)
        expect(notFound(given, verdict, language)).toEqual([])
        const asked = new Set(given.signals.map(({ query }) => query))
        expect(report.promQL.every((query) => asked.has(query))).toBe(true)
        if (verdict.at !== 'release') expect(report.content).not.toMatch(/Press Roll back|点击下方“回滚”/)
      }),
      { numRuns: 400 },
    )
  })

  test('a number that is not in the survey would be noticed', () => {
    const wrong: Verdict = { at: 'unknown', why: 'too few samples', checks: [] }
    const evidence = evidenceOf({
      ...{ survey: surveys['a bad canary'], verdict: wrong, incident: incident(), episodes: [] },
      ...{ answers: [], calls: [] },
    })
    expect(citedIn('Error Rate is 37.3 %.').every((cited) => confirms(evidence, cited))).toBe(false)
  })
})
