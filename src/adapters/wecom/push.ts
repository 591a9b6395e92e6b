import type { Language } from '../../lib/catalogue/translate.ts'
import { Fault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Button, Message } from '../../ports/chat.ts'
import type { Json } from '../../ports/store.ts'
import type { Sent } from '../../ports/surface.ts'
import { type Cards, keyFor, markOf, newTask, type Shown, tokenOf } from './cards.ts'
import type { Connection } from './connection.ts'
import type { Meter } from './meter.ts'
import { type Outcome, outcomeOf, sentOf, TASK_ID_USED } from './outcome.ts'
import { cardButtons, type Look, renderCard, renderMarkdown } from './render.ts'
import type { Timings } from './timings.ts'
import type { Chat, Transport } from './transport.ts'
import { MARKDOWN_BYTES } from './validate.ts'
import { wordsIn } from './words.ts'

/** What a message needs to be sent to a place. */
export interface Parcel {
  key: string
  chat: Chat
  code?: string
  message: Message
  revision: number
  /** An earlier try may have arrived. */
  uncertain: boolean
  /** The stage stands there already, on a card that lost its buttons: it gets a new card. */
  anew?: boolean
  /** What somebody asked for is never held back for what nobody did. */
  answers?: boolean
}

type Piece = { kind: 'markdown'; content: string } | { kind: 'card' } | { kind: 'picture'; id: string }

const PICTURE_BYTES = 10 * 1024 * 1024
/** Each is a message of its own, and counts as one. */
const MOST_PICTURES = 4

export interface Pusher {
  look(code: string | undefined): Look
  /** All pieces of the message, each once: what was acknowledged before is not sent again. */
  push(parcel: Parcel): Promise<Sent>
}

