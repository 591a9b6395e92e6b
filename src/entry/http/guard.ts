import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { type Addresses, isLoopback, knownHost, knownOrigin } from '../../access/addresses.ts'
import type { Audit, From } from '../../access/audit.ts'
import type { Person } from '../../access/config.ts'
import { mayDo } from '../../access/policy.ts'
import { notPermitted, openDemo, otherHost, otherOrigin, signInFirst, tooManyTries } from '../../access/refusals.ts'
import { accessOf, needListed } from '../../access/routes.ts'
import type { Sessions } from '../../access/sessions.ts'
import { createSieve } from '../../access/sieve.ts'
import { checkToken } from '../../access/tokens.ts'
import type { Fault } from '../../lib/fault.ts'
import type { Store } from '../../ports/store.ts'
import './deps.ts'

/** What sign-in and guard work with; built once by src/app.ts. */
export interface AccessDeps {
  store: Store
  sessions: Sessions
  audit: Audit
  /** The people as the configuration names them now. */
  people: () => readonly Person[]
  clock: () => Date
  addresses: Addresses
  /** One may be anybody without proof: the sandbox, and nothing else. */
  demo: boolean
}

/** Whether the cookie may be sent over TLS only. */
export function isSecure({ addresses }: Pick<AccessDeps, 'addresses'>): boolean {
  return addresses.publicUrl?.startsWith('https:') ?? false
}

/** The session cookie's name. The prefix binds it to this very host: no neighbouring domain can set it (RFC 6265bis, 4.1.3.2). */
export function cookieName(deps: Pick<AccessDeps, 'addresses'>): string {
  return isSecure(deps) ? '__Host-rollcall' : 'rollcall'
}

/** Where a request comes from, for the audit log. */
export function fromOf(request: FastifyRequest): From {
  return { surface: 'console', address: request.ip }
}

/** Whether the person of this request would still be let in: asked while a connection stays open. */
export function createStands(deps: AccessDeps): (request: FastifyRequest) => Promise<boolean> {
  return async (request) => {
    const access = accessOf(request.method, request.routeOptions.url ?? '')
    if (access === 'public') return true
    const person = await whoIs(deps, request)
    return person !== undefined && access !== undefined && mayDo(person, access).ok && person.id === request.person?.id
  }
}

/**
 * The guard of every route, to be registered before all others. A route that is not in the table of routes cannot be registered
 * after it. A request must name one of our hosts (except for /healthz), must not come from another site's page when it changes
 * something, and needs a person with the route's action unless the route is public. Sets `request.person`.
 * Fault `access.open-demo` when the sandbox would be reachable from outside.
 */
export function guard(deps: AccessDeps): FastifyPluginAsync {
  const sieve = createSieve(deps.clock)

  const refused = async (request: FastifyRequest, fault: Fault, action: string, person?: Person): Promise<Fault> => {
    const target = `${request.method} ${request.routeOptions.url ?? request.url.split('?', 1)[0]}`
    // Who is known answers for each refusal; strangers must not be able to fill the log.
    const worth = person === undefined ? sieve(`${request.ip} ${target} ${fault.code}`) : { pass: true, missed: 0 }
    if (worth.pass) {
      const more = worth.missed > 0 ? ` (and ${worth.missed} more refusals before)` : ''
      const why = `${fault.message}${more}`
      const who = person?.id ?? 'unknown'
      await deps.audit.note({ who, from: fromOf(request), action, target, result: 'refused', why })
    }
    return fault
  }

  const plugin: FastifyPluginAsync = async (app) => {
    if (deps.demo && !isLoopback(deps.addresses.host)) throw openDemo(deps.addresses.host)
    app.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) needListed(each, url)
    })
    if (!app.hasRequestDecorator('cookies')) await app.register(cookie)
    if (!app.hasDecorator('rateLimit')) await app.register(rateLimit, { global: false })
    if (!app.hasRequestDecorator('person')) app.decorateRequest('person', undefined)

    app.addHook('onRequest', async (request, reply) => {
      const { host } = request.headers
      const url = request.routeOptions.url
      const access = accessOf(request.method, url ?? '')
      // A balancer asks for health by address, and learns nothing else.
      if (url !== '/healthz' && !knownHost(deps.addresses, host)) {
        throw await refused(request, otherHost(host ?? ''), 'access.host')
      }
      // Files are the same for everybody.
      if (access !== 'public' || url?.startsWith('/api/')) request.person = await whoIs(deps, request)
      const strange = strangeOrigin(deps.addresses, request)
      if (strange !== undefined) {
        throw await refused(request, otherOrigin(strange), 'access.origin', request.person)
      }
      // Nothing stands there, so there is nothing to guard.
      if (request.is404) return
      if (access === 'public') return
      // What a 401 has to say (RFC 9110, 15.5.2).
      if (request.person === undefined) reply.header('www-authenticate', 'Bearer')
      if (request.person === undefined) throw await refused(request, signInFirst(), access ?? 'access.route')
      const allowed = mayDo(request.person, access ?? 'access.route')
      if (!allowed.ok) {
        throw await refused(request, notPermitted(allowed.why, allowed.next), access ?? 'access.route', request.person)
      }
    })
  }
  return unencapsulated(plugin)
}

/** Options of a route that strangers try to get in by: at most `max` tries a minute and address. */
export function tries(max: number) {
  return {
    rateLimit: {
      max,
      timeWindow: 60_000,
      errorResponseBuilder: (_request: FastifyRequest, { ttl }: { ttl: number }) => tooManyTries(Math.ceil(ttl / 1000)),
    },
  }
}

/** Hooks and decorators of the plugin hold for the whole server, not for the plugin's own routes only. */
function unencapsulated(plugin: FastifyPluginAsync): FastifyPluginAsync {
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

/** The person of a personal token, or of the session cookie. With a token that is wrong, the cookie is not asked. */
async function whoIs(deps: AccessDeps, request: FastifyRequest): Promise<Person | undefined> {
  const bearer = bearerOf(request)
  if (bearer !== undefined) {
    const token = await checkToken(deps.store, bearer, deps.clock)
    return deps.people().find((person) => person.id === token?.person)
  }
  const secret = request.cookies[cookieName(deps)]
  return secret === undefined ? undefined : (await deps.sessions.find(secret))?.person
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/**
 * The other site whose page sent a request that changes something; undefined when all is well. Browsers say where such a request
 * comes from, in Origin and in Sec-Fetch-Site. Who says neither must bring a token, which no browser adds by itself.
 */
function strangeOrigin(addresses: Addresses, request: FastifyRequest): string | undefined {
  if (['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return undefined
  const { origin } = request.headers
  const site = request.headers['sec-fetch-site']
  if (origin !== undefined) return knownOrigin(addresses, origin) ? undefined : origin
  if (site !== undefined) return site === 'same-origin' ? undefined : 'another site'
  return bearerOf(request) === undefined ? 'an unknown origin' : undefined
}
