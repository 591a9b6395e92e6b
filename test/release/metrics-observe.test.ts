import { describe, expect, test } from 'vitest'
import { type ChosenMetric, observationSchema } from '../../src/release/gate.ts'
import { buildObservation, type ObservedHost, type ObserveInput } from '../../src/release/observe-query.ts'
import { down, every, scripted } from './metrics-world.ts'

const at = (seconds: number) => new Date(seconds * 1000)
const latency: ChosenMetric = {
  key: 'latency',
  name: 'Latency',
  candidates: ['x_bucket'],
  kind: 'seconds',
  direction: 'up-is-bad',
  query: 'p95(x[$window])',
  freshQuery: 'max by (host) (timestamp(x))',
  counts: { by: 'increase', requests: 'increase(r[$window])', errors: 'increase(e[$window])' },
  hostLabel: 'host',
  scrapeSeconds: 1,
  thresholds: { warn: 0.2, fail: 0.4, text: ['200ms', '400ms'] },
  source: 's',
}
const hosts: ObservedHost[] = [
  { id: 'a', group: 'upgraded', deployedAt: at(1000) },
  { id: 'b', group: 'waiting' },
]
const base: ObserveInput = {
  chosen: [latency],
  hosts,
  before: { from: at(900), to: at(960) },
  after: { from: at(1000), to: at(1030) },
  warmupSeconds: 5,
}
const samples = (values: Record<string, number>) =>
  Object.entries(values).map(([host, value]) => ({ labels: { host }, at: 1030, value }))
const steady = () =>
  scripted({
    range: (_query, from, to, step) =>
      every(['a', 'b', 'elsewhere'], from, to, step, (time, host) => (host === 'a' && time >= 1000 ? 0.3 : 0.1)),
    instant: (query) =>
      query.includes('timestamp')
        ? samples({ a: 1029, b: 1000 })
        : query.includes('(e')
          ? samples({ a: 8.4 })
          : samples({ a: 99.7, b: 120 }),
  })

