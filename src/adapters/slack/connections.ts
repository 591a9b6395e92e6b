import { type App, SocketModeReceiver } from '@slack/bolt'
import type { Log } from '../../lib/log.ts'
import { clientOptions, type Failure, failureOf, sdkLog } from './calls.ts'
import type { State } from './state.ts'
import type { Timings } from './timings.ts'

/** Slack renews each connection now and then, and deeds in the gap would be lost: the other one takes them. The platform allows 10. */
const SOCKETS = 2
const LOOK_MS = 250

export interface Connections {
  start(): void
  stop(): Promise<void>
}

/**
 * Keeps the sockets open without limit. Each connection is a receiver of its own that is thrown away when it ends: what the SDK
 * does by itself when it reconnects (a rejection that nobody handles on `invalid_auth`, pauses without a bound, 30 s of waiting
 * for the farewell of a dead peer) never begins.
 */
export function createConnections(options: {
  app: App
  appToken: string
  apiUrl: string
  timings: Timings
  state: State
  log: Log
}): Connections {
  const { timings, state, log } = options
  const stopping = new AbortController()
  const open = new Set<number>()
  let loops: Promise<void>[] = []

  const tell = (index: number, stands: boolean): void => {
    if (stands) open.add(index)
    else open.delete(index)
    state.connected(open.size)
  }

  /** One connection from its beginning to its end. True when it stood. */
  async function live(index: number): Promise<boolean> {
    const ended = Promise.withResolvers<void>()
    const receiver = new SocketModeReceiver({
      appToken: options.appToken,
      // Separate options for each, as the SDK writes into them; no headers, or the wrong token would be sent.
      installerOptions: { clientOptions: clientOptions(options) },
      autoReconnectEnabled: false,
      clientPingTimeout: timings.pong,
      serverPingTimeout: timings.serverPing,
      logger: sdkLog(log),
      // Not acknowledged: Slack delivers it again.
      processEventErrorHandler: async ({ error }) => {
        log.warn({ err: error }, 'slack event not processed')
        return false
      },
    })
    receiver.init(options.app)
    const { client } = receiver
    client.on('disconnected', () => ended.resolve())
    const aborted = () => ended.resolve()
    stopping.signal.addEventListener('abort', aborted, { once: true })
    let look: NodeJS.Timeout | undefined
    try {
      const started = client.start()
      // Whoever loses the race below is heard all the same.
      started.catch(() => {})
      await within(
        Promise.race([started, ended.promise.then(() => Promise.reject(new Error('closed')))]),
        timings.connect,
      )
      if (stopping.signal.aborted) return true
      tell(index, true)
      log.info({ socket: index }, 'slack connected')
      // A peer that no longer answers pings is given up at once: the SDK begins to close, and would wait for an answer to that.
      look = setInterval(() => {
        if (client.websocket?.isActive() !== true) ended.resolve()
      }, LOOK_MS)
      await ended.promise
      return true
    } catch (error) {
      if (!stopping.signal.aborted) fail(index, error)
      return false
    } finally {
      clearInterval(look)
      stopping.signal.removeEventListener('abort', aborted)
      tell(index, false)
      end(receiver)
    }
  }

  function fail(index: number, error: unknown): void {
    const failure: Failure = failureOf(error)
    state.socketFailed(failure)
    log.info({ socket: index, failure }, 'slack not connected')
  }

  async function keep(index: number): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      const began = performance.now()
      const stood = await live(index)
      // A connection that ends as soon as it stands is no better than none.
      failures = stood && performance.now() - began > timings.pause ? 0 : failures + 1
      if (failures > 0)
        await pause(Math.min(timings.longestPause, timings.pause * 2 ** (failures - 1)), stopping.signal)
    }
  }

  return {
    start() {
      loops = Array.from({ length: SOCKETS }, (_, index) => keep(index))
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}

/** Says farewell, and hangs up without waiting for an answer. */
function end(receiver: SocketModeReceiver): void {
  const { client } = receiver
  client.removeAllListeners('disconnected')
  const closed = client.disconnect()
  closed.catch(() => {})
  const cut = setTimeout(() => {
    if (client.websocket?.readyState !== undefined) client.websocket.disconnect()
  }, 200)
  closed.finally(() => clearTimeout(cut)).catch(() => {})
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Up to a quarter shorter at random, so that many do not come back at once. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms * (1 - Math.random() / 4))
  const stop = () => resolve()
  signal.addEventListener('abort', stop, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
}
