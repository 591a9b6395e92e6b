import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { commands } from '../../../commands/index.ts'
import { createLeads } from '../../../src/adapters/leads/index.ts'
import { type WecomConfig, wecomSchema } from '../../../src/adapters/wecom/config.ts'
import { createWecom, type Timings } from '../../../src/adapters/wecom/index.ts'
import { Fault } from '../../../src/lib/fault.ts'
import { createLog } from '../../../src/lib/log.ts'
import type { Button, Message } from '../../../src/ports/chat.ts'
import type { Answer, Delivery, Envelope, Reception, Sent } from '../../../src/ports/surface.ts'
import { createMemoryStore, type MemoryStore } from '../../fakes/memory-store.ts'
import { startWecomServer, type WecomOptions, type WecomServer } from '../../servers/wecom/index.ts'

export const GROUP = 'wrGROUP1'
export const PERSON = 'ZhangSan'

/** Everything short, in the proportions of the real ones. */
export const QUICK: Partial<Timings> = {
  heartbeatMs: 150,
  authMs: 600,
  retryMs: 40,
  kickMs: 80,
  kickMostMs: 800,
  steadyMs: 3000,
  quickMs: 400,
  backMs: 60_000,
  acceptMs: 800,
  webhookAfterMs: 200,
  webhookTimeoutMs: 2000,
  handoverMs: 60,
  giveUpMs: 600,
  standAgainMs: 1200,
  examineMs: 1500,
}

/** Polls until it holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 8000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`)
    await sleep(10)
  }
}

export interface Inbox extends Reception {
  /** What was taken in, once each. */
  taken: Envelope[]
  /** How often the adapter brought something. */
  offered: number
  /** What becomes of each: the answer, when it is there. */
  handle: (envelope: Envelope) => Promise<Answer | undefined> | Answer | undefined
  refuse: (button: string) => Answer | undefined
  /** Throws as the store does when it is away. */
  away: boolean
}

/** The reception's contract in memory: taken in once by id, answered afterwards, tried again while the surface says later. */
export function createInbox(answer: (envelope: Envelope, answer: Answer) => Promise<Sent>): Inbox {
  const known = new Set<string>()
  const inbox: Inbox = {
    taken: [],
    offered: 0,
    away: false,
    handle: (envelope) => ({
      ok: true,
      text: envelope.deed.kind === 'typed' ? `heard ${envelope.deed.text}` : `pressed ${envelope.deed.button}`,
    }),
    refuse: () => undefined,
    commands: commands.map(({ name, summary, usage }) => ({ name, summary, usage })),
    async accept(envelope) {
      inbox.offered++
      if (inbox.away) throw new Fault('store.unavailable', { say: 'away', retry: true })
      const stored: Envelope = JSON.parse(JSON.stringify(envelope))
      if (known.has(stored.id)) return 'known'
      known.add(stored.id)
      inbox.taken.push(stored)
      void (async () => {
        const said = await inbox.handle(stored)
        if (said === undefined) return
        for (let tries = 0; tries < 300; tries++) {
          const sent = await answer(stored, said)
          if (sent.at !== 'later') return
          await sleep(Math.min(sent.ms, 40))
        }
      })()
      return 'new'
    },
    refusal: async (_, button) => inbox.refuse(button),
    form: () => undefined,
    line: () => ({ wrong: {} }),
  }
  return inbox
}

export interface Rig {
  server: WecomServer
  store: MemoryStore
  inbox: Inbox
  wecom: ReturnType<typeof createWecom>
  logged: string[]
  /** Another process of the same bot and store. */
  another(options?: {
    inbox?: Inbox
    secret?: string
  }): Promise<{ wecom: ReturnType<typeof createWecom>; inbox: Inbox }>
  up(): Promise<void>
}

export async function startRig(
  options: {
    server?: WecomOptions
    config?: Partial<WecomConfig>
    timings?: Partial<Timings>
    shared?: boolean
    webhook?: boolean
    start?: boolean
    pictures?: Record<string, Buffer>
    secret?: string
  } = {},
): Promise<Rig> {
  const server = await startWecomServer(options.server)
  server.addChat(GROUP)
  server.addChat(PERSON, { type: 'single' })
  const store = createMemoryStore()
  const logged: string[] = []
  const log = createLog({
    level: 'debug',
    env: {},
    stream: { write: (line: string) => void logged.push(line) },
    terminal: false,
  })
  const config = {
    ...wecomSchema.parse({
      channels: { '#releases': { id: GROUP }, '#zhang': { id: PERSON, type: 'single' } },
      url: server.url,
      language: 'en',
    }),
    ...options.config,
  }
  const ends: (() => Promise<unknown>)[] = []
  function make({ inbox, secret }: { inbox?: Inbox; secret?: string } = {}): {
    wecom: ReturnType<typeof createWecom>
    inbox: Inbox
  } {
    const leads = createLeads({ store, exclusive: options.shared !== true, log, leaseMs: 800, pollMs: 40 })
    const own: Inbox = inbox ?? createInbox((envelope, answer) => wecom.answer(envelope, answer))
    const wecom = createWecom({
      config,
      botId: server.botId,
      secret: secret ?? options.secret ?? server.secret,
      webhooks: new Map(options.webhook ? [['#releases', server.webhookUrl(GROUP)]] : []),
      reception: () => own,
      pictures: async (id) => options.pictures?.[id],
      mention: (id) => (id === 'alice' ? 'AliceW' : undefined),
      store,
      leads,
      log,
      clock: () => new Date(),
      language: config.language,
      timings: { ...QUICK, ...options.timings },
    })
    ends.push(() => wecom.stop(200).then(() => leads.close()))
    return { wecom, inbox: own }
  }
  const { wecom, inbox } = make()
  onTestFinished(async () => {
    await Promise.all(ends.map((end) => end()))
    await server.stop()
  })
  const rig: Rig = {
    server,
    store,
    inbox,
    wecom,
    logged,
    another: async (more) => make(more),
    up: () => until('connected', () => wecom.health().at === 'up'),
  }
  if (options.start !== false) {
    wecom.start()
    await rig.up()
  }
  return rig
}

export const button = (verb: string, more: Partial<Button> = {}): Button => ({
  id: `button-${verb}`,
  action: `release.${verb}`,
  label: verb,
  style: 'plain',
  ...more,
})

export const approve = button('approve', { style: 'primary', confirm: 'Release user-service v1.1.0 to 3 hosts?' })
export const reject = button('reject', { style: 'danger' })

export const message = (more: Partial<Message> = {}): Message => ({
  title: 'R-3 user-service v1.1.0 awaiting approval',
  tone: 'info',
  blocks: [{ type: 'text', text: 'Three hosts, one at a time.' }],
  buttons: [approve, reject],
  ...more,
})

export const delivery = (more: Partial<Delivery> = {}): Delivery => ({
  key: 'R-3/card',
  place: GROUP,
  message: message(),
  revision: 1,
  ...more,
})

/** The task id of the newest card in a conversation. */
export function taskIn(server: WecomServer, chat = GROUP): string {
  const card = server.messages(chat).findLast((each) => each.card !== undefined)?.card
  if (card?.task_id === undefined) throw new Error('no card there')
  return card.task_id
}

/** What a message says, whatever its kind. */
export function said(each: ReturnType<WecomServer['messages']>[number]): string {
  return each.stream?.content ?? each.markdown ?? each.text ?? JSON.stringify(each.card)
}
