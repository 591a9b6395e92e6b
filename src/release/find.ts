import { suggestion } from '../lib/did-you-mean.ts'
import { Fault } from '../lib/fault.ts'
import type { Desk } from './desk.ts'
import { isOver, onHosts, type Release } from './release.ts'

/**
 * The release that a person means: `R-142`, or a service: the one in progress, else the last one. Fault `release.unknown`.
 */
export async function findRelease(desk: Desk, which: string): Promise<Release> {
  if (/^r-?\d+$/i.test(which)) return desk.releases.need(`R-${which.replace(/\D/g, '')}`)
  const all = await desk.releases.list({ service: which })
  const found = all.find((release) => !isOver(release.state)) ?? all[0]
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

/** The newest release of the service that left its version on hosts: done, or aborted on the way. */
export async function lastDone(desk: Desk, service: string): Promise<Release | undefined> {
  return (await desk.releases.list({ service })).find(onHosts)
}
