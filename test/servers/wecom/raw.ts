import { WebSocket } from 'ws'
import type { Frame } from './wire.ts'

/** A bot without any library: what it sends is what is on the wire. */
export interface RawBot {
  /** Sends a frame and gives its acknowledgement; rejects when none comes within 2 s. */
  ask(cmd: string, body: Record<string, unknown>, reqId?: string): Promise<Frame>
  /** Every callback so far, oldest first. */
  callbacks: Frame[]
  /** The next callback that was not given yet; rejects when none comes within 2 s. */
  next(): Promise<Frame>
  /** Sends text as it is. */
  raw(text: string): void
  /** Resolves with the code with which the service closed. */
  closed: Promise<number>
  close(): void
}

export async function connectRaw(url: string, credentials?: { botId: string; secret: string }): Promise<RawBot> {
  const socket = new WebSocket(url)
  const acks = new Map<string, (frame: Frame) => void>()
  const callbacks: Frame[] = []
  const arrivals: ((frame: Frame) => void)[] = []
  let given = 0
  let count = 0
  const closed = new Promise<number>((resolve) => socket.on('close', (code) => resolve(code)))
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as Frame
    if (frame.cmd === undefined) return acks.get(frame.headers.req_id)?.(frame)
    callbacks.push(frame)
    arrivals.shift()?.(frame)
  })
  await new Promise<void>((resolve, reject) => socket.on('open', resolve).on('error', reject))
  const bot: RawBot = {
    callbacks,
    closed,
    async ask(cmd, body, reqId = `${cmd}_${++count}`) {
      const ack = within(new Promise<Frame>((resolve) => acks.set(reqId, resolve)), `no ack of ${cmd}`)
      socket.send(JSON.stringify({ cmd, headers: { req_id: reqId }, body }))
      return ack
    },
    async next() {
      const frame = callbacks[given++]
      return frame ?? within(new Promise<Frame>((resolve) => arrivals.push(resolve)), 'no callback')
    },
    raw: (text) => socket.send(text),
    close: () => socket.terminate(),
  }
  if (credentials !== undefined)
    await bot.ask('aibot_subscribe', { bot_id: credentials.botId, secret: credentials.secret })
  return bot
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(what)), 2000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
