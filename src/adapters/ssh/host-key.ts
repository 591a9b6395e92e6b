import { createHash } from 'node:crypto'

/** A host key as a server presented it. */
export interface PresentedKey {
  /** ssh-ed25519, ecdsa-sha2-nistp256, ssh-rsa, ... */
  type: string
  /** The OpenSSH public key line, ready to be pinned. */
  line: string
  /** SHA256:..., as `ssh-keygen -l` prints it. */
  fingerprint: string
}

/** Host key families in the order in which we prefer them, with the signature algorithms that ask for each. */
export const families: readonly { name: string; algorithms: readonly string[] }[] = [
  { name: 'ed25519', algorithms: ['ssh-ed25519'] },
  { name: 'ecdsa', algorithms: ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] },
  { name: 'rsa', algorithms: ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] },
]

/** The key's wire form (RFC 4253, 6.6) starts with its type as a string. */
export function presented(blob: Buffer): PresentedKey {
  const length = blob.length >= 4 ? blob.readUInt32BE(0) : 0
  const type = length <= 64 ? blob.toString('latin1', 4, 4 + length).replaceAll(/[^a-z0-9@.-]/gi, '?') : '?'
  return { type, line: `${type} ${blob.toString('base64')}`, fingerprint: fingerprintOf(blob) }
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** What is pinned for a host: a whole key, or only a fingerprint (then the type is not known). */
export interface Pin {
  fingerprint: string
  type?: string
}

export function parsePin(text: string): Pin {
  const line = text.trim()
  if (line.startsWith('SHA256:')) return { fingerprint: line.replace(/=+$/, '') }
  const [type = '', base64 = ''] = line.split(/\s+/)
  return { type, fingerprint: fingerprintOf(Buffer.from(base64, 'base64')) }
}

/**
 * The offers to make, one connection each, until a key fits. A pinned type goes first, so that a server with several
 * keys presents that one; a bare fingerprint may belong to any family, so each is asked for in turn.
 */
export function offersFor(pin: Pin | undefined): string[][] {
  const all = families.flatMap((family) => family.algorithms)
  if (pin === undefined) return [all]
  if (pin.type === undefined) return families.map((family) => [...family.algorithms])
  const first = pin.type === 'ssh-rsa' ? families[2]!.algorithms : all.filter((algorithm) => algorithm === pin.type)
  return [[...first, ...all.filter((algorithm) => !first.includes(algorithm))]]
}
