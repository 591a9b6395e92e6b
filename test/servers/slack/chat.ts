import { shownLength } from './blocks.ts'
import type { MethodContext } from './context.ts'
import { needBlocks } from './rules.ts'
import { type Block, isObject, type Json, objects, Refusal, type SlackMessage, text } from './types.ts'
import {
  BOT,
  BOT_USER,
  type Channel,
  directMessage,
  ephemeralsOf,
  messageDocument,
  messagesOf,
  nextTs,
} from './workspace.ts'

/** Where text is cut off is where this server refuses: nobody shall count on it being shown. An edit takes far less. */
const TEXT = 40_000
const EDITED_TEXT = 4000
const SHOWN = 13_200
const METADATA = 16_000

/** The channel if the bot may write there. A person's id stands for the direct message with that person. */
export function writable({ workspace }: MethodContext, id: string): Channel {
  const user = workspace.users.get(id)
  if (user !== undefined) return directMessage(workspace, user.id)
  const channel = workspace.channels.get(id)
  if (channel === undefined || (channel.private && !channel.member)) throw new Refusal('channel_not_found')
  if (channel.archived) throw new Refusal('is_archived')
  if (!channel.member) throw new Refusal('not_in_channel')
  return channel
}

/** Text and blocks as they came, once they are allowed. */
export function contentOf(
  context: MethodContext,
  args: Json,
  most: { text: number; shown: number } = { text: TEXT, shown: Number.POSITIVE_INFINITY },
): { text: string; blocks: Block[] | undefined } {
  const written = text(args.text)
  if (args.blocks !== undefined) needBlocks(context, args.blocks)
  const blocks = args.blocks === undefined ? undefined : (objects(args.blocks) as Block[])
  const markdown = text(args.markdown_text)
  if (markdown !== '' && (written !== '' || blocks !== undefined)) throw new Refusal('markdown_text_conflict')
  if (shownLength(args.blocks) > most.shown) throw new Refusal('msg_blocks_too_long')
  if (written.length > most.text || markdown.length > 12_000) throw new Refusal('msg_too_long')
  return { text: written || markdown, blocks: blocks === undefined ? undefined : withIds(blocks) }
}

/** Slack gives every block, and every element that people can use, an id where the app gave none. */
export function withIds(blocks: Block[]): Block[] {
  const named = structuredClone(blocks)
  for (const block of named) nameAll(block)
  return named
}

let made = 0
const STATIC = /^(?:plain_text|mrkdwn|image|rich_text\w*|raw_\w+|text|link|card|task_card)$/

function nameAll(block: Json): void {
  block.block_id ??= `b${(++made).toString(36)}`
  for (const child of objects(block.child_blocks)) nameAll(child)
  for (const element of [
    ...objects(block.elements),
    ...objects(block.actions),
    ...objects([block.accessory, block.element]),
  ])
    if (!STATIC.test(text(element.type))) element.action_id ??= `a${(++made).toString(36)}`
}

/** Undefined when none was given; `{}` takes it off. */
function metadataOf(args: Json): SlackMessage['metadata'] | 'none' | undefined {
  const metadata = args.metadata
  if (metadata === undefined) return undefined
  if (!isObject(metadata)) throw new Refusal('invalid_metadata_format')
  if (Object.keys(metadata).length === 0) return 'none'
  const { event_type, event_payload } = metadata
  if (typeof event_type !== 'string' || !/^[A-Za-z_]\w{0,254}$/.test(event_type) || !isObject(event_payload))
    throw new Refusal('invalid_metadata_format')
  const flat = (value: unknown, depth: number): boolean => {
    if (value === null || value === undefined) return false
    if (Array.isArray(value)) return depth < 2 && value.every((each) => flat(each, depth + 1))
    if (typeof value === 'object') return depth < 2 && Object.values(value).every((each) => flat(each, depth + 1))
    return true
  }
  if (!Object.values(event_payload).every((value) => flat(value, 0))) throw new Refusal('invalid_metadata_format')
  if (Buffer.byteLength(JSON.stringify(metadata)) > METADATA) throw new Refusal('metadata_too_large')
  return { event_type, event_payload }
}

