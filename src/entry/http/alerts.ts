import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createSieve, withMissed } from '../../access/sieve.ts'
import type { Delivery } from '../../incident/alert.ts'
import type { IncidentDesk } from '../../incident/desk.ts'
import { receive } from '../../incident/receive.ts'
import { asFault, Fault } from '../../lib/fault.ts'
import { alertmanagerBody, callbackBody, fromAlertmanager, fromCallback } from './alert-body.ts'
import { createSources, LOCAL } from './alert-sources.ts'
import type { App, ServerDeps } from './deps.ts'
import { refuse } from './refusals.ts'
import { answers } from './schema.ts'

/**
 * Bytes of one body: about 30,000 alerts of one group. Who sends it has shown who it is before it is read. What is larger is
 * answered 503 and not 413, as a source that is told 4xx drops the alerts for this time, and comes back with 5xx: nothing but
 * its own bound (`max_alerts`) makes such a body fit, and until then the source's own log and metrics say that it is failing.
 */
const BODY_BYTES = 32 * 1024 * 1024

const stored = z.object({ stored: z.number() })

/**
 * Where alerts come in: Alertmanager's webhook, and the specification's own callback. What is answered 200 is on disk; whatever
 * is in the way is 503, which sources try again, and never 429 nor another 4xx for a good body.
 */
export function alertRoutes(app: App, deps: ServerDeps): void {
  const { desk } = deps
  const sourceOf = createSources(deps)
  const senders = new WeakMap<FastifyRequest, string>()
  const strangers = createSieve(desk.clock)
  const arrived = (request: FastifyRequest) => ({ source: senders.get(request) ?? LOCAL, at: desk.clock() })

  const identify = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    try {
      senders.set(request, sourceOf(request))
    } catch (error) {
      const { code, message, data } = asFault(error)
      const target = `${request.method} ${request.routeOptions.url}`
      if (data.status === 401) reply.header('www-authenticate', 'Bearer')
      const worth = strangers(`${request.ip} ${target} ${code}`)
      if (worth.pass) {
        const why = withMissed(message, worth.missed)
        const action = data.status === 401 ? 'access.sign-in' : 'access.origin'
        const from = { surface: 'alerts', address: request.ip }
        await desk.audit.note({ who: 'unknown', from, action, target, result: 'refused', why })
      }
      throw error
    }
  }

  app.register(async (plain) => {
    const scope = plain.withTypeProvider<ZodTypeProvider>()
    // The usual parser refuses bodies for the name of a field: here names come from anywhere, and some are left out.
    scope.removeContentTypeParser('application/json')
    scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_BYTES }, (_, body, done) => {
      try {
        done(null, JSON.parse(String(body)))
      } catch {
        done(notJson())
      }
    })
    const answer = refuse(desk)
    scope.setErrorHandler((error, request, reply) => answer(isTooLarge(error) ? tooLarge() : error, request, reply))

    const common = { bodyLimit: BODY_BYTES, config: { rateLimit: false as const }, onRequest: identify }
    const response = answers(stored)
    const tags = ['alerts']
    const summary = 'Alerts, as the webhook of Alertmanager sends them'
    scope.post(
      '/api/v1/alertmanager',
      { ...common, schema: { tags, summary, body: alertmanagerBody, response } },
      async (request) => keep(desk, fromAlertmanager(request.body, arrived(request))),
    )
    scope.post(
      '/v1/alerts',
      { ...common, schema: { tags, summary: 'One alert, as the callback sends it', body: callbackBody, response } },
      async (request) => keep(desk, fromCallback(request.body, arrived(request), desk.config)),
    )
  })
}

/** Fault `alerts.not-stored` (503) for whatever the store says: the same body may be sent again. */
async function keep(desk: IncidentDesk, delivery: Delivery): Promise<z.infer<typeof stored>> {
  try {
    await receive(desk, delivery)
  } catch (cause) {
    throw new Fault('alerts.not-stored', {
      say: 'The alerts could not be stored.',
      next: 'send them again in a moment',
      retry: true,
      cause,
      data: { status: 503 },
    })
  }
  return { stored: delivery.alerts.length }
}

function notJson(): Fault {
  return new Fault('entry.not-json', { say: 'The body is not JSON.', next: 'correct it' })
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE'
}

function tooLarge(): Fault {
  return new Fault('alerts.too-much', {
    say: `The body has more than ${BODY_BYTES / 1024 / 1024} MB.`,
    next: 'set max_alerts in the webhook_config of Alertmanager, to 10000 for example',
    retry: true,
    data: { status: 503 },
  })
}
