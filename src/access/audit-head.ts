import { createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { toDocument } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import type { Store } from '../ports/store.ts'
import { type AuditHead, GENESIS, macAt } from './audit-chain.ts'

const keptSchema = z.strictObject({
  entries: z.int().min(0),
  head: z.string().regex(/^[0-9a-f]{64}$/),
  mac: z.string().regex(/^[0-9a-f]{64}$/),
})

/** What is wrong when the file holds something else than a head that was made with the key. */
export const FORGED = 'the head that is kept in audit.head was changed, or was made with another key'

/** A head as the file has it; `forged` when the file does not hold one that was made with the key. */
export type KeptHead = AuditHead | 'forged' | undefined

export interface AuditHeads {
  read(): Promise<KeptHead>
  /** The chain's newest head, to be kept within a second. Call it when the entry is durable: what is kept is never ahead. */
  keep(head: AuditHead): void
  /** Writes what waits. Never throws: what cannot be written is logged, and the head that is kept stays behind the chain. */
  flush(): Promise<void>
}

/**
 * Keeps the chain's head outside of the database, in `<folder>/audit.head`, so that a chain that was emptied or made shorter shows.
 * A chain that does not hold the head that is kept already never replaces it: the evidence stays until somebody removes the file.
 */
export function createAuditHeads(parts: {
  folder: string
  /** 32 bytes, from `auditKey`. */
  key: Uint8Array
  store: Store
  log: Log
  /** Milliseconds within which a new head is written; 1000 unless told. */
  everyMs?: number
}): AuditHeads {
  const { key, store, log, everyMs = 1000 } = parts
  const file = join(parts.folder, 'audit.head')
  let newest: AuditHead | undefined
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> = Promise.resolve()

  const macOf = ({ entries, head }: AuditHead): string =>
    createHmac('sha256', key).update(`rollcall-audit-head/1\n${entries}\n${head}`).digest('hex')

  const read = async (): Promise<KeptHead> => {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return undefined
    try {
      const { mac, ...head } = keptSchema.parse(JSON.parse(text))
      return timingSafeEqual(Buffer.from(mac, 'hex'), Buffer.from(macOf(head), 'hex')) ? head : 'forged'
    } catch {
      return 'forged'
    }
  }

  /** Written beside its place and moved there: a crash leaves the old one or the new one. */
  const write = async (head: AuditHead): Promise<void> => {
    const fresh = `${file}.${process.pid}`
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await rm(fresh, { force: true })
      const text = `${JSON.stringify({ ...head, mac: macOf(head) })}\n`
      await writeFile(fresh, text, { mode: 0o600, flag: 'wx', flush: true })
      await rename(fresh, file)
    } finally {
      await rm(fresh, { force: true })
    }
  }

  const save = async (): Promise<void> => {
    const head = newest
    newest = undefined
    if (head === undefined) return
    try {
      const kept = await read()
      // Another process may have kept a later one.
      if (kept !== undefined && kept !== 'forged' && kept.entries >= head.entries && (await holds(store, kept))) return
      if (kept === undefined || (await holds(store, kept))) return await write(head)
      log.error({ kept, head }, 'audit head not kept: the audit log does not hold the one that is kept')
    } catch (error) {
      newest ??= head
      const { code, say } = toDocument(error)
      log.warn({ code, say }, 'audit head not kept')
    }
  }

  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    turn = turn.then(save)
    return turn
  }

  return {
    read,
    flush,
    keep(head) {
      newest = head
      // Nobody stays alive for it: `flush` writes it as well.
      timer ??= setTimeout(() => void flush(), everyMs).unref()
    },
  }
}

/** Whether the chain still has this head under its number. One read: what comes before it is for `verifyChain` to look at. */
export async function holds(store: Store, kept: KeptHead): Promise<boolean> {
  if (kept === undefined) return true
  if (kept === 'forged') return false
  return (kept.entries === 0 ? GENESIS : await macAt(store, kept.entries - 1)) === kept.head
}
