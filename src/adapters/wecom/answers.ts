import { createHash } from 'node:crypto'
import type { Language } from '../../lib/catalogue/translate.ts'
import { translate } from '../../lib/catalogue/translate.ts'
import type { Answer, Envelope, Sent } from '../../ports/surface.ts'
import type { Clicks } from './clicks.ts'
import type { Meter } from './meter.ts'
import { sentOf } from './outcome.ts'
import type { Pusher } from './push.ts'
import { FENCE, renderMarkdown, splitText } from './render.ts'
import type { Streams } from './streams.ts'
import { bytesOf, flat, mentionOf, neutral } from './text.ts'
import type { Timings } from './timings.ts'
import type { Chat, Transport } from './transport.ts'
import { MARKDOWN_BYTES } from './validate.ts'
import type { Words } from './words.ts'

/** Tells people what came of what they did: in the stream that waits for it, on the card they pressed, or as a message of its own. */
export function createAnswers(parts: {
  streams: Streams
  clicks: Clicks
  transport: Transport
  pusher: Pusher
  meter: Meter
  timings: Timings
  words: Words
  language: Language
}): { answer(envelope: Envelope, answer: Answer, where: { chat: Chat; code: string | undefined }): Promise<Sent> } {
  const { streams, clicks, transport, pusher, meter, timings, words, language } = parts
  /** Pieces of an answer that were acknowledged, for when it is tried again. */
  const told = new Map<string, number>()

  function piecesOf(answer: Answer): string[] {
    const { message } = answer
    const text = flat(translate(answer.text, language))
    const shown = message === undefined ? [] : renderMarkdown(message, pusher.look(undefined), MARKDOWN_BYTES, [])
    const pieces =
      text.trim() === ''
        ? shown
        : splitText([text, shown[0]].filter((each) => each !== undefined).join('\n\n'), MARKDOWN_BYTES)
    const all = text.trim() === '' ? pieces : [...pieces, ...shown.slice(1)]
    return all.length === 0 ? ['✅'] : all
  }

  /** Where a group stands for no channel of ours, the answer ends with what is needed to make it one. */
  function withChatid(pieces: string[], envelope: Envelope, chat: Chat): string[] {
    if (chat.type !== 2 || envelope.channel !== undefined || envelope.deed.kind !== 'typed') return pieces
    const last = pieces.at(-1) ?? ''
    const tail = `${words.noChannel}: \`${neutral(chat.id).replaceAll('`', '')}\``
    const whole = `${last}\n\n${tail}`
    return bytesOf(whole) <= MARKDOWN_BYTES ? [...pieces.slice(0, -1), whole] : [...pieces, tail]
  }

  return {
    async answer(envelope, answer, { chat, code: about }) {
      const { id, user, deed } = envelope
      if (deed.kind === 'pressed' && (await clicks.outcome(id, answer, user)) && answer.message === undefined)
        return { at: 'sent', identity: { chat: chat.id } }
      const pieces = withChatid(piecesOf(answer), envelope, chat)
      let done = told.get(id) ?? 0
      if (done === 0 && streams.has(id)) {
        const outcome = await streams.finish(id, pieces[0] ?? '')
        if (outcome?.at === 'acked') done = 1
        else if (outcome !== undefined) return sentOf(outcome, chat.id, timings.retryMs)
      }
      for (; done < pieces.length; done++) {
        told.set(id, done)
        const piece = pieces[done] ?? ''
        const head = [about, chat.type === 2 && done === 0 ? mentionOf(user) : undefined].filter(
          (each) => each !== undefined,
        )
        const outcome = await transport.markdown(chat, [...head, piece].join(piece.startsWith(FENCE) ? '\n' : ' '))
        if (outcome.at !== 'acked') return sentOf(outcome, chat.id, timings.retryMs)
        meter.count(chat.id)
      }
      told.set(id, done)
      const { message } = answer
      if (message !== undefined && message.buttons.length > 0) {
        // What it says stands above already; the card carries the buttons.
        const key = `answer/${createHash('sha256').update(id).digest('hex').slice(0, 16)}`
        const code = /^([RA]-\d{1,9})(?!\d)/.exec(message.title)?.[1]
        const card = { ...message, blocks: [] }
        const sent = await pusher.push({
          key,
          chat,
          ...(code ? { code } : {}),
          message: card,
          revision: 1,
          uncertain: true,
          answers: true,
        })
        if (sent.at !== 'sent') return sent
      }
      told.delete(id)
      return { at: 'sent', identity: { chat: chat.id } }
    },
  }
}
