/** What this Slack refuses and delivers, seen with the plain SDK and a plain socket: a lenient server fails here. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { verifySlackRequest } from '@slack/bolt'
import { type KnownBlock, type Logger, LogLevel, WebClient } from '@slack/web-api'
import { afterEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { BOT_USER, type SlackServer, type SlackServerOptions, startSlackServer } from './slack/index.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function start(options: SlackServerOptions = {}): Promise<SlackServer> {
  const slack = await startSlackServer({
    rates: { post: { burst: 1000, perSecond: 1000 }, perMinute: 6000 },
    ackMs: 150,
    ...options,
  })
  stops.push(() => slack.stop())
  slack.addChannel('C1', { name: 'releases' })
  slack.addUser('U1', { name: 'ann' })
  return slack
}

const quiet = () => undefined
const logger: Logger = {
  ...{ debug: quiet, info: quiet, warn: quiet, error: quiet },
  ...{ setLevel: quiet, setName: quiet, getLevel: () => LogLevel.ERROR },
}
const client = (slack: SlackServer, token = slack.botToken) =>
  new WebClient(token, { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 }, rejectRateLimitedCalls: true, logger })

/** The error code of a refused call, with its messages. */
async function refused(
  call: Promise<unknown>,
): Promise<{ error: string; messages: string[]; data: Record<string, unknown> }> {
  try {
    await call
  } catch (error) {
    const data = (error as { data?: Record<string, unknown> }).data ?? {}
    const metadata = data.response_metadata as { messages?: string[] } | undefined
    return { error: String(data.error ?? (error as Error).message), messages: metadata?.messages ?? [], data }
  }
  throw new Error('it was not refused')
}

/** A raw client of Socket Mode; `answer` gives the acknowledgement, undefined keeps silent. */
async function connect(slack: SlackServer, answer: (frame: Frame) => unknown = () => ({})) {
  const { url } = await client(slack, slack.appToken).apps.connections.open({})
  return raw(String(url), answer)
}
interface Frame {
  type: string
  reason?: string
  envelope_id: string
  num_connections?: number
  accepts_response_payload?: boolean
  retry_attempt: number
  retry_reason: string
  payload: Record<string, unknown> & { actions?: Record<string, unknown>[]; event?: Record<string, unknown> }
}
async function raw(url: string, answer: (frame: Frame) => unknown) {
  const frames: Frame[] = []
  const socket = new WebSocket(url)
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as Frame
    frames.push(frame)
    if (frame.envelope_id === undefined) return
    const payload = answer(frame)
    if (payload !== undefined) socket.send(JSON.stringify({ envelope_id: frame.envelope_id, payload }))
  })
  stops.push(() => socket.terminate())
  await new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.once('message', resolve)
  })
  return { socket, frames, closed, envelopes: () => frames.filter((frame) => frame.envelope_id !== undefined) }
}
const silent = () => undefined

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } })
const plain = (text: string) => ({ type: 'plain_text', text })
const button = (text: string, more: object = {}) => ({ type: 'button', text: plain(text), ...more })
const actions = (...elements: object[]) => ({ type: 'actions', elements })
const rich = (text: string) => ({
  type: 'rich_text',
  elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text }] }],
})
const table = (rows: string[][]) => ({
  type: 'table',
  rows: rows.map((row) => row.map((text) => ({ type: 'raw_text', text }))),
})
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))
const letters = (count: number) => 'x'.repeat(count)
const confirm = { title: plain('Sure?'), text: plain('It goes out.'), confirm: plain('Yes'), deny: plain('No') }
const select = (count: number) => ({
  type: 'static_select',
  options: times(count, (index) => ({ text: plain(`o${index}`), value: `v${index}` })),
})
const input = (element: object, more: object = {}) => ({ type: 'input', label: plain('Version'), element, ...more })

