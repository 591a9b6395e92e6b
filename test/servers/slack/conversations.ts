import type { MethodContext } from './context.ts'
import { type Json, Refusal, text } from './types.ts'
import { type Channel, messageDocument, messagesOf } from './workspace.ts'

function readable({ workspace }: MethodContext, id: string): Channel {
  const channel = workspace.channels.get(id)
  if (channel === undefined || (channel.private && !channel.member)) throw new Refusal('channel_not_found')
  return channel
}

export const channelOf = (channel: Channel): Json =>
  channel.im === undefined
    ? {
        id: channel.id,
        name: channel.name,
        is_channel: !channel.private,
        is_group: channel.private,
        is_im: false,
        is_private: channel.private,
        is_archived: channel.archived,
        is_member: channel.member,
      }
    : { id: channel.id, is_im: true, user: channel.im, is_archived: false }

export function information(context: MethodContext, args: Json): Json {
  return { channel: channelOf(readable(context, text(args.channel))) }
}

const isTrue = (value: unknown) => value === true || value === 'true' || value === '1' || value === 1

/** A time or a ts as a number of microseconds, so that 16 digits compare exactly. */
function micros(value: string): bigint {
  const [, seconds, part = ''] = /^(\d{1,12})(?:\.(\d{1,6}))?$/.exec(value) ?? []
  if (seconds === undefined) throw new Refusal('invalid_arguments', ['[ERROR] invalid timestamp'])
  return BigInt(seconds) * 1_000_000n + BigInt(part.padEnd(6, '0') || '0')
}

/** One page of ascending messages; `pick` decides from which end it is filled. */
function page(
  context: MethodContext,
  args: Json,
  channel: Channel,
  wanted: (ts: string, head?: string) => boolean,
  newestFirst: boolean,
): Json {
  const all = messagesOf(context.workspace, channel.id)
  const inclusive = isTrue(args.inclusive)
  const oldest = text(args.oldest)
  const latest = text(args.latest)
  const inside = all.filter((message) => {
    const at = micros(message.ts)
    if (oldest !== '' && (inclusive ? at < micros(oldest) : at <= micros(oldest))) return false
    return latest === '' || (inclusive ? at <= micros(latest) : at < micros(latest))
  })
  const found = inside.filter((message) => wanted(message.ts, message.thread_ts))
  if (newestFirst) found.reverse()
  const limit = text(args.limit) === '' ? 100 : Number(args.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > 999) throw new Refusal('invalid_limit')
  const cursor = text(args.cursor)
  const from =
    cursor === '' ? 0 : found.findIndex(({ ts }) => `next_ts:${ts}` === Buffer.from(cursor, 'base64').toString())
  if (from < 0) throw new Refusal('invalid_cursor')
  const next = found[from + limit]
  return {
    messages: found
      .slice(from, from + limit)
      .map((message) => messageDocument(message, all, isTrue(args.include_all_metadata))),
    has_more: next !== undefined,
    pin_count: 0,
    response_metadata: { next_cursor: next === undefined ? '' : Buffer.from(`next_ts:${next.ts}`).toString('base64') },
  }
}

/** Newest first; what stands in threads is not here. */
export function history(context: MethodContext, args: Json): Json {
  const channel = readable(context, text(args.channel))
  if (!channel.member) throw new Refusal('not_in_channel')
  return page(context, args, channel, (_ts, head) => head === undefined, true)
}

/** Oldest first, the head included. */
export function replies(context: MethodContext, args: Json): Json {
  const channel = readable(context, text(args.channel))
  if (!channel.member) throw new Refusal('not_in_channel')
  const head = text(args.ts)
  if (!messagesOf(context.workspace, channel.id).some(({ ts }) => ts === head)) throw new Refusal('thread_not_found')
  return page(context, args, channel, (ts, thread) => ts === head || thread === head, false)
}
