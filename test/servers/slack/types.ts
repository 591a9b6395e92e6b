/** JSON as it came over the wire. */
export type Json = Record<string, unknown>
export type Block = { type: string; block_id?: string; [field: string]: unknown }

export interface SlackMessage {
  ts: string
  thread_ts?: string
  text: string
  blocks: Block[]
  metadata?: { event_type: string; event_payload: Json }
  /** How many times it was edited. */
  edited: number
  /** Who wrote it. */
  user: string
  bot_id?: string
  files?: { id: string; title: string; mimetype: string; size: number }[]
}

export interface Ephemeral {
  channel?: string
  text: string
  blocks?: Block[]
  via: 'postEphemeral' | 'response_url' | 'ack'
  ts: string
  thread_ts?: string
}

export interface View {
  id: string
  type: 'modal'
  hash: string
  callback_id: string
  private_metadata: string
  external_id: string
  notify_on_close: boolean
  clear_on_close: boolean
  title: { type: string; text: string }
  submit?: { type: string; text: string }
  close?: { type: string; text: string }
  blocks: Block[]
  [field: string]: unknown
}

export interface Modal {
  view: View
  trigger: string
}

/** `ms` from the deed to the acknowledgement, or to the end of the redeliveries. */
export interface Delivered {
  acked: boolean
  /** What the app answered with the acknowledgement. */
  response?: unknown
  ms: number
  /** How often it was sent to the app, duplicates included. */
  attempts: number
  /** The text of the dialog that was answered with yes. */
  confirmed?: string
}

export interface Call {
  method: string
  args: Json
  at: number
  status: number
  error?: string
}

/** One envelope on its way: what the app received when. */
export interface Attempt {
  id: string
  type: DeliveryType
  attempt: number
  at: number
  acked: boolean
}

export type DeliveryType = 'events_api' | 'slash_commands' | 'interactive'

export interface SlackServerOptions {
  /** What the bot token may; those of manifest.yml when left out. */
  scopes?: readonly string[]
  /** The slash commands that Slack knows, with the slash; those of manifest.yml when left out. */
  commands?: readonly string[]
  /** Socket Mode by default; with it everything goes to this address as signed requests. */
  http?: { url: string | (() => string); signingSecret?: string }
  rates?: Partial<Rates>
  /** How long an app has to acknowledge (3,000 ms). */
  ackMs?: number
  /** The waits before the redeliveries; at most three in Socket Mode [0, 0, 0], and in HTTP mode those of Slack scaled [0, 300, 1,500] ms. */
  retryMs?: readonly number[]
  /** How long a trigger_id lives (3,000 ms). */
  triggerMs?: number
  /** How long a response_url lives (30 min). */
  responseMs?: number
  /** How long until an uploaded picture may stand in a block (0). */
  fileReadyMs?: number
  /** Between the pings of the server (10,000 ms). */
  pingMs?: number
  /** Between the warning and refresh_requested (100 ms). */
  warnMs?: number
}

export interface Rates {
  /** chat.postMessage in one channel: so many at once, and then so many a second. */
  post: { burst: number; perSecond: number }
  /** Every other method, a minute; that of its tier at Slack when left out (50 or 100). */
  perMinute?: number
}

/** What Slack refuses: `error` with HTTP status 200, as the Web API does it. */
export class Refusal extends Error {
  readonly error: string
  readonly messages: string[]
  readonly more: Json
  constructor(error: string, messages: string[] = [], more: Json = {}) {
    super(error)
    this.error = error
    this.messages = messages
    this.more = more
  }
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

export const text = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
