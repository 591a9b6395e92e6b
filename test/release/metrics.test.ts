import { describe, expect, test } from 'vitest'
import type { Series } from '../../src/ports/metrics.ts'
import { chosenMetricSchema } from '../../src/release/gate.ts'
import { analyseMetrics, rateWindow, scrapeInterval } from '../../src/release/metrics.ts'
import { redSchema } from '../../src/release/metrics-config.ts'
import { down, every, info, scripted, seriesOf } from './metrics-world.ts'

const ids = ['bj1-node-001', 'sh1-node-001']
const hosts = ids.map((id) => ({ id, ip: '10.0.0.1' }))
const now = new Date(1_756_000_000_000)
const listed = [
  ...seriesOf('http_requests_total', ids, { service: 'user-service', code: '200' }),
  ...seriesOf('http_request_duration_seconds_bucket', ids, { service: 'user-service', le: '+Inf' }),
  ...seriesOf('process_cpu_seconds_total', ids),
  ...seriesOf('process_resident_memory_bytes', ids),
]
const catalogue = [...new Set(listed.map((labels) => labels.__name__ as string))].map((name) => info(name))

/** A database with `age` seconds of history, scraped every `scrape` seconds. */
function database(age: number, scrape: number) {
  const start = now.getTime() / 1000 - age
  const value = (query: string) =>
    query.includes('memory') ? 6e8 : query.includes('code=~') ? 0.001 : query.includes('duration') ? 0.2 : 0.1
  return scripted({
    catalogue,
    series: (matcher) => (matcher.startsWith('{service="user-service"') ? listed : []),
    range: (query, from, to, step): Series[] => {
      if (!query.includes('timestamp(')) return every(ids, Math.max(from, start), to, step, () => value(query))
      return every(['x'], Math.max(from, start), to, step, (at) => Math.floor(at / scrape) * scrape)
    },
  })
}

