import { createHash, randomUUID } from 'node:crypto'
import { WSClient } from '@wecom/aibot-node-sdk'
import { afterEach, describe, expect, test } from 'vitest'
import { startWecomServer, type WecomOptions, type WecomServer } from './wecom/index.ts'
import { connectRaw, type RawBot } from './wecom/raw.ts'

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function start(options: WecomOptions = {}): Promise<WecomServer> {
  const server = await startWecomServer({ settleMs: 1000, ...options })
  ends.push(() => server.stop())
  server.addChat('group-1')
  return server
}

async function raw(
  server: WecomServer,
  credentials: { botId: string; secret: string } | 'none' = server,
): Promise<RawBot> {
  const bot = await connectRaw(server.url, credentials === 'none' ? undefined : credentials)
  ends.push(() => bot.close())
  return bot
}

async function both(options: WecomOptions = {}): Promise<{ server: WecomServer; bot: RawBot }> {
  const server = await start(options)
  return { server, bot: await raw(server) }
}

async function sdk(server: WecomServer, secret = server.secret): Promise<{ client: WSClient; errors: Error[] }> {
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const times = { reconnectInterval: 20, heartbeatInterval: 50, maxReconnectAttempts: -1 }
  const client = new WSClient({ botId: server.botId, secret, wsUrl: server.url, ...times, logger })
  const errors: Error[] = []
  client.on('error', (error) => void errors.push(error))
  ends.push(() => client.disconnect())
  const ready = new Promise<void>((resolve) => client.once('authenticated', resolve))
  client.connect()
  if (secret === server.secret) await ready
  return { client, errors }
}

async function until(condition: () => boolean, ms = 3000): Promise<void> {
  const end = performance.now() + ms
  while (!condition()) {
    if (performance.now() > end) throw new Error('it did not come to that in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const card = (task = randomUUID() as string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  card_type: 'button_interaction',
  main_title: { title: 'user-service v1.1.0' },
  button_list: [
    { text: '批准', style: 1, key: 'approve-1' },
    { text: '拒绝', style: 2, key: 'reject-1' },
  ],
  task_id: task,
  ...more,
})
const notice = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  card_type: 'text_notice',
  main_title: { title: 'done' },
  card_action: { type: 1, url: 'https://rollcall.example/releases/1' },
  ...more,
})
const sendCard = (
  bot: RawBot,
  template_card: Record<string, unknown>,
  chatid = 'group-1',
  chat_type: number | undefined = 2,
) =>
  bot.ask('aibot_send_msg', {
    chatid,
    ...(chat_type === undefined ? {} : { chat_type }),
    msgtype: 'template_card',
    template_card,
  })
const sendText = (bot: RawBot, content: string, chatid = 'group-1', chat_type = 2) =>
  bot.ask('aibot_send_msg', { chatid, chat_type, msgtype: 'markdown', markdown: { content } })
const stream = (bot: RawBot, reqId: string, id: string, content: string, finish: boolean, more = {}) =>
  bot.ask('aibot_respond_msg', { msgtype: 'stream', stream: { id, finish, content, ...more } }, reqId)
const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.alloc(64, 7)])
const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex')

