import type { FastifyRequest } from 'fastify'
import { Fault } from '../../lib/fault.ts'
import type { App, ServerDeps } from './deps.ts'

const ROUTE = '/slack/events'
/** A press carries the whole message that it was made on: 50 blocks, each with some thousands of characters. */
const BODY_BYTES = 1024 * 1024
/** A minute and address: all of a team's deeds come from a few of Slack's. */
const MOST = 1200

/**
 * A route for a machine that shows who it is by the signature of every request, which is checked where it is answered. The guard
 * leaves it alone: Slack sends no Origin, and a name of ours that the proxy in front of us decides on.
 */
export function isSlackRoute(request: FastifyRequest): boolean {
  return request.method === 'POST' && request.routeOptions.url === ROUTE
}

/** Where Slack's requests come in when it is used over HTTP; in Socket Mode there is no such route. */
export function slackRoutes(app: App, { slack }: ServerDeps): void {
  if (slack === undefined) return
  const rateLimit = {
    max: MOST,
    timeWindow: 60_000,
    errorResponseBuilder: () =>
      new Fault('entry.too-many', { say: 'That were too many requests.', next: 'wait a minute, then try it again' }),
  }
  app.register(async (scope) => {
    // Neither JSON nor a form is read here.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: BODY_BYTES }, (_, body, done) => done(null, body))
    const schema = { hide: true }
    scope.post(ROUTE, { bodyLimit: BODY_BYTES, config: { rateLimit }, schema }, async (request, reply) => {
      const raw = typeof request.body === 'string' ? request.body : ''
      const answer = await slack({ headers: request.headers, raw })
      return reply
        .status(answer.status)
        .headers({ ...answer.headers, 'content-type': answer.type })
        .send(answer.body)
    })
  })
}
