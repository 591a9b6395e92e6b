import { z } from 'zod'
import type { Person } from '../../access/config.ts'
import type { PersonView } from '../../ports/console.ts'
import type { App, ServerDeps } from './deps.ts'
import { answers } from './schema.ts'

export const personView = z.object({
  id: z.string(),
  name: z.string(),
  roles: z.array(z.string()),
}) satisfies z.ZodType<PersonView>

/** Who there is, and in which roles. */
export function peopleRoutes(app: App, { desk }: ServerDeps): void {
  app.get(
    '/api/v1/people',
    {
      schema: {
        tags: ['people'],
        summary: 'Who there is',
        querystring: z.strictObject({}),
        response: answers(z.array(personView)),
      },
    },
    async (): Promise<PersonView[]> => desk.people.map(toPersonView),
  )
}

export function toPersonView({ id, name, roles }: Person): PersonView {
  return { id, name: name ?? id, roles: [...roles] }
}
