import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import helmet from '@fastify/helmet'
import type { App } from './deps.ts'

const nonces = new WeakMap<IncomingMessage | ServerResponse, string>()

/** The nonce that the answer's policy allows for styles; the same one however often it is asked for. */
export function nonceOf(raw: ServerResponse): string {
  const known = nonces.get(raw)
  if (known !== undefined) return known
  const nonce = randomBytes(18).toString('base64')
  nonces.set(raw, nonce)
  return nonce
}

/** What a browser may do with any answer of this server: its own scripts and files only, in no frame. */
export async function secureHeaders(app: App): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      // Without the defaults: one of them sends browsers to https, which a server on loopback does not speak.
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        scriptSrcAttr: ["'none'"],
        styleSrc: ["'self'", (_request, response) => `'nonce-${nonceOf(response as ServerResponse)}'`],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        objectSrc: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
      },
    },
    frameguard: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    // Whoever ends TLS in front of this server decides about it.
    hsts: false,
  })
}

/** The policy of the docs' page: its own files and the one style that it adds by itself, and no frame either. */
export const docsPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='",
  "img-src 'self' data:",
  "connect-src 'self'",
  "object-src 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ')
