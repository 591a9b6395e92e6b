import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Provider } from 'oidc-provider'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { oidcRoutes } from '../../../src/entry/http/oidc.ts'
import { createLog } from '../../../src/lib/log.ts'
import { type AccessWorld, accessWorld, cookieOf, ours } from './access-world.ts'

const START = '/api/v1/session/oidc'
const BACK = 'http://127.0.0.1:8888/api/v1/session/oidc/callback'
const SECRET = 'a-secret-of-the-client-that-is-long-enough'

/** Whom the provider takes everybody for who comes now. */
let account = 'sub-alice'
let server: Server
let issuer: string

/** A real provider on this machine, at which everybody is signed in as `account` and has agreed already. */
beforeAll(async () => {
  server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'rollcall', client_secret: SECRET, redirect_uris: [BACK] },
      { client_id: 'public', token_endpoint_auth_method: 'none', redirect_uris: [BACK] },
    ],
    cookies: { keys: ['a-key-for-the-cookies'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    async loadExistingGrant(context) {
      const { client, session } = context.oidc
      const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId })
      grant.addOIDCScope('openid')
      await grant.save()
      return grant
    },
  })
  const answer = provider.callback()
  server.on('request', (request, response) => {
    if (!request.url?.startsWith('/interaction/')) return answer(request, response)
    void provider.interactionFinished(request, response, { login: { accountId: account } })
  })
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

let world: AccessWorld
afterEach(() => world.close())

async function serve(
  part: { issuer?: string; clientId?: string; clientSecret?: string; attemptKey?: Uint8Array } = {},
): Promise<FastifyInstance> {
  world = accessWorld()
  const oidc = { issuer, clientId: 'rollcall', clientSecret: SECRET, scopes: ['openid'], ...part }
  return world.serve(oidcRoutes({ ...world.deps, oidc, log: createLog({ level: 'silent' }) }))
}

/** The first half: from Rollcall to the provider's door, as a browser. */
async function setOut(app: FastifyInstance) {
  const answer = await app.inject({ url: START, headers: { host: ours.host } })
  expect(answer.statusCode).toBe(302)
  const cookie = cookieOf(answer, 'rollcall-oidc-8888') ?? ''
  return { url: new URL(String(answer.headers.location)), headers: { host: ours.host, cookie }, answer }
}

/** Through the provider: follows its redirects and keeps its cookies, until it sends us back. */
async function atProvider(start: URL): Promise<URL> {
  const jar = new Map<string, string>()
  let url = start
  for (let hops = 0; hops < 10; hops++) {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';', 1)[0] ?? '').split(/=(.*)/s)
      jar.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`the provider stopped: ${answer.status} ${await answer.text()}`)
    url = new URL(location, url)
    if (url.href.startsWith(BACK)) return url
  }
  throw new Error('the provider redirects without end')
}

/** The second half: what the browser brings back. */
const comeBack = (app: FastifyInstance, back: URL, headers: Record<string, string>) =>
  app.inject({ url: `${back.pathname}${back.search}`, headers })

const lastAudit = async () => (await world.store.last('audit', 1))[0]?.entry

