import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { prometheusSchema } from '../../../src/adapters/prometheus/config.ts'
import { createPrometheus, mostSeries } from '../../../src/adapters/prometheus/index.ts'
import { type Fault, toDocument } from '../../../src/lib/fault.ts'

const secret = 'bearer-5e884898da28'
const open: Server[] = []

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

async function serve(answer: RequestListener, server: Server = createServer()): Promise<string> {
  server.on('request', answer)
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const adapter = (address: string, rest: object = {}) =>
  createPrometheus(prometheusSchema.parse({ url: `http://${address}`, bearerTokenEnv: 'TOKEN', ...rest }), {
    TOKEN: secret,
    PASSWORD: 'pass-word-77',
  })
const json =
  (status: number, body: unknown): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
const html =
  (status: number): RequestListener =>
  (_request, response) => {
    response.writeHead(status).end('<html>nginx</html>')
  }
const data = (value: unknown) => json(200, { status: 'success', data: value })
const error = (status: number, errorType: string, words: string) =>
  json(status, { status: 'error', errorType, error: words })
const text = async (request: IncomingMessage) => {
  let all = ''
  for await (const chunk of request) all += chunk
  return all
}
const faultOf = (call: Promise<unknown>): Promise<Fault> =>
  call.then(
    () => Promise.reject(new Error('it did not fail')),
    (fault) => fault,
  )

describe('faults', () => {
  const half = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('{"status":')
    setTimeout(() => response.destroy(), 20)
  }
  const cases: [string, RequestListener, string, boolean, RegExp][] = [
    ['500 with words', error(500, 'internal', 'disk is gone'), 'metrics.unreachable', true, /in trouble: disk is gone/],
    ['502 of a proxy', html(502), 'metrics.unreachable', true, /HTTP 502/],
    [
      '503 of a query that took too long',
      error(503, 'timeout', 'query timed out'),
      'metrics.timeout',
      true,
      /query timed out/,
    ],
    ['503 of a starting server', html(503), 'metrics.unreachable', true, /HTTP 503/],
    ['504 of a proxy', html(504), 'metrics.timeout', true, /HTTP 504/],
    ['429', html(429), 'metrics.unreachable', true, /HTTP 429/],
    ['422', error(422, 'execution', 'many-to-many matching not allowed'), 'metrics.refused', false, /many-to-many/],
    ['400', error(400, 'bad_data', 'parse error'), 'metrics.refused', false, /parse error/],
    ['401', html(401), 'metrics.refused', false, /rejects the credentials/],
    ['404 of something else', html(404), 'metrics.refused', false, /HTTP 404/],
    ['garbage', html(200), 'metrics.unreachable', true, /does not speak Prometheus' API/],
    ['JSON of something else', json(200, { hello: 'world' }), 'metrics.unreachable', true, /does not speak/],
    [
      'the right frame with the wrong content',
      data({ resultType: 'vector', result: [{ metric: {}, value: 'x' }] }),
      'metrics.unreachable',
      true,
      /does not speak/,
    ],
    [
      'a matrix where a vector is due',
      data({ resultType: 'matrix', result: [] }),
      'metrics.unreachable',
      true,
      /does not speak/,
    ],
    [
      'an answer that breaks off',
      (_request, response) => half(response),
      'metrics.unreachable',
      true,
      /ECONNRESET|connection lost/,
    ],
    [
      'a connection that is closed at once',
      (request) => request.socket.destroy(),
      'metrics.unreachable',
      true,
      /ECONNRESET/,
    ],
    ['an answer that never comes', () => undefined, 'metrics.timeout', true, /did not answer in 0.3 s/],
    [
      'an answer that trickles',
      (_request, response) => void response.writeHead(200).write('{'),
      'metrics.timeout',
      true,
      /did not answer/,
    ],
  ]
  test.each(cases)('%s', async (_name, answer, code, retry, words) => {
    const metrics = adapter(await serve(answer), { timeoutSeconds: 0.3 })
    const fault = await faultOf(metrics.instant('up'))
    expect(fault).toMatchObject({ code, retry })
    expect(fault.message).toMatch(words)
    expect(fault.next).not.toBe('')
  })

  test('an answer of more than 16 MiB is not read to its end', async () => {
    let sent = 0
    const address = await serve((_request, response) => {
      const chunk = Buffer.alloc(2 ** 20, 'x')
      const more = () => {
        while (!response.destroyed && sent < 200 * 2 ** 20) {
          sent += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
      }
      more()
    })
    const fault = await faultOf(adapter(address).instant('up'))
    expect(fault).toMatchObject({ code: 'metrics.refused', retry: false })
    expect(fault.message).toContain('more than 16 MiB')
    expect(sent).toBeLessThan(64 * 2 ** 20)
  })

  test('an answer of too many series is refused', async () => {
    const result = Array.from({ length: mostSeries + 1 }, () => ({ metric: {}, value: [1, '1'], values: [] }))
    const instant = adapter(await serve(data({ resultType: 'vector', result })))
    expect(await faultOf(instant.instant('up'))).toMatchObject({ code: 'metrics.refused' })
    const range = adapter(await serve(data({ resultType: 'matrix', result })))
    expect((await faultOf(range.range('up', new Date(0), new Date(1), 1))).message).toContain('20001 series')
  })

  test('a redirect to elsewhere is not followed, and the token stays here', async () => {
    let reached = 0
    const elsewhere = await serve(() => {
      reached++
    })
    const address = await serve((_request, response) =>
      response.writeHead(302, { location: `http://${elsewhere}/api` }).end(),
    )
    const fault = await faultOf(adapter(address).instant('up'))
    expect(fault.code).toBe('metrics.refused')
    expect(fault.message).toContain('redirects elsewhere, which is not followed')
    expect(reached).toBe(0)
  })

  test('a server that repeats the secret does not get it into a fault', async () => {
    const ways: [string, object][] = [
      [secret, {}],
      ['pass-word-77', { bearerTokenEnv: undefined, basicAuth: { user: 'u', passwordEnv: 'PASSWORD' } }],
    ]
    for (const [own, rest] of ways) {
      const address = await serve((request, response) =>
        error(400, 'bad_data', `bad header ${request.headers.authorization} ${own}`)(request, response),
      )
      const fault = await faultOf(adapter(address, rest).instant('up'))
      const told = JSON.stringify([toDocument(fault), fault.stack])
      expect(told).toContain('bad header')
      for (const hidden of [own, Buffer.from('u:pass-word-77').toString('base64')]) expect(told).not.toContain(hidden)
    }
  })
})

describe('requests', () => {
  test('queries are posted as forms with token, headers and times in seconds; a path prefix is kept', async () => {
    const seen: {
      method?: string
      url?: string
      type?: string
      auth?: string
      tenant?: string | string[]
      form: Record<string, string>
    }[] = []
    const address = await serve(async (request, response) => {
      const { method, url, headers } = request
      const form = Object.fromEntries(new URLSearchParams(await text(request)))
      seen.push({
        method,
        url,
        type: headers['content-type'],
        auth: headers.authorization,
        tenant: headers['x-scope-orgid'],
        form,
      })
      data({ resultType: url?.endsWith('_range') ? 'matrix' : 'vector', result: [] })(request, response)
    })
    const metrics = adapter(`${address}/prom/`, { headers: { 'X-Scope-OrgID': 'team-1' } })
    await metrics.instant('up{a="b"} & +', new Date(1_500))
    await metrics.range('up', new Date(1_000), new Date(61_000), 15)
    const shared = {
      method: 'POST',
      type: 'application/x-www-form-urlencoded',
      auth: `Bearer ${secret}`,
      tenant: 'team-1',
    }
    expect(seen).toEqual([
      { ...shared, url: '/prom/api/v1/query', form: { query: 'up{a="b"} & +', time: '1.500', timeout: '10s' } },
      {
        ...shared,
        url: '/prom/api/v1/query_range',
        form: { query: 'up', start: '1.000', end: '61.000', step: '15', timeout: '10s' },
      },
    ])
  })

  test('basic authentication', async () => {
    const address = await serve((request, response) => data([request.headers.authorization])(request, response))
    const metrics = adapter(address, { bearerTokenEnv: undefined, basicAuth: { user: 'u', passwordEnv: 'PASSWORD' } })
    expect((await faultOf(metrics.instant('up'))).code).toBe('metrics.unreachable')
    const names = await adapter(
      await serve((request, response) =>
        request.url?.endsWith('/metadata')
          ? data({})(request, response)
          : data([request.headers.authorization])(request, response),
      ),
      { bearerTokenEnv: undefined, basicAuth: { user: 'u', passwordEnv: 'PASSWORD' } },
    ).catalogue()
    expect(names[0]?.name).toBe(`Basic ${Buffer.from('u:pass-word-77').toString('base64')}`)
  })

  test('a server without metadata still has names; one that is in trouble is a fault; long help is cut', async () => {
    const catalogue = async (metadata: RequestListener) =>
      adapter(
        await serve((request, response) =>
          (request.url?.endsWith('/metadata') ? metadata : data(['a_total', 'b', 'c_bucket']))(request, response),
        ),
      ).catalogue()
    expect(await catalogue(html(404))).toEqual(
      ['a_total', 'b', 'c_bucket'].map((name) => ({ name, type: 'unknown', help: '' })),
    )
    expect(await faultOf(catalogue(html(500)))).toMatchObject({ code: 'metrics.unreachable' })
    const known = await catalogue(
      data({
        a: [{ type: 'counter', help: 'x'.repeat(9999) }],
        b: [{ type: 'stateset', help: '' }],
        c: [{ type: 'histogram', help: 'h' }],
      }),
    )
    expect(known.map(({ type, help }) => [type, help.length])).toEqual([
      ['counter', 500],
      ['unknown', 0],
      ['histogram', 1],
    ])
  })

  test('odd numbers are read as Prometheus writes them', async () => {
    const result = ['NaN', '+Inf', '-Inf', 'Inf', '1e-7', ''].map((value) => ({ metric: {}, value: [1, value] }))
    const found = await adapter(await serve(data({ resultType: 'vector', result }))).instant('x')
    expect(found.map(({ value }) => value)).toEqual([Number.NaN, Infinity, -Infinity, Infinity, 1e-7, Number.NaN])
  })

  test('a private authority is trusted only when its file is given', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollcall-ca-'))
    try {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const request = [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      ]
      execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) })
      const url = `https://${await serve(data({ resultType: 'vector', result: [] }), server)}`
      expect(await adapter('x', { url, tlsCaFile: cert }).instant('up')).toEqual([])
      const fault = await faultOf(adapter('x', { url }).instant('up'))
      expect(fault).toMatchObject({ code: 'metrics.unreachable' })
      expect(fault.message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
      expect(() => adapter('x', { url, tlsCaFile: join(folder, 'none.pem') })).toThrow(/cannot be read/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})

describe('configuration', () => {
  test('has defaults', () => {
    expect(prometheusSchema.parse({ url: 'http://p:9090' })).toEqual({
      url: 'http://p:9090',
      timeoutSeconds: 10,
      headers: {},
    })
  })

  test.each([
    [{ url: 'ftp://p' }],
    [{ url: 'not an address' }],
    [{ url: 'http://user:pass@p' }],
    [{ url: 'http://p/?x=1' }],
    [{ url: 'http://p', bearerTokenEnv: 'sk-123 456' }],
    [{ url: 'http://p', bearerTokenEnv: 'A', basicAuth: { user: 'u', passwordEnv: 'B' } }],
    [{ url: 'http://p', headers: { 'X-A': 'a\nb' } }],
    [{ url: 'http://p', headers: { 'X A': 'a' } }],
    [{ url: 'http://p', timeoutSeconds: 0 }],
    [{ url: 'http://p', token: 'x' }],
  ])('%j is refused', (config) => expect(prometheusSchema.safeParse(config).success).toBe(false))

  test('a missing or unusable secret is told by the name of its variable', () => {
    const config = prometheusSchema.parse({ url: 'http://p', bearerTokenEnv: 'TOKEN' })
    for (const TOKEN of [undefined, '', '  ', 'new\nline-secret'])
      expect(() => createPrometheus(config, { TOKEN })).toThrow(
        /^the environment variable TOKEN holds no usable secret/,
      )
    expect(() => createPrometheus(config, { TOKEN: ` ${secret}\n` })).not.toThrow()
  })
})
