import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { TIMINGS } from '../../../src/adapters/wecom/timings.ts'
import { delivery, GROUP, message, PERSON, said, startRig, until } from './rig.ts'

const subscriptions = (server: Awaited<ReturnType<typeof startRig>>['server']) =>
  server.frames().filter(({ cmd, dir }) => dir === 'in' && cmd === 'aibot_subscribe')

/** Whatever a listener throws must not end the process. */
function noUnhandled(): void {
  const seen: unknown[] = []
  const note = (error: unknown): void => void seen.push(error)
  process.on('unhandledRejection', note)
  onTestFinished(() => {
    process.off('unhandledRejection', note)
    expect(seen).toEqual([])
  })
}

describe('the connection', () => {
  test('comes back after it was thrown out, and says why it was away', async () => {
    noUnhandled()
    const { server, wecom, up } = await startRig()
    server.faults.kick()
    await until('down', () => wecom.health().at === 'down')
    expect(wecom.health().why).toContain('Another program')
    await up()
    expect(server.connections()).toBe(1)
    expect((await server.say('LiSi', GROUP, '/status')).replies.map(said)).toEqual(['heard /status'])
  })

  test('waits longer each time that it is thrown out, so that two programs do not fight without end', async () => {
    const { server, wecom, up } = await startRig({ timings: { kickMs: 100, kickMostMs: 5000 } })
    const pauses: number[] = []
    for (let round = 0; round < 4; round++) {
      const at = performance.now()
      server.faults.kick()
      await until('down', () => wecom.health().at === 'down')
      await up()
      pauses.push(performance.now() - at)
    }
    expect(pauses[3]).toBeGreaterThan(500)
    expect(pauses[3]).toBeGreaterThan((pauses[0] ?? 0) * 2)
  })

  test('has been up for longer than the longest pause, and still waits as long as before when it is thrown out again', async () => {
    // The real proportions: two programs that throw each other out in turn must not come back to the first pause.
    const part = 1 / 400
    const { kickMs, kickMostMs, steadyMs } = TIMINGS
    const longest = kickMostMs * 1.25 * part
    const { server, up } = await startRig({
      timings: { kickMs: kickMs * part, kickMostMs: kickMostMs * part, steadyMs: steadyMs * part },
    })
    let pause = 0
    for (let round = 0; round < 9; round++) {
      if (round >= 7) await sleep(longest * 1.3)
      const at = performance.now()
      server.faults.kick()
      // The first pauses are shorter than a look takes.
      await until('subscribed again', () => subscriptions(server).length === round + 2)
      await up()
      pause = performance.now() - at
    }
    expect(pause).toBeGreaterThan(kickMostMs * 0.75 * part)
  })

  test('is tried without limit while WeCom is away: more often than the ten times of the SDK', async () => {
    noUnhandled()
    const { server, wecom, up, logged } = await startRig({ timings: { retryMs: 1 } })
    server.faults.outage(3000)
    await until('down', () => wecom.health().at === 'down')
    await up()
    expect(server.connections()).toBe(1)
    expect(logged.filter((line) => line.includes('wecom connection failed')).length).toBeGreaterThan(10)
  }, 15_000)

  test('is tried without limit while WeCom refuses the secret, and comes up when it does no more', async () => {
    noUnhandled()
    const { server, wecom, up } = await startRig({ start: false, timings: { retryMs: 5 } })
    server.faults.invalidAuth(true)
    wecom.start()
    await until('seven tries', () => subscriptions(server).length >= 7, 10_000)
    expect(wecom.health()).toMatchObject({ at: 'down' })
    expect(wecom.health().why).toContain('secret')
    server.faults.invalidAuth(false)
    await up()
  }, 20_000)

  test('that is not there at the start is made when it can be', async () => {
    const { server, wecom, up } = await startRig({ start: false })
    server.faults.outage(400)
    wecom.start()
    await until('down', () => wecom.health().at === 'down')
    await up()
  })

  test('that takes frames and answers nothing is known to be dead, a subscription included', async () => {
    const { server, wecom, up } = await startRig()
    server.faults.silent(1800)
    const at = performance.now()
    await until('down', () => wecom.health().at === 'down')
    expect(performance.now() - at).toBeLessThan(6 * 150)
    await up()
    await sleep(50)
    expect(server.connections()).toBe(1)
    expect(TIMINGS.heartbeatMs * 3).toBeLessThanOrEqual(30_000)
  })

  test('is held by the lead only: a second process stands by, and takes over', async () => {
    const { server, wecom, another } = await startRig({ shared: true, timings: { handoverMs: 60_000 } })
    const second = await another()
    second.wecom.start()
    await sleep(300)
    expect(second.wecom.health().at).toBe('standby')
    expect(await second.wecom.send(delivery())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'no' })
    expect(subscriptions(server)).toHaveLength(1)
    await wecom.stop(200)
    expect(wecom.health().at).toBe('standby')
    await until('taken over', () => second.wecom.health().at === 'up')
    expect(server.connections()).toBe(1)
    expect((await server.say('LiSi', GROUP, '/status')).replies.map(said)).toEqual(['heard /status'])
    expect(server.frames().some(({ body }) => JSON.stringify(body ?? '').includes('disconnected_event'))).toBe(false)
  })

  test('goes to the process that has something to send, and stays with the one that sends', async () => {
    const { server, wecom, another } = await startRig({ shared: true })
    const second = await another()
    second.wecom.start()
    await until('sent by the second', async () => (await second.wecom.send(delivery())).at === 'sent')
    expect(second.wecom.health().at).toBe('up')
    expect(server.messages(GROUP)).toHaveLength(1)
    await until('the first stands by', () => wecom.health().at === 'standby')
    const next = (revision: number) => message({ title: `R-3 stage ${revision}` })
    for (let revision = 2; revision < 6; revision++) {
      await wecom.send(delivery({ key: 'R-9/card', revision, message: next(revision) }))
      expect(await second.wecom.send(delivery({ revision, message: next(revision) }))).toMatchObject({ at: 'sent' })
      await sleep(80)
    }
    expect(second.wecom.health().at).toBe('up')
  })

  test('is given up by a process that cannot make it, when another one stands for it', async () => {
    const { server, wecom, another, logged } = await startRig({
      start: false,
      shared: true,
      secret: 'wrong-secret-value-12345',
    })
    const second = await another({ secret: server.secret })
    wecom.start()
    await until('refused', () => wecom.health().why?.includes('secret') === true)
    second.wecom.start()
    await until('the second has it', () => second.wecom.health().at === 'up')
    expect(wecom.health().at).toBe('standby')
    // The first stands for it again, and does not take it away.
    await sleep(1500)
    expect(second.wecom.health().at).toBe('up')
    expect(logged.filter((line) => line.includes('"wecom connected"'))).toHaveLength(1)
    await second.wecom.stop(100)
    await until('the first tries again', () => wecom.health().why?.includes('secret') === true)
  })

  test('is kept by a process that waits because another program took the bot', async () => {
    const { server, wecom, another } = await startRig({
      shared: true,
      timings: { kickMs: 2000, kickMostMs: 2000, giveUpMs: 200, handoverMs: 40 },
    })
    const second = await another()
    second.wecom.start()
    server.faults.kick()
    await until('down', () => wecom.health().at === 'down')
    await sleep(1000)
    expect(second.wecom.health().at).toBe('standby')
    expect(subscriptions(server)).toHaveLength(1)
  })

  test('is dropped at once when the lead is lost', async () => {
    const { server, store, wecom } = await startRig({ shared: true })
    store.before = (call, key) => {
      if (key === 'wecom' || call === 'put') throw new Error('the store is away')
    }
    await until('standby', () => wecom.health().at === 'standby')
    await until('closed', () => server.connections() === 0)
    store.before = () => {}
    await until('up again', () => wecom.health().at === 'up')
  })

  test('an answer that was due while it was away comes when it is back', async () => {
    noUnhandled()
    const { server, inbox } = await startRig()
    inbox.handle = async () => {
      server.faults.outage(300)
      await sleep(100)
      return { ok: true, text: 'Here it is.' }
    }
    void server.say('LiSi', GROUP, '/status')
    await until('answer', () => server.messages(GROUP).some((each) => said(each).includes('Here it is.')))
    expect(server.messages(GROUP).filter((each) => said(each).includes('Here it is.'))).toHaveLength(1)
  })

  test('a stop lets what is being taken in end, and takes nothing more', async () => {
    const { server, inbox, wecom } = await startRig()
    void server.say('LiSi', GROUP, '/status')
    await until('taken in', () => inbox.taken.length === 1)
    await wecom.stop(1000)
    await until('closed', () => server.connections() === 0)
    expect(await server.say('LiSi', GROUP, '/status')).toMatchObject({ delivered: false })
    expect(inbox.taken).toHaveLength(1)
  })

  test('what comes while it stops, and it is still connected, is taken in: WeCom does not send it again', async () => {
    const { server, inbox, wecom } = await startRig()
    const accept = inbox.accept.bind(inbox)
    let through = (): void => {}
    const held = new Promise<void>((resolve) => {
      through = resolve
    })
    let calls = 0
    inbox.accept = async (envelope) => {
      if (++calls === 1) await held
      return accept(envelope)
    }
    void server.say('LiSi', GROUP, '/status')
    await until('being taken in', () => calls === 1)
    const stopped = wecom.stop(4000)
    void server.say('LiSi', GROUP, '/releases')
    await until('the second is taken in', () => inbox.taken.length === 1)
    through()
    await stopped
    await until('closed', () => server.connections() === 0)
    expect(inbox.taken.map(({ deed }) => deed.kind === 'typed' && deed.text).sort()).toEqual(['/releases', '/status'])
  })

  test('what is not understood, and what the reception throws, harms nothing', async () => {
    noUnhandled()
    const { server, wecom, inbox } = await startRig()
    expect(await wecom.send(delivery())).toMatchObject({ at: 'sent' })
    inbox.refusal = async () => {
      throw new Error('a defect')
    }
    const task = server.messages(GROUP)[0]?.card?.task_id ?? ''
    await Promise.race([server.click('LiSi', GROUP, task, 'OK'), sleep(300)])
    expect(wecom.health().at).toBe('up')
    expect((await server.say('LiSi', GROUP, '/status')).replies.map(said)).toEqual(['heard /status'])
  })

  test('keeps the secret out of log, health and answers', async () => {
    const { server, wecom, logged } = await startRig({
      start: false,
      secret: 'wrong-secret-value-12345',
      webhook: true,
    })
    wecom.start()
    await until('refused', () => wecom.health().why?.includes('secret') === true)
    const examined = await wecom.examine([])
    const sent = await wecom.send(delivery())
    const all = JSON.stringify([logged, wecom.health(), examined, sent])
    expect(all).not.toContain('wrong-secret-value-12345')
    expect(all).not.toContain(new URL(server.webhookUrl(GROUP)).searchParams.get('key'))
  })
})