describe('an observation', () => {
  test('has points per host, split at the deploy, warm-up and mixed rate windows left out', async () => {
    const { metrics, asked } = steady()
    const observation = await buildObservation(metrics, base)
    expect(observation.after).toEqual({ from: 1005, to: 1030 })
    const [a, b] = observation.metrics[0]?.hosts ?? []
    expect(observation.metrics[0]).toMatchObject({
      query: 'p95(x[4s])',
      windowSeconds: 4,
      limits: { warn: 0.2, fail: 0.4 },
    })
    expect(a).toMatchObject({ host: 'a', group: 'upgraded', ageSeconds: 1, notNumbers: 0 })
    expect(a?.after[0]).toEqual([1009, 0.3])
    expect(a?.after.at(-1)).toEqual([1030, 0.3])
    expect(a?.before[0]).toEqual([904, 0.1])
    expect(a?.before.at(-1)?.[0]).toBeLessThanOrEqual(960)
    expect(b).toMatchObject({ host: 'b', group: 'waiting', ageSeconds: 30 })
    expect(b?.after.length).toBe(a?.after.length)
    expect(asked.range.map(({ step }) => step)).toEqual([1, 1])
    expect(observationSchema.parse(JSON.parse(JSON.stringify(observation)))).toEqual(
      JSON.parse(JSON.stringify(observation)),
    )
  })

  test('counts requests and errors of both periods in whole numbers; no error series means no error', async () => {
    const { metrics } = steady()
    const { counts } = await buildObservation(metrics, base)
    expect(counts?.queries.sort()).toEqual([
      'increase(e[25s])',
      'increase(e[60s])',
      'increase(r[25s])',
      'increase(r[60s])',
    ])
    expect(counts?.hosts).toEqual([
      { host: 'a', group: 'upgraded', before: { requests: 100, errors: 8 }, after: { requests: 100, errors: 8 } },
      { host: 'b', group: 'waiting', before: { requests: 120, errors: 0 }, after: { requests: 120, errors: 0 } },
    ])
  })

  test('rates are turned into counts by the length of the period, and errors may be uncounted', async () => {
    const { metrics } = scripted({ instant: () => samples({ a: 4, b: Number.NaN }) })
    const chosen = [{ ...latency, counts: { by: 'rate' as const, requests: 'r' } }]
    const { counts } = await buildObservation(metrics, { ...base, chosen })
    expect(counts?.hosts).toEqual([
      { host: 'a', group: 'upgraded', before: { requests: 240 }, after: { requests: 100 } },
      { host: 'b', group: 'waiting' },
    ])
  })

  test('the error rate decides what is counted; without any counter nothing is', async () => {
    const { metrics, asked } = steady()
    const errors = {
      ...latency,
      key: 'error_rate' as const,
      counts: { by: 'increase' as const, requests: 'rr[$window]' },
    }
    await buildObservation(metrics, { ...base, chosen: [latency, errors] })
    expect(asked.instant.filter((query) => query.startsWith('rr'))).toHaveLength(2)
    expect(
      (await buildObservation(metrics, { ...base, chosen: [{ ...latency, counts: undefined }] })).counts,
    ).toBeUndefined()
    expect((await buildObservation(metrics, { ...base, chosen: [] })).metrics).toEqual([])
  })

  test('NaN and infinities are left out and counted; several series of one host add up', async () => {
    const { metrics } = scripted({
      range: (_query, from, to, step) => [
        ...every(['a'], from, to, step, (time) => (time % 2 === 0 ? Number.NaN : 0.1)),
        ...every(['b'], from, to, step, () => Number.POSITIVE_INFINITY),
        ...every(['b'], from, to, step, () => 1),
        ...every(['a'], from, to, step, () => 0.2),
      ],
    })
    const [a, b] = (await buildObservation(metrics, base)).metrics[0]?.hosts ?? []
    expect(a?.after.every(([, value]) => value === 0.3)).toBe(true)
    expect(a?.notNumbers).toBeGreaterThan(9)
    expect(b).toMatchObject({ after: [], ageSeconds: undefined })
  })

  test('without a query for the age, the last point tells it', async () => {
    const { metrics } = scripted({ range: (_query, from, _to, step) => every(['a'], from, 1020, step, () => 1) })
    const [a, b] =
      (await buildObservation(metrics, { ...base, chosen: [{ ...latency, freshQuery: undefined }] })).metrics[0]
        ?.hosts ?? []
    expect(a?.ageSeconds).toBe(10)
    expect(b?.ageSeconds).toBeUndefined()
  })

  test('long windows take larger steps, long scrapes larger rate windows, and the rate window can be set', async () => {
    const { metrics, asked } = steady()
    const long = {
      ...base,
      chosen: [{ ...latency, scrapeSeconds: 15 }],
      after: { from: at(1000), to: at(1000 + 3600 * 4) },
    }
    const observation = await buildObservation(metrics, long)
    expect(observation.metrics[0]?.windowSeconds).toBe(60)
    expect(observation.after.from).toBe(1030)
    expect(asked.range.at(-1)?.step).toBe(60)
    expect((await buildObservation(metrics, { ...base, rateWindowSeconds: 10 })).metrics[0]?.query).toBe('p95(x[10s])')
  })

  test('a window that is not over its warm-up has no points and no counts', async () => {
    const { metrics, asked } = steady()
    const early = await buildObservation(metrics, { ...base, after: { from: at(1000), to: at(1004) } })
    expect(early.metrics[0]?.hosts[0]?.after).toEqual([])
    expect(early.counts?.hosts[0]?.after).toBeUndefined()
    expect(asked.range).toHaveLength(1)
  })

  test('traffic has no limits', async () => {
    const { metrics } = steady()
    const traffic = { ...latency, key: 'traffic' as const, direction: 'both' as const }
    expect((await buildObservation(metrics, { ...base, chosen: [traffic] })).metrics[0]?.limits).toEqual({})
  })

  test('a query that is not answered becomes part of the observation, for points and for counts', async () => {
    const { metrics } = steady()
    const broken = { ...metrics, range: () => Promise.reject(down) }
    expect((await buildObservation(broken, base)).metrics[0]).toMatchObject({
      fault: { code: 'metrics.unreachable', say: down.message },
      hosts: [
        { host: 'a', after: [] },
        { host: 'b', after: [] },
      ],
    })
    const uncounted = { ...metrics, instant: () => Promise.reject(new Error('odd')) }
    expect((await buildObservation(uncounted, base)).counts).toMatchObject({
      hosts: [],
      fault: { code: 'internal.unexpected', say: 'odd' },
    })
  })
})
