import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alive, endNow } from '../../src/demo/processes.ts'
import { startPrometheus } from '../../src/demo/prometheus.ts'
import { remotely } from '../../src/demo/remote.ts'
import { startWorld, type World } from '../../src/demo/world.ts'
import { needs, skipReal } from './needs.ts'
import { startSink } from './sink.ts'
import { until } from './until.ts'

describe.skipIf(skipReal)('the sandbox', () => {
  let parent: string
  let folder: string
  let world: World
  const said: string[] = []

  beforeAll(async () => {
    await needs('prometheus', 'alertmanager', 'curl', 'flock', 'setsid', 'tar', 'sha256sum')
    parent = mkdtempSync(join(tmpdir(), 'rollcall-world-'))
    folder = join(parent, 'demo')
    world = await startWorld({ folder, say: (line) => said.push(line), env: bare() })
  })
  afterAll(async () => {
    await world?.stop()
    rmSync(parent, { recursive: true, force: true })
  })

  test('is six hosts in two regions, up in less than 15 s, and says how long it took', () => {
    expect(world.hosts.map(({ id, region }) => `${region}/${id}`)).toEqual([
      'beijing/bj-1',
      'beijing/bj-2',
      'beijing/bj-3',
      'shanghai/sh-1',
      'shanghai/sh-2',
      'shanghai/sh-3',
    ])
    expect(said.at(-1)).toBe(`The sandbox is up after ${world.seconds.toFixed(1)} s.`)
    expect(world.seconds).toBeLessThan(15)
  })

  test('every host has v1.0.0 as its current release, and a process of its own that serves it', async () => {
    for (const host of world.hosts) {
      const releases = join(host.root, 'opt/releases/user-service')
      expect(readlinkSync(join(releases, 'current'))).toBe('v1.0.0')
      expect(readFileSync(join(releases, 'v1.0.0/.rollcall-digest'), 'utf8')).toMatch(/^sha256:[0-9a-f]{64}\n$/)
      const { code, stdout } = await remotely(
        host,
        'opt/releases/user-service/current/bin/health; cat user-service.pid',
      )
      expect(code).toBe(0)
      expect(stdout).toContain('v1.0.0 is healthy')
      const pid = Number(/^(\d+) /m.exec(stdout)?.[1])
      expect(world.processes()).toContain(pid)
    }
  })

  test('hosts can fetch an artifact with curl and check it with sha256sum', async () => {
    const name = 'user-service-v1.1.0.tar.gz'
    const script = `read -r url; curl -fsSO "$url/user-service/${name}" -O "$url/user-service/${name}.sha256" && sha256sum -c ${name}.sha256`
    expect(await remotely(world.hosts[0]!, script, `${world.artifactUrl}\n`)).toMatchObject({
      code: 0,
      stdout: `${name}: OK\n`,
    })
  })

  test('Prometheus scrapes all six each second, under load, with the labels of the service and the region', async () => {
    const rates =
      'sum by (host, region, service, version) (rate(http_requests_total{service="user-service",code="200"}[5s])) > 10'
    await until('a rate for every host', async () => (await query(world, rates)).length === 6, 15_000)
    const labels = (await query(world, rates))
      .map(({ metric }) => metric)
      .toSorted((a, b) => (a.host! < b.host! ? -1 : 1))
    expect(labels).toEqual(
      world.hosts.map(({ id, region }) => ({ host: id, region, service: 'user-service', version: 'v1.0.0' })),
    )
    expect(await query(world, 'up{service="user-service"} == 1')).toHaveLength(6)
    expect(await query(world, '{__name__=~".+", exported_host!=""}')).toEqual([])
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'http_request_duration_seconds_count',
    ]) {
      expect(await query(world, `${name}{service="user-service"}`)).toHaveLength(6)
    }
  })

  test('user-service asks account-store, which is scraped as a service of its own', async () => {
    const rates = 'sum by (host) (rate(http_requests_total{service="account-store",code="200"}[5s])) > 10'
    await until('it is asked', async () => (await query(world, rates)).length === 1, 15_000)
    expect((await query(world, 'up{service="account-store"} == 1')).map(({ metric }) => metric.host)).toEqual([
      'store-1',
    ])
    expect(world.config.services[0]?.downstream).toEqual(['account-store'])
  })

  test('while account-store is down every host fails alike: alerts reach the webhook, and are over once it is back', async () => {
    const sink = await startSink()
    try {
      await world.alertsTo(sink.url)
      expect(world.config.alerts).toEqual({ sources: [{ name: 'local', url: world.alertmanagerUrl }] })
      await world.dependency.stop()
      const all = world.hosts.map(({ id }) => `HighErrorRate ${id}`)
      const every = (status: string) => () => all.every((name) => sink.last()[name] === status)
      await until('all fire', every('firing'), 25_000)
      // user-service itself is well: nobody calls it down.
      expect(Object.keys(sink.last()).filter((name) => name.startsWith('InstanceDown bj'))).toEqual([])
      await world.dependency.start()
      await until('all are over', every('resolved'), 25_000)
    } finally {
      await world.dependency.start()
      await sink.close()
    }
  }, 60_000)

  test('a service that is stopped shows as down under the name of its host', async () => {
    const host = world.hosts[5]!
    const bin = 'opt/releases/user-service/current/bin'
    await remotely(host, `${bin}/stop`)
    await until('it is seen', async () => (await query(world, `up{host="${host.id}"} == 0`)).length === 1, 10_000)
    await remotely(host, `${bin}/start`)
    await until('it is back', async () => (await query(world, `up{host="${host.id}"} == 1`)).length === 1, 10_000)
  })

  test('its configuration names hosts, people, the artifact with its checksum, and Prometheus', () => {
    const { config } = world
    expect(config.hosts).toHaveLength(6)
    expect(config.people.map(({ id, roles }) => [id, roles])).toEqual([
      ['alice', ['operator', 'approver']],
      ['bob', ['approver']],
      ['vera', ['viewer']],
    ])
    expect(config.prometheus).toEqual({ url: world.prometheusUrl })
    expect(JSON.stringify(config)).not.toContain('PRIVATE KEY')
    expect(config.knowledge).toBe(join(import.meta.dirname, '../../knowledge'))
  })

  test('stop ends every process and removes the folder, also when done twice', async () => {
    const pids = world.processes()
    // Servers, six services, load; account-store, Prometheus and Alertmanager, each with the shell that holds it.
    expect(pids.length).toBeGreaterThanOrEqual(14)
    expect(pids.every(alive)).toBe(true)
    await world.stop()
    await world.stop()
    expect(pids.filter(alive)).toEqual([])
    expect(world.processes()).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  test('when the demo is killed, no process outlives it by more than 5 s', async () => {
    const module = JSON.stringify(new URL('../../src/demo/world.ts', import.meta.url).href)
    const script = `
      const { startWorld } = await import(${module})
      const world = await startWorld({ folder: ${JSON.stringify(join(parent, 'killed'))}, say: () => {} })
      console.log(JSON.stringify(world.processes()))
      setInterval(() => {}, 1000)`
    const env = bare()
    const demo = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pids = await new Promise<number[]>((resolve, reject) => {
      demo.once('exit', () => reject(new Error('the demo did not come up')))
      createInterface({ input: demo.stdout }).once('line', (line) => resolve(JSON.parse(line)))
    })
    expect(pids.length).toBeGreaterThanOrEqual(14)
    expect(pids.every(alive)).toBe(true)
    demo.kill('SIGKILL')
    try {
      await until('all are gone', () => !pids.some(alive), 5000)
    } finally {
      for (const pid of pids.filter(alive)) endNow(pid)
    }
  }, 40_000)

  const one = [{ id: 'h-1', region: 'lab' }]

  test('with PROMETHEUS_URL it starts none, reads from that one and prints what that one must scrape', async () => {
    const lines: string[] = []
    const env = { ...bare(), PROMETHEUS_URL: 'http://prometheus.example:9090' }
    const small = await startWorld({ folder: join(parent, 'given'), hosts: one, say: (line) => lines.push(line), env })
    try {
      expect(small.prometheusUrl).toBe('http://prometheus.example:9090')
      expect(small.config.prometheus).toEqual({ url: 'http://prometheus.example:9090' })
      expect(lines.join('\n')).toContain(`- 127.0.0.1:${small.hosts[0]!.servicePort}`)
      expect(small.alertmanagerUrl).toBeUndefined()
      expect(lines.join('\n')).toContain('no alert will come')
      // Servers, service, load, account-store and the shell that holds it.
      expect(small.processes()).toHaveLength(5)
    } finally {
      await small.stop()
    }
  })

  test('with ALERTMANAGER_URL alone Prometheus is ours, sends there, and what that one must do is printed', async () => {
    const lines: string[] = []
    const env = { ...bare(), ALERTMANAGER_URL: 'http://alertmanager.example:9093' }
    const small = await startWorld({ folder: join(parent, 'sent'), hosts: one, say: (line) => lines.push(line), env })
    try {
      expect(small.config.alerts).toEqual({
        sources: [{ name: 'local', url: 'http://alertmanager.example:9093' }],
      })
      const answer = await fetch(`${small.prometheusUrl}/api/v1/status/config`)
      expect(JSON.stringify(await answer.json())).toContain('alertmanager.example:9093')
      await small.alertsTo('http://127.0.0.1:8888/api/v1/alertmanager')
      expect(lines.at(-1)).toContain('url: http://127.0.0.1:8888/api/v1/alertmanager')
    } finally {
      await small.stop()
    }
  })

  test('with both given, none is started, and the rules that the other Prometheus needs are printed', async () => {
    const lines: string[] = []
    const env = {
      ...bare(),
      PROMETHEUS_URL: 'http://prometheus.example:9090',
      ALERTMANAGER_URL: 'http://alertmanager.example:9093',
    }
    const small = await startWorld({ folder: join(parent, 'both'), hosts: one, say: (line) => lines.push(line), env })
    try {
      expect(small.processes()).toHaveLength(5)
      expect(lines.join('\n')).toContain('alert: HighErrorRate')
    } finally {
      await small.stop()
    }
  })

  test('without Prometheus and without leave to install it, it goes on and says what is missing and how to get it', async () => {
    const lines: string[] = []
    const folderOfPrograms = join(parent, 'empty-path')
    const env = { ...bare(), PATH: folderOfPrograms, ROLLCALL_NO_INSTALL: '1' }
    const small = await startWorld({ folder: join(parent, 'blind'), hosts: one, say: (line) => lines.push(line), env })
    try {
      expect(small.prometheusUrl).toBeUndefined()
      expect(small.config.prometheus).toBeUndefined()
      expect(lines.join('\n')).toMatch(/prometheus is missing .* Get it with: /)
      expect(lines.join('\n')).toContain('every gate will hold as inconclusive')
      expect(lines.join('\n')).toMatch(/alertmanager is missing .* Get it with: /)
      expect(small.alertmanagerUrl).toBeUndefined()
      expect(small.config.alerts).toBeUndefined()
      await small.alertsTo('http://127.0.0.1:8888/api/v1/alertmanager')
    } finally {
      await small.stop()
    }
  })

  test('a folder that holds something is refused and left as it is', async () => {
    writeFileSync(join(parent, 'precious'), '1')
    await expect(startWorld({ folder: parent, say: () => {} })).rejects.toMatchObject({ code: 'demo.folder-not-empty' })
    expect(existsSync(join(parent, 'precious'))).toBe(true)
  })

  test('kept on request, the folder stays after the stop', async () => {
    const env = { ...bare(), PROMETHEUS_URL: 'http://prometheus.example:9090' }
    const small = await startWorld({ folder: join(parent, 'kept'), hosts: one, say: () => {}, env })
    await small.stop({ keep: true })
    expect(existsSync(join(parent, 'kept', 'hosts', 'h-1', 'user-service.log'))).toBe(true)
  })

  test('a bring-up that is called off leaves neither process nor folder', async () => {
    const own = join(parent, 'called-off')
    const off = new AbortController()
    const rising = startWorld({
      folder: own,
      hosts: one,
      // The first line comes when the hosts answer.
      say: () => off.abort(new Error('Ctrl-C')),
      signal: off.signal,
      env: bare(),
    })
    await expect(rising).rejects.toThrow('Ctrl-C')
    expect(existsSync(own)).toBe(false)
  })

  test('a Prometheus that cannot run fails the bring-up with what it said, ends the rest and keeps the logs', async () => {
    const own = join(parent, 'broken')
    const programs = mkdtempSync(join(parent, 'programs-'))
    writeFileSync(join(programs, 'prometheus'), '#!/bin/sh\necho "level=error err=bad flag" >&2\nexit 1\n', {
      mode: 0o755,
    })
    const lines: string[] = []
    const env = { ...bare(), PATH: `${programs}:${process.env.PATH}` }
    await expect(startWorld({ folder: own, hosts: one, say: (line) => lines.push(line), env })).rejects.toMatchObject({
      code: 'demo.prometheus',
      message: expect.stringContaining('bad flag'),
    })
    expect(lines.at(-1)).toContain(own)
    expect(existsSync(join(own, 'prometheus', 'prometheus.log'))).toBe(true)
  })
})

test('a Prometheus that never answers is given up in bounded time and ended', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-mute-'))
  const binary = join(folder, 'prometheus')
  writeFileSync(binary, `#!/bin/sh\necho $$ > ${folder}/pid\nexec sleep 300\n`, { mode: 0o755 })
  const began = performance.now()
  await expect(startPrometheus({ folder, targets: [], binary, ms: 800 })).rejects.toMatchObject({
    code: 'demo.prometheus',
    message: expect.stringContaining('it does not answer'),
  })
  expect(performance.now() - began).toBeLessThan(5000)
  expect(alive(Number(readFileSync(join(folder, 'pid'), 'utf8')))).toBe(false)
  rmSync(folder, { recursive: true })
})

/** The environment without servers that somebody may have given. */
function bare(): NodeJS.ProcessEnv {
  const given = ['PROMETHEUS_URL', 'ALERTMANAGER_URL']
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !given.includes(key)))
}

interface Answer {
  data: { result: { metric: Record<string, string>; value: [number, string] }[] }
}

async function query(world: World, expression: string): Promise<Answer['data']['result']> {
  const answer = await fetch(`${world.prometheusUrl}/api/v1/query?query=${encodeURIComponent(expression)}`)
  return ((await answer.json()) as Answer).data.result
}
