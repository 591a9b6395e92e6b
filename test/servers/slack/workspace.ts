import { randomBytes } from 'node:crypto'
import type { Call, Ephemeral, Json, Modal, SlackMessage } from './types.ts'

export const TEAM = 'T0ROLLCALL'
export const APP = 'A0ROLLCALL'
export const BOT_USER = 'U0ROLLBOT'
export const BOT = 'B0ROLLBOT'

export interface Channel {
  id: string
  name: string
  member: boolean
  private: boolean
  archived: boolean
  /** The person at the other end of a direct message. */
  im?: string
}
export interface User {
  id: string
  name: string
  bot: boolean
  deleted: boolean
}
export interface StoredFile {
  id: string
  name: string
  title: string
  length: number
  bytes?: Buffer
  completedAt?: number
  shares: { channel: string; ts: string; thread_ts?: string }[]
}
export interface Trigger {
  user: string
  at: number
  used: boolean
}
/** Where an app may answer a deed: a message that it may replace, or just a place. */
export interface ResponseUrl {
  user: string
  channel: string
  at: number
  left: number
  message?: { ts: string; ephemeral: boolean }
  thread?: string
}

/** Everything that Slack remembers. */
export interface Workspace {
  channels: Map<string, Channel>
  users: Map<string, User>
  messages: Map<string, SlackMessage[]>
  ephemerals: Map<string, Ephemeral[]>
  modals: Map<string, Modal[]>
  files: Map<string, StoredFile>
  triggers: Map<string, Trigger>
  responses: Map<string, ResponseUrl>
  calls: Call[]
}

export function createWorkspace(): Workspace {
  const workspace: Workspace = {
    channels: new Map(),
    users: new Map(),
    messages: new Map(),
    ephemerals: new Map(),
    modals: new Map(),
    files: new Map(),
    triggers: new Map(),
    responses: new Map(),
    calls: [],
  }
  workspace.users.set(BOT_USER, { id: BOT_USER, name: 'rollcall', bot: true, deleted: false })
  return workspace
}

let last = 0
/** A message's identity: unique and ascending, seconds with six places. */
export function nextTs(): string {
  last = Math.max(last + 1, Date.now() * 1000)
  return `${Math.floor(last / 1_000_000)}.${String(last % 1_000_000).padStart(6, '0')}`
}

export const token = (bytes = 12): string => randomBytes(bytes).toString('hex')

/** The direct message with a person, opened where it is not. */
export function directMessage(workspace: Workspace, user: string): Channel {
  const id = `D${user.slice(1)}`
  const known = workspace.channels.get(id)
  if (known !== undefined) return known
  const channel = { id, name: 'directmessage', member: true, private: true, archived: false, im: user }
  workspace.channels.set(id, channel)
  return channel
}

export function messagesOf(workspace: Workspace, channel: string): SlackMessage[] {
  const list = workspace.messages.get(channel) ?? []
  workspace.messages.set(channel, list)
  return list
}

export function ephemeralsOf(workspace: Workspace, user: string): Ephemeral[] {
  const list = workspace.ephemerals.get(user) ?? []
  workspace.ephemerals.set(user, list)
  return list
}

export function modalsOf(workspace: Workspace, user: string): Modal[] {
  const list = workspace.modals.get(user) ?? []
  workspace.modals.set(user, list)
  return list
}

export function newTrigger(workspace: Workspace, user: string): string {
  const id = `${Date.now()}.${TEAM}.${token(16)}`
  workspace.triggers.set(id, { user, at: Date.now(), used: false })
  return id
}

/** A message in the shape in which Slack hands it out. */
export function messageDocument(message: SlackMessage, all: readonly SlackMessage[], metadata: boolean): Json {
  const replies = all.filter((each) => each.thread_ts === message.ts && each.ts !== message.ts)
  const head =
    replies.length === 0
      ? {}
      : { thread_ts: message.ts, reply_count: replies.length, latest_reply: replies.at(-1)?.ts, reply_users_count: 1 }
  return {
    type: 'message',
    user: message.user,
    ts: message.ts,
    text: message.text,
    team: TEAM,
    ...(message.bot_id === undefined ? {} : { bot_id: message.bot_id, app_id: APP }),
    ...(message.blocks.length === 0 ? {} : { blocks: message.blocks }),
    ...(message.thread_ts === undefined ? {} : { thread_ts: message.thread_ts, parent_user_id: BOT_USER }),
    ...head,
    ...(message.edited === 0 ? {} : { edited: { user: message.user, ts: message.ts } }),
    ...(message.files === undefined ? {} : { files: message.files }),
    ...(metadata && message.metadata !== undefined ? { metadata: message.metadata } : {}),
  }
}
