import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { createConsole } from '../../../src/entry/http/console.ts'
import { createFeed } from '../../../src/entry/http/feed.ts'
import type { HttpServer } from '../../../src/entry/http/server.ts'
import { type Delivery, deliverySchema } from '../../../src/incident/alert.ts'
import { DELIVERIES } from '../../../src/incident/receive.ts'
import { type TestDesk, testDesk } from '../../fakes/desk.ts'

const tokens = new Map([
  ['am', 'first-secret-token-of-am'],
  ['other', 'second-secret-token'],
])

type Listen = Partial<Parameters<typeof createConsole>[0]['listen']>

let world: TestDesk
let server: HttpServer
const others: HttpServer[] = []
beforeAll(async () => {
  world = await testDesk()
  server = await start()
})
afterEach(async () => {
  for (const each of others.splice(0)) await each.close()
})
afterAll(async () => {
  await server.close()
  await world.close()
})

/** The server as src/app.ts builds it, with guard and all. */
function start(listen: Listen = {}, desk = world.desk): Promise<HttpServer> {
  return createConsole({
    desk,
    audit: desk.audit,
    commands,
    log: createChannel({ store: desk.store, clock: desk.clock, surfaces: [] }),
    feed: createFeed(),
    alertTokens: tokens,
    webRoot: undefined,
    listen: { host: '127.0.0.1', port: 0, ...listen },
    demo: false,
    language: 'en',
    version: '0',
    channels: [desk.channel],
  })
}

/** A body as Alertmanager 0.25 sends it. */
function body(part: object = {}, alert: object = {}): Record<string, unknown> {
  return {
    version: '4',
    groupKey: '{}:{alertname="High"}',
    truncatedAlerts: 0,
    receiver: 'rollcall',
    status: 'firing',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'High', instance: 'web-1', severity: 'critical' },
        annotations: { summary: 'too high' },
        startsAt: '2026-01-31T09:00:00.123456789Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'http://prometheus:9090/graph?g0.expr=up',
        fingerprint: 'c0ffee',
        ...alert,
      },
    ],
    groupLabels: { alertname: 'High' },
    commonLabels: { alertname: 'High' },
    commonAnnotations: {},
    externalURL: 'http://alertmanager:9093',
    ...part,
  }
}

interface Asked {
  url?: string
  headers?: Record<string, string>
  peer?: string
  at?: HttpServer
}

