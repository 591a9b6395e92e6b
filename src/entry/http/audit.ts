import type { FastifyPluginAsync } from 'fastify'
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Audit } from '../../access/audit.ts'
import { auditEntrySchema } from '../../access/audit-chain.ts'
import type { AuditPage } from '../../ports/console.ts'
import { answers, pageSize, word } from './schema.ts'

const page = z.object({
  entries: z.array(
    auditEntrySchema.extend({ seq: z.number(), before: z.unknown().optional(), after: z.unknown().optional() }),
  ),
  more: z.boolean(),
  head: z.string(),
  people: z.array(z.string()).optional(),
  actions: z.array(z.string()).optional(),
})

const query = z.strictObject({
  person: word.optional(),
  action: word.optional(),
  result: auditEntrySchema.shape.result.optional(),
  before: z.coerce.number().int().min(0).optional(),
  limit: pageSize,
})

/** GET /api/v1/audit: what was done and refused, newest first. */
export function auditRoutes({ audit }: { audit: Audit }): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>()
    app.setValidatorCompiler(validatorCompiler)
    app.setSerializerCompiler(serializerCompiler)
    app.get(
      '/api/v1/audit',
      {
        schema: { tags: ['audit'], summary: 'What was done and refused', querystring: query, response: answers(page) },
      },
      (request): Promise<AuditPage> => audit.page(request.query),
    )
  }
}
