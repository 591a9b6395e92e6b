import { randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../lib/fault.ts'

type Env = Readonly<Record<string, string | undefined>>

const FORM = /^[0-9a-f]{64}$/i

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
