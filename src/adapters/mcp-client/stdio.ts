import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { type JSONRPCMessage, JSONRPCMessageSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Way } from './config.ts'

/** Largest message that is read, bytes. */
export const largestMessage = 8 * 2 ** 20
/** Bytes that nobody asked for (notices, requests, lines that are no messages) between two answers; more is a flood. */
export const mostUnasked = 4 * 2 ** 20
/** What must not outlive this process when it ends in the middle: programs, and their home folders. */
const leftovers = new Set<() => void>()
process.on('exit', () => {
  for (const remove of leftovers) remove()
})
/** Other notices change nothing for us, and are dropped before they cost anything. */
const heededNotice = 'notifications/tools/list_changed'

export interface StdioOptions {
  name: string
  way: Extract<Way, { by: 'stdio' }>
  environment: Readonly<Record<string, string | undefined>>
  /** One line of the program's stderr, or a line on its stdout that is no message. */
  said(line: string): void
  /** Milliseconds that it has after the end of its stdin, and again after SIGTERM. */
  graceMs?: number
}

/**
 * A server as a child process. Not the SDK's own transport: that one passes on HOME and more, leaves grandchildren behind,
 * and copies its whole buffer at every chunk. Here the child sees the named variables only, has a home folder of its own, leads a
 * process group that is ended as a whole, and is ended as well when it says too much.
 */
