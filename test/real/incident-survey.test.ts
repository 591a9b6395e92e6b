import { afterAll, beforeAll, expect, test } from 'vitest'
import { prometheusSchema } from '../../src/adapters/prometheus/config.ts'
import { createPrometheus } from '../../src/adapters/prometheus/index.ts'
import type { Incident } from '../../src/incident/incident.ts'
import { joined } from '../../src/incident/join.ts'
import { judge } from '../../src/incident/judge.ts'
import { readSurvey } from '../../src/incident/survey-read.ts'
import type { Release } from '../../src/release/release.ts'
import { type TestDesk, testDesk } from '../fakes/desk.ts'
import { aRelease } from '../fakes/release.ts'
import { anIncident, putEpisode } from '../incident/an-incident.ts'
import { describeReal, type RealPrometheus, startPrometheus, until } from './prometheus.ts'
import { type Behaviour, type Exporter, startExporter } from './prometheus-exporter.ts'

const old: Behaviour = { version: 'v1.0.0', perSecond: 25, errorShare: 0, seconds: 0.03 }
const bad: Behaviour = { ...old, version: 'v1.2.0', errorShare: 0.2, seconds: 0.4 }
const HOSTS = ['bj-1', 'sh-2', 'bj-3', 'sh-4']
const expression =
  'sum by (host) (rate(http_requests_total{code="500"}[4s])) / sum by (host) (rate(http_requests_total[4s])) > 0.05'

describeReal('the survey of an incident on a real Prometheus, scraping each second', () => {
  const exporters = new Map<string, Exporter>()
  let prometheus: RealPrometheus
  let world: TestDesk
  const all = () => world.desk.metrics ?? expect.fail('no metrics')

  beforeAll(async () => {
    for (const id of HOSTS) exporters.set(id, await startExporter(id, old))
    prometheus = await startPrometheus(
      [...exporters].map(([host, { address }]) => ({ address, labels: { host, service: 'user-service' } })),
    )
    world = await testDesk({
      hosts: 4,
      metrics: () => createPrometheus(prometheusSchema.parse({ url: prometheus.url })),
    })
    // Something to compare with.
    await until(
      40,
      () => all().instant('min(count_over_time(up[1m]))'),
      ([least]) => (least?.value ?? 0) >= 15,
    )
  }, 90_000)
  afterAll(async () => {
    await world?.close()
    await prometheus?.stop()
    for (const exporter of exporters.values()) await exporter.stop()
  })

  async function release(id: string, upgraded: readonly string[], at: Date): Promise<Release> {
    const host = { before: 'v1.0.0', attempt: 1 }
    const found = aRelease({
      id,
      flow: id,
      candidate: 'v1.2.0',
      startedAt: at.toISOString(),
      hosts: Object.fromEntries(
        HOSTS.map((name) => [
          name,
          upgraded.includes(name)
            ? { at: 'healthy', version: 'v1.2.0', deployedAt: at.toISOString(), ...host }
            : { at: 'pending', version: 'v1.0.0', ...host },
        ]),
      ),
    })
    await world.desk.releases.insert(found)
    return found
  }

  async function incident(id: string, part: Partial<Incident>): Promise<Incident> {
    const found = anIncident({ id, ...part })
    const link = `${prometheus.url}/graph?g0.expr=${encodeURIComponent(expression)}&g0.tab=1`
    for (const host of found.hosts) await putEpisode(world.desk, found, { id, host, service: 'user-service' }, link)
    return found
  }

  const seen = (least: number) =>
    until(
      30,
      () => all().instant(expression),
      (samples) => samples.length >= least,
    )

  test('a bad canary is the release; the same trouble on every host is not; a host that is gone is seen', {
    timeout: 120_000,
  }, async () => {
    const deployed = new Date()
    exporters.get('bj-1')?.restart(bad)
    const canary = await release('R-1', ['bj-1'], deployed)
    await seen(1)
    const since = new Date().toISOString()
    const first = await incident('A-1', { hosts: ['bj-1'], since, release: joined(canary) })
    const guilty = await until(
      20,
      async () => ({ survey: await readSurvey(world.desk, first) }),
      ({ survey }) => judge(survey).at === 'release',
    )
    expect(guilty.survey.gaps).toEqual([])
    expect(guilty.survey.onsetFrom).toBe('series')
    expect(Math.abs(guilty.survey.onset - deployed.getTime() / 1000)).toBeLessThan(6)
    expect(guilty.survey.signals.map(({ role, key }) => `${role} ${key}`)).toEqual(
      expect.arrayContaining(['alert alert', 'service error_rate', 'service latency', 'service traffic', 'service up']),
    )
    expect(judge(guilty.survey).why).toMatch(/^v1\.2\.0: \S.* on hosts that have it and \S.* on the others$/)

    exporters.get('bj-1')?.restart(old)
    await until(
      30,
      () => all().instant(`max_over_time((${expression})[6s:1s])`),
      (samples) => samples.length === 0,
    )
    const worse = new Date()
    for (const host of HOSTS) exporters.get(host)?.restart({ ...old, errorShare: 0.2 })
    const innocent = await release('R-2', ['bj-1'], worse)
    await seen(4)
    const second = await incident('A-2', { hosts: HOSTS, since: new Date().toISOString(), release: joined(innocent) })
    const spared = await until(
      20,
      async () => judge(await readSurvey(world.desk, second)),
      ({ at }) => at === 'not the release',
    )
    expect(spared.why).toMatch(/hosts without it are as bad$/)

    await exporters.get('sh-4')?.stop()
    await until(
      20,
      () => all().instant('up{host="sh-4"} == 0'),
      (samples) => samples.length > 0,
    )
    expect((await readSurvey(world.desk, second)).down).toMatchObject([{ service: 'user-service', host: 'sh-4' }])
  })

  test('what cannot be asked is told, and nothing throws', async () => {
    const gone = createPrometheus(prometheusSchema.parse({ url: 'http://127.0.0.1:1' }))
    const desk = { ...world.desk, metrics: gone }
    const survey = await readSurvey(desk, anIncident({ id: 'A-3', hosts: ['bj-1'] }))
    expect(survey.signals).toEqual([])
    expect(survey.onsetFrom).toBe('alert')
    expect(survey.gaps.length).toBeGreaterThan(0)
    expect(survey.gaps.join(' ')).toContain('could not be read')
    expect(judge(survey).at).not.toBe('release')

    const none = await readSurvey({ ...world.desk, metrics: undefined }, anIncident({ id: 'A-4' }))
    expect(none.gaps).toEqual(['no Prometheus is configured'])
  })
})
