import { type Card, refuseCard, rendersCard as rendered } from './card.ts'
import { type Media, readPictures } from './media.ts'
import { createMeter, type Limit } from './rates.ts'
import { bytes, codes, isObject, type Outcome, type Refusal, refuse, textAt } from './wire.ts'
import type { WecomMessage, World } from './world.ts'

/** What a person did and what came of it through its own req_id. Deliveries of the same thing share one. */
export interface Hearing {
  since: number
  updated?: { card: Card; ms: number }
  replies: WecomMessage[]
  refused: (Refusal & { cmd: string })[]
  /** Called when the card was updated, or a reply is complete. */
  settle(): void
}

/** A callback that may be answered: on the connection to which it was delivered, and nowhere else. */
export interface Callback {
  reqId: string
  kind: 'message' | 'click' | 'enter' | 'feedback'
  chat: string
  user: string
  taskId?: string
  at: number
  hearing: Hearing
  done: Set<'update' | 'welcome' | 'card'>
  streams: Map<string, { since: number; finished: boolean; message?: WecomMessage }>
}

/** Milliseconds. */
export interface Windows {
  /** After a click, in which its card may be updated: 5,000. */
  updateMs: number
  /** After entering, in which a welcome may be said: 5,000. */
  welcomeMs: number
  /** From the first frame of a stream to its last: 360,000. */
  streamMs: number
  /** In which a message may be answered at all: 86,400,000. */
  replyMs: number
}

export interface Rates {
  /** Replies and pushes of one conversation together, when `replies` is left out. */
  pushes: Limit[]
  replies?: Limit[]
}

