import { createServer } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { signed } from '../../servers/slack/index.ts'
import { ALICE, away, card, delivery, PLACE, sent, until, type World, world } from './world.ts'

let w: World
let close: (() => Promise<void>) | undefined
let now: () => Date = () => new Date()
afterEach(async () => {
  await w.stop()
  await close?.()
  close = undefined
  now = () => new Date()
})

/** A world in HTTP mode whose requests come over a real socket. */
async function httpWorld(options: Parameters<typeof world>[0] = {}): Promise<void> {
  let url = ''
  const listener = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const answer = await w.slack.http({ headers: request.headers, raw: Buffer.concat(chunks).toString() })
      response.writeHead(answer.status, { 'content-type': answer.type, ...answer.headers })
      response.end(answer.body)
    })
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/slack/events`
  close = async () => {
    listener.closeAllConnections()
    await new Promise((resolve) => listener.close(resolve))
  }
  w = await world({
    ...options,
    config: { mode: 'http', ...options?.config },
    server: { http: { url }, ...options?.server },
    clock: () => now(),
  })
}

const STATUS = `command=%2Fstatus&text=&user_id=${ALICE}&channel_id=${PLACE}&trigger_id=t1&team_id=T1`
const ask = (raw: string, headers: Record<string, string> = {}) =>
  w.slack.http({ headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, raw })
const sign = (raw: string, at = Date.now()) => signed(w.server.signingSecret, raw, at)

describe('in HTTP mode', () => {
  test('commands, mentions, presses and forms come in, and no socket is opened', async () => {
    await httpWorld()
    expect(w.slack.health().at).toBe('up')
    expect(w.server.connections()).toBe(0)
    expect((await w.server.slash(ALICE, PLACE, '/release user-service v1')).acked).toBe(true)
    expect((await w.server.mention(ALICE, PLACE, 'status')).acked).toBe(true)
    const fields = [{ name: 'why', label: 'Why', kind: 'text' as const, required: true, most: 99 }]
    const buttons = [
      { id: 'b-1', action: 'a.b', label: 'Go', style: 'primary' as const },
      { id: 'b-2', action: 'a.c', label: 'Ask', style: 'plain' as const, fields },
    ]
    await sent(w.slack.send(delivery({ message: card({ buttons }) })))
    const ts = w.server.messages(PLACE).at(-1)?.ts ?? ''
    expect((await w.server.click(ALICE, PLACE, ts, 'Go')).acked).toBe(true)
    expect((await w.server.click(ALICE, PLACE, ts, 'Ask')).acked).toBe(true)
    await until(() => w.server.modals(ALICE).length === 1)
    await w.server.submit(ALICE, { Why: 'so' })
    expect(w.reception.envelopes.map(({ deed }) => deed)).toEqual([
      { kind: 'typed', text: '/release user-service v1' },
      { kind: 'typed', text: '/status' },
      { kind: 'pressed', button: 'b-1', fields: {} },
      { kind: 'pressed', button: 'b-2', fields: { why: 'so' } },
    ])
  })

  test('the address is verified, and Slack’s look at the certificate answered', async () => {
    await httpWorld()
    expect(await w.server.verifyUrl()).toBe(true)
    expect(await w.server.sslCheck()).toBe(200)
  })

  test('an event that is not durable is 503, and comes again', async () => {
    await httpWorld({ server: { retryMs: [20, 60, 150] } })
    let failures = 2
    w.reception.before = async () => {
      if (failures-- > 0) throw away()
    }
    const delivered = await w.server.mention(ALICE, PLACE, 'status')
    expect(delivered).toMatchObject({ acked: true, attempts: 3 })
    expect(w.reception.envelopes).toHaveLength(1)
  })

  test('an outage of the Web API shows as down', async () => {
    await httpWorld()
    w.server.faults.outage(500)
    await until(() => w.slack.health().at === 'down')
    await until(() => w.slack.health().at === 'up')
  })
})

describe('a request is refused', () => {
  test.each([
    ['without a signature', () => ({})],
    ['with another signature', (raw: string) => signed('another secret', raw)],
    ['with the signature of another body', () => sign('command=%2Frelease')],
    ['with a signature of another length', (raw: string) => ({ ...sign(raw), 'x-slack-signature': 'v0=ab' })],
    ['more than five minutes old', (raw: string) => sign(raw, Date.now() - 301_000)],
    ['more than five minutes early', (raw: string) => sign(raw, Date.now() + 302_000)],
    ['with a timestamp that is none', (raw: string) => ({ ...sign(raw), 'x-slack-request-timestamp': 'soon' })],
  ])('%s', async (_, headers) => {
    await httpWorld()
    expect((await ask(STATUS, headers(STATUS))).status).toBe(401)
    expect(w.reception.asked).toBe(0)
  })

  test('when it was seen before; Slack’s own retry is answered, and does nothing twice', async () => {
    await httpWorld()
    const raw = JSON.stringify({
      type: 'event_callback',
      event_id: 'Ev1',
      team_id: 'T1',
      event: { type: 'app_mention', user: ALICE, text: 'status', channel: PLACE, ts: '1.1' },
    })
    const headers = { ...sign(raw), 'content-type': 'application/json' }
    expect((await ask(raw, headers)).status).toBe(200)
    expect((await ask(raw, headers)).status).toBe(401)
    expect(
      (await ask(raw, { ...headers, 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' })).status,
    ).toBe(200)
    expect(w.reception.envelopes).toHaveLength(1)
    // The cache is as long as the window: nothing in between.
    now = () => new Date(Date.now() + 290_000)
    expect((await ask(raw, headers)).status).toBe(401)
    now = () => new Date(Date.now() + 302_000)
    expect((await ask(raw, headers)).status).toBe(401)
  })

  test.each(['1', 'x', '99999'])(
    'when it was seen before and is no event, whatever it says about retries (%s)',
    async (retry) => {
      await httpWorld()
      const headers = sign(STATUS)
      expect((await ask(STATUS, headers)).status).toBe(200)
      expect((await ask(STATUS, { ...headers, 'x-slack-retry-num': retry })).status).toBe(401)
      expect(w.reception.asked).toBe(1)
    },
  )

  test('when its body is none, but within the five minutes it is taken', async () => {
    await httpWorld()
    expect((await ask('{"a":', { ...sign('{"a":'), 'content-type': 'application/json' })).status).toBe(400)
    expect((await ask('payload=nonsense', sign('payload=nonsense'))).status).toBe(400)
    expect((await ask(STATUS, sign(STATUS, Date.now() - 290_000))).status).toBe(200)
  })

  test('when Rollcall does not know yet who it is, and when it stops', async () => {
    await httpWorld({ started: false })
    expect((await ask(STATUS, sign(STATUS))).status).toBe(503)
    await w.slack.stop(100)
    expect((await ask(STATUS, sign(STATUS, Date.now() - 5000))).status).toBe(503)
  })

  test('in Socket Mode, where nothing comes this way', async () => {
    w = await world({ started: false })
    expect((await ask(STATUS, sign(STATUS))).status).toBe(404)
  })
})
