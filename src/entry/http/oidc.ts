import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import * as client from 'openid-client'
import { z } from 'zod'
import { isLoopback } from '../../access/addresses.ts'
import { findPerson } from '../../access/policy.ts'
import { providerAway, signInLapsed, signInRefused, unknownAccount } from '../../access/refusals.ts'
import { hashOf } from '../../access/secret.ts'
import { asFault } from '../../lib/fault.ts'
import type { Log } from '../../lib/log.ts'
import { type AccessDeps, cookieName, isSecure } from './guard.ts'
import { tries } from './limits.ts'
import { refusal } from './schema.ts'
import { failSignIn, startSession } from './session.ts'

const START = '/api/v1/session/oidc'
const CALLBACK = `${START}/callback`
/** How long somebody may take at the provider. */
const MINUTES = 10
const TIMEOUT_SECONDS = 10

export interface OidcDeps extends AccessDeps {
  oidc: {
    issuer: string
    clientId: string
    /** Left out for a public client: PKCE alone then. */
    clientSecret?: string
    scopes: readonly string[]
    /** 32 bytes that attempts are sealed with: the same for all processes behind one address. One of its own when left out. */
    attemptKey?: Uint8Array
  }
  log: Log
}

/** What one attempt to sign in has to find again when the provider sends the person back. */
const attemptSchema = z.object({ state: z.string(), nonce: z.string(), verifier: z.string(), until: z.number() })
type Attempt = z.infer<typeof attemptSchema>

/**
 * GET /api/v1/session/oidc and its callback: OpenID Connect's authorization code flow with PKCE (RFC 7636, S256), state, nonce
 * and, where the provider sends it, `iss` (RFC 9207). A person is whoever has the account's `sub` under surfaces.console.
 * Plain http is spoken with a provider on this machine only.
 */
export function oidcRoutes(deps: OidcDeps): FastifyPluginAsync {
  const provider = createProvider(deps)
  const attempts = createAttempts(deps)

  return async (app) => {
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    const tags = ['session']
    const redirects = { 302: z.null().describe('Goes on at the address in Location'), '4xx': refusal, '5xx': refusal }
    app.get(
      START,
      { config: tries(30), schema: { tags, summary: 'Signs in at the provider', response: redirects } },
      (_request, reply) =>
        inWords(reply, async () => {
          const config = await provider()
          const attempt: Attempt = {
            state: client.randomState(),
            nonce: client.randomNonce(),
            verifier: client.randomPKCECodeVerifier(),
            until: deps.clock().getTime() + MINUTES * 60_000,
          }
          attempts.keep(reply, attempt)
          const url = client.buildAuthorizationUrl(config, {
            redirect_uri: redirectUri(deps),
            scope: deps.oidc.scopes.join(' '),
            state: attempt.state,
            nonce: attempt.nonce,
            code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
            code_challenge_method: 'S256',
          })
          return reply.header('cache-control', 'no-store').redirect(url.href)
        }),
    )

    app.get(
      CALLBACK,
      { config: tries(30), schema: { tags, summary: 'Where the provider sends people back to', response: redirects } },
      (request, reply) =>
        inWords(reply, async () => {
          const attempt = attempts.take(request, reply)
          if (attempt === undefined) {
            throw await failSignIn(deps, request, signInLapsed(), 'oidc', 'no attempt, or one that is over or was used')
          }
          const subject = await exchange(deps, await provider(), request, attempt)
          const person = findPerson(deps.people(), 'console', subject)
          if (person === undefined) throw await failSignIn(deps, request, unknownAccount(subject), `account ${subject}`)
          await startSession(deps, request, reply, person, { by: 'oidc', subject })
          return reply.redirect('/')
        }),
    )
  }
}

/** The account's `sub`, once everything that the provider sent is proven. */
async function exchange(
  deps: OidcDeps,
  config: client.Configuration,
  request: FastifyRequest,
  attempt: Attempt,
): Promise<string> {
  // The address that was registered, never what the request says about itself.
  const back = new URL(redirectUri(deps))
  back.search = new URL(request.url, back).search
  try {
    const tokens = await client.authorizationCodeGrant(config, back, {
      expectedState: attempt.state,
      expectedNonce: attempt.nonce,
      pkceCodeVerifier: attempt.verifier,
      idTokenExpected: true,
    })
    const subject = tokens.claims()?.sub
    if (subject !== undefined) return subject
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    // The error may hold the code or the tokens: only its kind is told.
    deps.log.warn({ code }, 'sign-in at the provider failed')
    throw await failSignIn(deps, request, signInRefused(), 'oidc', `the provider's answer did not hold: ${code}`)
  }
  throw await failSignIn(deps, request, signInRefused(), 'oidc', 'the provider named no account')
}

