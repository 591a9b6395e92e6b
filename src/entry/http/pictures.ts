import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { App, ServerDeps } from './deps.ts'
import { key, refusal } from './schema.ts'

const COLLECTION = 'pictures'
/** The first eight bytes of every PNG (ISO/IEC 15948, 5.2). */
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

const stored = z.object({
  png: z.base64(),
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  alt: z.string(),
})

/** The charts of reports. A picture never changes under its id, so a browser may keep it; nobody in between may. */
export function pictureRoutes(app: App, { desk }: Pick<ServerDeps, 'desk'>): void {
  app.get(
    '/api/v1/pictures/:id',
    {
      schema: {
        tags: ['incidents'],
        summary: 'A picture in a message, as PNG',
        params: z.object({ id: key }),
        response: { 200: z.unknown().describe('The PNG.'), '4xx': refusal, '5xx': refusal },
      },
    },
    async ({ params }, reply) => {
      const row = await desk.store.get(COLLECTION, params.id)
      const picture = stored.safeParse(row?.document)
      const png = picture.success ? Buffer.from(picture.data.png, 'base64') : undefined
      // Nothing but a PNG is handed out as one, whoever wrote the row.
      if (png === undefined || !png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) {
        throw new Fault('entry.unknown-picture', {
          say: 'There is no such picture.',
          next: 'look into the thread again',
        })
      }
      return reply
        .type('image/png')
        .header('cache-control', 'private, max-age=31536000, immutable')
        .header('x-content-type-options', 'nosniff')
        .header('content-disposition', 'inline; filename="chart.png"')
        .send(png)
    },
  )
}
