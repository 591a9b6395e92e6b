import type { Card } from './card.ts'
import type { Rates, Windows } from './outgoing.ts'
import type { Limit } from './rates.ts'
import type { Refusal } from './wire.ts'
import type { ChatType, WecomMessage } from './world.ts'

export interface WecomOptions {
  botId?: string
  secret?: string
  /** The name that is mentioned in groups; 'Rollcall' unless told. */
  name?: string
  /** What stands between a mention and the text: a space unless told. Clients put zero-width characters there, too. */
  mentionEnd?: string
  /** Sends per conversation as one of the two editions of the documentation has them; 'standard' unless told. */
  profile?: 'standard' | 'legacy'
  /** Instead of the profile's. */
  rates?: Rates
  /** Of a group webhook: 20 a minute unless told. */
  webhookRate?: Limit
  /** Every duration of the service times this; 1 unless told. */
  scale?: number
  /** Instead of the scaled ones. */
  windows?: Partial<Windows>
  /** How long `say` and `enter` wait for an answer on their own req_id: 5,000 ms unless told. */
  settleMs?: number
  /** Clicks as the types of the SDK have them, at `event.event_key`; nested, as on the real wire, unless told. */
  flatEvents?: boolean
  /** Which colons keep a card from being shown; 'anywhere' on it, its addresses apart, unless told. */
  colons?: 'anywhere' | 'in the task id'
  /** `taskid` instead of `task_id` in clicks. */
  taskid?: boolean
}

export interface Heard {
  /** False when no connection of the bot was there to take it: nobody is told, and it does not come again. */
  delivered: boolean
  msgid: string
  /** Of every delivery. */
  reqIds: string[]
  /** From the deed to this answer. */
  ms: number
  /** The card after the click, and how long it took. Undefined when it was not updated within the window. */
  updated?: Card
  updatedMs?: number
  /** What came on the deed's own req_id. */
  replies: WecomMessage[]
  /** What else the bot wrote meanwhile there, or to the person directly. */
  pushes: WecomMessage[]
  /** What was refused on the deed's own req_id. */
  refused: (Refusal & { cmd: string })[]
}

export interface LoggedFrame {
  /** `in` is what the bot sent. */
  dir: 'in' | 'out'
  cmd?: string
  reqId: string
  body: unknown
  errcode?: number
  at: number
}

export interface WecomServer {
  /** ws://127.0.0.1:PORT */
  url: string
  /** The webhook of a group, by the group's chatid: it is made when it is first asked for. */
  webhookUrl(chat: string): string
  botId: string
  secret: string
  addChat(id: string, options?: { type?: ChatType }): void
  /** What people see in a conversation (a person's id for a direct one), oldest first, cards as they stand now. */
  messages(chat: string): WecomMessage[]
  /** In a group the mention is put in front. Resolves with the first complete answer on its req_id, or when none came. */
  say(
    user: string,
    chat: string | undefined,
    text: string,
    options?: { quote?: string; msgid?: string },
  ): Promise<Heard>
  /** Presses what stands on the card now, found by its whole label or as it is shown. Resolves with the update, or after its window. */
  click(user: string, chat: string | undefined, taskId: string, label: string): Promise<Heard>
  /** Opens the direct conversation, as for the first time this day. */
  enter(user: string): Promise<Heard>
  /** Says of a reply with this feedback id whether it was good (1) or not (2). Its req_id accepts nothing; resolves at once. */
  feedback(user: string, chat: string | undefined, id: string, type: 1 | 2, content?: string): Promise<Heard>
  frames(): LoggedFrame[]
  faults: {
    /** As if another process had subscribed: it is told and closed. */
    kick(): void
    /** Closes every connection and takes no new ones. Group webhooks, another service, go on. */
    outage(ms: number): void
    /** Group webhooks answer with HTTP 502 for so long. */
    webhookOutage(ms: number): void
    invalidAuth(on: boolean): void
    /** Every callback from now on comes so many more times with the same msgid, each with its own req_id; 0 ends it. */
    duplicate(times: number): void
    ackButDontRender(times: number): void
    /** Takes frames, does nothing with them and acks nothing, pings and subscriptions included; callbacks do not go out. */
    silent(ms: number): void
    rateLimit(chat: string, times: number): void
    /** Does what the frame asks and acks it not. */
    loseAck(cmd: string, times: number): void
  }
  /** Connections that are subscribed: none or one. */
  connections(): number
  stop(): Promise<void>
}
