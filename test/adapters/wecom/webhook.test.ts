import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createCards } from '../../../src/adapters/wecom/cards.ts'
import { createMeter } from '../../../src/adapters/wecom/meter.ts'
import type { Parcel } from '../../../src/adapters/wecom/push.ts'
import { TIMINGS } from '../../../src/adapters/wecom/timings.ts'
import { createWebhook, WEBHOOK_RATE } from '../../../src/adapters/wecom/webhook.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'
import { GROUP, message } from './rig.ts'

async function hook(answer: RequestListener): Promise<{ url: string; contents: string[]; close(): Promise<void> }> {
  const contents: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      contents.push(JSON.parse(Buffer.concat(chunks).toString('utf8')).markdown.content)
      answer(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  onTestFinished(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/send?key=k`, contents, close }
}

function sender(): ReturnType<typeof createWebhook> {
  const timings = { ...TIMINGS, webhookTimeoutMs: 300 }
  const cards = createCards(createMemoryStore())
  return createWebhook({ cards, meter: createMeter([WEBHOOK_RATE]), timings, language: 'en' })
}

const parcel = (more: Partial<Parcel> = {}): Parcel => ({
  key: 'R-3/card',
  chat: { id: GROUP, type: 2 },
  code: 'R-3',
  message: message(),
  revision: 1,
  uncertain: false,
  ...more,
})

describe('a message to the webhook of a group', () => {
  test.each<[string, RequestListener]>([
    ['a success that is no JSON', (_, response) => void response.end('<html>ok</html>')],
    ['a success of another shape', (_, response) => void response.end('{"ok":true}')],
    ['a success whose body does not end', (_, response) => void response.writeHead(200).write('{"errcode":')],
    ['an error of the server', (_, response) => void response.writeHead(502).end()],
    ['an error of the server with a code', (_, response) => void response.writeHead(500).end('{"errcode":0}')],
    ['no answer', () => {}],
    ['an end of the connection', (request) => void request.socket.destroy()],
  ])('may have arrived after %s', async (_, answer) => {
    const { url, contents } = await hook(answer)
    expect(await sender()(url, parcel())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'unknown' })
    expect(contents).toHaveLength(1)
  })

  test('has not arrived when nobody listens there', async () => {
    const { url, close } = await hook(() => {})
    await close()
    expect(await sender()(url, parcel())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'no' })
  })

  test('that may have arrived says so when it is sent again', async () => {
    let up = false
    const { url, contents } = await hook((_, response) => void response.end(up ? '{"errcode":0}' : ''))
    const send = sender()
    expect(await send(url, parcel())).toMatchObject({ arrived: 'unknown' })
    up = true
    expect(await send(url, parcel({ uncertain: true }))).toMatchObject({ at: 'sent' })
    expect(contents).toHaveLength(2)
    expect(contents[0]).not.toContain('sent again')
    expect(contents[1]).toContain('sent again')
  })
})
