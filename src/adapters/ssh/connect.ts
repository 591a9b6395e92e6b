import type { Buffer } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { connect as tcp } from 'node:net'
import { homedir } from 'node:os'
import type { Duplex } from 'node:stream'
import type { AnyAuthMethod, Client, ClientErrorExtensions, ServerHostKeyAlgorithm } from 'ssh2'
import ssh2 from 'ssh2'
import { Fault } from '../../lib/fault.ts'
import type { BastionConfig, HostConfig, SshOptions } from './config.ts'
import { printable } from './frames.ts'
import { offersFor, type PresentedKey, parsePin, presented } from './host-key.ts'

/** Where a connection goes: a host, or a bastion on the way to one. */
export type Endpoint = (HostConfig | BastionConfig) & { bastion?: string | undefined }

/** `web-3 (10.0.0.3:22)`: how every fault of this adapter names a machine. */
export const nameOf = (at: Endpoint): string => `${at.id} (${at.ip.includes(':') ? `[${at.ip}]` : at.ip}:${at.port})`

const facts = (at: Endpoint, more: Record<string, unknown> = {}) => ({ host: at.id, ip: at.ip, port: at.port, ...more })

export function unreachable(at: Endpoint, what: string, cause?: unknown, more: Record<string, unknown> = {}): Fault {
  return new Fault('target.unreachable', {
    say: `${nameOf(at)} ${what}.`,
    next: 'check the machine and the network, then try again',
    retry: true,
    data: facts(at, more),
    cause,
  })
}

export function timedOut(at: Endpoint, what: string, seconds: number): Fault {
  return new Fault('target.timeout', {
    say: `${nameOf(at)} ${what} in ${seconds} s.`,
    next: 'check the machine, then try again',
    retry: true,
    data: facts(at, { seconds }),
  })
}

export function protocolFault(at: Endpoint, what: string): Fault {
  return new Fault('target.protocol', {
    say: `${nameOf(at)} ${what}`,
    next: 'rollcall doctor',
    data: facts(at),
  })
}

function refused(at: Endpoint, what: string, next: string): Fault {
  return new Fault('target.authentication', { say: `${nameOf(at)}: ${what}.`, next, data: facts(at) })
}

/** How to sign in. The key is read anew each time, so that a rotated one is used at once. Throws `target.authentication`. */
export async function signIn(at: Endpoint): Promise<AnyAuthMethod> {
  if (at.key === undefined) {
    const agent = process.env.SSH_AUTH_SOCK
    if (agent !== undefined && agent !== '') return { type: 'agent', username: at.user, agent }
    throw refused(at, 'agent: true is set, but SSH_AUTH_SOCK is not', 'start ssh-agent, or give key')
  }
  const path = at.key.startsWith('~/') ? `${homedir()}${at.key.slice(1)}` : at.key
  const text = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw refused(at, `the key ${path} cannot be read (${error.code ?? 'error'})`, `create ${path}, or correct key`)
  })
  const parsed = ssh2.utils.parseKey(text)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (key instanceof Error || key === undefined) {
    // The parser's message never goes out: it may quote the file.
    const locked = key !== undefined && /encrypted|passphrase/i.test(key.message)
    throw locked
      ? refused(at, `the key ${path} is protected by a passphrase`, `ssh-add ${path}, and set agent: true`)
      : refused(at, `${path} is not a private key that can be used`, `ssh-keygen -t ed25519 -f ${path}`)
  }
  if (!key.isPrivateKey()) {
    throw refused(at, `${path} is a public key`, 'give the path of the private key')
  }
  return { type: 'publickey', username: at.user, key }
}

/** A stream to the machine's SSH port: TCP, or a channel through the bastion. Throws `target.unreachable`. */
export function dial(at: Endpoint, options: SshOptions, bastion?: { client: Client; at: Endpoint }): Promise<Duplex> {
  const seconds = options.connectSeconds
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      socket?.destroy()
      const way = bastion === undefined ? '' : ` through ${nameOf(bastion.at)}`
      reject(unreachable(at, `did not answer${way} in ${seconds} s`, undefined, { seconds }))
    }, seconds * 1000)
    const socket = bastion === undefined ? tcp({ host: at.ip, port: at.port, noDelay: true }) : undefined
    socket?.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket?.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(unreachable(at, tcpWords(error), error, { reason: error.code }))
    })
    if (bastion === undefined) return
    try {
      bastion.client.forwardOut('127.0.0.1', 0, at.ip, at.port, (error, channel) => {
        clearTimeout(timer)
        if (late) channel?.destroy()
        else if (error) reject(unreachable(at, `cannot be reached through ${nameOf(bastion.at)}`, error))
        else resolve(channel)
      })
    } catch (error) {
      clearTimeout(timer)
      reject(unreachable(at, `cannot be reached: the connection to ${nameOf(bastion.at)} was lost`, error))
    }
  })
}

const words: Record<string, string> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'reset the connection',
  EPIPE: 'closed the connection',
  ETIMEDOUT: 'did not answer',
  EHOSTUNREACH: 'cannot be reached (no route to the host)',
  ENETUNREACH: 'cannot be reached (no route to its network)',
  ENOTFOUND: 'has a name that cannot be resolved',
  EAI_AGAIN: 'has a name that cannot be resolved at the moment',
}

const tcpWords = (error: NodeJS.ErrnoException) =>
  words[error.code ?? ''] ?? `cannot be reached (${error.code ?? 'error'})`

