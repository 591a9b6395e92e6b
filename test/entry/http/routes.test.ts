import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type {
  CommandsView,
  HostView,
  MessagePage,
  OutputView,
  ReleaseDetail,
  ReleasePage,
  SeriesView,
  ServiceView,
} from '../../../src/ports/console.ts'
import { createFakeMetrics } from '../../fakes/metrics.ts'
import { aRelease } from '../../fakes/release.ts'
import { type Console, testConsole } from './kit.ts'

let console: Console
let id: string

beforeAll(async () => {
  console = await testConsole({
    speed: 100,
    policy: { windows: ['600ms', '600ms'], interval: '150ms', rateWindow: '1s', minRequests: 50 },
    metrics: (target) => createFakeMetrics([...target.hosts.keys()], () => ({ errors: 0.02, latency: 0.05 })),
  })
  for (let n = 1; n <= 12; n++) {
    const when = `2026-01-${String(n).padStart(2, '0')}T08:00:00.000Z`
    const state = n % 3 === 0 ? { at: 'rejected' as const, by: 'carol', when } : { at: 'expired' as const, when }
    await console.insert(
      aRelease({
        id: `R-${n}`,
        candidate: `v0.${n}.0`,
        requester: n === 5 ? 'carol' : 'alice',
        createdAt: when,
        startedAt: undefined,
        endedAt: when,
        approvals: [],
        state,
        hosts: {},
      }),
    )
  }
  const { body } = await console.post('/api/v1/messages', {
    channel: '#releases',
    text: '/release user-service v1.1.0',
  })
  id = /R-\d+/.exec(body)?.[0] ?? ''
  await console.reach(id, 'awaiting approval')
})
afterAll(() => console.close())

const json = async <T>(path: string, person?: string): Promise<T> => {
  const response = await console.get(path, person)
  expect(response.statusCode, response.body).toBe(200)
  expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
  return response.json<T>()
}

