/**
 * The process in which the SSH servers of all sandbox hosts live; started and told what to do by fleet.ts.
 * One process for all: six Node processes cost six times 45 MB and 0.1 s of CPU on the two cores that the services need.
 * Its own process, because then the hosts outlive a bot that is killed, and because it outlives the demo by the moment
 * that it takes to end everything on the hosts when the demo is gone.
 */
import { spawn } from 'node:child_process'
import { timingSafeEqual } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2'
import { endMarked, endNow, MARK } from './processes.ts'

export interface HostSpec {
  id: string
  port: number
  /** Private key in OpenSSH's format. */
  hostKey: string
  root: string
}

export type Order =
  | { do: 'open'; mark: string; user: string; clientKey: string; path: string; hosts: HostSpec[] }
  | { do: 'up'; host: HostSpec }
  | { do: 'down'; id: string }

export type Numbered = { seq: number; order: Order }
export type Reply = { seq: number; failed?: string }

interface OpenHost {
  server: Server
  connections: Set<Connection>
}

type Settings = Extract<Order, { do: 'open' }>

const open = new Map<string, OpenHost>()
let settings: Settings | undefined

async function obey(order: Order): Promise<void> {
  if (order.do === 'open') {
    settings = order
    await Promise.all(order.hosts.map((host) => up(host, order)))
  } else if (order.do === 'up' && settings) await up(order.host, settings)
  else if (order.do === 'down') await down(order.id)
}

function up(host: HostSpec, told: Settings): Promise<void> {
  const connections = new Set<Connection>()
  const ssh = new ssh2.Server({ hostKeys: [host.hostKey], ident: 'rollcall-sandbox' }, (connection) => {
    connections.add(connection)
    serve(connection, host, told)
    connection.on('close', () => connections.delete(connection))
  })
  // The library writes a packet in pieces: with Nagle's algorithm every round trip waits for a delayed acknowledgement (44 ms).
  const server = createServer({ noDelay: true }, (socket) => ssh.injectSocket(socket))
  open.set(host.id, { server, connections })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(host.port, '127.0.0.1', () => resolve())
  })
}

/** As when the network of the host goes: no new connection, and the open ones break. */
function down(id: string): Promise<void> {
  const host = open.get(id)
  if (!host) return Promise.resolve()
  open.delete(id)
  return new Promise((resolve) => {
    host.server.close(() => resolve())
    for (const connection of host.connections) connection.end()
  })
}

/** Public key and exec, nothing else: a request without a listener here (shell, pty, sftp, forwarding) is refused by the library. */
function serve(connection: Connection, host: HostSpec, told: Settings): void {
  // What is to be done for each running command when the connection breaks.
  const lines = new Set<() => void>()
  connection
    .on('authentication', (context) => (authentic(context, told) ? context.accept() : context.reject(['publickey'])))
    .on('session', (accept) => {
      accept().on('exec', (take, _refuse, { command }) => run(take(), command, host, told, lines))
    })
    // A client that resets the connection is its own business.
    .on('error', () => {})
    .on('close', () => {
      for (const cut of lines) cut()
    })
}

function authentic(context: AuthContext, { user, clientKey }: Settings): boolean {
  if (context.method !== 'publickey' || context.username !== user) return false
  const known = ssh2.utils.parseKey(clientKey)
  if (known instanceof Error) return false
  const expected = known.getPublicSSH()
  if (context.key.data.length !== expected.length || !timingSafeEqual(context.key.data, expected)) return false
  // Without a signature the client only asks whether this key would do.
  if (!context.signature || !context.blob) return true
  return known.verify(context.blob, context.signature, context.hashAlgo) === true
}