/** [what is wrong, the blocks, the message that Slack gives] */
const WRONG: [string, object[], string][] = [
  ['51 blocks', times(51, () => ({ type: 'divider' })), 'must be less than 51 items [json-pointer:/blocks]'],
  [
    'a section of 3,001 characters',
    [section(letters(3001))],
    'must be less than 3001 characters [json-pointer:/blocks/0/text/text]',
  ],
  ['an empty section text', [section('')], 'must be more than 0 characters [json-pointer:/blocks/0/text/text]'],
  ['a section without text and fields', [{ type: 'section' }], 'must define either text or fields'],
  [
    '11 fields',
    [{ type: 'section', fields: times(11, () => plain('f')) }],
    'must be less than 11 items [json-pointer:/blocks/0/fields]',
  ],
  [
    'a field of 2,001 characters',
    [{ type: 'section', fields: [plain(letters(2001))] }],
    'must be less than 2001 characters',
  ],
  ['a header of 151 characters', [{ type: 'header', text: plain(letters(151)) }], 'must be less than 151 characters'],
  ['a header in mrkdwn', [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }], 'must be plain_text'],
  ['11 context elements', [{ type: 'context', elements: times(11, () => plain('c')) }], 'must be less than 11 items'],
  ['26 buttons in a row', [actions(...times(26, (index) => button(`b${index}`)))], 'must be less than 26 items'],
  ['no button in a row', [{ type: 'actions', elements: [] }], 'must be more than 0 items'],
  ['a label of 76 characters', [actions(button(letters(76)))], 'must be less than 76 characters'],
  ['a label in mrkdwn', [actions({ type: 'button', text: { type: 'mrkdwn', text: 'x' } })], 'must be plain_text'],
  [
    'a value of 2,001 characters',
    [actions(button('b', { value: letters(2001) }))],
    'must be less than 2001 characters',
  ],
  [
    'an action_id of 256 characters',
    [actions(button('b', { action_id: letters(256) }))],
    'must be less than 256 characters',
  ],
  ['a style that is none', [actions(button('b', { style: 'plain' }))], 'must be one of primary, danger'],
  [
    'the same action_id twice in a block',
    [actions(button('a', { action_id: 'x' }), button('b', { action_id: 'x' }))],
    'action_id already exists',
  ],
  ['a block_id of 256 characters', [{ type: 'divider', block_id: letters(256) }], 'must be less than 256 characters'],
  [
    'the same block_id twice',
    [
      { type: 'divider', block_id: 'x' },
      { type: 'divider', block_id: 'x' },
    ],
    'block_id already exists',
  ],
  [
    'a confirm text of 301 characters',
    [actions(button('b', { confirm: { ...confirm, text: plain(letters(301)) } }))],
    'must be less than 301',
  ],
  [
    'a confirm title of 101 characters',
    [actions(button('b', { confirm: { ...confirm, title: plain(letters(101)) } }))],
    'must be less than 101',
  ],
  [
    'a confirm button of 31 characters',
    [actions(button('b', { confirm: { ...confirm, deny: plain(letters(31)) } }))],
    'must be less than 31',
  ],
  [
    'a confirm without deny',
    [actions(button('b', { confirm: { ...confirm, deny: undefined } }))],
    'missing required field: deny',
  ],
  ['101 options', [actions(select(101))], 'must be less than 101 items'],
  [
    'an initial option that is none',
    [actions({ ...select(2), initial_option: { text: plain('x'), value: 'x' } })],
    'must be one of the provided',
  ],
  [
    'an image with both file and url',
    [{ type: 'image', alt_text: 'a', slack_file: { id: 'F1', url: 'https://x/y' } }],
    'exactly one of id and url',
  ],
  [
    'an image of a file that is not there',
    [{ type: 'image', alt_text: 'a', slack_file: { id: 'F1' } }],
    'invalid slack file',
  ],
  ['an image without alt_text', [{ type: 'image', image_url: 'https://x/y.png' }], 'missing required field: alt_text'],
  ['a block of an unknown type', [{ type: 'chart' }], 'unsupported type: chart [json-pointer:/blocks/0/type]'],
  ['a field that the block has not', [{ type: 'divider', color: 'red' }], 'invalid additional property: color'],
  ['a text input in a row of buttons', [actions({ type: 'plain_text_input' })], 'unsupported type: plain_text_input'],
  ['two tables', [table([['a']]), table([['b']])], 'only_one_table_allowed'],
  ['a table of 101 rows', [table(times(101, () => ['a']))], 'must be less than 101 items'],
  ['a table of 21 columns', [table([times(21, () => 'a')])], 'must be less than 21 items'],
  ['an empty cell', [table([['']])], 'must be more than 0 characters'],
  ['a cell of plain_text', [{ type: 'table', rows: [[plain('a')]] }], 'unsupported type: plain_text'],
  ['rows of different widths', [table([['a', 'b'], ['c']])], 'same number of cells'],
  [
    'cells of 10,001 characters together',
    [table([...times(5, () => [letters(2000)]), ['x']])],
    'less than 10001 characters together',
  ],
  [
    'markdown of 12,001 characters',
    [{ type: 'markdown', text: letters(12_001) }],
    'must be less than 12001 characters',
  ],
  [
    'a task in a state that is none',
    [{ type: 'task_card', task_id: 't', title: 'T', status: 'done' }],
    'must be one of pending',
  ],
  [
    'a task whose details are text',
    [{ type: 'task_card', task_id: 't', title: 'T', details: 'text' }],
    'must be rich_text',
  ],
  ['a task without an id', [{ type: 'task_card', title: 'T' }], 'missing required field: task_id'],
  [
    'a plan with the same task twice',
    [{ type: 'plan', title: 'P', tasks: times(2, () => ({ task_id: 't', title: 'T' })) }],
    'task_id already exists',
  ],
  ['a plan whose title is an object', [{ type: 'plan', title: plain('P') }], 'must be a string'],
  ['rich text with an empty text', [rich('')], 'must be more than 0 characters'],
  ['an alert of an unknown level', [{ type: 'alert', text: plain('x'), level: 'bad' }], 'must be one of default'],
  ['a card with nothing on it', [{ type: 'card' }], 'must define at least one of'],
  [
    'a container of 11 blocks',
    [{ type: 'container', title: plain('c'), child_blocks: times(11, () => ({ type: 'divider' })) }],
    'less than 11',
  ],
]

test.each(WRONG)('%s: invalid_blocks, with the place', async (_what, blocks, message) => {
  const slack = await start()
  const answer = await refused(client(slack).apiCall('chat.postMessage', { channel: 'C1', text: 't', blocks }))
  expect(answer.error).toBe('invalid_blocks')
  expect(answer.messages.join('\n')).toContain(message)
  expect(slack.messages('C1')).toEqual([])
})

