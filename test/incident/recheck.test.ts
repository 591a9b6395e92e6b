import { afterEach, describe, expect, it, test } from 'vitest'
import { recheck } from '../../src/incident/recheck.ts'
import type { Signal } from '../../src/incident/survey.ts'
import { translate } from '../../src/lib/catalogue/translate.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Metrics, Series } from '../../src/ports/metrics.ts'
import { scriptedModel } from '../agent/loop-kit.ts'
import { type DiagnosisWorld, diagnosisWorld, guilty } from './diagnosis-kit.ts'
import { metricsOf } from './metrics-by-query.ts'
import { signal, T } from './survey-kit.ts'

const content = '【Summary】\nErrors.\n【Root cause】\nUnknown.\n【Impact】\nUnknown.\n【Next steps】\nLook.'
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
    expect(found.why).toMatch(/^errors on h1 is at .*, was 0.183 in the trouble and 0.002 before it$/)
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
    expect(await look(then, { 'errors > 0.05': [] })).toEqual({
      at: 'recovered',
      why: 'the condition on errors gives 0 series, gave 1 in the trouble and none before it',
    })
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
      why: 'HighErrorRate on h1 is at 18 %, was 18.3 % in the trouble and 0.2 % before it',
    })
  })
})

describe('what it says', () => {
  const RATE = `sum by (host) (rate(http_requests_total{job="shop",code=~"5.."}[1m])) / sum by (host) (rate(http_requests_total{job="shop"}[1m]))`
  const bad = (normal: number, trouble: number, on = ['h1']) =>
    signal({ query: RATE, level: (at, host) => (at >= T.onset && on.includes(host) ? trouble : normal) })
  const errors = bad(0, 0.081)
  const at = (query: string, values: Record<string, number>) => ({
    [query]: Object.entries(values).map(([host, value]) => series({ host }, [1000, value])),
  })
  const then = { [RATE]: [course({ host: 'h1' }, 0, 0.081)] }
  const of = (...signals: Signal[]) => ({ ...guilty, signals })

  it('names a signal of the survey as people know it, on its host, in its unit', async () => {
    expect(await look(then, at(RATE, { h1: 0, h2: 0, h3: 0, h4: 0 }), of(errors))).toEqual({
      at: 'recovered',
      why: expect.stringMatching(
        /^Error Rate on h1 is at 0 %, was 8\.\d+ % in the trouble and 0 % before it$/,
      ) as unknown as string,
    })
  })

  it('does so in Chinese', async () => {
    const { why } = await look(then, at(RATE, { h1: 0 }), of(errors))
    expect(translate(`Recovered after R-7 was rolled back: ${why}; ${why}`, 'zh')).toMatch(
      /^R-7 回滚后已恢复：(h1 的错误率现为 0 %，故障期间为 8\.\d+ %，之前为 0 %[；]?){2}$/,
    )
  })

  it('never cites a query: what is no signal goes by its metrics', async () => {
    const query = `sum by (host) (rate(http_requests_total{code=~"5.."}[2m])) / ignoring(code) sum by (host) (rate(http_all_total[2m]))`
    const { why } = await look({ [query]: [course({ host: 'h1' }, 0, 0.081)] }, at(query, { h1: 0 }))
    expect(why).toBe('http_requests_total, http_all_total on h1 is at 0, was 0.081 in the trouble and 0 before it')
    await world.close()
    const vector = await look({ '{job="shop"}': [course({}, 0, 1)] }, { '{job="shop"}': [series({}, [1000, 0])] })
    expect(vector.why).toBe('a query of the report is at 0, was 1 in the trouble and 0 before it')
  })

  it('names three series at most, the alert and signals before other queries', async () => {
    const alert = { ...bad(0.001, 0.2), role: 'alert' as const, key: 'alert' as const, name: 'ShopErrors', query: 'a' }
    const second = { ...bad(0.001, 0.3), name: 'Other Rate', query: 'b' }
    const queries = { x: then[RATE] ?? [], b: then[RATE] ?? [], ...then, y: then[RATE] ?? [] }
    const calm = { h1: 0, h2: 0, h3: 0, h4: 0 }
    const now = { ...at('a', calm), ...at('b', calm), ...at('x', calm), ...at('y', calm), ...at(RATE, calm) }
    const { why } = await look(queries, now, of(alert, errors, second))
    expect(why.split('; ').map((each) => each.replace(/ on .*/, ''))).toEqual([
      'ShopErrors',
      'Error Rate',
      'Other Rate',
    ])
  })

  it('tells the alert once when a signal says the same', async () => {
    const alert = { ...errors, role: 'alert' as const, key: 'alert' as const, name: 'ShopErrors', query: 'a' }
    const now = { ...at('a', { h1: 0, h2: 0 }), ...at(RATE, { h1: 0, h2: 0 }) }
    expect((await look(then, now, of(alert, errors))).why).toMatch(
      /^Error Rate on h1 is at 0 %, was [\d.]+ % in the [^;]*$/,
    )
  })

  it('is of the host that was worst, when all are back', async () => {
    const both = signal({
      query: RATE,
      level: (time, host) => (time < T.onset ? 0.001 : host === 'h2' ? 0.3 : host === 'h1' ? 0.08 : 0.001),
    })
    expect((await look(then, at(RATE, { h1: 0.001, h2: 0.001 }), of(both))).why).toMatch(
      /^Error Rate on h2 is at 0.1 %/,
    )
    await world.close()
    const found = await look(then, at(RATE, { h1: 0.08, h2: 0.001 }), of(both))
    expect(found).toMatchObject({ at: 'not recovered', why: expect.stringMatching(/^Error Rate on h1 is at 8 %/) })
  })

  it('leaves out a host whose signal moved within its noise, or for the better', async () => {
    const level = (time: number, host: string) => {
      if (host === 'h1') return time < T.onset ? 0.001 : 0.08
      if (host === 'h2') return time < T.onset ? 0.001 : 0.0014
      return time < T.onset ? 0.05 : 0.001
    }
    const now = at(RATE, { h1: 0.001, h2: 0.0014, h3: 0.001, h4: 0.001 })
    expect((await look(then, now, of(signal({ query: RATE, level })))).at).toBe('recovered')
  })

  it('adds up several series of a host, as the survey does', async () => {
    const now = { [RATE]: [1, 2].map((n) => series({ host: 'h1', path: `/${n}` }, [1000, 0.04])) }
    expect((await look(then, now, of(errors))).why).toMatch(/^Error Rate on h1 is at 8 %/)
  })
})