describe('the connection', () => {
  test('a wrong secret is refused, and the connection is of no use afterwards', async () => {
    const server = await start()
    const bot = await raw(server, 'none')
    expect(await bot.ask('aibot_subscribe', { bot_id: server.botId, secret: 'wrong' })).toMatchObject({
      errcode: 853000,
    })
    expect(await bot.ask('aibot_subscribe', { bot_id: server.botId, secret: server.secret })).toMatchObject({
      errcode: 853000,
    })
    expect(await sendText(bot, 'hello')).toMatchObject({ errcode: 846609 })
    expect(server.messages('group-1')).toEqual([])
    expect(server.connections()).toBe(0)
  })

  test('nothing is taken before the subscription; acks carry the req_id and no cmd', async () => {
    const server = await start()
    const bot = await raw(server, 'none')
    expect(await bot.ask('ping', {})).toMatchObject({ errcode: 846609 })
    const ack = await bot.ask('aibot_subscribe', { bot_id: server.botId, secret: server.secret }, 'aibot_subscribe_7')
    expect(ack).toEqual({ headers: { req_id: 'aibot_subscribe_7' }, errcode: 0, errmsg: 'ok' })
    expect(await bot.ask('ping', {})).toMatchObject({ errcode: 0 })
    expect(await bot.ask('aibot_dance', {})).not.toMatchObject({ errcode: 0 })
  })

  test('the second of two subscribers kicks the first, which is told, closed, and heard no more', async () => {
    const { server, bot } = await both()
    const second = await raw(server)
    expect(await bot.next()).toMatchObject({
      cmd: 'aibot_event_callback',
      body: { msgtype: 'event', event: { eventtype: 'disconnected_event' } },
    })
    expect(await bot.closed).toBe(1000)
    expect(server.connections()).toBe(1)
    void server.say('wu', 'group-1', 'hello')
    expect(await second.next()).toMatchObject({ cmd: 'aibot_msg_callback' })
    expect(bot.callbacks).toHaveLength(1)
  })

  test('the SDK is kicked for good, says only disconnected, and comes back when it is told to', async () => {
    const server = await start()
    const { client } = await sdk(server)
    const reasons: string[] = []
    client.on('disconnected', (reason) => void reasons.push(reason))
    server.faults.kick()
    await until(() => reasons.length > 0)
    expect(server.connections()).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(server.connections()).toBe(0)
    client.connect()
    await until(() => server.connections() === 1)
  })

  test('the SDK sees a wrong secret as an error, and invalidAuth refuses the right one until it is over', async () => {
    const server = await start()
    const wrong = await sdk(server, 'wrong')
    await until(() => wrong.errors.length > 0)
    expect(wrong.errors[0]?.message).toContain('853000')
    wrong.client.disconnect()
    const { client, errors } = await sdk(server)
    server.faults.invalidAuth(true)
    server.faults.outage(30)
    await until(() => errors.some(({ message }) => message.includes('853000')))
    expect(server.connections()).toBe(0)
    server.faults.invalidAuth(false)
    await until(() => server.connections() === 1)
    expect(client.isConnected).toBe(true)
  })

  test('an outage closes every connection and takes none until it is over', async () => {
    const server = await start()
    await sdk(server)
    server.faults.outage(250)
    await until(() => server.connections() === 0)
    await expect(connectRaw(server.url)).rejects.toThrow()
    expect(await server.say('wu', 'group-1', 'hello')).toMatchObject({ delivered: false })
    await until(() => server.connections() === 1)
  })

  test('silent: pings and sends are taken and not acked, so that the SDK gives the connection up', async () => {
    const server = await start()
    const { client } = await sdk(server)
    const reasons: string[] = []
    client.on('disconnected', (reason) => void reasons.push(reason))
    server.faults.silent(60_000)
    const sent = client.sendMessage('group-1', { msgtype: 'markdown', markdown: { content: 'lost' } })
    await expect(sent).rejects.toThrow()
    expect(reasons.length).toBeGreaterThan(0)
    expect(server.messages('group-1')).toEqual([])
    expect(server.frames().filter(({ cmd }) => cmd === 'ping').length).toBeGreaterThan(1)
  })

  test('silent: the SDK waits for ever for the ack of a subscription, until it is told to begin anew', async () => {
    const server = await start()
    const { client } = await sdk(server)
    server.faults.silent(300)
    await until(() => server.frames().filter(({ cmd }) => cmd === 'aibot_subscribe').length === 2)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(client.isConnected).toBe(true)
    expect(server.connections()).toBe(0)
    client.disconnect()
    client.connect()
    await until(() => server.connections() === 1)
  })
})