test('blocks right at the limits are taken', async () => {
  const slack = await start()
  const full = [
    [section(letters(3000)), { type: 'section', fields: times(5, () => plain(letters(2000))) }],
    [
      { type: 'header', text: plain(letters(150)) },
      actions(
        ...times(25, (index) => button(letters(75), { action_id: `${index}`.padEnd(255, 'x'), value: letters(2000) })),
      ),
      actions(button('b', { confirm: { ...confirm, text: plain(letters(300)), title: plain(letters(100)) } })),
      { type: 'plan', title: 'P', tasks: [{ task_id: '1', title: 'T', status: 'complete', details: rich('d') }] },
      table(times(100, () => times(20, () => 'x'))),
      ...times(45, () => ({ type: 'divider' })),
    ],
    [{ type: 'markdown', text: letters(12_000) }],
    [table(times(5, () => [letters(2000)]))],
  ]
  for (const blocks of full) await client(slack).apiCall('chat.postMessage', { channel: 'C1', text: 't', blocks })
  expect(slack.messages('C1').map(({ blocks }) => blocks.length)).toEqual([2, 50, 1, 1])
})

test('blocks that show too much together are refused, and an edit takes less text than a message', async () => {
  const slack = await start()
  const web = client(slack)
  const blocks = times(5, () => section(letters(2700)))
  const long = await refused(web.apiCall('chat.postMessage', { channel: 'C1', text: 't', blocks }))
  expect(long.error).toBe('msg_blocks_too_long')
  const { ts = '' } = await web.chat.postMessage({ channel: 'C1', text: letters(4001) })
  expect((await refused(web.chat.update({ channel: 'C1', ts, text: letters(4001) }))).error).toBe('msg_too_long')
  await web.chat.update({ channel: 'C1', ts, text: letters(4000) })
})

test('what the app gives no id gets one, where people can use it', async () => {
  const slack = await start()
  const blocks = [actions(button('Go')), { type: 'context', elements: [plain('c')] }]
  await client(slack).apiCall('chat.postMessage', { channel: 'C1', text: 't', blocks })
  expect(slack.messages('C1')[0]?.blocks).toEqual([
    { ...actions(button('Go', { action_id: expect.any(String) })), block_id: expect.any(String) },
    { type: 'context', elements: [plain('c')], block_id: expect.any(String) },
  ])
})

test('where native blocks are not known yet they are refused, and sections are not', async () => {
  const slack = await start()
  slack.faults.refuseNativeBlocks(true)
  const post = (blocks: object[]) => client(slack).apiCall('chat.postMessage', { channel: 'C1', text: 't', blocks })
  expect((await refused(post([table([['a']])]))).messages.join()).toContain('unsupported type: table')
  await post([section('s')])
})

test('a token is asked for, known, of the right kind, and needs the scope', async () => {
  const slack = await start({ scopes: ['commands'] })
  const missing = await fetch(`${slack.apiUrl}auth.test`, { method: 'POST' })
  expect([missing.status, await missing.json()]).toEqual([200, { ok: false, error: 'not_authed' }])
  expect((await refused(client(slack, 'xoxb-other').auth.test())).error).toBe('invalid_auth')
  expect((await refused(client(slack, slack.appToken).auth.test())).error).toBe('not_allowed_token_type')
  expect((await refused(client(slack).apps.connections.open({}))).error).toBe('not_allowed_token_type')
  const { error, data } = await refused(client(slack).chat.postMessage({ channel: 'C1', text: 'x' }))
  expect({ error, needed: data.needed, provided: data.provided }).toEqual({
    error: 'missing_scope',
    needed: 'chat:write',
    provided: 'commands',
  })
  expect((await client(slack).auth.test()).response_metadata).toMatchObject({ scopes: ['commands'] })
  slack.faults.invalidAuth(true)
  expect((await refused(client(slack).auth.test())).error).toBe('invalid_auth')
  slack.faults.invalidAuth(false)
  expect(await client(slack).auth.test()).toMatchObject({ ok: true, user_id: BOT_USER })
  expect((await refused(client(slack).apiCall('chat.shout'))).error).toBe('unknown_method')
})

test('reading needs the scope of the kind of channel', async () => {
  const slack = await start({ scopes: ['channels:history', 'channels:read'] })
  slack.addChannel('G1', { private: true })
  await client(slack).conversations.history({ channel: 'C1' })
  const closed = await refused(client(slack).conversations.history({ channel: 'G1' }))
  expect(closed.data).toMatchObject({ error: 'missing_scope', needed: 'groups:history' })
  expect((await refused(client(slack).conversations.info({ channel: 'G1' }))).data.needed).toBe('groups:read')
})

test('JSON bodies and forms say the same', async () => {
  const slack = await start()
  const headers = { authorization: `Bearer ${slack.botToken}`, 'content-type': 'application/json; charset=utf-8' }
  const body = JSON.stringify({ channel: 'C1', text: 'json', blocks: [section('s')] })
  const answer = await fetch(`${slack.apiUrl}chat.postMessage`, { method: 'POST', headers, body })
  expect(await answer.json()).toMatchObject({ ok: true, channel: 'C1', message: { text: 'json' } })
  expect(slack.messages('C1')).toMatchObject([{ text: 'json', user: BOT_USER, edited: 0 }])
})

