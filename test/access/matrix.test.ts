import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../../commands/index.ts'
import type { Note } from '../../src/access/audit.ts'
import { type Person, type Role, roles } from '../../src/access/config.ts'
import { type Action, actions, mayDo } from '../../src/access/policy.ts'
import { routes } from '../../src/access/routes.ts'
import { createSessions } from '../../src/access/sessions.ts'
import { issueToken } from '../../src/access/tokens.ts'
import { createChannel } from '../../src/adapters/channel/index.ts'
import { press } from '../../src/entry/actions.ts'
import { runCommand } from '../../src/entry/command.ts'
import { auditRoutes } from '../../src/entry/http/audit.ts'
import { createStands, guard } from '../../src/entry/http/guard.ts'
import { oidcRoutes } from '../../src/entry/http/oidc.ts'
import { createServer, type HttpServer } from '../../src/entry/http/server.ts'
import { sessionRoutes } from '../../src/entry/http/session.ts'
import { EPISODES, episodeId, toJson } from '../../src/incident/alert.ts'
import { offerIncidentButtons } from '../../src/incident/button.ts'
import { offerButtons } from '../../src/release/button.ts'
import type { Release, State } from '../../src/release/release.ts'
import { type Console, testConsole } from '../entry/http/kit.ts'
import { aRelease } from '../fakes/release.ts'
import { anEpisode, anIncident, fakeSilences, quickParts } from '../incident/thread-kit.ts'

let world: Console
let server: HttpServer
let url: string
const tokens = new Map<Role, string>()
let numbers = 100

const person = (role: Role): Person => world.desk.people.find(({ id }) => id === `a-${role}`)!

/** The whole server as src/app.ts builds it, on a port, with one person for each role. */
beforeAll(async () => {
  world = await testConsole({ incident: quickParts({}, fakeSilences()) })
  const { desk, feed, webRoot } = world
  desk.people.push(...roles.map((role): Person => ({ id: `a-${role}`, roles: [role], surfaces: {} })))
  const { store, clock, audit } = desk
  const people = () => desk.people
  let port: number | undefined
  const addresses = { host: '127.0.0.1', port: () => port }
  const deps = {
    store,
    sessions: createSessions({ store, people, clock }),
    audit,
    people,
    clock,
    addresses,
    demo: false,
  }
  const view = { language: 'en' as const, version: '0', channels: ['#releases'] }
  const oidc = { issuer: 'http://127.0.0.1:1', clientId: 'x', scopes: ['openid'] }
  server = await createServer({
    desk,
    commands,
    log: createChannel({ store, clock, surfaces: [] }),
    feed,
    plugins: [
      guard(deps),
      sessionRoutes({ ...deps, view }),
      oidcRoutes({ ...deps, oidc, log: desk.log }),
      auditRoutes(deps),
    ],
    webRoot,
    listen: { host: '127.0.0.1', port: 0 },
    ...view,
    // Slack over HTTP: its requests prove themselves (test/entry/http/slack.test.ts).
    slack: async () => ({ status: 401, body: '', type: 'text/plain' }),
    stands: createStands(deps),
  })
  url = await server.listen()
  port = Number(new URL(url).port)
  for (const role of roles) tokens.set(role, (await issueToken(store, person(role), clock)).token)
})
afterAll(async () => {
  await server.close()
  await world.close()
})

/** One request over the network; only the beginning of an answer without end is read. */
async function ask(method: string, path: string, who: Role | 'a stranger', body?: object) {
  const authorization = who === 'a stranger' ? undefined : `Bearer ${tokens.get(who)}`
  const origin = who === 'a stranger' ? url : undefined
  const answer = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(origin === undefined ? {} : { origin }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) {
    await answer.body?.cancel()
    return { status: answer.status, code: undefined, ok: true, text: '' }
  }
  const text = await answer.text()
  const json = answer.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : {}
  return {
    status: answer.status,
    code: json.code as string | undefined,
    ok: json.ok === true,
    text: String(json.text ?? ''),
  }
}

