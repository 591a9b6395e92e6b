import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { buttons, type Card, cut } from './card.ts'
import type { Heard, LoggedFrame, WecomOptions, WecomServer } from './control.ts'
import { createMedia } from './media.ts'
import { type Callback, createOutgoing, type Hearing, type Rates } from './outgoing.ts'
import { createWebhooks } from './webhook.ts'
import { type Frame, isObject, type Outcome, refuse } from './wire.ts'
import { createWorld, type WecomMessage } from './world.ts'

export type { Card } from './card.ts'
export type { Heard, LoggedFrame, WecomOptions, WecomServer } from './control.ts'
export { codes } from './wire.ts'
export type { WecomMessage } from './world.ts'

interface Line {
  socket: WebSocket
  at: 'new' | 'subscribed' | 'useless'
  callbacks: Map<string, Callback>
}

/** The AI-bot service of WeCom on a free port of loopback: its long connection, and the webhooks of groups. */
export async function startWecomServer(options: WecomOptions = {}): Promise<WecomServer> {
  const {
    botId = 'aib_test',
    secret = `secret-${randomUUID()}`,
    name = 'Rollcall',
    scale = 1,
    settleMs = 5000,
  } = options
  const windows = { updateMs: 5000, welcomeMs: 5000, streamMs: 360_000, replyMs: 86_400_000 }
  for (const key of ['updateMs', 'welcomeMs', 'streamMs', 'replyMs'] as const)
    windows[key] = options.windows?.[key] ?? windows[key] * scale
  const now = () => performance.now()
  const world = createWorld()
  const media = createMedia()
  const rates = options.rates ?? ratesOf(options.profile, scale)
  const out = createOutgoing({ world, media, windows, rates, now, colons: options.colons ?? 'anywhere' })
  const webhooks = createWebhooks({ world, limit: options.webhookRate ?? { count: 20, ms: 60_000 * scale }, now })
  const lines = new Set<Line>()
  const log: LoggedFrame[] = []
  const waiting = new Set<() => void>()
  const listeners = new Set<(chat: string, message: WecomMessage) => void>()
  world.onPost = (chat, message) => {
    for (const listener of listeners) listener(chat, message)
  }
  const fault = {
    invalidAuth: false,
    awayUntil: 0,
    webhooksAwayUntil: 0,
    silentUntil: 0,
    duplicates: 0,
    acks: new Map<string, number>(),
  }
  let current: Line | undefined

  const http = createServer((request, response) => {
    if (now() >= fault.webhooksAwayUntil) return void webhooks.serve(request, response)
    request.resume()
    response.writeHead(502).end()
  })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 32 << 20 })
  http.on('upgrade', (request, socket, head) => {
    if (now() < fault.awayUntil) return void socket.destroy()
    sockets.handleUpgrade(request, socket, head, (opened) => open(opened))
  })

  function open(socket: WebSocket): void {
    const line: Line = { socket, at: 'new', callbacks: new Map() }
    lines.add(line)
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      lines.delete(line)
      if (current === line) current = undefined
    })
    socket.on('message', (data) => take(line, String(data)))
  }

  function take(line: Line, text: string): void {
    const frame = parse(text)
    const { cmd = '', headers, body = {} } = frame ?? {}
    const reqId = headers?.req_id ?? ''
    log.push({ dir: 'in', cmd, reqId, body, at: Date.now() })
    if (now() < fault.silentUntil) return
    const outcome: Outcome = frame === undefined ? refuse('json', 'data format error') : handle(line, cmd, reqId, body)
    const refusal = 'refusal' in outcome ? outcome.refusal : undefined
    if (refusal !== undefined) line.callbacks.get(reqId)?.hearing.refused.push({ ...refusal, cmd })
    const lost = fault.acks.get(cmd) ?? 0
    if (lost > 0) return void fault.acks.set(cmd, lost - 1)
    const answer = 'body' in outcome && outcome.body !== undefined ? { body: outcome.body } : {}
    send(line, { headers: { req_id: reqId }, ...answer, ...(refusal ?? { errcode: 0, errmsg: 'ok' }) })
  }

  function send(line: Line, frame: Frame): void {
    const { cmd, headers, body, errcode } = frame
    log.push({
      dir: 'out',
      ...(cmd === undefined ? {} : { cmd }),
      reqId: headers.req_id,
      body,
      ...(errcode === undefined ? {} : { errcode }),
      at: Date.now(),
    })
    if (line.socket.readyState === line.socket.OPEN) line.socket.send(JSON.stringify(frame))
  }

  function handle(line: Line, cmd: string, reqId: string, body: Record<string, unknown>): Outcome {
    if (reqId === '') return refuse('parameter', 'missing req_id')
    if (cmd === 'aibot_subscribe') return subscribe(line, body)
    if (line.at !== 'subscribed') return refuse('notSubscribed', 'aibot websocket not subscribed')
    const callback = line.callbacks.get(reqId)
    switch (cmd) {
      case 'ping':
        return {}
      case 'aibot_respond_msg':
        return out.reply(callback, body)
      case 'aibot_respond_update_msg':
        return out.update(callback, body)
      case 'aibot_respond_welcome_msg':
        return out.welcome(callback, body)
      case 'aibot_send_msg':
        return out.push(body)
      case 'aibot_upload_media_init':
        return media.init(body)
      case 'aibot_upload_media_chunk':
        return media.chunk(body)
      case 'aibot_upload_media_finish':
        return media.finish(body)
      default:
        return refuse('parameter', 'invalid cmd')
    }
  }

  function subscribe(line: Line, body: Record<string, unknown>): Outcome {
    if (line.at === 'useless' || fault.invalidAuth || body.bot_id !== botId || body.secret !== secret) {
      line.at = 'useless'
      if (current === line) current = undefined
      return refuse('credentials', 'invalid bot_id or secret')
    }
    if (current !== undefined && current !== line) kick(current)
    line.at = 'subscribed'
    current = line
    return {}
  }

  function kick(line: Line): void {
    line.at = 'useless'
    if (current === line) current = undefined
    const event = { eventtype: 'disconnected_event', disconnected_event: {} }
    const body = { msgid: randomUUID(), create_time: seconds(), aibotid: botId, msgtype: 'event', event }
    send(line, { cmd: 'aibot_event_callback', headers: { req_id: randomUUID() }, body })
    line.socket.close(1000, 'a new connection has been established')
  }

  /** Delivers what a person did, and waits for what comes of it. */
  async function deliver(
    what: Pick<Callback, 'kind' | 'chat' | 'user' | 'taskId'>,
    waitMs: number,
    frame: { cmd: string; body: Record<string, unknown> },
    msgid = randomUUID() as string,
  ): Promise<Heard> {
    const line = now() < fault.silentUntil ? undefined : current
    const since = now()
    const pushes: WecomMessage[] = []
    if (line === undefined) return { delivered: false, msgid, reqIds: [], ms: 0, replies: [], pushes, refused: [] }
    const gate = Promise.withResolvers<void>()
    const hearing: Hearing = { since, replies: [], refused: [], settle: gate.resolve }
    const listener = (chat: string, message: WecomMessage): void => {
      if (message.from === 'push' && (chat === what.chat || chat === what.user)) pushes.push(message)
    }
    listeners.add(listener)
    waiting.add(gate.resolve)
    const timer = setTimeout(gate.resolve, waitMs)
    const reqIds = Array.from({ length: 1 + fault.duplicates }, () => randomUUID() as string)
    for (const reqId of reqIds) {
      line.callbacks.set(reqId, { ...what, reqId, at: now(), hearing, done: new Set(), streams: new Map() })
      send(line, { cmd: frame.cmd, headers: { req_id: reqId }, body: { msgid, aibotid: botId, ...frame.body } })
    }
    await gate.promise
    clearTimeout(timer)
    waiting.delete(gate.resolve)
    listeners.delete(listener)
    const { updated, replies, refused } = hearing
    const changed = updated === undefined ? {} : { updated: updated.card, updatedMs: updated.ms }
    return { delivered: true, msgid, reqIds, ms: now() - since, ...changed, replies, pushes, refused }
  }

  const place = (user: string, chat: string | undefined): { id: string; fields: Record<string, unknown> } => {
    if (chat === undefined) world.add(user, 'single')
    const id = chat ?? user
    const type = world.chats.get(id)?.type
    if (type === undefined) throw new Error(`no conversation ${id}`)
    return { id, fields: { ...(type === 'group' ? { chatid: id } : {}), chattype: type, from: { userid: user } } }
  }

  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo

  return {
    url: `ws://127.0.0.1:${port}`,
    webhookUrl: (chat) => `http://127.0.0.1:${port}/cgi-bin/webhook/send?key=${webhooks.key(chat)}`,
    botId,
    secret,
    addChat: (id, { type = 'group' } = {}) => world.add(id, type),
    // A clone has no Buffers.
    messages: (chat) =>
      (world.chats.get(chat)?.messages ?? []).map(({ images, ...rest }) => ({
        ...structuredClone(rest),
        ...(images === undefined ? {} : { images: [...images] }),
      })),
    async say(user, chat, text, { quote, msgid } = {}) {
      const { id, fields } = place(user, chat)
      const content = fields.chattype === 'group' ? `@${name}${options.mentionEnd ?? ' '}${text}` : text
      const quoted = quote === undefined ? {} : { quote: { msgtype: 'text', text: { content: quote } } }
      const body = { ...fields, msgtype: 'text', text: { content }, ...quoted }
      return deliver({ kind: 'message', chat: id, user }, settleMs, { cmd: 'aibot_msg_callback', body }, msgid)
    },
    async click(user, chat, taskId, label) {
      const { id, fields } = place(user, chat)
      const card = world.card(id, taskId, user)?.card
      if (card === undefined) throw new Error(`nobody sees a card ${taskId} in ${id}`)
      const all = buttons(card)
      const found = all.filter(({ text }) => text === label)
      const shown = found.length > 0 ? found : all.filter(({ text }) => cut(text) === label)
      const [button] = shown
      if (button === undefined || shown.length > 1)
        throw new Error(
          `${shown.length} buttons ${label} on card ${taskId}; it has ${all.map(({ text }) => text).join(', ')}`,
        )
      const task = options.taskid ? { taskid: taskId } : { task_id: taskId }
      const click = { card_type: card.card_type, event_key: button.key, ...task, ...selected(card) }
      const eventtype = 'template_card_event'
      const event = options.flatEvents ? { eventtype, ...click } : { eventtype, [eventtype]: click }
      const body = { create_time: seconds(), ...fields, msgtype: 'event', event }
      const what = { kind: 'click', chat: id, user, taskId } as const
      return deliver(what, windows.updateMs, { cmd: 'aibot_event_callback', body })
    },
    async enter(user) {
      const { id, fields } = place(user, undefined)
      const body = {
        create_time: seconds(),
        ...fields,
        msgtype: 'event',
        event: { eventtype: 'enter_chat', enter_chat: {} },
      }
      return deliver({ kind: 'enter', chat: id, user }, windows.welcomeMs, { cmd: 'aibot_event_callback', body })
    },
    async feedback(user, chat, about, type, content = '') {
      const { id, fields } = place(user, chat)
      const eventtype = 'feedback_event'
      const event = { eventtype, [eventtype]: { id: about, type, content } }
      const body = { create_time: seconds(), ...fields, msgtype: 'event', event }
      return deliver({ kind: 'feedback', chat: id, user }, 0, { cmd: 'aibot_event_callback', body })
    },
    frames: () => [...log],
    faults: {
      kick: () => {
        if (current !== undefined) kick(current)
      },
      outage(ms) {
        fault.awayUntil = now() + ms
        for (const { socket } of lines) socket.terminate()
      },
      webhookOutage(ms) {
        fault.webhooksAwayUntil = now() + ms
      },
      invalidAuth(on) {
        fault.invalidAuth = on
      },
      duplicate(times) {
        fault.duplicates = times
      },
      ackButDontRender(times) {
        out.faults.hidden = times
      },
      silent(ms) {
        fault.silentUntil = now() + ms
      },
      rateLimit: (chat, times) => void out.faults.limited.set(chat, times),
      loseAck: (cmd, times) => void fault.acks.set(cmd, times),
    },
    connections: () => [...lines].filter(({ at }) => at === 'subscribed').length,
    async stop() {
      for (const end of waiting) end()
      for (const { socket } of lines) socket.terminate()
      sockets.close()
      http.closeAllConnections()
      await new Promise<void>((resolve) => http.close(() => resolve()))
    },
  }
}

