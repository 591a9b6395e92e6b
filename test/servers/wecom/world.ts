import { type Card, shownLabels } from './card.ts'

export type ChatType = 'group' | 'single'

/** A message as people see it now. */
export interface WecomMessage {
  id: string
  msgtype: 'markdown' | 'text' | 'template_card' | 'stream' | 'image' | 'file' | 'voice' | 'video'
  /** As it was last sent; what a longer label is cut to stands in `labels`. */
  card?: Card
  /** What stands on the buttons of the card, after the cut. */
  labels?: string[]
  /** The card of those for whom alone it was updated. */
  cardFor?: Record<string, Card>
  markdown?: string
  text?: string
  stream?: { id: string; content: string; finished: boolean }
  images?: Buffer[]
  /** How often it was updated: its card after clicks, its stream after the first frame. */
  updates: number
  from: 'push' | 'reply' | 'webhook'
  at: number
}

/** Conversations and what stands in them. A direct conversation goes by the id of its person. */
export interface World {
  chats: Map<string, { type: ChatType; messages: WecomMessage[] }>
  add(chat: string, type: ChatType): void
  post(chat: string, message: Omit<WecomMessage, 'id' | 'updates' | 'at' | 'labels'>): WecomMessage
  /** A card that comes with a stream. */
  putCard(message: WecomMessage, card: Card): void
  replaceCard(message: WecomMessage, card: Card, users?: string[]): void
  /** The card of a conversation with this task id, as this person sees it. */
  card(chat: string, taskId: string, user: string): { message: WecomMessage; card: Card } | undefined
  /** Called with every new message and its conversation. */
  onPost: ((chat: string, message: WecomMessage) => void) | undefined
}

export function createWorld(): World {
  let count = 0
  const world: World = {
    chats: new Map(),
    onPost: undefined,
    add(chat, type) {
      if (!world.chats.has(chat)) world.chats.set(chat, { type, messages: [] })
    },
    post(chat, message) {
      const labels = message.card === undefined ? {} : { labels: shownLabels(message.card) }
      const posted: WecomMessage = { ...message, ...labels, id: `m${++count}`, updates: 0, at: Date.now() }
      world.chats.get(chat)?.messages.push(posted)
      world.onPost?.(chat, posted)
      return posted
    },
    putCard(message, card) {
      message.card = card
      message.labels = shownLabels(card)
    },
    replaceCard(message, card, users) {
      message.updates++
      if (users === undefined || users.length === 0) {
        world.putCard(message, card)
        delete message.cardFor
      } else {
        message.cardFor = { ...message.cardFor, ...Object.fromEntries(users.map((user) => [user, card])) }
      }
    },
    card(chat, taskId, user) {
      for (const message of world.chats.get(chat)?.messages ?? []) {
        const card = message.cardFor?.[user] ?? message.card
        if (card?.task_id === taskId) return { message, card }
      }
      return undefined
    },
  }
  return world
}