describe('what people do', () => {
  test('a group message carries chatid, the mention and the quote without its id; a direct one has no chatid', async () => {
    const { server, bot } = await both({ mentionEnd: '\u2005\u200b' })
    void server.say('wu', 'group-1', '/help', { quote: 'R-142' })
    expect((await bot.next()).body).toMatchObject({
      aibotid: server.botId,
      chatid: 'group-1',
      chattype: 'group',
      from: { userid: 'wu' },
      msgtype: 'text',
      text: { content: '@Rollcall\u2005\u200b/help' },
      quote: { msgtype: 'text', text: { content: 'R-142' } },
    })
    void server.say('wu', undefined, '/help', { msgid: 'same' })
    const { body } = await bot.next()
    expect(body).toMatchObject({ msgid: 'same', chattype: 'single', text: { content: '/help' } })
    expect(body).not.toHaveProperty('chatid')
  })

  test('a duplicate has the same msgid, and a req_id of its own', async () => {
    const { server, bot } = await both()
    server.faults.duplicate(2)
    void server.say('wu', 'group-1', '/help')
    const frames = [await bot.next(), await bot.next(), await bot.next()]
    expect(new Set(frames.map(({ body }) => body?.msgid)).size).toBe(1)
    expect(new Set(frames.map(({ headers }) => headers.req_id)).size).toBe(3)
  })

  test('a click is nested, names the key of the button, and ends with the updated card', async () => {
    const { server, bot } = await both()
    await sendCard(bot, card('rel-1'))
    const heard = server.click('wu', 'group-1', 'rel-1', '批准')
    const click = await bot.next()
    expect(click.body?.event).toEqual({
      eventtype: 'template_card_event',
      template_card_event: { card_type: 'button_interaction', event_key: 'approve-1', task_id: 'rel-1' },
    })
    const update = { response_type: 'update_template_card', template_card: notice({ task_id: 'rel-1' }) }
    expect(await bot.ask('aibot_respond_update_msg', update, click.headers.req_id)).toMatchObject({ errcode: 0 })
    const { updated, updatedMs, refused } = await heard
    expect(updated).toMatchObject({ card_type: 'text_notice' })
    expect(updatedMs).toBeLessThan(1000)
    expect(refused).toEqual([])
    expect(server.messages('group-1')).toMatchObject([{ card: { card_type: 'text_notice' }, labels: [], updates: 1 }])
    await expect(server.click('wu', 'group-1', 'rel-1', '批准')).rejects.toThrow('0 buttons')
  })

  test('clicks may be flat with taskid, as other clients of the service have met them', async () => {
    const { server, bot } = await both({ flatEvents: true, taskid: true, windows: { updateMs: 50 } })
    await sendCard(bot, card('rel-1'))
    const heard = await server.click('wu', 'group-1', 'rel-1', '拒绝')
    const event = { eventtype: 'template_card_event', event_key: 'reject-1', taskid: 'rel-1' }
    expect((await bot.next()).body?.event).toMatchObject(event)
    expect(heard).toMatchObject({ delivered: true, replies: [] })
    expect(heard.updated).toBeUndefined()
  })

  test('entering may be welcomed once, within its window, and accepts nothing else', async () => {
    const { server, bot } = await both({ windows: { welcomeMs: 200 } })
    const heard = server.enter('wu')
    const { headers } = await bot.next()
    const hello = { msgtype: 'text', text: { content: 'hello' } }
    expect(await stream(bot, headers.req_id, 's', 'hello', true)).toMatchObject({ errcode: 846605 })
    expect(await bot.ask('aibot_respond_welcome_msg', hello, headers.req_id)).toMatchObject({ errcode: 0 })
    expect(await bot.ask('aibot_respond_welcome_msg', hello, headers.req_id)).toMatchObject({ errcode: 846605 })
    expect((await heard).replies).toMatchObject([{ text: 'hello' }])
    const late = await server.enter('wu')
    expect(await bot.ask('aibot_respond_welcome_msg', hello, late.reqIds[0])).toMatchObject({ errcode: 846605 })
  })
})

test('feedback names the reply and the vote, and its req_id accepts nothing', async () => {
  const { server, bot } = await both()
  void server.feedback('wu', 'group-1', 'answer-1', 2, 'wrong service')
  const { body, headers } = await bot.next()
  const event = { eventtype: 'feedback_event', feedback_event: { id: 'answer-1', type: 2, content: 'wrong service' } }
  expect(body?.event).toEqual(event)
  expect(await stream(bot, headers.req_id, 's', 'thanks', true)).toMatchObject({ errcode: 846605 })
})

