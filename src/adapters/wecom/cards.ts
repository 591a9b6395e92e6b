import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Button, Message } from '../../ports/chat.ts'
import type { Json, Store } from '../../ports/store.ts'

const CARDS = 'wecom-cards'
const SHOWN = 'wecom-shown'

const messageSchema = z.custom<Message>((value) => typeof value === 'object' && value !== null && 'blocks' in value)

/** What a card showed when it was sent: a click carries its task id and the key of a button, and nothing else. */
const cardSchema = z.object({
  place: z.string(),
  /** The message's key in the channel's record, or that of an answer. */
  key: z.string(),
  code: z.string().optional(),
  message: messageSchema,
  /** closed: somebody has pressed on it, and it shows nothing but a look at what stands, until the next stage has its card. */
  state: z.enum(['open', 'closed']),
})
export type CardRow = z.infer<typeof cardSchema>

/** What a place shows of a message, or is being sent: durable before it is sent, so that a re-send is the same. */
const shownSchema = z.object({
  mark: z.string(),
  task: z.string().optional(),
  revision: z.number(),
  message: messageSchema,
  code: z.string().optional(),
  /** Pieces that were acknowledged, of the ones that this mark is sent in. */
  done: z.number(),
  sent: z.boolean(),
})
export type Shown = z.infer<typeof shownSchema>

export interface Cards {
  card(task: string): Promise<CardRow | undefined>
  keepCard(task: string, row: CardRow): Promise<void>
  shown(place: string, key: string): Promise<Shown | undefined>
  keepShown(place: string, key: string, shown: Shown): Promise<void>
}

export function createCards(store: Store): Cards {
  async function keep(collection: string, id: string, document: Json): Promise<void> {
    for (;;) {
      const row = await store.get(collection, id)
      if (
        row === undefined
          ? await store.insert(collection, id, document)
          : await store.put(collection, id, document, row.version)
      )
        return
    }
  }
  const shownId = (place: string, key: string): string => `${place}/${key}`
  return {
    async card(task) {
      const row = await store.get(CARDS, task)
      return row === undefined ? undefined : cardSchema.parse(row.document)
    },
    keepCard: (task, row) => keep(CARDS, task, row as unknown as Json),
    async shown(place, key) {
      const row = await store.get(SHOWN, shownId(place, key))
      return row === undefined ? undefined : shownSchema.parse(row.document)
    },
    keepShown: (place, key, shown) => keep(SHOWN, shownId(place, key), shown as unknown as Json),
  }
}

/** A task id that no card of this bot ever had: from the key and the revision, for people who look into logs, and chance. */
export function newTask(key: string, revision: number): string {
  const readable = key.replace(/[^0-9A-Za-z]+/g, '_').slice(0, 60)
  return `${readable}-${revision}-${randomBytes(10).toString('hex')}`
}

/** Which stage a message shows. What changes beside it (figures, times, rows) is no stage and pushes nothing. */
export function markOf({ title, tone, buttons }: Message): string {
  const stage = JSON.stringify([title, tone, buttons.map(({ label, action }) => [label, action])])
  return createHash('sha256').update(stage).digest('hex').slice(0, 24)
}

/** Whether one message offers other buttons than another, be it under the same labels: they are bound to where things stand. */
export function offersOthers(a: Message, b: Message): boolean {
  const ids = ({ buttons }: Message): string => JSON.stringify(buttons.map(({ id }) => id))
  return ids(a) !== ids(b)
}

/** The card of a release or an incident: it offers something again after a press. Other cards offer their thing once. */
export const livesOn = (key: string): boolean => /^[RA]-\d{1,9}\/card$/.test(key)

/** A button in a key: what it was before, or a fingerprint where that has characters that a key should not have. */
export function tokenOf({ id }: Button): string {
  return /^[\w-]{1,64}$/.test(id) ? id : createHash('sha256').update(id).digest('hex').slice(0, 32)
}

/** What a press on a card means: the button itself, the yes or no to its question, or only a look at what stands. */
export type Pressed = { what: 'press' | 'yes' | 'no'; token: string } | { what: 'now' }

export const keyFor = (pressed: Pressed): string =>
  pressed.what === 'now' ? 'now' : `${pressed.what}_${pressed.token}`

export function readKey(key: string): Pressed | undefined {
  if (key === 'now') return { what: 'now' }
  const [, what, token] = /^(press|yes|no)_([\w-]{1,64})$/.exec(key) ?? []
  return token === undefined ? undefined : { what: what as 'press' | 'yes' | 'no', token }
}
