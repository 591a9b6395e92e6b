import { setTimeout as delay } from 'node:timers/promises'
import { asFault } from '../lib/fault.ts'
import type { SurfaceHealth, SurfaceName } from '../ports/surface.ts'
import type { Desk } from '../release/desk.ts'
import { localTime, sentence } from '../release/issue.ts'

export const surfaceTitles: Record<SurfaceName, string> = { slack: 'Slack', wecom: 'WeCom' }

/** How the chat services are; none when there are none, undefined when nobody can tell within `ms` milliseconds. Never throws. */
export async function readSurfaces(
  { surfaces, log }: Pick<Desk, 'surfaces' | 'log'>,
  ms = 1000,
): Promise<SurfaceHealth[] | undefined> {
  if (surfaces === undefined) return []
  const patience = new AbortController()
  try {
    const late = delay(ms, undefined, { signal: patience.signal, ref: false }).catch(() => undefined)
    return await Promise.race([surfaces(), late])
  } catch (error) {
    log.info({ code: asFault(error).code }, 'state of the chat services not read')
    return undefined
  } finally {
    patience.abort()
  }
}

/** One line for each chat service that does not work; another process that holds it is no trouble. */
export function troubles(all: readonly SurfaceHealth[] | undefined): string[] {
  if (all === undefined) return ['Nobody can tell now how the chat services are.']
  return all.flatMap((health) => (health.at === 'up' || health.at === 'standby' ? [] : [trouble(health)]))
}

function trouble({ surface, at, since, why, waiting }: SurfaceHealth): string {
  const name = surfaceTitles[surface]
  const begun = localTime(new Date(since))
  const reason = why === undefined || why === '' ? 'Nobody has said why.' : sentence(why)
  if (at === 'down') {
    if (waiting === 0) return `${name} is down since ${begun}: ${reason}`
    return `${name} is down since ${begun}, and ${waiting} message${waiting === 1 ? ' waits' : 's wait'}: ${reason}`
  }
  if (waiting === 0) return `${name} is connecting since ${begun}: ${reason}`
  return `${name} is connecting since ${begun}, and ${waiting} message${waiting === 1 ? ' waits' : 's wait'}: ${reason}`
}
