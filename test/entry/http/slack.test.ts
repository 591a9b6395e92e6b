import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { createChannel } from '../../../src/adapters/channel/index.ts'
import { slackSchema } from '../../../src/adapters/slack/config.ts'
import { createSlack, type Slack } from '../../../src/adapters/slack/index.ts'
import { createConsole } from '../../../src/entry/http/console.ts'
import { createFeed } from '../../../src/entry/http/feed.ts'
import type { HttpServer } from '../../../src/entry/http/server.ts'
import { QUICK, type TestReception, testReception, until } from '../../adapters/slack/world.ts'
import { type TestDesk, testDesk } from '../../fakes/desk.ts'
import { type SlackServer, startSlackServer } from '../../servers/slack/index.ts'

const PLACE = 'C0RELEASES'
const ALICE = 'U0ALICE'

let world: TestDesk
let server: HttpServer
let slack: Slack | undefined
let them: SlackServer
let reception: TestReception
afterEach(async () => {
  await slack?.stop(1000)
  await server.close()
  await them.stop()
  await world.close()
  slack = undefined
})

/** The console's server as src/app.ts builds it, guard and all, on a port of its own, with a Slack that sends to it. */
async function start(mode: 'http' | 'socket' = 'http'): Promise<void> {
  let url = ''
  world = await testDesk()
  reception = testReception()
  them = await startSlackServer({ http: { url: () => `${url}/slack/events` }, retryMs: [20, 50] })
  them.addChannel(PLACE)
  them.addUser(ALICE)
  slack = createSlack({
    config: { ...slackSchema.parse({ mode: 'http', channels: { '#releases': PLACE } }), apiUrl: them.apiUrl },
    botToken: them.botToken,
    signingSecret: them.signingSecret,
    reception: () => reception,
    pictures: async () => undefined,
    mention: () => undefined,
    store: world.desk.store,
    log: world.desk.log,
    clock: () => new Date(),
    language: 'en',
    timings: QUICK,
  })
  server = await createConsole({
    desk: world.desk,
    audit: world.desk.audit,
    commands,
    log: createChannel({ store: world.desk.store, clock: world.desk.clock, surfaces: [] }),
    feed: createFeed(),
    webRoot: undefined,
    // Slack asks by the public name of a proxy.
    listen: { host: '127.0.0.1', port: 0, publicUrl: 'https://rollcall.test' },
    demo: false,
    language: 'en',
    version: '0',
    channels: ['#releases'],
    ...(mode === 'http' ? { slack: slack.http } : {}),
  })
  url = await server.listen()
  const { health } = slack
  slack.start()
  await until(() => health().at === 'up')
}

const post = (payload: string, headers: Record<string, string> = {}) =>
  server.inject({
    method: 'POST',
    url: '/slack/events',
    payload,
    headers: { 'content-type': 'application/json', ...headers },
  })

function signed(raw: string): Record<string, string> {
  const at = String(Math.floor(Date.now() / 1000))
  const digest = createHmac('sha256', them.signingSecret).update(`v0:${at}:${raw}`).digest('hex')
  return { 'x-slack-request-timestamp': at, 'x-slack-signature': `v0=${digest}` }
}

describe('POST /slack/events', () => {
  test('takes what Slack signs, in every form that it has, through the guard', async () => {
    await start()
    expect(await them.verifyUrl()).toBe(true)
    expect(await them.sslCheck()).toBe(200)
    expect((await them.slash(ALICE, PLACE, '/release user-service v1')).acked).toBe(true)
    expect((await them.mention(ALICE, PLACE, 'status')).acked).toBe(true)
    expect(reception.envelopes.map(({ deed }) => deed)).toEqual([
      { kind: 'typed', text: '/release user-service v1' },
      { kind: 'typed', text: '/status' },
    ])
  })

  test('refuses what nobody signed, and tells nothing', async () => {
    await start()
    const raw = '{"type":"url_verification","challenge":"c"}'
    const answer = await post(raw)
    expect([answer.statusCode, answer.body]).toEqual([401, ''])
    expect((await post(raw, { ...signed(raw), 'x-slack-signature': 'v0=0' })).statusCode).toBe(401)
    expect(reception.asked).toBe(0)
  })

  test('keeps every byte of the body: signs and blanks that a parser would change', async () => {
    await start()
    const raw = '{ "type": "url_verification",\n "challenge": "ü \\u00e9 <&> __proto__", "__proto__": {} }'
    const answer = await post(raw, signed(raw))
    expect([answer.statusCode, answer.json()]).toEqual([200, { challenge: 'ü é <&> __proto__' }])
  })

  test('takes the size of a press on a full card, and not much more', async () => {
    await start()
    const big = JSON.stringify({ type: 'url_verification', challenge: 'c', message: 'x'.repeat(600_000) })
    expect((await post(big, signed(big))).statusCode).toBe(200)
    const huge = JSON.stringify({ challenge: 'x'.repeat(1_100_000) })
    expect((await post(huge, signed(huge))).statusCode).toBe(413)
  })

  test('is limited in how often strangers may ask', async () => {
    await start()
    const statuses: number[] = []
    for (let times = 0; times < 1205; times++) statuses.push((await post('{}')).statusCode)
    expect(statuses.slice(0, 1190).every((status) => status === 401)).toBe(true)
    expect(statuses.at(-1)).toBe(429)
  })

  test('is no route where Slack is used over sockets', async () => {
    await start('socket')
    expect([403, 404]).toContain((await post('{}', signed('{}'))).statusCode)
  })
})