function run(channel: ServerChannel, command: string, host: HostSpec, told: Settings, lines: Set<() => void>): void {
  const child = spawn('sh', ['-c', command], {
    cwd: host.root,
    env: {
      HOME: host.root,
      USER: told.user,
      LOGNAME: told.user,
      SHELL: '/bin/sh',
      PATH: told.path,
      LANG: 'C.UTF-8',
      TMPDIR: `${host.root}/tmp`,
      [MARK]: told.mark,
    },
    // A session of its own, as sshd gives it: the group can be hung up as a whole.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const cut = () => {
    if (!lines.delete(cut)) return
    if (child.pid !== undefined) hangUp(child.pid)
    for (const stream of child.stdio) stream?.destroy()
  }
  lines.add(cut)
  channel.on('close', cut).on('error', cut)
  child.stdin.on('error', () => {
    // The command does not read (further): what still comes is dropped, or the window would stay closed.
    channel.unpipe(child.stdin)
    channel.resume()
  })
  channel.pipe(child.stdin)

  const send = inTurn(channel)
  const pump = async (from: Readable, to: Writable) => {
    for await (const chunk of from) await send(to, chunk)
  }
  let failed: string | undefined
  child.on('error', (error) => {
    failed = `${error.message}\n`
  })
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (code, signal) => resolve([code, signal])),
  )
  // The end is told when the shell has ended, nobody holds its output any more (sshd waits for both, too) and all was sent.
  Promise.all([ended, pump(child.stdout, channel), pump(child.stderr, channel.stderr)]).then(
    async ([[code, signal]]) => {
      if (!lines.delete(cut)) return
      if (failed !== undefined) await send(channel.stderr, Buffer.from(failed))
      if (signal) channel.exit(nameOf(signal), false, '')
      else channel.exit(failed === undefined ? (code ?? 255) : 255)
      channel.end()
    },
    cut, // the streams were cut while they were read
  )
}

/**
 * Writes to the two outputs of a channel one after the other. When a write waits for the client's window, ssh2 1.17
 * parks its rest in fields of the channel that it never clears, and on the next adjustment of the window it looks at
 * those of stdout first: with both outputs in use it sends old data again and forgets what waits on stderr. One write
 * at a time and cleared fields leave it nothing to mix up.
 */
function inTurn(channel: ServerChannel): (to: Writable, chunk: Buffer) => Promise<void> {
  let last = Promise.resolve()
  return (to, chunk) => {
    const write = () =>
      new Promise<void>((resolve) => {
        to.write(chunk, () => {
          for (const field of ['_chunk', '_chunkcb', '_chunkErr', '_chunkcbErr']) Reflect.set(channel, field, undefined)
          resolve()
        })
      })
    last = last.then(write)
    return last
  }
}

/** SSH knows thirteen signals by name (RFC 4254, 6.10); another is told as TERM. */
function nameOf(signal: string): string {
  const name = signal.replace(/^SIG/, '')
  const known = ['ABRT', 'ALRM', 'FPE', 'HUP', 'ILL', 'INT', 'KILL', 'PIPE', 'QUIT', 'SEGV', 'TERM', 'USR1', 'USR2']
  return known.includes(name) ? name : 'TERM'
}

/** The line is gone: what hangs on it gets SIGHUP, then SIGKILL. What made itself a session of its own (setsid) goes on. */
function hangUp(group: number): void {
  try {
    process.kill(-group, 'SIGHUP')
    setTimeout(() => endNow(-group), 3000).unref()
  } catch {
    // it has ended by itself
  }
}

/** The demo is gone, or wants the end: nothing that was started on the hosts stays. */
async function leave(): Promise<void> {
  for (const { server, connections } of open.values()) {
    server.close()
    for (const connection of connections) connection.end()
  }
  if (settings) await endMarked(settings.mark).catch((error: Error) => console.error(error.message))
  process.exit(0)
}

/** When nobody is there to be told any more, 'disconnect' deals with that. */
function reply(answer: Reply): void {
  process.send?.(answer, undefined, undefined, () => {})
}

process.on('disconnect', leave)
process.on('SIGTERM', leave)
process.on('SIGINT', leave)
process.on('message', ({ seq, order }: Numbered) => {
  obey(order).then(
    () => reply({ seq }),
    (error: Error) => reply({ seq, failed: error.message }),
  )
})
