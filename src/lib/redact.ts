import { Fault } from './fault.ts'

export const mask = '***'
const shortestSecret = 6

export interface Redactor {
  /** The text without any registered secret (raw, JSON-escaped, URL-encoded, base64 at any alignment, hexadecimal) and without what has the shape of one. */
  text(text: string): string
  /** A copy that JSON can carry: strings and keys masked, what stands under a sensitive key masked whole, bytes replaced by their count. */
  value(value: unknown): unknown
}

// Each pattern reads forward only: text from outside must not make it slow.
const shapes: [RegExp, string][] = [
  // A key without its end was cut off: everything after its head is taken for the key.
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, mask],
  [/(authorization["']?\s{0,5}[:=]\s{0,5}["']?(?:[a-z]{1,20} {1,5})?)[^\s"',;]{4,}/gi, `$1${mask}`],
  // In prose, "basic health" is no credential: one has a digit, a capital or a sign.
  [/\b([Bb]earer|[Bb]asic|BEARER|BASIC) +(?=[a-z._~-]{0,200}[A-Z0-9+/=])[A-Za-z0-9\-._~+/]{6,}=*/g, `$1 ${mask}`],
  [/([a-z][a-z0-9+.-]{1,30}:\/\/[^\s/:@"'<>]{0,256}):[^\s/@"'<>]{1,512}@/gi, `$1:${mask}@`],
  [/\bxox[a-z]-[A-Za-z0-9-]{6,}/g, mask],
  [/\bxapp-[A-Za-z0-9-]{6,}/g, mask],
  [/(hooks\.slack\.com\/(?:services|workflows|triggers)\/)[A-Za-z0-9/_-]+/g, `$1${mask}`],
  [/\bgh[pousr]_[A-Za-z0-9]{16,}/g, mask],
  [/\bgithub_pat_[A-Za-z0-9_]{16,}/g, mask],
  [/\bAKIA[A-Z0-9]{16}\b/g, mask],
]

const sensitiveKey =
  /^(.*[_-])?(password|passwd|passphrase|secret|token|authorization|cookie|api[_-]?key|private[_-]?key|access[_-]?key)$|(Password|Passphrase|Secret|Token|ApiKey|PrivateKey|AccessKey)$/i

/**
 * Knows the values of configured secrets and removes them from whatever leaves the process.
 * A secret shorter than 6 characters, or made of asterisks only, cannot be masked reliably: Fault `redact.secret-too-weak`.
 */
export function createRedactor(secrets: Iterable<string> = []): Redactor {
  const known = new Set<string>()
  for (const secret of secrets) {
    if (secret === '') continue
    if (!maskable(secret)) {
      throw new Fault('redact.secret-too-weak', {
        say: `a secret has fewer than ${shortestSecret} characters or only asterisks, so it cannot be kept out of logs.`,
        next: 'use a longer secret',
      })
    }
    for (const form of formsOf(secret)) known.add(form)
  }
  // The longest first: a form may contain another.
  const forms = [...known].sort((a, b) => b.length - a.length)

  const withoutForms = (input: string): string => {
    let output = input
    // The mask may complete a secret that has asterisks at its ends; every form is longer than the mask, so this ends.
    for (let before: string | undefined; before !== output; ) {
      before = output
      for (const form of forms) output = output.replaceAll(form, mask)
    }
    return output
  }
  const text = (input: string): string => {
    // Shapes come second: cutting a piece out of a registered secret would hide the rest of it from the comparison.
    let output = withoutForms(input)
    for (const [shape, replacement] of shapes) output = output.replace(shape, replacement)
    return withoutForms(output)
  }
  return { text, value: (input) => copy(input, text, new Set()) }
}

/** True when the secret can be told from ordinary text and from the mask itself. */
export function maskable(secret: string): boolean {
  return secret.length >= shortestSecret && /[^*]/.test(secret)
}

function copy(value: unknown, text: (input: string) => string, above: Set<object>): unknown {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number' || typeof value === 'bigint')
    return text(String(value)) === String(value) ? value : mask
  if (value === null || typeof value !== 'object')
    return typeof value === 'function' || typeof value === 'symbol' ? undefined : value
  if (above.has(value)) return '[circular]'
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`
  const inside = new Set(above).add(value)
  const go = (item: unknown): unknown => copy(item, text, inside)
  if (value instanceof Map) return [...value].map(([key, item]) => [go(key), sensitive(key) ? mask : go(item)])
  if (Array.isArray(value) || value instanceof Set) return [...value].map(go)
  const entries = Object.entries(value).map(([key, item]) => [text(key), sensitive(key) ? mask : go(item)])
  if (value instanceof Error) {
    entries.unshift(['name', text(value.name)], ['message', text(value.message)], ['stack', text(value.stack ?? '')])
    if (value.cause !== undefined) entries.push(['cause', go(value.cause)])
  }
  return Object.fromEntries(entries)
}

function sensitive(key: unknown): boolean {
  return typeof key === 'string' && sensitiveKey.test(key)
}

function formsOf(secret: string): string[] {
  const wellFormed = secret.toWellFormed()
  const bytes = Buffer.from(wellFormed)
  const url = encodeURIComponent(wellFormed)
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    new URLSearchParams({ s: wellFormed }).toString().slice(2),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64Forms(bytes),
  ]
}

/**
 * What base64 (RFC 4648) makes of the bytes wherever they stand within a longer text, for example in `user:password`:
 * the position modulo 3 decides. Characters that also carry bits of a neighbour are left out.
 */
function base64Forms(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const first = Math.ceil((before * 8) / 6)
    const end = Math.floor(((before + bytes.length) * 8) / 6)
    const middle = encoded.slice(first, end)
    return [middle, middle.replaceAll('+', '-').replaceAll('/', '_')]
  })
}