test('a message is refused where the bot may not write, when it is empty, too long, or under no head', async () => {
  const slack = await start()
  slack.addChannel('C2', { member: false })
  slack.addChannel('C3', { archived: true })
  slack.addChannel('G1', { private: true, member: false })
  const post = (more: object) => client(slack).apiCall('chat.postMessage', { channel: 'C1', text: 'x', ...more })
  const codes = [
    post({ channel: 'C9' }),
    post({ channel: 'C2' }),
    post({ channel: 'C3' }),
    post({ channel: 'G1' }),
    post({ text: '' }),
    post({ text: letters(40_001) }),
    post({ thread_ts: '1.000001' }),
    post({ blocks: 'no json' }),
    post({ metadata: { event_type: 'a b', event_payload: {} } }),
    post({ metadata: { event_type: 'ab' } }),
    post({ metadata: { event_type: 'ab', event_payload: { x: null } } }),
    post({ metadata: { event_type: 'ab', event_payload: { x: letters(16_001) } } }),
  ]
  expect((await Promise.all(codes.map(refused))).map(({ error }) => error)).toEqual([
    ...['channel_not_found', 'not_in_channel', 'is_archived', 'channel_not_found', 'no_text', 'msg_too_long'],
    ...['thread_not_found', 'invalid_blocks_format', 'invalid_metadata_format', 'invalid_metadata_format'],
    ...['invalid_metadata_format', 'metadata_too_large'],
  ])
  expect(slack.messages('C1')).toEqual([])
})

test('only its own message can be edited; what is left out stays', async () => {
  const slack = await start()
  const web = client(slack)
  const { ts = '' } = await web.chat.postMessage({
    channel: 'C1',
    text: 'one',
    blocks: [section('one')],
    metadata: { event_type: 'rollcall', event_payload: { key: 'k' } },
  })
  await web.chat.update({ channel: 'C1', ts, text: 'two' })
  expect(slack.messages('C1')).toMatchObject([
    { text: 'two', edited: 1, blocks: [section('one')], metadata: { event_type: 'rollcall' } },
  ])
  await web.apiCall('chat.update', { channel: 'C1', ts, text: 'three', blocks: [], metadata: {} })
  expect(slack.messages('C1')[0]).toEqual(expect.not.objectContaining({ metadata: expect.anything() }))
  expect(slack.messages('C1')[0]?.blocks).toEqual([])
  expect((await refused(web.chat.update({ channel: 'C1', ts: '1.000001', text: 'x' }))).error).toBe('message_not_found')
  expect((await refused(web.chat.update({ channel: 'C9', ts, text: 'x' }))).error).toBe('channel_not_found')
  await connect(slack)
  await slack.mention('U1', 'C1', 'hello')
  const theirs = slack.messages('C1').at(-1)?.ts ?? ''
  expect((await refused(web.chat.update({ channel: 'C1', ts: theirs, text: 'x' }))).error).toBe('cant_update_message')
  expect((await refused(web.chat.postEphemeral({ channel: 'C1', user: 'U9', text: 'x' }))).error).toBe(
    'user_not_in_channel',
  )
})

test('history shows heads newest first, replies a thread oldest first; pages and bounds hold', async () => {
  const slack = await start()
  const web = client(slack)
  const made: string[] = []
  for (const text of ['a', 'b', 'c', 'd'])
    made.push(
      (await web.chat.postMessage({ channel: 'C1', text, metadata: { event_type: 'm', event_payload: { text } } }))
        .ts ?? '',
    )
  await web.chat.postMessage({ channel: 'C1', text: 'reply', thread_ts: made[0] ?? '' })
  const texts = (answer: { messages?: { text?: string }[] }) => answer.messages?.map(({ text }) => text)
  const first = await web.conversations.history({ channel: 'C1', limit: 3, include_all_metadata: true })
  expect(texts(first)).toEqual(['d', 'c', 'b'])
  expect(first.messages?.[0]).toMatchObject({ metadata: { event_payload: { text: 'd' } } })
  const second = await web.conversations.history({
    channel: 'C1',
    limit: 3,
    cursor: first.response_metadata?.next_cursor,
  })
  expect([texts(second), second.has_more, second.messages?.[0]?.reply_count]).toEqual([['a'], false, 1])
  expect(second.messages?.[0]).not.toHaveProperty('metadata')
  expect(texts(await web.conversations.history({ channel: 'C1', oldest: made[1], latest: made[3] }))).toEqual(['c'])
  expect(texts(await web.conversations.history({ channel: 'C1', oldest: made[1], inclusive: true }))).toEqual([
    'd',
    'c',
    'b',
  ])
  expect(texts(await web.conversations.replies({ channel: 'C1', ts: made[0] ?? '' }))).toEqual(['a', 'reply'])
  expect((await refused(web.conversations.replies({ channel: 'C1', ts: '1.000001' }))).error).toBe('thread_not_found')
  expect((await refused(web.conversations.history({ channel: 'C1', cursor: 'x' }))).error).toBe('invalid_cursor')
})

test('more than one message a second in one channel is 429 with retry-after, in others not', async () => {
  const slack = await start({ rates: { post: { burst: 2, perSecond: 1 } } })
  slack.addChannel('C2')
  const post = (channel: string) => client(slack).chat.postMessage({ channel, text: 'x' })
  await post('C1')
  await post('C1')
  await expect(post('C1')).rejects.toMatchObject({ code: 'slack_webapi_rate_limited_error', retryAfter: 1 })
  await post('C2')
  expect(slack.calls('chat.postMessage').map(({ status }) => status)).toEqual([200, 200, 429, 200])
  // Fifty a minute, and what comes back while they are made.
  const looked = await Promise.allSettled(times(60, () => client(slack).conversations.info({ channel: 'C1' })))
  const over = looked.filter(({ status }) => status === 'rejected').length
  expect(over).toBeGreaterThan(5)
  expect(over).toBeLessThanOrEqual(10)
  slack.faults.rateLimit('C2', { seconds: 30 })
  await expect(post('C2')).rejects.toMatchObject({ retryAfter: 30 })
  await expect(post('C2')).rejects.toMatchObject({ retryAfter: 30 })
})