/** Sends messages as cards where they have buttons, as markdown where they have none, and pictures after them. */
export function createPusher(parts: {
  transport: Transport
  connection: Connection
  cards: Cards
  pictures: (id: string) => Promise<Buffer | undefined>
  mention: (personId: string) => string | undefined
  language: Language
  withPictures: boolean
  meter: Meter
  timings: Timings
  log: Log
}): Pusher {
  const { transport, connection, cards, language, timings, log } = parts
  const look = (code: string | undefined): Look => ({
    language,
    mention: parts.mention,
    ...(code === undefined ? {} : { code }),
  })
  const keyOf = (button: Button): string => keyFor({ what: 'press', token: tokenOf(button) })

  function piecesOf({ message, code }: Parcel, task: string | undefined): Piece[] {
    const words = look(code)
    const markdown = (typed: readonly Button[]): Piece[] =>
      renderMarkdown(message, words, MARKDOWN_BYTES, typed).map((content) => ({ kind: 'markdown', content }))
    const pictures = message.blocks.flatMap((block): Piece[] =>
      block.type === 'picture' ? [{ kind: 'picture', id: block.id }] : [],
    )
    const shown = parts.withPictures ? pictures.slice(0, MOST_PICTURES) : []
    if (task === undefined) return [...markdown([]), ...shown]
    const buttons = cardButtons(message.buttons, language, keyOf)
    const { whole } = renderCard(message, words, { task, buttons })
    return [...(whole ? [] : markdown(message.buttons.slice(buttons.length))), ...shown, { kind: 'card' }]
  }

  async function sendPiece(piece: Piece, parcel: Parcel, task: string | undefined, again: boolean): Promise<Outcome> {
    const { chat, message, code } = parcel
    switch (piece.kind) {
      case 'markdown':
        // Nobody can be asked whether it stands there: shown twice is better than never, and says so.
        return transport.markdown(chat, again ? `${piece.content}\n${wordsIn(language).again}` : piece.content)
      case 'card': {
        const buttons = cardButtons(message.buttons, language, keyOf)
        const { card } = renderCard(message, look(code), { task: task ?? '', buttons })
        const outcome = await transport.card(chat, card, () => renderMarkdown(message, look(code), MARKDOWN_BYTES))
        // Used already, and only this send had it: it had arrived.
        return outcome.at === 'rejected' && outcome.code === TASK_ID_USED && again
          ? { at: 'acked', body: undefined }
          : outcome
      }
      case 'picture': {
        const png = await parts.pictures(piece.id)
        if (png === undefined || png.length === 0 || png.length > PICTURE_BYTES) {
          log.warn({ picture: piece.id, bytes: png?.length }, 'wecom picture left out')
          return { at: 'acked', body: undefined }
        }
        let media: string
        try {
          media = await connection.upload(png, `${piece.id.replace(/[^\w-]/g, '_').slice(0, 60)}.png`)
        } catch (error) {
          const outcome = outcomeOf(error)
          // An upload shows nothing by itself.
          if (outcome.at === 'unanswered') return { at: 'away', detail: outcome.detail }
          return outcome
        }
        return transport.image(chat, media)
      }
    }
  }

  async function push(parcel: Parcel): Promise<Sent> {
    const { key, chat, message, revision, code } = parcel
    const mark = markOf(message)
    const before = await cards.shown(chat.id, key)
    const same = before?.mark === mark && !(parcel.anew && before.sent)
    const resumed = same && before !== undefined && !before.sent
    const needsCard = message.buttons.length > 0
    const task = needsCard ? (same ? (before?.task ?? newTask(key, revision)) : newTask(key, revision)) : undefined
    const base = { mark, revision, message, ...(code === undefined ? {} : { code }) }
    const shown: Shown = {
      ...base,
      ...(task === undefined ? {} : { task }),
      done: resumed ? before.done : 0,
      sent: false,
    }
    // All of it was acknowledged, whatever whoever asks knows of it; by the webhook as well.
    if (before?.sent && (same || before.mark === byWebhook(mark))) {
      await cards.keepShown(chat.id, key, { ...before, revision, message })
      return { at: 'sent', identity: identityOf(chat, before.task), mark, free: true }
    }
    if (task !== undefined)
      await cards.keepCard(task, {
        place: chat.id,
        key,
        ...(code === undefined ? {} : { code }),
        message,
        state: 'open',
      })
    await cards.keepShown(chat.id, key, shown)
    const pieces: Piece[] = parcel.anew && task !== undefined ? [{ kind: 'card' }] : piecesOf(parcel, task)
    for (const [at, piece] of pieces.entries()) {
      if (at < shown.done) continue
      // Only the piece that was under way when the answer was lost may stand there already.
      const wait = parcel.answers ? 0 : parts.meter.waitMs(chat.id)
      if (wait > 0) {
        const { line } = new Fault('chat.day-full', { say: 'The pushes that WeCom allows there are used up for now.' })
        return { at: 'later', ms: wait, scope: 'place', why: line, arrived: 'no' }
      }
      const again = parcel.uncertain && resumed && at === shown.done
      const outcome = await sendPiece(piece, parcel, task, again)
      if (outcome.at !== 'acked') {
        if (outcome.at === 'rejected' && outcome.code === TASK_ID_USED && task !== undefined) {
          // Somebody else's: the next try takes another.
          await cards.keepShown(chat.id, key, { ...base, done: at, sent: false })
          const { line } = new Fault('chat.task-used', {
            say: 'WeCom has seen the id of this card before; it is sent with another one.',
          })
          return { at: 'later', ms: 1000, scope: 'place', why: line, arrived: 'no' }
        }
        return sentOf(outcome, chat.id, timings.retryMs)
      }
      parts.meter.count(chat.id)
      shown.done = at + 1
      await cards.keepShown(chat.id, key, shown)
    }
    await cards.keepShown(chat.id, key, { ...shown, sent: true })
    return { at: 'sent', identity: identityOf(chat, task), mark }
  }

  return { look, push }
}

/** The mark under which a stage was sent to the group's webhook. */
export const byWebhook = (mark: string): string => `webhook/${mark}`

export function identityOf(chat: Chat, task: string | undefined): Json {
  return { chat: chat.id, ...(task === undefined ? {} : { task_id: task }) }
}