describe('REST: every route of the table', () => {
  const all = Object.entries(routes).map(([route, access]) => {
    const [method = '', pattern = ''] = route.split(' ')
    return { method, pattern, access, path: pattern.replace(':id', 'R-1').replace('*', 'x') }
  })

  test.each(all)('$method $pattern is there', async ({ method, path, pattern }) => {
    const body = method === 'POST' ? {} : undefined
    const { code } = await ask(method, path, 'admin', body)
    // The files' own wildcards answer that there is no such file.
    if (!pattern.endsWith('*')) expect(code).not.toBe('entry.not-found')
  })

  const guarded = all.filter(({ access }) => access !== 'public')
  test.each(guarded)('$method $pattern is closed to strangers', async ({ method, path }) => {
    const body = method === 'POST' ? {} : undefined
    expect(await ask(method, path, 'a stranger', body)).toMatchObject({ status: 401, code: 'access.sign-in' })
  })

  const cases = guarded.flatMap((route) => roles.map((role) => ({ ...route, role })))
  test.each(cases)('$method $pattern ($access) for a $role', async ({ method, path, access, role }) => {
    const body = method === 'POST' ? {} : undefined
    const { status, code } = await ask(method, path, role, body)
    const allowed = mayDo(person(role), access).ok
    if (allowed) expect([401, 403]).not.toContain(status)
    else expect({ status, code }).toEqual({ status: 403, code: 'access.not-permitted' })
  })

  test('the description of the interface is for those who signed in', async () => {
    expect((await ask('GET', '/api/docs/json', 'a stranger')).status).toBe(401)
    expect((await ask('GET', '/api/docs/json', 'viewer')).status).toBe(200)
    const headers = { authorization: `Bearer ${tokens.get('viewer')}` }
    const { paths } = (await (await fetch(`${url}/api/docs/json`, { headers })).json()) as {
      paths: Record<string, { get: { responses: object; security: object } }>
    }
    for (const path of ['/api/v1/session/oidc', '/api/v1/session/oidc/callback']) {
      expect(paths[path]?.get).toMatchObject({ responses: { 302: expect.anything() }, security: [] })
    }
  })
})

const soon = () => new Date(Date.now() + 3_600_000).toISOString()
const since = '2026-01-01T00:10:00.000Z'
const waiting = (): Partial<Release> => ({ state: { at: 'awaiting approval', until: soon() }, approvals: [] })
const observing = (): Partial<Release> => ({
  state: { at: 'rolling out', batch: 1, doing: 'observing', since, until: soon() } satisfies State,
})
const held = (): Partial<Release> => ({
  state: { at: 'held', why: 'x', offers: ['resume', 'retry', 'skip'], batch: 1, since } satisfies State,
  hosts: { 'bj-1': { at: 'failed', version: 'v1.0.0', before: 'v1.0.0', attempt: 1 } },
})

/** A release at which the action can be done, and the word for it. Each has its button and its command. */
const acts: Partial<Record<Action, { verb: string; at: () => Partial<Release> }>> = {
  'release.approve': { verb: 'approve', at: waiting },
  'release.override-freeze': { verb: 'approve', at: () => ({ ...waiting(), overrideFreeze: true }) },
  'release.reject': { verb: 'reject', at: waiting },
  'release.pause': { verb: 'pause', at: observing },
  'release.promote': { verb: 'promote', at: observing },
  'release.abort': { verb: 'abort', at: observing },
  'release.rollback': { verb: 'rollback', at: observing },
  'release.resume': { verb: 'resume', at: held },
  'release.retry': { verb: 'retry', at: held },
  'release.skip': { verb: 'skip', at: held },
}
const typed: Partial<Record<Action, string>> = {
  'release.request': '/release user-service v1.1.0',
  'status.read': '/status',
  'hosts.read': '/hosts',
  'help.read': '/help',
  'alerts.read': '/alerts',
}

/** What may be done about an incident: each has its button and its command. */
const onIncidents: Partial<Record<Action, (id: string) => { text: string; fields?: Record<string, string> }>> = {
  'incident.acknowledge': (id) => ({ text: `/alerts ack ${id}` }),
  'incident.diagnose-again': (id) => ({ text: `/alerts diagnose ${id}` }),
  'incident.silence': (id) => ({ text: `/alerts silence ${id} 1h known`, fields: { time: '1h', reason: 'known' } }),
  'incident.end-silence': (id) => ({ text: `/alerts unsilence ${id}` }),
}

const newest = async () => (await world.desk.store.last('audit', 1))[0]?.entry as Partial<Note>

/** The table decides, and the audit log says so: whether by role or done, under the action and the person. */
async function agree(role: Role, action: Action, recorded: string, answer: { ok: boolean; text: string }) {
  const allowed = mayDo(person(role), action).ok
  expect({ ok: answer.ok, byRole: /needs the role/.test(answer.text) }, answer.text).toEqual({
    ok: allowed,
    byRole: !allowed,
  })
  expect(await newest()).toMatchObject({
    who: `a-${role}`,
    action: recorded,
    result: allowed ? 'done' : 'refused',
  })
}