function post(payload: unknown, { url = '/api/v1/alertmanager', headers = {}, peer, at = server }: Asked = {}) {
  return at.inject({
    method: 'POST',
    url,
    headers: { host: '127.0.0.1:8888', 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    ...(peer === undefined ? {} : { remoteAddress: peer }),
  })
}

async function newest(): Promise<Delivery> {
  const [last] = await world.desk.store.last(DELIVERIES, 1)
  return deliverySchema.parse(last?.entry)
}

async function kept(): Promise<number> {
  return (await world.desk.store.read(DELIVERIES)).length
}

const bearer = (name: string) => ({ authorization: `Bearer ${tokens.get(name)}` })

describe('who may send alerts', () => {
  const taken: [string, Asked, string][] = [
    ['this machine, without a token', {}, 'local'],
    ['this machine, over IPv6', { peer: '::1', headers: { host: '[::1]:8888' } }, 'local'],
    ['this machine, IPv4 within IPv6', { peer: '::ffff:127.0.0.1' }, 'local'],
    ['a source with its token, from elsewhere', { peer: '10.0.0.9', headers: bearer('am') }, 'am'],
    ['another source with its own', { peer: '10.0.0.9', headers: bearer('other') }, 'other'],
    [
      'a source with its token, by a name that this server does not know',
      { peer: '10.0.0.9', headers: { ...bearer('am'), host: 'rollcall.internal' } },
      'am',
    ],
    [
      'a source with its token, through a proxy',
      { peer: '127.0.0.1', headers: { ...bearer('am'), 'x-forwarded-for': '10.0.0.9' } },
      'am',
    ],
  ]
  test.each(taken)('%s', async (_, asked, source) => {
    const answer = await post(body(), asked)
    expect([answer.statusCode, answer.json()]).toEqual([200, { stored: 1 }])
    expect((await newest()).group.source).toBe(source)
  })

  const refused: [string, Asked, number, string][] = [
    ['nobody from elsewhere without a token', { peer: '10.0.0.9' }, 401, 'access.unknown-source'],
    [
      'nobody who only says that they are on this machine',
      { peer: '10.0.0.9', headers: { 'x-forwarded-for': '127.0.0.1' } },
      401,
      'access.unknown-source',
    ],
    [
      'nobody whom a proxy on this machine passes on',
      { headers: { 'x-forwarded-for': '203.0.113.7' } },
      401,
      'access.unknown-source',
    ],
    ['nobody through any other header of a proxy', { headers: { via: '1.1 proxy' } }, 401, 'access.unknown-source'],
    ['a wrong token', { headers: { authorization: 'Bearer wrong' } }, 401, 'access.unknown-source'],
    ['half a token', { headers: { authorization: 'Bearer first-secret' } }, 401, 'access.unknown-source'],
    [
      'the right token with something behind it',
      { headers: { authorization: `Bearer ${tokens.get('am')}x` } },
      401,
      'access.unknown-source',
    ],
    ['an empty token', { headers: { authorization: 'Bearer ' } }, 401, 'access.unknown-source'],
    ['another scheme', { headers: { authorization: `Basic ${tokens.get('am')}` } }, 401, 'access.unknown-source'],
    ['a page of another site', { headers: { origin: 'https://evil.test' } }, 403, 'access.other-origin'],
    ['a page of our own', { headers: { origin: 'http://127.0.0.1:8888' } }, 403, 'access.other-origin'],
    ['a browser that says nothing else', { headers: { 'sec-fetch-site': 'none' } }, 403, 'access.other-origin'],
    ['a name that somebody pointed here', { headers: { host: 'evil.test:8888' } }, 403, 'access.other-host'],
    ['a name that only begins like ours', { headers: { host: '127.0.0.1.evil.test' } }, 403, 'access.other-host'],
  ]
  test.each(refused)('not %s', async (_, asked, status, code) => {
    const before = await kept()
    for (const url of ['/api/v1/alertmanager', '/v1/alerts']) {
      const answer = await post(body(), { ...asked, url })
      expect([answer.statusCode, answer.json().code]).toEqual([status, code])
      expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined)
    }
    expect(await kept()).toBe(before)
  })

  test('behind a proxy on this machine that ends TLS, nobody without a token', async () => {
    const behind = await start({ publicUrl: 'https://rollcall.test' })
    others.push(behind)
    expect((await post(body(), { at: behind })).statusCode).toBe(401)
    expect((await post(body(), { at: behind, headers: bearer('am') })).statusCode).toBe(200)
    const apart = await start({ publicUrl: 'https://rollcall.test', trustedProxies: ['10.0.0.1'] })
    others.push(apart)
    expect((await post(body(), { at: apart })).statusCode).toBe(200)
  })

  test('without a token it is the one source that is configured without one, and nobody knows which of two', async () => {
    const configured = (...names: string[]) => {
      const sources = names.map((name) => ({ name }))
      return { ...world.desk, config: { ...world.desk.config, sources } }
    }
    for (const [names, source] of [
      [['only'], 'only'],
      [['one', 'two'], 'local'],
      // It has a token, and sent none.
      [['am'], 'local'],
    ] as const) {
      const at = await start({}, configured(...names))
      others.push(at)
      expect((await post(body(), { at })).statusCode).toBe(200)
      expect((await newest()).group.source).toBe(source)
    }
  })

  test('refusals are written down, a repeated one once', async () => {
    for (let i = 0; i < 3; i++) await post(body(), { peer: '10.9.9.9' })
    const entries = (await world.desk.store.read('audit')).map(({ entry }) => entry as Record<string, unknown>)
    expect(entries.filter(({ from }) => from === 'alerts 10.9.9.9')).toMatchObject([
      { who: 'unknown', action: 'access.sign-in', target: 'POST /api/v1/alertmanager', result: 'refused' },
    ])
  })

  test('no one is told to send less often', async () => {
    const answers = await Promise.all(Array.from({ length: 300 }, () => post(body())))
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
  })
})

