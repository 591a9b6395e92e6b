import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import type { FastifyPluginAsync } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { packFiles } from '../../../src/entry/http/client.ts'
import { createServer } from '../../../src/entry/http/server.ts'
import { Fault } from '../../../src/lib/fault.ts'
import { aRelease } from '../../fakes/release.ts'
import { type Console, personByHeader, testConsole } from './kit.ts'

let console: Console
beforeAll(async () => {
  console = await testConsole()
})
afterAll(() => console.close())

const html = { accept: 'text/html,application/xhtml+xml' }

describe('the client', () => {
  test('its page carries the nonce of its policy, another one each time', async () => {
    const nonces = new Set<string>()
    for (const url of ['/', '/index.html', '/releases/R-7', '/fleet?by=version']) {
      const page = await console.server.inject({ url, headers: html })
      expect(page.statusCode).toBe(200)
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
      expect(page.headers['cache-control']).toBe('no-cache')
      const nonce = /name="csp-nonce" content="([^"]+)"/.exec(page.body)?.[1] ?? ''
      expect(nonce).toMatch(/^[A-Za-z0-9+/]{24}$/)
      expect(page.headers['content-security-policy']).toContain(`style-src 'self' 'nonce-${nonce}'`)
      nonces.add(nonce)
    }
    expect(nonces.size).toBe(4)
  })

  test('its files are kept for a year, and go gzipped to who takes it', async () => {
    const plain = await console.server.inject({ url: '/assets/main-abc123.js' })
    expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(plain.headers['content-type']).toMatch(/^(text|application)\/javascript/)
    const packed = await console.server.inject({
      url: '/assets/main-abc123.js',
      headers: { 'accept-encoding': 'gzip, br' },
    })
    expect(packed.headers['content-encoding']).toBe('gzip')
    expect(packed.headers.vary).toMatch(/accept-encoding/i)
    expect(gunzipSync(packed.rawPayload).toString()).toBe(plain.body)
    expect(packed.rawPayload.length).toBeLessThan(plain.rawPayload.length / 10)
  })

  test('what was packed when it was built is sent as it is', async () => {
    const plain = 'x'.repeat(3000)
    await writeFile(join(console.webRoot, 'assets/other-def456.js'), plain)
    await packFiles(console.webRoot)
    const names = await readdir(console.webRoot, { recursive: true })
    expect(names.filter((name) => /\.(br|gz)$/.test(name)).sort()).toEqual(
      ['main-abc123', 'other-def456'].flatMap((name) => [`assets/${name}.js.br`, `assets/${name}.js.gz`]),
    )
    const ask = (accept: string) =>
      console.server.inject({ url: '/assets/other-def456.js', headers: { 'accept-encoding': accept } })
    const br = await ask('gzip, br')
    expect(br.headers).toMatchObject({
      'content-encoding': 'br',
      'cache-control': expect.stringContaining('immutable'),
    })
    expect(br.headers['content-type']).toMatch(/javascript/)
    expect(brotliDecompressSync(br.rawPayload).toString()).toBe(plain)
    // Another one in its place shows that nothing is packed again.
    await writeFile(join(console.webRoot, 'assets/other-def456.js.gz'), gzipSync('packed before'))
    expect(gunzipSync((await ask('gzip')).rawPayload).toString()).toBe('packed before')
    expect((await ask('identity')).body).toBe(plain)
  })

  test.each(['/api', '/api/nothing', '/api/v2/releases', '/metrics/x', '/mcp', '/assets/nothing'])(
    'its page is not what a browser is shown for %s',
    async (url) => {
      const response = await console.server.inject({ url, headers: { ...html, 'x-person': 'alice' } })
      expect(response.statusCode).toBe(404)
      expect(response.json()).toMatchObject({ code: 'entry.not-found', next: 'see /api/docs for what there is' })
    },
  )

  test.each(['/../package.json', '/..%2f..%2fpackage.json', '/.built-from', '/assets/%00'])(
    'nothing outside of its folder is given for %s',
    async (url) => {
      const response = await console.server.inject({ url })
      expect(response.statusCode).toBeGreaterThanOrEqual(400)
      expect(response.json().code).toMatch(/^entry\./)
    },
  )

  test('a folder without a built client is said, and the rest works', async () => {
    const webRoot = await mkdtemp(join(tmpdir(), 'rollcall-empty-'))
    const other = await testConsole({ deps: { webRoot } })
    const page = await other.server.inject({ url: '/', headers: html })
    expect(page.statusCode).toBe(503)
    expect(page.json()).toMatchObject({ code: 'entry.client-missing', next: 'run npm run build' })
    expect((await other.get('/api/v1/people')).statusCode).toBe(200)
    await other.close()
    await rm(webRoot, { recursive: true })
  })
})

