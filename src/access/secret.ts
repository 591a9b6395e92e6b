import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits as 43 characters that stand in URLs, headers and cookies alike. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * What is stored in place of a secret: SHA-256 in hexadecimal. A slow, salted hash guards what people think up; a random secret
 * of 256 bits cannot be guessed, so a fast hash is right (NIST SP 800-63B, 5.1.2.2: look-up secrets of at least 112 bits of
 * entropy are hashed with an approved one-way function; only weaker ones need salt and key derivation).
 */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** The part of a secret's hash that serves as its public name: it finds the row and proves nothing. */
export function idOf(secret: string): string {
  return hashOf(secret).slice(0, 16)
}

/** Compares two hashes of `hashOf` in time that does not depend on where they differ. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')]
  return a.length === 32 && b.length === 32 && timingSafeEqual(a, b)
}
