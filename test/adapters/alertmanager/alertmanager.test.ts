import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createAlertmanagerSilences } from '../../../src/adapters/alertmanager/index.ts'
import { asFault } from '../../../src/lib/fault.ts'

const TOKEN = 'token-that-nobody-may-read'
let server: Server | undefined
afterEach(async () => {
  const open = server
  server = undefined
  open?.closeAllConnections()
  await new Promise<void>((resolve) => (open === undefined ? resolve() : open.close(() => resolve())))
})

interface Seen {
  method?: string
  url?: string
  authorization?: string
  body: unknown
}
async function serve(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  timeoutSeconds = 2,
  settlesSeconds?: number,
) {
  const seen: Seen[] = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { method, url, headers } = request
      seen.push({ method, url, authorization: headers.authorization, body: body === '' ? undefined : JSON.parse(body) })
      answer(response, request)
    })
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/am/`
  return {
    seen,
    silences: createAlertmanagerSilences({
      sources: [{ name: 'main', url, token: TOKEN }],
      timeoutSeconds,
      settlesSeconds,
    }),
  }
}
const wish = () => ({
  matchers: [{ name: 'a', value: 'b', isRegex: false, isEqual: true }],
  from: new Date('2026-01-01T00:00:00Z'),
  until: new Date('2026-01-01T02:00:00Z'),
  by: 'bob',
  comment: 'A-1: known',
})
const json = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

describe('silences over the API v2', () => {
  test('are asked for as its description says, under the path of the address, with the token', async () => {
    const { seen, silences } = await serve((response) => json(response, 200, { silenceID: 's-1' }))
    expect(await silences.create('main', wish())).toBe('s-1')
    expect(seen).toEqual([
      {
        method: 'POST',
        url: '/am/api/v2/silences',
        authorization: `Bearer ${TOKEN}`,
        body: {
          matchers: [{ name: 'a', value: 'b', isRegex: false, isEqual: true }],
          startsAt: '2026-01-01T00:00:00.000Z',
          endsAt: '2026-01-01T02:00:00.000Z',
          createdBy: 'bob',
          comment: 'A-1: known',
        },
      },
    ])
  })

  test.each([
    ['is told to try again when the server is in trouble', 503, 'silence.unreachable', true],
    ['is refused when the server refuses', 400, 'silence.refused', false],
    ['is refused when the answer is none', 200, 'silence.refused', false],
  ])('whoever asks %s', async (_name, status, code, retry) => {
    const { silences } = await serve((response) => json(response, status, { message: `bad ${TOKEN}` }))
    const fault = asFault(await silences.create('main', wish()).catch((error: unknown) => error))
    expect({ code: fault.code, retry: fault.retry }).toEqual({ code, retry })
    expect(JSON.stringify([fault.message, fault.next, fault.data])).not.toContain(TOKEN)
  })

  test('a server that does not answer, or leads elsewhere, is given up in time', async () => {
    const hanging = await serve(() => {}, 0.2)
    await expect(hanging.silences.create('main', wish())).rejects.toMatchObject({
      code: 'silence.unreachable',
      message: expect.stringContaining('did not answer in 0.2 s'),
    })
    server?.closeAllConnections()
    server?.close()
    const leading = await serve((response) => {
      response.writeHead(302, { location: 'http://127.0.0.1:1/' })
      response.end()
    })
    await expect(leading.silences.create('main', wish())).rejects.toMatchObject({ code: 'silence.unreachable' })
    expect(leading.seen).toHaveLength(1)
  })

  test('ending one that is over is no error; ending one that cannot be ended is', async () => {
    const over = await serve((response, { method }) =>
      method === 'DELETE'
        ? json(response, 500, 'silence already expired')
        : json(response, 200, { status: { state: 'expired' } }),
    )
    await over.silences.expire('main', 's/1')
    expect(over.seen.map(({ url }) => url)).toEqual(['/am/api/v2/silence/s%2F1', '/am/api/v2/silence/s%2F1'])
    server?.closeAllConnections()
    server?.close()
    const stuck = await serve((response, { method }) =>
      method === 'DELETE' ? json(response, 500, 'no') : json(response, 200, { status: { state: 'active' } }),
    )
    await expect(stuck.silences.expire('main', 's')).rejects.toMatchObject({ code: 'silence.refused' })
  })

  test('a source without an address is refused with what to configure', async () => {
    const silences = createAlertmanagerSilences({ sources: [{ name: 'main' }], timeoutSeconds: 1 })
    for (const name of ['main', 'other']) {
      await expect(silences.create(name, wish())).rejects.toMatchObject({
        code: 'silence.refused',
        next: expect.stringContaining(`alerts.sources for ${name}`),
      })
    }
  })
  const manager =
    (list: [number, unknown], upSeconds = 3600) =>
    (response: ServerResponse, request: IncomingMessage) =>
      request.url?.endsWith('/status')
        ? json(response, 200, {
            uptime: new Date(Date.now() - upSeconds * 1000).toISOString(),
            config: { original: 'x' },
          })
        : json(response, ...list)

  test('what fires is asked for with what is silenced and inhibited', async () => {
    const { seen, silences } = await serve(manager([200, [{ fingerprint: 'a' }, { fingerprint: 'b' }]]))
    expect(await silences.firing('main')).toEqual(new Set(['a', 'b']))
    expect(seen.map(({ url }) => url)).toEqual([
      '/am/api/v2/status',
      '/am/api/v2/alerts?active=true&silenced=true&inhibited=true&unprocessed=true',
    ])
  })

  test.each<[string, (response: ServerResponse, request: IncomingMessage) => void]>([
    ['while the server is in trouble', manager([503, 'no'])],
    ['when it refuses', manager([401, []])],
    ['when the answer is none', manager([200, { alerts: [] }])],
    ['when it has just started', manager([200, []], 60)],
    ['when it says nothing of its start', (response) => json(response, 200, {})],
    ['when it does not answer', () => {}],
  ])('what fires is not known %s', async (_name, answer) => {
    const { silences } = await serve(answer, 0.3)
    expect(await silences.firing('main')).toBeUndefined()
    expect(await silences.firing('other')).toBeUndefined()
  })
})
