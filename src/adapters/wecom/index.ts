import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { translate } from '../../lib/catalogue/translate.ts'
import { asFault, Fault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Button, Message } from '../../ports/chat.ts'
import type { Lead, Leads } from '../../ports/lead.ts'
import type { Store } from '../../ports/store.ts'
import type { ChatSurface, Delivery, Envelope, Reception, Sent } from '../../ports/surface.ts'
import { createAnswers } from './answers.ts'
import { createBacks, createTurns } from './back.ts'
import { createCards, keyFor, markOf, newTask, offersOthers } from './cards.ts'
import { createClicks } from './clicks.ts'
import type { WecomConfig } from './config.ts'
import { createConnection } from './connection.ts'
import { connectionFinding, examineConfig } from './examine.ts'
import { createHandover } from './handover.ts'
import { ratesOf, ratesOfPushes } from './limits.ts'
import { createMeter } from './meter.ts'
import { sentOf } from './outcome.ts'
import { type Heard, parseFrame, withQuoted } from './parse.ts'
import { byWebhook, createPusher, identityOf, type Parcel } from './push.ts'
import { renderCard, renderMarkdown } from './render.ts'
import { createStreams } from './streams.ts'
import { codeOf } from './text.ts'
import { TIMINGS, type Timings } from './timings.ts'
import { type Chat, createTransport } from './transport.ts'
import { MARKDOWN_BYTES } from './validate.ts'
import { createWebhook, WEBHOOK_RATE } from './webhook.ts'
import { wordsIn } from './words.ts'

export type { Timings } from './timings.ts'

/** Who holds the bot, among processes that share a store. */
export const LEAD = 'wecom'

const replySchema = z.object({
  chat: z.string(),
  type: z.union([z.literal(1), z.literal(2)]),
  /** Of the card that was pressed. */
  code: z.string().optional(),
})

export interface WecomOptions {
  config: WecomConfig
  botId: string
  secret: string
  /** Our channel -> address of the group's webhook, which holds its key. */
  webhooks: ReadonlyMap<string, string>
  reception: () => Reception
  pictures: (id: string) => Promise<Buffer | undefined>
  /** The WeCom userid of a person. */
  mention: (personId: string) => string | undefined
  store: Store
  leads: Leads
  log: Log
  clock: () => Date
  language: WecomConfig['language']
  timings?: Partial<Timings>
}

/**
 * WeCom (企业微信) as a surface, over the long connection of an AI bot. One connection per bot: only the process that holds the
 * lead `wecom` connects. A click has one update of its card, within 5 s; everything else is a message of its own.
 */
