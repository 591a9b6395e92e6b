/**
 * A Slack on 127.0.0.1: Web API, Socket Mode and HTTP mode, and the people who use it. It refuses what the real one refuses, so an
 * adapter that passes here has met Slack's limits; where Slack's documentation is silent it takes the stricter reading. The app is
 * installed as manifest.yml says: its scopes, its commands.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { parse } from 'yaml'
import { z } from 'zod'
import { createFaults } from './faults.ts'
import { answerHttp, type HttpContext } from './http.ts'
import { createHttpMode } from './http-mode.ts'
import { KEPT } from './kept.ts'
import { click, clickEphemeral, dm, eventBody, mention, type PeopleContext, slash } from './people.ts'
import { createSocketMode } from './socket.ts'
import { dismiss, type Submitted, submit } from './submit.ts'
import type { Attempt, Call, Delivered, Ephemeral, Modal, SlackMessage, SlackServerOptions } from './types.ts'
import { createWorkspace, ephemeralsOf, messagesOf, modalsOf, token } from './workspace.ts'

export { signed } from './http-mode.ts'
export type * from './types.ts'
export { BOT_USER } from './workspace.ts'

export interface SlackServer {
  /** Ends with a slash. */
  apiUrl: string
  botToken: string
  appToken: string
  signingSecret: string
  botUser: string
  addChannel(id: string, options?: { name?: string; member?: boolean; private?: boolean; archived?: boolean }): void
  addUser(id: string, options?: { name?: string; bot?: boolean; deleted?: boolean }): void
  /** Messages as they stand, thread replies included, oldest first; with `thread` the head and its replies. */
  messages(channel: string, options?: { thread?: string }): SlackMessage[]
  /** The bytes of a file that was uploaded and completed. */
  file(id: string): Buffer | undefined
  /** What this person alone sees, oldest first. */
  ephemerals(user: string): Ephemeral[]
  /** Open ones, newest last. */
  modals(user: string): Modal[]
  /**
   * A command of the manifest, such as `/release user-service v1.1.0`; throws for others, which Slack itself refuses. Where Slack
   * keeps a name for itself the person types the manifest's name for it: `/status` is delivered as `/rollcall-status`.
   */
  slash(user: string, channel: string, text: string): Promise<Delivered>
  mention(user: string, channel: string, text: string, thread?: string): Promise<Delivered>
  dm(user: string, text: string): Promise<Delivered>
  /** The one button that shows this label, or has this action_id, now; a confirm dialog is answered with yes. Throws when there is none. */
  click(user: string, channel: string, ts: string, label: string): Promise<Delivered>
  /** `index` counts from the end when negative. */
  clickEphemeral(user: string, index: number, label: string): Promise<Delivered>
  /** The newest open modal, values by label or block_id. `errors` are those of the app, or of Slack itself, by block_id. */
  submit(user: string, values: Record<string, string | string[]>): Promise<Submitted>
  /** Closes the newest modal; delivered when the view wants to know. */
  dismiss(user: string): Promise<Delivered | undefined>
  /** Every call to the Web API and to response URLs, refused ones included. */
  calls(method?: string): Call[]
  /** Every envelope that was sent to the app, redeliveries and duplicates included. */
  attempts(): Attempt[]
  /** HTTP mode: what Slack sends when the address is entered; true when the challenge came back. */
  verifyUrl(): Promise<boolean>
  sslCheck(): Promise<number>
  faults: {
    /** The next `times` (1) calls for this channel are answered 429, and every one until so many seconds later. */
    rateLimit(channel: string, options: { seconds: number; times?: number }): void
    /** Closes every connection and refuses new ones. */
    outage(ms: number): void
    invalidAuth(on: boolean): void
    /** From now on every envelope is delivered so many more times with the same id; 0 ends it. */
    duplicate(times: number): void
    /** The oldest connection is asked to go and closed, or all of them; `warn`: a warning comes before. */
    refresh(options?: { warn?: boolean; all?: boolean }): void
    /** Somebody switches Socket Mode off: all connections end. */
    linkDisabled(): void
    /** Does it, then cuts the connection without answering. */
    loseAnswer(method: string, times: number): void
    /** From now on; 0 ends it. */
    slow(method: string, ms: number): void
    /** Takes acknowledgements as never received. */
    dropAcks(times: number): void
    refuseNativeBlocks(on: boolean): void
  }
  connections(): number
  stop(): Promise<void>
}

const manifestSchema = z.object({
  features: z.object({ slash_commands: z.array(z.object({ command: z.string() })) }),
  oauth_config: z.object({ scopes: z.object({ bot: z.array(z.string()) }) }),
})