/** The provider's metadata, asked for when first needed and again after a failure. */
function createProvider({ oidc, log }: OidcDeps): () => Promise<client.Configuration> {
  const { issuer, clientId, clientSecret } = oidc
  const server = new URL(issuer)
  const insecure = server.protocol === 'http:' && isLoopback(server.hostname) ? [client.allowInsecureRequests] : []
  let found: Promise<client.Configuration> | undefined

  const discover = async (): Promise<client.Configuration> => {
    const auth = clientSecret === undefined ? client.None() : undefined
    const options = { execute: insecure, timeout: TIMEOUT_SECONDS }
    const discovered = await client.discovery(server, clientId, clientSecret, auth, options)
    const metadata = discovered.serverMetadata()
    // Basic is what a client has unless it was registered otherwise (OpenID Connect Discovery 1.0, 3).
    const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    if (clientSecret === undefined || !methods.includes('client_secret_basic')) return discovered
    const config = new client.Configuration(metadata, clientId, clientSecret, client.ClientSecretBasic(clientSecret))
    config.timeout = TIMEOUT_SECONDS
    for (const each of insecure) each(config)
    return config
  }

  return async () => {
    found ??= discover()
    try {
      return await found
    } catch (error) {
      found = undefined
      log.warn(
        { issuer, code: error instanceof Error && 'code' in error ? error.code : undefined },
        'provider not reached',
      )
      throw providerAway(server.host, error)
    }
  }
}

/**
 * An attempt travels in a cookie that only we can read (AES-256-GCM), so that strangers fill no store; it counts once in a process,
 * and the provider takes its code once in all. Lax, because the provider's redirect is another site's.
 */
function createAttempts(deps: OidcDeps) {
  const key = deps.oidc.attemptKey ?? randomBytes(32)
  // Asked for when it is needed: the port is known once the server listens.
  const name = () => cookieName(deps, 'rollcall-oidc')
  const options = { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure(deps) } as const
  const used = new Map<string, number>()

  return {
    keep(reply: FastifyReply, attempt: Attempt): void {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      const sealed = Buffer.concat([cipher.update(JSON.stringify(attempt)), cipher.final()])
      const value = Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
      reply.setCookie(name(), value, { ...options, maxAge: MINUTES * 60 })
    },

    /** The attempt that this browser began, if it is neither over nor used; it is used from now on. */
    take(request: FastifyRequest, reply: FastifyReply): Attempt | undefined {
      reply.clearCookie(name(), options)
      const attempt = open(request.cookies[name()] ?? '')
      const now = deps.clock().getTime()
      for (const [state, until] of used) if (until <= now) used.delete(state)
      if (attempt === undefined || attempt.until <= now) return undefined
      const id = hashOf(attempt.state)
      if (used.has(id)) return undefined
      used.set(id, attempt.until)
      return attempt
    },
  }

  function open(value: string): Attempt | undefined {
    const bytes = Buffer.from(value, 'base64url')
    if (bytes.length < 29) return undefined
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
      decipher.setAuthTag(bytes.subarray(12, 28))
      const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString()
      return attemptSchema.parse(JSON.parse(text))
    } catch {
      return undefined
    }
  }
}

function redirectUri({ addresses }: OidcDeps): string {
  const own = `http://${isLoopback(addresses.host) ? addresses.host : '127.0.0.1'}:${addresses.port()}`
  return new URL(CALLBACK, addresses.publicUrl ?? own).href
}

/** A browser on its way reads sentences, not JSON. */
async function inWords(reply: FastifyReply, work: () => Promise<FastifyReply>): Promise<FastifyReply> {
  try {
    return await work()
  } catch (error) {
    const fault = asFault(error)
    if (!fault.code.startsWith('access.') || !(reply.request.headers.accept ?? '').includes('text/html')) throw error
    const { status } = fault.data
    return reply
      .code(typeof status === 'number' ? status : 403)
      .type('text/plain; charset=utf-8')
      .header('x-content-type-options', 'nosniff')
      .send(`${fault.message}\nNext: ${fault.next}.\n`)
  }
}
