import { afterEach, describe, expect, it, test } from 'vitest'
import { recheck } from '../../src/incident/recheck.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Metrics, Series } from '../../src/ports/metrics.ts'
import { scriptedModel } from '../agent/loop-kit.ts'
import { type DiagnosisWorld, diagnosisWorld, guilty } from './diagnosis-kit.ts'
import { metricsOf } from './metrics-by-query.ts'
import { signal, T } from './survey-kit.ts'

const content = '【Summary】\nx\n【Root cause】\nx\n【Impact】\nx\n【Next steps】\nx'
const series = (labels: Record<string, string>, ...points: [number, number][]): Series => ({ labels, points })
const course = (labels: Record<string, string>, before: number, since: number): Series =>
  series(labels, ...Array.from({ length: 30 }, (_, n): [number, number] => [n * 20, n * 20 < T.onset ? before : since]))

let world: DiagnosisWorld
afterEach(() => world?.close())

/** A report on these queries, then the look after the rollback with what they give then. */
async function look(
  then: Record<string, Series[]>,
  now: Record<string, Series[] | Fault>,
  survey = { ...guilty, signals: [] as typeof guilty.signals },
) {
  let answers: Record<string, Series[] | Fault> = then
  const metrics: Metrics = {
    ...metricsOf({}),
    range: (...args) => metricsOf(answers).range(...args),
    instant: (...args) => metricsOf(answers).instant(...args),
  }
  const model = scriptedModel([{ text: JSON.stringify({ promQL: Object.keys(then), content }) }])
  world = await diagnosisWorld({ parts: { model }, metrics, story: { readSurvey: async () => survey } })
  await world.incident()
  await world.diagnose()
  answers = now
  return recheck(world.desk, 'R-7/1')
}

describe('after a rollback', () => {
  const bad = [course({ host: 'h1' }, 0.002, 0.183), course({ host: 'h3' }, 0.002, 0.002)]
  test.each<[string, number, string]>([
    ['is back where it was', 0.002, 'recovered'],
    ['is nearly back', 0.03, 'recovered'],
    ['is better than before', 0, 'recovered'],
    ['is half way back', 0.09, 'not recovered'],
    ['is as bad as before', 0.19, 'not recovered'],
  ])('a series that %s: %s', async (_, value, at) => {
    const found = await look(
      { errors: bad },
      { errors: [series({ host: 'h1' }, [1000, value]), series({ host: 'h3' }, [1000, 0.002])] },
    )
    expect(found.at).toBe(at)
    expect(found.why).toMatch(/errors is at .*, was 0.183 in the trouble and 0.002 before it/)
  })

  it('one series that is still bad is enough', async () => {
    const both = [course({ host: 'h1' }, 0.002, 0.2), course({ host: 'h2' }, 0.002, 0.2)]
    const found = await look(
      { errors: both },
      { errors: [series({ host: 'h1' }, [1000, 0.002]), series({ host: 'h2' }, [1000, 0.2])] },
    )
    expect(found.at).toBe('not recovered')
  })

  it('a fall is taken back as a rise is', async () => {
    const fell = [course({ host: 'h1' }, 100, 20)]
    expect((await look({ traffic: fell }, { traffic: [series({ host: 'h1' }, [1000, 98])] })).at).toBe('recovered')
    await world.close()
    expect((await look({ traffic: fell }, { traffic: [series({ host: 'h1' }, [1000, 25])] })).at).toBe('not recovered')
  })

  it('series whose labels changed with the version are compared as a whole', async () => {
    const found = await look(
      { errors: [course({ version: 'v1.1.0' }, 0.002, 0.2)] },
      { errors: [series({ version: 'v1.0.0' }, [1000, 0.003])] },
    )
    expect(found.at).toBe('recovered')
  })

  it('a condition that gives nothing again is recovered', async () => {
    const then = { 'errors > 0.05': [series({ host: 'h1' }, [500, 0.2], [520, 0.2])] }
    expect((await look(then, { 'errors > 0.05': [] })).at).toBe('recovered')
    await world.close()
    expect((await look(then, { 'errors > 0.05': [series({ host: 'h1' }, [1000, 0.2])] })).at).toBe('not recovered')
  })

  test.each<[string, Record<string, Series[] | Fault>]>([
    ['nothing is answered', { errors: [] }],
    ['only NaN is answered', { errors: [series({ host: 'h1' }, [1000, Number.NaN])] }],
    ['Prometheus is away', { errors: new Fault('metrics.unreachable', { say: 'Prometheus is away.', retry: true }) }],
  ])('it is unknown when %s', async (_, now) => {
    expect((await look({ errors: bad }, now)).at).toBe('unknown')
  })

  it('it is unknown when no query saw anything change, and without a report', async () => {
    const calm = { errors: [course({ host: 'h1' }, 0.2, 0.2)] }
    expect((await look(calm, calm)).at).toBe('unknown')
    expect(await recheck(world.desk, 'R-7/9')).toMatchObject({ at: 'unknown' })
  })

  it("the alert's own expression counts, host by host, in its unit", async () => {
    const alert = signal({
      role: 'alert',
      key: 'alert',
      name: 'HighErrorRate',
      query: 'errors',
      level: (at, host) => (at >= T.onset && host === 'h1' ? 0.183 : 0.002),
    })
    const survey = { ...guilty, signals: [alert] }
    const now = {
      errors: [series({ instance: '10.0.0.1:9100' }, [1000, 0.18]), series({ instance: 'h2' }, [1000, 0.002])],
    }
    const found = await look({}, now, survey)
    expect(found).toEqual({
      at: 'not recovered',
      why: 'the alert is at 18 %, was 18.3 % in the trouble and 0.2 % before it',
    })
  })
})