describe('the webhook of the group', () => {
  test('takes pushes as markdown while the connection is away, with the commands in place of the buttons', async () => {
    const { server, wecom } = await startRig({ webhook: true })
    server.faults.outage(5000)
    await until('down', () => wecom.health().at === 'down')
    await until('sent', async () => (await wecom.send(delivery())).at === 'sent')
    const [only] = server.messages(GROUP)
    expect(only).toMatchObject({ from: 'webhook', msgtype: 'markdown' })
    expect(only?.markdown).toMatch(/^R-3 /)
    expect(only?.markdown).toContain('`/release approve R-3`')
    expect(wecom.health().at).toBe('down')
    const long = message({ title: 'R-3 held', blocks: [{ type: 'text', text: '中'.repeat(5000) }] })
    const sent = await wecom.send(delivery({ revision: 2, message: long }))
    expect(sent).toMatchObject({ at: 'sent', identity: { chat: GROUP, via: 'webhook' } })
    const all = server.messages(GROUP).slice(1)
    expect(all.length).toBeGreaterThan(3)
    expect(all.every(({ markdown = '' }) => Buffer.byteLength(markdown) <= 4096 && markdown.startsWith('R-3'))).toBe(
      true,
    )
    expect(all.map(said).join('').match(/中/g)).toHaveLength(5000)
  })

  test('is not used for a short break, for a person, or where none is configured', async () => {
    const { server, wecom } = await startRig({ webhook: true, timings: { webhookAfterMs: 60_000 } })
    server.faults.outage(1000)
    await until('down', () => wecom.health().at === 'down')
    expect(await wecom.send(delivery())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'no' })
    expect(await wecom.send(delivery({ place: PERSON }))).toMatchObject({ at: 'later' })
    expect(server.messages(GROUP)).toHaveLength(0)
  })

  test('that is away as well makes the message wait', async () => {
    const { server, wecom } = await startRig({ webhook: true, timings: { webhookAfterMs: 0 } })
    server.faults.outage(2000)
    server.faults.webhookOutage(2000)
    await until('down', () => wecom.health().at === 'down')
    expect(await wecom.send(delivery())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'unknown' })
    expect(server.messages(GROUP)).toHaveLength(0)
  })

  test('is not used by a process that does not hold the bot', async () => {
    const { server, another } = await startRig({
      shared: true,
      webhook: true,
      timings: { webhookAfterMs: 0, handoverMs: 60_000 },
    })
    const second = await another()
    second.wecom.start()
    for (let tries = 0; tries < 3; tries++)
      expect(await second.wecom.send(delivery())).toMatchObject({ at: 'later', scope: 'surface', arrived: 'no' })
    expect(server.messages(GROUP)).toHaveLength(0)
  })

  test('takes twenty a minute; what is too much waits', async () => {
    const { server, wecom } = await startRig({ webhook: true, timings: { webhookAfterMs: 0 } })
    server.faults.outage(8000)
    await until('down', () => wecom.health().at === 'down')
    for (let number = 1; number <= 20; number++)
      expect(await wecom.send(delivery({ key: `R-${number}/card` }))).toMatchObject({ at: 'sent' })
    const sent = await wecom.send(delivery({ key: 'R-21/card' }))
    expect(sent).toMatchObject({ at: 'later', scope: 'place', arrived: 'no' })
  })
})

