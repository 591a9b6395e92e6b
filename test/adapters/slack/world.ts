import { commands } from '../../../commands/index.ts'
import { type SlackConfig, slackSchema } from '../../../src/adapters/slack/config.ts'
import { createSlack, type Slack } from '../../../src/adapters/slack/index.ts'
import type { Timings } from '../../../src/adapters/slack/timings.ts'
import { Fault } from '../../../src/lib/fault.ts'
import { createLog, type Log } from '../../../src/lib/log.ts'
import type { Message } from '../../../src/ports/chat.ts'
import type { Answer, Delivery, Envelope, Form, Reception, Sent } from '../../../src/ports/surface.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'
import { type SlackServer, type SlackServerOptions, startSlackServer } from '../../servers/slack/index.ts'

export const PLACE = 'C0RELEASES'
export const OTHER = 'C0ALERTS'
export const ALICE = 'U0ALICE'

/** A reception that keeps envelopes by their id, as the inbox does, and answers as it is told. */
export interface TestReception extends Reception {
  envelopes: Envelope[]
  /** How often `accept` was asked, duplicates and refusals included. */
  asked: number
  /** Runs before an envelope is kept; what it throws, `accept` throws. */
  before: (envelope: Envelope) => Promise<void>
  refuses: Map<string, Answer>
  forms: Map<string, Form>
  lines: (command: string, values: Record<string, string>) => { text: string } | { wrong: Record<string, string> }
}

export interface World {
  server: SlackServer
  slack: Slack
  reception: TestReception
  store: MemoryStore
  pictures: Map<string, Buffer>
  /** Lines of the log. */
  logged: string[]
  stop(): Promise<void>
}

/** Short, so that a second of a test is about twenty of the real ones. */
export const QUICK: Partial<Timings> = {
  accept: 400,
  call: 1000,
  pause: 50,
  longestPause: 400,
  probe: 300,
  pong: 450,
  serverPing: 1500,
  connect: 1000,
  fileReady: 60,
  refusal: 300,
  spacing: 0,
}

export function testReception(): TestReception {
  const kept = new Map<string, Envelope>()
  const reception: TestReception = {
    envelopes: [],
    asked: 0,
    before: async () => {},
    refuses: new Map(),
    forms: new Map(),
    lines: (command, values) => ({ text: `/${command} ${Object.values(values).join(' ')}`.trim() }),
    async accept(envelope) {
      reception.asked += 1
      await reception.before(envelope)
      if (kept.has(envelope.id)) return 'known'
      kept.set(envelope.id, envelope)
      reception.envelopes.push(structuredClone(envelope))
      return 'new'
    },
    refusal: async (_, button) => reception.refuses.get(button),
    form: (text) => reception.forms.get(text),
    line: (command, values) => reception.lines(command, values),
    commands: commands.map(({ name, summary, usage }) => ({ name, summary, usage })),
  }
  return reception
}

export async function world(
  options: {
    config?: Partial<SlackConfig>
    server?: SlackServerOptions
    timings?: Partial<Timings>
    language?: 'en' | 'zh'
    started?: boolean
    clock?: () => Date
    /** Tokens that differ from the server's. */
    botToken?: string
    appToken?: string
  } = {},
): Promise<World> {
  const server = await startSlackServer({
    retryMs: [20, 60, 150],
    rates: { post: { burst: 100, perSecond: 100 }, perMinute: 6000 },
    ...options.server,
  })
  server.addChannel(PLACE, { name: 'releases' })
  server.addChannel(OTHER, { name: 'alerts' })
  server.addUser(ALICE, { name: 'alice' })
  server.addUser('U0BOB', { name: 'bob' })
  const reception = testReception()
  const store = createMemoryStore()
  const pictures = new Map<string, Buffer>()
  const logged: string[] = []
  const slack = createSlack({
    config: {
      ...slackSchema.parse({ channels: { '#releases': PLACE, '#alerts': OTHER } }),
      apiUrl: server.apiUrl,
      ...options.config,
    },
    botToken: options.botToken ?? server.botToken,
    appToken: options.appToken ?? server.appToken,
    signingSecret: server.signingSecret,
    reception: () => reception,
    pictures: async (id) => pictures.get(id),
    mention: (person) => ({ alice: ALICE, bob: 'U0BOB' })[person],
    store,
    log: testLog(logged),
    clock: options.clock ?? (() => new Date()),
    language: options.language ?? 'en',
    timings: { ...QUICK, ...options.timings },
  })
  if (options.started !== false) {
    slack.start()
    await until(() => slack.health().at === 'up' && (options.config?.mode === 'http' || server.connections() === 2))
  }
  return {
    server,
    slack,
    reception,
    store,
    pictures,
    logged,
    async stop() {
      await slack.stop(1000)
      await server.stop()
    },
  }
}

function testLog(logged: string[]): Log {
  return createLog({ level: 'trace', env: {}, terminal: false, stream: { write: (line: string) => logged.push(line) } })
}

/** Polls until it holds; an error after `ms`. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`did not become true within ${ms} ms: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export const away = () => new Fault('store.unavailable', { say: 'The store is away.', retry: true })

export const card = (part: Partial<Message> = {}): Message => ({
  title: 'Release R-1',
  tone: 'info',
  blocks: [{ type: 'text', text: 'user-service v1.1.0' }],
  buttons: [],
  ...part,
})

export const delivery = (part: Partial<Delivery> = {}): Delivery => ({
  key: 'release/R-1',
  place: PLACE,
  message: card(),
  revision: 1,
  ...part,
})

/** What came of it, which has to be that it was sent. */
export async function sent(promise: Promise<Sent>): Promise<Extract<Sent, { at: 'sent' }>> {
  const outcome = await promise
  if (outcome.at !== 'sent') throw new Error(`not sent: ${JSON.stringify(outcome)}`)
  return outcome
}

/** A PNG of one pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
