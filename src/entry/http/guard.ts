import cookie from '@fastify/cookie'
import rateLimit from '@fastify/rate-limit'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { type Addresses, isLoopback, knownHost, knownOrigin } from '../../access/addresses.ts'
import type { Audit, From } from '../../access/audit.ts'
import type { Person } from '../../access/config.ts'
import { mayDo } from '../../access/policy.ts'
import { notPermitted, openDemo, otherHost, otherOrigin, signInFirst } from '../../access/refusals.ts'
import { accessOf, needListed } from '../../access/routes.ts'
import type { Sessions } from '../../access/sessions.ts'
import { createSieve, createSieves, withMissed } from '../../access/sieve.ts'
import { checkToken } from '../../access/tokens.ts'
import type { Fault } from '../../lib/fault.ts'
import type { Store } from '../../ports/store.ts'
import { isAlertRoute } from './alert-sources.ts'
import './deps.ts'
import { unencapsulated } from './plugin.ts'
import { isSlackRoute } from './slack.ts'

/** What sign-in and guard work with; built once by src/app.ts. */
export interface AccessDeps {
  store: Store
  sessions: Sessions
  audit: Audit
  /** The people whom the configuration named when Rollcall started. */
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

/**
 * The name of a cookie. The prefix binds it to this very host: no neighbouring domain can set it (RFC 6265bis, 4.1.3.2). Without
 * TLS the port stands in it, as the cookies of a host are shared by all of its ports.
 */
export function cookieName(deps: Pick<AccessDeps, 'addresses'>, name = 'rollcall'): string {
  return isSecure(deps) ? `__Host-${name}` : `${name}-${deps.addresses.port() ?? 'none'}`
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
 * something, and needs a person with the route's action unless the route is public. Sets `request.person`. The routes that take
 * alerts have a check of their own (src/entry/http/alert-sources.ts).
 * Fault `access.open-demo` when the sandbox would be reachable from outside.
 */
export function guard(deps: AccessDeps): FastifyPluginAsync {
  const strangers = createSieve(deps.clock)
  const known = createSieves(deps.clock)

  const note = async (request: FastifyRequest, code: string, say: string, action: string): Promise<void> => {
    const target = `${request.method} ${request.routeOptions.url ?? request.url.split('?', 1)[0]}`
    const who = request.person?.id
    // Nobody must be able to fill the log, or to hide one kind of refusal behind another.
    const worth = who === undefined ? strangers(`${request.ip} ${target} ${code}`) : known(who)(`${action} ${code}`)
    if (!worth.pass) return
    const why = withMissed(say, worth.missed)
    await deps.audit.note({ who: who ?? 'unknown', from: fromOf(request), action, target, result: 'refused', why })
  }
  const refused = async (request: FastifyRequest, fault: Fault, action: string): Promise<Fault> => {
    await note(request, fault.code, fault.message, action)
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
      // Machines send no cookie and have no page: these routes ask for something else, and do it themselves.
      if (isAlertRoute(request) || isSlackRoute(request)) return
      const { host } = request.headers
      const url = request.routeOptions.url
      const access = accessOf(request.method, url ?? '')
      // A balancer asks for health by address, and learns nothing else.
      if (url !== '/healthz' && !knownHost(deps.addresses, host)) {
        throw await refused(request, otherHost(host ?? ''), 'access.host')
      }
      // Files are the same for everybody; metrics are for whoever is here, and for others by a token (metrics.ts).
      if (access !== 'public' || url?.startsWith('/api/') || url === '/metrics')
        request.person = await whoIs(deps, request)
      const strange = strangeOrigin(deps.addresses, request)
      if (strange !== undefined) {
        throw await refused(request, otherOrigin(strange), 'access.origin')
      }
      // Nothing stands there, so there is nothing to guard.
      if (request.is404) return
      if (access === 'public') return
      // A browser on its way to a page is shown where one signs in, not JSON.
      if (request.person === undefined && isDocs(request)) return reply.redirect('/')
      // What a 401 has to say (RFC 9110, 15.5.2).
      if (request.person === undefined) reply.header('www-authenticate', 'Bearer')
      if (request.person === undefined) throw await refused(request, signInFirst(), access ?? 'access.route')
      const allowed = mayDo(request.person, access ?? 'access.route')
      if (!allowed.ok) {
        throw await refused(request, notPermitted(allowed.why, allowed.next), access ?? 'access.route')
      }
    })
    // Limits of how often are kept by others, after this guard or before it: what they refuse is worth knowing as well.
    app.addHook('onSend', async (request, reply, payload) => {
      if (reply.statusCode !== 429) return payload
      const access = accessOf(request.method, request.routeOptions.url ?? '')
      const action = access === undefined || access === 'public' ? 'access.sign-in' : access
      await note(request, 'too-many', 'That were too many requests.', action)
      return payload
    })
  }
  return unencapsulated(plugin)
}

/** Whether a browser asks for the page of the interface's description. */
function isDocs(request: FastifyRequest): boolean {
  const page = ['/api/docs', '/api/docs/'].includes(request.routeOptions.url ?? '')
  return page && (request.headers.accept ?? '').includes('text/html')
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
