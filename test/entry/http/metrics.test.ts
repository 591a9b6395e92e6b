import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSessions } from '../../../src/access/sessions.ts'
import { issueToken } from '../../../src/access/tokens.ts'
import { guard } from '../../../src/entry/http/guard.ts'
import type { SurfaceHealth } from '../../../src/ports/surface.ts'
import { aRelease } from '../../fakes/release.ts'
import { type Console, testConsole } from './kit.ts'

let console: Console
afterEach(() => console.close())

const scrape = (headers: Record<string, string> = {}, remoteAddress = '127.0.0.1') =>
  console.server.inject({ url: '/metrics', headers: { host: 'localhost:8888', ...headers }, remoteAddress })

/** Values by name with labels, as they stand in the text. */
async function samples(): Promise<Map<string, number>> {
  const answer = await scrape()
  expect(answer.statusCode, answer.body).toBe(200)
  scrapedAt = performance.now()
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  const lines = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

/** Until what was read is read anew. */
const forget = () => vi.waitFor(() => expect(performance.now()).toBeGreaterThan(scrapedAt + 3100), 5000)
let scrapedAt = 0

/** Once everything was counted. */
async function counted(): Promise<Map<string, number>> {
  let found = new Map<string, number>()
  await vi.waitFor(async () => {
    found = await samples()
    expect(found.has('rollcall_releases{state="done"}')).toBe(true)
  })
  return found
}

test('chat services, what waits for them, and what was brought', async () => {
  console = await testConsole()
  const now = console.desk.clock().getTime()
  const since = new Date(now - 90_000).toISOString()
  const health: SurfaceHealth[] = [
    { surface: 'slack', at: 'down', since, why: 'no', waiting: 3, oldest: since, refused: 2 },
    { surface: 'wecom', at: 'standby', since, waiting: 0, refused: 0 },
  ]
  Object.assign(console.desk, { surfaces: async () => health })
  await console.desk.store.insert('inbox', 'slack/1', { pending: true })
  await console.desk.store.insert('inbox', 'slack/2', { pending: false })
  const found = await samples()
  expect(found.get('rollcall_surface_up{surface="slack"}')).toBe(0)
  expect(found.get('rollcall_surface_up{surface="wecom"}')).toBe(1)
  expect(found.get('rollcall_outbox_waiting{surface="slack"}')).toBe(3)
  expect(found.get('rollcall_outbox_refused{surface="slack"}')).toBe(2)
  expect(found.get('rollcall_outbox_oldest_seconds{surface="slack"}')).toBeGreaterThanOrEqual(90)
  expect(found.get('rollcall_outbox_oldest_seconds{surface="wecom"}')).toBe(0)
  expect(found.get('rollcall_inbox_pending')).toBe(1)
  expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000)
  // Nobody can tell: nothing is claimed.
  await forget()
  Object.assign(console.desk, { surfaces: () => Promise.reject(new Error('no store')) })
  expect([...(await samples()).keys()].filter((name) => /surface|outbox/.test(name))).toEqual([])
})

test('many scrapes at once, and soon after, cost one reading of chat services and inbox', async () => {
  console = await testConsole()
  let reads = 0
  const health = { surface: 'wecom', at: 'down', since: '2026-01-31T09:00:00Z', waiting: 5000, refused: 5000 } as const
  Object.assign(console.desk, {
    surfaces: async () => {
      reads++
      return [health]
    },
  })
  const finds = vi.spyOn(console.desk.store, 'find')
  await Promise.all(Array.from({ length: 5 }, samples))
  const found = await samples()
  expect(reads).toBe(1)
  expect(finds.mock.calls.filter(([collection]) => collection === 'inbox')).toHaveLength(1)
  expect(found.get('rollcall_outbox_waiting{surface="wecom"}')).toBe(1000)
  expect(found.get('rollcall_outbox_refused{surface="wecom"}')).toBe(1000)
  await forget()
  await samples()
  expect(reads).toBe(2)
})

