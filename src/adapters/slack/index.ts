import type { Language } from '../../lib/catalogue/translate.ts'
import type { Log } from '../../lib/log.ts'
import type { Message } from '../../ports/chat.ts'
import type { Store } from '../../ports/store.ts'
import type { ChatSurface, Rate, Reception, Sent } from '../../ports/surface.ts'
import { answerEnvelope } from './answer.ts'
import { type Bot, call } from './bot.ts'
import { createClient } from './calls.ts'
import type { SlackConfig } from './config.ts'
import { createConnections, pause } from './connections.ts'
import { examine } from './examine.ts'
import { createHttp, type HttpAnswer, type HttpRequest } from './http.ts'
import { createIncoming } from './incoming.ts'
import { attachWaiting } from './rest.ts'
import { sendDelivery } from './send.ts'
import { createState } from './state.ts'
import { TIMINGS, type Timings } from './timings.ts'
import { wordsIn } from './words.ts'

export interface Slack extends ChatSurface {
  /** One request of Slack's in HTTP mode. Never throws. */
  http(request: HttpRequest): Promise<HttpAnswer>
  /** A message without meaning, to see that the channel (Slack's id) shows what is sent. */
  sendTestCard(channel: string): Promise<Sent>
}

/** chat.postMessage: about one a second and channel; chat.update, counted apart: at least 50 a minute, and no bursts. */
const RATES: readonly Rate[] = [
  { count: 1, ms: 1000, of: 'new' },
  { count: 50, ms: 60_000, of: 'edit' },
  { count: 2, ms: 1000, of: 'edit' },
]

/**
 * Slack through its own SDK. Nothing is connected before `start`. `mention` gives Slack's id of one of our people.
 */
export function createSlack(options: {
  config: SlackConfig
  botToken: string
  appToken?: string
  signingSecret?: string
  reception: () => Reception
  pictures: (id: string) => Promise<Buffer | undefined>
  mention: (personId: string) => string | undefined
  store: Store
  log: Log
  clock: () => Date
  language: Language
  timings?: Partial<Timings>
}): Slack {
  const { config, botToken, appToken } = options
  const timings: Timings = { ...TIMINGS, ...options.timings }
  const state = createState({ sockets: config.mode === 'socket', clock: options.clock })
  const bot: Bot = {
    config,
    client: createClient(botToken, { apiUrl: config.apiUrl, timings, log: options.log }),
    reception: options.reception,
    pictures: options.pictures,
    mention: options.mention,
    store: options.store,
    log: options.log,
    clock: options.clock,
    language: options.language,
    words: wordsIn(options.language),
    timings,
    state,
    responses: new Map(),
    attached: new Set(),
    told: new Map(),
    slots: new Map(),
    looks: new Map(),
  }
  const incoming = createIncoming(bot, botToken)
  const connections =
    config.mode === 'socket' && appToken !== undefined
      ? createConnections({ app: incoming.app, appToken, apiUrl: config.apiUrl, timings, state, log: options.log })
      : undefined
  const stopping = new AbortController()
  let ready = false
  let running: Promise<void> | undefined
  const http = createHttp({
    app: () => (ready && !stopping.signal.aborted ? incoming.app : undefined),
    signingSecret: options.signingSecret ?? '',
    clock: options.clock,
    log: options.log,
  })

  let attaching = false
  const attach = async (): Promise<void> => {
    if (attaching) return
    attaching = true
    await attachWaiting(bot).catch((error: unknown) => options.log.warn({ err: error }, 'slack rests not read'))
    attaching = false
  }

  /** Learns who the bot is, however long that takes; connects; and asks from then on whether Slack still answers. */
  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted && !ready; failures++) {
      const known = await call(bot, () => incoming.app.init())
      if (known.ok) ready = true
      else {
        options.log.info({ failure: known.failure }, 'slack not reached')
        await pause(Math.min(timings.longestPause, timings.pause * 2 ** failures), stopping.signal)
      }
    }
    if (stopping.signal.aborted) return
    connections?.start()
    while (!stopping.signal.aborted) {
      // Sooner while it is away, so that people see soon that it is back.
      await pause(
        state.answers() ? timings.probe : Math.min(timings.probe, timings.longestPause, timings.pause * 4),
        stopping.signal,
      )
      if (stopping.signal.aborted) break
      const known = await call(bot, () => bot.client.auth.test())
      // Uploads may take long, and whether Slack answers is asked on time.
      if (known.ok) void attach()
    }
  }

  return {
    surface: 'slack',
    rates: RATES,
    place: (channel) => (Object.hasOwn(config.channels, channel) ? config.channels[channel] : undefined),
    send: (delivery) => sendDelivery(bot, delivery),
    start() {
      running ??= run().catch((error: unknown) => options.log.error({ err: error }, 'slack surface ended'))
    },
    async stop(ms) {
      await incoming.drain(ms)
      stopping.abort()
      await connections?.stop()
      await running
    },
    health: () => state.health(),
    answer: (envelope, answer) => answerEnvelope(bot, envelope, answer),
    examine: (people) => examine(bot, { appToken, people }),
    async http(request) {
      if (config.mode !== 'http' || !options.signingSecret) return { status: 404, body: '', type: 'text/plain' }
      try {
        return await http(request)
      } catch (error) {
        options.log.warn({ err: error }, 'slack request not answered')
        return { status: 503, body: '', type: 'text/plain' }
      }
    },
    sendTestCard: (channel) =>
      sendDelivery(bot, { key: `test/${options.clock().getTime()}`, place: channel, message: TEST_CARD, revision: 1 }),
  }
}

const SAID = {
  here: { say: 'Rollcall is here' },
  test: { say: 'This is a test: release cards and alerts will stand in this channel.' },
}

const TEST_CARD: Message = {
  title: SAID.here.say,
  tone: 'good',
  blocks: [{ type: 'text', text: SAID.test.say }],
  buttons: [],
}
