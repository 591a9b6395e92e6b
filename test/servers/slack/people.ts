/** What people do in Slack, and the payloads in which the app hears of it. */
import { contentOf } from './chat.ts'
import type { MethodContext } from './context.ts'
import { KEPT } from './kept.ts'
import { newResponseUrl } from './responses.ts'
import type { Deliverer } from './socket.ts'
import { type Block, type Delivered, type Ephemeral, isObject, type Json, objects, text } from './types.ts'
import {
  APP,
  BOT_USER,
  type Channel,
  directMessage,
  ephemeralsOf,
  messageDocument,
  messagesOf,
  newTrigger,
  nextTs,
  TEAM,
  token,
  type User,
} from './workspace.ts'

export interface PeopleContext extends MethodContext {
  deliverer: Deliverer
  commands: readonly string[]
}

export const VERIFICATION = 'verification'

export function personOf({ workspace }: MethodContext, id: string): User {
  const user = workspace.users.get(id)
  if (user === undefined || user.deleted || user.bot)
    throw new Error(`${id} is nobody who could do that: addUser first`)
  return user
}

function channelOf({ workspace }: MethodContext, id: string): Channel {
  const channel = workspace.channels.get(id)
  if (channel === undefined) throw new Error(`there is no channel ${id}: addChannel first`)
  return channel
}

export async function slash(
  context: PeopleContext,
  userId: string,
  channelId: string,
  line: string,
): Promise<Delivered> {
  const user = personOf(context, userId)
  const channel = channelOf(context, channelId)
  const [typed = '', ...rest] = line.split(' ')
  // Whoever knows that Slack keeps a name for itself types the one in the manifest.
  const command = KEPT.has(typed.slice(1)) ? `/rollcall-${typed.slice(1)}` : typed
  if (!context.commands.includes(command)) throw new Error(`Slack says: ${command} is not a valid command`)
  const delivered = await context.deliverer.deliver('slash_commands', {
    token: VERIFICATION,
    team_id: TEAM,
    team_domain: 'rollcall',
    channel_id: channel.id,
    channel_name: channel.name,
    user_id: user.id,
    user_name: user.name,
    command,
    text: rest.join(' '),
    api_app_id: APP,
    is_enterprise_install: 'false',
    response_url: newResponseUrl(context, { user: user.id, channel: channel.id }),
    trigger_id: newTrigger(context.workspace, user.id),
  })
  showAck(context, user.id, channel.id, delivered)
  return delivered
}

/** What came with the acknowledgement of a command is shown, to the person alone unless it says otherwise. */
function showAck(context: PeopleContext, user: string, channel: string, { response }: Delivered): void {
  if (!isObject(response) || (text(response.text) === '' && response.blocks === undefined)) return
  const content = contentOf(context, response)
  const blocks = content.blocks === undefined ? {} : { blocks: content.blocks }
  if (response.response_type === 'in_channel')
    messagesOf(context.workspace, channel).push({
      ...{ ts: nextTs(), text: content.text, blocks: content.blocks ?? [], edited: 0, user: BOT_USER },
    })
  else ephemeralsOf(context.workspace, user).push({ channel, text: content.text, ...blocks, via: 'ack', ts: nextTs() })
}

const richText = (words: string) => [
  {
    type: 'rich_text',
    block_id: token(3),
    elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text: words }] }],
  },
]

/** Writes it down where people read it, and tells the app. */
function say(context: PeopleContext, user: User, channel: Channel, words: string, thread: string | undefined): Json {
  const all = messagesOf(context.workspace, channel.id)
  if (thread !== undefined && !all.some(({ ts }) => ts === thread)) throw new Error(`there is no thread ${thread}`)
  const ts = nextTs()
  const blocks = richText(words)
  all.push({
    ts,
    ...(thread === undefined ? {} : { thread_ts: thread }),
    text: words,
    blocks,
    edited: 0,
    user: user.id,
  })
  return {
    user: user.id,
    text: words,
    ts,
    client_msg_id: token(8),
    team: TEAM,
    channel: channel.id,
    event_ts: ts,
    blocks,
    ...(thread === undefined ? {} : { thread_ts: thread }),
  }
}

export function eventBody(event: Json): Json {
  return {
    token: VERIFICATION,
    team_id: TEAM,
    context_team_id: TEAM,
    api_app_id: APP,
    event,
    type: 'event_callback',
    event_id: `Ev${token(5).toUpperCase()}`,
    event_time: Math.floor(Date.now() / 1000),
    authorizations: [
      { enterprise_id: null, team_id: TEAM, user_id: BOT_USER, is_bot: true, is_enterprise_install: false },
    ],
    is_ext_shared_channel: false,
    event_context: `4-${token(8)}`,
  }
}

