import type { FastifyRequest } from 'fastify'
import { isLoopback, trusts } from '../../access/addresses.ts'
import { otherHost, otherOrigin } from '../../access/refusals.ts'
import { hashOf, sameHash } from '../../access/secret.ts'
import { Fault } from '../../lib/fault.ts'
import type { ServerDeps } from './deps.ts'

/** Routes that machines send alerts to. They have a check of their own, below, in place of the guard's. */
const ROUTES = new Set(['/api/v1/alertmanager', '/v1/alerts'])

/** The name of whoever needs no token, where the configuration has no name for it. */
export const LOCAL = 'local'

const LOOPBACK = ['127.0.0.0/8', '::1']
/** What proxies add. A request that carries one of these was not made on this machine. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip']

export function isAlertRoute(request: FastifyRequest): boolean {
  return request.method === 'POST' && ROUTES.has(request.routeOptions.url ?? '')
}

/**
 * Which source sent a request: the one whose bearer token it carries, whatever name it used for this server. Without a token it is
 * the one source that is configured without one, else `local`, and believed only when the other end of the connection itself is on this machine: not through a proxy, not to a name
 * that somebody else may have pointed here, and not from a browser, where any page might have sent it. Faults
 * `access.unknown-source` (401), `access.other-host` and `access.other-origin` (403).
 */
export function createSources({
  alertTokens = new Map(),
  desk,
  listen,
}: Pick<ServerDeps, 'alertTokens' | 'desk' | 'listen'>): (request: FastifyRequest) => string {
  const known = [...alertTokens].map(([name, token]) => ({ name, hash: hashOf(token) }))
  const open = desk.config.sources.filter(({ name }) => !alertTokens.has(name))
  const nameless = open.length === 1 ? (open[0]?.name ?? LOCAL) : LOCAL
  const isHere = createIsHere(listen)

  return (request) => {
    const { authorization, host = '', origin } = request.headers
    if (authorization !== undefined) {
      const given = hashOf(/^bearer +(\S+)$/i.exec(authorization)?.[1] ?? '')
      // All of them are compared: the time tells nothing about which one it is.
      const [source] = known.filter(({ hash }) => sameHash(hash, given))
      if (source === undefined) throw unknownSource('That is not the token of a source of alerts.')
      return source.name
    }
    if (!isHere(request)) {
      throw unknownSource('Alerts without a token are taken from this very machine only, and not through a proxy.')
    }
    if (!isLoopback(host.replace(/:\d+$/, ''))) throw otherHost(host)
    if (origin !== undefined) throw otherOrigin(origin)
    if (request.headers['sec-fetch-site'] !== undefined) throw otherOrigin('a browser')
    return nameless
  }
}

/** Whether a request was made on this very machine, and not through a proxy that runs on it. */
export function createIsHere(listen: ServerDeps['listen']): (request: FastifyRequest) => boolean {
  const local = trusts(LOOPBACK)
  // Where a proxy on this machine ends TLS, everybody comes from this machine.
  const proxy = listen.publicUrl === undefined ? () => false : trusts(listen.trustedProxies ?? LOOPBACK)
  return (request) => {
    const peer = request.socket.remoteAddress ?? ''
    const passedOn = FORWARDED.some((header) => request.headers[header] !== undefined)
    return local(peer) && !passedOn && !proxy(peer)
  }
}

function unknownSource(say: string): Fault {
  return new Fault('access.unknown-source', {
    say,
    next: 'name a tokenEnv at the source under alerts.sources in rollcall.yaml, and send that token as a bearer token',
    data: { status: 401 },
  })
}