export async function startSlackServer(options: SlackServerOptions = {}): Promise<SlackServer> {
  const manifest = manifestSchema.parse(parse(readFileSync(new URL('../../../manifest.yml', import.meta.url), 'utf8')))
  const commands = options.commands ?? manifest.features.slash_commands.map(({ command }) => command)
  const kept = commands.filter((command) => KEPT.has(command.slice(1)))
  if (kept.length > 0) throw new Error(`Slack says: the slash command has an invalid name: ${kept.join(', ')}`)
  const workspace = createWorkspace()
  const faults = createFaults()
  const attempts: Attempt[] = []
  const signingSecret = options.http?.signingSecret ?? token(16)
  const open = new Set<Socket>()
  const httpUrl = options.http?.url
  const shared = { faults, attempts, ackMs: options.ackMs ?? 3000 }
  const socketMode = createSocketMode({
    ...shared,
    retryMs: options.retryMs ?? [0, 0, 0],
    pingMs: options.pingMs ?? 10_000,
  })
  const httpMode =
    httpUrl === undefined
      ? undefined
      : createHttpMode({
          ...shared,
          url: typeof httpUrl === 'string' ? () => httpUrl : httpUrl,
          signingSecret,
          retryMs: options.retryMs ?? [0, 300, 1500],
        })

  const server = createServer((request, response) => {
    answerHttp(context, request, response).catch(() => request.socket.destroy())
  })
  server.on('connection', (socket) => {
    if (Date.now() < faults.awayUntil) return socket.destroy()
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  server.on('upgrade', (request, socket, head) => socketMode.upgrade(request, socket, head))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const context: HttpContext & PeopleContext = {
    workspace,
    faults,
    base: () => base,
    triggerMs: options.triggerMs ?? 3000,
    responseMs: options.responseMs ?? 30 * 60_000,
    fileReadyMs: options.fileReadyMs ?? 0,
    scopes: options.scopes ?? manifest.oauth_config.scopes.bot,
    commands,
    rates: { post: { burst: 5, perSecond: 1 }, ...options.rates },
    botToken: `xoxb-${token(8)}`,
    appToken: `xapp-1-${token(8)}`,
    ticket: () => socketMode.ticket(base),
    deliverer: httpMode ?? socketMode,
    echo(event) {
      if (context.scopes.includes('im:history')) void context.deliverer.deliver('events_api', eventBody(event))
    },
  }

  return {
    apiUrl: `${base}/api/`,
    botToken: context.botToken,
    appToken: context.appToken,
    signingSecret,
    botUser: 'U0ROLLBOT',
    addChannel(
      id,
      { name = id.toLowerCase(), member = true, private: closed = id.startsWith('G'), archived = false } = {},
    ) {
      workspace.channels.set(id, { id, name, member, private: closed, archived })
    },
    addUser(id, { name = id.toLowerCase(), bot = false, deleted = false } = {}) {
      workspace.users.set(id, { id, name, bot, deleted })
    },
    messages: (channel, { thread } = {}) =>
      structuredClone(
        messagesOf(workspace, channel).filter(
          ({ ts, thread_ts }) => thread === undefined || ts === thread || thread_ts === thread,
        ),
      ),
    file(id) {
      const found = workspace.files.get(id)
      return found?.completedAt === undefined ? undefined : found.bytes
    },
    ephemerals: (user) => structuredClone(ephemeralsOf(workspace, user)),
    modals: (user) => structuredClone(modalsOf(workspace, user)),
    slash: async (user, channel, text) => slash(context, user, channel, text),
    mention: async (user, channel, text, thread) => mention(context, user, channel, text, thread),
    dm: async (user, text) => dm(context, user, text),
    click: async (user, channel, ts, label) => click(context, user, channel, ts, label),
    clickEphemeral: async (user, index, label) => clickEphemeral(context, user, index, label),
    submit: (user, values) => submit(context, user, values),
    dismiss: (user) => dismiss(context, user),
    calls: (method) =>
      structuredClone(workspace.calls.filter((call) => method === undefined || call.method === method)),
    attempts: () => structuredClone(attempts),
    verifyUrl: async () => httpMode?.verifyUrl() ?? false,
    sslCheck: async () => httpMode?.sslCheck() ?? 0,
    faults: {
      rateLimit: faults.limit,
      outage(ms) {
        faults.awayUntil = Date.now() + ms
        socketMode.cut()
        for (const socket of open) socket.destroy()
      },
      invalidAuth(on) {
        faults.invalidAuth = on
      },
      duplicate(times) {
        faults.duplicates = times
      },
      refresh: ({ warn = false, all = false } = {}) =>
        socketMode.disconnect('refresh_requested', { all, ...(warn ? { warnMs: options.warnMs ?? 100 } : {}) }),
      linkDisabled: () => socketMode.disconnect('link_disabled', { all: true }),
      loseAnswer: faults.loseAnswer,
      slow: faults.slow,
      dropAcks(times) {
        faults.dropAcks = times
      },
      refuseNativeBlocks(on) {
        faults.refuseNative = on
      },
    },
    connections: () => socketMode.connections(),
    async stop() {
      socketMode.stop()
      httpMode?.stop()
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
