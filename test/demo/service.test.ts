import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract } from 'tar'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startAccountStore } from '../../src/demo/account-store.ts'
import { buildArtifact, versions } from '../../src/demo/artifacts.ts'
import { alive, endNow, freePorts } from '../../src/demo/processes.ts'
import { until } from './until.ts'

describe('user-service', () => {
  let folder: string
  let port: number
  const release = (version: string) => join(folder, 'releases', version)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rollcall-service-'))
    ;[port] = (await freePorts(1)) as [number]
    for (const [version, behaviour] of Object.entries(versions)) {
      const { file } = await buildArtifact(join(folder, 'artifacts'), version, behaviour)
      mkdirSync(release(version), { recursive: true })
      await extract({ file, cwd: release(version) })
    }
    writeFileSync(join(folder, 'user-service.env'), `PORT=${port}\nHOST_ID=bj-1\nNODE='${process.execPath}'\n`)
  })
  afterEach(() => call('v1.0.0', 'stop'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('start returns at once, leaves a daemon in a session of its own, and health tells when it serves its version', async () => {
    const began = performance.now()
    const { code, out } = await call('v1.0.0', 'start')
    expect(code).toBe(0)
    expect(performance.now() - began).toBeLessThan(2000)
    const pid = recorded()
    expect(out).toContain(String(pid))
    await until('it is healthy', async () => (await call('v1.0.0', 'health')).code === 0)
    expect((await call('v1.1.0', 'health')).code).not.toBe(0)
    if (process.platform === 'linux') {
      const [, , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
      expect(Number(session)).toBe(pid)
    }
  })

  test('start is harmless when it runs already, and refuses while another release runs', async () => {
    await call('v1.0.0', 'start')
    const pid = recorded()
    expect((await call('v1.0.0', 'start')).code).toBe(0)
    expect(recorded()).toBe(pid)
    const { code, out } = await call('v1.1.0', 'start')
    expect(code).toBe(1)
    expect(out).toContain('stop it first')
    expect(alive(pid)).toBe(true)
  })

  test('stop of any release ends the one that runs and waits for it; again it is harmless; the port is free at once', async () => {
    await call('v1.0.0', 'start')
    const pid = recorded()
    await until('it is healthy', async () => (await call('v1.0.0', 'health')).code === 0)
    expect((await call('v1.1.0', 'stop')).code).toBe(0)
    expect(alive(pid)).toBe(false)
    expect((await call('v1.1.0', 'stop')).code).toBe(0)
    await call('v1.1.0', 'start')
    await until('the next one is healthy', async () => (await call('v1.1.0', 'health')).code === 0)
  })

  test('stop ends only the process that start began: a pid that now belongs to another is left alone', async () => {
    const other = execFile('sleep', ['300'])
    try {
      writeFileSync(join(folder, 'user-service.pid'), `${other.pid} 12345 ${release('v1.0.0')}\n`)
      expect((await call('v1.0.0', 'stop')).code).toBe(0)
      expect(alive(other.pid!)).toBe(true)
    } finally {
      endNow(other.pid!)
    }
  })

  test('stop ends one that does not react to SIGTERM', async () => {
    await call('v1.0.0', 'start')
    const pid = recorded()
    process.kill(pid, 'SIGSTOP')
    expect((await call('v1.0.0', 'stop')).code).toBe(0)
    expect(alive(pid)).toBe(false)
  })

  test('every program says what is missing when the host has no settings for it', async () => {
    const empty = mkdtempSync(join(folder, 'home-'))
    for (const program of ['start', 'stop', 'health']) {
      const { code, out } = await call('v1.0.0', program, empty)
      expect(code).toBe(1)
      expect(out).toMatch(/user-service\.env is missing/)
    }
  })

  test('on a port that is taken it is not healthy, whatever answers there', async () => {
    const squatter = createServer((_, response) => response.end('ok'))
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve))
    try {
      await call('v1.0.0', 'start')
      const pid = recorded()
      await until('it gave up', () => !alive(pid))
      expect((await call('v1.0.0', 'health')).code).toBe(1)
      expect(readFileSync(join(folder, 'user-service.log'), 'utf8')).toMatch(/cannot listen: .*EADDRINUSE/)
    } finally {
      squatter.closeAllConnections()
      await new Promise((resolve) => squatter.close(resolve))
    }
  })

  test('a fifth of its requests asks account-store: without an answer those alone get 502, and with it again 200', async () => {
    const store = await startAccountStore({ folder: join(folder, 'account-store') })
    try {
      writeFileSync(
        join(folder, 'user-service.env'),
        `PORT=${port}\nHOST_ID=bj-1\nNODE='${process.execPath}'\nACCOUNT_STORE='${store.url}'\n`,
      )
      await call('v1.1.0', 'start')
      await until('it is healthy', async () => (await call('v1.1.0', 'health')).code === 0)
      const hundred = async () => {
        const answers: number[] = []
        for (let i = 0; i < 100; i++) answers.push((await request()).status)
        return { 200: answers.filter((one) => one === 200).length, 502: answers.filter((one) => one === 502).length }
      }
      expect(await hundred()).toEqual({ 200: 100, 502: 0 })
      const served = await (await fetch(new URL('/metrics', store.url))).text()
      expect(served).toMatch(/http_requests_total\{service="account-store",.*code="200"\} 20\n/)
      await store.stop()
      expect(await hundred()).toEqual({ 200: 80, 502: 20 })
      expect((await call('v1.1.0', 'health')).code).toBe(0)
      await store.start()
      expect(await hundred()).toEqual({ 200: 100, 502: 0 })
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      expect(metrics).toMatch(/http_requests_total\{service="user-service",.*code="502"\} 20\n/)
    } finally {
      await store.stop()
      writeFileSync(join(folder, 'user-service.env'), `PORT=${port}\nHOST_ID=bj-1\nNODE='${process.execPath}'\n`)
    }
  })

  test('metrics are Prometheus text with type and help, labelled by service, version and host', async () => {
    await call('v1.1.0', 'start')
    await until('it is healthy', async () => (await call('v1.1.0', 'health')).code === 0)
    for (let i = 0; i < 20; i++) expect((await request()).status).toBe(200)
    expect((await request('/nothing')).status).toBe(404)
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const identity = 'service="user-service",version="v1.1.0",host="bj-1"'
    expect(metrics).toContain('# TYPE http_requests_total counter\n')
    expect(metrics).toContain('# TYPE http_request_duration_seconds histogram\n')
    expect(metrics).toContain(`http_requests_total{${identity},code="200"} 20\n`)
    expect(metrics).toContain(`http_requests_total{${identity},code="500"} 0\n`)
    expect(metrics).toContain(`http_requests_total{${identity},code="404"} 1\n`)
    expect(metrics).toContain(`http_request_duration_seconds_bucket{${identity},le="+Inf"} 21\n`)
    expect(metrics).toContain(`http_request_duration_seconds_count{${identity}} 21\n`)
    const gauge = (name: string) => Number(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'm').exec(metrics)?.[1])
    expect(gauge('process_cpu_seconds_total')).toBeGreaterThan(0)
    expect(gauge('process_resident_memory_bytes')).toBeGreaterThan(10e6)
    const counts = [...metrics.matchAll(/_bucket\{.*\} (\d+)/g)].map((match) => Number(match[1]))
    expect(counts).toEqual(counts.toSorted((a, b) => a - b))
    expect(counts.length).toBeGreaterThan(8)
  })

  test('v1.2.0 answers 8 of 100 requests with 500 and takes a quarter of a second; v1.1.0 and v1.3.0 neither', async () => {
    const bad = await sample('v1.2.0')
    expect(bad.failed).toBe(8)
    expect(bad.medianMs).toBeGreaterThan(250)
    for (const version of ['v1.1.0', 'v1.3.0']) {
      await call('v1.0.0', 'stop')
      const good = await sample(version)
      expect(good.failed).toBe(0)
      expect(good.medianMs).toBeLessThan(100)
    }
  })

  async function sample(version: string): Promise<{ failed: number; medianMs: number }> {
    await call(version, 'start')
    await until('it is healthy', async () => (await call(version, 'health')).code === 0)
    const times: number[] = []
    let failed = 0
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => request()))
      for (const { status, ms } of answers) {
        times.push(ms)
        if (status === 500) failed += 1
      }
    }
    return { failed, medianMs: times.toSorted((a, b) => a - b)[50]! }
  }

  async function request(path = '/'): Promise<{ status: number; ms: number }> {
    const began = performance.now()
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    await answer.arrayBuffer()
    return { status: answer.status, ms: performance.now() - began }
  }

  function recorded(): number {
    return Number(readFileSync(join(folder, 'user-service.pid'), 'utf8').split(' ')[0])
  }

  function call(version: string, program: string, home = folder): Promise<{ code: number; out: string }> {
    return new Promise((resolve) => {
      execFile(
        `bin/${program}`,
        { cwd: release(version), env: { PATH: process.env.PATH, HOME: home } },
        (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 255), out: out + err }),
      )
    })
  }
})
