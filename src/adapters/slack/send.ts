import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { translateMessage } from '../../lib/catalogue/message.ts'
import type { Message } from '../../ports/chat.ts'
import type { Delivery, Sent } from '../../ports/surface.ts'
import { type Bot, call } from './bot.ts'
import type { Failure } from './calls.ts'
import { findSent, metadataOf } from './find-sent.ts'
import { sentOf } from './outcome.ts'
import { type Patience, paced } from './pace.ts'
import { type OneMessage, type Rendered, render, type Shown } from './render.ts'
import { attachRest, detachRest } from './rest.ts'
import { messageAsTyped } from './slash.ts'
import { pictureFile, upload } from './upload.ts'

const identitySchema = z.object({ channel: z.string(), ts: z.string(), more: z.array(z.string()).optional() })
type Identity = z.infer<typeof identitySchema>

/** What the sender remembers of how it sent a message: without Slack's own blocks, and what it shared into the thread. */
const markSchema = z.object({
  plain: z.boolean().optional(),
  rest: z.string().optional(),
  shared: z.array(z.string()).optional(),
})
type Mark = z.infer<typeof markSchema>

const FILE_TRIES = 3
const LOOK_MS = 2000
const GONE = new Set(['message_not_found', 'cant_update_message', 'edit_window_closed'])

/** A failure on the way, and whether something new may stand there because of it. */
class Stopped extends Error {
  readonly failure: Failure
  readonly made: boolean
  constructor(failure: Failure, made: boolean) {
    super('stopped')
    this.failure = failure
    this.made = made
  }
}

/** Nobody knows yet whether it is there: there are many messages to look through. */
class StillLooking extends Error {}

/** Sends or edits one message with all of its parts. Never throws. */
export async function sendDelivery(bot: Bot, delivery: Delivery): Promise<Sent> {
  const written = { count: 0 }
  try {
    const sent = await deliver(bot, delivery, written)
    return written.count > 1 ? { ...sent, messages: written.count } : sent
  } catch (error) {
    const messages = written.count > 0 ? { messages: written.count } : {}
    if (error instanceof Stopped) return { ...sentOf(error.failure, error.made), ...messages }
    if (error instanceof StillLooking) {
      const why = 'It is still being looked for among many messages.'
      return { at: 'later', ms: LOOK_MS, scope: 'place', why, arrived: 'unknown' }
    }
    bot.log.warn({ err: error, key: delivery.key }, 'slack message not sent')
    // The store is away, or a defect: whichever it is, it is looked for before it is sent again.
    const why = 'The message could not be prepared.'
    return { at: 'later', ms: 5000, scope: 'place', why, arrived: 'unknown', ...messages }
  }
}

async function deliver(bot: Bot, delivery: Delivery, written: Put['written']): Promise<Sent> {
  const head = identitySchema.safeParse(delivery.thread?.identity)
  const thread = head.success ? head.data.ts : undefined
  const known = identitySchema.safeParse(delivery.identity)
  const message = messageAsTyped(translateMessage(delivery.message, bot.language))
  const mark = readMark(delivery.mark)
  let identity: Identity | undefined = known.success ? known.data : undefined
  if (delivery.uncertainSince !== undefined) identity = (await adopt(bot, delivery, thread, identity)) ?? identity
  const put = { bot, delivery, message, thread, mark, patience: { ms: bot.timings.patience }, written }
  return await putMessage(put, identity)
}

