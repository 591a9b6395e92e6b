import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALICE, card, delivery, OTHER, PLACE, sent, until, type World, world } from './world.ts'

let w: World
const unhandled: unknown[] = []
const note = (error: unknown) => unhandled.push(error)
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})
afterEach(async () => {
  await w.stop()
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  // The process would have ended.
  expect(unhandled).toEqual([])
})

const at = () => w.slack.health().at

describe('the connections', () => {
  test('are two, and every envelope comes once', async () => {
    w = await world()
    expect(w.server.connections()).toBe(2)
    for (let times = 0; times < 4; times++) await w.server.slash(ALICE, PLACE, '/status')
    expect(w.reception.envelopes).toHaveLength(4)
    expect(w.reception.asked).toBe(4)
  })

  test('a click during a refresh is taken by the other one (trap 4)', async () => {
    w = await world()
    const buttons = [{ id: 'b-1', action: 'release.approve', label: 'Approve', style: 'primary' as const }]
    await sent(w.slack.send(delivery({ message: card({ buttons }) })))
    const ts = w.server.messages(PLACE)[0]?.ts ?? ''
    for (let times = 0; times < 5; times++) {
      w.server.faults.refresh()
      const { acked } = await w.server.click(ALICE, PLACE, ts, 'Approve')
      expect(acked).toBe(true)
      await until(() => w.server.connections() === 2)
    }
    expect(w.reception.envelopes).toHaveLength(5)
    await until(() => w.server.connections() === 2)
    expect(at()).toBe('up')
  })

  test('a warning before the refresh loses nothing either', async () => {
    w = await world()
    w.server.faults.refresh({ warn: true })
    for (let times = 0; times < 6; times++) {
      expect((await w.server.slash(ALICE, PLACE, '/status')).acked).toBe(true)
    }
    await until(() => w.server.connections() === 2)
    expect(w.reception.envelopes).toHaveLength(6)
  })

  test('come back when all are asked to go at once', async () => {
    w = await world()
    w.server.faults.refresh({ all: true })
    await until(() => w.server.connections() === 2)
    await until(() => at() === 'up')
    expect((await w.server.slash(ALICE, PLACE, '/status')).acked).toBe(true)
  })

  test('acknowledgements that get lost make no second deed', async () => {
    w = await world({ server: { ackMs: 150 } })
    w.server.faults.dropAcks(1)
    const delivered = await w.server.mention(ALICE, PLACE, 'status')
    expect(delivered).toMatchObject({ acked: true, attempts: 2 })
    expect(w.reception.asked).toBe(2)
    expect(w.reception.envelopes).toHaveLength(1)
  })
})

describe('an outage', () => {
  test('shows as down with why, ends by itself, and the process lives (traps 6, 7)', async () => {
    w = await world()
    const began = performance.now()
    w.server.faults.outage(1500)
    await until(() => at() === 'down')
    // A second here is about twenty: 30 s are 1,500 ms.
    expect(performance.now() - began).toBeLessThan(1500)
    expect(w.slack.health().why).toMatch(/^Slack does not answer .* Next: nothing, it is tried again/)
    expect(await w.slack.send(delivery())).toMatchObject({ at: 'later', scope: 'surface' })
    await until(() => at() === 'up' && w.server.connections() === 2)
    // The pauses are capped: it is back soon after Slack is.
    expect(performance.now() - began).toBeLessThan(1500 + 1500)
    await sent(w.slack.send(delivery()))
    expect((await w.server.slash(ALICE, PLACE, '/status')).acked).toBe(true)
  })

  test('at the start stops nothing (trap 5)', async () => {
    w = await world({ started: false })
    w.server.faults.outage(600)
    w.slack.start()
    expect(at()).toBe('connecting')
    await until(() => at() === 'down')
    await until(() => at() === 'up' && w.server.connections() === 2)
    expect((await w.server.slash(ALICE, PLACE, '/status')).acked).toBe(true)
  })

  test('can be stopped in its middle', async () => {
    w = await world()
    w.server.faults.outage(60_000)
    await until(() => at() === 'down')
    const began = performance.now()
    await w.slack.stop(1000)
    expect(performance.now() - began).toBeLessThan(1000)
  })

  test('of the Web API alone is seen, although the sockets stand', async () => {
    w = await world({ timings: { call: 150, probe: 100 } })
    w.server.faults.slow('auth.test', 400)
    await until(() => at() === 'down')
    expect(w.server.connections()).toBe(2)
    w.server.faults.slow('auth.test', 0)
    await until(() => at() === 'up')
  })
})

describe('a token that is refused', () => {
  test('while reconnecting degrades this surface only, and works again once it is good (trap 6)', async () => {
    w = await world()
    w.server.faults.invalidAuth(true)
    w.server.faults.refresh({ all: true })
    await until(() => at() === 'down')
    expect(w.slack.health().why).toMatch(/refuses the (bot|app) token \(invalid_auth\)\. Next: .*restart Rollcall/)
    expect(w.slack.health().why).not.toContain(w.server.botToken)
    // Without end, and not without a pause.
    const tries = () => w.server.calls('apps.connections.open').length
    const before = tries()
    await until(() => tries() >= before + 6)
    expect(tries()).toBeLessThan(before + 60)
    w.server.faults.invalidAuth(false)
    await until(() => at() === 'up' && w.server.connections() === 2)
    expect((await w.server.slash(ALICE, PLACE, '/status')).acked).toBe(true)
  })

  test('from the beginning: down with what to do, and tried again', async () => {
    w = await world({ started: false, appToken: 'xapp-1-wrong' })
    w.slack.start()
    await until(() => at() === 'down')
    expect(w.slack.health().why).toContain(
      'Slack refuses the app token (invalid_auth). Next: make an app token with connections:write',
    )
    await sent(w.slack.send(delivery({ place: OTHER })))
  })

  test('each call carries the token that it is for (trap 8)', async () => {
    w = await world()
    w.server.faults.refresh({ all: true })
    await until(() => w.server.calls('apps.connections.open').length >= 4)
    await sent(w.slack.send(delivery()))
    expect(w.server.calls().filter(({ error }) => error !== undefined)).toEqual([])
  })
})

test('no token and no ticket gets into the log', async () => {
  w = await world()
  w.server.faults.invalidAuth(true)
  w.server.faults.refresh({ all: true })
  await until(() => at() === 'down')
  w.server.faults.invalidAuth(false)
  const all = w.logged.join('\n')
  expect(all).toContain('slack not connected')
  for (const secret of [w.server.botToken, w.server.appToken, w.server.signingSecret, 'ticket=', 'Bearer']) {
    expect(all).not.toContain(secret)
  }
})
