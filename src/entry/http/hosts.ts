import { z } from 'zod'
import type { HostView } from '../../ports/console.ts'
import { yes } from '../../release/answer.ts'
import { fleet, probeFleet } from '../../release/fleet.ts'
import { audited } from '../audited.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import { fromOf } from './guard.ts'
import { answers, word } from './schema.ts'

const hostView = z.object({
  id: z.string(),
  ip: z.string(),
  region: z.string(),
  labels: z.record(z.string(), z.string()),
  services: z.array(
    z.object({
      service: z.string(),
      version: z.string().nullable().optional(),
      state: z.string(),
      why: z.string().optional(),
      seenAt: z.string().optional(),
      release: z.string().optional(),
    }),
  ),
}) satisfies z.ZodType<HostView>

/** The fleet: which host runs what. */
export function hostRoutes(app: App, { desk }: ServerDeps): void {
  const tags = ['hosts']
  const filter = z.strictObject({ service: word.optional() })
  const response = answers(z.array(hostView))
  app.get(
    '/api/v1/hosts',
    { schema: { tags, summary: 'The fleet as last seen', querystring: filter, response } },
    async ({ query }): Promise<HostView[]> => fleet(desk, query.service),
  )
  app.post(
    '/api/v1/hosts/probe',
    { schema: { tags, summary: 'Asks the hosts now', body: filter, response } },
    async (request): Promise<HostView[]> => {
      const { body } = request
      const doer = { person: personOf(request), from: fromOf(request) }
      await audited(desk, doer, { action: 'hosts.probe', about: body.service ?? 'fleet' }, async () => {
        await probeFleet(desk, body.service)
        return yes('')
      })
      return fleet(desk, body.service)
    },
  )
}