describe('a body of Alertmanager', () => {
  test('is stored before the answer, with times as instants and what a firing alert has no end', async () => {
    await post(body(), { headers: bearer('am') })
    expect(await newest()).toMatchObject({
      group: {
        source: 'am',
        key: '{}:{alertname="High"}',
        labels: { alertname: 'High' },
        receiver: 'rollcall',
        externalUrl: 'http://alertmanager:9093/',
      },
      truncated: 0,
      alerts: [
        {
          source: 'am',
          fingerprint: 'c0ffee',
          status: 'firing',
          startsAt: '2026-01-31T09:00:00.123Z',
          generatorUrl: 'http://prometheus:9090/graph?g0.expr=up',
          annotations: { summary: 'too high' },
        },
      ],
    })
    expect((await newest()).alerts[0]).not.toHaveProperty('endsAt')
  })

  test('of a newer server may hold more, of an older one less', async () => {
    expect(
      (await post(body({ notification_reason: 'first', routeLabels: { team: 'a' }, more: [1] }, { new: {} })))
        .statusCode,
    ).toBe(200)
    const { truncatedAlerts, externalURL, groupLabels, receiver, ...least } = body()
    const [{ fingerprint, annotations, generatorURL, ...alert }] = least.alerts as [Record<string, unknown>]
    expect((await post({ ...least, alerts: [alert] })).statusCode).toBe(200)
    const first = (await newest()).alerts[0]?.fingerprint
    const labels = alert.labels as Record<string, string>
    const turned = Object.fromEntries(Object.entries(labels).reverse())
    await post({ ...least, alerts: [{ ...alert, labels: turned }] })
    expect((await newest()).alerts[0]?.fingerprint).toBe(first)
    expect(first).toMatch(/^[0-9a-f]{32}$/)
  })

  test('says how many alerts were left out', async () => {
    await post(body({ truncatedAlerts: 40 }))
    expect((await newest()).truncated).toBe(40)
  })

  test.each([
    ['2026-01-31T09:00:00Z', '2026-01-31T09:00:00.000Z'],
    ['2026-01-31T17:00:00+08:00', '2026-01-31T09:00:00.000Z'],
    ['2026-01-31T17:00:00.5+0800', '2026-01-31T09:00:00.500Z'],
    ['2026-01-31 09:00:00', '2026-01-31T09:00:00.000Z'],
    ['2026-01-31T09:00:00.1239999Z', '2026-01-31T09:00:00.123Z'],
    [1769850000, '2026-01-31T09:00:00.000Z'],
    ['1769850000', '2026-01-31T09:00:00.000Z'],
    [1769850000123, '2026-01-31T09:00:00.123Z'],
  ])('means by %j the instant %s', async (startsAt, iso) => {
    expect((await post(body({}, { startsAt }))).statusCode).toBe(200)
    expect((await newest()).alerts[0]?.startsAt).toBe(iso)
  })

  test('keeps pages as links, and nothing else', async () => {
    for (const generatorURL of [
      'javascript:alert(1)',
      'file:///etc/passwd',
      '/graph',
      '',
      `http://p/${'x'.repeat(5000)}`,
    ]) {
      await post(body({ externalURL: generatorURL }, { generatorURL }))
      const { alerts, group } = await newest()
      expect([alerts[0]?.generatorUrl, group.externalUrl]).toEqual([undefined, undefined])
    }
    await post(body({}, { generatorURL: 'https://me:secret@grafana.test/d/1' }))
    expect((await newest()).alerts[0]?.generatorUrl).toBe('https://grafana.test/d/1')
  })

  test('is cut where it is too long, and never refused for it', async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`l${n}`, 'x'.repeat(9000)]))
    const strange = JSON.parse(
      '{"__proto__": "p", "constructor": "c", "half": "\\ud83d", "n": 3, "t": true, "none": null}',
    )
    const answer = await post(
      body(
        { groupKey: 'k'.repeat(100_000) },
        { labels: { ...strange, ...many }, annotations: many, fingerprint: 'f'.repeat(3000) },
      ),
    )
    expect(answer.statusCode).toBe(200)
    const { alerts, group } = await newest()
    const [alert] = alerts
    expect(Object.keys(alert?.labels ?? {})).toHaveLength(100)
    expect(Object.keys(alert?.annotations ?? {})).toHaveLength(50)
    expect(alert?.labels.l0).toHaveLength(2000)
    expect(alert?.labels).toMatchObject({ constructor: 'c', half: '\ufffd', n: '3', t: 'true', none: '' })
    expect(alert?.fingerprint).toMatch(/^sha256:/)
    expect(group.key).toMatch(/^sha256:[0-9a-f]{64}$/)
    await post(`{"__proto__": {"x": 1}, ${JSON.stringify(body()).slice(1)}`)
    expect((await newest()).group.key).toBe('{}:{alertname="High"}')
  })

  test('has no lines of its own but in annotations, and nothing that controls a terminal', async () => {
    const evil = 'disk\n#releases bob approved R-1\u001b[2J\u202e'
    await post(body({}, { labels: { alertname: evil }, annotations: { description: 'two\r\nlines\u0007' } }))
    const [alert] = (await newest()).alerts
    expect(alert?.labels.alertname).toBe('disk #releases bob approved R-1 [2J ')
    expect(alert?.annotations.description).toBe('two\nlines ')
  })

  test('may be large', async () => {
    const alerts = Array.from({ length: 2000 }, (_, n) => ({ ...(body().alerts as object[])[0], fingerprint: `f${n}` }))
    const answer = await post(body({ alerts }))
    expect(answer.json()).toEqual({ stored: 2000 })
  })

  test('that is beyond all bounds is told to come back, as a source drops what is refused', async () => {
    const answer = await post('x', { headers: { 'content-length': String(40 * 1024 * 1024) } })
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'alerts.too-much'])
    expect(answer.json().next).toContain('max_alerts')
  })

  test.each([
    ['an empty object', {}, ['version: ', 'groupKey: ', 'alerts: ']],
    ['alerts that are none', { ...body(), alerts: {} }, ['alerts: ']],
    ['an alert without status', body({}, { status: 'pending' }), ['alerts.0.status: ']],
    ['an alert without beginning', body({}, { startsAt: undefined }), ['alerts.0.startsAt: ']],
    [
      'an alert that begins never',
      body({}, { startsAt: '0001-01-01T00:00:00Z' }),
      ['alerts.0.startsAt: is not a time'],
    ],
    ['an alert that begins some day', body({}, { startsAt: 'yesterday' }), ['alerts.0.startsAt: is not a time']],
    ['labels that are a list', body({}, { labels: ['a'] }), ['alerts.0.labels: ']],
    ['a list', [], ['expected object']],
    ['a text', JSON.stringify('hello'), ['expected object']],
  ])('cannot be %s: 400 with the place', async (_, payload, said) => {
    const before = await kept()
    const answer = await post(payload)
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'entry.malformed'])
    for (const each of said) expect(answer.json().say).toContain(each)
    expect(answer.json().say.length).toBeLessThan(1700)
    expect(await kept()).toBe(before)
  })

  test('must be JSON', async () => {
    expect((await post('{"version": ')).json()).toMatchObject({ code: 'entry.not-json' })
    expect((await post('a=b', { headers: { 'content-type': 'text/plain' } })).statusCode).toBe(415)
    expect((await post('a=b', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })).statusCode).toBe(
      415,
    )
  })
})

