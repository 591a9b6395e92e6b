import { z } from 'zod'
import { mayDo } from '../../access/policy.ts'
import type { CommandsView } from '../../ports/console.ts'
import { ACTIONS } from '../actions.ts'
import { knownReleases } from '../form-context.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import { answers } from './schema.ts'

const commandsView = z.object({
  commands: z.array(
    z.object({
      name: z.string(),
      summary: z.string(),
      usage: z.array(z.string()),
      flags: z.record(z.string(), z.string()),
      allowed: z.boolean(),
    }),
  ),
  verbs: z.array(z.string()),
  services: z.array(z.string()),
  hosts: z.array(z.string()),
  releases: z.array(z.string()),
  versions: z.record(z.string(), z.array(z.string())),
}) satisfies z.ZodType<CommandsView>

/** What the command box completes. */
export function commandRoutes(app: App, { desk, commands }: ServerDeps): void {
  app.get(
    '/api/v1/commands',
    {
      schema: {
        tags: ['commands'],
        summary: 'What may be typed',
        querystring: z.strictObject({}),
        response: answers(commandsView),
      },
    },
    async (request): Promise<CommandsView> => {
      const person = personOf(request)
      const { releases, versions } = await knownReleases(desk)
      return {
        commands: commands.map(({ name, summary, usage, action, flags }) => {
          return { name, summary, usage, flags: flags ?? {}, allowed: mayDo(person, action).ok }
        }),
        verbs: Object.keys(ACTIONS).map((action) => action.replace(/^release\./, '')),
        services: desk.services.map(({ name }) => name),
        hosts: desk.hosts.map(({ id }) => id),
        releases,
        versions,
      }
    },
  )
}