describe('every answer', () => {
  test.each(['/', '/healthz', '/api/v1/people', '/api/v1/nothing', '/assets/main-abc123.js'])(
    '%s has the strict policy and is not to be sniffed',
    async (url) => {
      const { headers } = await console.get(url)
      const policy = String(headers['content-security-policy'])
      for (const rule of [
        "default-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
      ]) {
        expect(policy.split(';').map((each) => each.trim())).toContain(rule)
      }
      expect(policy).not.toContain('unsafe')
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['x-frame-options']).toBe('DENY')
    },
  )

  test('of the interface is not to be kept', async () => {
    expect((await console.get('/api/v1/people')).headers['cache-control']).toBe('no-store')
  })

  test('HEAD is the answer without its body', async () => {
    const head = await console.server.inject({
      method: 'HEAD',
      url: '/api/v1/people',
      headers: { 'x-person': 'alice' },
    })
    expect(head.statusCode).toBe(200)
    expect(head.body).toBe('')
  })

  test('no other origin is told that it may read', async () => {
    const { headers } = await console.server.inject({
      url: '/api/v1/people',
      headers: { 'x-person': 'alice', origin: 'http://evil.example' },
    })
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})

describe('text of people and hosts', () => {
  const strings = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    'javascript:alert(1)',
    '</script><svg/onload=alert(1)>',
    '{{constructor.constructor("alert(1)")()}}',
    '\u202e\u2028\u2029\u0000',
  ]

  test.each(strings)('%j comes back as it is, as JSON and nothing else', async (text) => {
    const number = 100 + strings.indexOf(text)
    await console.insert(
      aRelease({
        id: `R-${number}`,
        candidate: text,
        requester: text,
        notes: [text],
        hosts: { [text]: { at: 'failed', before: text, why: text, attempt: 1 } },
        state: { at: 'held', why: text, offers: ['abort'], batch: 1, since: '2026-01-01T00:00:00.000Z' },
      }),
    )
    const response = await console.get(`/api/v1/releases/R-${number}`)
    expect(response.statusCode).toBe(200)
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(response.headers['x-content-type-options']).toBe('nosniff')
    expect(response.json()).toMatchObject({
      candidate: text,
      requester: text,
      notes: [text],
      progress: [{ host: text, why: text, before: text }],
    })
  })

  test('in an error is quoted in JSON, never in a page', async () => {
    for (const url of [
      '/api/v1/<script>alert(1)</script>',
      '/api/v1/messages?channel=%3Cscript%3E',
      '/<img src=x onerror=alert(1)>.png',
    ]) {
      const response = await console.server.inject({ url, headers: { 'x-person': 'alice', ...html } })
      expect(response.statusCode).toBe(404)
      expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
    }
  })
})

describe('secrets', () => {
  test('are masked in every answer, in refusals too', async () => {
    const secret = 'hunter2-hunter2'
    const world = await testConsole()
    world.desk.redact = (text) => text.replaceAll(secret, '***')
    await world.insert(aRelease({ id: 'R-1', notes: [`password ${secret}`], requester: secret }))
    const detail = await world.get('/api/v1/releases/R-1')
    expect(detail.body).not.toContain(secret)
    expect(detail.json().notes).toEqual(['password ***'])
    const refused = await world.get(`/api/v1/hosts?service=${secret}`)
    expect(refused.statusCode).toBe(404)
    expect(refused.body).not.toContain(secret)
    const typed = await world.post('/api/v1/messages', { channel: '#releases', text: `/${secret}` })
    expect(typed.body).not.toContain(secret)
    await world.close()
  })
})

describe('an answer that is made once for all', () => {
  test('is still what a hook makes of it for one reader', async () => {
    const shout: FastifyPluginAsync = async (app) => {
      app.addHook('preSerialization', async (request, _reply, payload) =>
        request.headers['accept-language'] === 'zh' ? { ...(payload as object), headline: '标题' } : payload,
      )
    }
    const plugin = Object.assign(shout, { [Symbol.for('skip-override')]: true })
    const world = await testConsole()
    const both = await testConsole({ deps: { plugins: [personByHeader(world), plugin] } })
    await both.insert(aRelease({ id: 'R-1' }))
    const ask = async (language: string) => {
      const headers = { 'x-person': 'alice', 'accept-language': language }
      const response = await both.server.inject({ url: '/api/v1/releases/R-1', headers })
      expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
      return response.json().headline
    }
    expect(await Promise.all([ask('en'), ask('zh'), ask('en')])).toEqual([
      'Batch 1 of 2: deploying.',
      '标题',
      'Batch 1 of 2: deploying.',
    ])
    await both.close()
    await world.close()
  })
})