describe('the callback', () => {
  const call = (part: object = {}) => ({
    key: 'cpu',
    status: 'firing',
    desc: 'CPU usage above 90 %',
    startsAt: '2026-01-31T09:00:00Z',
    receiveAt: '2026-01-31T09:00:05Z',
    endsAt: '0001-01-01T00:00:00Z',
    severity: 'critical',
    alertname: 'HighCpu',
    generatorUrl: 'http://vm:8428/vmui',
    needHandle: true,
    isEmergent: false,
    repoAddress: 'https://github.com/acme/user-service',
    tag: 'v1.2.0',
    labels: { hostname: 'web-1', service: 'user-service', deploymentId: 'R-7' },
    annotations: { description: 'CPU' },
    values: 93.5,
    ...part,
  })
  const send = (part: object = {}) => post(call(part), { url: '/v1/alerts' })

  test('gives one alert with all that it says', async () => {
    expect((await send()).json()).toEqual({ stored: 1 })
    expect(await newest()).toMatchObject({
      group: { source: 'local', receiver: 'callback', labels: { alertname: 'HighCpu', service: 'user-service' } },
      alerts: [
        {
          status: 'firing',
          startsAt: '2026-01-31T09:00:00.000Z',
          labels: { alertname: 'HighCpu', hostname: 'web-1' },
          generatorUrl: 'http://vm:8428/vmui',
          callback: {
            key: 'cpu',
            desc: 'CPU usage above 90 %',
            values: 93.5,
            needHandle: true,
            isEmergent: false,
            repoAddress: 'https://github.com/acme/user-service',
            tag: 'v1.2.0',
            severity: 'critical',
          },
        },
      ],
    })
  })

  test('is one episode from firing to resolve, whatever else changes in it', async () => {
    await send()
    const first = await newest()
    await send({ status: 'Resolved', endsAt: 1769850600, values: '12', desc: 'over', receiveAt: null })
    const last = await newest()
    const same = ({ group, alerts: [alert] }: Delivery) => [group.key, alert?.fingerprint, alert?.startsAt]
    expect(same(last)).toEqual(same(first))
    expect(last.alerts[0]).toMatchObject({
      status: 'resolved',
      endsAt: '2026-01-31T09:10:00.000Z',
      callback: { values: 12 },
    })
  })

  test('of another host is another alert of the same group, of another deployment another group', async () => {
    await send()
    const first = await newest()
    await send({ labels: { ...call().labels, hostname: 'web-2' } })
    const second = await newest()
    expect(second.group.key).toBe(first.group.key)
    expect(second.alerts[0]?.fingerprint).not.toBe(first.alerts[0]?.fingerprint)
    await send({ labels: { ...call().labels, deploymentId: 'R-8' } })
    expect((await newest()).group.key).not.toBe(first.group.key)
  })

  test.each([
    [{ values: 'n/a' }, undefined],
    [{ values: '' }, undefined],
    [{ values: null }, undefined],
    [{ values: '93.5' }, 93.5],
    [{ values: 0 }, 0],
  ])('takes %j', async (part, values) => {
    expect((await send(part)).statusCode).toBe(200)
    expect((await newest()).alerts[0]?.callback?.values).toBe(values)
  })

  test('may lack everything but a name and a beginning', async () => {
    const answer = await post({ key: 'cpu', startsAt: 1769850000 }, { url: '/v1/alerts' })
    expect(answer.statusCode).toBe(200)
    expect((await newest()).alerts[0]).toMatchObject({ status: 'firing', labels: { alertname: 'cpu' } })
    const nameless = await post({ startsAt: 1769850000 }, { url: '/v1/alerts' })
    expect(nameless.json()).toMatchObject({
      code: 'entry.malformed',
      say: expect.stringContaining('key: nothing names'),
    })
    const endless = await post({ key: 'cpu' }, { url: '/v1/alerts' })
    expect(endless.json()).toMatchObject({ say: expect.stringContaining('startsAt: ') })
  })
})

test('when the store is away the answer is 503, and the same body may come again', async () => {
  const { append } = world.desk.store
  for (const error of [new Error('disk'), Object.assign(new Error('x'), { statusCode: 400 })]) {
    world.desk.store.append = async () => {
      throw error
    }
    for (const [url, payload] of [
      ['/api/v1/alertmanager', body()],
      ['/v1/alerts', { key: 'cpu', startsAt: 1769850000 }],
    ] as const) {
      const answer = await post(payload, { url })
      expect([answer.statusCode, answer.json().code]).toEqual([503, 'alerts.not-stored'])
    }
  }
  world.desk.store.append = append
  expect((await post(body())).statusCode).toBe(200)
})
