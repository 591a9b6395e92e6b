import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit, { type LimitFunction } from 'p-limit'
import type { Client } from 'ssh2'
import { Fault } from '../../lib/fault.ts'
import type { BastionConfig, HostConfig, SshOptions } from './config.ts'
import { connectPinned, dial, type Endpoint, nameOf } from './connect.ts'

/** `follow` holds a channel as long as a job runs; `call` is short. sshd allows 10 sessions per connection. */
export type Slot = 'follow' | 'call'

export interface Pool {
  /** The configured host; throws `target.unknown-host`. */
  host(id: string): HostConfig
  /** Runs an action on the host's one shared connection, opening it first when there is none. */
  use<T>(host: string, slot: Slot, action: (client: Client, at: Endpoint) => Promise<T>): Promise<T>
  /** A stream to the SSH port of a machine, through its bastion when it has one. */
  reach(at: Endpoint): Promise<Duplex>
  leave(hosts: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** The key that is pinned now for the machine with this id, when that is another than `refused`. */
export type Repin = (id: string, refused: string | undefined) => Promise<string | undefined>

interface Line {
  client: Promise<Client>
  users: number
  /** The connection has ended, by whichever side. */
  gone: boolean
  idle?: NodeJS.Timeout
}

const keyFaults = ['target.host-key-unknown', 'target.host-key-changed']

/** One connection per host and one per bastion; starts are capped, and lines without users close by themselves. */
export function createPool(
  hosts: readonly HostConfig[],
  bastions: readonly BastionConfig[],
  options: SshOptions,
  repin: Repin = async () => undefined,
): Pool {
  // Copies: a key that is pinned later is written into them.
  const hostsById = new Map(hosts.map((host) => [host.id, { ...host }]))
  const bastionsById = new Map(bastions.map((bastion) => [bastion.id, { ...bastion }]))
  const lines = new Map<string, Line>()
  const slots = new Map<string, Record<Slot, LimitFunction>>()
  const starts = pLimit(options.startsAtOnce)
  let closed = false

  function host(id: string): HostConfig {
    const found = hostsById.get(id)
    if (found !== undefined) return found
    throw new Fault('target.unknown-host', {
      say: `There is no host ${JSON.stringify(id.slice(0, 80))} in the configuration.`,
      next: 'add it under hosts in rollcall.yaml',
    })
  }

  function bastionOf(at: Endpoint): Endpoint | undefined {
    if (at.bastion === undefined) return undefined
    const found = bastionsById.get(at.bastion) ?? hostsById.get(at.bastion)
    if (found !== undefined && found.id !== at.id) return { ...found, bastion: undefined }
    throw new Fault('target.unknown-host', {
      say: `${nameOf(at)} names the bastion ${JSON.stringify(at.bastion)}, which is not configured.`,
      next: 'add it under bastions in rollcall.yaml',
    })
  }

  /** Opens a stream and gives back the hold on the bastion's line when the stream ends. */
  async function reach(at: Endpoint): Promise<Duplex> {
    const bastion = bastionOf(at)
    if (bastion === undefined) return dial(at, options)
    const name = `bastion ${bastion.id}`
    const line = take(name, bastion)
    try {
      const client = await line.client
      const stream = await dial(at, options, { client, at: bastion })
      stream.once('close', () => release(name, line))
      return stream
    } catch (error) {
      release(name, line)
      throw error
    }
  }

  async function start(at: Endpoint): Promise<Client> {
    // A bastion is dialled before a start slot is taken: else 16 waiting hosts would keep it from ever starting.
    const bastion = bastionOf(at)
    const line = bastion === undefined ? undefined : take(`bastion ${bastion.id}`, bastion)
    try {
      await line?.client
      return await starts(async () => {
        if (starts.activeCount > 1) await sleep(Math.random() * options.startJitterMs)
        return connected(at)
      })
    } finally {
      if (bastion !== undefined && line !== undefined) release(`bastion ${bastion.id}`, line)
    }
  }

  /** A key that was refused may have been pinned since we started: then there is one more try. */
  async function connected(at: Endpoint): Promise<Client> {
    try {
      return await connectPinned(at, options, () => reach(at))
    } catch (error) {
      const own = error instanceof Fault && keyFaults.includes(error.code) && error.data.host === at.id
      const hostKey = own ? await repin(at.id, at.hostKey) : undefined
      if (hostKey === undefined) throw error
      for (const known of [hostsById, bastionsById]) {
        const machine = known.get(at.id)
        if (machine !== undefined) Object.assign(machine, { hostKey })
      }
      return connectPinned({ ...at, hostKey }, options, () => reach(at))
    }
  }

  function lost(name: string, line: Line): void {
    line.gone = true
    clearTimeout(line.idle)
    if (lines.get(name) === line) lines.delete(name)
  }

  function take(name: string, at: Endpoint): Line {
    if (closed) {
      throw new Fault('target.unreachable', { say: `${nameOf(at)} was not asked: Rollcall is closing.`, retry: true })
    }
    const open = lines.get(name)
    if (open !== undefined) {
      clearTimeout(open.idle)
      open.users++
      return open
    }
    const line: Line = { client: start(at), users: 1, gone: false }
    lines.set(name, line)
    line.client.then(
      (client) => client.once('close', () => lost(name, line)),
      () => lost(name, line),
    )
    return line
  }

  function release(name: string, line: Line): void {
    line.users--
    if (line.users > 0) return
    clearTimeout(line.idle)
    if (lines.get(name) !== line) return void end(line)
    line.idle = setTimeout(() => {
      if (lines.get(name) === line) lines.delete(name)
      void end(line)
    }, options.idleSeconds * 1000)
    line.idle.unref()
  }

  async function end(line: Line): Promise<void> {
    clearTimeout(line.idle)
    const client = await line.client.catch(() => undefined)
    if (client === undefined || line.gone) return
    await new Promise<void>((resolve) => {
      const hard = setTimeout(() => {
        client.destroy()
        resolve()
      }, 1000)
      client.once('close', () => {
        clearTimeout(hard)
        resolve()
      })
      client.end()
    })
  }

  async function drop(names: readonly string[]): Promise<void> {
    const dropped = names.map((name) => [name, lines.get(name)] as const)
    for (const [name] of dropped) lines.delete(name)
    await Promise.all(dropped.map(([, line]) => (line === undefined ? undefined : end(line))))
  }

  return {
    host,
    reach,
    async use(id, slot, action) {
      const at = host(id)
      let slotsOfHost = slots.get(id)
      if (slotsOfHost === undefined) {
        slotsOfHost = { follow: pLimit(5), call: pLimit(3) }
        slots.set(id, slotsOfHost)
      }
      return slotsOfHost[slot](async () => {
        const line = take(id, at)
        try {
          return await action(await line.client, at)
        } finally {
          release(id, line)
        }
      })
    },
    async leave(ids) {
      const left = ids.map((id) => lines.get(id))
      for (const id of ids) lines.delete(id)
      // Somebody else may be asking a host something just now: its line then ends with its last user.
      await Promise.all(left.map((line) => (line === undefined || line.users > 0 ? undefined : end(line))))
    },
    async close() {
      closed = true
      await drop([...lines.keys()].filter((name) => !name.startsWith('bastion ')))
      await drop([...lines.keys()])
    },
  }
}
