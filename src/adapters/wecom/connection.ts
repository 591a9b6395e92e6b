import { performance } from 'node:perf_hooks'
import { generateReqId, WSClient } from '@wecom/aibot-node-sdk'
import { Fault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import type { Health } from '../../ports/surface.ts'
import { connectionBroken, type Outcome, outcomeOf } from './outcome.ts'
import type { Timings } from './timings.ts'

export interface Connection {
  /** Connects, and stays connected until closed. */
  open(): void
  close(): void
  ready(): boolean
  /** Grows with every connection: an answer to what came over an older one may be refused. */
  epoch(): number
  health(): Health
  /** Since when it is away, in milliseconds; 0 while it is there. */
  awayMs(): number
  /** For how long it could not be made, without a break; 0 while it stands, and while it waits after another program took the bot. */
  failingMs(): number
  /** Sends one frame and waits for its acknowledgement (5 s in the SDK). Never throws. Without `reqId` it is a new request. */
  request(cmd: string, body: object, reqId?: string): Promise<Outcome>
  /** Uploads a picture; the media_id. Throws what the SDK throws. */
  upload(png: Buffer, name: string): Promise<string>
}

/** Two requests in a row that nobody answered: as good as two missed pings. */
const DEAD_AFTER = 2

/**
 * The one long connection of the bot, over the official SDK. What the SDK leaves open is done here: it stops for good when another
 * program subscribes with the same bot (it is connected again, after a pause that grows, so that two programs do not throw each
 * other out without end), and it waits without end for a subscription that is not answered.
 */
export function createConnection(options: {
  botId: string
  secret: string
  url: string | undefined
  timings: Timings
  /** Whether this process may hold the bot: asked right before anything is sent. */
  held: () => boolean
  heard: (frame: unknown) => void
  log: Log
  clock: () => Date
}): Connection {
  const { timings, held, log, clock } = options
  let client: WSClient | undefined
  let wanted = false
  let authenticated = false
  let epoch = 0
  let kicks = 0
  let unanswered = 0
  let timer: NodeJS.Timeout | undefined
  let steady: NodeJS.Timeout | undefined
  let awaySince = performance.now()
  let failingSince: number | undefined
  let state: Health = { at: 'standby', since: clock().toISOString() }

  function become(at: Health['at'], fault?: Fault): void {
    const why = fault?.line
    if (at !== 'up' && state.at === 'up') awaySince = performance.now()
    if (state.at === at && state.why === why) return
    const since = state.at === at ? state.since : clock().toISOString()
    state = { at, since, ...(why === undefined ? {} : { why }) }
  }

  function drop(): void {
    clearTimeout(timer)
    clearTimeout(steady)
    authenticated = false
    const old = client
    client = undefined
    // Its listeners stay: they look whose they are, and a socket that is torn down while it connects reports an error.
    old?.disconnect()
  }

  function again(ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(connect, ms)
  }

  function connect(): void {
    if (!wanted) return
    // Between two holders of the lead: whoever has it is told, or has it again.
    if (!held()) {
      again(timings.retryMs)
      return
    }
    drop()
    failingSince ??= performance.now()
    const mine = new WSClient({
      botId: options.botId,
      secret: options.secret,
      ...(options.url === undefined ? {} : { wsUrl: options.url }),
      reconnectInterval: timings.retryMs,
      maxReconnectAttempts: -1,
      maxAuthFailureAttempts: -1,
      heartbeatInterval: timings.heartbeatMs,
      wsOptions: { handshakeTimeout: timings.authMs },
      logger: quiet(log),
    })
    client = mine
    const current = (act: () => void) => (): void => {
      if (client === mine) act()
    }
    // An open socket whose subscription nobody answers is no connection.
    const watch = (): void => {
      clearTimeout(timer)
      timer = setTimeout(
        current(() => {
          become('down', new Fault('chat.silent', { say: 'WeCom does not answer on the long connection.' }))
          log.warn('wecom subscription not answered')
          drop()
          again(timings.retryMs)
        }),
        timings.authMs,
      )
    }
    mine.on('connected', current(watch))
    mine.on(
      'authenticated',
      current(() => {
        clearTimeout(timer)
        authenticated = true
        failingSince = undefined
        epoch++
        unanswered = 0
        become('up')
        log.info({ epoch }, 'wecom connected')
        clearTimeout(steady)
        steady = setTimeout(() => {
          kicks = 0
        }, timings.steadyMs)
      }),
    )
    mine.on(
      'disconnected',
      current(() => {
        clearTimeout(timer)
        clearTimeout(steady)
        authenticated = false
        failingSince ??= performance.now()
        if (state.why === undefined || state.at === 'up') become('down', connectionBroken())
        log.warn('wecom disconnected')
      }),
    )
    mine.on('event.disconnected_event', current(kicked))
    mine.on('error', (error: Error) => {
      if (client !== mine) return
      const refused = /Authentication failed/.test(error.message)
      const code = /code: (-?\d+)/.exec(error.message)?.[1]
      become(
        'down',
        refused
          ? new Fault('chat.not-authenticated', {
              say: `WeCom refuses the bot's id or its secret (${code ?? '-'}).`,
              next: 'check both in the settings of the bot, API mode with a long connection',
            })
          : connectionBroken(),
      )
      log.warn({ refused, code }, 'wecom connection failed')
    })
    mine.on('message', hearing(mine, options.heard))
    mine.on('event', hearing(mine, options.heard))
    if (state.at === 'standby') become('connecting')
    mine.connect()
  }

  function hearing(mine: WSClient, heard: (frame: unknown) => void): (frame: unknown) => void {
    return (frame) => {
      if (client === mine && wanted) heard(frame)
    }
  }

  function kicked(): void {
    kicks++
    failingSince = undefined
    const most = Math.min(timings.kickMs * 2 ** (kicks - 1), timings.kickMostMs)
    // Two that fight must not do it in step.
    const pause = most * (0.75 + Math.random() / 2)
    log.warn({ kicks, pause: Math.round(pause) }, 'wecom: another program uses this bot')
    become(
      'down',
      new Fault('chat.kicked', {
        say: 'Another program has subscribed with the same WeCom bot, which can hold one connection only.',
        next: 'end the other program, or give it a bot of its own',
      }),
    )
    // The SDK still acts on the event; it must be through with it.
    setImmediate(() => {
      drop()
      failingSince = undefined
      if (wanted) again(pause)
    })
  }

  const connection: Connection = {
    open() {
      wanted = true
      if (client === undefined) connect()
    },
    close() {
      wanted = false
      kicks = 0
      failingSince = undefined
      drop()
      become('standby')
    },
    ready: () => client !== undefined && authenticated && held(),
    epoch: () => epoch,
    health: () => (wanted && !held() ? { ...state, at: 'standby' } : state),
    awayMs: () => (connection.ready() ? 0 : performance.now() - awaySince),
    failingMs: () => (failingSince === undefined ? 0 : performance.now() - failingSince),
    async request(cmd, body, reqId = generateReqId(cmd)) {
      const mine = client
      if (mine === undefined || !connection.ready()) return { at: 'away', detail: state.at }
      try {
        const ack = await mine.reply({ headers: { req_id: reqId } }, body, cmd)
        unanswered = 0
        return { at: 'acked', body: ack.body }
      } catch (error) {
        const outcome = outcomeOf(error)
        if (outcome.at !== 'unanswered') unanswered = 0
        else if (client === mine && authenticated && ++unanswered >= DEAD_AFTER) {
          become('down', new Fault('chat.silent', { say: 'WeCom does not answer on the long connection.' }))
          drop()
          again(timings.retryMs)
        }
        return outcome
      }
    },
    async upload(png, name) {
      const mine = client
      if (mine === undefined || !connection.ready()) throw new Error('WebSocket not connected')
      const { media_id } = await mine.uploadMedia(png, { type: 'image', filename: name })
      return media_id
    },
  }
  return connection
}

/** The SDK's log holds what people write: only that something happened, and only for those who look for it. */
function quiet(log: Log): { debug(): void; info(): void; warn(): void; error(): void } {
  const say = (level: string) => (): void => log.trace({ level }, 'wecom sdk')
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
}