describe('a release over the routes', () => {
  test('waits for approval, refuses the requester, and goes on when another approves', async () => {
    const waiting = await json<ReleaseDetail>(`/api/v1/releases/${id}`)
    expect(waiting).toMatchObject({ id, state: 'awaiting approval', requester: 'alice', over: false, approvals: [] })
    expect(waiting.plan?.batches.map(({ hosts }) => hosts.length)).toEqual([1, 2])
    const approve = waiting.buttons.find(({ action }) => action === 'release.approve')
    expect(approve).toBeDefined()
    expect(waiting.card.buttons).toEqual(waiting.buttons)
    const own = await console.post('/api/v1/actions', { button: approve?.id }, 'alice')
    expect(own.statusCode).toBe(200)
    expect(own.json()).toMatchObject({ ok: false })
    const other = await console.post('/api/v1/actions', { button: approve?.id }, 'bob')
    expect(other.json()).toMatchObject({ ok: true })
    const late = await console.post('/api/v1/actions', { button: approve?.id }, 'carol')
    expect(late.json()).toMatchObject({ ok: false })
    await console.reach(id, 'done')
    const done = await json<ReleaseDetail>(`/api/v1/releases/${id}`)
    expect(done).toMatchObject({ state: 'done', over: true, tone: 'good', hosts: { healthy: 3 }, batches: 2 })
    expect(done.headline).toContain('3 of 3 hosts run v1.1.0')
    expect(done.seconds).toBeGreaterThan(0)
    expect(done.progress.map(({ batch }) => batch)).toEqual([1, 2, 2])
    for (const { jobs, state, version, deployedAt } of done.progress) {
      expect({ state, version }).toEqual({ state: 'healthy', version: 'v1.1.0' })
      expect(deployedAt).toMatch(/Z$/)
      expect(jobs).toMatchObject([{ step: 'deploy', attempt: 1, state: 'done 0' }])
    }
    expect(done.verdicts.map(({ batch, verdict }) => [batch, verdict])).toEqual([
      [1, 'pass'],
      [2, 'pass'],
    ])
    expect(done.verdicts[0]?.metrics.map(({ name }) => name)).toContain('error rate')
  })

  test('its series hold what the gate saw: both groups, limits, and the moment of the deploy', async () => {
    const { windows } = await json<SeriesView>(`/api/v1/releases/${id}/series`)
    expect(windows.map(({ batch, verdict }) => [batch, verdict])).toEqual([
      [1, 'pass'],
      [2, 'pass'],
    ])
    const errors = windows[0]?.metrics.find(({ key }) => key === 'error_rate')
    expect(errors).toMatchObject({ unit: 'ratio', verdict: 'pass' })
    expect(errors?.limits.fail).toBeGreaterThan(0)
    expect(errors?.hosts.map(({ group }) => group).sort()).toEqual(['upgraded', 'waiting', 'waiting'])
    const upgraded = errors?.hosts.find(({ group }) => group === 'upgraded')
    expect(upgraded?.deployedAt).toBeGreaterThan(1e9)
    const times = upgraded?.points.map(([at]) => at) ?? []
    expect(times.length).toBeGreaterThan(5)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })

  test('its issue is the specified JSON', async () => {
    const issue = await json<Record<string, unknown>>(`/api/v1/releases/${id}/issue`)
    expect(Object.keys(issue).sort()).toEqual(['candidate', 'created_at', 'service', 'steps', 'title'])
    expect(issue.title).toBe('Release Preparation - user-service v1.1.0')
  })

  test('the output of its jobs can be followed to the end', async () => {
    const { progress } = await json<ReleaseDetail>(`/api/v1/releases/${id}`)
    const job = encodeURIComponent(progress[0]?.jobs[0]?.id ?? '')
    const all = await json<OutputView>(`/api/v1/jobs/output?job=${job}`)
    expect(all).toMatchObject({ text: 'deploy v1.1.0\n', next: 14, over: true, state: 'done 0' })
    expect(await json<OutputView>(`/api/v1/jobs/output?job=${job}&from=14`)).toMatchObject({ text: '', next: 14 })
  })

  test('its cards stand in the channel, and what was said under it in its thread', async () => {
    const channel = await json<MessagePage>('/api/v1/messages?channel=%23releases&limit=5')
    const card = channel.messages.find(({ key }) => key === `${id}/card`)
    expect(card).toMatchObject({ channel: '#releases', message: { tone: 'good' } })
    expect(card?.revision).toBeGreaterThan(1)
    expect(card?.replies).toBeGreaterThan(0)
    const thread = await json<MessagePage>(
      `/api/v1/messages?channel=%23releases&thread=${encodeURIComponent(`${id}/card`)}&limit=2`,
    )
    expect(thread.more).toBe(true)
    const older = await json<MessagePage>(
      `/api/v1/messages?channel=%23releases&thread=${encodeURIComponent(`${id}/card`)}&limit=2&before=${thread.messages[0]?.number}`,
    )
    expect(older.messages.at(-1)?.number).toBe((thread.messages[0]?.number ?? 0) - 1)
    const one = await json(`/api/v1/messages/one?key=${encodeURIComponent(`${id}/card`)}`)
    expect(one).toEqual(card)
  })

  test('hosts, services and completions know its version', async () => {
    const hosts = await json<HostView[]>('/api/v1/hosts')
    expect(hosts.map(({ services }) => services[0]?.version)).toEqual(['v1.1.0', 'v1.1.0', 'v1.1.0'])
    const [service] = await json<ServiceView[]>('/api/v1/services')
    expect(service).toMatchObject({ name: 'user-service', versions: { 'v1.1.0': 3 }, last: { id, state: 'done' } })
    expect(service?.running).toBeUndefined()
    const commands = await json<CommandsView>('/api/v1/commands')
    // What was rejected or expired was never on a host: nobody knows that it exists.
    expect(commands.versions['user-service']).toEqual(['v1.1.0'])
    expect(commands.verbs).toContain('rollback')
    expect(commands.releases).toEqual([])
    expect(commands.hosts).toEqual(['bj-1', 'sh-2', 'bj-3'])
  })

  test('every change of it was told', () => {
    const told = new Set(console.changes.map(({ kind }) => kind))
    expect([...told]).toEqual(expect.arrayContaining(['message', 'output', 'release']))
  })
})

