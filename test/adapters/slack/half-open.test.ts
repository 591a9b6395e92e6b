import { connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { ALICE, PLACE, until, type World, world } from './world.ts'

let w: World | undefined
const close: (() => void)[] = []
afterEach(async () => {
  for (const each of close.splice(0)) each()
  await w?.stop()
})

test('sockets whose other end has vanished without a word are noticed and replaced, while the Web API still answers', async () => {
  // Between the adapter and Slack stands a wire. Each of its lines can be cut in silence: bytes go nowhere, and nobody hangs up.
  const cut = new Set<Socket>()
  const sockets = new Set<Socket>()
  const all = new Set<Socket>()
  let target = 0
  let port = 0
  // Slack's answers name its own address for the sockets; they have to come through the wire as well.
  const readdressed = (data: string) => data.replaceAll(`127.0.0.1:${target}`, `127.0.0.1:${port}`)
  const wire = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const side of [near, far]) {
      all.add(side)
      side.setEncoding('latin1')
      side.on('error', () => {})
    }
    near.on('data', (data) => {
      if (/upgrade: websocket/i.test(String(data))) sockets.add(near)
      if (!cut.has(near)) far.write(String(data), 'latin1')
    })
    far.on('data', (data) => {
      if (!cut.has(near)) near.write(readdressed(String(data)), 'latin1')
    })
    near.on('close', () => far.destroy())
    far.on('close', () => {
      if (!cut.has(near)) near.destroy()
    })
  })
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve))
  const address = wire.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
  close.push(() => {
    wire.close()
    for (const socket of all) socket.destroy()
  })

  w = await world({ started: false, config: { apiUrl: `http://127.0.0.1:${port}/api/` }, server: { ackMs: 200 } })
  const { slack, server } = w
  target = Number(new URL(server.apiUrl).port)
  slack.start()
  await until(() => slack.health().at === 'up' && server.connections() === 2)
  expect(sockets.size).toBe(2)
  expect(server.calls('apps.connections.open')).toHaveLength(2)

  for (const socket of sockets) cut.add(socket)
  const began = performance.now()
  await until(() => server.calls('apps.connections.open').length >= 4)
  await until(() => slack.health().at === 'up')
  // Pings are answered within 450 ms here (5 s in life) or the peer is taken for dead.
  expect(performance.now() - began).toBeLessThan(2000)
  expect((await server.mention(ALICE, PLACE, 'status')).acked).toBe(true)
})