describe('signing in at a provider', () => {
  test.each([
    ['with a secret', {}],
    ['as a public client, by PKCE alone', { clientId: 'public', clientSecret: undefined }],
  ])('%s makes the account’s person', async (_name, part) => {
    account = 'sub-alice'
    const app = await serve(part)
    const { url, headers, answer } = await setOut(app)
    expect(url.origin).toBe(issuer)
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      redirect_uri: BACK,
      scope: 'openid',
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    })
    expect(String(answer.headers['set-cookie'])).toMatch(/; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
    // Nobody can read from the cookie what must come back.
    expect(decodeURIComponent(headers.cookie)).not.toContain(String(url.searchParams.get('state')))

    const back = await atProvider(url)
    expect(back.searchParams.get('iss')).toBe(issuer)
    const done = await comeBack(app, back, headers)
    expect(done.statusCode).toBe(302)
    expect(done.headers.location).toBe('/')
    const cookie = cookieOf(done, 'rollcall-8888') ?? ''
    const session = await app.inject({ url: '/api/v1/session', headers: { host: ours.host, cookie } })
    expect(session.json()).toMatchObject({ person: { id: 'alice' } })
    expect(await world.audited()).toEqual(['alice access.sign-in account sub-alice done'])
    // The account is somebody else's from now on, and so is the session.
    world.people[0]!.surfaces.console = 'sub-other'
    const later = await app.inject({ url: '/api/v1/session', headers: { host: ours.host, cookie } })
    expect(later.json()).toMatchObject({ person: null })
  })

  test('as an account that nobody has is refused, and names it for who may add it', async () => {
    account = 'sub-<b>mallory</b>'
    const app = await serve()
    const { url, headers } = await setOut(app)
    const answer = await comeBack(app, await atProvider(url), { ...headers, accept: 'text/html,*/*' })
    expect(answer.statusCode).toBe(403)
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    expect(answer.body).toContain('"sub-<b>mallory</b>"')
    expect(answer.body).toContain('surfaces: { console:')
    expect(cookieOf(answer, 'rollcall-8888')).toBeUndefined()
    expect(await lastAudit()).toMatchObject({ result: 'refused', target: 'account sub-<b>mallory</b>' })
  })

  test('as an account that bears the id of a person, but is not theirs, is refused', async () => {
    account = 'alice'
    const app = await serve()
    const { url, headers } = await setOut(app)
    const answer = await comeBack(app, await atProvider(url), headers)
    expect(answer.json()).toMatchObject({ code: 'access.unknown-account' })
  })
})