export function mention(context: PeopleContext, userId: string, channelId: string, words: string, thread?: string) {
  const user = personOf(context, userId)
  const channel = channelOf(context, channelId)
  if (!channel.member) throw new Error(`the bot is not in ${channelId}, so it does not hear of a mention there`)
  if (!context.scopes.includes('app_mentions:read'))
    throw new Error('the app may not hear of mentions: app_mentions:read')
  const line = words.includes(`<@${BOT_USER}>`) ? words : `<@${BOT_USER}> ${words}`
  return context.deliverer.deliver(
    'events_api',
    eventBody({ type: 'app_mention', ...say(context, user, channel, line, thread) }),
  )
}

export function dm(context: PeopleContext, userId: string, words: string): Promise<Delivered> {
  const user = personOf(context, userId)
  if (!context.scopes.includes('im:history')) throw new Error('the app may not hear of direct messages: im:history')
  const channel = directMessage(context.workspace, user.id)
  const event = { type: 'message', channel_type: 'im', ...say(context, user, channel, words, undefined) }
  return context.deliverer.deliver('events_api', eventBody(event))
}

/** Buttons wherever they may stand. */
function buttonsOf(blocks: readonly Json[]): { button: Json; block: Json }[] {
  return blocks.flatMap((block) => [
    ...[...objects(block.elements), ...objects([block.accessory]), ...objects(block.actions)]
      .filter(({ type }) => type === 'button')
      .map((button) => ({ button, block })),
    ...buttonsOf(objects(block.child_blocks)),
  ])
}

const labelOf = (element: Json): string => (isObject(element.text) ? text(element.text.text) : '')

function findButton(blocks: readonly Json[], label: string): { button: Json; block: Json } {
  const all = buttonsOf(blocks)
  const found = all.filter(({ button }) => labelOf(button) === label || button.action_id === label)
  const [one] = found
  if (one === undefined)
    throw new Error(
      `no button ${JSON.stringify(label)} here now, only ${JSON.stringify(all.map(({ button }) => labelOf(button)))}`,
    )
  if (found.length > 1) throw new Error(`${found.length} buttons ${JSON.stringify(label)}: name one by its action_id`)
  return one
}

export const userDocument = (user: User): Json => ({ id: user.id, username: user.name, name: user.name, team_id: TEAM })

async function press(
  context: PeopleContext,
  user: User,
  channel: Channel,
  blocks: readonly Block[],
  label: string,
  where: { ts: string; ephemeral: boolean; thread?: string; message?: Json },
): Promise<Delivered> {
  const { button, block } = findButton(blocks, label)
  const confirm = isObject(button.confirm) ? button.confirm : undefined
  const delivered = await context.deliverer.deliver('interactive', {
    type: 'block_actions',
    user: userDocument(user),
    api_app_id: APP,
    token: VERIFICATION,
    container: {
      type: 'message',
      message_ts: where.ts,
      channel_id: channel.id,
      is_ephemeral: where.ephemeral,
      ...(where.thread === undefined ? {} : { thread_ts: where.thread }),
    },
    trigger_id: newTrigger(context.workspace, user.id),
    team: { id: TEAM, domain: 'rollcall' },
    enterprise: null,
    is_enterprise_install: false,
    channel: { id: channel.id, name: channel.name },
    ...(where.message === undefined ? {} : { message: where.message }),
    state: { values: {} },
    response_url: newResponseUrl(context, {
      user: user.id,
      channel: channel.id,
      message: { ts: where.ts, ephemeral: where.ephemeral },
      ...(where.thread === undefined ? {} : { thread: where.thread }),
    }),
    actions: [
      {
        action_id: button.action_id,
        block_id: block.block_id,
        text: button.text,
        ...(button.value === undefined ? {} : { value: button.value }),
        ...(button.style === undefined ? {} : { style: button.style }),
        ...(confirm === undefined ? {} : { confirm }),
        type: 'button',
        action_ts: nextTs(),
      },
    ],
  })
  return confirm === undefined ? delivered : { ...delivered, confirmed: labelOf(confirm) }
}

/** The button as it stands now: one that was edited away cannot be pressed any more. */
export function click(context: PeopleContext, userId: string, channelId: string, ts: string, label: string) {
  const user = personOf(context, userId)
  const channel = channelOf(context, channelId)
  const all = messagesOf(context.workspace, channelId)
  const message = all.find((each) => each.ts === ts)
  if (message === undefined) throw new Error(`there is no message ${ts} in ${channelId}`)
  const thread = message.thread_ts
  return press(context, user, channel, message.blocks, label, {
    ts,
    ephemeral: false,
    ...(thread === undefined ? {} : { thread }),
    message: messageDocument(message, all, true),
  })
}

/** The payload of an ephemeral message's button holds no message: Slack keeps none. */
export function clickEphemeral(context: PeopleContext, userId: string, index: number, label: string) {
  const user = personOf(context, userId)
  const shown: Ephemeral | undefined = ephemeralsOf(context.workspace, userId).at(index)
  if (shown?.channel === undefined) throw new Error(`${userId} sees no ephemeral message ${index}`)
  const channel = channelOf(context, shown.channel)
  const thread = shown.thread_ts
  const where = { ts: shown.ts, ephemeral: true, ...(thread === undefined ? {} : { thread }) }
  return press(context, user, channel, shown.blocks ?? [], label, where)
}
