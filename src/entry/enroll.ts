import { createHash, randomUUID } from 'node:crypto'
import { chmod, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml'
import { suggestion } from '../lib/did-you-mean.ts'
import { asFault, Fault } from '../lib/fault.ts'

/** A host (or bastion) as configured; `hostKey` is a line `ssh-ed25519 AAAA...` or a fingerprint `SHA256:...`. */
export interface EnrollHost {
  id: string
  hostKey?: string
}

export interface EnrollDeps {
  /** The configuration file that is written to. */
  file: string
  hosts: readonly EnrollHost[]
  /** The public keys that the host presents, `ssh-ed25519 AAAA...` each, without logging in. */
  scan: (hostId: string) => Promise<readonly { line: string }[]>
  confirm: (question: string) => Promise<boolean>
  write: (text: string) => void
}

export type Enrolled = 'pinned' | 'replaced' | 'unchanged' | 'changed' | 'declined' | 'failed'

// The order of OpenSSH's own preference; RSA last, its keys are the oldest.
const preferred = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'ssh-rsa',
]

/**
 * Shows the keys that hosts present and writes `hostKey:` into the configuration after a confirmation (none with `yes`).
 * A key that differs from the pinned one is `changed` and left alone unless `replace` is given. No ids means all hosts.
 * One host's failure does not stop the others. Fault `enroll.unknown-host` for an id that is not configured.
 */
export async function enroll(
  deps: EnrollDeps,
  hostIds: readonly string[],
  options: { yes?: boolean; replace?: boolean } = {},
): Promise<Record<string, Enrolled>> {
  const known = deps.hosts.map((host) => host.id)
  for (const id of hostIds) {
    if (known.includes(id)) continue
    throw new Fault('enroll.unknown-host', {
      say: `There is no host ${JSON.stringify(id.slice(0, 80))}.${suggestion(id, known)}`,
      next: `use one of: ${known.slice(0, 20).join(', ')}`,
    })
  }
  const wanted = deps.hosts.filter((host) => hostIds.length === 0 || hostIds.includes(host.id))
  const result: Record<string, Enrolled> = {}
  for (const host of wanted) result[host.id] = await enrollOne(deps, host, options)
  return result
}

async function enrollOne(
  deps: EnrollDeps,
  host: EnrollHost,
  options: { yes?: boolean; replace?: boolean },
): Promise<Enrolled> {
  try {
    const keys = (await deps.scan(host.id)).map((key) => normal(key.line))
    const best = keys.sort((a, b) => rank(a) - rank(b))[0]
    if (best === undefined)
      throw new Fault('enroll.no-key', {
        say: `${host.id} presented no host key.`,
        next: 'check that an SSH server runs there',
      })
    deps.write(`${host.id} presents\n${keys.map((key) => `  ${key.split(' ')[0]} ${fingerprintOf(key)}\n`).join('')}`)
    const pinned = host.hostKey === undefined ? undefined : fingerprintOf(host.hostKey)
    if (pinned !== undefined && keys.some((key) => fingerprintOf(key) === pinned)) {
      deps.write('  this is the key that is pinned.\n')
      return 'unchanged'
    }
    if (pinned !== undefined) {
      deps.write(`  CHANGED: the pinned key is ${pinned}.\n`)
      if (!options.replace) {
        deps.write(
          `  Nothing was written. If the host was really set up anew, type: rollcall enroll --replace ${host.id}\n`,
        )
        return 'changed'
      }
    }
    const question = `Trust ${fingerprintOf(best)} for ${host.id}? Compare it with ssh-keygen -lf on the host itself.`
    if (!options.yes && !(await deps.confirm(question))) return 'declined'
    await pin(deps.file, host.id, best)
    deps.write('  pinned. A bot that is running takes it by itself when it next connects.\n')
    return pinned === undefined ? 'pinned' : 'replaced'
  } catch (error) {
    deps.write(`${host.id}: ${asFault(error).line}\n`)
    return 'failed'
  }
}

