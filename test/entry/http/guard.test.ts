import type { FastifyPluginAsync } from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import { issueToken, revokeToken } from '../../../src/access/tokens.ts'
import { createStands, guard } from '../../../src/entry/http/guard.ts'
import { type AccessWorld, accessWorld, ours, signedIn } from './access-world.ts'

let world: AccessWorld
afterEach(() => world.close())

const some: FastifyPluginAsync = async (app) => {
  app.get('/healthz', async () => 'ok')
  app.get('/', async () => 'page')
  app.get('/api/v1/releases', async (request) => ({ person: request.person?.id }))
  app.get('/api/v1/audit', async () => ({}))
  app.post('/api/v1/actions', async () => ({ done: true }))
}

describe('a route', () => {
  test('that is not in the table cannot be registered', async () => {
    world = accessWorld()
    const stray: FastifyPluginAsync = async (app) => void app.get('/api/v1/stray', async () => ({}))
    await expect(world.serve(stray)).rejects.toMatchObject({ code: 'access.route-not-listed' })
  })

  test('is open to nobody without a person, and says how to become one', async () => {
    world = accessWorld()
    const app = await world.serve(some)
    const answer = await app.inject({ url: '/api/v1/releases', headers: { host: ours.host } })
    expect(answer.statusCode).toBe(401)
    expect(answer.json()).toMatchObject({ code: 'access.sign-in', next: expect.stringContaining('token') })
    expect(answer.headers['www-authenticate']).toBe('Bearer')
    expect(await world.audited()).toEqual(['unknown status.read GET /api/v1/releases refused'])
  })

  test('is refused to who has not its role, with the role that it takes, and that is written down each time', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve(some)
    const headers = await signedIn(app, { person: 'vera' })
    for (let i = 0; i < 2; i++) {
      const answer = await app.inject({ url: '/api/v1/audit', headers })
      expect(answer.statusCode).toBe(403)
      expect(answer.json()).toMatchObject({ code: 'access.not-permitted', say: expect.stringContaining('approver') })
    }
    expect((await world.audited()).slice(1)).toEqual(Array(2).fill('vera audit.read GET /api/v1/audit refused'))
  })

  test('that does not exist is not found, by strangers either', async () => {
    world = accessWorld()
    const app = await world.serve(some)
    expect((await app.inject({ url: '/api/v1/nothing', headers: ours })).statusCode).toBe(404)
  })
})

describe('who asks', () => {
  test('is known by a personal token, until it is revoked or the person removed', async () => {
    world = accessWorld()
    const app = await world.serve(some)
    const { token, id } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const ask = (authorization: string) =>
      app.inject({ url: '/api/v1/releases', headers: { host: ours.host, authorization } })
    expect((await ask(`Bearer ${token}`)).json()).toEqual({ person: 'alice' })
    for (const wrong of [`Bearer ${token}x`, `Basic ${token}`, 'Bearer', `Bearer ${token} x`])
      expect((await ask(wrong)).statusCode, wrong).toBe(401)
    const [alice] = world.people.splice(0, 1)
    expect((await ask(`Bearer ${token}`)).statusCode).toBe(401)
    world.people.push(alice!)
    expect((await ask(`Bearer ${token}`)).statusCode).toBe(200)
    await revokeToken(world.store, id, world.deps.clock)
    expect((await ask(`Bearer ${token}`)).statusCode).toBe(401)
  })

  test('with a wrong token is nobody, whatever the cookie says', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve(some)
    const headers = { ...(await signedIn(app, { person: 'alice' })), authorization: 'Bearer rct_x' }
    expect((await app.inject({ url: '/api/v1/releases', headers })).statusCode).toBe(401)
  })

  test('with a cookie that is not ours is nobody', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve(some)
    for (const cookie of [
      'rollcall-8888=x',
      'rollcall-8888=',
      'rollcall-8888=%00',
      `rollcall-8888=${'x'.repeat(5000)}`,
      '__Host-rollcall=x',
    ])
      expect((await app.inject({ url: '/api/v1/releases', headers: { ...ours, cookie } })).statusCode).toBe(401)
  })

  test('whoever stays connected is looked at again', async () => {
    world = accessWorld({ demo: true })
    const stands = createStands(world.deps)
    const held: boolean[] = []
    const app = await world.serve(async (plain) => {
      plain.get('/api/v1/events', async (request) => {
        held.push(await stands(request))
        world.people.find(({ id }) => id === 'vera')!.roles = []
        held.push(await stands(request))
      })
    })
    await app.inject({ url: '/api/v1/events', headers: await signedIn(app, { person: 'vera' }) })
    expect(held).toEqual([true, false])
  })

  test('and is not let stay as somebody else', async () => {
    world = accessWorld()
    const stands = createStands(world.deps)
    const held: boolean[] = []
    const { id, token } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const app = await world.serve(async (plain) => {
      plain.get('/api/v1/events', async (request) => {
        held.push(await stands(request))
        const row = await world.store.get('tokens', id)
        await world.store.put('tokens', id, { ...(row?.document as object), person: 'bob' }, row?.version ?? 0)
        held.push(await stands(request))
      })
    })
    await app.inject({ url: '/api/v1/events', headers: { host: ours.host, authorization: `Bearer ${token}` } })
    expect(held).toEqual([true, false])
  })

  test('pages and health need no store', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve(some)
    const headers = await signedIn(app, { person: 'alice' })
    world.store.before = () => {
      throw new Error('away')
    }
    expect((await app.inject({ url: '/', headers })).body).toBe('page')
    expect((await app.inject({ url: '/healthz', headers: { host: '10.1.2.3:80' } })).body).toBe('ok')
  })
})