const sockets = new WeakMap<Client, Duplex>()

/** The stream under a connection; its back-pressure is the one that ssh2 does not heed. */
export const socketOf = (client: Client): Duplex | undefined => sockets.get(client)

export interface Handshake {
  /** The signature algorithms for host keys to offer, best first. */
  offer: readonly string[]
  /** Decides on the key before anything is sent that could identify us. */
  accept(key: PresentedKey): boolean
  method?: AnyAuthMethod
}

/**
 * One SSH connection over a stream, up to the end of authentication. Throws `target.unreachable`, `target.timeout`,
 * `target.authentication`; when `accept` said no, the result is undefined and no authentication was tried.
 */
export function shake(at: Endpoint, sock: Duplex, options: SshOptions, hand: Handshake): Promise<Client | undefined> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client()
    sockets.set(client, sock)
    let denied = false
    let settled = false
    const settle = (act: () => void) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      act()
    }
    const giveUp = (fault: Fault) =>
      settle(() => {
        client.destroy()
        sock.destroy()
        reject(fault)
      })
    const seconds = options.handshakeSeconds
    const timer = setTimeout(() => giveUp(timedOut(at, 'did not finish the SSH handshake', seconds)), seconds * 1000)
    client.on('ready', () => settle(() => resolve(client)))
    client.on('error', (error: Error & ClientErrorExtensions & { code?: string }) => {
      if (denied) return
      giveUp(errorFault(at, error))
    })
    client.on('close', () => {
      if (denied) settle(() => resolve(undefined))
      else giveUp(unreachable(at, 'closed the connection during the SSH handshake'))
    })
    client.connect({
      sock,
      username: at.user,
      // Starting with the key saves the round in which `none` is refused.
      authHandler: hand.method === undefined ? [] : [hand.method],
      hostVerifier: (blob: Buffer) => {
        denied = !hand.accept(presented(blob))
        return !denied
      },
      algorithms: {
        // Measured: OpenSSH's default sntrup761 costs 3 to 4 times as much; the rest of ssh2's defaults stay behind.
        kex: { prepend: ['curve25519-sha256'], append: [], remove: [] },
        cipher: { prepend: ['aes128-gcm@openssh.com'], append: [], remove: [] },
        serverHostKey: [...hand.offer] as ServerHostKeyAlgorithm[],
      },
      readyTimeout: 0,
      keepaliveInterval: options.keepaliveSeconds * 1000,
      keepaliveCountMax: options.keepaliveMisses,
    })
  })
}

function errorFault(at: Endpoint, error: Error & ClientErrorExtensions & { code?: string }): Fault {
  if (error.level === 'client-authentication' || error.level === 'agent') {
    const by = at.key === undefined ? 'the keys of the SSH agent' : `the key ${at.key}`
    return refused(
      at,
      `user ${at.user} was refused with ${by}`,
      `add the public key to ~${at.user}/.ssh/authorized_keys on ${at.id}, or correct user and key`,
    )
  }
  if (error.code !== undefined && error.code in words) return unreachable(at, tcpWords(error), error)
  const said = printable(error.message).slice(0, 160)
  return unreachable(at, `ended the SSH handshake (${said})`, error)
}

/** Which of the offers fits is kept for the connections to come. */
const fitting = new Map<string, string[]>()

/**
 * A connection whose host key is the pinned one. Throws also `target.host-key-unknown` (nothing is pinned) and
 * `target.host-key-changed`; in both cases no authentication was tried.
 */
export async function connectPinned(at: Endpoint, options: SshOptions, open: () => Promise<Duplex>): Promise<Client> {
  const pin = at.hostKey === undefined ? undefined : parsePin(at.hostKey)
  const method = pin === undefined ? undefined : await signIn(at)
  const known = pin === undefined ? undefined : fitting.get(pin.fingerprint)
  const seen: PresentedKey[] = []
  for (const offer of known === undefined ? offersFor(pin) : [known, ...offersFor(pin)]) {
    const client = await shake(at, await open(), options, {
      offer,
      accept: (key) => {
        seen.push(key)
        return key.fingerprint === pin?.fingerprint
      },
      method,
    }).catch((error: unknown) => {
      // The server has no key of this family: ask for the next one.
      if (error instanceof Fault && /no matching host key/i.test(String((error.cause as Error)?.message)))
        return undefined
      throw error
    })
    if (client !== undefined) {
      if (pin !== undefined && pin.type === undefined) fitting.set(pin.fingerprint, offer)
      return client
    }
  }
  throw keyFault(at, pin?.fingerprint, seen)
}

function keyFault(at: Endpoint, pinned: string | undefined, seen: readonly PresentedKey[]): Fault {
  const fingerprints = [...new Set(seen.map((key) => key.fingerprint))]
  const shown = fingerprints.length === 0 ? 'none that was asked for' : fingerprints.join(', ')
  if (pinned === undefined) {
    return new Fault('target.host-key-unknown', {
      say: `The host key of ${nameOf(at)} is not known; it presents ${shown}. Nothing was sent.`,
      next: `rollcall enroll ${at.id}`,
      data: facts(at, { presented: fingerprints }),
    })
  }
  return new Fault('target.host-key-changed', {
    say: `The host key of ${nameOf(at)} has changed: pinned is ${pinned}, it presents ${shown}. Nothing was sent.`,
    next: `check first whether ${at.id} was set up anew; if it was: rollcall enroll --replace ${at.id}`,
    data: facts(at, { pinned, presented: fingerprints }),
  })
}