describe('answers', () => {
  test('a stream replaces its content until it is finished; then it is refused with 846608', async () => {
    const { server, bot } = await both()
    const heard = server.say('wu', 'group-1', '/status')
    const { req_id } = (await bot.next()).headers
    expect(await stream(bot, req_id, 's-1', 'one', false)).toMatchObject({ errcode: 0 })
    expect(await stream(bot, req_id, 's-2', 'beside it', false)).not.toMatchObject({ errcode: 0 })
    expect(await stream(bot, req_id, 's-1', 'two', true)).toMatchObject({ errcode: 0 })
    expect((await heard).replies).toMatchObject([{ stream: { content: 'two', finished: true }, updates: 1 }])
    expect(await stream(bot, req_id, 's-1', 'three', true)).toMatchObject({ errcode: 846608 })
    expect(await stream(bot, req_id, 's-3', 'the next one', true)).toMatchObject({ errcode: 0 })
    expect(server.messages('group-1').map((message) => message.stream?.content)).toEqual(['two', 'the next one'])
  })

  test('a stream that is older than its six minutes is refused with 846608', async () => {
    const { server, bot } = await both({ scale: 100 / 360_000 })
    void server.say('wu', 'group-1', '/status')
    const { req_id } = (await bot.next()).headers
    await stream(bot, req_id, 's-1', 'one', false)
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect(await stream(bot, req_id, 's-1', 'two', true)).toMatchObject({ errcode: 846608 })
    expect(server.messages('group-1')).toMatchObject([{ stream: { content: 'one', finished: false } }])
  })

  test('a stream on the req_id of a click is refused with 846605, and so is an unknown req_id', async () => {
    const { server, bot } = await both({ windows: { updateMs: 100 } })
    await sendCard(bot, card('rel-1'))
    const heard = server.click('wu', 'group-1', 'rel-1', '批准')
    const { req_id } = (await bot.next()).headers
    expect(await stream(bot, req_id, 's', 'no', true)).toMatchObject({ errcode: 846605 })
    expect(await stream(bot, 'made-up', 's', 'no', true)).toMatchObject({ errcode: 846605 })
    expect((await heard).refused).toMatchObject([{ cmd: 'aibot_respond_msg', errcode: 846605 }])
  })

  test('a req_id is of no use on another connection', async () => {
    const { server, bot } = await both()
    void server.say('wu', 'group-1', '/help')
    const { req_id } = (await bot.next()).headers
    const again = await raw(server)
    expect(await stream(again, req_id, 's', 'late', true)).toMatchObject({ errcode: 846605 })
    expect(server.messages('group-1')).toEqual([])
  })

  test('20,480 bytes fit into a stream, counted as UTF-8, and not one more', async () => {
    const { server, bot } = await both()
    void server.say('wu', 'group-1', '/help')
    const { req_id } = (await bot.next()).headers
    const full = `${'发'.repeat(6826)}ab`
    expect(Buffer.byteLength(full)).toBe(20_480)
    expect(await stream(bot, req_id, 's', full, false)).toMatchObject({ errcode: 0 })
    expect(await stream(bot, req_id, 's', `${full}c`, true)).toMatchObject({ errcode: 45002 })
  })

  test('pictures come with the finish only, at most ten, and with their own md5', async () => {
    const { server, bot } = await both()
    void server.say('wu', 'group-1', '/chart')
    const { req_id } = (await bot.next()).headers
    const item = { msgtype: 'image', image: { base64: png.toString('base64'), md5: md5(png) } }
    const items = (count: number) => ({ msg_item: Array.from({ length: count }, () => item) })
    expect(await stream(bot, req_id, 's', 'a', false, items(1))).not.toMatchObject({ errcode: 0 })
    expect(await stream(bot, req_id, 's', 'a', true, items(11))).not.toMatchObject({ errcode: 0 })
    const forged = { msg_item: [{ msgtype: 'image', image: { ...item.image, md5: md5(Buffer.from('x')) } }] }
    expect(await stream(bot, req_id, 's', 'a', true, forged)).not.toMatchObject({ errcode: 0 })
    expect(await stream(bot, req_id, 's', 'a', true, items(10))).toMatchObject({ errcode: 0 })
    expect(server.messages('group-1')[0]?.images).toHaveLength(10)
  })

  test('a card answers a message once; text is no type of an answer', async () => {
    const { server, bot } = await both()
    void server.say('wu', 'group-1', '/help')
    const { req_id } = (await bot.next()).headers
    const reply = (template_card: object) =>
      bot.ask('aibot_respond_msg', { msgtype: 'template_card', template_card }, req_id)
    expect(await reply(card('a'))).toMatchObject({ errcode: 0 })
    expect(await reply(card('b'))).not.toMatchObject({ errcode: 0 })
    const text = { msgtype: 'text', text: { content: 'no' } }
    expect(await bot.ask('aibot_respond_msg', text, req_id)).toMatchObject({ errcode: 40008 })
  })

  test('a card is updated only in answer to a click, in its window, once, and under its own task id', async () => {
    const { server, bot } = await both({ windows: { updateMs: 150 } })
    await sendCard(bot, card('rel-1'))
    const update = (req_id: string, template_card: object) =>
      bot.ask('aibot_respond_update_msg', { response_type: 'update_template_card', template_card }, req_id)
    void server.say('wu', 'group-1', '/help')
    expect(await update((await bot.next()).headers.req_id, card('rel-1'))).toMatchObject({ errcode: 846605 })
    const heard = server.click('wu', 'group-1', 'rel-1', '批准')
    const { req_id } = (await bot.next()).headers
    expect(await update(req_id, card('rel-2'))).toMatchObject({ errcode: 42014 })
    expect(await update(req_id, card('rel-1', { button_list: [] }))).not.toMatchObject({ errcode: 0 })
    expect(await update(req_id, card('rel-1'))).toMatchObject({ errcode: 0 })
    expect(await update(req_id, card('rel-1'))).toMatchObject({ errcode: 846605 })
    expect((await heard).updated).toMatchObject({ task_id: 'rel-1' })
    const late = await server.click('wu', 'group-1', 'rel-1', '批准')
    expect(await update(late.reqIds[0] ?? '', notice({ task_id: 'rel-1' }))).toMatchObject({ errcode: 846605 })
    expect(server.messages('group-1').filter(({ card: shown }) => shown)).toMatchObject([
      { updates: 1, card: { card_type: 'button_interaction' } },
    ])
  })
})

