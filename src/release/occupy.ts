import { z } from 'zod'
import { tellFlow } from './approve.ts'
import type { Desk } from './desk.ts'
import { isOver, type Release } from './release.ts'

const activeSchema = z.object({ release: z.string() })

/** The release that stands in the way of another of its service; one that only waits for approval does not. Changes nothing. */
export async function holderOf(desk: Desk, service: string, id: string): Promise<string | undefined> {
  const row = await desk.store.get('active', service)
  const holder = row === undefined ? id : activeSchema.parse(row.document).release
  const state = holder === id ? undefined : (await desk.releases.get(holder))?.state
  return state === undefined || isOver(state) || state.at === 'awaiting approval' ? undefined : holder
}

/**
 * One release of a service at a time: takes the row `active/<service>`. A release that only waits for approval gives way and is
 * closed as superseded. Answers with the id of the one that stands in the way, or undefined when the row is ours.
 */
export async function occupy(desk: Desk, service: string, id: string): Promise<string | undefined> {
  for (;;) {
    if (await desk.store.insert('active', service, { release: id })) return undefined
    const row = await desk.store.get('active', service)
    if (row === undefined) continue
    const holder = activeSchema.parse(row.document).release
    // Taken again by putting, not by looking: somebody may be about to take the row from us.
    const other = holder === id ? undefined : await desk.releases.get(holder)
    if (other !== undefined && !isOver(other.state) && !(await supersede(desk, other, id))) return holder
    if ((await desk.store.put('active', service, { release: id }, row.version)) !== undefined) return undefined
  }
}

async function supersede(desk: Desk, other: Release, by: string): Promise<boolean> {
  const after = await desk.releases.update(other.id, (current) =>
    current.state.at === 'awaiting approval'
      ? {
          ...current,
          state: { at: 'superseded', by },
          endedAt: desk.clock().toISOString(),
          turn: current.turn + 1,
        }
      : undefined,
  )
  if (after.state.at === 'superseded') await tellFlow(desk, after)
  return isOver(after.state)
}
