import { describe, expect, test } from 'vitest'
import { type Addresses, isLoopback, knownHost, knownOrigin, trusts } from '../../src/access/addresses.ts'
import { isAction } from '../../src/access/policy.ts'
import { accessOf, needListed, routes } from '../../src/access/routes.ts'
import { createSieve, createSieves, withMissed } from '../../src/access/sieve.ts'

describe('the table of routes', () => {
  test('names actions of the policy table only', () => {
    expect(Object.values(routes).filter((access) => access !== 'public' && !isAction(access))).toEqual([])
  })

  // Written out once more: what anybody may reach without signing in.
  test('lets strangers reach files, health and sign-in, and nothing else', () => {
    const open = Object.entries(routes).filter(([, access]) => access === 'public')
    expect(open.map(([route]) => route).sort()).toEqual([
      'DELETE /api/v1/session',
      'GET /',
      'GET /*',
      'GET /api/v1/session',
      'GET /api/v1/session/oidc',
      'GET /api/v1/session/oidc/callback',
      'GET /assets/*',
      'GET /healthz',
      'GET /index.html',
      // From this machine; from elsewhere with a token (test/entry/http/metrics.test.ts).
      'GET /metrics',
      // Sources of alerts prove themselves by their own tokens.
      'POST /api/v1/alertmanager',
      'POST /api/v1/session',
      // Slack signs what it sends.
      'POST /slack/events',
      'POST /v1/alerts',
    ])
  })

  test.each([
    ['GET', '/api/v1/releases/:id', 'status.read'],
    ['GET', '/api/v1/releases/:release', 'status.read'],
    ['HEAD', '/api/v1/releases/:id', 'status.read'],
    ['GET', '/api/docs', 'help.read'],
    ['GET', '/api/docs/static/*', 'help.read'],
    ['GET', '/api/v1/audit', 'audit.read'],
  ])('%s %s asks for %s', (method, url, action) => expect(accessOf(method, url)).toBe(action))

  test.each([
    ['OPTIONS', '/api/v1/releases'],
    ['PUT', '/api/v1/session'],
    ['POST', '/api/docs'],
    ['GET', '/api/docsx'],
    ['GET', '/api/v1/*'],
    ['GET', '/api/v1/secrets'],
    ['GET', ''],
    ['GET', '__proto__'],
  ])('%s %s is in nobody’s hands', (method, url) => {
    expect(accessOf(method, url)).toBeUndefined()
    expect(() => needListed(method, url)).toThrow(expect.objectContaining({ code: 'access.route-not-listed' }))
  })
})