test('a lost answer leaves the message there, and a slow method answers late', async () => {
  const slack = await start()
  slack.faults.loseAnswer('chat.postMessage', 1)
  await expect(client(slack).chat.postMessage({ channel: 'C1', text: 'x' })).rejects.toThrow()
  expect(slack.messages('C1')).toHaveLength(1)
  slack.faults.slow('auth.test', 120)
  const begun = Date.now()
  await client(slack).auth.test()
  expect(Date.now() - begun).toBeGreaterThanOrEqual(110)
})

test('an upload has three steps, each checked; then the picture may stand in a block', async () => {
  const slack = await start({ fileReadyMs: 60, scopes: ['chat:write', 'files:write', 'files:read'] })
  const web = client(slack)
  const png = Buffer.from('89504e470d0a1a0a0000', 'hex')
  const { upload_url = '', file_id = '' } = await web.files.getUploadURLExternal({
    filename: 'a.png',
    length: png.length,
  })
  const complete = () => web.files.completeUploadExternal({ files: [{ id: file_id, title: 'A' }], channel_id: 'C1' })
  expect((await refused(complete())).error).toBe('file_not_found')
  const form = (bytes: Buffer) => {
    const body = new FormData()
    body.append('body', new Blob([new Uint8Array(bytes)]), 'a.png')
    return fetch(upload_url, { method: 'POST', body })
  }
  expect((await form(Buffer.from('short'))).status).toBe(400)
  expect(await (await form(png)).text()).toBe('OK - 10')
  const block = [{ type: 'image', alt_text: 'a', slack_file: { id: file_id } }]
  const post = () => web.apiCall('chat.postMessage', { channel: 'C1', text: 'x', blocks: block })
  expect((await refused(post())).error).toBe('invalid_blocks')
  await complete()
  expect((await refused(post())).error).toBe('invalid_blocks')
  await vi.waitFor(async () => expect((await web.files.info({ file: file_id })).file?.mimetype).toBe('image/png'))
  await post()
  expect(slack.messages('C1')).toMatchObject([{ files: [{ id: file_id, title: 'A' }] }, { text: 'x' }])
  expect((await refused(complete())).error).toBe('file_not_found')
})

test('a ticket is good for one connection, and the eleventh connection is turned away', async () => {
  const slack = await start()
  const { url = '' } = await client(slack, slack.appToken).apps.connections.open({})
  const first = await raw(url, silent)
  expect(first.frames[0]).toMatchObject({
    type: 'hello',
    num_connections: 1,
    connection_info: { app_id: 'A0ROLLCALL' },
  })
  await expect(raw(url, silent)).rejects.toThrow('401')
  for (let more = 0; more < 9; more++) await connect(slack)
  expect(slack.connections()).toBe(10)
  const eleventh = await connect(slack)
  expect(eleventh.frames[0]).toMatchObject({ type: 'disconnect', reason: 'too_many_websockets' })
  await eleventh.closed
  expect(slack.connections()).toBe(10)
})

test('each envelope goes to one connection, in turn', async () => {
  const slack = await start()
  const both = [await connect(slack), await connect(slack)]
  for (let count = 0; count < 4; count++)
    expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: true, attempts: 1 })
  expect(both.map(({ envelopes }) => envelopes().length)).toEqual([2, 2])
  expect(both[0]?.envelopes()[0]).toMatchObject({
    type: 'slash_commands',
    accepts_response_payload: true,
    retry_attempt: 0,
    retry_reason: '',
    payload: { command: '/rollcall-status', text: '', user_id: 'U1', channel_id: 'C1' },
  })
})

test('an event that nobody acknowledges comes again three times with the same id, over the other connection too', async () => {
  const slack = await start()
  const both = [await connect(slack, silent), await connect(slack, silent)]
  expect(await slack.mention('U1', 'C1', 'status')).toMatchObject({ acked: false, attempts: 4 })
  const all = both.flatMap(({ envelopes }) => envelopes()).sort((a, b) => a.retry_attempt - b.retry_attempt)
  expect(new Set(all.map(({ envelope_id }) => envelope_id)).size).toBe(1)
  expect(all.map(({ retry_attempt, retry_reason }) => [retry_attempt, retry_reason])).toEqual([
    [0, ''],
    [1, 'timeout'],
    [2, 'timeout'],
    [3, 'timeout'],
  ])
  expect(both.map(({ envelopes }) => envelopes().length)).toEqual([2, 2])
  expect(all[0]?.payload).toMatchObject({
    type: 'event_callback',
    event: { type: 'app_mention', text: `<@${BOT_USER}> status`, user: 'U1', channel: 'C1' },
  })
})

test('acknowledgements that get lost bring a command again, but a press never', async () => {
  const slack = await start()
  const app = await connect(slack)
  slack.faults.dropAcks(1)
  expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: true, attempts: 2 })
  const { ts = '' } = (await client(slack).apiCall('chat.postMessage', {
    ...{ channel: 'C1', text: 'x', blocks: [actions(button('Go'))] },
  })) as { ts?: string }
  slack.faults.dropAcks(1)
  expect(await slack.click('U1', 'C1', ts, 'Go')).toMatchObject({ acked: false, attempts: 1 })
  slack.faults.duplicate(2)
  expect(await slack.click('U1', 'C1', ts, 'Go')).toMatchObject({ acked: true, attempts: 3 })
  const [, , , ...last] = app.envelopes()
  expect(new Set(last.map(({ envelope_id }) => envelope_id)).size).toBe(1)
})

