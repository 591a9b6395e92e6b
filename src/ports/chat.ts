/** What a surface shows. The same message is rendered by the terminal, the console, Slack and WeCom. */
export interface Message {
  title: string
  tone: 'plain' | 'info' | 'good' | 'warn' | 'bad'
  blocks: Block[]
  buttons: Button[]
}

export type Block =
  | { type: 'text'; text: string }
  | { type: 'fields'; items: { label: string; value: string }[] }
  | { type: 'table'; caption?: string; columns: string[]; rows: string[][] }
  /** One bar: `done` of `total`, with a note such as the remaining time. */
  | { type: 'progress'; items: { label: string; done: number; total: number; note: string }[] }
  | { type: 'code'; text: string }

export interface Button {
  /** Opaque: bound by the sender to release, plan hash, state and expiry. */
  id: string
  /** The action's name, which is the path of its code: `release.approve` is src/release/approve.ts. */
  action: string
  label: string
  style: 'primary' | 'danger' | 'plain'
  /** The question that is asked before the press counts. */
  confirm?: string
}

export interface Post {
  /** Idempotency: putting the same key again edits the message in place. */
  key: string
  channel: string
  /** Key of the message under which this one stands. */
  thread?: string
  message: Message
}

/** A surface. Both calls resolve when the row is durable; showing it may be later, and never blocks a rollout. */
export interface Chat {
  readonly surface: string
  put(post: Post): Promise<void>
}
