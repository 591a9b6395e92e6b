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
  /**
   * A row is known by its first cell. `news` names the columns whose change is worth telling when the message is edited; what
   * changes in the others (figures that are read again and again) is shown, but no news. All columns when left out.
   */
  | { type: 'table'; caption?: string; columns: string[]; rows: string[][]; news?: string[] }
  /** One bar: `done` of `total`, with a note such as the remaining time. */
  | { type: 'progress'; items: { label: string; done: number; total: number; note: string }[] }
  | { type: 'code'; text: string }
  /** http or https only. */
  | { type: 'links'; items: { label: string; url: string }[] }
  /** A PNG kept in the collection `pictures` under this id. */
  | { type: 'picture'; id: string; alt: string; width: number; height: number }

/** What a press asks for besides itself. */
export interface Field {
  name: string
  label: string
  kind: 'text' | 'duration'
  /** Filled in beforehand. */
  value?: string
  required: boolean
  /** Most characters. */
  most: number
}

export interface Button {
  /** Opaque: bound by the sender to release, plan hash, state and expiry. */
  id: string
  /** The action's name, which is the path of its code: `release.approve` is src/release/approve.ts. */
  action: string
  label: string
  style: 'primary' | 'danger' | 'plain'
  /** The question that is asked before the press counts. */
  confirm?: string
  /** Asked for before the press counts. */
  fields?: Field[]
}

export interface Post {
  /** Idempotency: putting the same key again edits the message in place. */
  key: string
  channel: string
  /** Key of the message under which this one stands. */
  thread?: string
  message: Message
  /** The version of the document that it was drawn from: an older drawing never replaces a newer one. Any when left out. */
  basis?: number
}

/** A surface. Both calls resolve when the row is durable; showing it may be later, and never blocks a rollout. */
export interface Chat {
  readonly surface: string
  put(post: Post): Promise<void>
}

/** A post as it stands in the channel's record. */
export interface StoredPost extends Post {
  /** Ascending in the order of first posting, within its channel or thread. */
  number: number
  /** 1 at first, one more with every edit. */
  revision: number
  /** ISO. */
  postedAt: string
  editedAt?: string
  /** How many posts stand under it. */
  replies: number
}

/** The durable record of what was posted, from which every surface shows. */
export interface ChannelLog {
  /** The newest posts of a channel, or of one thread in it, older than number `before`; ascending. */
  page(where: {
    channel: string
    thread?: string
    before?: number
    limit: number
  }): Promise<{ posts: StoredPost[]; more: boolean }>
  one(key: string): Promise<StoredPost | undefined>
}