test('what was on a connection that ends comes again over the next one at once', async () => {
  const slack = await start({ ackMs: 5000 })
  const dying = await connect(slack, silent)
  const told = slack.mention('U1', 'C1', 'status')
  await vi.waitFor(() => expect(dying.envelopes()).toHaveLength(1))
  const next = await connect(slack)
  dying.socket.terminate()
  const delivered = await told
  expect(delivered).toMatchObject({ acked: true, attempts: 2 })
  expect(delivered.ms).toBeLessThan(3000)
  expect(next.envelopes()[0]).toMatchObject({ retry_attempt: 1, envelope_id: dying.envelopes()[0]?.envelope_id })
})

test('a refresh warns, asks, and closes one connection; meanwhile everything goes to the other', async () => {
  const slack = await start({ warnMs: 150 })
  const old = await connect(slack)
  const other = await connect(slack)
  slack.faults.refresh({ warn: true })
  await vi.waitFor(() => expect(old.frames.at(-1)).toMatchObject({ type: 'disconnect', reason: 'warning' }))
  for (let count = 0; count < 3; count++) await slack.slash('U1', 'C1', '/status')
  expect([old.envelopes().length, other.envelopes().length]).toEqual([0, 3])
  await old.closed
  expect(old.frames.filter(({ type }) => type === 'disconnect').map(({ reason }) => reason)).toEqual([
    'warning',
    'refresh_requested',
  ])
  slack.faults.linkDisabled()
  await other.closed
  expect(other.frames.at(-1)?.reason).toBe('link_disabled')
})

test('an outage ends every connection and takes no new one until it is over', async () => {
  const slack = await start()
  const app = await connect(slack)
  slack.faults.outage(300)
  await app.closed
  expect(slack.connections()).toBe(0)
  await expect(client(slack).auth.test()).rejects.toThrow()
  expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: false, attempts: 0 })
  await vi.waitFor(() => client(slack).auth.test(), { timeout: 2000 })
})

test('the server pings, and answers pings', async () => {
  const slack = await start({ pingMs: 30 })
  const { socket } = await connect(slack)
  await new Promise((resolve) => socket.once('ping', resolve))
  const answered = new Promise((resolve) => socket.once('pong', resolve))
  socket.ping()
  await answered
})

test('a command that is not in the manifest never reaches the app', async () => {
  const slack = await start()
  await expect(slack.slash('U1', 'C1', '/deploy x')).rejects.toThrow('/deploy is not a valid command')
  await expect(slack.slash('U9', 'C1', '/status')).rejects.toThrow('U9')
})

test('an app that names a command which Slack keeps for itself cannot be installed', async () => {
  await expect(startSlackServer({ commands: ['/release', '/status'] })).rejects.toThrow('invalid name: /status')
  const slack = await start()
  const app = await connect(slack)
  await slack.slash('U1', 'C1', '/help release')
  expect(app.envelopes()[0]?.payload).toMatchObject({ command: '/rollcall-help', text: 'release' })
})

test('what comes with the acknowledgement of a command is shown to the person alone', async () => {
  const slack = await start()
  await connect(slack, () => ({ text: 'on it' }))
  await slack.slash('U1', 'C1', '/status')
  expect(slack.ephemerals('U1')).toMatchObject([{ text: 'on it', via: 'ack', channel: 'C1' }])
})

test('a press comes in its real shape, from the button as it stands now', async () => {
  const slack = await start()
  const app = await connect(slack)
  const web = client(slack)
  const card = (label: string) => [
    section('card'),
    actions(button(label, { action_id: 'release.approve:1', value: 'opaque', style: 'primary', confirm })),
  ]
  const sent = await web.chat.postMessage({
    ...{ channel: 'C1', text: 'card', blocks: card('Approve') as KnownBlock[] },
    metadata: { event_type: 'rollcall', event_payload: { key: 'k' } },
  })
  const ts = String(sent.ts)
  expect(await slack.click('U1', 'C1', ts, 'Approve')).toMatchObject({ acked: true, confirmed: 'It goes out.' })
  expect(app.envelopes()[0]?.payload).toMatchObject({
    type: 'block_actions',
    user: { id: 'U1', username: 'ann' },
    container: { type: 'message', message_ts: ts, channel_id: 'C1', is_ephemeral: false },
    channel: { id: 'C1', name: 'releases' },
    message: { ts, metadata: { event_type: 'rollcall', event_payload: { key: 'k' } } },
    actions: [{ action_id: 'release.approve:1', value: 'opaque', type: 'button', text: { text: 'Approve' } }],
    state: { values: {} },
  })
  await web.apiCall('chat.update', { channel: 'C1', ts, text: 'card', blocks: card('Promote') })
  await expect(slack.click('U1', 'C1', ts, 'Approve')).rejects.toThrow('only ["Promote"]')
  await expect(slack.click('U1', 'C1', '1.000001', 'Approve')).rejects.toThrow('no message')
})

test('a response_url answers five times, to the one person unless it says otherwise, and then no more', async () => {
  const slack = await start()
  const app = await connect(slack)
  await slack.slash('U1', 'C1', '/status')
  const url = String(app.envelopes()[0]?.payload.response_url)
  const answer = async (body: object) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return [response.status, await response.text()]
  }
  expect(await answer({ text: 'x', blocks: [{ type: 'chart' }] })).toEqual([
    400,
    '{"ok":false,"error":"invalid_blocks"}',
  ])
  for (let count = 1; count <= 4; count++) expect(await answer({ text: `${count}` })).toEqual([200, 'ok'])
  expect(await answer({ text: 'all', response_type: 'in_channel' })).toEqual([200, 'ok'])
  expect(await answer({ text: 'sixth' })).toEqual([404, '{"ok":false,"error":"used_url"}'])
  expect(slack.ephemerals('U1').map(({ text, via }) => [text, via])).toEqual(
    ['1', '2', '3', '4'].map((text) => [text, 'response_url']),
  )
  expect(slack.messages('C1')).toMatchObject([{ text: 'all' }])
})