/** As OpenSSH prints it: `SHA256:` and the base64 of the key's sha256, without padding. A pinned fingerprint is its own. */
function fingerprintOf(key: string): string {
  if (key.startsWith('SHA256:')) return key.trim().replace(/=+$/, '')
  const blob = Buffer.from(normal(key).split(' ')[1] ?? '', 'base64')
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** Algorithm and key without a comment; anything else in a line that was presented is not written anywhere. */
function normal(key: string): string {
  const [, algorithm, blob] = /^\s*([a-z0-9@.-]{1,64}) +([A-Za-z0-9+/]{16,8192}={0,2})(?:\s|$)/.exec(key) ?? []
  if (algorithm !== undefined && blob !== undefined) return `${algorithm} ${blob}`
  throw new Fault('enroll.malformed-key', {
    say: 'A host key is not of the form "ssh-ed25519 AAAA...".',
    next: 'check the host and the configuration',
  })
}

function rank(key: string): number {
  const index = preferred.indexOf(key.split(' ')[0] ?? '')
  return index === -1 ? preferred.length : index
}

/** Writes the key beside the id of this host, atomically; every other byte of the file stays as it is. */
async function pin(file: string, id: string, key: string): Promise<void> {
  const path = await realpath(file)
  const before = await readFile(path, 'utf8')
  const after = withHostKey(before, id, key)
  if (after === undefined) {
    throw new Fault('enroll.not-in-file', {
      say: `${file} has no host with the id ${id}.`,
      next: `add hostKey: ${key} to it by hand`,
    })
  }
  const { mode } = await stat(path)
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode & 0o777)
    try {
      await handle.writeFile(after)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await chmod(temporary, mode & 0o777)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** The file's text with this host's key, or undefined when it has no such host. Comments and layout are kept. */
export function withHostKey(text: string, id: string, key: string): string | undefined {
  const document = parseDocument(text)
  const found = findHost(document.contents, id)
  if (found === undefined) return undefined
  const { path, map } = found
  const edited = splice(text, map, key)
  document.setIn([...path, 'hostKey'], key)
  // The splice is right when it says what the document model says; if not, the model writes the file and only layout is lost.
  if (edited !== undefined) {
    const read = parseDocument(edited)
    if (read.errors.length === 0 && isDeepStrictEqual(read.toJS(), document.toJS())) return edited
  }
  return document.toString({ lineWidth: 0 })
}

function findHost(root: unknown, id: string): { path: [string, number]; map: YAMLMap } | undefined {
  if (!isMap(root)) return undefined
  for (const section of ['hosts', 'bastions']) {
    const list = root.get(section)
    if (!isSeq(list)) continue
    const index = list.items.findIndex((item) => isMap(item) && item.get('id') === id)
    const map = list.items[index]
    if (isMap(map)) return { path: [section, index], map }
  }
  return undefined
}

function splice(text: string, map: YAMLMap, key: string): string | undefined {
  const rangeOf = (name: string): readonly [number, number, number] | undefined => {
    const pair = map.items.find((item) => isScalar(item.key) && item.key.value === name)
    return isScalar(pair?.value) ? (pair.value.range ?? undefined) : undefined
  }
  const old = rangeOf('hostKey')
  if (old !== undefined && old[1] > old[0]) return text.slice(0, old[0]) + key + text.slice(old[1])
  const after = rangeOf('id')
  const first = map.items[0]?.key
  if (map.has('hostKey') || after === undefined || !isScalar(first) || !first.range) return undefined
  if (map.flow) return `${text.slice(0, after[1])}, hostKey: ${key}${text.slice(after[1])}`
  const column = first.range[0] - (text.lastIndexOf('\n', first.range[0] - 1) + 1)
  const lineEnd = text.indexOf('\n', after[1])
  const [end, newline] = lineEnd === -1 ? [text.length, '\n'] : [lineEnd, text[lineEnd - 1] === '\r' ? '\r\n' : '\n']
  const head = text.slice(0, newline === '\r\n' ? end - 1 : end)
  return `${head}${newline}${' '.repeat(column)}hostKey: ${key}${text.slice(head.length)}`
}