describe('the list of releases', () => {
  const ids = async (query: string) =>
    (await json<ReleasePage>(`/api/v1/releases?${query}`)).releases.map((release) => release.id)

  test('comes newest first, page by page, and R-9 is older than R-10', async () => {
    const first = await json<ReleasePage>('/api/v1/releases?limit=5')
    expect(first.releases.map((release) => release.id)).toEqual([id, 'R-12', 'R-11', 'R-10', 'R-9'])
    expect(first.more).toBe(true)
    const rest = await json<ReleasePage>('/api/v1/releases?limit=100&before=R-9')
    expect(rest.releases.map((release) => release.id)).toEqual(['R-8', 'R-7', 'R-6', 'R-5', 'R-4', 'R-3', 'R-2', 'R-1'])
    expect(rest.more).toBe(false)
  })

  test.each([
    ['state=rejected', ['R-12', 'R-9', 'R-6', 'R-3']],
    ['person=carol', ['R-5']],
    ['version=v0.7.0', ['R-7']],
    ['service=nothing', []],
    ['from=2026-01-03&to=2026-01-04', ['R-4', 'R-3']],
    ['from=2026-01-03T08:00:00.001Z&to=2026-01-05T08:00:00Z', ['R-5', 'R-4']],
    ['state=rejected&limit=1&before=R-12', ['R-9']],
  ])('is filtered by %s', async (query, expected) => {
    expect(await ids(query)).toEqual(expected)
  })

  test('finds a release by who approved it', async () => {
    expect(await ids('person=bob')).toEqual([id])
  })
})

describe('what is typed', () => {
  const type = async (text: string, person?: string) =>
    (await console.post('/api/v1/messages', { channel: '#releases', text }, person)).json()

  test('is answered to the one who typed, a mistake with the nearest command', async () => {
    expect(await type('/statsu')).toMatchObject({ ok: false, text: expect.stringContaining('Did you mean') })
    expect(await type('/status')).toMatchObject({ ok: true })
  })

  test('needs the role', async () => {
    expect(await type('/release user-service v1.2.0', 'vera')).toMatchObject({ ok: false })
    const commands = await json<CommandsView>('/api/v1/commands', 'vera')
    expect(commands.commands.find(({ name }) => name === 'help')?.allowed).toBe(true)
    expect(commands.commands.find(({ name }) => name === 'rollback')?.allowed).toBe(false)
  })

  test('asking the hosts keeps what was seen and tells of it', async () => {
    console.changes.length = 0
    const host = console.target.hosts.get('sh-2')
    if (host === undefined) throw new Error('no host')
    host.down = true
    expect(await type('/hosts')).toMatchObject({ ok: true })
    const hosts = await json<HostView[]>('/api/v1/hosts')
    expect(hosts[1]?.services[0]).toMatchObject({ state: 'unreachable', why: expect.stringContaining('sh-2') })
    expect(console.changes.filter(({ kind }) => kind === 'host')).toHaveLength(3)
    host.down = false
    const probed = await console.post('/api/v1/hosts/probe', { service: 'user-service' })
    expect(probed.json<HostView[]>()[1]?.services[0]).toMatchObject({ state: 'running', version: 'v1.1.0' })
  })
})

