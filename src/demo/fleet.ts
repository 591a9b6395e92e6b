import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fault } from '../lib/fault.ts'
import type { HostSpec, Numbered, Order, Reply } from './host.ts'
import { newKeyPair } from './keys.ts'
import { endMarked, freePorts, marked } from './processes.ts'

export interface HostPlan {
  id: string
  region: string
}

const sixHosts: HostPlan[] = ['beijing', 'shanghai'].flatMap((region) =>
  [1, 2, 3].map((n) => ({ id: `${region === 'beijing' ? 'bj' : 'sh'}-${n}`, region })),
)

/** A sandbox host as a bot sees it. */
export interface SandboxHost {
  id: string
  region: string
  ip: string
  port: number
  user: string
  /** The public host key: `ssh-ed25519 AAAA...`. */
  hostKey: string
  /** Its own folder: HOME and working folder of every command. */
  root: string
  /** Where its user-service listens; all hosts share one network address. */
  servicePort: number
  /** The client's private key. */
  keyPath: string
}

export interface Fleet {
  hosts: SandboxHost[]
  keyPath: string
  /** The process of the SSH servers. */
  pid(): number
  /** Every process of the fleet: the servers and all that runs on the hosts. */
  processes(): number[]
  /** The host stops answering SSH and its connections break; what runs on it goes on. */
  down(id: string): Promise<void>
  up(id: string): Promise<void>
  /** The host comes back with another key, as after a reinstallation. Returns the new public key; `hosts` has it, too. */
  changeHostKey(id: string): Promise<string>
  /** Ends the servers by SIGKILL and starts them anew on the same ports with the same keys; services go on. */
  restart(): Promise<void>
  /** Ends the servers and everything on the hosts. Doing it twice is harmless. The folders stay. */
  stop(): Promise<void>
}

const user = 'deploy'

/**
 * Starts SSH servers for all hosts in one child process (see host.ts for why one), with their roots and keys under `folder`.
 * If the servers die, they are started again; if this process dies, they end everything on the hosts, then themselves.
 * Throws Fault `demo.fleet` when they do not come up.
 */
export async function startFleet({
  folder,
  hosts: plans = sixHosts,
}: {
  folder: string
  hosts?: HostPlan[]
}): Promise<Fleet> {
  const mark = randomUUID()
  const keyPath = join(folder, 'client-key')
  const clientKey = newKeyPair()
  await mkdir(folder, { recursive: true })
  await writeFile(keyPath, clientKey.private, { mode: 0o600 })
  const ports = await freePorts(plans.length * 2)
  const specs: HostSpec[] = []
  const hosts: SandboxHost[] = []
  for (const [i, { id, region }] of plans.entries()) {
    const root = join(folder, 'hosts', id)
    await mkdir(join(root, 'tmp'), { recursive: true })
    const key = newKeyPair()
    const port = ports[i]!
    specs.push({ id, port, hostKey: key.private, root })
    const servicePort = ports[plans.length + i]!
    hosts.push({ id, region, ip: '127.0.0.1', port, user, hostKey: key.public, root, servicePort, keyPath })
  }
  const down = new Set<string>()
  const log = join(folder, 'fleet.log')
  let servers: Servers | undefined
  let beginning: Promise<void> | undefined
  let ending = false
  // Servers that die at once again and again must not keep the machine busy.
  let revivals = 10

  const begin = (): Promise<void> => {
    beginning = beginOnce()
    return beginning
  }
  const beginOnce = async (): Promise<void> => {
    const started = await startServers(log)
    servers = started
    const path = process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin'
    const up = specs.filter(({ id }) => !down.has(id))
    await started.tell({ do: 'open', mark, user, clientKey: clientKey.public, path, hosts: up })
    started.child.once('exit', () => {
      // A defect of theirs, or somebody's kill -9: a machine would start its sshd again, too.
      if (!ending && servers === started && revivals-- > 0) begin().catch(() => {})
    })
  }
  const tell = (order: Order): Promise<void> => servers!.tell(order)
  const specOf = (id: string): HostSpec => {
    const spec = specs.find((one) => one.id === id)
    if (spec) return spec
    const known = specs.map((one) => one.id).join(', ')
    throw new Fault('demo.unknown-host', { say: `the sandbox has no host ${id}`, next: `take one of ${known}` })
  }
  const fleet: Fleet = {
    hosts,
    keyPath,
    pid: () => servers?.child.pid ?? 0,
    processes: () => [...(servers && !ended(servers.child) ? [servers.child.pid!] : []), ...marked(mark)],
    down: async (id) => {
      specOf(id)
      down.add(id)
      await tell({ do: 'down', id })
    },
    up: async (id) => {
      const host = specOf(id)
      if (!down.delete(id)) return
      await tell({ do: 'up', host })
    },
    changeHostKey: async (id) => {
      const spec = specOf(id)
      const key = newKeyPair()
      await fleet.down(id)
      spec.hostKey = key.private
      hosts.find((host) => host.id === id)!.hostKey = key.public
      await fleet.up(id)
      return key.public
    },
    restart: async () => {
      const old = servers!
      servers = undefined
      await old.end('SIGKILL')
      await begin()
    },
    stop: async () => {
      ending = true
      await beginning?.catch(() => {})
      await servers?.end('SIGTERM')
      // The servers did this on their way out, unless they were killed.
      await endMarked(mark)
    },
  }
  try {
    await begin()
  } catch (error) {
    await fleet.stop()
    throw error
  }
  return fleet
}

interface Servers {
  child: ChildProcess
  tell(order: Order): Promise<void>
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

async function startServers(log: string): Promise<Servers> {
  const output = openSync(log, 'a')
  const child = fork(fileURLToPath(new URL('host.ts', import.meta.url)), [], {
    // A group of its own: Ctrl-C in the terminal reaches the demo, which then ends the hosts in order.
    detached: true,
    execArgv: [],
    // Not what a test runner or a debugger put there for its own processes.
    env: { PATH: process.env.PATH },
    stdio: ['ignore', output, output, 'ipc'],
  })
  closeSync(output)
  const waiting = new Map<number, (reply: Reply) => void>()
  child.on('message', (reply: Reply) => waiting.get(reply.seq)?.(reply))
  const gone = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  const answerAll = (failed: string) => {
    for (const [seq, answer] of waiting) answer({ seq, failed })
  }
  child.on('error', (error) => answerAll(error.message))
  child.on('exit', () => answerAll('the process of the sandbox hosts ended'))
  let seq = 0
  return {
    child,
    tell: async (order) => {
      const number = ++seq
      const reply = await new Promise<Reply>((resolve) => {
        waiting.set(number, resolve)
        if (ended(child)) resolve({ seq: number, failed: 'the process of the sandbox hosts has ended' })
        else child.send({ seq: number, order } satisfies Numbered, (error) => error && answerAll(error.message))
      })
      waiting.delete(number)
      if (reply.failed === undefined) return
      const last = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join(' | ')
      throw new Fault('demo.fleet', {
        say: `the sandbox hosts failed at "${order.do}": ${reply.failed}${last === '' ? '' : ` (${last})`}`,
        next: `read ${log}, then start again`,
      })
    },
    end: async (signal) => {
      if (ended(child)) return
      child.kill(signal)
      const late = setTimeout(() => child.kill('SIGKILL'), 6000)
      await gone
      clearTimeout(late)
    },
  }
}