describe('examining', () => {
  const people = [{ id: 'alice', user: 'AliceW' }]
  test('subscribes when nobody holds the bot, and leaves it as it was', async () => {
    const { server, wecom } = await startRig({ start: false })
    const found = await wecom.examine(people)
    expect(found[0]).toMatchObject({ subject: 'wecom connection', status: 'ok' })
    expect(found.filter(({ status }) => status === 'fail')).toEqual([])
    await until('closed', () => server.connections() === 0)
  })

  test('does not throw out the running bot: it says that it did not try', async () => {
    const { server, another } = await startRig({ shared: true })
    const second = await another()
    const found = await second.wecom.examine(people)
    expect(found[0]).toMatchObject({ status: 'warn' })
    expect(found[0]?.say).toContain('Another process')
    expect(subscriptions(server)).toHaveLength(1)
    expect(await second.wecom.sendTestCard('#releases')).toMatchObject({ at: 'refused' })
  })

  test('says that the secret is wrong, that nobody is known, and what a webhook lacks', async () => {
    const { wecom } = await startRig({ start: false, secret: 'wrong-secret-value-12345', webhook: true })
    const found = await wecom.examine([])
    expect(found.find(({ subject }) => subject === 'wecom connection')).toMatchObject({ status: 'fail' })
    expect(found.find(({ subject }) => subject === 'wecom people')).toMatchObject({ status: 'warn' })
    expect(found.find(({ subject }) => subject === 'wecom webhook #releases')).toMatchObject({ status: 'warn' })
  })

  test('a test card arrives, and its button shows that presses do', async () => {
    const { server, wecom } = await startRig()
    expect(await wecom.sendTestCard('#releases')).toMatchObject({ at: 'sent' })
    const [card] = server.messages(GROUP)
    const { updated } = await server.click('LiSi', GROUP, card?.card?.task_id ?? '', 'Now')
    expect(JSON.stringify(updated)).toContain('The press arrived.')
    expect(await wecom.sendTestCard('#nowhere')).toMatchObject({ at: 'refused' })
  })
})