test('a response_url expires', async () => {
  const slack = await start({ responseMs: 0 })
  const app = await connect(slack)
  await slack.slash('U1', 'C1', '/status')
  const url = String(app.envelopes()[0]?.payload.response_url)
  await vi.waitFor(async () =>
    expect(await (await fetch(url, { method: 'POST', body: '{}' })).text()).toContain('expired_url'),
  )
})

test('an ephemeral message can be pressed, replaced and deleted through its response_url', async () => {
  const slack = await start()
  const app = await connect(slack)
  await client(slack).apiCall('chat.postEphemeral', {
    channel: 'C1',
    user: 'U1',
    text: 'ask',
    blocks: [actions(button('Yes'))],
  })
  await slack.clickEphemeral('U1', -1, 'Yes')
  const { payload } = app.envelopes()[0] ?? {}
  expect(payload).toMatchObject({ container: { is_ephemeral: true } })
  expect(payload).not.toHaveProperty('message')
  const answer = (body: object) =>
    fetch(String(payload?.response_url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  await answer({ replace_original: true, text: 'done' })
  expect(slack.ephemerals('U1')).toMatchObject([{ text: 'done' }])
  await expect(slack.clickEphemeral('U1', 0, 'Yes')).rejects.toThrow('no button')
  await answer({ delete_original: true })
  expect(slack.ephemerals('U1')).toEqual([])
})

const modal = (more: object = {}) => ({
  type: 'modal',
  title: plain('Release'),
  submit: plain('Go'),
  private_metadata: 'release',
  blocks: [
    input({ type: 'plain_text_input', action_id: 'v', max_length: 10 }, { block_id: 'version' }),
    { ...input({ ...select(2), action_id: 's' }, { block_id: 'service' }), label: plain('Service') },
  ],
  ...more,
})

const WRONG_VIEWS: [string, object, string][] = [
  [
    'a title of 25 characters',
    { title: plain(letters(25)) },
    'must be less than 25 characters [json-pointer:/view/title/text]',
  ],
  [
    'a submit of 25 characters',
    { submit: plain(letters(25)) },
    'must be less than 25 characters [json-pointer:/view/submit/text]',
  ],
  ['private_metadata of 3,001 characters', { private_metadata: letters(3001) }, 'must be less than 3001 characters'],
  [
    '101 blocks',
    { blocks: times(101, () => ({ type: 'divider' })) },
    'must be less than 101 items [json-pointer:/view/blocks]',
  ],
  ['inputs without submit', { submit: undefined }, 'must define submit'],
  [
    'an input whose label is mrkdwn',
    { blocks: [{ ...input({ type: 'plain_text_input' }), label: section('x').text }] },
    'must be plain_text',
  ],
  ['a button as an input', { blocks: [input(button('b'))] }, 'unsupported type: button'],
  [
    'a placeholder of 151 characters',
    { blocks: [input({ type: 'plain_text_input', placeholder: plain(letters(151)) })] },
    'less than 151',
  ],
]
test.each(WRONG_VIEWS)('a modal with %s is refused', async (_what, more, message) => {
  const slack = await start()
  const app = await connect(slack)
  await slack.slash('U1', 'C1', '/release')
  const trigger_id = String(app.envelopes()[0]?.payload.trigger_id)
  const answer = await refused(client(slack).apiCall('views.open', { trigger_id, view: modal(more) }))
  expect([answer.error, answer.messages.join('\n')]).toEqual(['invalid_arguments', expect.stringContaining(message)])
  expect(slack.modals('U1')).toEqual([])
})

test('a trigger opens one modal, and only while it is fresh', async () => {
  const slack = await start({ triggerMs: 100 })
  const app = await connect(slack)
  const trigger = async () => {
    await slack.slash('U1', 'C1', '/release')
    return String(app.envelopes().at(-1)?.payload.trigger_id)
  }
  const open = (trigger_id: string) => client(slack).apiCall('views.open', { trigger_id, view: modal() })
  const first = await trigger()
  await open(first)
  expect((await refused(open(first))).error).toBe('exchanged_trigger_id')
  expect((await refused(open('1.2.3'))).error).toBe('invalid_trigger_id')
  const late = await trigger()
  slack.faults.slow('views.open', 120)
  expect((await refused(open(late))).error).toBe('expired_trigger_id')
  expect(slack.modals('U1')).toHaveLength(1)
})

test('a modal is filled in: Slack itself refuses what is missing, the app what is wrong, and then it closes', async () => {
  const slack = await start()
  const answers: unknown[] = [{}, { response_action: 'errors', errors: { version: 'no such version' } }, {}]
  const app = await connect(slack, () => answers.shift())
  await slack.slash('U1', 'C1', '/release')
  const trigger_id = String(app.envelopes()[0]?.payload.trigger_id)
  await client(slack).apiCall('views.open', { trigger_id, view: modal() })
  expect(await slack.submit('U1', { version: 'v1' })).toMatchObject({
    acked: false,
    errors: { service: 'Please complete this required field.' },
  })
  expect(await slack.submit('U1', { version: letters(11), Service: 'o1' })).toMatchObject({
    errors: { version: expect.any(String) },
  })
  expect(app.envelopes()).toHaveLength(1)
  expect(await slack.submit('U1', { Version: 'v9', Service: 'o1' })).toMatchObject({
    acked: true,
    errors: { version: 'no such version' },
  })
  expect(slack.modals('U1')).toHaveLength(1)
  expect(await slack.submit('U1', { Version: 'v1', service: 'v1' })).toMatchObject({ acked: true })
  expect(slack.modals('U1')).toEqual([])
  expect(app.envelopes().at(-1)?.payload).toMatchObject({
    type: 'view_submission',
    view: {
      private_metadata: 'release',
      state: { values: { version: { v: { value: 'v1' } }, service: { s: { selected_option: { value: 'v1' } } } } },
    },
  })
  await expect(slack.submit('U1', {})).rejects.toThrow('no modal')
})

test('views.update takes the id and the hash', async () => {
  const slack = await start()
  const app = await connect(slack)
  await slack.slash('U1', 'C1', '/release')
  const trigger_id = String(app.envelopes()[0]?.payload.trigger_id)
  await client(slack).apiCall('views.open', { trigger_id, view: modal() })
  const { id: view_id, hash } = slack.modals('U1')[0]?.view ?? {}
  const update = (more: object) =>
    client(slack).apiCall('views.update', { view_id, hash, view: modal({ title: plain('New') }), ...more })
  expect((await refused(update({ view_id: 'V9' }))).error).toBe('not_found')
  expect((await refused(update({ hash: 'old' }))).error).toBe('hash_conflict')
  await update({})
  expect(slack.modals('U1')[0]?.view.title.text).toBe('New')
})

test('the bot hears of what it writes into a direct message itself, as apps do', async () => {
  const slack = await start()
  const app = await connect(slack)
  await slack.dm('U1', 'hello')
  await client(slack).chat.postMessage({ channel: 'U1', text: 'hi' })
  await vi.waitFor(() => expect(app.envelopes()).toHaveLength(2))
  expect(
    app.envelopes().map(({ payload }) => [payload.event?.text, payload.event?.channel_type, payload.event?.bot_id]),
  ).toEqual([
    ['hello', 'im', undefined],
    ['hi', 'im', 'B0ROLLBOT'],
  ])
})

interface Heard {
  headers: Record<string, unknown>
  raw: string
}
/** An app in HTTP mode that answers what the test says. */
async function listen(answer: (heard: Heard) => { status: number; body?: string; ms?: number }) {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const one = { headers: request.headers, raw: Buffer.concat(chunks).toString() }
      heard.push(one)
      const { status, body = '', ms = 0 } = answer(one)
      setTimeout(() => response.writeHead(status).end(body), ms)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events` }
}

test('HTTP mode signs every request; events come again, commands and presses do not', async () => {
  const replies = [500, 200, 500, 500]
  const app = await listen(() => ({ status: replies.shift() ?? 200, body: '' }))
  const slack = await start({ http: { url: app.url, signingSecret: 'secret' }, retryMs: [0, 10, 20] })
  expect(await slack.mention('U1', 'C1', 'status')).toMatchObject({ acked: true, attempts: 2 })
  expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: false, attempts: 1 })
  const { ts } = await client(slack).chat.postMessage({
    channel: 'C1',
    text: 'x',
    blocks: [actions(button('Go'))] as KnownBlock[],
  })
  expect(await slack.click('U1', 'C1', String(ts), 'Go')).toMatchObject({ acked: false, attempts: 1 })
  const [first, again, command, press] = app.heard
  expect(again?.headers).toMatchObject({ 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_error' })
  expect(again?.raw).toBe(first?.raw)
  expect(Object.fromEntries(new URLSearchParams(command?.raw))).toMatchObject({
    command: '/rollcall-status',
    user_id: 'U1',
  })
  expect(JSON.parse(new URLSearchParams(press?.raw).get('payload') ?? '')).toMatchObject({ type: 'block_actions' })
  for (const { headers, raw } of app.heard)
    expect(() =>
      verifySlackRequest({
        signingSecret: 'secret',
        body: raw,
        headers: {
          'x-slack-signature': String(headers['x-slack-signature']),
          'x-slack-request-timestamp': Number(headers['x-slack-request-timestamp']),
        },
      }),
    ).not.toThrow()
})

test('HTTP mode waits for three seconds, scaled here, and takes the answer of a command', async () => {
  let ms = 300
  const app = await listen(() => ({ status: 200, body: '{"text":"on it"}', ms }))
  const slack = await start({ http: { url: app.url } })
  expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: false })
  ms = 0
  expect(await slack.slash('U1', 'C1', '/status')).toMatchObject({ acked: true, response: { text: 'on it' } })
  expect(slack.ephemerals('U1')).toMatchObject([{ text: 'on it', via: 'ack' }])
})

test('an address is verified by its challenge, and checked for its certificate', async () => {
  const app = await listen(({ raw }) => ({ status: 200, body: raw.startsWith('{') ? JSON.parse(raw).challenge : '' }))
  const slack = await start({ http: { url: app.url } })
  expect(await slack.verifyUrl()).toBe(true)
  expect(await slack.sslCheck()).toBe(200)
  expect(app.heard.at(-1)?.raw).toContain('ssl_check=1')
  const deaf = await listen(() => ({ status: 200, body: 'no' }))
  expect(await (await start({ http: { url: deaf.url } })).verifyUrl()).toBe(false)
})