/** What of it already stands there. */
async function adopt(
  bot: Bot,
  { key, place, uncertainSince = '' }: Delivery,
  thread: string | undefined,
  known: Identity | undefined,
): Promise<Identity | undefined> {
  const look = async (under: string | undefined) => {
    const answer = await findSent(bot, {
      key,
      channel: place,
      ...(under === undefined ? {} : { thread: under }),
      since: uncertainSince,
    })
    // Nothing is sent while nobody can say whether it is there.
    if (!answer.ok) throw answer.failure === undefined ? new StillLooking() : new Stopped(answer.failure, true)
    return answer.found
  }
  const found = await look(thread)
  const ts = found.get(0)?.ts ?? known?.ts
  if (ts === undefined) return undefined
  // What goes on below a message that heads a thread stands in that thread.
  const rest = thread === undefined ? await look(ts) : found
  const more = new Map((known?.more ?? []).map((each, at) => [at + 1, each]))
  for (const [part, each] of rest) if (part > 0) more.set(part, each.ts)
  const list = [...more].toSorted(([a], [b]) => a - b).map(([, each]) => each)
  return { channel: place, ts, ...(list.length === 0 ? {} : { more: list }) }
}

interface Put {
  bot: Bot
  delivery: Delivery
  message: Message
  thread: string | undefined
  mark: Mark
  patience: Patience
  /** Messages that were posted or edited. */
  written: { count: number }
}

async function putMessage(put: Put, identity: Identity | undefined): Promise<Sent> {
  const { bot, delivery, thread } = put
  const pictures = new Map<string, Shown>()
  const wanted = put.message.blocks.flatMap((block) => (block.type === 'picture' ? [block] : []))
  for (const { id, alt } of wanted) {
    if (put.mark.shared?.includes(id)) {
      pictures.set(id, 'thread')
      continue
    }
    const file = await pictureFile(bot, id, alt)
    if (file?.ok === false) {
      // Charts must not keep a message back; only what passes is waited for.
      if (file.failure.kind !== 'refused') throw new Stopped(file.failure, false)
      bot.log.warn({ error: file.failure.error, key: delivery.key }, 'slack picture not uploaded')
    }
    pictures.set(id, file?.ok ? { file: file.file } : undefined)
  }
  let native = bot.config.nativeBlocks && put.mark.plain !== true
  let made = false
  for (let tries = 0; ; tries++) {
    const rendered = render(put.message, {
      native,
      mention: bot.mention,
      picture: (id) => pictures.get(id),
      words: bot.words,
    })
    const main = await putParts(put, rendered, identity)
    if (main.ok) return await finish(put, rendered, main.identity, { pictures, native })
    identity = main.identity
    made ||= main.made
    if (main.failure.kind !== 'refused' || main.failure.error !== 'invalid_blocks')
      throw new Stopped(main.failure, made)
    const { messages } = main.failure
    const aboutFile = [...pictures.values()].some((each) => typeof each === 'object') && isAboutFile(messages)
    bot.log.info({ key: delivery.key, native, messages, thread }, 'slack refused blocks')
    if (aboutFile && tries < FILE_TRIES) await sleep(bot.timings.fileReady * 2 ** tries)
    else if (aboutFile) for (const [id, shown] of pictures) pictures.set(id, shown === undefined ? undefined : 'thread')
    else if (native) native = false
    else throw new Stopped(main.failure, made)
  }
}

function isAboutFile(messages: readonly string[]): boolean {
  return messages.length === 0 || messages.some((each) => /slack[ _]file/i.test(each))
}

type PutParts =
  | { ok: true; identity: Identity }
  | { ok: false; failure: Failure; made: boolean; identity: Identity | undefined }

