import { describe, expect, it, test } from 'vitest'
import type { CallRecord } from '../../src/agent/loop.ts'
import type { Episode } from '../../src/incident/alert.ts'
import { citedIn, confirms, type Evidence } from '../../src/incident/cited-numbers.ts'
import { type Answered, evidenceOf } from '../../src/incident/evidence.ts'
import { judge } from '../../src/incident/judge.ts'
import { episode, incident } from './rules-cases.ts'
import { signal, survey, T } from './survey-kit.ts'

const errors =
  'sum by (host) (rate(http_requests_total{code=~"5.."}[1m])) / sum by (host) (rate(http_requests_total[1m]))'
const canary = (host: string) => ['h1', 'h2'].includes(host)
/** Up to a tenth more or less, as measured values are; the medians stay where they are. */
const noisy = (at: number, host: string) => 1 + 0.1 * Math.sin(at * 7.3 + host.charCodeAt(1))
/** What a service with a bad canary and its neighbours look like: ten metrics of four hosts. */
const ordinary = survey({
  signals: [
    signal({ query: errors, level: (at, host) => (at >= T.onset && canary(host) ? 0.08 : 0.001) }),
    signal({
      ...{ key: 'latency', name: 'Latency', unit: 'seconds', query: 'latency' },
      level: (at, host) => (at >= T.onset && canary(host) ? 1.25 : 0.25),
    }),
    signal({
      key: 'traffic',
      name: 'Traffic',
      unit: 'per_second',
      query: 'traffic',
      level: (at, host) => 41 * noisy(at, host),
    }),
    signal({ key: 'cpu', name: 'CPU', unit: 'cores', query: 'cpu', level: (at, host) => 0.7 * noisy(at, host) }),
    signal({
      key: 'memory',
      name: 'Memory',
      unit: 'bytes',
      query: 'memory',
      level: (at, host) => 512e6 * noisy(at, host),
    }),
    signal({
      key: 'cpu',
      name: 'Machine CPU',
      unit: 'ratio',
      query: 'busy',
      level: (at, host) => 0.31 * noisy(at, host),
    }),
    signal({ service: 'store', role: 'downstream', query: 'store errors', level: () => 0.002 }),
    signal({
      ...{
        service: 'store',
        role: 'downstream',
        key: 'latency',
        name: 'Latency',
        unit: 'seconds',
        query: 'store latency',
      },
      level: (at, host) => 0.04 * noisy(at, host),
    }),
    signal({
      ...{ service: 'web', role: 'upstream', query: 'web errors' },
      level: (at, host) => (at >= T.onset ? 0.02 : 0.001) * noisy(at, host),
    }),
    signal({
      ...{
        service: 'web',
        role: 'upstream',
        key: 'traffic',
        name: 'Traffic',
        unit: 'per_second',
        query: 'web traffic',
      },
      level: (at, host) => 90 * noisy(at, host),
    }),
  ],
})

interface Given {
  answers?: Answered[]
  calls?: Partial<CallRecord>[]
  episodes?: Episode[]
}
function evidence({ answers = [], calls = [], episodes = [episode()] }: Given = {}): Evidence {
  return evidenceOf({
    ...{ survey: ordinary, verdict: judge(ordinary), incident: incident(), episodes, answers },
    calls: calls.map((call) => ({
      ...{ step: 1, name: 'execute_query', arguments: '{}', text: '', failed: false, empty: false, refused: false },
      ...call,
    })),
  })
}
function confirmed(text: string, given: Given | Evidence = {}): boolean[] {
  const known = 'seen' in given ? given : evidence(given)
  return citedIn(text).map((cited) => confirms(known, cited))
}

describe('of invented numbers', () => {
  // 200 in the range in which people read such a value, evenly.
  test.each<[string, (n: number) => string]>([
    ['%', (n) => `${n / 2} %`],
    ['ms', (n) => `${n * 10} ms`],
    ['s', (n) => `${n / 10} s`],
    ['/s', (n) => `${n} /s`],
    ['MB', (n) => `${n * 10} MB`],
    ['GB', (n) => `${n / 10} GB`],
    ['cores', (n) => `${n / 10} cores`],
    ['times', (n) => `${n} times`],
    ['percentage points', (n) => `${n / 2} percentage points`],
  ])('in %s, fewer than one in ten is confirmed by an ordinary survey', (_, write) => {
    const seen = evidence()
    const found = Array.from({ length: 200 }, (_, n) => write(n + 1)).filter(
      (text) => confirmed(text, seen)[0] === true,
    )
    expect(found.length).toBeLessThan(20)
  })

  it('and of whole percentages', () => {
    const seen = evidence()
    const found = Array.from({ length: 100 }, (_, n) => `${n + 1} %`).filter(
      (text) => confirmed(text, seen)[0] === true,
    )
    // Sixty, when seconds and rates counted as well. What is left is near a share that was measured: this is coarse.
    expect(found.length).toBeLessThan(15)
    expect(confirmed('60 %')).toEqual([false])
  })

  it('the real ones stay confirmed', () => {
    const real =
      '8 %, 0.1 %, 1.25 s, 250 ms, 41 /s, 0.7 cores, 512 MB, 31 %, 5 times as slow, 8 percentage points more, 400 % more'
    expect(confirmed(real).every((found) => found)).toBe(true)
    expect(confirmed(real)).toHaveLength(11)
  })
})

