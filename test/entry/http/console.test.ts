import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { createConsole } from '../../../src/entry/http/console.ts'
import type { HttpServer } from '../../../src/entry/http/server.ts'
import type { AuditPage, PressAnswer, SessionView } from '../../../src/ports/console.ts'
import { offerButtons } from '../../../src/release/button.ts'
import { until } from '../../demo/until.ts'
import { aRelease } from '../../fakes/release.ts'
import { type Console, testConsole } from './kit.ts'

let world: Console | undefined
const servers: HttpServer[] = []
const streams: IncomingMessage[] = []
afterEach(async () => {
  for (const stream of streams.splice(0)) stream.destroy()
  for (const server of servers.splice(0)) await server.close()
  await world?.close()
  world = undefined
})

type Listen = Partial<Parameters<typeof createConsole>[0]['listen']>

/** The console as src/app.ts builds it, of the sandbox, on a port. */
async function start(listen: Listen = {}, demo = true) {
  world ??= await testConsole()
  const { desk, feed, webRoot } = world
  const server = await createConsole({
    desk,
    audit: desk.audit,
    commands,
    log: createChannel({ store: desk.store, clock: desk.clock, surfaces: [] }),
    feed,
    webRoot,
    listen: { host: '127.0.0.1', port: 0, ...listen },
    demo,
    language: 'en',
    version: '0',
    channels: [desk.channel],
  })
  servers.push(server)
  const url = await server.listen()
  const { host } = new URL(url)
  const ours = { host, origin: url }
  const signIn = async (person: string): Promise<{ cookie: string; host: string; origin: string }> => {
    const body = JSON.stringify({ person })
    const headers = { origin: url, 'content-type': 'application/json' }
    const answer = await fetch(`${url}/api/v1/session`, { method: 'POST', headers, body })
    return { ...ours, cookie: answer.headers.get('set-cookie')?.split(';', 1)[0] ?? '' }
  }
  return { world, server, url, ours, signIn }
}

/** The event stream as a browser has it: what came so far, and whether it is over. */
async function follow(url: string, cookie: string) {
  const [response] = (await once(get(`${url}/api/v1/events`, { agent: false, headers: { cookie } }), 'response')) as [
    IncomingMessage,
  ]
  streams.push(response)
  const told = { status: response.statusCode, text: '', over: false }
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    told.text += chunk
  })
  response.on('end', () => {
    told.over = true
  })
  response.on('error', () => {})
  return told
}

const audited = async () => {
  const entries = (await world?.desk.store.read('audit')) ?? []
  return entries.map(({ entry }) => {
    const { who, action, target, result } = entry as Record<string, string>
    return `${who} ${action} ${target} ${result}`
  })
}

describe('live updates', () => {
  test('tell who signs out that the session is over, and then end; nobody comes back without one', async () => {
    const { url, signIn } = await start()
    const alice = await signIn('alice')
    const bob = await signIn('bob')
    const [hers, his] = await Promise.all([follow(url, alice.cookie), follow(url, bob.cookie)])
    await until('the stream has begun', () => hers.text.includes('retry:') && his.text.includes('retry:'))
    await fetch(`${url}/api/v1/session`, { method: 'DELETE', headers: { cookie: alice.cookie, origin: url } })
    await until('the stream is over', () => hers.over)
    expect(hers.text).toContain('event: change\ndata: {"kind":"session","key":"alice"}\n\n')
    expect(his).toMatchObject({ over: false, text: expect.not.stringContaining('session') })
    expect((await follow(url, alice.cookie)).status).toBe(401)
  })

  test('are for at most twenty windows of one person, who does not keep others out', async () => {
    const { url, signIn } = await start()
    const { cookie } = await signIn('alice')
    const mine = await Promise.all(Array.from({ length: 20 }, () => follow(url, cookie)))
    expect(new Set(mine.map(({ status }) => status))).toEqual(new Set([200]))
    const answer = await fetch(`${url}/api/v1/events`, { headers: { cookie } })
    expect(answer.status).toBe(429)
    expect(await answer.json()).toMatchObject({ code: 'entry.too-many', say: expect.stringContaining('20 readers') })
    expect((await follow(url, (await signIn('bob')).cookie)).status).toBe(200)
    expect(await audited()).toContain('alice status.read GET /api/v1/events refused')
    streams.shift()?.destroy()
    await until('there is room again', async () => (await follow(url, cookie)).status === 200)
  })
})

