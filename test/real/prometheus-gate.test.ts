import { afterAll, beforeAll, expect, test } from 'vitest'
import { prometheusSchema } from '../../src/adapters/prometheus/config.ts'
import { createPrometheus } from '../../src/adapters/prometheus/index.ts'
import { gatePolicySchema, judge, replay } from '../../src/release/gate.ts'
import { analyseMetrics } from '../../src/release/metrics.ts'
import { buildObservation, type ObservedHost } from '../../src/release/observe-query.ts'
import { describeReal, type RealPrometheus, startPrometheus, until } from './prometheus.ts'
import { type Behaviour, type Exporter, startExporter } from './prometheus-exporter.ts'

const old: Behaviour = { version: 'v1.0.0', perSecond: 25, errorShare: 0, seconds: 0.03 }
const good: Behaviour = { ...old, version: 'v1.1.0' }
const bad: Behaviour = { ...old, version: 'v1.2.0', errorShare: 0.08, seconds: 0.4 }

describeReal('the gate on a real Prometheus, scraping each second', () => {
  const exporters = new Map<string, Exporter>()
  let prometheus: RealPrometheus
  const hosts = ['bj1-node-001', 'sh1-node-001', 'sh2-node-001'].map((id) => ({ id, ip: '127.0.0.1' }))
  const metrics = () => createPrometheus(prometheusSchema.parse({ url: prometheus.url }))
  const policy = gatePolicySchema.parse({ warmupSeconds: 2 })

  beforeAll(async () => {
    for (const { id } of hosts) exporters.set(id, await startExporter(id, old))
    prometheus = await startPrometheus([...exporters.values()].map(({ address }) => ({ address })))
  })
  afterAll(async () => {
    await prometheus?.stop()
    for (const exporter of exporters.values()) await exporter.stop()
  })

  test('chooses the metrics, passes the good version, and fails the bad one within 15 s of its deploy', {
    timeout: 90_000,
  }, async () => {
    await until(
      20,
      () => metrics().instant('count(rate(http_requests_total[8s]))'),
      ([all]) => all?.value === 3,
    )
    const analysis = await until(
      20,
      () => analyseMetrics(metrics(), { service: 'user-service', hosts, now: new Date() }),
      ({ notes }) => notes.length === 0,
    )
    expect(analysis.details.metrics.map(({ name, candidates }) => [name, candidates[0]])).toEqual([
      ['CPU', 'process_cpu_seconds_total'],
      ['Memory', 'process_resident_memory_bytes'],
      ['Error Rate', 'http_requests_total'],
      ['Latency', 'http_request_duration_seconds_bucket'],
      ['Traffic', 'http_requests_total'],
    ])
    expect(analysis.metrics.map(({ scrapeSeconds, hostLabel }) => [scrapeSeconds, hostLabel])).toEqual(
      new Array(5).fill([1, 'host']),
    )

    const watch = async (canary: string, behaviour: Behaviour, seconds: number) => {
      const deployedAt = new Date()
      exporters.get(canary)?.restart(behaviour)
      const group = (id: string) => (id === canary ? 'upgraded' : 'waiting') as ObservedHost['group']
      const look = async () => {
        const observation = await buildObservation(metrics(), {
          chosen: analysis.metrics,
          hosts: hosts.map((host) => ({
            ...host,
            group: group(host.id),
            deployedAt: host.id === canary ? deployedAt : undefined,
          })),
          before: { from: new Date(deployedAt.getTime() - 15_000), to: deployedAt },
          after: { from: deployedAt, to: new Date() },
          warmupSeconds: policy.warmupSeconds,
        })
        return { observation, verdict: judge(observation, policy), seconds: (Date.now() - deployedAt.getTime()) / 1000 }
      }
      return until(seconds, look, ({ verdict }) => verdict.at === 'pass' || verdict.at === 'fail')
    }

    const passed = await watch('sh1-node-001', good, 20)
    expect(passed.verdict.at, passed.verdict.why).toBe('pass')
    const failed = await watch('bj1-node-001', bad, 20)
    console.log(
      `passed after ${passed.seconds.toFixed(1)} s; failed after ${failed.seconds.toFixed(1)} s: ${failed.verdict.why}`,
    )
    expect(failed.verdict.at, failed.verdict.why).toBe('fail')
    expect(failed.seconds).toBeLessThan(15)
    expect(failed.verdict.why).toMatch(
      /^error rate \d+\.\d % on upgraded hosts against 0\.0 % on the others; limit 1\.0 %, \d+ requests/,
    )
    expect(replay(JSON.parse(JSON.stringify({ observation: failed.observation, policy })))).toEqual(
      JSON.parse(JSON.stringify(failed.verdict)),
    )

    const errors = failed.verdict.metrics.find(({ key }) => key === 'error_rate')
    expect(errors?.value).toBeGreaterThan(0.05)
    expect(errors?.value).toBeLessThan(0.12)
  })

  test('a host that nobody scrapes, and a query that is not PromQL, hold the gate', async () => {
    const { metrics: chosen } = await analyseMetrics(metrics(), { service: 'user-service', hosts, now: new Date() })
    const now = new Date()
    const ask = (queries: (query: string) => string) =>
      buildObservation(metrics(), {
        chosen: chosen.map((metric) => ({ ...metric, query: queries(metric.query) })),
        hosts: [{ id: 'gone-node-001', group: 'upgraded', deployedAt: new Date(now.getTime() - 10_000) }],
        before: { from: new Date(now.getTime() - 20_000), to: new Date(now.getTime() - 10_000) },
        after: { from: new Date(now.getTime() - 10_000), to: now },
        warmupSeconds: 0,
      })
    const unseen = judge(await ask((query) => query), policy)
    expect(unseen.at).toBe('inconclusive')
    expect(unseen.why).toContain('gone-node-001 has no series')
    const broken = judge(await ask((query) => `${query} )(`), policy)
    expect(broken.at).toBe('error')
    expect(broken.why).toContain('refused the query')
  })
})
