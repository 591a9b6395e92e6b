import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { create } from 'tar'

/** How a version of user-service behaves; lies in its artifact as behaviour.json, with the version. */
export interface Behaviour {
  /** Share of requests that are answered with 500, evenly spread. */
  errorRate: number
  /** Median time to answer, milliseconds, before `addedMs`. */
  medianMs: number
  /** Spread of the logarithm of that time. */
  sigma: number
  addedMs: number
  /** Share of requests for which account-store is asked, evenly spread; without its answer they are answered with 502. */
  accountShare: number
}

const good: Behaviour = { errorRate: 0, medianMs: 4, sigma: 0.35, addedMs: 0, accountShare: 0.2 }

/** The versions that the sandbox knows: three good ones, and one that must not survive its canary. */
export const versions: Record<string, Behaviour> = {
  'v1.0.0': good,
  'v1.1.0': { ...good, medianMs: 3.8 },
  'v1.2.0': { ...good, errorRate: 0.08, medianMs: 6, sigma: 0.5, addedMs: 250 },
  'v1.3.0': { ...good, medianMs: 3.6 },
}

export interface ArtifactFile {
  version: string
  file: string
  /** Lower-case hexadecimal. */
  sha256: string
}

export interface Artifacts {
  /** Base URL without a slash at the end; files lie under /user-service/. */
  url: string
  files: ArtifactFile[]
  close(): Promise<void>
}

const source = fileURLToPath(new URL('service', import.meta.url))

/** Builds user-service-VERSION.tar.gz and its .sha256 (as `sha256sum` prints it) into `folder`. The same sources give the same bytes. */
export async function buildArtifact(folder: string, version: string, behaviour: Behaviour): Promise<ArtifactFile> {
  const staging = join(folder, `.build-${version}`)
  await mkdir(folder, { recursive: true })
  await cp(source, staging, { recursive: true })
  // Set here, because a checkout may have lost the bits.
  for (const name of ['start', 'stop', 'health']) await chmod(join(staging, 'bin', name), 0o755)
  await writeFile(join(staging, 'behaviour.json'), `${JSON.stringify({ version, ...behaviour }, undefined, 2)}\n`)
  const name = `user-service-${version}.tar.gz`
  const file = join(folder, name)
  const entries = ['server.mjs', 'behaviour.json', 'bin/common', 'bin/start', 'bin/stop', 'bin/health']
  await create({ file, cwd: staging, gzip: true, portable: true, mtime: new Date('2026-01-01T00:00:00Z') }, entries)
  await rm(staging, { recursive: true })
  const sha256 = createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
  await writeFile(`${file}.sha256`, `${sha256}  ${name}\n`)
  return { version, file, sha256 }
}

/** Builds all versions into `folder` and serves them on a free port of 127.0.0.1: GET and HEAD /user-service/<file>, 404 for all else. */
export async function startArtifacts({ folder }: { folder: string }): Promise<Artifacts> {
  const files = await Promise.all(
    Object.entries(versions).map(([version, behaviour]) => buildArtifact(folder, version, behaviour)),
  )
  // Only names from this list are opened: no path from a request reaches the disk.
  const names = new Map(
    files.flatMap(({ file, version }) => {
      const path = `/user-service/user-service-${version}.tar.gz`
      return [
        [path, file],
        [`${path}.sha256`, `${file}.sha256`],
      ]
    }),
  )
  const server = createServer(async (request, response) => {
    const file = names.get((request.url ?? '').split('?')[0]!)
    if (!file) return response.writeHead(404, { 'content-type': 'text/plain' }).end('no such artifact\n')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return response.writeHead(405, { allow: 'GET, HEAD' }).end()
    const size = await stat(file).then(
      (found) => found.size,
      () => undefined,
    )
    if (size === undefined) return response.writeHead(404).end()
    const type = file.endsWith('.sha256') ? 'text/plain' : 'application/gzip'
    response.writeHead(200, { 'content-type': type, 'content-length': size })
    if (request.method === 'HEAD') return response.end()
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
