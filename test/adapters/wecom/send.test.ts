import { describe, expect, test } from 'vitest'
import { markOf } from '../../../src/adapters/wecom/cards.ts'
import type { WecomConfig } from '../../../src/adapters/wecom/config.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Sent } from '../../../src/ports/surface.ts'
import { connectRaw } from '../../servers/wecom/raw.ts'
import { approve, button, delivery, GROUP, message, PERSON, type Rig, said, startRig, taskIn, until } from './rig.ts'

const pushes = ({ server }: Rig) => server.frames().filter(({ cmd, dir }) => dir === 'in' && cmd === 'aibot_send_msg')
const plain = (more: Partial<Message> = {}): Message => message({ buttons: [], ...more })
function isSent(sent: Sent): Extract<Sent, { at: 'sent' }> {
  if (sent.at !== 'sent') throw new Error(`${sent.at}: ${sent.why}`)
  return sent
}

describe('a message', () => {
  test('with buttons is one card when all of it fits, with neither a source nor a colon', async () => {
    const rig = await startRig()
    const sent = isSent(await rig.wecom.send(delivery({ message: message({ title: 'R-3 user-service: v1.1.0' }) })))
    expect(sent.identity).toEqual({ chat: GROUP, task_id: taskIn(rig.server) })
    const [card] = rig.server.messages(GROUP)
    expect(card?.card?.main_title).toMatchObject({ title: 'R-3 user-service： v1.1.0' })
    expect(card?.card).not.toHaveProperty('source')
    expect(card?.labels).toEqual(['OK', 'Deny'])
    expect(pushes(rig)[0]?.body).toMatchObject({ chatid: GROUP, chat_type: 2 })
  })

  test('to a person says that it is one, without which it would vanish', async () => {
    const rig = await startRig()
    isSent(await rig.wecom.send(delivery({ place: PERSON, message: plain() })))
    expect(pushes(rig)[0]?.body).toMatchObject({ chatid: PERSON, chat_type: 1 })
    expect(rig.server.messages(PERSON)).toHaveLength(1)
  })

  test('without buttons is markdown that begins with its code, with its people mentioned', async () => {
    const { server, wecom } = await startRig()
    const blocks: Message['blocks'] = [
      { type: 'text', text: 'asked by @alice, not by <@all> or @mallory' },
      { type: 'table', columns: ['host', 'state'], rows: [['web-1', 'healthy']] },
    ]
    isSent(
      await wecom.send(
        delivery({ key: 'R-3/done', message: plain({ title: 'user-service is done', tone: 'good', blocks }) }),
      ),
    )
    const [only] = server.messages(GROUP)
    expect(only?.markdown).toMatch(/^R-3 /)
    expect(only?.markdown).toContain('<@AliceW>')
    expect(only?.markdown).not.toContain('<@all>')
    expect(only?.markdown).toContain('web-1: healthy')
  })

  test('in a thread has the code of its head, because there are no threads', async () => {
    const { server, wecom } = await startRig()
    const thread = { key: 'A-17/card', identity: { chat: GROUP }, message: message() }
    isSent(await wecom.send(delivery({ key: 'note-1', thread, message: plain({ title: 'noted' }) })))
    expect(server.messages(GROUP)[0]?.markdown).toMatch(/^A-17 /)
  })

  test('that a card cannot hold stands in full before the card', async () => {
    const { server, wecom } = await startRig()
    const rows = Array.from({ length: 40 }, (_, at) => [`web-${at}`, 'v1.0.0'])
    isSent(
      await wecom.send(
        delivery({ message: message({ blocks: [{ type: 'table', columns: ['host', 'back to'], rows }] }) }),
      ),
    )
    const [text, card] = server.messages(GROUP)
    expect(text?.markdown).toContain('web-39: v1.0.0')
    expect(card?.labels).toEqual(['OK', 'Deny'])
  })

  test('that is very long is split at the byte limit', async () => {
    const { server, wecom } = await startRig()
    const long = Array.from({ length: 1500 }, (_, at) => `第 ${at} 行，一切正常`)
    isSent(await wecom.send(delivery({ message: plain({ blocks: [{ type: 'text', text: long.join('\n') }] }) })))
    const all = server.messages(GROUP).map(said)
    expect(all.length).toBeGreaterThan(1)
    expect(all.every((each) => each.startsWith('R-3') && Buffer.byteLength(each) <= 20_480)).toBe(true)
    expect(long.every((line) => all.some((each) => each.includes(line)))).toBe(true)
  })

  test('shows its pictures as images of their own', async () => {
    const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(600 * 1024, 7)])
    const { server, wecom } = await startRig({ pictures: { p1: png } })
    const blocks: Message['blocks'] = [
      { type: 'picture', id: 'p1', alt: 'error rate', width: 10, height: 10 },
      { type: 'picture', id: 'gone', alt: 'latency', width: 10, height: 10 },
    ]
    isSent(await wecom.send(delivery({ message: plain({ blocks }) })))
    const [text, image] = server.messages(GROUP)
    expect(text?.markdown).toContain('latency')
    expect(image?.msgtype).toBe('image')
    expect(image?.images?.[0]?.equals(png)).toBe(true)
    expect(server.messages(GROUP)).toHaveLength(2)
  })

  test('to a conversation that is not there is refused with what to do', async () => {
    const { wecom } = await startRig()
    const sent = await wecom.send(delivery({ place: 'wrNOBODY' }))
    expect(sent).toMatchObject({ at: 'refused' })
    expect(sent.at === 'refused' && sent.next).toContain('wecom.channels')
  })
})

