import { mkdtemp, readdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alive } from './processes.ts'

const PREFIX = 'rollcall-demo-'
const KEPT = 'kept'

/**
 * A folder for this demo under `parent`. Whose it is stands in its name: a demo that is killed at any moment leaves none
 * that could not be told from those of living ones.
 */
export function ownFolder(parent: string = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-`))
}

/** Somebody wants to look into it: it stays until they remove it. */
export async function keepFolder(folder: string): Promise<void> {
  await writeFile(join(folder, KEPT), '')
}

/** After a bring-up that failed: its logs stay, and a folder without any goes. */
export async function leaveFolder(folder: string): Promise<void> {
  const inside = await readdir(folder).catch(() => undefined)
  if (inside === undefined) return
  if (inside.length === 0) await rmdir(folder)
  else await keepFolder(folder)
}

/** Removes the folders of demos that were killed and could not do it themselves. What belongs to another user stays. */
export async function sweep(parent: string = tmpdir()): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1])
    if (!(pid > 0) || alive(pid)) continue
    const folder = join(parent, name)
    const inside = await readdir(folder).catch((): string[] => [])
    if (!inside.includes(KEPT)) await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}