describe('what does not hold signs nobody in', () => {
  type Journey = { app: FastifyInstance; url: URL; headers: { host: string; cookie: string } }
  const spoiled = (part: Record<string, string>) => async (journey: Journey) => {
    const back = await atProvider(journey.url)
    for (const [name, value] of Object.entries(part)) back.searchParams.set(name, value)
    return comeBack(journey.app, back, journey.headers)
  }
  const asked = (part: Record<string, string>) => async (journey: Journey) => {
    for (const [name, value] of Object.entries(part)) journey.url.searchParams.set(name, value)
    return comeBack(journey.app, await atProvider(journey.url), journey.headers)
  }
  const other = 'x'.repeat(43)

  test.each<[string, (journey: Journey) => Promise<{ statusCode: number; json(): unknown }>, string]>([
    ['another state', spoiled({ state: other }), 'access.sign-in-refused'],
    ['another state, also at the provider', asked({ state: other }), 'access.sign-in-refused'],
    ['another nonce', asked({ nonce: other }), 'access.sign-in-refused'],
    ['another challenge', asked({ code_challenge: other }), 'access.sign-in-refused'],
    ['another issuer', spoiled({ iss: 'https://evil.test' }), 'access.sign-in-refused'],
    ['another code', spoiled({ code: other }), 'access.sign-in-refused'],
    ['an error of the provider', spoiled({ error: 'access_denied' }), 'access.sign-in-refused'],
    [
      'no state',
      async ({ app, url, headers }) => {
        const back = await atProvider(url)
        back.searchParams.delete('state')
        return comeBack(app, back, headers)
      },
      'access.sign-in-refused',
    ],
    [
      'no issuer, where the provider promises one',
      async ({ app, url, headers }) => {
        const back = await atProvider(url)
        back.searchParams.delete('iss')
        return comeBack(app, back, headers)
      },
      'access.sign-in-refused',
    ],
    [
      'another browser',
      async ({ app, url }) => comeBack(app, await atProvider(url), { host: ours.host }),
      'access.sign-in-lapsed',
    ],
    [
      'a browser with an attempt of its own: a code cannot be slipped to somebody',
      async ({ app, url }) => comeBack(app, await atProvider(url), (await setOut(app)).headers),
      'access.sign-in-refused',
    ],
    [
      'a cookie that was altered',
      async ({ app, url, headers }) => {
        const cookie = headers.cookie.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))
        return comeBack(app, await atProvider(url), { ...headers, cookie: cookie.replace(/=(.{8})/, '=AAAAAAAA') })
      },
      'access.sign-in-lapsed',
    ],
    [
      'too late',
      async ({ app, url, headers }) => {
        world.time.ms += 10 * 60_000
        return comeBack(app, await atProvider(url), headers)
      },
      'access.sign-in-lapsed',
    ],
  ])('%s', async (_name, travel, code) => {
    account = 'sub-alice'
    const app = await serve()
    const { url, headers } = await setOut(app)
    const answer = await travel({ app, url, headers })
    expect(answer.json()).toMatchObject({ code, next: expect.stringMatching(/.+/) })
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
    expect(cookieOf(answer as never, 'rollcall-8888')).toBeUndefined()
    expect(await lastAudit()).toMatchObject({ who: 'unknown', action: 'access.sign-in', result: 'refused' })
  })

  test('coming back a second time, with the same cookie and code', async () => {
    account = 'sub-alice'
    const app = await serve()
    const { url, headers } = await setOut(app)
    const back = await atProvider(url)
    expect((await comeBack(app, back, headers)).statusCode).toBe(302)
    const again = await comeBack(app, back, headers)
    expect(again.json()).toMatchObject({ code: 'access.sign-in-lapsed' })
    // And with a fresh attempt, the provider knows the code for used.
    const fresh = await setOut(app)
    back.searchParams.set('state', String(fresh.url.searchParams.get('state')))
    expect((await comeBack(app, back, fresh.headers)).json()).toMatchObject({ code: 'access.sign-in-refused' })
  })

  test.each([
    ['the same key gets through', 1, 302],
    ['another key has lapsed', 2, 400],
  ])('an attempt that was begun at another process with %s', async (_name, other, status) => {
    account = 'sub-alice'
    const { url, headers } = await setOut(await serve({ attemptKey: new Uint8Array(32).fill(1) }))
    await world.close()
    const app = await serve({ attemptKey: new Uint8Array(32).fill(other) })
    const answer = await comeBack(app, await atProvider(url), headers)
    expect(answer.statusCode).toBe(status)
  })

  test('an attempt that was begun before a restart', async () => {
    const { url, headers } = await setOut(await serve())
    await world.close()
    const app = await serve()
    expect((await comeBack(app, await atProvider(url), headers)).json()).toMatchObject({
      code: 'access.sign-in-lapsed',
    })
  })

  test('two browsers at the same time each get through on their own', async () => {
    account = 'sub-bob'
    const app = await serve()
    const [one, two] = [await setOut(app), await setOut(app)]
    const backs = await Promise.all([atProvider(one.url), atProvider(two.url)])
    const done = await Promise.all([comeBack(app, backs[1], two.headers), comeBack(app, backs[0], one.headers)])
    expect(done.map(({ statusCode }) => statusCode)).toEqual([302, 302])
  })
})

describe('a provider', () => {
  test('that is away is no sign-in, and is asked again the next time', async () => {
    const late = createServer((_request, response) => response.writeHead(500).end())
    await new Promise<void>((resolve) => late.listen(0, '127.0.0.1', resolve))
    const app = await serve({ issuer: `http://127.0.0.1:${(late.address() as AddressInfo).port}` })
    const ask = () => app.inject({ url: START, headers: { host: ours.host } })
    const answer = await ask()
    expect(answer.statusCode).toBe(502)
    expect(answer.json()).toMatchObject({ code: 'access.provider-away' })
    expect(answer.body).not.toContain(SECRET)
    let asked = 0
    late.on('request', () => asked++)
    await ask()
    expect(asked).toBe(1)
    await new Promise((resolve) => late.close(resolve))
  })

  test('with another name than the one that was configured is not believed', async () => {
    const liar = createServer((_request, response) =>
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ issuer: 'https://evil.test' })),
    )
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
    const app = await serve({ issuer: `http://127.0.0.1:${(liar.address() as AddressInfo).port}` })
    expect((await app.inject({ url: START, headers: { host: ours.host } })).statusCode).toBe(502)
    await new Promise((resolve) => liar.close(resolve))
  })

  test('beyond this machine is not spoken to by plain http', async () => {
    const app = await serve({ issuer: 'http://login.test' })
    expect((await app.inject({ url: START, headers: { host: ours.host } })).statusCode).toBe(502)
  })
})