describe('pushes', () => {
  test('an unknown conversation is refused, and a person is reached once they have spoken', async () => {
    const { server, bot } = await both()
    expect(await sendText(bot, 'hello', 'group-9')).toMatchObject({ errcode: 93006 })
    expect(await sendText(bot, 'hello', 'wu', 1)).toMatchObject({ errcode: 93006 })
    void server.say('wu', undefined, 'hello')
    expect(await sendText(bot, 'hello', 'wu', 1)).toMatchObject({ errcode: 0 })
    expect(await sendText(bot, 'hello', 'wu', 2)).toMatchObject({ errcode: 93006 })
    expect(server.messages('wu')).toHaveLength(1)
  })

  test('without chat_type a direct message is acked and vanishes, as the SDK sends it; a group gets it', async () => {
    const server = await start()
    server.addChat('wu', { type: 'single' })
    const { client } = await sdk(server)
    const hello = { msgtype: 'markdown' as const, markdown: { content: 'hello' } }
    expect(await client.sendMessage('wu', hello)).toMatchObject({ errcode: 0 })
    expect(server.messages('wu')).toEqual([])
    await client.sendMessage('group-1', hello)
    expect(server.messages('group-1')).toMatchObject([{ markdown: 'hello', from: 'push' }])
    await client.sendMessage('wu', Object.assign({ chat_type: 1 }, hello))
    expect(server.messages('wu')).toHaveLength(1)
  })

  test('a rejected send rejects with the frame, which is no Error', async () => {
    const server = await start()
    const { client } = await sdk(server)
    const sent = client.sendMessage('group-9', { msgtype: 'markdown', markdown: { content: 'hello' } })
    const error = await sent.catch((reason: unknown) => reason)
    expect(error).not.toBeInstanceOf(Error)
    expect(error).toMatchObject({ errcode: 93006 })
  })

  test('text, an empty markdown and one over 20,480 bytes are refused', async () => {
    const { bot } = await both()
    const text = { chatid: 'group-1', chat_type: 2, msgtype: 'text', text: { content: 'hello' } }
    expect(await bot.ask('aibot_send_msg', text)).toMatchObject({ errcode: 40008 })
    expect(await sendText(bot, ' ')).toMatchObject({ errcode: 44004 })
    expect(await sendText(bot, 'a'.repeat(20_481))).toMatchObject({ errcode: 45002 })
  })

  test.each([
    ['reused', 'used', 42014],
    ['with a space', 'a b', 42014],
    ['of 129 bytes', 'a'.repeat(129), 42014],
    ['missing', undefined, 42014],
    ['of 128 bytes', 'a'.repeat(128), 0],
    ['of every allowed character', 'aZ9_-@', 0],
  ])('a task id %s', async (_name, task, errcode) => {
    const { bot } = await both()
    await sendCard(bot, card('used'))
    expect(await sendCard(bot, { ...card(), task_id: task })).toMatchObject({ errcode })
  })

  test.each<[string, Record<string, unknown>]>([
    ['an unknown card type', { card_type: 'markdown' }],
    ['neither title nor text', { main_title: { desc: 'd' } }],
    ['no buttons', { button_list: [] }],
    ['seven buttons', { button_list: Array.from({ length: 7 }, (_, i) => ({ text: 'b', key: `k${i}` })) }],
    [
      'two buttons of one key',
      {
        button_list: [
          { text: 'a', key: 'k' },
          { text: 'b', key: 'k' },
        ],
      },
    ],
    ['a button without a label', { button_list: [{ text: '', key: 'k' }] }],
    ['a key of 1,025 bytes', { button_list: [{ text: 'a', key: 'k'.repeat(1025) }] }],
    ['seven rows', { horizontal_content_list: Array.from({ length: 7 }, () => ({ keyname: 'k', value: 'v' })) }],
    ['a row without a name', { horizontal_content_list: [{ value: 'v' }] }],
    ['a link row without an address', { horizontal_content_list: [{ keyname: 'k', type: 1 }] }],
    ['four jumps', { jump_list: Array.from({ length: 4 }, () => ({ title: 't' })) }],
    ['a card action that leads nowhere', { card_action: { type: 1 } }],
  ])('a card with %s is refused', async (_name, wrong) => {
    const { server, bot } = await both()
    expect((await sendCard(bot, card('rel-1', wrong))).errcode).toBeGreaterThan(0)
    expect(server.messages('group-1')).toEqual([])
    expect(await sendCard(bot, card('rel-1'))).toMatchObject({ errcode: 0 })
  })

  test('a text notice wants a title or a text, and somewhere to go', async () => {
    const { bot } = await both()
    expect(await sendCard(bot, notice())).toMatchObject({ errcode: 0 })
    expect(await sendCard(bot, notice({ main_title: {}, sub_title_text: 'text' }))).toMatchObject({ errcode: 0 })
    expect(await sendCard(bot, notice({ main_title: {} }))).not.toMatchObject({ errcode: 0 })
    expect(await sendCard(bot, notice({ card_action: undefined }))).toMatchObject({ errcode: 42045 })
    expect(await sendCard(bot, notice({ card_action: { type: 0 } }))).toMatchObject({ errcode: 42045 })
  })

  test.each<[string, Record<string, unknown>]>([
    ['a source', card('rel-1', { source: { desc: 'Rollcall' } })],
    ['a colon in the task id', card('release:1')],
    [
      'the choices of a vote in the wrong place',
      { card_type: 'vote_interaction', main_title: { title: 't' }, task_id: 'v', option_list: [] },
    ],
  ])('a card with %s is acked and nobody sees it', async (_name, poisoned) => {
    const { server, bot } = await both()
    expect(await sendCard(bot, poisoned)).toMatchObject({ errcode: 0 })
    expect(server.messages('group-1')).toEqual([])
    await expect(server.click('wu', 'group-1', String(poisoned.task_id), '批准')).rejects.toThrow('nobody sees')
  })

  test('a colon in the words of a card hides it, too, unless that is turned off; one in an address does not', async () => {
    const { server, bot } = await both()
    await sendCard(bot, card('rel-1', { sub_title_text: 'batch: 2 of 3' }))
    await sendCard(bot, card('rel-2', { horizontal_content_list: [{ keyname: 'at', value: '10:30' }] }))
    await sendCard(bot, card('rel-3', { card_action: { type: 1, url: 'https://rollcall.example/releases/1' } }))
    expect(server.messages('group-1')).toMatchObject([{ card: { task_id: 'rel-3' } }])
    const other = await both({ colons: 'in the task id' })
    await sendCard(other.bot, card('rel-1', { sub_title_text: 'batch: 2 of 3' }))
    expect(other.server.messages('group-1')).toHaveLength(1)
  })

  test('labels of more than four characters are shown cut, and are pressed by what is shown or by the whole', async () => {
    const { server, bot } = await both({ windows: { updateMs: 20 } })
    await sendCard(
      bot,
      card('rel-1', {
        button_list: [
          { text: '继续下一批次', key: 'k' },
          { text: '回滚', key: 'r' },
        ],
      }),
    )
    expect(server.messages('group-1')[0]?.labels).toEqual(['继续下一…', '回滚'])
    expect(await server.click('wu', 'group-1', 'rel-1', '继续下一…')).toMatchObject({ delivered: true })
    expect(await server.click('wu', 'group-1', 'rel-1', '继续下一批次')).toMatchObject({ delivered: true })
  })

  test('a picture is uploaded in pieces with its size and md5, and shown by its media id', async () => {
    const server = await start()
    const { client } = await sdk(server)
    const big = Buffer.concat([png, Buffer.alloc(1_200_000, 3)])
    const { media_id } = await client.uploadMedia(big, { type: 'image', filename: 'chart.png' })
    await client.sendMediaMessage('group-1', 'image', media_id)
    expect(server.messages('group-1')[0]?.images?.[0]?.equals(big)).toBe(true)
    await expect(client.sendMediaMessage('group-1', 'image', 'made-up')).rejects.toMatchObject({ errcode: 40007 })
    await expect(client.sendMediaMessage('group-1', 'file', media_id)).rejects.toMatchObject({ errcode: 40007 })
  })

  test('an upload with a wrong count, index, size, md5 or content is refused', async () => {
    const { bot } = await both()
    const init = (more: object) =>
      bot.ask('aibot_upload_media_init', {
        type: 'image',
        filename: 'a.png',
        total_size: png.length,
        total_chunks: 1,
        md5: md5(png),
        ...more,
      })
    expect((await init({ type: 'song' })).errcode).toBeGreaterThan(0)
    expect((await init({ total_chunks: 2 })).errcode).toBeGreaterThan(0)
    expect((await init({ total_size: (10 << 20) + 1, total_chunks: 21 })).errcode).toBeGreaterThan(0)
    const finish = async (data: Buffer, more: object, chunk_index = 0): Promise<(number | undefined)[]> => {
      const { upload_id } = (await init(more)).body ?? {}
      const chunk = await bot.ask('aibot_upload_media_chunk', {
        upload_id,
        chunk_index,
        base64_data: data.toString('base64'),
      })
      return [chunk.errcode, (await bot.ask('aibot_upload_media_finish', { upload_id })).errcode]
    }
    expect(await finish(png, {})).toEqual([0, 0])
    expect(await finish(png, {}, 1)).toEqual([40058, 40058])
    expect(await finish(png, { md5: md5(Buffer.from('x')) })).toEqual([0, 40058])
    expect(await finish(png.subarray(1), {})).toEqual([0, 45001])
    const text = Buffer.from('no picture at all')
    expect(await finish(text, { total_size: text.length, md5: md5(text) })).toEqual([0, 40004])
  })
})

