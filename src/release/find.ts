import { z } from 'zod'
import { suggestion } from '../lib/did-you-mean.ts'
import { Fault } from '../lib/fault.ts'
import type { Desk } from './desk.ts'
import { isOver, onHosts, type Release } from './release.ts'

/**
 * The release that a person means: `R-142`, or a service: the one in progress, else the last one. Fault `release.unknown`.
 */
export async function findRelease(desk: Desk, which: string): Promise<Release> {
  if (/^r-?\d+$/i.test(which)) return desk.releases.need(`R-${which.replace(/\D/g, '')}`)
  const recent = await newestOf(desk, RECENT, which)
  const found = recent.find((release) => !isOver(release.state)) ?? (await holders(desk, which))[0] ?? recent[0]
  if (found !== undefined) return found
  const names = desk.services.map((service) => service.name)
  const known = names.includes(which)
  throw new Fault('release.unknown', {
    say: known
      ? `${which} has never been released here.`
      : `${JSON.stringify(which.slice(0, 80))} is neither a release nor a service.${suggestion(which, names)}`,
    next: known ? `type /release ${which} <version>` : 'type /status to see the releases',
  })
}

/** What is being prepared is among the newest; what holds its service may be older than many requests that were refused. */
const RECENT = 20

export async function newestOf(desk: Desk, most: number, service?: string): Promise<Release[]> {
  const found: Release[] = []
  for await (const release of desk.releases.newest({ service })) {
    found.push(release)
    if (found.length === most) break
  }
  return found
}

/** The releases that hold their services now and are not over. */
export async function holders(desk: Desk, service?: string): Promise<Release[]> {
  const rows =
    service === undefined
      ? await desk.store.find('active')
      : [await desk.store.get('active', service)].flatMap((row) => row ?? [])
  const found = await Promise.all(rows.map((row) => desk.releases.get(holderSchema.parse(row.document).release)))
  return found.flatMap((release) => (release === undefined || isOver(release.state) ? [] : [release]))
}

const holderSchema = z.object({ release: z.string() })

/** The newest release of the service that left its version on hosts: done, or aborted on the way. */
export async function lastDone(desk: Desk, service: string): Promise<Release | undefined> {
  for await (const release of desk.releases.newest({ service })) if (onHosts(release)) return release
  return undefined
}
