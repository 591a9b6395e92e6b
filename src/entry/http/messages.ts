import { z } from 'zod'
import { suggestion } from '../../lib/did-you-mean.ts'
import { Fault } from '../../lib/fault.ts'
import type { StoredPost } from '../../ports/chat.ts'
import type { MessagePage, MessageView, TypedAnswer } from '../../ports/console.ts'
import { runCommand } from '../command.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import { fromOf } from './guard.ts'
import { answers, key, message, pageSize, word } from './schema.ts'

const messageView = z.object({
  key: z.string(),
  channel: z.string(),
  thread: z.string().optional(),
  number: z.number(),
  message,
  revision: z.number(),
  postedAt: z.string(),
  editedAt: z.string().optional(),
  replies: z.number(),
}) satisfies z.ZodType<MessageView>

const messagePage = z.object({ messages: z.array(messageView), more: z.boolean() }) satisfies z.ZodType<MessagePage>

const typedAnswer = z.object({
  ok: z.boolean(),
  text: z.string(),
  message: message.optional(),
}) satisfies z.ZodType<TypedAnswer>

/** What stands in the channels, and what people type there. */
export function messageRoutes(app: App, { desk, log, commands, channels, heard }: ServerDeps): void {
  const tags = ['messages']

  const pageQuery = z.strictObject({
    channel: word,
    thread: key.optional(),
    before: z.coerce.number().int().min(0).optional(),
    limit: pageSize,
  })
  app.get(
    '/api/v1/messages',
    {
      schema: {
        tags,
        summary: 'A page of a channel or thread',
        querystring: pageQuery,
        response: answers(messagePage),
      },
    },
    async ({ query }): Promise<MessagePage> => {
      needChannel(channels, query.channel)
      const { posts, more } = await log.page(query)
      return { messages: posts.map(view), more }
    },
  )

  const one = z.strictObject({ key })
  app.get(
    '/api/v1/messages/one',
    { schema: { tags, summary: 'One message by its key', querystring: one, response: answers(messageView) } },
    async ({ query }): Promise<MessageView> => {
      const post = await log.one(query.key)
      if (post !== undefined) return view(post)
      throw new Fault('entry.unknown-message', { say: 'There is no such message.', next: 'look into the channel' })
    },
  )

  const typed = z.strictObject({ channel: word, text: z.string().min(1).max(10_000) })
  app.post(
    '/api/v1/messages',
    { schema: { tags, summary: 'A typed command', body: typed, response: answers(typedAnswer) } },
    async (request): Promise<TypedAnswer> => {
      const { channel, text } = request.body
      needChannel(channels, channel)
      const person = personOf(request)
      const answer =
        (await heard?.(person, text)) ??
        (await runCommand({ desk, person, channel, commands, from: fromOf(request) }, text))
      return { ok: answer.ok, text: answer.text, ...(answer.message === undefined ? {} : { message: answer.message }) }
    },
  )
}

function needChannel(channels: string[], channel: string): void {
  if (channels.includes(channel)) return
  throw new Fault('entry.unknown-channel', {
    say: `There is no channel ${JSON.stringify(channel.slice(0, 80))}.${suggestion(channel, channels)}`,
    next: `use one of: ${channels.slice(0, 20).join(', ')}`,
  })
}

function view(post: StoredPost): MessageView {
  const { key, channel, thread, number, message, revision, postedAt, editedAt, replies } = post
  return { key, channel, thread, number, message, revision, postedAt, editedAt, replies }
}
