import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { trusts } from '../../access/addresses.ts'
import { needListed } from '../../access/routes.ts'
import { Fault } from '../../lib/fault.ts'
import { actionRoutes } from './actions.ts'
import { alertRoutes } from './alerts.ts'
import { commandRoutes } from './commands.ts'
import { compress } from './compress.ts'
import type { App, ServerDeps } from './deps.ts'
import { description } from './description.ts'
import { eventRoutes } from './events.ts'
import { hostRoutes } from './hosts.ts'
import { incidentRoutes } from './incidents.ts'
import { jobRoutes } from './jobs.ts'
import { presses } from './limits.ts'
import { maskAnswer } from './mask.ts'
import { messageRoutes } from './messages.ts'
import { metricRoutes } from './metrics.ts'
import { clientPages } from './pages.ts'
import { peopleRoutes } from './people.ts'
import { pictureRoutes } from './pictures.ts'
import { refuse, toRefusal } from './refusals.ts'
import { releaseRoutes } from './releases.ts'
import { docsPolicy, secureHeaders } from './security.ts'
import { serviceRoutes } from './services.ts'
import { slackRoutes } from './slack.ts'
import { surfaceRoutes } from './surfaces.ts'

export interface HttpServer {
  /** Resolves with the URL once connections are accepted. Fault `entry.port-taken`. */
  listen(): Promise<string>
  /** Ends the readers of the events, lets running answers end, and stops. */
  close(): Promise<void>
  inject(options: InjectOptions): Promise<LightMyRequestResponse>
}

const LOOPBACK = ['127.0.0.0/8', '::1']

/** Everything that is sent to the server is small; long texts have bounds of their own. */
const BODY_BYTES = 64 * 1024

/**
 * The console's server: REST under /api/v1, its description under /api/docs, live events, and the client's files. Fault
 * `access.route-not-listed` when a route, be it of a plugin, is not in the route table.
 */
export async function createServer(deps: ServerDeps): Promise<HttpServer> {
  const { desk } = deps
  const app: App = Fastify({
    logger: false,
    // Behind the proxy that ends TLS, the address of the person is what that proxy says; nobody else may say it.
    trustProxy: deps.listen.publicUrl !== undefined && trusts(deps.listen.trustedProxies ?? LOOPBACK),
    bodyLimit: BODY_BYTES,
    requestTimeout: 15_000,
    handlerTimeout: 120_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, _request, reply) => {
      const { status, refusal } = toRefusal(error)
      reply.raw.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(refusal))
    },
  })
  // JSON only: it is what no form of another site can send.
  app.removeContentTypeParser('text/plain')
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(refuse(desk))
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      needListed(method, route.url)
      if (method === 'POST') route.config = { rateLimit: presses, ...route.config }
    }
  })
  await secureHeaders(app)
  app.addHook('onRequest', async (request, reply) => {
    // Who may read an answer can change with the next request.
    if (request.url.startsWith('/api/v1/')) reply.header('cache-control', 'no-store')
  })
  app.addHook('preSerialization', async (_request, _reply, payload) => maskAnswer(payload, desk.redact))
  app.addHook('onSend', compress)
  app.addHook('onResponse', async (request, reply) => {
    const fields = { method: request.method, route: request.routeOptions.url, status: reply.statusCode }
    desk.log.debug({ ...fields, ms: Math.round(reply.elapsedTime), person: request.person?.id }, 'answered')
  })
  await app.register(swagger, description(deps))
  for (const plugin of deps.plugins) await app.register(plugin)
  if (!app.hasDecorator('rateLimit')) await app.register(rateLimit, { global: false })
  if (!app.hasRequestDecorator('person')) app.decorateRequest('person', undefined)
  await app.register(swaggerUi, {
    routePrefix: '/api/docs',
    staticCSP: docsPolicy,
    uiConfig: { validatorUrl: null, docExpansion: 'list' },
  })
  healthRoute(app)
  for (const routes of areas) routes(app, deps)
  await clientPages(app, deps.webRoot)
  await app.ready()
  return {
    async listen() {
      try {
        return await app.listen({ host: deps.listen.host, port: deps.listen.port })
      } catch (cause) {
        const { host, port } = deps.listen
        if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
        throw new Fault('entry.port-taken', {
          say: `Port ${port} on ${host} is taken by another process.`,
          next: 'stop that process, or set another under console.port',
          cause,
        })
      }
    },
    close: () => app.close(),
    inject: (options) => app.inject(options),
  }
}

const areas: ((app: App, deps: ServerDeps) => void)[] = [
  releaseRoutes,
  messageRoutes,
  actionRoutes,
  hostRoutes,
  serviceRoutes,
  peopleRoutes,
  jobRoutes,
  commandRoutes,
  eventRoutes,
  alertRoutes,
  incidentRoutes,
  pictureRoutes,
  surfaceRoutes,
  metricRoutes,
  slackRoutes,
]

function healthRoute(app: App): void {
  const schema = { summary: 'Whether the server answers', response: { 200: z.object({ status: z.literal('ok') }) } }
  app.get('/healthz', { schema }, async () => ({ status: 'ok' as const }))
}
