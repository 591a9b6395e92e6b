import { performance } from 'node:perf_hooks'
import type { Language } from '../../lib/catalogue/translate.ts'
import { translate } from '../../lib/catalogue/translate.ts'
import type { Log } from '../../lib/log.ts'
import type { Button, Message } from '../../ports/chat.ts'
import type { Answer, Envelope, Reception } from '../../ports/surface.ts'
import { type CardRow, type Cards, keyFor, readKey, tokenOf } from './cards.ts'
import type { Heard } from './parse.ts'
import type { Pusher } from './push.ts'
import { type CardButton, cardButtons, commandsFor, renderCard } from './render.ts'
import type { Timings } from './timings.ts'
import type { Transport } from './transport.ts'
import type { Words } from './words.ts'

export type Click = Extract<Heard, { kind: 'click' }>

/** A card's one update after a click: WeCom takes it for 5 s, once. */
interface Window {
  click: Click
  /** On the steady clock. */
  at: number
  used: boolean
  timer?: NodeJS.Timeout
  row: CardRow
}

export interface Clicks {
  /** Everything that a press on a card comes to; resolves when the card says so. */
  take(click: Click): Promise<void>
  /** Shows the outcome on the card if that is still possible. False when it has to be told otherwise. */
  outcome(envelopeId: string, answer: Answer, user: string): Promise<boolean>
  close(): void
}

