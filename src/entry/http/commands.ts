import { z } from 'zod'
import { mayDo } from '../../access/policy.ts'
import type { CommandsView } from '../../ports/console.ts'
import type { Desk } from '../../release/desk.ts'
import { fleet } from '../../release/fleet.ts'
import { newestReleases } from '../../release/history.ts'
import { isOver, wasReleased } from '../../release/release.ts'
import { ACTIONS } from '../actions.ts'
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

/** Releases that are looked through for what may be completed. */
const RELEASES_READ = 100
const VERSIONS_SHOWN = 20

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
      const { releases, versions } = await known(desk)
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

async function known(desk: Desk): Promise<Pick<CommandsView, 'releases' | 'versions'>> {
  const releases: string[] = []
  const versions = new Map(desk.services.map(({ name }) => [name, new Set<string>()]))
  let read = 0
  for await (const release of newestReleases(desk)) {
    if (!isOver(release.state)) releases.push(release.id)
    if (wasReleased(release)) versions.get(release.service)?.add(release.candidate)
    if (++read >= RELEASES_READ) break
  }
  for (const { services } of await fleet(desk)) {
    for (const { service, version } of services) if (version) versions.get(service)?.add(version)
  }
  const first = (all: Set<string>) => [...all].slice(0, VERSIONS_SHOWN)
  return { releases, versions: Object.fromEntries([...versions].map(([name, all]) => [name, first(all)])) }
}
