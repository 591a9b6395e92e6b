import { afterEach, describe, expect, test } from 'vitest'
import { issueToken, revokeToken } from '../../../src/access/tokens.ts'
import type { SessionView } from '../../../src/ports/console.ts'
import { type AccessWorld, accessWorld, cookieOf, ours, signedIn } from './access-world.ts'

let world: AccessWorld
afterEach(() => world.close())

const url = '/api/v1/session'

test('who has not signed in learns the ways in, and nobody’s name', async () => {
  world = accessWorld()
  const app = await world.serve()
  const answer = await app.inject({ url, headers: { host: ours.host } })
  expect(answer.json()).toEqual({
    person: null,
    signIn: { demo: [], token: true, oidc: null },
    may: [],
    language: 'en',
    version: '0',
    channels: ['#releases'],
  })
  expect(answer.body).not.toContain('alice')
  expect(answer.headers['cache-control']).toBe('no-store')
})

describe('a personal token', () => {
  test('opens a session, which lasts until signing out; all of it is written down', async () => {
    world = accessWorld()
    const app = await world.serve()
    const { token, id } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const answer = await app.inject({ method: 'POST', url, headers: ours, payload: { token } })
    const view = answer.json<SessionView>()
    expect(view.person).toEqual({ id: 'alice', name: 'Alice', roles: ['operator'] })
    expect(view.may).toContain('release.request')
    expect(view.may).not.toContain('release.approve')
    const cookie = String(answer.headers['set-cookie'])
    expect(cookie).toMatch(/^rollcall-8888=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/)
    const headers = { ...ours, cookie: cookieOf(answer, 'rollcall-8888') }
    expect((await app.inject({ url, headers })).json()).toMatchObject({ person: { id: 'alice' } })

    const out = await app.inject({ method: 'DELETE', url, headers })
    expect(out.json()).toMatchObject({ person: null, may: [] })
    expect(String(out.headers['set-cookie'])).toMatch(/^rollcall-8888=; Max-Age=0;/)
    // The cookie that somebody has kept is worth nothing.
    expect((await app.inject({ url, headers })).json()).toMatchObject({ person: null })
    expect(await world.audited()).toEqual([
      `alice access.sign-in token ${id} done`,
      'alice access.sign-out session done',
    ])
    expect(JSON.stringify(await world.store.read('audit'))).not.toContain(token)
  })

  test('behind TLS the cookie is bound to the host and to TLS', async () => {
    const publicUrl = 'https://r.test'
    world = accessWorld({ addresses: { host: '127.0.0.1', port: () => 8888, publicUrl } })
    const app = await world.serve()
    const { token } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const headers = { host: 'r.test', origin: publicUrl }
    const answer = await app.inject({ method: 'POST', url, headers, payload: { token } })
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^__Host-rollcall=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    )
    const again = await app.inject({ url, headers: { ...headers, cookie: cookieOf(answer, '__Host-rollcall') } })
    expect(again.json()).toMatchObject({ person: { id: 'alice' } })
  })

  test('that is wrong in whatever way gets one and the same answer', async () => {
    world = accessWorld()
    const app = await world.serve()
    const gone = await issueToken(world.store, { id: 'nobody' }, world.deps.clock)
    const revoked = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    await revokeToken(world.store, revoked.id, world.deps.clock)
    const bodies = new Set<string>()
    for (const token of ['x', `rct_${'A'.repeat(43)}`, gone.token, revoked.token]) {
      const answer = await app.inject({ method: 'POST', url, headers: ours, payload: { token } })
      expect(answer.statusCode).toBe(401)
      expect(answer.headers['set-cookie']).toBeUndefined()
      bodies.add(answer.body)
    }
    expect(bodies.size).toBe(1)
    expect([...bodies][0]).toContain('access.sign-in-failed')
    expect(await world.audited()).toEqual([
      'unknown access.sign-in token refused',
      'unknown access.sign-in token refused',
      `unknown access.sign-in token ${gone.id} refused`,
      'unknown access.sign-in token refused',
    ])
  })

  test('cannot be tried without end', async () => {
    world = accessWorld()
    const app = await world.serve()
    const tryOnce = () => app.inject({ method: 'POST', url, headers: ours, payload: { token: 'x' } })
    const codes: number[] = []
    for (let i = 0; i < 12; i++) codes.push((await tryOnce()).statusCode)
    expect(codes).toEqual([...Array(10).fill(401), 429, 429])
    expect((await tryOnce()).json()).toMatchObject({
      code: 'access.too-many-tries',
      next: expect.stringMatching(/wait/),
    })
  })

  test.each([
    ['another site', { ...ours, origin: 'https://evil.test' }],
    ['nowhere', { host: ours.host }],
  ])('sent by %s signs nobody in', async (_name, headers) => {
    world = accessWorld()
    const app = await world.serve()
    const { token } = await issueToken(world.store, { id: 'alice' }, world.deps.clock)
    const answer = await app.inject({ method: 'POST', url, headers, payload: { token } })
    expect(answer.statusCode).toBe(403)
    expect(answer.headers['set-cookie']).toBeUndefined()
  })

  test.each([
    [{}],
    [{ token: '' }],
    [{ token: 1 }],
    [{ token: 'x'.repeat(201) }],
    [{ token: 'x', person: 'alice' }],
    ['x'],
  ])('malformed: %j', async (payload) => {
    world = accessWorld({ demo: true })
    const app = await world.serve()
    const answer = await app.inject({ method: 'POST', url, headers: ours, payload })
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
    expect(answer.statusCode).toBeLessThan(500)
    expect(answer.headers['set-cookie']).toBeUndefined()
  })
})

describe('the sandbox', () => {
  test('lets one be anybody of its people, one after the other, and ends the session before', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve()
    const view = (await app.inject({ url, headers: ours })).json<SessionView>()
    expect(view.signIn.demo.map(({ id }) => id)).toEqual(['alice', 'bob', 'vera'])
    const alice = await signedIn(app, { person: 'alice' })
    const answer = await app.inject({ method: 'POST', url, headers: alice, payload: { person: 'bob' } })
    const bob = { ...ours, cookie: cookieOf(answer, 'rollcall-8888') }
    expect((await app.inject({ url, headers: bob })).json()).toMatchObject({ person: { id: 'bob' } })
    expect((await app.inject({ url, headers: alice })).json()).toMatchObject({ person: null })
  })

  test('has nobody else', async () => {
    world = accessWorld({ demo: true })
    const app = await world.serve()
    for (const person of ['mallory', 'toString', '__proto__']) {
      const answer = await app.inject({ method: 'POST', url, headers: ours, payload: { person } })
      expect(answer.statusCode).toBe(401)
    }
  })

  test('is the only place where one may be anybody', async () => {
    world = accessWorld()
    const app = await world.serve()
    for (const person of ['alice', 'mallory']) {
      const answer = await app.inject({ method: 'POST', url, headers: ours, payload: { person } })
      expect(answer.statusCode).toBe(403)
      expect(answer.json()).toMatchObject({ code: 'access.demo-only' })
      expect(answer.headers['set-cookie']).toBeUndefined()
    }
    expect(await world.audited()).toEqual(Array(2).fill('unknown access.sign-in demo refused'))
  })
})