/** Edits what stands there, posts what does not, and takes away what is left over. */
async function putParts(
  { bot, delivery: { key, revision, place }, thread, patience, written }: Put,
  { messages: [first, ...more] }: Rendered,
  before: Identity | undefined,
): Promise<PutParts> {
  let made = false
  const none: Patience = { ms: 0 }
  const put = async (message: OneMessage, at: number, ts: string | undefined, under: string | undefined) => {
    // Nothing of it stands there before the first: that one is left to the outbox, which may have something more urgent.
    const how = { place, patience: at === 0 ? none : patience }
    const content = { channel: place, ...message, metadata: metadataOf(key, revision, at) }
    if (ts !== undefined) {
      const edited = await paced(bot, { ...how, of: 'edit' }, () => bot.client.chat.update({ ...content, ts }))
      written.count += edited.ok ? 1 : 0
      if (edited.ok) return { ok: true as const, ts }
      const gone = edited.failure.kind === 'refused' && GONE.has(edited.failure.error)
      if (!gone) return edited
    }
    const posted = await paced(bot, { ...how, of: 'new' }, () =>
      bot.client.chat.postMessage({
        ...content,
        unfurl_links: false,
        unfurl_media: false,
        ...(under === undefined ? {} : { thread_ts: under }),
      }),
    )
    // Where Slack did not answer, it may stand there.
    written.count += posted.ok ? 1 : 0
    made ||= posted.ok || posted.failure.kind === 'network'
    if (!posted.ok) return posted
    return { ok: true as const, ts: posted.value.ts ?? '' }
  }
  const main = await put(first, 0, before?.ts, thread)
  if (!main.ok) return { ...main, made, identity: before }
  // A new message has none of the old one's parts: they stand in another thread.
  const old = main.ts === before?.ts || thread !== undefined ? (before?.more ?? []) : []
  const done: string[] = []
  const identity = (): Identity => {
    const list = [...done, ...old.slice(done.length)]
    return { channel: place, ts: main.ts, ...(list.length === 0 ? {} : { more: list }) }
  }
  for (const [at, message] of more.entries()) {
    const next = await put(message, at + 1, old[at], thread ?? main.ts)
    if (!next.ok) return { ...next, made, identity: identity() }
    done.push(next.ts)
  }
  for (const ts of old.slice(more.length)) {
    const removed = await call(bot, () => bot.client.chat.delete({ channel: place, ts }))
    if (!removed.ok && removed.failure.kind !== 'refused') return { ...removed, made, identity: identity() }
  }
  const list = done.length === 0 ? {} : { more: done }
  return { ok: true, identity: { channel: place, ts: main.ts, ...list } }
}

/** What goes into the thread as a file: pictures that no block may show, and what is too long for messages. */
async function finish(
  { bot, delivery: { place, key, uncertainSince }, message, thread, mark }: Put,
  { file }: Rendered,
  identity: Identity,
  { pictures, native }: { pictures: ReadonlyMap<string, Shown>; native: boolean },
): Promise<Sent> {
  const next: Mark = { ...mark, ...(native || !bot.config.nativeBlocks ? {} : { plain: true }) }
  const share = { channel: place, thread: thread ?? identity.ts }
  const shared = new Set(mark.shared)
  for (const [id, shown] of pictures) {
    if (shown !== 'thread' || shared.has(id)) continue
    const bytes = await bot.pictures(id)
    const alt = message.blocks.find((block) => block.type === 'picture' && block.id === id)
    const caption = alt?.type === 'picture' ? alt.alt : ''
    const done =
      bytes === undefined ? undefined : await upload(bot, { name: 'chart.png', title: caption, bytes }, share)
    if (done?.ok) shared.add(id)
    else if (done !== undefined) bot.log.warn({ key, why: done.failure.kind }, 'slack picture not shared')
  }
  if (shared.size > 0) next.shared = [...shared]
  const rest = { key, place, thread: share.thread }
  if (file !== undefined) next.rest = await attachRest(bot, { ...rest, title: message.title, file })
  // After a lost note nobody knows whether there was one.
  else if (mark.rest !== undefined || uncertainSince !== undefined) {
    await detachRest(bot, rest)
    delete next.rest
  }
  const noted = JSON.stringify(next)
  return { at: 'sent', identity, ...(noted === '{}' ? {} : { mark: noted }) }
}

function readMark(mark: string | undefined): Mark {
  try {
    return markSchema.parse(JSON.parse(mark ?? '{}'))
  } catch {
    return {}
  }
}
