import { describe, expect, test } from 'vitest'
import { chartsOf } from '../../src/incident/charts-of.ts'
import type { Signal, Survey } from '../../src/incident/survey.ts'
import { signal, survey, T } from './survey-kit.ts'

const step = (before: number, since: number) => (at: number) => (at >= T.onset ? since : before)
const own = (name: string, before: number, since: number, part: Partial<Omit<Signal, 'hosts'>> = {}) =>
  signal({ name, query: name, key: 'latency', unit: 'seconds', level: step(before, since), ...part })
const near = (name: string, before: number, since: number, role: 'upstream' | 'downstream' = 'downstream') =>
  own(name, before, since, { service: name, role })
const alert = (before: number, since: number, query = 'alert') =>
  own('HighLatency', before, since, { role: 'alert', key: 'alert', query })
const titles = (given: Partial<Survey>) => chartsOf(survey(given), 'en').map(({ chart }) => chart.title)

describe('which signals are drawn', () => {
  test.each<[string, Signal[], string[]]>([
    ['the one that moved', [own('a', 1, 1), own('b', 1, 9)], ['b · shop']],
    [
      'farthest first',
      [own('a', 1, 5), own('b', 1, 9, { key: 'error_rate', unit: 'ratio' })],
      ['b · shop', 'a · shop'],
    ],
    ['of two of one kind the one that moved farther', [own('a', 1, 5), own('b', 1, 9)], ['b · shop']],
    [
      'the alert and its service before neighbours, however far those moved',
      [near('store', 1, 90), own('traffic', 40, 90, { key: 'traffic' }), alert(1, 2)],
      ['HighLatency · shop', 'traffic · shop', 'store · store'],
    ],
    [
      'at most three',
      [alert(1, 5), ...['a', 'b', 'c', 'd'].map((name, n) => near(name, 1, 9 - n))],
      ['HighLatency · shop', 'a · a', 'b · b'],
    ],
    ['a fall as well as a rise', [own('traffic', 40, 5, { key: 'traffic' })], ['traffic · shop']],
    [
      'the same query once',
      [alert(1, 5, 'same'), own('a', 1, 5, { query: 'same' }), near('store', 1, 4)],
      ['HighLatency · shop', 'store · store'],
    ],
    [
      'without any that moved, the first of the alert and the service',
      [near('store', 1, 1), own('a', 1, 1)],
      ['a · shop'],
    ],
    ['nothing of neighbours that did not move', [near('store', 1, 1)], []],
    ['nothing without signals', [], []],
    ['nothing of a signal with a single point', [signalOf([[T.onset, 9]])], []],
  ])('%s', (_, signals, expected) => {
    expect(titles({ signals })).toEqual(expected)
  })
})

/** One host with these points. */
function signalOf(points: [number, number][], part: Partial<Signal> = {}): Signal {
  return {
    ...{ service: 'shop', role: 'downstream', key: 'latency', name: 's', unit: 'seconds', query: 's' },
    ...part,
    hosts: [{ host: 'h1', group: 'upgraded', points }],
  }
}

describe('a chart', () => {
  const slow = own('Latency', 0.25, 1.25, { limit: 0.5 })
  const [planned] = chartsOf(survey({ signals: [slow] }), 'en')

  test('has a line for each host, by who has the release, in order of their names', () => {
    expect(planned?.chart.series.map(({ name, group }) => [name, group])).toEqual([
      ['h1', 'upgraded'],
      ['h2', 'upgraded'],
      ['h3', 'waiting'],
      ['h4', 'waiting'],
    ])
    expect(planned?.chart.series[0]?.points).toEqual(slow.hosts[0]?.points)
    expect(planned?.chart).toMatchObject({ unit: 'seconds', from: T.from, to: T.to })
  })

  test('marks the deploys and the onset', () => {
    expect(planned?.chart.moments).toEqual([
      { at: T.deploy, label: 'v2.0.0 · h1', kind: 'deploy' },
      { at: T.deploy, label: 'v2.0.0 · h2', kind: 'deploy' },
      { at: T.onset, label: 'onset', kind: 'alert' },
    ])
  })

  test.each<[string, Partial<Survey>, string[]]>([
    ['leaves out deploys outside the window', { from: 405 }, ['onset']],
    ['marks the onset alone without a release', { release: undefined }, ['onset']],
  ])('%s', (_, part, labels) => {
    const [chart] = chartsOf(survey({ signals: [slow], ...part }), 'en')
    expect(chart?.chart.moments.map(({ label }) => label)).toEqual(labels)
  })

  test('marks eight deploys at most, and still the onset', () => {
    const upgraded = Array.from({ length: 20 }, (_, n) => ({ host: `h${n}`, at: T.deploy }))
    const release = { ...survey().release, upgraded } as Survey['release']
    const [chart] = chartsOf(survey({ signals: [slow], release }), 'en')
    expect(chart?.chart.moments.map(({ kind }) => kind)).toEqual([...Array(8).fill('deploy'), 'alert'])
  })

  test('draws the limit where there is one', () => {
    expect(planned?.chart.limits).toEqual([{ value: 0.5, label: 'limit' }])
    expect(chartsOf(survey({ signals: [own('a', 1, 9)] }), 'en')[0]?.chart.limits).toEqual([])
  })

  test('is labelled in Chinese', () => {
    const [chart] = chartsOf(survey({ signals: [slow] }), 'zh')
    expect(chart?.chart.moments.at(-1)?.label).toBe('异常开始')
    expect(chart?.chart.limits[0]?.label).toBe('阈值')
  })

  test('of many hosts shows the twelve that moved most', () => {
    const on = Array.from({ length: 40 }, (_, n) => `h${String(n).padStart(2, '0')}`)
    const level = (at: number, host: string) => (at >= T.onset ? 1 + Number(host.slice(1)) : 1)
    const [chart] = chartsOf(survey({ signals: [signal({ level, on, off: [], unit: 'seconds' })] }), 'en')
    expect(chart?.chart.series.map(({ name }) => name)).toEqual(on.slice(28))
  })

  test('leaves out hosts without points', () => {
    const empty = { ...slow, hosts: slow.hosts.map((host, n) => (n === 0 ? { ...host, points: [] } : host)) }
    const [chart] = chartsOf(survey({ signals: [empty] }), 'en')
    expect(chart?.chart.series.map(({ name }) => name)).toEqual(['h2', 'h3', 'h4'])
  })

  test('is told in one sentence with the last values, for who cannot see it', () => {
    expect(planned?.alt).toMatch(
      /^Latency of shop by host, last values: h1 1\.2\d s, h2 1\.2\d s, h3 1\.2\d s, h4 1\.2\d s$/,
    )
  })
})
