import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault } from '../../lib/fault.ts'
import type { Artifact } from '../../ports/target.ts'
import type { SshOptions } from './config.ts'

/** Artifacts that the bot fetches to send them on: each digest once, in a folder of its own. */
export interface Artifacts {
  /**
   * The verified artifact: small ones as bytes that all uploads share, others as the path of a file. Throws `target.artifact`: with `retry` when the server could not be asked, without when
   * the answer will not change (404, another digest, too large).
   */
  get(artifact: Artifact): Promise<Buffer | string>
  close(): Promise<void>
}

export function createArtifacts(options: SshOptions): Artifacts {
  const files = new Map<string, Promise<Buffer | string>>()
  let inMemory = 0
  let folder: Promise<string> | undefined
  const closing = new AbortController()

  async function download(artifact: Artifact, name: string): Promise<Buffer | string> {
    folder ??= mkdtemp(join(tmpdir(), 'rollcall-artifacts-'))
    const path = join(await folder, name.replace(':', '-'))
    await fetchTo(artifact, `${path}.part`, options, closing.signal)
    await rename(`${path}.part`, path)
    const { size } = await stat(path)
    if (inMemory + size > memoryBytes) return path
    inMemory += size
    return readFile(path)
  }

  return {
    get(artifact) {
      const name = `${artifact.algorithm}:${artifact.digest}`
      let file = files.get(name)
      if (file === undefined) {
        file = download(artifact, name)
        files.set(name, file)
        file.catch(() => files.delete(name))
      }
      return file
    },
    async close() {
      closing.abort()
      await Promise.allSettled(files.values())
      if (folder !== undefined) await rm(await folder, { recursive: true, force: true })
    },
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

async function fetchTo(artifact: Artifact, path: string, options: SshOptions, closing: AbortSignal): Promise<void> {
  const stall = new AbortController()
  const seconds = options.downloadStallSeconds
  const timer = setTimeout(() => stall.abort(), seconds * 1000)
  const hash = createHash(artifact.algorithm)
  let bytes = 0
  try {
    const answer = await fetch(artifact.url, { signal: AbortSignal.any([stall.signal, closing]) })
    if (!answer.ok) {
      await answer.body?.cancel()
      throw problem(artifact, `cannot be had: the server answered ${answer.status}`, answer.status >= 500)
    }
    const body = Readable.fromWeb(answer.body ?? new ReadableStream())
    await pipeline(
      body,
      async function* count(source: AsyncIterable<Uint8Array>) {
        for await (const chunk of source) {
          timer.refresh()
          bytes += chunk.length
          if (bytes > cap(options)) throw problem(artifact, `is larger than ${options.maxArtifactMb} MB`, false)
          hash.update(chunk)
          yield chunk
        }
      },
      createWriteStream(path, { mode: 0o600 }),
    )
  } catch (error) {
    await rm(path, { force: true })
    if (error instanceof Fault) throw error
    const why = stall.signal.aborted ? `brought nothing for ${seconds} s` : 'could not be fetched'
    throw problem(artifact, why, true, error)
  } finally {
    clearTimeout(timer)
  }
  const digest = hash.digest('hex')
  if (digest === artifact.digest) return
  await rm(path, { force: true })
  throw problem(artifact, `has the ${artifact.algorithm} ${digest}, approved was ${artifact.digest}`, false)
}
