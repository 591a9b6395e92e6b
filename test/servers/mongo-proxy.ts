import { connect, createServer, type Server, type Socket } from 'node:net'

/** Stands between a driver and a MongoDB server. */
export interface MongoProxy {
  /** Like that of the server, with the proxy's address. */
  uri: string
  /** Closes every connection; new ones are taken. */
  cut(): void
  /** Closes every connection and refuses new ones, on the same port, until `open`. */
  close(): Promise<void>
  open(): Promise<void>
  /** Keeps the connections but lets nothing through while on. */
  hold(on: boolean): void
  /** The next `times` requests with this command reach the server; their answers do not come back, the connection is cut. */
  loseAnswer(command: string, times: number): void
  /** The next `times` requests with this command do not reach the server; the connection is cut. */
  loseRequest(command: string, times: number): void
  /** Calls `then` after the server has answered the next request with this command, before the answer goes on. */
  afterNext(command: string, then: () => Promise<void>): void
  /** Commands that went through, by name. */
  seen(command: string): number
  stop(): Promise<void>
}

/**
 * A TCP proxy that reads the commands (OP_MSG of the MongoDB wire protocol:
 * https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/). For one host without TLS.
 */
export async function mongoProxy(uri: string): Promise<MongoProxy> {
  const target = new URL(uri)
  if (target.protocol !== 'mongodb:' || target.hostname.includes(',') || /\b(tls|ssl)=true/.test(target.search)) {
    throw new Error(
      'The proxy of the tests stands before one host without TLS: give MONGODB_URI as mongodb://host:port/',
    )
  }
  const pairs = new Set<{ near: Socket; far: Socket }>()
  const counts = new Map<string, number>()
  const answersToLose = new Map<string, number>()
  const requestsToLose = new Map<string, number>()
  const afters = new Map<string, () => Promise<void>>()
  let held = false
  let waiting: (() => void)[] = []

  const passage = async () => {
    while (held) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const take = (from: Map<string, number>, command: string): boolean => {
    const left = from.get(command) ?? 0
    if (left > 0) from.set(command, left - 1)
    return left > 0
  }

  const serve = (near: Socket) => {
    const far = connect(Number(target.port || 27017), target.hostname)
    const pair = { near, far }
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      near.destroy()
      far.destroy()
    }
    /** Requests whose answers are awaited, by their id. */
    const open = new Map<number, { lose: boolean; then: (() => Promise<void>) | undefined }>()
    for (const socket of [near, far]) socket.on('error', end).on('close', end).setNoDelay()
    messages(near, async (message) => {
      await passage()
      const command = commandOf(message)
      counts.set(command, (counts.get(command) ?? 0) + 1)
      if (take(requestsToLose, command)) return end()
      const then = afters.get(command)
      afters.delete(command)
      open.set(message.readInt32LE(4), { lose: take(answersToLose, command), then })
      far.write(message)
    })
    messages(far, async (message) => {
      await passage()
      const asked = open.get(message.readInt32LE(8))
      open.delete(message.readInt32LE(8))
      await asked?.then?.()
      if (asked?.lose) return end()
      near.write(message)
    })
  }

  const cut = () => {
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
    pairs.clear()
  }
  let server: Server | undefined
  let port = 0
  const open = async () => {
    const next = createServer(serve)
    await new Promise<void>((resolve, reject) => next.once('error', reject).listen(port, '127.0.0.1', resolve))
    const address = next.address()
    port = typeof address === 'object' && address !== null ? address.port : 0
    server = next
  }
  const close = async () => {
    const last = server
    server = undefined
    const ended = new Promise<void>((resolve) => (last === undefined ? resolve() : last.close(() => resolve())))
    cut()
    await ended
  }
  const hold = (on: boolean) => {
    held = on
    if (on) return
    for (const go of waiting) go()
    waiting = []
  }
  await open()
  const address = new URL(uri)
  address.host = `127.0.0.1:${port}`
  // Or the driver would learn the servers' own addresses and go past us.
  address.searchParams.set('directConnection', 'true')
  if (address.pathname === '') address.pathname = '/'
  return {
    uri: address.href,
    cut,
    close,
    open,
    hold,
    loseAnswer: (command, times) => void answersToLose.set(command, times),
    loseRequest: (command, times) => void requestsToLose.set(command, times),
    afterNext: (command, then) => void afters.set(command, then),
    seen: (command) => counts.get(command) ?? 0,
    stop: async () => {
      hold(false)
      await close()
    },
  }
}

/** Calls `take` with each whole message, in order; the first four bytes give its length. */
function messages(socket: Socket, take: (message: Buffer) => Promise<void>): void {
  let rest: Buffer = Buffer.alloc(0)
  let turn = Promise.resolve()
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
      const message = rest.subarray(0, rest.readInt32LE(0))
      rest = rest.subarray(message.length)
      turn = turn.then(() => take(message))
    }
  })
}

/** The name of the first element of the first section of an OP_MSG; empty for anything else. */
function commandOf(message: Buffer): string {
  const opMsg = 2013
  // Header 16 bytes, flags 4, kind 1, length of the document 4, type of its first element 1, then the name.
  if (message.readInt32LE(12) !== opMsg || message[20] !== 0) return ''
  return message.subarray(26, message.indexOf(0, 26)).toString()
}