describe('what is wrong', () => {
  test.each([
    ['GET', '/api/v1/releases?limit=0', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases?limit=101', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases?sort=id', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases?from=yesterday', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases?before=7', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases/R-999', 404, 'release.unknown'],
    ['GET', '/api/v1/releases/R-999/series', 404, 'release.unknown'],
    ['GET', '/api/v1/releases/R-999/issue', 404, 'release.unknown'],
    ['GET', '/api/v1/releases/nonsense', 400, 'entry.malformed'],
    ['GET', '/api/v1/releases/%E0%A4%A', 400, 'entry.refused'],
    ['GET', '/api/v1/messages', 400, 'entry.malformed'],
    ['GET', '/api/v1/messages?channel=%23relaeses', 404, 'entry.unknown-channel'],
    ['GET', '/api/v1/messages/one?key=nothing', 404, 'entry.unknown-message'],
    ['GET', '/api/v1/messages/one', 400, 'entry.malformed'],
    ['GET', '/api/v1/jobs/output?job=nothing', 404, 'entry.unknown-job'],
    ['GET', '/api/v1/jobs/output?job=nothing&from=-1', 400, 'entry.malformed'],
    ['GET', '/api/v1/hosts?service=usr-service', 404, 'release.unknown-service'],
    ['GET', '/api/v1/nothing', 404, 'entry.not-found'],
    ['GET', '/api', 404, 'entry.not-found'],
    ['DELETE', '/api/v1/releases/R-1', 404, 'entry.not-found'],
    ['GET', '/assets/gone-123.js', 404, 'entry.not-found'],
  ] as const)('%s %s is refused with %i and a reason', async (method, url, status, code) => {
    const response = await console.server.inject({ method, url, headers: { 'x-person': 'alice' } })
    expect(response.statusCode, response.body).toBe(status)
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
    const refusal = response.json()
    expect(Object.keys(refusal).sort()).toEqual(['code', 'next', 'say'])
    expect(refusal.code).toBe(code)
    expect(refusal.say).not.toBe('')
  })

  test.each([
    ['/api/v1/messages', { channel: '#releases' }, 400, 'entry.malformed'],
    ['/api/v1/messages', { channel: '#releases', text: '/help', thread: 'x' }, 400, 'entry.malformed'],
    ['/api/v1/messages', { channel: '#other', text: '/help' }, 404, 'entry.unknown-channel'],
    ['/api/v1/messages', { channel: '#releases', text: 'x'.repeat(70_000) }, 413, 'entry.too-large'],
    ['/api/v1/actions', { button: 7 }, 400, 'entry.malformed'],
    ['/api/v1/actions', { button: 'b', person: 'bob' }, 400, 'entry.malformed'],
    ['/api/v1/hosts/probe', { service: 'nothing' }, 404, 'release.unknown-service'],
    ['/api/v1/hosts/probe', { hosts: [] }, 400, 'entry.malformed'],
  ])('POST %s with a bad body is refused', async (url, body, status, code) => {
    const response = await console.post(url, body)
    expect(response.statusCode).toBe(status)
    expect(response.json()).toMatchObject({ code })
  })

  test.each([
    ['text/plain', '/help', 415],
    ['application/json', '{"channel":', 400],
    ['application/json', '', 400],
    ['application/json', '{"__proto__":{"a":1},"channel":"#releases","text":"/help"}', 400],
  ])('a body as %s %j is refused', async (type, payload, status) => {
    const headers = { 'x-person': 'alice', 'content-type': type }
    const response = await console.server.inject({ method: 'POST', url: '/api/v1/messages', headers, payload })
    expect(response.statusCode).toBe(status)
    expect(response.json().code).toMatch(/^entry\./)
  })

  test('an unknown button is an ordinary answer', async () => {
    const response = await console.post('/api/v1/actions', { button: 'nothing' })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({ ok: false, text: expect.stringContaining('not known') })
  })

  test('nobody reads without having signed in', async () => {
    for (const path of ['releases', 'hosts', 'services', 'people', 'commands', 'events']) {
      const response = await console.get(`/api/v1/${path}`, 'mallory')
      expect(response.statusCode, path).toBe(401)
    }
  })
})
