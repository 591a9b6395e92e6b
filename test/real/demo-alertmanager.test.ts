import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Alertmanager, startAlertmanager } from '../../src/demo/alertmanager.ts'
import { alive, endNow } from '../../src/demo/processes.ts'
import { type Prometheus, startPrometheus } from '../../src/demo/prometheus.ts'
import { needs, skipReal } from '../demo/needs.ts'
import { type Sink, startSink } from '../demo/sink.ts'
import { until } from '../demo/until.ts'
import { type Behaviour, type Exporter, startExporter } from './prometheus-exporter.ts'

const well: Behaviour = { version: 'v1.1.0', perSecond: 50, errorShare: 0, seconds: 0.01 }

describe.skipIf(skipReal)("the sandbox's Alertmanager", () => {
  let folder: string
  let binaries: Awaited<ReturnType<typeof needs>>
  let sink: Sink
  let manager: Alertmanager

  beforeAll(async () => {
    binaries = await needs('alertmanager', 'prometheus')
    folder = mkdtempSync(join(tmpdir(), 'rollcall-alertmanager-'))
    sink = await startSink()
    manager = await startAlertmanager({ folder: join(folder, 'am'), binary: binaries.alertmanager })
  })
  afterAll(async () => {
    await manager?.stop()
    await sink?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const post = async (host: string, over: boolean) => {
    const labels = { alertname: 'Made', service: 'user-service', host }
    const endsAt = new Date(Date.now() + (over ? -1 : 600_000)).toISOString()
    const startsAt = new Date(Date.now() - 60_000).toISOString()
    const answer = await fetch(`${manager.url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([{ labels, startsAt, endsAt, generatorURL: 'http://127.0.0.1/graph' }]),
    })
    expect(answer.status).toBe(200)
  }

  test('has no cluster, and links that lead to itself', async () => {
    const answer = await fetch(`${manager.url}/api/v2/status`)
    expect(await answer.json()).toMatchObject({ cluster: { status: 'disabled' } })
    expect(readFileSync(join(folder, 'am', 'alertmanager.log'), 'utf8')).not.toMatch(/component=cluster/)
  })

  test('an alert from before its webhook was known is delivered once it is, in the group of its name and service', async () => {
    await post('bj-1', false)
    await manager.deliverTo(sink.url)
    await until('it came', () => sink.got.length > 0, 10_000)
    expect(sink.got[0]).toMatchObject({
      status: 'firing',
      groupLabels: { alertname: 'Made', service: 'user-service' },
      alerts: [{ labels: { host: 'bj-1' } }],
    })
  })

  test('a second host joins the group, and each is told as resolved', async () => {
    await post('bj-2', false)
    await until('both fire', () => sink.last()['Made bj-2'] === 'firing', 10_000)
    expect(new Set(sink.got.map(({ groupKey }) => groupKey)).size).toBe(1)
    await post('bj-1', true)
    await until('one is over', () => sink.last()['Made bj-1'] === 'resolved', 10_000)
    expect(sink.got.at(-1)?.status).toBe('firing')
    await post('bj-2', true)
    await until('both are over', () => sink.got.at(-1)?.status === 'resolved', 10_000)
    expect(sink.last()).toEqual({ 'Made bj-1': 'resolved', 'Made bj-2': 'resolved' })
  })

  test('a webhook that is none is refused with what Alertmanager said', async () => {
    await expect(manager.deliverTo('no address')).rejects.toMatchObject({
      code: 'demo.alertmanager',
      message: expect.stringContaining('unsupported scheme'),
    })
    await manager.deliverTo(sink.url)
  })

  describe('with Prometheus and its rules', () => {
    const hosts = ['bj-1', 'bj-2', 'bj-3', 'sh-1', 'sh-2', 'sh-3']
    const exporters: Exporter[] = []
    const bad: Behaviour = { ...well, version: 'v1.2.0', errorShare: 0.08 }
    let prometheus: Prometheus

    beforeAll(async () => {
      for (const host of hosts) exporters.push(await startExporter(host, well))
      prometheus = await startPrometheus({
        folder: join(folder, 'prometheus'),
        binary: binaries.prometheus,
        alertmanagerUrl: manager.url,
        targets: exporters.map(({ address }, i) => ({
          address,
          labels: { host: hosts[i]!, service: 'user-service' },
        })),
      })
    })
    afterAll(async () => {
      await prometheus?.stop()
      for (const exporter of exporters) await exporter.stop()
    })

    test('all rules are read, and a service that works well fires none of them', async () => {
      const answer = await fetch(`${prometheus.url}/api/v1/rules`)
      const { data } = (await answer.json()) as Rules
      const rules = data.groups.flatMap((group) => group.rules)
      expect(rules.map(({ name }) => name)).toEqual(['HighErrorRate', 'HighLatency', 'InstanceDown'])
      await until('each was evaluated on what was scraped', async () => (await known(prometheus)).length === 6, 15_000)
      expect(await alerts(prometheus)).toEqual([])
    })

    test('8 % errors on one host of six fire nothing, on three they fire within some seconds, there alone, and resolve', async () => {
      exporters[0]!.restart(bad)
      const canary =
        'sum(rate(http_requests_total{host="bj-1",code="500"}[4s])) / sum(rate(http_requests_total{host="bj-1"}[4s]))'
      await until('it is measured', async () => (await value(prometheus, `${canary} > 0.06`)).length === 1, 15_000)
      expect(await alerts(prometheus)).toEqual([])
      const began = Date.now()
      for (const i of [1, 3]) exporters[i]!.restart(bad)
      const firing = ['bj-1', 'bj-2', 'sh-1'].map((host) => `HighErrorRate ${host}`)
      const all = (status: string) => () => firing.every((name) => sink.last()[name] === status)
      await until('they fire', all('firing'), 20_000)
      expect(Date.now() - began).toBeLessThan(12_000)
      const alert = sink.got.at(-1)?.alerts.find(({ labels }) => labels.host === 'bj-1')
      expect(alert).toMatchObject({
        labels: { alertname: 'HighErrorRate', service: 'user-service', host: 'bj-1', severity: 'critical' },
        annotations: { summary: 'user-service on bj-1 answers too many requests with errors' },
      })
      expect(alert?.annotations.value).toMatch(/^\d+(\.\d+)?%$/)
      expect(Number.parseFloat(alert?.annotations.value ?? '')).toBeGreaterThan(5)
      expect(alert?.generatorURL).toContain(`${prometheus.url}/graph?`)
      for (const i of [0, 1, 3]) exporters[i]!.restart(well)
      await until('they are over', all('resolved'), 20_000)
      expect(
        Object.keys(sink.last())
          .filter((name) => !name.startsWith('Made'))
          .sort(),
      ).toEqual(firing)
    }, 60_000)

    test('answers of a second fire HighLatency, and not HighErrorRate', async () => {
      exporters[4]!.restart({ ...well, version: 'v1.2.0', seconds: 1 })
      await until('it fires', () => sink.last()['HighLatency sh-2'] === 'firing', 25_000)
      expect(sink.last()['HighErrorRate sh-2']).toBeUndefined()
    }, 30_000)
  })

  test('stop ends it', async () => {
    const other = await startAlertmanager({ folder: join(folder, 'other'), binary: binaries.alertmanager })
    expect(other.pids.every(alive)).toBe(true)
    await other.stop()
    expect(other.pids.filter(alive)).toEqual([])
    await expect(fetch(`${other.url}/-/ready`)).rejects.toThrow()
  })

  test('it does not outlive a demo that is killed by more than 5 s', async () => {
    const module = JSON.stringify(new URL('../../src/demo/alertmanager.ts', import.meta.url).href)
    const settings = JSON.stringify({ folder: join(folder, 'killed'), binary: binaries.alertmanager })
    const script = `
      const { startAlertmanager } = await import(${module})
      console.log(JSON.stringify((await startAlertmanager(${settings})).pids))
      setInterval(() => {}, 1000)`
    const demo = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pids = await new Promise<number[]>((resolve, reject) => {
      demo.once('exit', () => reject(new Error('it did not come up')))
      createInterface({ input: demo.stdout }).once('line', (line) => resolve(JSON.parse(line)))
    })
    expect(pids.every(alive)).toBe(true)
    demo.kill('SIGKILL')
    try {
      await until('all are gone', () => !pids.some(alive), 5000)
    } finally {
      for (const pid of pids.filter(alive)) endNow(pid)
    }
  }, 20_000)

  test('one that cannot run fails with what it said and where to read more', async () => {
    const binary = join(folder, 'broken')
    writeFileSync(binary, '#!/bin/sh\necho "level=error err=bad flag" >&2\nexit 1\n', { mode: 0o755 })
    await expect(startAlertmanager({ folder: join(folder, 'b'), binary })).rejects.toMatchObject({
      code: 'demo.alertmanager',
      message: expect.stringContaining('bad flag'),
      next: expect.stringContaining('alertmanager.log'),
    })
  })
})

interface Rules {
  data: { groups: { rules: { name: string }[] }[] }
}

interface Alerts {
  data: { alerts: { labels: Record<string, string>; state: string }[] }
}

async function alerts(prometheus: Prometheus): Promise<string[]> {
  const answer = await fetch(`${prometheus.url}/api/v1/alerts`)
  return ((await answer.json()) as Alerts).data.alerts.map(({ labels, state }) => `${labels.alertname} ${state}`)
}

/** Hosts for which the rules have a share of errors to look at. */
function known(prometheus: Prometheus): Promise<unknown[]> {
  return value(prometheus, 'sum by (host) (rate(http_requests_total[4s])) > 0')
}

async function value(prometheus: Prometheus, expression: string): Promise<unknown[]> {
  const answer = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(expression)}`)
  return ((await answer.json()) as { data: { result: unknown[] } }).data.result
}
