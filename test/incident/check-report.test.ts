import { describe, expect, it, test } from 'vitest'
import { checkReport } from '../../src/incident/check-report.ts'
import { judge } from '../../src/incident/judge.ts'
import { checkPromql } from '../../src/incident/promql-check.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Series } from '../../src/ports/metrics.ts'
import { anIncident } from './an-incident.ts'
import { metricsOf } from './metrics-by-query.ts'
import { signal, survey, T } from './survey-kit.ts'

const seen = survey({
  signals: [signal({ level: (at, host) => (at >= T.onset && ['h1', 'h2'].includes(host) ? 0.183 : 0.002) })],
})
const check = (
  content: string,
  promQL: string[] = [],
  answers: Parameters<typeof metricsOf>[0] = {},
  calls: { name: string; text: string; arguments?: string }[] = [],
) =>
  checkReport(
    { metrics: metricsOf(answers) },
    {
      diagnosis: { promQL, content },
      survey: seen,
      verdict: judge(seen),
      incident: anIncident(),
      episodes: [],
      calls: calls.map((call) => ({ step: 1, arguments: '{}', failed: false, empty: false, refused: false, ...call })),
    },
  )

describe('the queries of a report', () => {
  const series = (...points: [number, number][]): Series[] => [{ labels: { host: 'h1' }, points }]
  test.each<[string, string, Series[] | Fault, { at: string; note: RegExp }]>([
    ['that give something', 'rate(x[1m])', series([590, 1]), { at: 'ok', note: /^1 series$/ }],
    ['that give nothing', 'rate(y[1m])', [], { at: 'empty', note: /^no data$/ }],
    [
      'that give NaN only',
      'rate(z[1m])',
      series([590, Number.NaN], [600, Number.POSITIVE_INFINITY]),
      { at: 'empty', note: /no number/ },
    ],
    [
      'that are refused with 422',
      'sum(x) by (a, b)',
      new Fault('metrics.refused', { say: 'Prometheus refused the query: 422.' }),
      { at: 'failed', note: /422/ },
    ],
    [
      'while Prometheus answers 503',
      'up',
      new Fault('metrics.unreachable', { say: 'HTTP 503', retry: true }),
      { at: 'failed', note: /503/ },
    ],
    ['with a range on top', 'x[5m]', series([600, 1]), { at: 'ok', note: /^1 series$/ }],
  ])('%s are marked so', async (_, query, answer, expected) => {
    const { queries } = await check('【Summary】', [query], { [query]: answer })
    expect(queries).toEqual([{ query, at: expected.at, note: expect.stringMatching(expected.note) }])
  })

  it.each(['vector(0.731)', '0.731', 'time()'])(
    'that select no series are not sent, and prove nothing: %s',
    async (query) => {
      const { queries, answers, numbers } = await check('it is 73.1 %', [query], { [query]: series([590, 0.731]) })
      expect(queries).toEqual([{ query, at: 'failed', note: 'selects no series' }])
      expect(answers).toEqual([])
      expect(numbers).toEqual([{ text: '73.1 %', at: 'not found' }])
    },
  )

  it('that do not parse are not sent, and their mistake is named', async () => {
    const metrics = metricsOf({})
    const diagnosis = { promQL: ['sum(rate(x[5m])', 'hello world', 'up'], content: 'x' }
    const { queries } = await checkReport(
      { metrics },
      { diagnosis, survey: seen, verdict: judge(seen), incident: anIncident(), episodes: [], calls: [] },
    )
    expect(queries.map(({ at }) => at)).toEqual(['failed', 'failed', 'empty'])
    expect(queries[1]?.note).toBe('syntax error at character 7 near world')
    expect(metrics.asked).toEqual(['up'])
  })

  it('fail when there is no Prometheus, and nothing is thrown', async () => {
    const diagnosis = { promQL: ['up'], content: '57 %' }
    const result = await checkReport(
      { metrics: undefined },
      { diagnosis, survey: seen, verdict: judge(seen), incident: anIncident(), episodes: [], calls: [] },
    )
    expect(result).toEqual({
      queries: [{ query: 'up', at: 'failed', note: 'no Prometheus is configured' }],
      numbers: [{ text: '57 %', at: 'not found' }],
      answers: [],
    })
  })
})

describe('the numbers of a report', () => {
  const marks = async (...args: Parameters<typeof check>) =>
    (await check(...args)).numbers.map(({ text, at }) => `${text} ${at}`)

  it('are found in the survey, as they were before and since the onset', async () => {
    expect(await marks('from 0.2 % to 18 %, and not 42 %')).toEqual(['0.2 % found', '18 % found', '42 % not found'])
  })
  it('are found as times between the moments of the incident', async () => {
    expect(await marks('10 s after the deploy; 200 s later; 77 s')).toEqual([
      '10 s found',
      '200 s found',
      '77 s not found',
    ])
  })
  it('are found as counts of hosts and series', async () => {
    expect(await marks('2 hosts have it of 4; 9 do not')).toEqual(['2 found', '4 found', '9 not found'])
  })
  it('are found in the answers of the report own queries', async () => {
    const answers = { wait_seconds: [{ labels: {}, points: [[500, 0.7775]] as [number, number][] }] }
    expect(await marks('it is 777.5 ms', ['wait_seconds'], answers)).toEqual(['777.5 ms found'])
    expect(await marks('it is 777.5 ms')).toEqual(['777.5 ms not found'])
  })
  it('are found in what metric tools said; what other tools say is no measurement', async () => {
    expect(
      await marks('it is 33.25 %', [], {}, [
        { name: 'execute_query', arguments: '{"query":"errors_ratio"}', text: '{"value": [1, "0.3325"]}' },
      ]),
    ).toEqual(['33.25 % found'])
    expect(await marks('it is 33.25 %', [], {}, [{ name: 'pull_request_read', text: 'the rate is 0.3325' }])).toEqual([
      '33.25 % not found',
    ])
    expect(await marks('it changes 33 files', [], {}, [{ name: 'pull_request_read', text: '33 files' }])).toEqual([
      '33 found',
    ])
  })
  it('are found as factors between what was measured', async () => {
    expect((await marks('91.5 times as many, 14 times as many')).map((mark) => mark.split(' ').at(-2))).toEqual([
      'times',
      'not',
    ])
  })
})

test.each<[string, boolean]>([
  ['up', true],
  ['sum by (host) (rate(http_requests_total{code=~"5.."}[1m])) / ignoring(code) sum(rate(x[1m]))', true],
  ['histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m] offset 1h)))', true],
  ['up{job="a}', false],
  ['', false],
  ['DROP TABLE users', false],
  ['{{placeholder}}', false],
])('PromQL %j parses: %s', (query, ok) => {
  expect(checkPromql(query).ok).toBe(ok)
})