test('releases by state and open incidents, reading again only what has changed', async () => {
  console = await testConsole()
  const when = '2026-01-31T09:00:00.000Z'
  for (let n = 1; n <= 60; n++) await console.insert(aRelease({ id: `R-${n}`, state: { at: 'done', when } }))
  const first = await counted()
  expect(first.get('rollcall_releases{state="done"}')).toBe(60)
  expect(first.get('rollcall_releases{state="held"}')).toBe(0)
  expect(first.get('rollcall_incidents_open')).toBe(0)
  const reads = vi.spyOn(console.desk.store, 'get')
  await samples()
  expect(reads.mock.calls.filter(([collection]) => collection === 'releases')).toEqual([])
  await console.insert(aRelease({ id: 'R-61' }))
  await console.desk.releases.update('R-3', (release) => ({
    ...release,
    state: { at: 'aborted', by: 'a', why: '', when },
  }))
  reads.mockClear()
  const later = await samples()
  expect(later.get('rollcall_releases{state="done"}')).toBe(59)
  expect(later.get('rollcall_releases{state="aborted"}')).toBe(1)
  expect(later.get('rollcall_releases{state="rolling out"}')).toBe(1)
  expect(reads.mock.calls.filter(([collection]) => collection === 'releases')).toHaveLength(2)
  // What was missed is counted anew.
  console.feed.lose()
  expect((await counted()).get('rollcall_releases{state="done"}')).toBe(59)
})

test('requests by route, without a name of anything that was asked for', async () => {
  console = await testConsole()
  await console.get('/api/v1/releases/R-4711')
  await console.get('/api/v1/releases/R-4712')
  await console.get('/nothing/of-the-kind-4713')
  await console.server.inject({ method: 'PUT', url: '/api/v1/releases/R-4714' })
  const found = await samples()
  const counts = [...found].filter(([name]) => name.startsWith('rollcall_http_request_seconds_count'))
  expect(Object.fromEntries(counts)).toMatchObject({
    'rollcall_http_request_seconds_count{method="GET",route="/api/v1/releases/:id",status="4xx"}': 2,
  })
  expect([...found.keys()].join()).not.toMatch(/471\d/)
})

describe('whoever asks', () => {
  /** The real guard, and not the kit's. */
  async function guarded() {
    console = await testConsole()
    const { desk } = console
    const people = () => desk.people
    const addresses = { host: '0.0.0.0', port: () => 8888, allowedHosts: ['rollcall.test'] }
    const sessions = createSessions({ store: desk.store, people, clock: desk.clock })
    const parts = { store: desk.store, sessions, audit: desk.audit, people, clock: desk.clock, addresses, demo: false }
    const { close } = console
    const strict = await testConsole({ deps: { plugins: [guard(parts)] } })
    console = { ...strict, close: async () => void (await Promise.all([strict.close(), close()])) }
    return desk
  }

  test('from this machine needs nothing', async () => {
    await guarded()
    expect((await scrape()).statusCode).toBe(200)
    expect((await scrape({}, '::1')).statusCode).toBe(200)
  })

  test.each([
    ['from elsewhere', { host: 'rollcall.test' }, '10.0.0.9'],
    ['through a proxy', { 'x-forwarded-for': '10.0.0.9' }, '127.0.0.1'],
    ['by another name', { host: 'rollcall.test' }, '127.0.0.1'],
    ['with a token that is none', { host: 'rollcall.test', authorization: 'Bearer nonsense' }, '10.0.0.9'],
  ])('%s is turned away', async (_name, headers, address) => {
    await guarded()
    const answer = await scrape(headers, address)
    expect(answer.statusCode).toBe(401)
    expect(answer.headers['www-authenticate']).toBe('Bearer')
    expect(answer.json()).toMatchObject({ code: 'access.sign-in' })
    expect(answer.body).not.toContain('rollcall_')
  })

  test('from elsewhere is let in by a personal token', async () => {
    const desk = await guarded()
    const { token } = await issueToken(desk.store, { id: 'vera' }, desk.clock)
    const answer = await scrape({ host: 'rollcall.test', authorization: `Bearer ${token}` }, '10.0.0.9')
    expect(answer.statusCode, answer.body).toBe(200)
    expect(answer.body).toContain('rollcall_inbox_pending 0')
  })
})