describe('rates', () => {
  test('standard: 30 a minute per conversation, replies included, stream refreshes not', async () => {
    const { server, bot } = await both({ scale: 500 / 60_000 })
    void server.say('wu', 'group-1', '/status')
    const { req_id } = (await bot.next()).headers
    await stream(bot, req_id, 's', 'one', false)
    await stream(bot, req_id, 's', 'two', true)
    for (let i = 0; i < 29; i++) expect(await sendText(bot, `m${i}`)).toMatchObject({ errcode: 0 })
    expect(await sendText(bot, 'one too many')).toMatchObject({ errcode: 45009 })
    server.addChat('group-2')
    expect(await sendText(bot, 'another place', 'group-2')).toMatchObject({ errcode: 0 })
    await new Promise((resolve) => setTimeout(resolve, 520))
    expect(await sendText(bot, 'the next minute')).toMatchObject({ errcode: 0 })
    expect(server.messages('group-1')).toHaveLength(31)
  })

  test('legacy: ten pushes a day, replies apart', async () => {
    const { server, bot } = await both({ profile: 'legacy' })
    for (let i = 0; i < 10; i++) await sendText(bot, `m${i}`)
    expect(await sendText(bot, 'one too many')).toMatchObject({ errcode: 45009 })
    void server.say('wu', 'group-1', '/status')
    expect(await stream(bot, (await bot.next()).headers.req_id, 's', 'a', true)).toMatchObject({ errcode: 0 })
  })

  test('rateLimit refuses the next sends of one place; a refused card may be sent again under its task id', async () => {
    const { server, bot } = await both()
    server.faults.rateLimit('group-1', 1)
    expect(await sendCard(bot, card('rel-1'))).toMatchObject({ errcode: 45009 })
    expect(await sendCard(bot, card('rel-1'))).toMatchObject({ errcode: 0 })
  })
})

