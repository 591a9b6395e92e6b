import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { toolsOf, until } from './world.ts'

const token = 'http-token-4c77b1d0'
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const message = z.looseObject({ id: z.union([z.string(), z.number()]).optional(), method: z.string() })
type Answer = (response: ServerResponse, id: string | number, request: IncomingMessage) => void

async function listen(serve: (request: IncomingMessage, response: ServerResponse, body: string) => void, port = 0) {
  const http = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    serve(request, response, body)
  })
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve))
  const stop = async () => {
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  }
  closers.push(stop)
  return { port: (http.address() as AddressInfo).port, stop }
}

const reply = (response: ServerResponse, id: string | number, result: object) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }))
const text = (words: string) => ({ content: [{ type: 'text', text: words }] })

/** Speaks MCP by hand, with sessions; a call of its tool is answered as the test says. */
function server(answer: Answer, port = 0, session = 'one') {
  return listen((request, response, body) => {
    if (request.method !== 'POST') return response.writeHead(405).end()
    const { id, method } = message.parse(JSON.parse(body))
    if (method === 'initialize') {
      response.setHeader('mcp-session-id', session)
      const serverInfo = { name: 'by hand', version: '1' }
      return reply(response, id!, { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo })
    }
    if (request.headers['mcp-session-id'] !== session) return response.writeHead(404).end('Session not found')
    if (id === undefined) return response.writeHead(202).end()
    if (method === 'tools/list')
      return reply(response, id, { tools: [{ name: 'look', inputSchema: { type: 'object' } }] })
    return method === 'ping' ? reply(response, id, {}) : answer(response, id, request)
  }, port)
}

function toolsAt(port: number, more: object = {}) {
  const one = { name: 'web', kind: 'custom', url: `http://127.0.0.1:${port}/mcp`, tools: ['look'], timeoutSeconds: 1 }
  const tried = toolsOf([{ ...one, headersEnv: { Authorization: 'TOKEN' }, ...more }], { env: { TOKEN: token } })
  closers.push(tried.tools.close)
  return tried
}

describe('a server over Streamable HTTP that', () => {
  test('answers with too much is cut off', async () => {
    const { port } = await server((response, id) => reply(response, id, text('x'.repeat(9 * 2 ** 20))))
    const { text: said, failed } = await toolsAt(port).tools.call('look', {})
    expect({ said, failed }).toEqual({ said: expect.stringContaining('more than 8 MiB'), failed: true })
  })

  test('streams without an end is cut off', async () => {
    let open = true
    const { port } = await server((response) => {
      response.on('close', () => {
        open = false
      })
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const more = () => {
        if (!open) return
        response.write(`: ${'y'.repeat(100_000)}\n\n`)
        setImmediate(more)
      }
      more()
    })
    expect(await toolsAt(port).tools.call('look', {})).toMatchObject({ failed: true })
    await until(() => !open)
  })

  test('does not answer is given up after its time', async () => {
    const { port } = await server(() => {})
    const { tools } = toolsAt(port)
    expect(await tools.call('look', {})).toMatchObject({ failed: true, text: 'The server web did not answer in 1 s.' })
    expect(tools.servers()).toMatchObject([{ at: 'connected' }])
  })

  test.each([
    ['an error', (response: ServerResponse) => response.writeHead(500).end('stack trace'), 'stack trace'],
    [
      'a page',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      'text/html',
    ],
    [
      'half an answer',
      (response: ServerResponse) =>
        response.writeHead(200, { 'content-length': '100' }).write('{"j') && response.destroy(),
      'failed',
    ],
    ['an answer to something else', (response: ServerResponse) => reply(response, 'other-id', {}), 'did not answer'],
    [
      'no result',
      (response: ServerResponse, id: string | number) => reply(response, id, { content: 'text' }),
      'failed',
    ],
  ] satisfies [string, Answer, string][])('answers with %s is a failed result', async (_name, answer, words) => {
    const { port } = await server(answer)
    const { tools, logged } = toolsAt(port)
    const result = await tools.call('look', {})
    expect(result).toMatchObject({ failed: true, text: expect.stringContaining(words) })
    expect(`${JSON.stringify(result)}${logged()}`).not.toContain(token)
  })

  test('redirects elsewhere is not followed there with the token', async () => {
    const seen: (string | undefined)[] = []
    const thief = await listen((request, response) => {
      seen.push(request.headers.authorization)
      response.end()
    })
    const { port } = await listen((_request, response) =>
      response.writeHead(307, { location: `http://localhost:${thief.port}/mcp` }).end(),
    )
    const { tools } = toolsAt(port)
    expect(await tools.call('look', {})).toMatchObject({ failed: true })
    expect(seen).toEqual([])
  })

  test('was started anew is connected to again', async () => {
    const fine: Answer = (response, id, { headers }) =>
      reply(response, id, text(`${headers.authorization === `Bearer ${token}`}`))
    const first = await server(fine)
    const { tools } = toolsAt(first.port)
    expect((await tools.call('look', {})).text).toBe('true')
    await first.stop()
    await server(fine, first.port, 'two')
    const texts: string[] = []
    await until(async () => {
      const { text: said, failed } = await tools.call('look', {})
      texts.push(said)
      return !failed
    })
    expect(texts.at(-1)).toBe('true')
    expect(tools.servers()).toMatchObject([{ at: 'connected' }])
  })

  test('is not there, or lacks its variable, is away and says why', async () => {
    const gone = await server(() => {})
    await gone.stop()
    const nobody = toolsAt(gone.port)
    expect(await nobody.tools.list()).toEqual([])
    expect(nobody.tools.servers()[0]?.why).toMatch(/fetch failed \(ECONNREFUSED\)/)
    const { port } = await server(() => {})
    const lacking = toolsAt(port, { headersEnv: { 'X-Api-Key': 'NOT_SET' } })
    expect(await lacking.tools.list()).toEqual([])
    expect(lacking.tools.servers()[0]?.why).toContain('NOT_SET holds no usable value for the header X-Api-Key')
  })
})

test('closing does not wait for a server that hangs while it is being connected', async () => {
  const mute = {
    name: 'mute',
    kind: 'custom',
    tools: ['look'],
    command: [process.execPath, '-e', 'setInterval(()=>{},1e3)'],
  }
  const { tools } = toolsOf([mute], { connectSeconds: 60 })
  const listed = tools.list()
  await until(() => tools.servers()[0]?.at === 'away')
  const start = performance.now()
  await tools.close()
  expect(await listed).toEqual([])
  expect(performance.now() - start).toBeLessThan(8000)
})