describe('analysing metrics', () => {
  test("gives the step's details in the specification's form and rich metrics that can be stored", async () => {
    const { metrics, asked } = database(3600, 15)
    const {
      details,
      metrics: chosen,
      status,
      summary,
      notes,
    } = await analyseMetrics(metrics, { service: 'user-service', hosts, now })
    expect(details).toEqual({
      metrics: [
        { candidates: ['process_cpu_seconds_total'], name: 'CPU', thresholds: ['15s', '30s'] },
        { candidates: ['process_resident_memory_bytes'], name: 'Memory', thresholds: ['720MB', '900MB'] },
        { candidates: ['http_requests_total'], name: 'Error Rate', thresholds: ['0.5%', '1%'] },
        { candidates: ['http_request_duration_seconds_bucket'], name: 'Latency', thresholds: ['240ms', '300ms'] },
        { candidates: ['http_requests_total'], name: 'Traffic', thresholds: [] },
      ],
      service: 'user-service',
    })
    expect([status, summary, notes]).toEqual([
      'success',
      '4 group metrics identified with thresholds, traffic watched without one',
      [],
    ])
    for (const each of chosen)
      expect(chosenMetricSchema.parse(JSON.parse(JSON.stringify(each)))).toEqual(JSON.parse(JSON.stringify(each)))
    expect(chosen[0]).not.toHaveProperty('probe')
    expect(chosen[3]?.source).toBe(
      '95th percentile, from histogram http_request_duration_seconds_bucket, by label host. Now limits from its own history: median 200 ms, 99th percentile 200 ms (482 points over 3600 s).',
    )
    expect(chosen.map(({ scrapeSeconds }) => scrapeSeconds)).toEqual([15, 15, 15, 15, 15])
    const rates = asked.range.filter(({ query }) => query.includes('rate('))
    expect(rates.every(({ query, step }) => query.includes('[60s]') && step === 15)).toBe(true)
    expect(asked.series.length + asked.range.length).toBeLessThan(30)
  })

  test('a database that has only just begun is read at a finer step', async () => {
    const { metrics, asked } = database(30, 1)
    const { status, metrics: chosen } = await analyseMetrics(metrics, { service: 'user-service', hosts, now })
    expect(status).toBe('success')
    expect(chosen[0]).toMatchObject({ scrapeSeconds: 1 })
    expect(asked.range.some(({ query, step }) => query.includes('[4s]') && step === 1)).toBe(true)
  })

  test('without history there are default limits and a warning that says so', async () => {
    const { metrics } = scripted({ catalogue, series: (matcher) => (matcher.startsWith('{service=') ? listed : []) })
    const { status, summary, metrics: chosen } = await analyseMetrics(metrics, { service: 'user-service', hosts, now })
    expect(status).toBe('warning')
    expect(summary).toBe(
      '4 group metrics identified with thresholds, traffic watched without one; default limits, too little history: CPU, Memory, Error Rate, Latency',
    )
    expect(chosen.map(({ scrapeSeconds }) => scrapeSeconds)).toEqual([15, 15, 15, 15, 15])
    expect(chosen[1]?.source).toContain('default limits, too little history (none)')
  })

  test('configured limits win', async () => {
    const { metrics } = database(3600, 15)
    const limits = { cpu: 1, memory: 2e9, errorRate: 0.001, latency: 0.5 }
    const { details } = await analyseMetrics(metrics, { service: 'user-service', hosts, now, limits })
    expect(details.metrics.map(({ thresholds }) => thresholds)).toEqual([['60s'], ['2GB'], ['0.1%'], ['500ms'], []])
  })

  test('an empty database is a warning that names what is missing', async () => {
    const { status, metrics, notes } = await analyseMetrics(scripted({}).metrics, {
      service: 'user-service',
      hosts,
      now,
    })
    expect([status, metrics]).toEqual(['warning', []])
    expect(notes).toEqual(
      ['CPU', 'Memory', 'Error Rate', 'Latency', 'Traffic'].map((name) => `no metric for ${name} was found`),
    )
  })

  test('one metric is a singular', async () => {
    const only = listed.slice(-2)
    const { metrics } = scripted({ catalogue, series: (matcher) => (matcher.startsWith('{service=') ? only : []) })
    expect((await analyseMetrics(metrics, { service: 'user-service', hosts, now })).summary).toMatch(
      /^1 group metric identified/,
    )
  })

  test('configured names and names that begin with the service are looked up by name; hostile names are not', async () => {
    const names = [
      'user_service_requests_total',
      'work_total',
      'lat_bucket',
      'user_service_\u0000x',
      `user_service_${'x'.repeat(300)}`,
    ]
    const { metrics, asked } = scripted({ catalogue: names.map((name) => info(name)) })
    const red = redSchema.parse({ requests: 'work_total', duration: 'lat' })
    await analyseMetrics(metrics, { service: 'user-service', hosts, red, now })
    expect(asked.series.at(-1)).toBe('{__name__=~"user_service_requests_total|work_total|lat_bucket",le=~"|\\\\+Inf"}')
  })

  test('a database that does not answer is its fault', async () => {
    const { metrics } = scripted({})
    const broken = { ...metrics, catalogue: () => Promise.reject(down) }
    await expect(analyseMetrics(broken, { service: 'user-service', hosts, now })).rejects.toBe(down)
  })

  test('points of hosts that are not released to, and NaN, are no history', async () => {
    const { metrics } = scripted({
      catalogue,
      series: (matcher) => (matcher.startsWith('{service=') ? listed : []),
      range: (_query, from, to) => [
        ...every(['other'], from, to, 15, () => 9e9),
        ...every([ids[0] as string], from, to, 15, () => Number.NaN),
      ],
    })
    const { notes } = await analyseMetrics(metrics, { service: 'user-service', hosts, now })
    expect(notes[0]).toContain('too little history')
  })

  test('a given rate window is used', async () => {
    const { metrics, asked } = database(3600, 15)
    await analyseMetrics(metrics, { service: 'user-service', hosts, now, rateWindowSeconds: 120 })
    expect(
      asked.range.filter(({ query }) => query.includes('rate(')).every(({ query }) => query.includes('[120s]')),
    ).toBe(true)
  })
})

describe('the scrape interval', () => {
  const told = (...series: number[][]) =>
    scrapeInterval(
      scripted({ range: () => series.map((times) => ({ labels: {}, points: times.map((time, i) => [i, time]) })) })
        .metrics,
      'timestamp(up)',
      now,
    )

  test('is the median distance of sample times; a missed scrape does not change it', async () => {
    expect(await told([100, 100, 115, 115, 130, 160, 175])).toBe(15)
    expect(await told([100, 101.002, 102.001, 103])).toBe(1)
    expect(await told([100, 100.5, 101])).toBe(1)
  })

  test('is read from hosts that have been up for a while, though another has only just restarted', async () => {
    expect(await told([190], [100, 105, 110, 115, 120], [185, 190])).toBe(5)
  })

  test('is 15 s when it cannot be told', async () => {
    expect(await told([])).toBe(15)
    expect(await told([100, 100])).toBe(15)
    expect(await scrapeInterval(scripted({}).metrics, 'up', now)).toBe(15)
    expect(await scrapeInterval(scripted({}).metrics, '', now)).toBe(15)
  })

  test('the rate window is four of them', () => {
    expect([rateWindow(1), rateWindow(15), rateWindow(0.1)]).toEqual([4, 60, 1])
  })
})
