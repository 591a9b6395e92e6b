/** Socket Mode: tickets, connections, envelopes and what becomes of the ones that nobody acknowledges. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Faults } from './faults.ts'
import { type Attempt, type Delivered, type DeliveryType, isObject, type Json } from './types.ts'
import { APP, token } from './workspace.ts'

const MOST = 10
const TICKET_MS = 30_000

export interface Deliverer {
  deliver(type: DeliveryType, payload: Json): Promise<Delivered>
}

interface Connection {
  socket: WebSocket
  /** It was told to go: nothing new is sent to it while there is another one. */
  leaving: boolean
  heard: number
  closed: Promise<void>
}

export interface SocketMode extends Deliverer {
  ticket(base: string): string
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  connections(): number
  /** `disconnect` frames, then the end of the connection; the oldest one, or all. */
  disconnect(reason: 'refresh_requested' | 'link_disabled', options: { warnMs?: number; all?: boolean }): void
  cut(): void
  stop(): void
}

export interface SocketModeOptions {
  faults: Faults
  ackMs: number
  retryMs: readonly number[]
  pingMs: number
  attempts: Attempt[]
}

export function createSocketMode({ faults, ackMs, retryMs, pingMs, attempts }: SocketModeOptions): SocketMode {
  const sockets = new WebSocketServer({ noServer: true })
  const tickets = new Map<string, number>()
  const connections: Connection[] = []
  const waiting = new Map<string, (payload: unknown) => void>()
  const stopped = new AbortController()
  let turn = 0

  const frame = (connection: Connection, body: Json) => connection.socket.send(JSON.stringify(body))
  const leave = (connection: Connection, reason: string) => {
    connection.leaving = true
    frame(connection, { type: 'disconnect', reason, debug_info: { host: 'applink-1' } })
  }

  const timer = setInterval(() => {
    for (const connection of connections) {
      if (Date.now() - connection.heard > 3 * pingMs + 1000) connection.socket.terminate()
      else connection.socket.ping()
    }
  }, pingMs)

  function connected(socket: WebSocket): void {
    const { promise: closed, resolve: end } = Promise.withResolvers<void>()
    const connection: Connection = { socket, leaving: false, heard: Date.now(), closed }
    socket.on('error', () => socket.terminate())
    if (connections.length >= MOST) {
      leave(connection, 'too_many_websockets')
      socket.close(1000)
      return
    }
    connections.push(connection)
    socket.on('pong', () => {
      connection.heard = Date.now()
    })
    socket.on('ping', () => {
      connection.heard = Date.now()
    })
    socket.on('close', () => {
      connections.splice(connections.indexOf(connection), 1)
      end()
    })
    socket.on('message', (data) => acknowledged(String(data)))
    frame(connection, {
      type: 'hello',
      num_connections: connections.length,
      debug_info: { host: 'applink-1', build_number: 1, approximate_connection_time: 18_060 },
      connection_info: { app_id: APP },
    })
  }

  function acknowledged(data: string): void {
    let body: unknown
    try {
      body = JSON.parse(data)
    } catch {
      return
    }
    if (!isObject(body) || typeof body.envelope_id !== 'string') return
    if (faults.dropAcks > 0) {
      faults.dropAcks -= 1
      return
    }
    const id = body.envelope_id
    for (const attempt of attempts) if (attempt.id === id) attempt.acked = true
    waiting.get(id)?.(body.payload)
  }

  /** The next connection in turn that stays, or else one that leaves. */
  function next(): Connection | undefined {
    const open = connections.filter(({ socket }) => socket.readyState === socket.OPEN)
    const staying = open.filter(({ leaving }) => !leaving)
    const candidates = staying.length > 0 ? staying : open
    turn += 1
    return candidates[turn % Math.max(1, candidates.length)]
  }

  /**
   * Which rule holds for what is not acknowledged in time: events and slash commands come again with the same envelope_id, at most
   * three times (bolt-js #2487 and #2188 report both). Interactive payloads do not: Slack says that they are not retried, and the
   * person sees a warning beside the button and may press again.
   */
  async function deliver(type: DeliveryType, payload: Json): Promise<Delivered> {
    const id = randomUUID()
    const started = Date.now()
    const tries = type === 'interactive' ? 1 : 1 + Math.min(3, retryMs.length)
    let sent = 0
    let answer: { payload: unknown } | undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.set(id, (body) => {
      answer ??= { payload: body }
      resolve()
    })
    const envelope = { envelope_id: id, type, accepts_response_payload: type !== 'events_api', payload }
    const send = (attempt: number): Promise<unknown> | undefined => {
      const connection = next()
      if (connection === undefined) return undefined
      frame(connection, { ...envelope, retry_attempt: attempt, retry_reason: attempt === 0 ? '' : 'timeout' })
      attempts.push({ id, type, attempt, at: Date.now(), acked: false })
      sent += 1
      return connection.closed
    }
    for (let attempt = 0; attempt < tries && answer === undefined && !stopped.signal.aborted; attempt++) {
      const gone = send(attempt)
      if (gone !== undefined && attempt === 0)
        for (let more = 0; more < faults.duplicates; more++) {
          await sleep(10)
          send(0)
        }
      if (gone === undefined && tries === 1) break
      // A connection that ends takes its acknowledgement with it: what may come again comes over another one.
      const ended = new AbortController()
      const late = sleep(ackMs, undefined, { signal: AbortSignal.any([ended.signal, stopped.signal]) }).catch(() => {})
      await Promise.race([promise, late, ...(gone === undefined ? [] : [gone])])
      ended.abort()
      if (answer === undefined && attempt + 1 < tries) await sleep(retryMs[attempt] ?? 0)
    }
    waiting.delete(id)
    const response = answer !== undefined && type !== 'events_api' ? answer.payload : undefined
    return {
      acked: answer !== undefined,
      ...(response === undefined ? {} : { response }),
      ms: Date.now() - started,
      attempts: sent,
    }
  }

  const refuse = (socket: Duplex) => socket.end('HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n')

  return {
    deliver,
    ticket(base) {
      const id = token(16)
      tickets.set(id, Date.now())
      return `${base.replace('http', 'ws')}/link/?ticket=${id}&app_id=${APP}`
    },
    upgrade(request, socket, head) {
      const url = new URL(request.url ?? '/', 'http://127.0.0.1')
      const id = url.searchParams.get('ticket') ?? ''
      const issued = tickets.get(id)
      tickets.delete(id)
      if (!url.pathname.startsWith('/link') || issued === undefined || Date.now() - issued > TICKET_MS)
        return refuse(socket)
      sockets.handleUpgrade(request, socket, head, connected)
    },
    connections: () => connections.length,
    disconnect(reason, { warnMs, all = false }) {
      for (const connection of all ? [...connections] : connections.slice(0, 1)) {
        if (warnMs !== undefined) leave(connection, 'warning')
        setTimeout(() => {
          if (connection.socket.readyState !== connection.socket.OPEN) return
          leave(connection, reason)
          connection.socket.close(1000)
        }, warnMs ?? 0)
      }
    },
    cut() {
      for (const { socket } of connections) socket.terminate()
    },
    stop() {
      stopped.abort()
      clearInterval(timer)
      for (const { socket } of connections) socket.terminate()
      sockets.close()
    },
  }
}