/** The bot's side of the service: answers, updates and pushes, with what it refuses. */
export function createOutgoing(parts: {
  world: World
  media: Media
  windows: Windows
  rates: Rates
  now: () => number
  colons: 'anywhere' | 'in the task id'
}) {
  const { world, media, windows, now } = parts
  const rendersCard = (card: Card): boolean => rendered(card, parts.colons)
  const pushes = createMeter(parts.rates.pushes, now)
  const replies = parts.rates.replies === undefined ? pushes : createMeter(parts.rates.replies, now)
  const used = new Set<string>()
  const faults = { hidden: 0, limited: new Map<string, number>() }

  /** Acknowledged, but on its way to the people it is lost. */
  function lost(): boolean {
    if (faults.hidden === 0) return false
    faults.hidden--
    return true
  }

  function limited(chat: string, meter: typeof pushes): Refusal | undefined {
    const left = faults.limited.get(chat) ?? 0
    if (left > 0) faults.limited.set(chat, left - 1)
    const full: Refusal = { errcode: codes.rate, errmsg: 'api freq out of limit' }
    return left > 0 || !meter.take(chat) ? full : undefined
  }

  /** A card that nobody has sent yet. */
  function newCard(value: unknown): { card: Card } | { refusal: Refusal } {
    const refusal = refuseCard(value)
    if (refusal !== undefined) return { refusal }
    const card = structuredClone(value) as Card
    if (card.task_id !== undefined && used.has(card.task_id)) return refuse('task', 'Template_Card task_id repeated')
    return { card }
  }

  /** A message that stands by itself: the same for a reply and a push. The refusal, or how to show it. */
  function compose(
    body: Record<string, unknown>,
  ): Refusal | { show?: Omit<WecomMessage, 'id' | 'updates' | 'at' | 'from'>; card?: Card } {
    const { msgtype } = body
    if (msgtype === 'markdown') {
      const content = textAt(body, 'markdown', 'content')
      return wrongContent(content) ?? { show: { msgtype, markdown: content } }
    }
    if (msgtype === 'template_card') {
      const made = newCard(body.template_card)
      if ('refusal' in made) return made.refusal
      const { card } = made
      return { card, ...(rendersCard(card) ? { show: { msgtype, card } } : {}) }
    }
    if (msgtype === 'image' || msgtype === 'file' || msgtype === 'voice' || msgtype === 'video') {
      const data = media.get(textAt(body, msgtype, 'media_id'), msgtype)
      if (data === undefined) return { errcode: codes.media, errmsg: 'invalid media_id' }
      return { show: { msgtype, ...(msgtype === 'image' ? { images: [data] } : {}) } }
    }
    return { errcode: codes.msgtype, errmsg: 'invalid message type' }
  }

  function keep(card: Card | undefined): void {
    if (card?.task_id !== undefined) used.add(card.task_id)
  }

  function push(body: Record<string, unknown>): Outcome {
    const { chatid, chat_type: type } = body
    const chat = typeof chatid === 'string' ? world.chats.get(chatid) : undefined
    if (chat === undefined || typeof chatid !== 'string') return refuse('chat', 'invalid chatid')
    if (type !== undefined && type !== 1 && type !== 2) return refuse('parameter', 'invalid chat_type')
    if (type !== undefined && (type === 1) !== (chat.type === 'single')) return refuse('chat', 'invalid chatid')
    const made = compose(body)
    if ('errcode' in made) return { refusal: made }
    const full = limited(chatid, pushes)
    if (full !== undefined) return { refusal: full }
    keep(made.card)
    // Without chat_type the id is taken for a group's: that of a person is acknowledged, and nobody gets it.
    const vanishes = type === undefined && chat.type === 'single'
    if (!lost() && !vanishes && made.show !== undefined) world.post(chatid, { ...made.show, from: 'push' })
    return {}
  }

  function reply(callback: Callback | undefined, body: Record<string, unknown>): Outcome {
    if (callback?.kind !== 'message' || now() - callback.at > windows.replyMs) return refuse('reqId', 'invalid req_id')
    if (body.msgtype === 'stream' || body.msgtype === 'stream_with_template_card') return stream(callback, body)
    const made = compose(body)
    if ('errcode' in made) return { refusal: made }
    if (made.card !== undefined && callback.done.has('card'))
      return refuse('parameter', 'template_card already replied')
    const full = limited(callback.chat, replies)
    if (full !== undefined) return { refusal: full }
    keep(made.card)
    if (made.card !== undefined) callback.done.add('card')
    if (!lost() && made.show !== undefined)
      callback.hearing.replies.push(world.post(callback.chat, { ...made.show, from: 'reply' }))
    callback.hearing.settle()
    return {}
  }

  function stream(callback: Callback, body: Record<string, unknown>): Outcome {
    const { id, finish, content, msg_item } = isObject(body.stream) ? body.stream : {}
    if (typeof id !== 'string' || id === '') return refuse('parameter', 'invalid stream.id')
    if (finish !== undefined && typeof finish !== 'boolean') return refuse('parameter', 'invalid stream.finish')
    const known = callback.streams.get(id)
    if (known !== undefined && (known.finished || now() - known.since > windows.streamMs))
      return refuse('stream', 'stream message update expired (>6 minutes), cannot update')
    // The older one has to end first: one callback has one answer at a time.
    const open = [...callback.streams.values()].some((each) => !each.finished && now() - each.since <= windows.streamMs)
    if (known === undefined && open) return refuse('stream', 'another stream of this req_id is not finished')
    if (typeof content !== 'string' && finish !== true) return refuse('empty', 'empty content')
    if (typeof content === 'string' && bytes(content) > 20_480) return refuse('size', 'content size out of limit')
    const read = readPictures(msg_item, finish === true)
    if ('refusal' in read) return read
    const wanted = body.msgtype === 'stream_with_template_card' && body.template_card !== undefined
    const made = wanted ? newCard(body.template_card) : undefined
    if (made !== undefined && 'refusal' in made) return made
    if (made !== undefined && callback.done.has('card')) return refuse('parameter', 'template_card already replied')
    if (known === undefined) {
      const full = limited(callback.chat, replies)
      if (full !== undefined) return { refusal: full }
    }
    const line = known ?? { since: now(), finished: false }
    callback.streams.set(id, line)
    line.finished = finish === true
    if (known === undefined && !lost()) {
      const shown = { id, content: '', finished: false }
      line.message = world.post(callback.chat, { msgtype: 'stream', stream: shown, from: 'reply' })
      callback.hearing.replies.push(line.message)
    }
    const { message } = line
    if (message?.stream !== undefined) {
      message.stream.content = typeof content === 'string' ? content : message.stream.content
      message.stream.finished = line.finished
      if (known !== undefined) message.updates++
      if (read.pictures.length > 0) message.images = read.pictures
    }
    if (made !== undefined) {
      keep(made.card)
      callback.done.add('card')
      if (message !== undefined && rendersCard(made.card)) world.putCard(message, made.card)
    }
    if (line.finished) callback.hearing.settle()
    return {}
  }

  function update(callback: Callback | undefined, body: Record<string, unknown>): Outcome {
    if (callback?.kind !== 'click') return refuse('reqId', 'invalid req_id')
    if (now() - callback.at > windows.updateMs) return refuse('reqId', 'req_id expired (>5 seconds), cannot update')
    if (callback.done.has('update')) return refuse('reqId', 'req_id already used')
    if (body.response_type !== 'update_template_card') return refuse('parameter', 'invalid response_type')
    const refusal = refuseCard(body.template_card)
    if (refusal !== undefined) return { refusal }
    const card = structuredClone(body.template_card) as Card
    if (card.task_id !== callback.taskId) return refuse('task', 'Template_Card task_id does not match')
    const users = body.userids
    if (users !== undefined && !(Array.isArray(users) && users.every((user) => typeof user === 'string')))
      return refuse('parameter', 'invalid userids')
    callback.done.add('update')
    const found = world.card(callback.chat, card.task_id ?? '', callback.user)
    if (found !== undefined && !lost() && rendersCard(card)) {
      world.replaceCard(found.message, card, users)
      callback.hearing.updated = { card, ms: now() - callback.hearing.since }
    }
    callback.hearing.settle()
    return {}
  }

  function welcome(callback: Callback | undefined, body: Record<string, unknown>): Outcome {
    if (callback?.kind !== 'enter') return refuse('reqId', 'invalid req_id')
    if (now() - callback.at > windows.welcomeMs) return refuse('reqId', 'req_id expired (>5 seconds)')
    if (callback.done.has('welcome')) return refuse('reqId', 'req_id already used')
    const text = body.msgtype === 'text' ? textAt(body, 'text', 'content') : undefined
    const made =
      text === undefined ? compose(body) : (wrongContent(text) ?? { show: { msgtype: 'text' as const, text } })
    if ('errcode' in made) return { refusal: made }
    if (made.show !== undefined && made.show.msgtype !== 'text' && made.show.msgtype !== 'template_card')
      return refuse('msgtype', 'invalid message type')
    callback.done.add('welcome')
    if ('card' in made) keep(made.card)
    if (!lost() && made.show !== undefined)
      callback.hearing.replies.push(world.post(callback.chat, { ...made.show, from: 'reply' }))
    callback.hearing.settle()
    return {}
  }

  return { push, reply, update, welcome, faults }
}

function wrongContent(content: string | undefined): Refusal | undefined {
  if (content === undefined || content.trim() === '') return { errcode: codes.empty, errmsg: 'empty content' }
  return bytes(content) > 20_480 ? { errcode: codes.size, errmsg: 'content size out of limit' } : undefined
}
