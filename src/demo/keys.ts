import ssh2 from 'ssh2'

export interface KeyPair {
  /** OpenSSH format. */
  private: string
  /** One line: type and base64. */
  public: string
}

/**
 * An ed25519 key pair. ssh2 1.17 strips leading zero bytes from the public half, so about one pair in 256 cannot be read
 * again (mscdex/ssh2 issue 1513): each pair is tried before it is given out.
 */
export function newKeyPair(): KeyPair {
  const probe = Buffer.from('probe')
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519')
    const secret = ssh2.utils.parseKey(pair.private)
    const known = ssh2.utils.parseKey(pair.public)
    if (secret instanceof Error || known instanceof Error) continue
    const signature = secret.sign(probe)
    if (signature instanceof Error || known.verify(probe, signature) !== true) continue
    return { private: pair.private, public: pair.public.trim() }
  }
}