export function createWecom(options: WecomOptions): ChatSurface & { sendTestCard(channel: string): Promise<Sent> } {
  const { config, store, leads, clock, language, webhooks } = options
  const log = options.log.child({ surface: 'wecom' })
  const timings: Timings = { ...TIMINGS, ...options.timings }
  const words = wordsIn(language)
  const legacy = config.profile === 'legacy'
  const cards = createCards(store)
  const underWay = new Set<Promise<void>>()
  const inTurn = createTurns()
  let lead: Lead | undefined
  let gained = false
  let stopping = false
  let failing: NodeJS.Timeout | undefined

  const connection = createConnection({
    botId: options.botId,
    secret: options.secret,
    url: config.url,
    timings,
    held: () => lead?.held() ?? gained,
    heard: (frame) => hear(frame),
    log,
    clock,
  })
  const transport = createTransport({ connection, log })
  const meter = createMeter(ratesOfPushes(config))
  const pusher = createPusher({
    transport,
    connection,
    cards,
    pictures: options.pictures,
    mention: options.mention,
    language,
    withPictures: !legacy,
    meter,
    timings,
    log,
  })
  const streams = createStreams({ transport, timings, words, log })
  const clicks = createClicks({
    cards,
    transport,
    pusher,
    reception: options.reception,
    accept: (envelope) => accept(envelope, timings.quickMs),
    envelope: (click, button, code) =>
      envelopeOf(click, { kind: 'pressed', button: button.id, fields: prefilled(button) }, code),
    timings,
    closed: (task) => backs.later(task),
    words,
    language,
    log,
  })
  const answers = createAnswers({ streams, clicks, transport, pusher, meter, timings, words, language })
  const backs = createBacks({
    ...{ cards, connection, pusher, meter, inTurn, timings, log },
    chatOf: (place) => chatOf(place),
    during: (work) => during(work),
  })
  const handover = createHandover({
    store,
    everyMs: timings.handoverMs,
    yields: () => void handOver().catch((error: unknown) => log.error({ err: error }, 'wecom: bot not handed over')),
  })
  const byHook = createWebhook({ cards, meter: createMeter([WEBHOOK_RATE]), timings, language })

  const channelOf = new Map(Object.entries(config.channels).map(([channel, { id }]) => [id, channel]))
  const chatOf = (place: string): Chat => {
    const channel = channelOf.get(place)
    const type = channel === undefined ? 'group' : config.channels[channel]?.type
    return { id: place, type: type === 'single' ? 1 : 2 }
  }

  function envelopeOf(heard: Heard, deed: Envelope['deed'], code?: string): Envelope {
    const chat = heard.chat ?? heard.user
    const channel = channelOf.get(chat)
    return {
      surface: 'wecom',
      id: heard.id,
      user: heard.user,
      ...(channel === undefined ? {} : { channel }),
      deed,
      reply: { chat, type: heard.chat === undefined ? 1 : 2, ...(code === undefined ? {} : { code }) },
      at: clock().toISOString(),
    }
  }

  /** WeCom does not send anything again: the store is asked for as long as somebody waits. */
  async function accept(envelope: Envelope, ms: number): Promise<'new' | 'known' | 'lost'> {
    const until = performance.now() + ms
    for (;;) {
      try {
        return await options.reception().accept(envelope)
      } catch (error) {
        if (performance.now() >= until) {
          log.error({ code: asFault(error).code, envelope: envelope.id }, 'wecom: not taken in')
          return 'lost'
        }
        await sleep(Math.min(250, ms / 4))
      }
    }
  }

  /**
   * Called by the SDK: whatever happens, it must not throw, and neither may its promise. While this process stops, it takes in what
   * comes as long as it is connected: WeCom sends nothing again, and what is in the store is done by the next process.
   */
  function hear(frame: unknown): void {
    during(take(frame).catch((error: unknown) => log.error({ err: error }, 'wecom: what came in was not handled')))
  }

  /** Until nothing is being taken in any more, at most so long. */
  async function settled(ms: number): Promise<void> {
    const late = sleep(ms, 'late' as const, { ref: false })
    while (underWay.size > 0)
      if ((await Promise.race([Promise.all(underWay).then(() => 'through' as const), late])) === 'late') return
  }

  /** What `stop` waits for. It must not reject. */
  function during(work: Promise<void>): void {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }

  async function take(frame: unknown): Promise<void> {
    const heard = parseFrame(frame, config.name)
    if (heard === undefined) {
      log.warn('wecom: a frame that is not understood')
      return
    }
    switch (heard.kind) {
      case 'typed':
        return typed(heard)
      case 'click':
        return clicks.take(heard)
      case 'enter':
        await transport.welcome(heard.reqId, welcome())
        return
      case 'feedback':
        log.info({ about: heard.about, type: heard.type, user: heard.user }, 'wecom feedback')
        return
      case 'other':
        if (!heard.event)
          await transport.stream(heard.reqId, { id: newTask('other', 0), content: words.onlyText, finish: true })
        else log.info({ type: heard.type }, 'wecom event that nobody needs')
    }
  }

  async function typed(heard: Extract<Heard, { kind: 'typed' }>): Promise<void> {
    const text = withQuoted(heard.text, heard.quote, options.reception().commands)
    const envelope = envelopeOf(heard, { kind: 'typed', text })
    // Its answer may be there before `accept` comes back.
    const first = streams.expect(envelope.id, heard.reqId)
    const accepted = await accept(envelope, timings.acceptMs)
    if (accepted === 'new') {
      if (!legacy) meter.count(heard.chat ?? heard.user)
      streams.begin(envelope.id)
    }
    if (accepted !== 'new' && first) streams.drop(envelope.id)
    if (accepted === 'lost' && first)
      await transport.stream(heard.reqId, { id: newTask('lost', 0), content: words.lost, finish: true })
  }

  function welcome(): string {
    const commands = options
      .reception()
      .commands.map(({ name, summary }) => `/${name}  ${translate(summary, language)}`)
    return [words.welcome, ...commands, `${words.welcomeHow} @${config.name}`].join('\n')
  }

  /** With ten pushes a day, only what asks for something or says where things stand is worth one. */
  function isChatter({ message, thread }: Delivery): boolean {
    return legacy && thread !== undefined && message.buttons.length === 0 && ['plain', 'info'].includes(message.tone)
  }

  async function send(delivery: Delivery): Promise<Sent> {
    const { key, place, message, revision, identity, mark: sentMark, uncertainSince } = delivery
    const chat = chatOf(place)
    const mark = markOf(message)
    const code = codeOf(key) ?? (delivery.thread === undefined ? undefined : codeOf(delivery.thread.key))
    const shown = await cards.shown(place, key)
    // Pressed on, and what may be done now is something else under the same labels: nobody can reach it on the card that stands there.
    const closed = shown?.sent && shown.task !== undefined && (await cards.card(shown.task))?.state === 'closed'
    const anew = closed === true && shown.mark === mark && offersOthers(shown.message, message)
    const parcel: Parcel = {
      key,
      chat,
      message,
      revision,
      uncertain: uncertainSince !== undefined,
      anew,
      ...(code ? { code } : {}),
    }
    const begun = shown?.mark === mark && !shown.sent
    if (identity !== undefined && sentMark === mark && !anew && !begun) {
      // A click on its card asks for what stands now.
      if (shown !== undefined && [mark, byWebhook(mark)].includes(shown.mark))
        await cards.keepShown(place, key, { ...shown, revision, message })
      return { at: 'sent', identity, mark, free: true }
    }
    if (isChatter(delivery)) return { at: 'sent', identity: identityOf(chat, undefined), mark, free: true }
    if (lead?.held() === true) handover.used()
    else if (lead !== undefined) handover.want()
    if (connection.ready()) return pusher.push(parcel)
    const url = webhooks.get(channelOf.get(place) ?? '')
    const mine = lead?.held() === true
    if (mine && url !== undefined && chat.type === 2 && connection.awayMs() >= timings.webhookAfterMs)
      return byHook(url, parcel)
    const { why } = connection.health()
    return { at: 'later', ms: timings.retryMs, scope: 'surface', why: why ?? standby().line, arrived: 'no' }
  }

  const standby = (): Fault =>
    new Fault('chat.standby', { say: 'Another process holds the connection to WeCom, or none does yet.' })

  /** Runs it with a subscribed connection: the one that stands, or one for this alone. 'elsewhere' when another process holds the bot. */
  async function connected<T>(run: () => Promise<T>): Promise<T | 'elsewhere'> {
    const until = performance.now() + timings.examineMs
    const borrowed = lead === undefined
    if (borrowed) campaign()
    try {
      while (performance.now() < until && !connection.ready() && !(borrowed && connection.health().at === 'down'))
        await sleep(20)
      if (!(lead?.held() ?? false)) return 'elsewhere'
      return await run()
    } finally {
      if (borrowed) await release()
    }
  }

  function campaign(): void {
    lead = leads.campaign(LEAD, {
      gained() {
        gained = true
        connection.open()
        handover.hold(true)
        clearInterval(failing)
        failing = setInterval(giveUpIfFailing, timings.handoverMs)
      },
      lost() {
        gained = false
        clearInterval(failing)
        handover.hold(false)
        connection.close()
      },
    })
  }

  async function release(): Promise<void> {
    const mine = lead
    lead = undefined
    gained = false
    clearInterval(failing)
    handover.hold(false)
    connection.close()
    await mine?.release()
  }

  /** What keeps this process from WeCom (its network, its secret) may not keep the others. */
  function giveUpIfFailing(): void {
    if (connection.failingMs() >= timings.giveUpMs) lead?.yieldFor?.(timings.standAgainMs)
  }

  /** Another process has something to send and this one has not: it gets the bot, and this one stands for it again afterwards. */
  async function handOver(): Promise<void> {
    if (stopping || lead === undefined || underWay.size > 0 || !streams.idle()) return
    log.info('wecom: another process needs the bot')
    await release()
    await sleep(timings.handoverMs, undefined, { ref: false })
    if (!stopping && lead === undefined) campaign()
  }

  async function testCard(chat: Chat): Promise<Sent> {
    const task = newTask('test', 1)
    const message: Message = {
      title: words.test,
      tone: 'info',
      blocks: [{ type: 'text', text: words.testText }],
      buttons: [],
    }
    await cards.keepCard(task, { place: chat.id, key: `test/${task}`, message, state: 'open' })
    const buttons = [{ key: keyFor({ what: 'now' }), text: words.now, style: 1 }]
    const { card } = renderCard(message, pusher.look(undefined), { task, buttons })
    const outcome = await transport.card(chat, card, () =>
      renderMarkdown(message, pusher.look(undefined), MARKDOWN_BYTES),
    )
    return outcome.at === 'acked'
      ? { at: 'sent', identity: identityOf(chat, task) }
      : sentOf(outcome, chat.id, timings.retryMs)
  }

  /** A store that is away, or a defect: the message waits. Whether it was sent, nobody knows. */
  function failed(error: unknown): Sent {
    const fault = asFault(error)
    log.error({ err: error, code: fault.code }, 'wecom: not sent')
    return { at: 'later', ms: timings.retryMs, scope: 'surface', why: fault.message, arrived: 'unknown' }
  }

  return {
    surface: 'wecom',
    rates: ratesOf(config),
    place: (channel) => (Object.hasOwn(config.channels, channel) ? config.channels[channel]?.id : undefined),
    start() {
      if (lead !== undefined || stopping) return
      try {
        campaign()
      } catch (error) {
        log.error({ err: error }, 'wecom: no lead')
      }
    },
    async stop(ms) {
      stopping = true
      backs.close()
      await settled(ms)
      // In the same turn as the last look: nothing can come in between.
      connection.close()
      streams.close()
      clicks.close()
      await release().catch((error: unknown) => log.warn({ err: error }, 'wecom: lead not released'))
    },
    health: () => connection.health(),
    send: (delivery) => inTurn(`${delivery.place}/${delivery.key}`, () => send(delivery)).catch(failed),
    async answer(envelope, answer) {
      const reply = replySchema.safeParse(envelope.reply)
      if (!reply.success) {
        const fault = new Fault('chat.no-reply', { say: 'It is not known where to answer that.' })
        return { at: 'refused', why: fault.message, next: fault.next }
      }
      const { chat, type, code } = reply.data
      return answers.answer(envelope, answer, { chat: { id: chat, type }, code }).catch(failed)
    },
    async examine(people) {
      const found = await connected(async () => connection.health()).catch((error: unknown) => {
        log.warn({ err: error }, 'wecom: not examined')
        return { at: 'down' as const, since: clock().toISOString(), why: asFault(error).line }
      })
      return [connectionFinding(found), ...examineConfig({ config, webhooks, people })]
    },
    async sendTestCard(channel) {
      const where = config.channels[channel]
      if (where === undefined) {
        const fault = new Fault('chat.no-such-channel', {
          say: `WeCom does not show the channel ${channel}.`,
          next: `name one of wecom.channels: ${Object.keys(config.channels).join(', ')}`,
        })
        return { at: 'refused', why: fault.message, next: fault.next }
      }
      const sent = await connected(() => testCard(chatOf(where.id))).catch(failed)
      if (sent !== 'elsewhere') return sent
      const fault = new Fault('chat.elsewhere', {
        say: 'Another process of this store holds the bot, so no test card was sent.',
        next: 'stop it first, or type a command in the channel there',
      })
      return { at: 'refused', why: fault.message, next: fault.next }
    },
  }
}

/** What a button fills in beforehand, when nothing else is asked. */
function prefilled({ fields = [] }: Button): Record<string, string> {
  return Object.fromEntries(fields.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}