describe('buttons and commands: every action', () => {
  test('of the policy table is in this matrix', () => {
    const byRoute = new Set<string>(Object.values(routes))
    expect(
      actions.filter((action) => !acts[action] && !onIncidents[action] && !typed[action] && !byRoute.has(action)),
    ).toEqual([])
  })

  const cases = (Object.keys(acts) as Action[]).flatMap((action) => roles.map((role) => ({ action, role })))
  describe.each(cases)('$action by a $role', ({ action, role }) => {
    const { verb, at } = acts[action]!
    const release = async (): Promise<{ id: string; button: string }> => {
      const id = `R-${++numbers}`
      // Asked for by somebody who is none of them: who requested has rules of their own.
      await world.insert(aRelease({ id, flow: id, requester: 'alice', ...at() }))
      const buttons = await offerButtons(world.desk.store, await world.desk.releases.need(id))
      return { id, button: buttons.find((each) => each.action === `release.${verb}`)!.id }
    }

    test('pressed in the console', async () => {
      const { id, button } = await release()
      const answer = await ask('POST', '/api/v1/actions', role, { button })
      expect(answer.status).toBe(200)
      await agree(role, action, `release.${verb}`, answer)
      expect(await newest()).toMatchObject({ target: id, from: 'console 127.0.0.1' })
    })

    test('pressed elsewhere', async () => {
      const { button } = await release()
      await agree(role, action, `release.${verb}`, await press(world.desk, button, person(role)))
    })

    test('typed', async () => {
      const { id } = await release()
      const context = { desk: world.desk, person: person(role), channel: '#releases', commands }
      await agree(role, action, `release.${verb}`, await runCommand(context, `/release ${verb} ${id}`))
    })

    test('typed in the console', async () => {
      const { id } = await release()
      const body = { channel: '#releases', text: `/release ${verb} ${id}` }
      await agree(role, action, `release.${verb}`, await ask('POST', '/api/v1/messages', role, body))
      expect(await newest()).toMatchObject({ target: id, from: 'console 127.0.0.1' })
    })
  })

  const incidents = (Object.keys(onIncidents) as Action[]).flatMap((action) => roles.map((role) => ({ action, role })))
  describe.each(incidents)('$action by a $role', ({ action, role }) => {
    const incident = async () => {
      const id = `A-${++numbers}`
      const alert = anEpisode({ fingerprint: id }, id)
      await world.desk.store.insert(EPISODES, episodeId(alert.alert), toJson(alert))
      const until = new Date(Date.now() + 3_600_000).toISOString()
      const silences = action === 'incident.end-silence' ? [{ id: 's', by: 'bob', until, reason: 'x', parts: [] }] : []
      await world.desk.incidents.insert(anIncident({ id, silences }))
      const known = await world.desk.incidents.need(id)
      const buttons = await offerIncidentButtons(world.desk, known, [alert.alert], world.desk.clock())
      return { id, button: buttons.find((each) => each.action === action)!.id, ...onIncidents[action]!(id) }
    }

    test('pressed in the console', async () => {
      const { id, button, fields } = await incident()
      const answer = await ask('POST', '/api/v1/actions', role, { button, fields })
      expect(answer.status).toBe(200)
      await agree(role, action, action, answer)
      expect(await newest()).toMatchObject({
        target: expect.stringMatching(new RegExp(`^${id}`)),
        from: 'console 127.0.0.1',
      })
    })

    test('pressed elsewhere', async () => {
      const { button, fields } = await incident()
      await agree(role, action, action, await press(world.desk, button, person(role), undefined, fields))
    })

    test('typed', async () => {
      const { text } = await incident()
      const context = { desk: world.desk, person: person(role), channel: '#releases', commands }
      await agree(role, action, action, await runCommand(context, text))
    })
  })

  const words = Object.entries(typed).flatMap(([action, text]) =>
    roles.map((role) => ({ action: action as Action, text, role })),
  )
  test.each(words)('$text by a $role', async ({ action, text, role }) => {
    const context = { desk: world.desk, person: person(role), channel: '#releases', commands }
    const answer = await runCommand(context, text)
    expect({ ok: answer.ok, byRole: /needs the role/.test(answer.text) }).toEqual({
      ok: mayDo(person(role), action).ok,
      byRole: !mayDo(person(role), action).ok,
    })
    if (action === 'release.request') await agree(role, action, action, answer)
  })

  test.each(roles)('/rollback by a %s', async (role) => {
    // Beyond the numbers that the requests above have taken.
    numbers += 20
    const id = `R-${numbers}`
    await world.insert(aRelease({ id, flow: id, ...observing() }))
    const context = { desk: world.desk, person: person(role), channel: '#releases', commands }
    const answer = await runCommand(context, `/rollback ${id}`)
    expect(answer.ok).toBe(mayDo(person(role), 'release.rollback').ok)
    if (!answer.ok) await agree(role, 'release.rollback', 'release.rollback', answer)
  })
})

test('after all of it the audit log is whole', async () => {
  const verdict = await world.desk.audit.verify()
  expect(verdict).toMatchObject({ ok: true })
  expect(verdict.entries).toBeGreaterThan(roles.length * Object.keys(acts).length * 4)
})
