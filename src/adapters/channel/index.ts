import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { ChannelLog, Chat, Message, Post, StoredPost } from '../../ports/chat.ts'
import type { Entry, Json, Store } from '../../ports/store.ts'

const COLLECTION = 'messages'

const rowSchema = z.object({
  channel: z.string(),
  thread: z.string().optional(),
  message: z.custom<Message>((value) => typeof value === 'object' && value !== null),
  revision: z.number(),
  /** Missing when the process died before the post got its place. */
  number: z.number().optional(),
  postedAt: z.string().default(''),
  editedAt: z.string().optional(),
  /** The newest version that it was drawn from, as far as its words changed with it. */
  basis: z.number().optional(),
})
type MessageRow = z.infer<typeof rowSchema>

/** Where a post is shown: told of it once it is durable. It must not throw, and does its own catching up after a restart. */
export interface Surface {
  readonly surface: string
  show(key: string): Promise<void>
}

/**
 * The channels as they stand, kept in the store: one row per post in `messages`, and one stream per channel or thread for the
 * order of first posting. Every surface shows from it, so that all of them show the same. A drawing of an older version never
 * replaces one of a newer (`Post.basis`): two processes may draw the same card, and the slower one may have looked earlier.
 */
export function createChannel(options: { store: Store; clock: () => Date; surfaces: Surface[] }): Chat & ChannelLog {
  const { store, clock, surfaces } = options

  async function save(post: Post): Promise<void> {
    for (;;) {
      const row = await store.get(COLLECTION, post.key)
      if (row === undefined) {
        await store.insert(COLLECTION, post.key, { ...document(post), revision: 1, postedAt: clock().toISOString() })
        continue
      }
      const before = rowSchema.parse(row.document)
      const placed = before.number ?? (await store.append(streamOf(before), { key: post.key }))
      // The same words again, after a crash, or older ones: nothing to show.
      const edited = !isOlder(post, before) && !isDeepStrictEqual(before.message, plainJson(post.message))
      if (!edited && before.number !== undefined) return
      const after = {
        ...before,
        ...(edited
          ? { message: post.message, revision: before.revision + 1, editedAt: clock().toISOString(), ...basisOf(post) }
          : undefined),
        number: placed,
      }
      if ((await store.put(COLLECTION, post.key, after as unknown as Json, row.version)) !== undefined) return
    }
  }

  async function stored(key: string): Promise<StoredPost | undefined> {
    const row = await store.get(COLLECTION, key)
    if (row === undefined) return undefined
    const { number, ...rest } = rowSchema.parse(row.document)
    if (number === undefined) return undefined
    const [last] = rest.thread === undefined ? await store.last(threadOf(key), 1) : []
    return { key, ...rest, number, replies: last === undefined ? 0 : last.seq + 1 }
  }

  return {
    surface: 'channel',
    async put(post: Post): Promise<void> {
      await save(post)
      await Promise.all(surfaces.map((surface) => surface.show(post.key)))
    },
    one: stored,
    async page({ channel, thread, before, limit }) {
      const stream = streamOf({ channel, thread })
      const entries =
        before === undefined
          ? await store.last(stream, limit)
          : (await store.read(stream, Math.max(0, before - limit), limit)).filter(({ seq }) => seq < before)
      const found = await Promise.all(entries.map(async (entry) => ({ entry, post: await stored(keyOf(entry)) })))
      return {
        // A process that died while it gave a post its place has given it another one since.
        posts: found.flatMap(({ entry, post }) => (post?.number === entry.seq ? [post] : [])),
        more: (entries[0]?.seq ?? 0) > 0,
      }
    },
  }
}

function document(post: Post): { [key: string]: Json } {
  return {
    channel: post.channel,
    ...(post.thread === undefined ? {} : { thread: post.thread }),
    message: post.message as unknown as Json,
    ...basisOf(post),
  }
}

function basisOf({ basis }: Post): { basis?: number } {
  return basis === undefined ? {} : { basis }
}

function isOlder(post: Post, before: MessageRow): boolean {
  return post.basis !== undefined && before.basis !== undefined && post.basis < before.basis
}

function plainJson(message: Message): unknown {
  return JSON.parse(JSON.stringify(message))
}

function streamOf({ channel, thread }: Pick<MessageRow, 'channel' | 'thread'>): string {
  return thread === undefined ? `channel/${channel}` : threadOf(thread)
}

function threadOf(key: string): string {
  return `thread/${key}`
}

function keyOf({ entry }: Entry): string {
  return z.object({ key: z.string() }).parse(entry).key
}