describe('what it does not take for a recovery', () => {
  const LIMITED = 'alert_errors'
  const alerting = (normal: number | undefined, trouble: number, more: Partial<Signal> = {}): Signal => {
    const level = (time: number, host: string) => (time >= T.onset && host === 'h1' ? trouble : (normal ?? 0))
    const whole = signal({ role: 'alert', key: 'alert', name: 'HighErrorRate', query: LIMITED, level, ...more })
    if (normal !== undefined) return whole
    const since = (points: Signal['hosts'][number]['points']) => points.filter(([time]) => time >= T.onset)
    return { ...whole, hosts: whole.hosts.map((each) => ({ ...each, points: since(each.points) })) }
  }
  const limited = (normal: number | undefined, trouble: number, limit = 0.05, bad: 'up' | 'down' = 'up') =>
    alerting(normal, trouble, { limit, bad })
  const of = (...signals: Signal[]) => ({ ...guilty, signals })
  const on = (values: Record<string, number>) => Object.entries(values).map(([host, v]) => series({ host }, [1000, v]))

  test.each<[string, Signal, Record<string, number>, string, string]>([
    [
      'most of the way back, beyond its limit',
      limited(0.002, 0.9),
      { h1: 0.2, h2: 0.002 },
      'not recovered',
      'its limit is 5 %',
    ],
    ['back and within its limit', limited(0.002, 0.9), { h1: 0.01, h2: 0.002 }, 'recovered', 'at 1 %'],
    ['at its limit', limited(0.002, 0.9), { h1: 0.05, h2: 0.002 }, 'not recovered', 'its limit is 5 %'],
    ['at a limit where it was before', limited(0, 10, 0), { h1: 0, h2: 0 }, 'recovered', 'at 0 %'],
    [
      'just above a limit where it was before',
      limited(0, 10, 0),
      { h1: 0.1, h2: 0 },
      'not recovered',
      'its limit is 0 %',
    ],
    ['beyond a limit that it always passed', limited(0.2, 0.9), { h1: 0.21, h2: 0.2 }, 'recovered', 'at 21 %'],
    ['below a lowest value', limited(1, 0.1, 0.95, 'down'), { h1: 0.9, h2: 1 }, 'not recovered', 'its limit is 95 %'],
    ['above a lowest value', limited(1, 0.1, 0.5, 'down'), { h1: 0.99, h2: 1 }, 'recovered', 'at 99 %'],
    ['within the limit, unknown before', limited(undefined, 0.9), { h1: 0.01, h2: 0 }, 'recovered', 'its limit is 5 %'],
    [
      'beyond the limit, unknown before',
      limited(undefined, 0.9),
      { h1: 0.2, h2: 0 },
      'not recovered',
      'its limit is 5 %',
    ],
    ['gone, there before', limited(0.002, 0.9), { h2: 0.002, h3: 0, h4: 0 }, 'unknown', 'h1 has no data now, was 9'],
    ['the last that is left of another host', limited(0.002, 0.9), { h2: 0.002 }, 'unknown', 'h1 has no data now'],
    ['gone, not there before either', limited(undefined, 0.9), { h2: 0 }, 'recovered', 'h1 has no data, as before'],
  ])('an alert whose series is %s', async (_, alert, now, at, words) => {
    const found = await look({}, { [LIMITED]: on(now) }, of(alert))
    expect(found).toEqual({ at, why: expect.stringContaining(words) as unknown as string })
    expect(translate(`Recovered after R-7 was rolled back: ${found.why}`, 'zh')).toMatch(
      /HighErrorRate ?(现|没有|现无)/,
    )
  })

  const errors = (normal: number | undefined) =>
    alerting(normal, 0.3, { role: 'service', key: 'error_rate', query: 'ratio' })
  test.each<[string, Record<string, number>, string]>([
    ['still bad', { h1: 0.3 }, 'not recovered'],
    ['nearly nought', { h1: 0.01 }, 'recovered'],
    ['gone again', {}, 'recovered'],
  ])('a share of errors that had no points before the trouble, %s', async (_, now, at) => {
    const asked = { ratio: [course({ host: 'h1' }, 0, 0.3)] }
    expect((await look(asked, { ratio: on(now) }, of(errors(undefined)))).at).toBe(at)
  })

  it('a series that names another host is not that of the one that is gone; one that names none is', async () => {
    const alone = alerting(0.002, 0.9, { limit: 0.05, on: ['h1'], off: [] } as Partial<Signal>)
    expect((await look({}, { [LIMITED]: on({ h2: 0.002 }) }, of(alone))).at).toBe('unknown')
    await world.close()
    expect((await look({}, { [LIMITED]: [series({}, [1000, 0.002])] }, of(alone))).at).toBe('recovered')
  })

  it('a host that is gone while another is still bad is not recovered', async () => {
    const both = { errors: [course({ host: 'h1' }, 0.002, 0.2), course({ host: 'h2' }, 0.002, 0.2)] }
    expect((await look(both, { errors: on({ h2: 0.2 }) })).at).toBe('not recovered')
    await world.close()
    expect(await look(both, { errors: on({ h2: 0.002 }) })).toEqual({
      at: 'unknown',
      why: 'errors on h1 has no data now, was 0.2 in the trouble',
    })
  })

  it('what only the version taken back had is told by what is left', async () => {
    const then = [course({ version: 'v1.1.0' }, 0.002, 0.2), course({ version: 'v1.0.0' }, 0.002, 0.002)]
    expect((await look({ errors: then }, { errors: [series({ version: 'v1.0.0' }, [1000, 0.002])] })).at).toBe(
      'recovered',
    )
    await world.close()
    expect((await look({ errors: then }, { errors: [series({ version: 'v1.0.0' }, [1000, 0.2])] })).at).toBe(
      'not recovered',
    )
    await world.close()
    const ofVersion = series({ host: 'h1', version: 'v1.1.0' }, [T.onset + 10, 0.2], [T.onset + 20, 0.2])
    expect((await look({ errors: [ofVersion] }, { errors: [] })).at).toBe('unknown')
  })

  it('one of two queries that is not answered makes it unknown, unless the other is bad', async () => {
    const away = new Fault('metrics.unreachable', { say: 'Prometheus answered 503.', retry: true })
    const then = { a: [course({ host: 'h1' }, 0, 0.2)], b: [course({ host: 'h1' }, 0, 0.2)] }
    expect(await look(then, { a: on({ h1: 0 }), b: away })).toEqual({ at: 'unknown', why: 'Prometheus answered 503.' })
    await world.close()
    expect((await look(then, { a: on({ h1: 0.2 }), b: away })).at).toBe('not recovered')
  })

  const growing = (from: number) => [
    series({ host: 'h1' }, ...Array.from({ length: 30 }, (_, n): [number, number] => [n * 20, from + n * 100])),
  ]
  const rate = 'rate(http_errors_total[1m])'
  test.each<[string, string, Series[], string]>([
    ['goes on growing', 'http_errors_total', on({ h1: 9000 }), 'recovered'],
    ['grows, summed up', 'sum by (host) (http_errors_total)', on({ h1: 9000 }), 'recovered'],
    ['is no counter, and grows', 'process_open_fds', on({ h1: 9000 }), 'not recovered'],
    ['grows ever faster', 'increase(http_errors_total[5m])', on({ h1: 9000 }), 'not recovered'],
  ])('a query that %s: %s', async (_, query, now, at) => {
    const then = { [rate]: [course({ host: 'h1' }, 0.1, 20)], [query]: growing(1000) }
    expect((await look(then, { [rate]: on({ h1: 0.1 }), [query]: now })).at).toBe(at)
  })

  it('a counter alone tells nothing, also when its process began anew', async () => {
    for (const value of [9000, 3]) {
      expect((await look({ http_errors_total: growing(1000) }, { http_errors_total: on({ h1: value }) })).at).toBe(
        'unknown',
      )
      await world.close()
    }
  })
})