describe('a model proves nothing with what it writes itself', () => {
  const at = (query: string, value: number): Answered[] => [
    { query, series: [{ labels: '{}', points: [[500, value]] }] },
  ]
  it('as a number within a query', () => {
    const share = 'errors_ratio'
    expect(confirmed('73.1 %', { answers: at(share, 0.731) })).toEqual([true])
    for (const query of ['vector(0.731)', '0.731', 'errors_ratio * 0 + 0.731', 'clamp_min(errors_ratio, 0.731)'])
      expect(confirmed('73.1 % 0.731', { answers: at(query, 0.731) })).toEqual([false, false])
  })
  it('as the argument of a tool', () => {
    const calls = [
      { arguments: '{"query":"errors_ratio > 0.731","time":"97.5"}', text: 'The tool answered, and there is nothing.' },
      { name: 'list_metrics', arguments: '{"filter_pattern":"73.1 %"}', text: '[]' },
      { name: 'pull_request_read', arguments: '{"pullNumber":731}', text: 'ok' },
    ]
    expect(confirmed('73.1 % 0.731 97.5 % 97.5 and 731', { calls })).toEqual([false, false, false, false, false])
  })
  it('as the constant that a tool only gives back', () => {
    const call = (query: string) => [{ arguments: JSON.stringify({ query }), text: '{"value":[1,"0.731"]}' }]
    expect(confirmed('73.1 %', { calls: call('errors_ratio') })).toEqual([true])
    expect(confirmed('73.1 %', { calls: call('vector(0.731)') })).toEqual([false])
    expect(confirmed('0.731', { calls: call('vector(0.7) + vector(0.031)') })).toEqual([false])
    expect(confirmed('73.1 %', { calls: call('errors_ratio or vector(0.731)') })).toEqual([false])
  })
  it('as a label, or in the words of a refusal or an error', () => {
    const query = 'label_replace(errors_ratio, "x", "0.731", "", "")'
    const labelled = { arguments: JSON.stringify({ query }), text: '{"metric":{"x":"0.731"},"value":[1,"0.2"]}' }
    const shown = { arguments: JSON.stringify({ query }), text: '{x="0.731"} 0.2' }
    const failed = { arguments: '{"query":"errors_ratio{"}', text: 'bad query errors_ratio + 0.731', failed: true }
    const refused = { arguments: '{"query":"errors_ratio"}', text: 'Refused: 0.731', refused: true }
    for (const call of [labelled, shown, failed, refused])
      expect(confirmed('73.1 %', { calls: [call] })).toEqual([false])
    expect(confirmed('20 %', { calls: [shown] })).toEqual([true])
  })
  it('as an unusual window', () => {
    expect(confirmed('over 7 h 11 min', { answers: at('rate(errors_total[7h11m])', 1) })).toEqual([false])
    expect(confirmed('over 12 h', { answers: at('rate(errors_total[12h])', 1) })).toEqual([true])
  })
})

describe('what counts as measured', () => {
  const query = JSON.stringify({ query: 'errors_ratio' })
  const answer = 'vector of 2 series at 2026-01-01T10:00:05Z, largest first\n{host="h1"} 0.3325\n{host="h2"} 0.3125'
  it('is what a tool for metrics says, also where the name of its server stands in front', () => {
    for (const name of ['execute_query', 'second_execute_query', 'eu_execute_range_query'])
      expect(confirmed('33.25 %', { calls: [{ name, arguments: query, text: answer }] })).toEqual([true])
    expect(confirmed('33.25 %', { calls: [{ name: 'run_query', arguments: query, text: answer }] })).toEqual([false])
  })
  it('is also a page of a result that was kept', () => {
    const first = {
      name: 'eu_execute_query',
      arguments: query,
      text: 'vector of 9 series\n(kept under result-3f2a91c0)',
    }
    const page = { name: 'read_result', arguments: '{"handle":"result-3f2a91c0","offset":8000}', text: '[1,"0.3325"]' }
    expect(confirmed('33.25 %', { calls: [first, page] })).toEqual([true])
    expect(confirmed('33.25 %', { calls: [page] })).toEqual([false])
    const diff = { name: 'pull_request_read', text: 'kept under result-3f2a91c0' }
    expect(confirmed('33.25 %', { calls: [diff, page] })).toEqual([false])
  })
  it('goes by the unit of the query', () => {
    const calls = (asked: string, value: string) => [
      { arguments: JSON.stringify({ query: asked }), text: `{"value":[1,"${value}"]}` },
    ]
    expect(confirmed('63 % 0.63', { calls: calls('queue_length', '0.63') })).toEqual([false, true])
    expect(confirmed('33.5 %', { calls: calls('cpu_usage_percent', '33.5') })).toEqual([true])
    expect(confirmed('3250 ms 3250 MB', { calls: calls('wait_seconds', '3.25') })).toEqual([true, false])
    expect(confirmed('33.5 %', { calls: calls('wait_seconds', '33.5') })).toEqual([false])
  })
  it('is the value of an alert in the unit that its expression or its words give it', () => {
    const alert = (part: Partial<Episode['alert']>) => ({
      episodes: [{ ...episode(), alert: { ...episode().alert, ...part } }],
    })
    const graph = `http://prometheus:9090/graph?g0.expr=${encodeURIComponent('errors_ratio > 0.5')}`
    expect(confirmed('85.2 %', alert({ annotations: { value: '85.2', summary: 'CPU over 80 %' } }))).toEqual([true])
    expect(confirmed('85.2 % 85.2', alert({ annotations: { value: '85.2', summary: 'a long queue' } }))).toEqual([
      false,
      true,
    ])
    expect(confirmed('85.2 %', alert({ annotations: { value: '0.852' }, generatorUrl: graph }))).toEqual([true])
    expect(confirmed('85.2 %', alert({ annotations: { value: '0.852' } }))).toEqual([false])
    expect(confirmed('85.2 %', alert({ annotations: { summary: 'errors are at 85.2 %' } }))).toEqual([true])
  })
})
