import { z } from 'zod'
import type { Person } from '../access/config.ts'
import { mayDo } from '../access/policy.ts'
import { newId } from '../lib/id.ts'
import { parseVersion } from '../lib/version.ts'
import type { Flow } from '../ports/flow.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, no, yes } from './answer.ts'
import { type Desk, hostsOf, needService } from './desk.ts'
import type { Release } from './release.ts'
import { showCard } from './show.ts'

export const requestSchema = z.object({
  service: z.string(),
  candidate: z.string(),
  only: z.array(z.string()),
  overrideFreeze: z.boolean(),
  requester: z.string(),
  channel: z.string(),
})
export type Request = z.infer<typeof requestSchema>

/**
 * What was decided when `origin` was done for the first time, kept in the collection `requests`: whoever does it again after a
 * crash, here or in another process, gets the first decision and not one of their own. Undefined is no decision. Without an origin
 * nothing is kept.
 */
export async function decideOnce<T extends Json>(
  { store }: Pick<Desk, 'store'>,
  origin: string | undefined,
  read: (document: Json) => T | undefined,
  decide: () => Promise<T | undefined>,
): Promise<T | undefined> {
  if (origin === undefined) return decide()
  const before = await store.get(REQUESTS, origin)
  if (before !== undefined) return read(before.document)
  const mine = await decide()
  if (mine === undefined || (await store.insert(REQUESTS, origin, mine))) return mine
  const first = await store.get(REQUESTS, origin)
  return first === undefined ? mine : read(first.document)
}

const REQUESTS = 'requests'
const numberSchema = z.object({ release: z.string() })

/** A number of its own for every wish without an origin, and one for all that have the same. */
async function numberOnce(
  desk: Desk,
  origin: string | undefined,
  wish: Parameters<Desk['releases']['newId']>[0],
): Promise<string> {
  if (origin === undefined) return desk.releases.newId(wish)
  const taken = await decideOnce(
    desk,
    origin,
    (document) => numberSchema.parse(document),
    async () => ({ release: await desk.releases.newId(wish) }),
  )
  return taken?.release ?? desk.releases.newId(wish)
}

/**
 * Starts the preparation of a release. With an `origin`, the same one never makes two releases, however often it is called. What is wrong with the words is said at once (Faults `release.unknown-service`,
 * `release.unknown-host`, `version.malformed`); what is wrong with the facts comes on the card.
 */
export async function request(
  desk: Desk,
  person: Person,
  wish: {
    service: string
    version: string
    hosts?: string[]
    overrideFreeze?: boolean
    channel?: string
    origin?: string
  },
): Promise<Answer & { release?: string }> {
  const allowed = mayDo(person, 'release.request')
  if (!allowed.ok) return no(allowed.why, allowed.next)
  const service = needService(desk, wish.service)
  const candidate = parseVersion(wish.version)
  const hosts = wish.hosts ?? []
  const only = hosts.length === 0 ? [] : hostsOf(desk, service, hosts).map((host) => host.id)
  const id = await numberOnce(desk, wish.origin, { service: service.name, candidate, by: person.id })
  const input: Request = {
    service: service.name,
    candidate,
    only,
    overrideFreeze: wish.overrideFreeze ?? false,
    requester: person.id,
    channel: wish.channel ?? desk.channel,
  }
  await desk.flows.start('release', id, { ...input })
  return { ...yes(`${id}: preparing ${service.name} ${candidate}.`), release: id }
}

/** The release's document and its first card; both exist before anything is looked at. */
export async function openRelease(flow: Flow, desk: Desk, wish: Request): Promise<void> {
  await flow.step('open', async () => {
    const release: Release = {
      id: flow.id,
      token: newId(),
      flow: flow.id,
      ...wish,
      current: null,
      createdAt: desk.clock().toISOString(),
      state: { at: 'preparing' },
      turn: 0,
      approvalsNeeded: 1,
      approvals: [],
      steps: [],
      risks: [],
      metrics: [],
      planHash: '',
      epoch: 0,
      hosts: {},
      verdicts: [],
      notes: [],
    }
    await desk.releases.insert(release)
    await showCard(desk, flow.id)
  })
}