/** Per conversation: 30 a minute and 1,000 an hour, replies included; or 10 pushes a day and 30 replies in 24 hours. */
function ratesOf(profile: WecomOptions['profile'], scale: number): Rates {
  const day = 86_400_000 * scale
  if (profile === 'legacy') return { pushes: [{ count: 10, ms: day }], replies: [{ count: 30, ms: day }] }
  return {
    pushes: [
      { count: 30, ms: 60_000 * scale },
      { count: 1000, ms: 3_600_000 * scale },
    ],
  }
}

/** What a vote or a choice is submitted with: the first option of each question. */
function selected(card: Card): Record<string, unknown> {
  const questions =
    card.card_type === 'vote_interaction'
      ? [card.checkbox]
      : card.card_type === 'multiple_interaction'
        ? card.select_list
        : []
  if (!Array.isArray(questions) || questions.length === 0) return {}
  const selected_item = questions.filter(isObject).map((question) => {
    const [first] = Array.isArray(question.option_list) ? question.option_list : []
    return { question_key: question.question_key, option_ids: { option_id: isObject(first) ? [first.id] : [] } }
  })
  return { selected_items: { selected_item } }
}

const seconds = (): number => Math.floor(Date.now() / 1000)

function parse(text: string): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(text)
    if (!isObject(frame)) return undefined
    const headers = isObject(frame.headers) ? frame.headers : {}
    return {
      headers: { req_id: typeof headers.req_id === 'string' ? headers.req_id : '' },
      ...(typeof frame.cmd === 'string' ? { cmd: frame.cmd } : {}),
      ...(isObject(frame.body) ? { body: frame.body } : {}),
    }
  } catch {
    return undefined
  }
}
