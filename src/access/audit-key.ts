import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import type { Store } from '../ports/store.ts'
import { GENESIS, hasMac, macAt, readEntries, readTail } from './audit-chain.ts'

type Env = Readonly<Record<string, string | undefined>>

const FORM = /^[0-9a-f]{64}$/i
/** Where processes that share a store agree on one key: the row holds a mac under it, which says nothing about it. */
const COLLECTION = 'audit-keys'
const ROW = 'chain'
const rowSchema = z.object({ mac: z.string() })
/** Entries at the end of a chain of which one has to fit: somebody may have changed the very last. */
const LOOKED_AT = 20

/**
 * The 32 bytes that the audit log is chained with: from ROLLCALL_AUDIT_KEY (64 hexadecimal digits), else from `<folder>/audit.key`,
 * which is created once with mode 0600. The file keeps out whoever can write to the database only; against somebody who can read
 * this folder as well, keep the key elsewhere and pass it in the environment. Faults `access.audit-key-malformed`,
 * `access.audit-key-open` (others may read it).
 */
export async function auditKey(folder: string, env: Env): Promise<Buffer> {
  const given = env.ROLLCALL_AUDIT_KEY ?? ''
  if (given !== '') return decode(given, 'ROLLCALL_AUDIT_KEY')
  const file = join(folder, 'audit.key')
  return (await read(file)) ?? create(folder, file)
}

/**
 * For processes that share a store: every one of them adds to the same chain, so they need the same key. The first to come writes
 * down which; a chain from before that says it by itself. Fault `access.audit-key-differs` when this one is another.
 */
export async function agreeOnAuditKey(store: Store, key: Uint8Array): Promise<void> {
  const mac = createHmac('sha256', key).update('rollcall-audit-key/1').digest('hex')
  const known = await store.get(COLLECTION, ROW)
  if (known === undefined && !(await fits(store, key))) throw differs()
  if (known === undefined && (await store.insert(COLLECTION, ROW, { mac }))) return
  const agreed = known ?? (await store.get(COLLECTION, ROW))
  if (agreed === undefined || rowSchema.parse(agreed.document).mac !== mac) throw differs()
}

/** Whether the end of the chain was made with this key; true for an empty one, and for one whose end cannot be read. */
async function fits(store: Store, key: Uint8Array): Promise<boolean> {
  const { entries } = await readTail(store)
  let looked = 0
  for (let seq = entries - 1; seq >= Math.max(0, entries - LOOKED_AT); seq--) {
    const previous = seq === 0 ? GENESIS : await macAt(store, seq - 1)
    const [entry] = await readEntries(store, seq, 1)
    if (previous === undefined || entry === undefined || 'unreadable' in entry) continue
    if (hasMac(entry, key, previous)) return true
    looked++
  }
  return looked === 0
}

function differs(): Fault {
  return new Fault('access.audit-key-differs', {
    say: 'The audit log in this store was begun with another key.',
    next: 'set ROLLCALL_AUDIT_KEY to the key of the other processes, or copy their file audit.key into the data folder of this one',
  })
}

async function read(file: string): Promise<Buffer | undefined> {
  const found = await stat(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return undefined
  if ((found.mode & 0o077) !== 0) {
    throw new Fault('access.audit-key-open', {
      say: `${file} may be read by others (mode ${(found.mode & 0o777).toString(8)}), so the audit log proves nothing.`,
      next: `type: chmod 600 ${file}`,
    })
  }
  return decode(await readFile(file, 'utf8'), file)
}

/** Written beside its place and linked there: another process sees it whole or not at all, and the first one wins. */
async function create(folder: string, file: string): Promise<Buffer> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const fresh = `${file}.${randomUUID()}`
  await writeFile(fresh, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    await link(fresh, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(fresh, { force: true })
  }
  return (await read(file)) ?? create(folder, file)
}

function decode(text: string, where: string): Buffer {
  if (FORM.test(text.trim())) return Buffer.from(text.trim(), 'hex')
  throw new Fault('access.audit-key-malformed', {
    say: `${where} does not hold 64 hexadecimal digits.`,
    next: 'put the right key there; a new one (openssl rand -hex 32) begins a chain that the old entries do not fit',
  })
}
