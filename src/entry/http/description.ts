import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { accessOf } from '../../access/routes.ts'
import type { ServerDeps } from './deps.ts'
import { cookieName } from './guard.ts'

/** What the interface's description says beside the routes: what it is, and how one signs in. */
export function description({ version, listen }: Pick<ServerDeps, 'version' | 'listen'>): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Rollcall', version, description: 'What the console asks the server.' },
      components: {
        securitySchemes: {
          cookie: {
            type: 'apiKey',
            in: 'cookie',
            name: cookieName({ addresses: { ...listen, port: () => listen.port } }),
            description: 'Set by POST /api/v1/session, or by signing in at the provider',
          },
          bearer: { type: 'http', scheme: 'bearer', description: 'A personal token: rollcall token <person>' },
        },
      },
      security: [{ cookie: [] }, { bearer: [] }],
    },
    transform(route) {
      const { schema, url } = jsonSchemaTransform(route)
      const methods = [route.route.method].flat()
      const open = methods.every((method) => accessOf(method, route.url) === 'public')
      return { schema: open ? { ...schema, security: [] } : schema, url }
    },
  }
}
