import type { Desk } from './desk.ts'
import { type Release, releaseSchema } from './release.ts'

const CHUNK = 50
/** Parsed documents that are kept; a row that has not changed since is not parsed again. */
const KEPT = 500

const parsed = new WeakMap<Desk, Map<string, { version: number; release: Release }>>()

/**
 * The releases from the newest to the oldest, read as far as they are asked for. `below` leaves out that number and all above;
 * service and version are compared with what was asked for, without reading the documents of others.
 */
export async function* newestReleases(
  desk: Desk,
  where: { below?: number; service?: string; version?: string } = {},
): AsyncGenerator<Release> {
  const [newest] = await desk.store.last('release-numbers', 1)
  // The entry n stands for R-(n + 1).
  let end = Math.min(newest === undefined ? 0 : newest.seq + 1, (where.below ?? Number.POSITIVE_INFINITY) - 1)
  while (end > 0) {
    const from = Math.max(0, end - CHUNK)
    const entries = (await desk.store.read('release-numbers', from, end - from)).reverse()
    for (const { seq, entry } of entries) {
      const asked = entry as { service?: string; candidate?: string }
      if (where.service !== undefined && asked.service !== where.service) continue
      if (where.version !== undefined && asked.candidate !== where.version) continue
      const release = await readRelease(desk, `R-${seq + 1}`)
      if (release !== undefined) yield release
    }
    end = from
  }
}

/** The release, or undefined; parsed anew only when its row has changed. Not to be changed by the caller. */
async function readRelease(desk: Desk, id: string): Promise<Release | undefined> {
  const row = await desk.store.get('releases', id)
  if (row === undefined) return undefined
  const kept = parsed.get(desk) ?? new Map<string, { version: number; release: Release }>()
  parsed.set(desk, kept)
  const known = kept.get(id)
  const release = known?.version === row.version ? known.release : releaseSchema.parse(row.document)
  // Last used, last out.
  kept.delete(id)
  kept.set(id, { version: row.version, release })
  const [oldest] = kept.keys()
  if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest)
  return release
}
