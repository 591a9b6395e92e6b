import { z } from 'zod'
import type { ServiceView } from '../../ports/console.ts'
import type { Desk } from '../../release/desk.ts'
import { fleet } from '../../release/fleet.ts'
import { newestReleases } from '../../release/history.ts'
import { isOver, type Release } from '../../release/release.ts'
import { createTopology } from '../../topology/topology.ts'
import type { App, ServerDeps } from './deps.ts'
import { answers } from './schema.ts'

const serviceView = z.object({
  name: z.string(),
  repo: z.string().optional(),
  hosts: z.array(z.string()),
  upstream: z.array(z.string()),
  downstream: z.array(z.string()),
  approvalsNeeded: z.number(),
  versions: z.record(z.string(), z.number()),
  running: z.string().optional(),
  last: z
    .object({ id: z.string(), candidate: z.string(), state: z.string(), endedAt: z.string().optional() })
    .optional(),
}) satisfies z.ZodType<ServiceView>

/** Releases of one service that are looked through for one that is over and one that is not. */
const RELEASES_READ = 20

export function serviceRoutes(app: App, { desk }: ServerDeps): void {
  app.get(
    '/api/v1/services',
    {
      schema: {
        tags: ['services'],
        summary: 'The services',
        querystring: z.strictObject({}),
        response: answers(z.array(serviceView)),
      },
    },
    async (): Promise<ServiceView[]> => services(desk),
  )
}

async function services(desk: Desk): Promise<ServiceView[]> {
  const hosts = await fleet(desk)
  const topology = createTopology(desk.services)
  return Promise.all(
    desk.services.map(async ({ name, repo, policy }): Promise<ServiceView> => {
      const seen = hosts.flatMap((host) => host.services.filter((each) => each.service === name))
      const versions: Record<string, number> = {}
      for (const { version } of seen) {
        const label = version === undefined ? 'unknown' : (version ?? 'none')
        versions[label] = (versions[label] ?? 0) + 1
      }
      const { running, last } = await newestOf(desk, name)
      return {
        name,
        repo,
        hosts: hosts.filter((host) => host.services.some((each) => each.service === name)).map((host) => host.id),
        upstream: topology.get(name)?.upstream ?? [],
        downstream: topology.get(name)?.downstream ?? [],
        approvalsNeeded: policy.approvals,
        versions,
        ...(running === undefined ? {} : { running: running.id }),
        ...(last === undefined ? {} : { last: lastView(last) }),
      }
    }),
  )
}

function lastView({ id, candidate, state, endedAt }: Release): NonNullable<ServiceView['last']> {
  return { id, candidate, state: state.at, endedAt }
}

async function newestOf(desk: Desk, service: string): Promise<{ running?: Release; last?: Release }> {
  let running: Release | undefined
  let read = 0
  for await (const release of newestReleases(desk, { service })) {
    if (isOver(release.state)) return { running, last: release }
    running ??= release
    if (++read >= RELEASES_READ) break
  }
  return { running }
}