describe('an edit', () => {
  test('that changes no stage sends nothing; a new stage is a new card', async () => {
    const { server, wecom } = await startRig()
    const first = isSent(await wecom.send(delivery()))
    const known = { identity: first.identity, ...(first.mark ? { mark: first.mark } : {}) }
    const progress = message({ blocks: [{ type: 'text', text: '1 of 3' }] })
    const second = isSent(await wecom.send(delivery({ revision: 2, message: progress, ...known })))
    expect(second.mark).toBe(first.mark)
    expect(server.messages(GROUP)).toHaveLength(1)
    const third = isSent(await wecom.send(delivery({ revision: 3, message: message({ tone: 'bad' }), ...known })))
    expect(third.mark).not.toBe(first.mark)
    expect(server.messages(GROUP)).toHaveLength(2)
    const tasks = server.messages(GROUP).map(({ card }) => card?.task_id)
    expect(new Set(tasks).size).toBe(2)
  })
})

describe('an acknowledgement that is lost', () => {
  test('of a card: the same task id is sent again, and its refusal says that it had arrived', async () => {
    const rig = await startRig()
    rig.server.faults.loseAck('aibot_send_msg', 1)
    const first = await rig.wecom.send(delivery())
    expect(first).toMatchObject({ at: 'later', arrived: 'unknown' })
    const again = await rig.wecom.send(delivery({ uncertainSince: new Date().toISOString() }))
    isSent(again)
    expect(rig.server.messages(GROUP)).toHaveLength(1)
    const ids = pushes(rig).map(({ body }) => (body as { template_card: { task_id: string } }).template_card.task_id)
    expect(ids).toHaveLength(2)
    expect(new Set(ids).size).toBe(1)
    expect(rig.server.frames().some(({ errcode }) => errcode === 42_014)).toBe(true)
  }, 15_000)

  test('and a death in between: the next process uses the stored task id', async () => {
    const rig = await startRig()
    rig.server.faults.loseAck('aibot_send_msg', 1)
    const under = rig.wecom.send(delivery())
    await until('arrived', () => rig.server.messages(GROUP).length === 1)
    await rig.wecom.stop(10)
    await under
    const next = await rig.another()
    next.wecom.start()
    await until('connected', () => next.wecom.health().at === 'up')
    isSent(await next.wecom.send(delivery({ uncertainSince: new Date().toISOString() })))
    expect(rig.server.messages(GROUP)).toHaveLength(1)
  })

  test('of markdown: it is sent again and says that it may have been there', async () => {
    const rig = await startRig()
    rig.server.faults.loseAck('aibot_send_msg', 1)
    await rig.wecom.send(delivery({ message: plain() }))
    isSent(await rig.wecom.send(delivery({ message: plain(), uncertainSince: new Date().toISOString() })))
    const all = rig.server.messages(GROUP).map(said)
    expect(all).toHaveLength(2)
    expect(all[1]).toContain('sent again')
  }, 15_000)

  test('after the first of two messages: only the second is sent again', async () => {
    const rig = await startRig()
    const rows = Array.from({ length: 40 }, (_, at) => [`web-${at}`, 'v1.0.0'])
    const both = message({ blocks: [{ type: 'table', columns: ['host', 'back to'], rows }] })
    let count = 0
    rig.store.after = (call) => {
      // The first piece was noted: the second meets a limit.
      if (call === 'put' && ++count === 1) rig.server.faults.rateLimit(GROUP, 1)
    }
    expect(await rig.wecom.send(delivery({ message: both }))).toMatchObject({
      at: 'later',
      scope: 'place',
      arrived: 'no',
    })
    isSent(await rig.wecom.send(delivery({ message: both })))
    const kinds = rig.server.messages(GROUP).map(({ msgtype }) => msgtype)
    expect(kinds).toEqual(['markdown', 'template_card'])
  })

  test('of the record, not of the send: nothing is sent twice', async () => {
    const { server, wecom } = await startRig()
    isSent(await wecom.send(delivery()))
    isSent(await wecom.send(delivery({ uncertainSince: new Date().toISOString() })))
    expect(server.messages(GROUP)).toHaveLength(1)
  })
})