describe('where a request comes from', () => {
  const press = async (headers: Record<string, string | undefined>, auth: 'cookie' | 'token' = 'cookie') => {
    world = accessWorld({ demo: true })
    const app = await world.serve(some)
    const { cookie } = (await signedIn(app, { person: 'alice' })) as { cookie: string }
    const { token } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const who = auth === 'cookie' ? { cookie } : { authorization: `Bearer ${token}` }
    return app.inject({
      method: 'POST',
      url: '/api/v1/actions',
      headers: { host: ours.host, ...who, ...headers },
      payload: {},
    })
  }

  test.each<[string, Record<string, string>]>([
    ['our page', { origin: ours.origin }],
    ['our page by its number', { origin: 'http://127.0.0.1:8888', host: '127.0.0.1:8888' }],
    ['our page, told by the browser in another way', { 'sec-fetch-site': 'same-origin' }],
  ])('%s may press', async (_name, headers) => expect((await press(headers)).statusCode).toBe(200))

  test.each<[string, Record<string, string>]>([
    ['another site', { origin: 'https://evil.test' }],
    ['another program on this machine', { origin: 'http://localhost:3000' }],
    ['our name by another scheme', { origin: 'https://localhost:8888' }],
    ['a sandboxed frame', { origin: 'null' }],
    ['an origin that begins as ours', { origin: 'http://localhost:8888.evil.test' }],
    ['another site without Origin', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbouring site', { 'sec-fetch-site': 'same-site' }],
    ['an address that was typed', { 'sec-fetch-site': 'none' }],
    ['nowhere', {}],
  ])('%s may not, with the cookie of somebody who may', async (_name, headers) => {
    const answer = await press(headers)
    expect(answer.statusCode).toBe(403)
    expect(answer.json()).toMatchObject({ code: 'access.other-origin' })
    expect((await world.audited()).at(-1)).toBe('alice access.origin POST /api/v1/actions refused')
  })

  test('a program with a token needs no origin, and a page of another site is refused even then', async () => {
    expect((await press({}, 'token')).statusCode).toBe(200)
    expect((await press({ origin: 'https://evil.test' }, 'token')).statusCode).toBe(403)
  })

  test.each(['evil.test', 'evil.test:8888', 'localhost', '127.0.0.1.nip.io:8888'])(
    'a request to the name %s is refused: the name was pointed at us',
    async (host) => {
      world = accessWorld({ demo: true })
      const app = await world.serve(some)
      const headers = { ...(await signedIn(app, { person: 'alice' })), host }
      for (const url of ['/', '/api/v1/releases', '/api/v1/nothing'])
        expect((await app.inject({ url, headers })).json()).toMatchObject({ code: 'access.other-host' })
    },
  )

  test('strangers who try without end fill no log', async () => {
    world = accessWorld()
    const app = await world.serve(some)
    for (let i = 0; i < 300; i++)
      await app.inject({ url: '/api/v1/releases', headers: ours, remoteAddress: `10.0.${i % 2}.1` })
    expect((await world.audited()).length).toBe(2)
    world.time.ms += 61_000
    await app.inject({ url: '/api/v1/releases', headers: ours })
    const last = (await world.store.last('audit', 1))[0]?.entry as { why: string; from: string }
    expect(last.why).toContain('298 more')
    for (let i = 0; i < 300; i++)
      await app.inject({ url: '/api/v1/releases', headers: ours, remoteAddress: `10.1.${i % 250}.${i >> 3}` })
    expect((await world.audited()).length).toBe(2 + 60)
  })
})

test('the sandbox does not listen beyond this machine', async () => {
  world = accessWorld({ demo: true, addresses: { host: '0.0.0.0', port: () => 8888, publicUrl: 'https://r.test' } })
  await expect(world.serve()).rejects.toMatchObject({ code: 'access.open-demo' })
  expect(guard(world.deps)).toBeTypeOf('function')
})