describe('the audit log', () => {
  test('is not filled by somebody who asks without end for what they may not do', async () => {
    const { server, signIn } = await start()
    const vera = await signIn('vera')
    for (let n = 0; n < 300; n++) {
      expect((await server.inject({ url: '/api/v1/audit', headers: vera })).statusCode).toBe(403)
    }
    expect((await audited()).filter((line) => line.startsWith('vera audit.read'))).toHaveLength(10)
  })

  test('nor by asking what presses would be answered', async () => {
    const { world, server, signIn } = await start()
    await world.insert(aRelease({ id: 'R-1' }))
    const [button] = await offerButtons(world.desk.store, await world.desk.releases.need('R-1'))
    const vera = await signIn('vera')
    const codes: number[] = []
    for (let n = 0; n < 150; n++) {
      codes.push((await server.inject({ url: `/api/v1/actions?button=${button?.id}`, headers: vera })).statusCode)
    }
    expect(codes.filter((code) => code === 200)).toHaveLength(120)
    expect(codes.filter((code) => code === 429)).toHaveLength(30)
    const lines = (await audited()).filter((line) => line.startsWith('vera'))
    expect(lines.filter((line) => line.startsWith(`vera ${button?.action} R-1`))).toHaveLength(10)
    expect(lines.filter((line) => line === 'vera status.read GET /api/v1/actions refused')).toHaveLength(10)
  })

  test('says that somebody signs in or presses too often', async () => {
    const { server, ours, signIn } = await start({}, false)
    const signInWith = (token: string) =>
      server.inject({ method: 'POST', url: '/api/v1/session', headers: ours, payload: { token } })
    for (let n = 0; n < 15; n++) await signInWith('wrong')
    expect((await audited()).filter((line) => line.endsWith('POST /api/v1/session refused'))).toEqual([
      'unknown access.sign-in POST /api/v1/session refused',
    ])
    expect(await signIn('alice')).toBeDefined()
    const sandbox = await start()
    const alice = await sandbox.signIn('alice')
    for (let n = 0; n < 135; n++) {
      const payload = { button: 'none' }
      await sandbox.server.inject({ method: 'POST', url: '/api/v1/actions', headers: alice, payload })
    }
    expect((await audited()).filter((line) => line === 'alice status.read POST /api/v1/actions refused')).toHaveLength(
      10,
    )
  })

  test('says who had the hosts asked', async () => {
    const { server, signIn } = await start()
    const alice = await signIn('alice')
    const probe = (payload: object) =>
      server.inject({ method: 'POST', url: '/api/v1/hosts/probe', headers: alice, payload })
    expect((await probe({})).statusCode).toBe(200)
    expect((await probe({ service: 'nothing' })).statusCode).toBe(404)
    expect((await audited()).slice(-2)).toEqual(['alice hosts.probe fleet done', 'alice hosts.probe nothing refused'])
  })

  test('is read by result, person and action over its whole length, and names whom and what there is', async () => {
    const { world, server, signIn } = await start()
    const from = { surface: 'terminal' }
    const note = (who: string, action: string, result: 'done' | 'refused' | 'failed') =>
      world.desk.audit.note({ who, from, action, target: 'R-1', result })
    await note('zoe', 'release.abort', 'failed')
    for (let n = 0; n < 600; n++) await note('alice', 'release.pause', 'done')
    const bob = await signIn('bob')
    const ask = async (query: string) =>
      (await server.inject({ url: `/api/v1/audit${query}`, headers: bob })).json<AuditPage>()
    const page = await ask('?result=failed')
    expect(page.entries).toMatchObject([{ who: 'zoe', action: 'release.abort', result: 'failed' }])
    expect(page).toMatchObject({
      more: false,
      people: ['alice', 'bob', 'zoe'],
      actions: ['access.sign-in', 'release.abort', 'release.pause'],
    })
    expect((await ask('?result=refused')).entries).toEqual([])
    await note('yan', 'release.retry', 'refused')
    expect(await ask('?result=refused')).toMatchObject({
      entries: [{ who: 'yan' }],
      people: expect.arrayContaining(['yan']),
    })
  })
})

