import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { translateMessage } from '../../lib/catalogue/message.ts'
import { translate } from '../../lib/catalogue/translate.ts'
import type { Answer, Envelope, Sent } from '../../ports/surface.ts'
import { type Bot, call } from './bot.ts'
import { sentOf } from './outcome.ts'
import { type Patience, paced } from './pace.ts'
import { type OneMessage, type Rendered, renderAnswer, type Shown } from './render.ts'
import { answerAsTyped, messageAsTyped } from './slash.ts'
import { escaped } from './text.ts'
import { pictureFile, upload } from './upload.ts'

/** Where a deed was done, for the answer. */
export const replySchema = z.object({
  channel: z.string().optional(),
  /** The thread it was done in. */
  thread: z.string().optional(),
  /** A direct message: nobody else reads there. */
  direct: z.boolean().optional(),
})
export type Reply = z.infer<typeof replySchema>

/** Whom an answer is for, and for which deed. */
interface To {
  id: string
  user: string
  reply: Reply
}

const MOST_REMEMBERED = 2000
const USES = 5

/** Remembers where this deed may be answered, for as long as Slack takes it. */
export function rememberResponse(bot: Bot, id: string, url: unknown): void {
  if (typeof url !== 'string' || !/^https?:\/\//.test(url)) return
  const now = bot.clock().getTime()
  for (const [each, { until }] of bot.responses) {
    if (until > now && bot.responses.size < MOST_REMEMBERED) break
    bot.responses.delete(each)
  }
  if (!bot.responses.has(id)) bot.responses.set(id, { url, left: USES, until: now + bot.timings.responseUrl })
}

const FILE_TRIES = 3

/** Slack refuses the blocks as they are. */
class BlocksRefused extends Error {}

/** Tells the one who did it. Never throws. */
export async function answerEnvelope(bot: Bot, envelope: Envelope, answer: Answer): Promise<Sent> {
  const reply = replySchema.safeParse(envelope.reply)
  const to: To = { id: envelope.id, user: envelope.user, reply: reply.success ? reply.data : {} }
  try {
    const pictures = await picturesOf(bot, answer)
    let shown = [...pictures.values()].some((each) => each !== undefined)
    let native = bot.config.nativeBlocks
    const plainly = () => {
      for (const [id, each] of pictures) pictures.set(id, each === undefined ? undefined : 'thread')
      shown = false
      native = false
    }
    // What stands there already was drawn so.
    if (bot.told.get(envelope.id)?.plain) plainly()
    for (let waits = 0; ; ) {
      try {
        const { messages, file } = drawn(bot, answer, { native, pictures })
        const plain = !native
        if (file === undefined) return await tellOn(bot, to, messages, plain)
        const rest = await wholeAsFile(bot, to, file)
        return await tellOn(bot, to, drawn(bot, answer, { native, pictures, rest }).messages, plain)
      } catch (error) {
        if (!(error instanceof BlocksRefused) || !(shown || native)) throw error
        // A picture that has just been uploaded may not be ready; after that, only what every Slack shows.
        if (shown && waits < FILE_TRIES) await sleep(bot.timings.fileReady * 2 ** waits++)
        else plainly()
      }
    }
  } catch (error) {
    bot.log.warn({ err: error, envelope: envelope.id }, 'slack answer not sent')
    return { at: 'later', ms: 5000, scope: 'place', why: 'The answer could not be prepared.', arrived: 'no' }
  }
}

/** A short word of the surface itself to one person. Never throws. */
export async function say(bot: Bot, to: To, text: string, ok = false): Promise<Sent> {
  try {
    return await tell(bot, to, drawn(bot, { ok, text }, { native: false, pictures: new Map() }).messages)
  } catch (error) {
    bot.log.warn({ err: error }, 'slack word not said')
    return { at: 'later', ms: 5000, scope: 'place', why: 'The answer could not be prepared.', arrived: 'no' }
  }
}

/**
 * An answer that is too long for its messages, as a file where only this person reads: in the direct message with Rollcall. The
 * line about it says what came of that. Once for each deed, however often the answer is tried again.
 */
async function wholeAsFile(bot: Bot, to: To, file: NonNullable<Rendered['file']>): Promise<string> {
  const { channel, thread, direct } = to.reply
  const here = direct === true && channel !== undefined
  const done = here ? bot.words.wholeHere : bot.words.wholeDirect
  if (bot.attached.has(to.id)) return done
  const said = here
    ? undefined
    : await call(bot, () => bot.client.chat.postMessage({ channel: to.user, text: escaped(bot.words.whole) }))
  const place = here ? channel : said?.ok ? said.value.channel : undefined
  if (place !== undefined) {
    const bytes = Buffer.from(file.whole)
    const share = { channel: place, ...(here && thread !== undefined ? { thread } : {}) }
    const sent = await upload(bot, { name: 'answer.txt', title: 'Rollcall', bytes }, share)
    if (sent.ok) {
      bot.attached.add(to.id)
      for (const old of bot.attached) {
        if (bot.attached.size <= MOST_REMEMBERED) break
        bot.attached.delete(old)
      }
      return done
    }
    bot.log.warn({ why: sent.failure, envelope: to.id }, 'slack answer not attached')
    const ts = said?.ok ? said.value.ts : undefined
    // It would announce a file that is not there.
    if (ts !== undefined) await call(bot, () => bot.client.chat.delete({ channel: place, ts }))
  }
  return bot.words.leftOut(file.left)
}

async function picturesOf(bot: Bot, { message }: Answer): Promise<Map<string, Shown>> {
  const pictures = new Map<string, Shown>()
  for (const block of message?.blocks ?? []) {
    if (block.type !== 'picture') continue
    const file = await pictureFile(bot, block.id, block.alt)
    pictures.set(block.id, file?.ok ? { file: file.file } : undefined)
  }
  return pictures
}

/** ✅ or ⚠️ with the sentence, and the message under it. */
function drawn(
  bot: Bot,
  { ok, text, message }: Answer,
  { native, pictures, rest }: { native: boolean; pictures: ReadonlyMap<string, Shown>; rest?: string },
): Rendered {
  const line = `${ok ? '✅' : '⚠️'} ${answerAsTyped(translate(text, bot.language))}`
  const shown = message === undefined ? undefined : messageAsTyped(translateMessage(message, bot.language))
  return renderAnswer(line, shown, {
    native,
    mention: bot.mention,
    picture: (id) => pictures.get(id),
    words: bot.words,
    ...(rest === undefined ? {} : { rest }),
  })
}

/** Tells the messages of an answer from where an earlier try stopped, if they are still the same up to there. */
async function tellOn(bot: Bot, to: To, messages: readonly OneMessage[], plain: boolean): Promise<Sent> {
  const digestOf = (count: number): string =>
    createHash('sha256')
      .update(JSON.stringify(messages.slice(0, count)))
      .digest('base64url')
  const before = bot.told.get(to.id)
  const from = before !== undefined && digestOf(before.count) === before.digest ? before.count : 0
  const sent = await tell(bot, to, messages.slice(from), (count) => {
    bot.told.delete(to.id)
    bot.told.set(to.id, { count: from + count, digest: digestOf(from + count), plain })
    for (const old of bot.told.keys()) {
      if (bot.told.size <= MOST_REMEMBERED) break
      bot.told.delete(old)
    }
  })
  if (sent.at !== 'later') bot.told.delete(to.id)
  return sent
}

/** `told` hears how many stand there, after each. */
async function tell(
  bot: Bot,
  to: To,
  messages: readonly OneMessage[],
  told: (count: number) => void = () => {},
): Promise<Sent> {
  const patience: Patience = { ms: 0 }
  let last: Sent = { at: 'sent', identity: null }
  for (const [at, message] of messages.entries()) {
    last = await tellOne(bot, to, message, patience)
    if (last.at !== 'sent') return last
    told(at + 1)
    if (at === 0) patience.ms = bot.timings.patience
  }
  return last
}

/** By the deed's own address while it holds, else where it was done, else in a direct message. */
async function tellOne(bot: Bot, { id, user, reply }: To, message: OneMessage, patience: Patience): Promise<Sent> {
  if (await byResponse(bot, id, message)) return { at: 'sent', identity: null }
  const { channel, thread, direct } = reply
  const under = thread === undefined ? {} : { thread_ts: thread }
  if (channel !== undefined && direct !== true) {
    // Slack counts these for each person, and not as messages of the channel.
    const posted = await paced(bot, { place: `${channel} ${user}`, of: 'new', patience }, () =>
      bot.client.chat.postEphemeral({ channel, user, ...message, ...under }),
    )
    if (posted.ok) return { at: 'sent', identity: null }
    if (posted.failure.kind !== 'refused') return sentOf(posted.failure, false)
    if (posted.failure.error === 'invalid_blocks') throw new BlocksRefused()
    bot.log.info({ error: posted.failure.error }, 'slack answer goes to a direct message')
  }
  const place = direct === true && channel !== undefined ? channel : user
  const posted = await paced(bot, { place, of: 'new', patience }, () =>
    bot.client.chat.postMessage({
      channel: place,
      unfurl_links: false,
      unfurl_media: false,
      ...message,
      ...(direct ? under : {}),
    }),
  )
  if (posted.ok) return { at: 'sent', identity: null }
  if (posted.failure.kind === 'refused' && posted.failure.error === 'invalid_blocks') throw new BlocksRefused()
  return sentOf(posted.failure, false)
}

async function byResponse(bot: Bot, id: string, message: OneMessage): Promise<boolean> {
  const response = bot.responses.get(id)
  if (response === undefined || response.left <= 0 || response.until <= bot.clock().getTime()) return false
  response.left -= 1
  try {
    const answer = await fetch(response.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ response_type: 'ephemeral', replace_original: false, ...message }),
      redirect: 'error',
      signal: AbortSignal.timeout(bot.timings.call),
    })
    await answer.body?.cancel()
    return answer.ok
  } catch {
    return false
  }
}