export function createStdio({ name, way, environment, said, graceMs = 1500 }: StdioOptions): Transport {
  let child: ChildProcess | undefined
  let home: string | undefined
  let ended: Promise<void> = Promise.resolve()
  const { argv, after } = commandOf(name, way)
  const awaited = new Set<string | number>()

  const transport: Transport = {
    async start() {
      home = mkdtempSync(join(tmpdir(), 'rollcall-mcp-'))
      const env = childEnvironment(way, environment, home)
      const [program = '', ...args] = argv
      // Its working folder is another one, which a relative path must not depend on.
      const path = program.includes('/') ? resolve(program) : program
      const spawned = spawn(path, args, { cwd: home, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
      child = spawned
      leftovers.add(remove)
      ended = new Promise((done) => {
        let told = false
        const over = () => {
          if (told) return
          told = true
          leftovers.delete(remove)
          removeHome()
          done()
          transport.onclose?.()
        }
        // What it started may hold its pipes open: the leader's end is the end of all. Its last words are still read.
        spawned.once('exit', () => {
          killGroup()
          const late = setTimeout(over, 250)
          spawned.once('close', () => {
            clearTimeout(late)
            over()
          })
        })
        spawned.once('error', () => {
          if (spawned.pid === undefined) over()
        })
      })
      spawned.stdin.on('error', (error) => transport.onerror?.(error))
      const flooded = (reason: string) => {
        transport.onerror?.(new Error(reason))
        killGroup()
      }
      readMessages(spawned.stdout, { message: (message) => transport.onmessage?.(message), said, flooded, awaited })
      readLines(spawned.stderr, said)
      await new Promise<void>((ready, failed) => {
        spawned.once('spawn', ready)
        spawned.once('error', failed)
      })
    },

    async send(message) {
      if (child?.stdin?.writable !== true) throw new Error('the program has ended')
      if ('method' in message && 'id' in message) awaited.add(message.id)
      child.stdin.write(`${JSON.stringify(message)}\n`)
    },

    async close() {
      if (child === undefined) return
      child.stdin?.end()
      if (!(await within(graceMs, ended))) {
        signalGroup('SIGTERM')
        if (!(await within(graceMs, ended))) killGroup()
      }
      await ended
      if (after !== undefined) await runBriefly(after, way, environment)
    },
  }

  function signalGroup(signal: NodeJS.Signals): void {
    if (child?.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch {
      // Nobody is left.
    }
  }
  function killGroup(): void {
    signalGroup('SIGKILL')
  }
  function removeHome(): void {
    if (home !== undefined) rmSync(home, { recursive: true, force: true })
  }
  function remove(): void {
    killGroup()
    removeHome()
  }
  return transport
}

/** The program as data: itself, or the container that holds it and how that is removed should it outlive its client. */
export function commandOf(
  name: string,
  { command, container, env, set }: Extract<Way, { by: 'stdio' }>,
): { argv: string[]; after?: string[] } {
  if (container === undefined) return { argv: command }
  const called = `rollcall-mcp-${name}-${process.pid}-${Date.now().toString(36)}`
  // By name only: a value on a command line is readable for everybody on the machine.
  const variables = [...env.map((each) => each.split('=')[0]!), ...Object.keys(set)].flatMap((each) => ['--env', each])
  const isolation = ['--cap-drop=ALL', '--security-opt=no-new-privileges', '--read-only', '--tmpfs=/tmp']
  const bounds = ['--memory=512m', '--pids-limit=256']
  const { runtime, image, args } = container
  return {
    argv: [
      ...[runtime, 'run', '--rm', '--interactive', '--init', '--name', called],
      ...[...isolation, ...bounds, ...variables, ...args, image, ...command],
    ],
    after: [runtime, 'rm', '--force', called],
  }
}

/** What the child may see: PATH, a home of its own, a language, what is set and what is named; nothing else of ours. */
function childEnvironment(
  { env, set, container }: Extract<Way, { by: 'stdio' }>,
  environment: Readonly<Record<string, string | undefined>>,
  home: string,
): Record<string, string> {
  const named = env.flatMap((each) => {
    const [name = '', from = name] = each.split('=')
    const value = environment[from]
    return value === undefined ? [] : [[name, value]]
  })
  // docker and podman find their daemon, storage and log-ins by these; what runs in the container sees none of them.
  const forRuntime = ['HOME', 'XDG_RUNTIME_DIR', 'DOCKER_HOST', 'DOCKER_CONFIG', 'DOCKER_CONTEXT', 'CONTAINER_HOST']
  const runtime = Object.fromEntries(
    (container === undefined ? [] : forRuntime).flatMap((name) => {
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
  const base = { PATH: environment.PATH ?? '/usr/local/bin:/usr/bin:/bin', HOME: home, TMPDIR: home, LANG: 'C.UTF-8' }
  return { ...base, ...runtime, ...set, ...Object.fromEntries(named) }
}

function readMessages(
  stream: NodeJS.ReadableStream,
  on: {
    message(message: JSONRPCMessage): void
    said(line: string): void
    flooded(reason: string): void
    /** Ids of requests that have no answer yet. */
    awaited: Set<string | number>
  },
): void {
  let parts: Buffer[] = []
  let size = 0
  let unasked = 0
  let over = false
  const line = (text: string, bytes: number) => {
    const message = messageOf(text)
    if (message === undefined) on.said(text.slice(0, 500))
    const asked = message !== undefined && !('method' in message) && on.awaited.delete(message.id ?? '')
    unasked = asked ? 0 : unasked + bytes
    if (message !== undefined && (!('method' in message) || 'id' in message || message.method === heededNotice))
      on.message(message)
    if (unasked <= mostUnasked || over) return
    over = true
    on.flooded(`it wrote more than ${mostUnasked / 2 ** 20} MiB that nobody had asked for`)
  }
  stream.on('data', (chunk: Buffer) => {
    let from = 0
    for (let to = chunk.indexOf(10); to !== -1 && !over; from = to + 1, to = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, to))
      const whole = Buffer.concat(parts)
      parts = []
      size = 0
      line(whole.toString('utf8'), whole.length + 1)
    }
    if (over) return
    parts.push(chunk.subarray(from))
    size += chunk.length - from
    if (size <= largestMessage) return
    over = true
    parts = []
    on.flooded(`it wrote a message of more than ${largestMessage / 2 ** 20} MiB`)
  })
  stream.on('error', () => {})
}

function messageOf(text: string): JSONRPCMessage | undefined {
  try {
    return JSONRPCMessageSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Lines of at most 500 characters; what is longer is cut, and the stream is always drained. */
function readLines(stream: NodeJS.ReadableStream, said: (line: string) => void): void {
  let rest = ''
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8').slice(0, 65_536)).split('\n')
    rest = (lines.pop() ?? '').slice(0, 500)
    for (const line of lines) if (line.trim() !== '') said(line.slice(0, 500))
  })
  stream.on('end', () => {
    if (rest.trim() !== '') said(rest)
  })
  stream.on('error', () => {})
}

async function within(ms: number, promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms)
  })
  const inTime = await Promise.race([promise.then(() => true), late])
  clearTimeout(timer)
  return inTime
}

/** The removal of a container that may be gone already; at most 10 s, whatever comes of it. */
function runBriefly(
  [program = '', ...args]: string[],
  way: Extract<Way, { by: 'stdio' }>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  return new Promise((resolve) => {
    const env = childEnvironment(way, environment, tmpdir())
    const child = spawn(program, args, { env, stdio: 'ignore', timeout: 10_000, killSignal: 'SIGKILL' })
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}
