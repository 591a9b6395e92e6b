import { z } from 'zod'
import type { SurfacesView } from '../../ports/console.ts'
import { surfaceNames } from '../../ports/surface.ts'
import { readSurfaces } from '../surface-health.ts'
import type { App, ServerDeps } from './deps.ts'
import { answers } from './schema.ts'

const surfacesView = z.object({
  known: z.boolean(),
  surfaces: z.array(
    z.object({
      surface: z.enum(surfaceNames),
      at: z.enum(['up', 'connecting', 'down', 'standby']),
      since: z.string(),
      why: z.string().optional(),
      waiting: z.number(),
      oldest: z.string().optional(),
      refused: z.object({ count: z.number(), why: z.string().optional() }),
    }),
  ),
}) satisfies z.ZodType<SurfacesView>

/** How the chat services are: the console asks every few seconds, and says so when one is down. */
export function surfaceRoutes(app: App, { desk }: Pick<ServerDeps, 'desk'>): void {
  app.get(
    '/api/v1/surfaces',
    {
      schema: {
        tags: ['surfaces'],
        summary: 'How the chat services are',
        querystring: z.strictObject({}),
        response: answers(surfacesView),
      },
    },
    async (): Promise<SurfacesView> => {
      const all = await readSurfaces(desk)
      const surfaces = (all ?? []).map(({ surface, at, since, why, waiting, oldest, refused, refusal }) => {
        return { surface, at, since, why, waiting, oldest, refused: { count: refused, why: refusal } }
      })
      return { known: all !== undefined, surfaces }
    },
  )
}
