import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type Load, startLoad } from '../../src/demo/load.ts'
import { alive } from '../../src/demo/processes.ts'
import { until } from './until.ts'

let load: Load | undefined
afterEach(() => load?.stop())

test('each target gets requests at the rate, over few connections, and none after the stop', async () => {
  const target = await counting((answer) => answer())
  load = startLoad({ targets: [target.url], rps: 100 })
  await until('it has begun', () => target.requests() > 0)
  const began = performance.now()
  const before = target.requests()
  await until('two hundred came', () => target.requests() >= before + 200, 10_000)
  // Poisson: the time for 200 arrivals at 100/s is 2 s with a standard deviation of 0.14 s; the machine may be slow, never fast.
  expect(performance.now() - began).toBeGreaterThan(1300)
  expect(target.connections()).toBeLessThan(20)
  await load.stop()
  expect(alive(load.pid)).toBe(false)
  await target.close()
})

test('a target that never answers is not buried: requests in flight are bounded', async () => {
  const target = await counting(() => {})
  load = startLoad({ targets: [target.url], rps: 400 })
  await until('the bound is reached', () => target.requests() >= 32)
  const before = target.requests()
  const began = performance.now()
  // 400/s would add 200 in this time.
  await until('half a second has passed', () => performance.now() - began > 500)
  expect(before).toBe(32)
  expect(target.requests()).toBe(32)
  await load.stop()
  await target.close()
})

async function counting(respond: (answer: () => void) => void) {
  let requests = 0
  let connections = 0
  const server = createServer((_, response) => {
    requests += 1
    respond(() => response.end('ok'))
  })
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests: () => requests,
    connections: () => connections,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