describe('what goes wrong inside', () => {
  test('is said without a word about what it was', async () => {
    const lines: unknown[][] = []
    const world = await testConsole()
    world.desk.log.error = ((...line: unknown[]) => void lines.push(line)) as typeof world.desk.log.error
    const find = world.desk.store.find
    world.desk.store.find = async () => {
      throw new Error('SELECT * FROM secrets at /root/db.sqlite')
    }
    const broken = await world.get('/api/v1/hosts')
    expect(broken.statusCode).toBe(500)
    expect(broken.json()).toMatchObject({ code: 'internal.unexpected' })
    expect(broken.body).not.toMatch(/SELECT|sqlite/)
    expect(JSON.stringify(lines)).toContain('request failed')
    world.desk.store.find = async () => {
      throw new Fault('store.unavailable', { say: 'The disk is full.', next: 'free some', retry: true })
    }
    const busy = await world.get('/api/v1/hosts')
    expect(busy.statusCode).toBe(503)
    expect(busy.json()).toEqual({ code: 'store.unavailable', say: 'The disk is full.', next: 'free some' })
    world.desk.store.find = find
    await world.close()
  })
})

describe('the limits', () => {
  test('one person cannot press without end, and does not keep others from it', async () => {
    const world = await testConsole()
    const press = (person: string) => world.post('/api/v1/actions', { button: 'nothing' }, person)
    const codes = []
    for (let n = 0; n < 121; n++) codes.push((await press('alice')).statusCode)
    expect(codes.slice(0, 120)).toEqual(Array(120).fill(200))
    const refused = await press('alice')
    expect(refused.statusCode).toBe(429)
    expect(refused.json()).toMatchObject({ code: 'entry.too-many', next: expect.stringContaining('wait') })
    expect((await press('bob')).statusCode).toBe(200)
    expect((await world.get('/api/v1/people')).statusCode).toBe(200)
    await world.close()
  })
})

describe('the description of the interface', () => {
  test('names every route with what it takes and gives', async () => {
    const { paths, openapi } = (await console.get('/api/docs/json')).json()
    expect(openapi).toBe('3.1.0')
    for (const path of [
      'releases',
      'releases/{id}',
      'releases/{id}/series',
      'messages',
      'actions',
      'hosts',
      'services',
      'surfaces',
    ]) {
      expect(paths[`/api/v1/${path}`], path).toBeDefined()
    }
    const list = paths['/api/v1/releases'].get
    expect(list.parameters.map(({ name }: { name: string }) => name)).toContain('before')
    expect(list.responses['200'].content['application/json'].schema.properties.releases.type).toBe('array')
    expect(Object.keys(paths).filter((path) => !path.startsWith('/api/v1/'))).toEqual([
      '/healthz',
      '/metrics',
      '/v1/alerts',
    ])
  })

  test('says how one signs in, and which routes need nobody to', async () => {
    const { components, security, paths } = (await console.get('/api/docs/json')).json()
    expect(components.securitySchemes).toMatchObject({
      cookie: { type: 'apiKey', in: 'cookie', name: 'rollcall-0' },
      bearer: { type: 'http', scheme: 'bearer' },
    })
    expect(security).toEqual([{ cookie: [] }, { bearer: [] }])
    expect(paths['/healthz'].get.security).toEqual([])
    expect(paths['/api/v1/releases'].get.security).toBeUndefined()
  })

  test('is a page that works without inline scripts', async () => {
    const page = await console.get('/api/docs/')
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-security-policy']).toContain("script-src 'self'")
    const scripts = [...page.body.matchAll(/<script([^>]*)>([^<]*)/g)]
    expect(scripts.length).toBeGreaterThan(1)
    for (const [, attributes, text] of scripts) {
      expect(text?.trim()).toBe('')
      const src = /src="\.([^"]+)"/.exec(attributes ?? '')?.[1] ?? 'none'
      expect((await console.get(`/api/docs${src}`)).statusCode).toBe(200)
    }
  })
})

describe('starting', () => {
  test('a route that is not in the route table keeps the server from starting', async () => {
    const sneaky: FastifyPluginAsync = async (app) => {
      app.get('/api/v1/backdoor', async () => 'in')
    }
    await expect(testConsole({ deps: { plugins: [sneaky] } })).rejects.toMatchObject({
      code: 'access.route-not-listed',
    })
  })

  test('a port that is taken is said, with what to do', async () => {
    const url = await console.server.listen()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const second = await createServer({
      desk: console.desk,
      commands: [],
      log: { page: async () => ({ posts: [], more: false }), one: async () => undefined },
      feed: console.feed,
      plugins: [personByHeader(console)],
      webRoot: console.webRoot,
      listen: { host: '127.0.0.1', port: Number(new URL(url).port) },
      language: 'en',
      version: '0.0.0',
      channels: [],
    })
    await expect(second.listen()).rejects.toMatchObject({ code: 'entry.port-taken' })
    await second.close()
  })
})