describe('addresses', () => {
  const at = (part: Partial<Addresses> = {}): Addresses => ({ host: '127.0.0.1', port: () => 8888, ...part })

  test.each([
    ['127.0.0.1:8888', at()],
    ['localhost:8888', at()],
    ['LOCALHOST:8888', at()],
    ['[::1]:8888', at()],
    ['10.0.0.5:8888', at({ host: '10.0.0.5' })],
    ['[fd00::5]:8888', at({ host: 'fd00::5' })],
    ['r.test', at({ publicUrl: 'https://r.test' })],
    ['r.test:8443', at({ publicUrl: 'https://r.test:8443' })],
    ['tunnel', at({ allowedHosts: ['tunnel'] })],
    ['tunnel:8888', at({ allowedHosts: ['Tunnel'] })],
    ['localhost:9000', at({ allowedHosts: ['localhost:9000'] })],
    ['localhost', at({ port: () => 80 })],
  ])('%s is ours', (host, addresses) => expect(knownHost(addresses, host)).toBe(true))

  test.each([
    [undefined, at()],
    ['', at()],
    ['localhost', at()],
    ['localhost:9000', at()],
    ['evil.test:8888', at()],
    ['127.0.0.1.evil.test:8888', at()],
    ['localhost:8888.evil.test', at()],
    ['0.0.0.0:8888', at({ host: '0.0.0.0', publicUrl: 'https://r.test' })],
    ['r.test:8888', at({ publicUrl: 'https://r.test' })],
    ['127.0.0.1:undefined', at({ port: () => undefined })],
  ])('%s is not', (host, addresses) => expect(knownHost(addresses, host)).toBe(false))

  test.each([
    ['http://localhost:8888', true],
    ['https://r.test', true],
    ['https://localhost:8888', false],
    ['http://r.test', false],
    ['https://r.test.evil.test', false],
    ['http://localhost:3000', false],
    ['http://localhost', false],
    ['null', false],
    ['', false],
  ])('the origin %j: %s', (origin, ours) => {
    expect(knownOrigin(at({ publicUrl: 'https://r.test' }), origin)).toBe(ours)
  })

  test.each([
    ['http://tunnel', true],
    ['https://tunnel', true],
    ['https://TUNNEL', true],
    ['http://tunnel:8888', true],
    ['https://desk.test:9000', true],
    ['https://desk.test', false],
    ['http://tunnel:3000', false],
    ['https://tunnel.evil.test', false],
    ['tunnel', false],
    ['ftp://tunnel', false],
  ])('the origin %j of a listed host: %s', (origin, ours) => {
    const addresses = at({ allowedHosts: ['tunnel', 'desk.test:9000'] })
    expect(knownOrigin(addresses, origin)).toBe(ours)
    // Whatever is served may also press.
    if (ours) expect(knownHost(addresses, new URL(origin).host)).toBe(true)
  })

  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.5', true],
    ['10.0.0.6', false],
    ['192.168.7.200', true],
    ['192.168.8.1', false],
    ['fd00::77', true],
    ['fd01::77', false],
    ['203.0.113.9', false],
    ['unknown', false],
    ['', false],
  ])('%j is a trusted proxy: %s', (address, trusted) => {
    const list = ['127.0.0.0/8', '::1', '10.0.0.5', '192.168.7.0/24', 'fd00::/16']
    expect(trusts(list)(address)).toBe(trusted)
    expect(trusts([])(address)).toBe(false)
  })

  test.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])('%s is this machine', (host) =>
    expect(isLoopback(host)).toBe(true),
  )
  test.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil.test', 'localhost.evil.test', '1127.0.0.1', ''])(
    '%j is not this machine only',
    (host) => expect(isLoopback(host)).toBe(false),
  )
})

test('the sieve lets each key pass once a window, only so many, and counts the rest', () => {
  const time = { ms: 0 }
  const sieve = createSieve(() => new Date(time.ms), 2, 1000)
  expect(sieve('a')).toEqual({ pass: true, missed: 0 })
  expect(sieve('a')).toEqual({ pass: false })
  expect(sieve('b')).toEqual({ pass: true, missed: 1 })
  expect(sieve('c')).toEqual({ pass: false })
  time.ms = 1000
  expect(sieve('a')).toEqual({ pass: true, missed: 1 })
  // A clock that goes back begins a new window instead of none.
  time.ms = 10
  expect(sieve('a')).toEqual({ pass: true, missed: 0 })
})

test('each of the people has a sieve of their own: ten of a kind pass within a minute, and no kind hides another', () => {
  const time = { ms: 0 }
  const sieves = createSieves(() => new Date(time.ms))
  const passed = (who: string, kind: string, times: number) =>
    Array.from({ length: times }, () => sieves(who)(kind)).filter(({ pass }) => pass).length
  expect(passed('vera', 'audit.read', 600)).toBe(10)
  expect(passed('vera', 'release.approve', 3)).toBe(3)
  expect(passed('bob', 'audit.read', 3)).toBe(3)
  for (let kind = 0; kind < 100; kind++) passed('mallory', `kind ${kind}`, 10)
  expect(sieves('mallory')('one more')).toEqual({ pass: false })
  time.ms = 60_000
  expect(sieves('mallory')('one more')).toEqual({ pass: true, missed: 941 })
  expect(withMissed('No.', 941)).toBe('No. (and 941 more refusals before)')
  expect(withMissed('No.', 0)).toBe('No.')
})