export function createClicks(parts: {
  cards: Cards
  transport: Transport
  pusher: Pusher
  reception: () => Reception
  /** Makes it durable; false when it cannot be taken in, 'known' when it was. */
  accept: (envelope: Envelope) => Promise<'new' | 'known' | 'lost'>
  /** `code` is that of the card's message. */
  envelope: (click: Click, button: Button, code: string | undefined) => Envelope
  timings: Timings
  /** The card was left without its buttons by a press that is through. */
  closed: (task: string) => void
  words: Words
  language: Language
  log: Log
}): Clicks {
  const { cards, transport, pusher, timings, words, language, log } = parts
  const windows = new Map<string, Window>()
  const say = (text: string): string => translate(text, language)

  const press = (button: Button): string => keyFor({ what: 'press', token: tokenOf(button) })
  const look: CardButton = { key: keyFor({ what: 'now' }), text: words.now, style: 3 }
  const buttonsOf = (message: Message): CardButton[] => {
    const buttons = cardButtons(message.buttons, language, press)
    return buttons.length === 0 ? [look] : buttons
  }

  /** The one update. What is late is not tried: WeCom would refuse it, or show nothing. */
  async function update(
    window: Window,
    message: Message,
    show: { notice?: string; buttons: CardButton[] },
  ): Promise<boolean> {
    if (window.used || performance.now() - window.at > timings.updateMs) return false
    window.used = true
    clearTimeout(window.timer)
    await noteState(window, message.buttons.length > 0 && show.buttons.every(({ key }) => key === look.key))
    const { card, whole } = renderCard(message, pusher.look(window.row.code), { task: window.click.task, ...show })
    const outcome = await transport.update(window.click.reqId, card)
    if (outcome.at !== 'acked') log.warn({ outcome: outcome.at, task: window.click.task }, 'wecom card not updated')
    return outcome.at === 'acked' && (whole || show.notice === undefined || say(show.notice).length <= 100)
  }

  /** Noted before it is shown: whoever dies in between leaves a card that is sent once too often rather than never. */
  async function noteState(window: Window, closed: boolean): Promise<void> {
    const state = closed ? 'closed' : 'open'
    if (window.row.state === state) return
    window.row = { ...window.row, state }
    await cards
      .keepCard(window.click.task, window.row)
      .catch((error: unknown) => log.warn({ err: error, task: window.click.task }, 'wecom card not noted'))
  }

  /** The message as it stands now in that place, and whether this card is the newest of it. */
  async function standing({ row, click }: Window): Promise<{ message: Message; newest: boolean }> {
    const shown = await cards.shown(row.place, row.key)
    if (shown === undefined) return { message: row.message, newest: true }
    return { message: shown.message, newest: shown.task === click.task }
  }

  async function toNow(window: Window, notice?: string): Promise<void> {
    const { message } = await standing(window)
    window.row = { ...window.row, message, state: 'open' }
    await cards.keepCard(window.click.task, window.row)
    const said = notice ?? (window.row.key.startsWith('test/') ? words.refreshed : undefined)
    await update(window, message, { ...(said === undefined ? {} : { notice: said }), buttons: buttonsOf(message) })
  }

  /** Taken in for good, then shown: the outcome if it is there soon, otherwise that it was received. */
  async function pressed(window: Window, button: Button): Promise<void> {
    const { click } = window
    const envelope = parts.envelope(click, button, window.row.code)
    // Delivered twice, each time with its own req_id.
    if (windows.has(envelope.id)) return
    windows.set(envelope.id, window)
    const accepted = await parts.accept(envelope)
    if (accepted === 'known') {
      // The one that was taken in first tells what came of it.
      windows.delete(envelope.id)
      return
    }
    if (accepted === 'lost') {
      windows.delete(envelope.id)
      // The store is away: what the card showed is known.
      const { message } = window.row
      await update(window, message, { notice: words.lost, buttons: buttonsOf(message) })
      return
    }
    if (window.used) return
    const left = timings.quickMs - (performance.now() - window.at)
    window.timer = setTimeout(
      () => {
        void standing(window)
          .then(({ message }) => update(window, message, { notice: words.received, buttons: [look] }))
          .catch((error) => log.warn({ err: error }, 'wecom card not updated'))
      },
      Math.max(0, left),
    )
  }

  return {
    async take(click) {
      const at = performance.now()
      const row = await cards.card(click.task)
      const place = click.chat ?? click.user
      if (row === undefined || row.place !== place) {
        log.warn({ task: click.task }, 'wecom click on an unknown card')
        const message: Message = { title: words.unknown, tone: 'plain', blocks: [], buttons: [] }
        await update({ click, at, used: false, row: { place, key: '', message, state: 'open' } }, message, {
          buttons: [look],
        })
        return
      }
      const window: Window = { click, at, used: false, row }
      const wanted = readKey(click.key)
      if (wanted === undefined || wanted.what === 'now' || wanted.what === 'no') return toNow(window)
      const { message, newest } = await standing(window)
      const button = message.buttons.find((each) => tokenOf(each) === wanted.token)
      if (button === undefined) {
        const before = row.message.buttons.find((each) => tokenOf(each) === wanted.token)
        const refusal = before && (await parts.reception().refusal({ surface: 'wecom', user: click.user }, before.id))
        return toNow(window, refusal === undefined ? words.old : say(refusal.text))
      }
      if (!newest) {
        window.row = { ...row, message }
        await cards.keepCard(click.task, window.row)
      }
      const asks = button.fields?.some(({ required, value }) => required && value === undefined) === true
      if (wanted.what === 'yes' || (!asks && button.confirm === undefined)) return pressed(window, button)
      const refusal = await parts.reception().refusal({ surface: 'wecom', user: click.user }, button.id)
      if (refusal !== undefined) {
        await update(window, message, { notice: say(refusal.text), buttons: buttonsOf(message) })
        return
      }
      if (asks) {
        // A card has no place to write in.
        const [command] = commandsFor(message, [button], pusher.look(row.code))
        const question = button.confirm === undefined ? '' : `${say(button.confirm)}\n`
        const notice = command === undefined ? words.unknown : `${question}${words.type}：${command}`
        await update(window, message, { notice, buttons: buttonsOf(message) })
        return
      }
      const token = tokenOf(button)
      await update(window, message, {
        notice: say(button.confirm ?? ''),
        buttons: [
          { key: keyFor({ what: 'yes', token }), text: words.yes, style: button.style === 'danger' ? 2 : 1 },
          { key: keyFor({ what: 'no', token }), text: words.no, style: 3 },
        ],
      })
    },
    async outcome(envelopeId, answer, user) {
      const window = windows.get(envelopeId)
      if (window === undefined) return false
      windows.delete(envelopeId)
      clearTimeout(window.timer)
      const { message } = await standing(window)
      const notice = `${answer.ok ? words.state.good : words.state.warn}${say(answer.text)} (${words.by} ${user})`
      const shown = await update(window, message, { notice, buttons: answer.ok ? [look] : buttonsOf(message) })
      if (window.row.state === 'closed') parts.closed(window.click.task)
      return shown
    },
    close() {
      for (const window of windows.values()) clearTimeout(window.timer)
      windows.clear()
    },
  }
}
