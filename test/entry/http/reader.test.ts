import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFeed } from '../../../src/entry/http/feed.ts'
import { createReader } from '../../../src/entry/http/reader.ts'
import { until } from '../../demo/until.ts'

const server = createServer()
beforeEach(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

const STALLED_MS = 300

/** A reader that takes nothing, with more before it than the sockets between hold. */
async function stalled() {
  const asked = once(server, 'request')
  const request = get({ port: (server.address() as AddressInfo).port, agent: false })
  request.on('error', () => {})
  const [, response] = (await asked) as [IncomingMessage, ServerResponse]
  response.flushHeaders()
  const [taken] = (await once(request, 'response')) as [IncomingMessage]
  taken.on('error', () => {})
  taken.socket.pause()
  const feed = createFeed()
  const reader = createReader(response, feed, STALLED_MS)
  // The kernel takes megabytes before it takes nothing any more.
  for (let n = 1; n < 1000; n++) {
    reader.offer({ n, change: { kind: 'release', key: `R-${n}-${'x'.repeat(1_000_000)}` } })
    reader.flush()
    await delay(20)
    if (response.writableNeedDrain) break
  }
  return { response, reader, taken }
}

test('a reader that takes nothing for too long is cut off', async () => {
  const { response, reader } = await stalled()
  const began = Date.now()
  await until('it is cut off', () => {
    reader.beat()
    return response.destroyed
  })
  expect(Date.now() - began).toBeGreaterThanOrEqual(STALLED_MS - 50)
})

test('a reader that takes something again in time is not', async () => {
  const { response, reader, taken } = await stalled()
  reader.beat()
  expect(response.destroyed).toBe(false)
  taken.socket.resume()
  taken.resume()
  await until('it has taken what waited', () => !response.writableNeedDrain)
  await delay(STALLED_MS + 50)
  reader.beat()
  expect(response.destroyed).toBe(false)
})