/** The head of the thread; Slack puts an answer to an answer under the head as well. */
export function headOf(context: MethodContext, channel: string, args: Json): string | undefined {
  const ts = text(args.thread_ts)
  if (ts === '') return undefined
  const found = messagesOf(context.workspace, channel).find((each) => each.ts === ts)
  if (found === undefined) throw new Refusal('thread_not_found')
  return found.thread_ts ?? found.ts
}

export function postMessage(context: MethodContext, args: Json): Json {
  const channel = writable(context, text(args.channel))
  const metadata = metadataOf(args)
  const content = contentOf(context, args, { text: TEXT, shown: SHOWN })
  if (content.text === '' && (content.blocks ?? []).length === 0) throw new Refusal('no_text')
  const thread_ts = headOf(context, channel.id, args)
  const message: SlackMessage = {
    ts: nextTs(),
    ...(thread_ts === undefined ? {} : { thread_ts }),
    text: content.text,
    blocks: content.blocks ?? [],
    ...(metadata === undefined || metadata === 'none' ? {} : { metadata }),
    edited: 0,
    user: BOT_USER,
    bot_id: BOT,
  }
  const all = messagesOf(context.workspace, channel.id)
  all.push(message)
  const document = messageDocument(message, all, true)
  if (channel.im !== undefined)
    context.echo({ ...document, channel: channel.id, channel_type: 'im', event_ts: message.ts })
  return { channel: channel.id, ts: message.ts, message: document }
}

/** One of the bot's own messages. */
function own(context: MethodContext, channel: string, ts: string, refusal: string): SlackMessage {
  const message = messagesOf(context.workspace, channel).find((each) => each.ts === ts)
  if (message === undefined) throw new Refusal('message_not_found')
  if (message.user !== BOT_USER) throw new Refusal(refusal)
  return message
}

/** Blocks and metadata that are left out stay as they are; an empty list or object takes them off. */
export function updateMessage(context: MethodContext, args: Json): Json {
  const id = text(args.channel)
  const channel = id.startsWith('U') ? undefined : context.workspace.channels.get(id)
  if (channel === undefined || (channel.private && !channel.member)) throw new Refusal('channel_not_found')
  if (channel.archived) throw new Refusal('is_archived')
  const message = own(context, channel.id, text(args.ts), 'cant_update_message')
  const metadata = metadataOf(args)
  const content = contentOf(context, args, { text: EDITED_TEXT, shown: SHOWN })
  if (content.text === '' && content.blocks === undefined) throw new Refusal('no_text')
  message.text = content.text
  if (content.blocks !== undefined) message.blocks = content.blocks
  if (metadata === 'none') delete message.metadata
  else if (metadata !== undefined) message.metadata = metadata
  message.edited += 1
  const all = messagesOf(context.workspace, channel.id)
  const document = messageDocument(message, all, true)
  const about = { channel: channel.id, channel_type: 'im', ts: nextTs(), event_ts: nextTs() }
  if (channel.im !== undefined)
    context.echo({ type: 'message', subtype: 'message_changed', hidden: true, message: document, ...about })
  return { channel: channel.id, ts: message.ts, text: message.text, message: document }
}

export function removeMessage(context: MethodContext, args: Json): Json {
  const channel = writable(context, text(args.channel))
  const message = own(context, channel.id, text(args.ts), 'cant_delete_message')
  const all = messagesOf(context.workspace, channel.id)
  all.splice(all.indexOf(message), 1)
  return { channel: channel.id, ts: message.ts }
}

export function postEphemeral(context: MethodContext, args: Json): Json {
  const channel = writable(context, text(args.channel))
  const user = context.workspace.users.get(text(args.user))
  if (user === undefined || user.deleted) throw new Refusal('user_not_in_channel')
  const content = contentOf(context, args, { text: TEXT, shown: SHOWN })
  if (content.text === '' && (content.blocks ?? []).length === 0) throw new Refusal('no_text')
  const thread_ts = headOf(context, channel.id, args)
  const ts = nextTs()
  ephemeralsOf(context.workspace, user.id).push({
    channel: channel.id,
    text: content.text,
    ...(content.blocks === undefined ? {} : { blocks: content.blocks }),
    via: 'postEphemeral',
    ts,
    ...(thread_ts === undefined ? {} : { thread_ts }),
  })
  return { message_ts: ts }
}