test('a task id that was used before is not taken for ours: the next try takes another', async () => {
  const rig = await startRig({ start: false })
  const { server, wecom, store } = rig
  const raw = await connectRaw(server.url, { botId: server.botId, secret: server.secret })
  const card = {
    card_type: 'button_interaction',
    main_title: { title: 'x' },
    button_list: [{ text: 'x', key: 'x' }],
    task_id: 'used-1',
  }
  await raw.ask('aibot_send_msg', { chatid: GROUP, chat_type: 2, msgtype: 'template_card', template_card: card })
  raw.close()
  wecom.start()
  await rig.up()
  const begun = { mark: markOf(message()), task: 'used-1', revision: 1, message: message(), done: 0, sent: false }
  await store.insert('wecom-shown', `${GROUP}/R-3/card`, begun as never)
  expect(await wecom.send(delivery())).toMatchObject({ at: 'later', scope: 'place', arrived: 'no' })
  isSent(await wecom.send(delivery()))
  expect(taskIn(server)).not.toBe('used-1')
})

describe('limits', () => {
  test('a rate limit is for that place, and later', async () => {
    const { server, wecom } = await startRig()
    server.faults.rateLimit(GROUP, 1)
    const sent = await wecom.send(delivery())
    expect(sent).toMatchObject({ at: 'later', scope: 'place', arrived: 'no' })
    expect(sent.at === 'later' && sent.ms).toBeGreaterThan(10_000)
    isSent(await wecom.send(delivery()))
    expect(server.messages(GROUP)).toHaveLength(1)
  })

  test('the standard profile has 30 a minute and 1,000 an hour', async () => {
    const { wecom } = await startRig({ start: false })
    expect(wecom.rates).toEqual([
      { count: 30, ms: 60_000 },
      { count: 1000, ms: 3_600_000 },
    ])
  })

  test('what the configuration grants stands in place of that', async () => {
    const rates = async (config: Partial<WecomConfig>) => (await startRig({ start: false, config })).wecom.rates
    expect(await rates({ limits: { perMinute: 5 } })).toEqual([
      { count: 5, ms: 60_000 },
      { count: 1000, ms: 3_600_000 },
    ])
    expect(await rates({ profile: 'legacy' })).toEqual([{ count: 10, ms: 86_400_000 }])
    expect(await rates({ profile: 'legacy', limits: { perHour: 50 } })).toEqual([{ count: 50, ms: 3_600_000 }])
  })

  test('pushes keep to the limits of the configuration, and no answer waits for them, with its card', async () => {
    const limits = { perMinute: 10, perHour: 1000 }
    const pushesAllowed = { pushes: [{ count: 10, ms: 60_000 }] }
    const rig = await startRig({ config: { limits }, server: { rates: pushesAllowed } })
    const { server, wecom, inbox } = rig
    for (let number = 1; number <= 8; number++) isSent(await wecom.send(delivery({ key: `R-${number}/card` })))
    expect(await wecom.send(delivery({ key: 'R-9/card' }))).toMatchObject({ at: 'later', scope: 'place' })
    inbox.handle = () => ({ ok: true, text: 'It can go back.', message: message({ buttons: [button('rollback')] }) })
    await server.say('LiSi', GROUP, '/rollback')
    await until('the card of the answer', () => server.messages(GROUP).at(-1)?.labels?.includes('Back') === true, 2000)
    expect(server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })

  test('what had not to be sent says so, and uses none of a rate', async () => {
    const { wecom } = await startRig({ config: { profile: 'legacy' } })
    const first = isSent(await wecom.send(delivery()))
    expect(first.free).toBeUndefined()
    expect(isSent(await wecom.send(delivery({ uncertainSince: new Date().toISOString() }))).free).toBe(true)
    const known = { identity: first.identity, ...(first.mark ? { mark: first.mark } : {}) }
    expect(isSent(await wecom.send(delivery({ revision: 2, ...known }))).free).toBe(true)
    const thread = { key: 'R-3/card', identity: { chat: GROUP }, message: message() }
    expect(isSent(await wecom.send(delivery({ key: 'R-3/note', thread, message: plain() }))).free).toBe(true)
  })

  test('a burst of messages leaves room for answers, and waits until there is more', async () => {
    const { server, wecom } = await startRig()
    for (let number = 1; number <= 24; number++) isSent(await wecom.send(delivery({ key: `R-${number}/card` })))
    const sent = await wecom.send(delivery({ key: 'R-25/card' }))
    expect(sent).toMatchObject({ at: 'later', scope: 'place', arrived: 'no' })
    expect(sent.at === 'later' && sent.ms).toBeLessThanOrEqual(60_000)
    expect((await server.say('LiSi', GROUP, '/status')).replies.map(said)).toEqual(['heard /status'])
    expect(server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })

  test('the older one pushes no chatter and no pictures, and ten a day; edits without a stage use none of them', async () => {
    const { server, wecom } = await startRig({ config: { profile: 'legacy' }, server: { profile: 'legacy' } })
    const thread = { key: 'R-3/card', identity: { chat: GROUP }, message: message() }
    isSent(
      await wecom.send(delivery({ key: 'R-3/note', thread, message: plain({ tone: 'info', title: 'web-1 is done' }) })),
    )
    expect(server.messages(GROUP)).toHaveLength(0)
    isSent(
      await wecom.send(delivery({ key: 'R-3/bad', thread, message: plain({ tone: 'bad', title: 'web-1 failed' }) })),
    )
    const first = isSent(await wecom.send(delivery()))
    for (let revision = 2; revision < 30; revision++)
      isSent(
        await wecom.send(delivery({ revision, identity: first.identity, ...(first.mark ? { mark: first.mark } : {}) })),
      )
    for (let number = 3; number <= 10; number++)
      isSent(await wecom.send(delivery({ key: `R-${number}/card`, message: message({ title: `state ${number}` }) })))
    expect(await wecom.send(delivery({ key: 'R-99/card', message: message({ title: 'one more' }) }))).toMatchObject({
      at: 'later',
      scope: 'place',
    })
    expect(server.frames().filter(({ errcode }) => errcode)).toEqual([])
  })
})

describe('a card that breaks a rule', () => {
  test('goes out as markdown with the same content, with an error in the log', async () => {
    const rig = await startRig()
    // Two buttons under one key.
    const twice = [approve, { ...approve, label: 'Approve once more' }]
    isSent(await rig.wecom.send(delivery({ message: message({ buttons: twice }) })))
    const [only] = rig.server.messages(GROUP)
    expect(only?.msgtype).toBe('markdown')
    expect(only?.markdown).toContain('Three hosts, one at a time.')
    expect(only?.markdown).toContain('/release approve R-3')
    expect(rig.logged.some((line) => line.includes('"level":50') && line.includes('breaks a rule'))).toBe(true)
  })

  test('what is acknowledged and not rendered is noticed by nobody: only the validator stands before it', async () => {
    const rig = await startRig()
    rig.server.faults.ackButDontRender(1)
    isSent(await rig.wecom.send(delivery()))
    expect(rig.server.messages(GROUP)).toHaveLength(0)
    isSent(
      await rig.wecom.send(
        delivery({ key: 'R-4/card', message: message({ buttons: [button('retry'), button('skip')] }) }),
      ),
    )
    expect(rig.server.messages(GROUP)).toHaveLength(1)
  })
})

test('a store that is away makes a message wait, and nothing is thrown', async () => {
  const { store, wecom } = await startRig()
  store.before = () => {
    throw new Error('disk I/O error')
  }
  expect(await wecom.send(delivery())).toMatchObject({ at: 'later' })
  store.before = () => {}
  isSent(await wecom.send(delivery()))
})
