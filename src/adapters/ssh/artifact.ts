import { createHash } from 'node:crypto'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../lib/fault.ts'
import type { Artifact } from '../../ports/target.ts'
import type { SshOptions } from './config.ts'

/** Artifacts that the bot fetches to send them on: each digest once. */
export interface Artifacts {
  /**
   * The verified artifact: small ones as bytes that all uploads share, others as an open file that has no name any more,
   * so that nothing is left however this process ends. Throws `target.artifact`: with `retry` when the server could not
   * be asked, without when the answer will not change (404, another digest, too large).
   */
  get(artifact: Artifact): Promise<Buffer | FileHandle>
  close(): Promise<void>
}

export function createArtifacts(options: SshOptions): Artifacts {
  const held = new Map<string, Promise<Buffer | FileHandle>>()
  const closing = new AbortController()
  let inMemory = 0

  async function fetchOne(artifact: Artifact): Promise<Buffer | FileHandle> {
    const file = await namelessFile()
    try {
      const size = await fetchTo(artifact, file, options, closing.signal)
      if (inMemory + size > memoryBytes) return file
      inMemory += size
      const bytes = Buffer.alloc(size)
      await file.read(bytes, 0, size, 0)
      await file.close()
      return bytes
    } catch (error) {
      await file.close()
      throw error
    }
  }

  return {
    get(artifact) {
      const name = `${artifact.algorithm}:${artifact.digest}`
      let one = held.get(name)
      if (one === undefined) {
        one = fetchOne(artifact)
        held.set(name, one)
        one.catch(() => held.delete(name))
      }
      return one
    },
    async close() {
      closing.abort()
      for (const one of await Promise.allSettled(held.values())) {
        if (one.status === 'fulfilled' && !Buffer.isBuffer(one.value)) await one.value.close()
      }
    },
  }
}

async function namelessFile(): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-artifact-'))
  try {
    return await open(join(folder, 'artifact'), 'wx+', 0o600)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is kept in memory of all artifacts together; the rest is read from disk for each upload. */
const memoryBytes = 16 * 1024 * 1024

const cap = (options: SshOptions) => options.maxArtifactMb * 1024 * 1024

function problem(artifact: Artifact, what: string, retry: boolean, cause?: unknown): Fault {
  const from = new URL(artifact.url)
  // Neither user info nor query: either may hold a token.
  const place = `${from.origin}${from.pathname}`
  return new Fault('target.artifact', {
    say: `The artifact ${place} ${what}.`,
    next: retry
      ? 'check the artifact server, then try again'
      : 'correct the artifact or its checksum, then prepare anew',
    retry,
    cause,
    data: { url: place },
  })
}

/** Downloads into the file and checks the digest; the size in bytes. */
async function fetchTo(artifact: Artifact, file: FileHandle, options: SshOptions, closing: AbortSignal) {
  const stall = new AbortController()
  const seconds = options.downloadStallSeconds
  const timer = setTimeout(() => stall.abort(), seconds * 1000)
  const hash = createHash(artifact.algorithm)
  let size = 0
  try {
    const answer = await fetch(artifact.url, { signal: AbortSignal.any([stall.signal, closing]) })
    if (!answer.ok) {
      await answer.body?.cancel()
      throw problem(artifact, `cannot be had: the server answered ${answer.status}`, answer.status >= 500)
    }
    for await (const chunk of answer.body ?? []) {
      timer.refresh()
      hash.update(chunk)
      await file.writeFile(chunk)
      size += chunk.length
      if (size > cap(options)) throw problem(artifact, `is larger than ${options.maxArtifactMb} MB`, false)
    }
  } catch (error) {
    if (error instanceof Fault) throw error
    const why = stall.signal.aborted ? `brought nothing for ${seconds} s` : 'could not be fetched'
    throw problem(artifact, why, true, error)
  } finally {
    clearTimeout(timer)
  }
  const digest = hash.digest('hex')
  if (digest === artifact.digest) return size
  throw problem(artifact, `has the ${artifact.algorithm} ${digest}, approved was ${artifact.digest}`, false)
}