describe('the address of a person', () => {
  const rotating = async (listen: Listen, remoteAddress: string) => {
    const { server } = await start({ publicUrl: 'https://r.test', ...listen }, false)
    const codes: number[] = []
    for (let n = 0; n < 15; n++) {
      const headers = { host: 'r.test', origin: 'https://r.test', 'x-forwarded-for': `198.51.100.${n}` }
      const payload = { token: 'wrong' }
      const answer = await server.inject({ method: 'POST', url: '/api/v1/session', headers, remoteAddress, payload })
      codes.push(answer.statusCode)
    }
    const last = (await world?.desk.store.last('audit', 1))?.[0]?.entry as { from: string }
    return { codes, from: last.from }
  }
  const tenOf = [...Array(10).fill(401), ...Array(5).fill(429)]

  test('is not what a peer says that is no proxy of ours: names that change do not get around the limit', async () => {
    expect(await rotating({}, '203.0.113.9')).toEqual({ codes: tenOf, from: 'console 203.0.113.9' })
  })

  test('is what the proxy on this machine says, or one that is listed', async () => {
    const all = { codes: Array(15).fill(401), from: 'console 198.51.100.14' }
    expect(await rotating({}, '127.0.0.1')).toEqual(all)
    const trustedProxies = ['10.0.0.0/24']
    expect(await rotating({ trustedProxies }, '10.0.0.7')).toEqual(all)
    expect((await rotating({ trustedProxies }, '127.0.0.1')).codes).toEqual(tenOf)
  })

  test('is not what anybody says where nothing stands in front', async () => {
    expect((await rotating({ publicUrl: undefined, allowedHosts: ['r.test'] }, '127.0.0.1')).codes).toEqual(tenOf)
  })
})

test('a host that is listed is served, and its pages may press', async () => {
  const { server } = await start({ allowedHosts: ['tunnel.test'] })
  for (const scheme of ['http', 'https']) {
    const headers = { host: 'tunnel.test', origin: `${scheme}://tunnel.test` }
    const payload = { person: 'alice' }
    const answer = await server.inject({ method: 'POST', url: '/api/v1/session', headers, payload })
    expect(answer.statusCode).toBe(200)
  }
})

test('two consoles on one machine do not sign each other out', async () => {
  const [one, other] = [await start(), await start()]
  const [alice, bob] = [await one.signIn('alice'), await other.signIn('bob')]
  // A browser keeps cookies by host, and sends all of them to each port of it.
  const cookie = `${alice.cookie}; ${bob.cookie}`
  const who = async ({ server, ours }: Awaited<ReturnType<typeof start>>) =>
    (await server.inject({ url: '/api/v1/session', headers: { ...ours, cookie } })).json<SessionView>().person
  expect(await who(one)).toMatchObject({ id: 'alice' })
  expect(await who(other)).toMatchObject({ id: 'bob' })
})

test('a browser without a session is led from the description to the sign-in; a program is told', async () => {
  const { server, ours, signIn } = await start()
  for (const url of ['/api/docs', '/api/docs/']) {
    const page = await server.inject({ url, headers: { ...ours, accept: 'text/html,*/*' } })
    expect([page.statusCode, page.headers.location]).toEqual([302, '/'])
    expect((await server.inject({ url, headers: { ...ours, accept: '*/*' } })).statusCode).toBe(401)
  }
  const json = await server.inject({ url: '/api/docs/json', headers: { ...ours, accept: 'text/html' } })
  expect(json.statusCode).toBe(401)
  const headers = { ...(await signIn('alice')), accept: 'text/html' }
  expect((await server.inject({ url: '/api/docs/', headers })).statusCode).toBe(200)
})

test('a press is answered with what happened and what to do next apart', async () => {
  const { server, signIn } = await start()
  const alice = await signIn('alice')
  const unknown = { ok: false, text: 'This button is not known here.', next: 'type /status and use the card it names' }
  const asked = await server.inject({ url: '/api/v1/actions?button=none', headers: alice })
  expect(asked.json<PressAnswer>()).toEqual(unknown)
  const payload = { button: 'none' }
  const pressed = await server.inject({ method: 'POST', url: '/api/v1/actions', headers: alice, payload })
  expect(pressed.json<PressAnswer>()).toEqual(unknown)
  const zh = { ...alice, 'accept-language': 'zh' }
  expect((await server.inject({ url: '/api/v1/actions?button=none', headers: zh })).json()).toEqual({
    ok: false,
    text: '这里不认识这个按钮。',
    next: '输入 /status，并使用其中的卡片',
  })
})

test.each(['people', 'commands', 'services', 'audit', 'hosts', 'releases'])(
  'a question that %s does not know is refused, not passed over',
  async (path) => {
    const { server, signIn } = await start()
    const answer = await server.inject({ url: `/api/v1/${path}?presult=done`, headers: await signIn('bob') })
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toMatchObject({ code: 'entry.malformed' })
  },
)