describe('other faults', () => {
  test('ackButDontRender takes a message that nobody sees, and keeps its task id', async () => {
    const { server, bot } = await both()
    server.faults.ackButDontRender(1)
    expect(await sendCard(bot, card('rel-1'))).toMatchObject({ errcode: 0 })
    expect(server.messages('group-1')).toEqual([])
    expect(await sendCard(bot, card('rel-1'))).toMatchObject({ errcode: 42014 })
  })

  test('loseAck does it and says nothing', async () => {
    const { server, bot } = await both()
    server.faults.loseAck('aibot_send_msg', 1)
    const sent = sendText(bot, 'hello')
    await expect(sent).rejects.toThrow('no ack')
    expect(server.messages('group-1')).toHaveLength(1)
    expect(await sendText(bot, 'again')).toMatchObject({ errcode: 0 })
  })

  test('a frame that is no JSON is refused and ends nothing', async () => {
    const { server, bot } = await both()
    bot.raw('{')
    await until(() => server.frames().some(({ errcode }) => errcode === 47001))
    expect(await bot.ask('ping', {})).toMatchObject({ errcode: 0 })
  })
})

describe('the webhook of a group', () => {
  const post = async (url: string, body: unknown): Promise<unknown> =>
    (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).json()
  const markdown = (content: string) => ({ msgtype: 'markdown', markdown: { content } })

  test('takes markdown of 4,096 bytes without any connection of the bot, and not one more', async () => {
    const server = await start()
    const url = server.webhookUrl('group-1')
    expect(await post(url, markdown('a'.repeat(4096)))).toEqual({ errcode: 0, errmsg: 'ok' })
    expect(await post(url, markdown('a'.repeat(4097)))).toMatchObject({ errcode: 40058 })
    expect(await post(url, markdown(''))).toMatchObject({ errcode: 44004 })
    expect(await post(url, { msgtype: 'dance' })).toMatchObject({ errcode: 40008 })
    expect(server.messages('group-1')).toMatchObject([{ from: 'webhook' }])
  })

  test('refuses an unknown key, and the 21st message of a minute', async () => {
    const server = await start()
    const url = server.webhookUrl('group-1')
    expect(await post(url.replace(/key=.*/, 'key=made-up'), markdown('a'))).toMatchObject({ errcode: 93000 })
    for (let i = 0; i < 20; i++) expect(await post(url, markdown('a'))).toMatchObject({ errcode: 0 })
    expect(await post(url, markdown('a'))).toMatchObject({ errcode: 45009 })
  })

  test('has its own outages', async () => {
    const server = await start()
    server.faults.webhookOutage(60_000)
    expect((await fetch(server.webhookUrl('group-1'), { method: 'POST', body: '{}' })).status).toBe(502)
  })
})

test('the SDK plays a whole approval: a push, a click, the update of the card, an answer to a message', async () => {
  const server = await start()
  const { client } = await sdk(server)
  const acks: Promise<{ errcode?: number }>[] = []
  client.on('event.template_card_event', (frame) => {
    acks.push(client.updateTemplateCard(frame, { ...notice({ task_id: 'rel-1' }), card_type: 'text_notice' }))
  })
  client.on('message.text', (frame) => {
    acks.push(client.replyStream(frame, 's-1', 'R-142 waits for approval', true))
  })
  await client.sendMessage('group-1', {
    msgtype: 'template_card',
    template_card: { ...card('rel-1'), card_type: 'button_interaction' },
  })
  const heard = await server.click('wu', 'group-1', 'rel-1', '批准')
  expect(heard.updated).toMatchObject({ card_type: 'text_notice', task_id: 'rel-1' })
  expect((await server.say('wu', 'group-1', '/status')).replies).toMatchObject([{ stream: { finished: true } }])
  expect((await Promise.all(acks)).map(({ errcode }) => errcode)).toEqual([0, 0])
})
