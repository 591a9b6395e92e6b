import { randomBytes } from 'node:crypto'

// Crockford's base 32: in ascending order of its characters, without i, l, o and u.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeLength = 10
const randomLength = 16

let lastTime = 0
let lastRandom: number[] = []

/**
 * A new identifier of 26 characters [0-9a-z]: 48 bits of milliseconds, then 80 random bits (the layout of ULID, in lower case).
 * Identifiers sort by the time of their making; those of one process sort strictly, even when the clock stands still or goes back.
 */
export function newId(nowMs: number = Date.now()): string {
  if (nowMs > lastTime || lastRandom.length === 0) {
    lastTime = nowMs
    lastRandom = [...randomBytes(randomLength)].map((byte) => byte & 31)
  } else {
    lastRandom = increment(lastRandom)
  }
  return encodeTime(lastTime) + lastRandom.map((digit) => alphabet[digit]).join('')
}

/** The last six characters, for people; good enough to tell apart what stands in one channel, never a key. */
export function short(id: string): string {
  return id.slice(-6)
}

function increment(digits: number[]): number[] {
  const next = [...digits]
  for (let i = next.length - 1; i >= 0; i--) {
    const digit = next[i] ?? 0
    if (digit < 31) {
      next[i] = digit + 1
      return next
    }
    next[i] = 0
  }
  // 2^80 identifiers within one millisecond: borrow the next millisecond.
  lastTime += 1
  return next
}

function encodeTime(ms: number): string {
  let text = ''
  for (let rest = Math.floor(ms); text.length < timeLength; rest = Math.floor(rest / 32))
    text = alphabet[rest % 32] + text
  return text
}
