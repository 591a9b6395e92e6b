import { readFile, stat } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { hostKeySchema } from '../adapters/ssh/config.ts'
import type { Log } from '../lib/log.ts'

// Nothing but the keys is taken from the file: whatever else was changed in it waits for the next start.
const machines = z.array(z.unknown()).transform((items) =>
  items.flatMap((item) => {
    const read = z.object({ id: z.string(), hostKey: hostKeySchema }).safeParse(item)
    return read.success ? [read.data] : []
  }),
)
const fileSchema = z.object({ hosts: machines.default([]), bastions: machines.default([]) })

/**
 * What a running bot asks when a machine's key was refused: the key that this file pins for it now (`rollcall enroll` writes it
 * there), when that is another than `refused`. The file is read when it was never read, or has changed since. A file that
 * cannot be read pins nothing; the refusal then stands.
 */
export function pinsIn(
  file: string,
  log: Pick<Log, 'warn'>,
): (id: string, refused: string | undefined) => Promise<string | undefined> {
  let stamp = ''
  let keys = new Map<string, string>()

  async function refresh(): Promise<void> {
    const { ino, size, mtimeMs, ctimeMs } = await stat(file)
    const now = [ino, size, mtimeMs, ctimeMs].join(' ')
    if (now === stamp) return
    const { hosts, bastions } = fileSchema.parse(parse(await readFile(file, 'utf8'), { logLevel: 'error' }))
    keys = new Map([...bastions, ...hosts].map(({ id, hostKey }) => [id, hostKey]))
    stamp = now
  }

  return async (id, refused) => {
    try {
      await refresh()
    } catch {
      // Without the error: it may quote the file.
      log.warn({ host: id, file }, 'host keys not re-read: the configuration cannot be read')
      return undefined
    }
    const pinned = keys.get(id)
    if (pinned === undefined || pinned === refused) return undefined
    log.warn({ host: id, file, pinned, before: refused }, 'host key re-read from the configuration')
    return pinned
  }
}
