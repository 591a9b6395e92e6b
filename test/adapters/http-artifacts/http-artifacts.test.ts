import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHttpArtifacts } from '../../../src/adapters/http-artifacts/index.ts'
import type { ArtifactSource } from '../../../src/ports/artifacts.ts'

const sha = 'ab'.repeat(32)
const md5 = 'cd'.repeat(16)
const files: Record<string, string> = {
  '/app-v1.tar.gz': 'x'.repeat(1234),
  '/app-v1.tar.gz.sha256': `${sha.toUpperCase()}  app-v1.tar.gz\n`,
  '/app-v1.tar.gz.md5': `${md5} *dist/app-v1.tar.gz\n`,
  '/alone-v1.tar.gz': 'x',
  '/alone-v1.tar.gz.sha256': `${sha}\n`,
  '/other-v1.tar.gz': 'x',
  '/other-v1.tar.gz.sha256': `${sha}  another-file.tar.gz\n`,
  '/page-v1.tar.gz': 'x',
  '/page-v1.tar.gz.sha256': '<html>sign in</html>',
  '/bare-v1.tar.gz': 'x',
  '/nohead-v1.tar.gz': 'x'.repeat(77),
  '/nohead-v1.tar.gz.sha256': `${sha}\n`,
  '/cut-v1.tar.gz': 'x',
  '/huge-v1.tar.gz': 'x',
  '/huge-v1.tar.gz.sha256': '#'.repeat(2_000_000),
}
let server: Server
let base: string
let folder: string
beforeAll(async () => {
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname
    if (path.startsWith('/hang')) return
    if (path.startsWith('/nohead') && request.method === 'HEAD') return void response.writeHead(405).end()
    if (path === '/cut-v1.tar.gz.sha256') {
      response.writeHead(200, { 'content-length': 64 }).write('ab')
      return void setTimeout(() => response.destroy(), 20)
    }
    if (path.startsWith('/broken')) return void response.writeHead(503).end()
    const body = files[path]
    if (body === undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-length': body.length }).end(request.method === 'HEAD' ? undefined : body)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  folder = await mkdtemp(join(tmpdir(), 'rollcall-artifacts-'))
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

const source = (name: string, algorithm: 'sha256' | 'md5' = 'sha256'): ArtifactSource => ({
  url: `${base}/${name}-{version}.tar.gz`,
  checksum: { by: 'url', url: `${base}/${name}-{version}.tar.gz.${algorithm}`, algorithm },
  delivery: 'host',
})
const artifacts = createHttpArtifacts({ timeoutSeconds: 1 })

describe('a package is found', () => {
  test('with its size and the digest of its own line, in lower case', async () => {
    expect(await artifacts.find(source('app'), 'v1')).toEqual({
      url: `${base}/app-v1.tar.gz`,
      algorithm: 'sha256',
      digest: sha,
      delivery: 'host',
      sizeBytes: 1234,
    })
  })
  test('by a lone digest, by md5, by a checksum file', async () => {
    expect((await artifacts.find(source('alone'), 'v1')).digest).toBe(sha)
    expect((await artifacts.find(source('app', 'md5'), 'v1')).digest).toBe(md5)
    const path = join(folder, 'SHA256SUMS')
    await writeFile(path, `${'0'.repeat(64)}  other.tar.gz\n${sha}  app-v1.tar.gz\n`)
    expect(
      (await artifacts.find({ ...source('app'), checksum: { by: 'file', path, algorithm: 'sha256' } }, 'v1')).digest,
    ).toBe(sha)
  })
  test('on a server that knows no HEAD', async () => {
    expect(await artifacts.find(source('nohead'), 'v1')).toMatchObject({ digest: sha, sizeBytes: 77 })
  })
  test('and the version cannot leave its place in the URL', async () => {
    await expect(artifacts.find(source('app'), '../app-v1')).rejects.toMatchObject({ code: 'artifact.missing' })
  })
})

describe('what is wrong is named', () => {
  test.each([
    ['none', 'artifact.missing', /no package v1 at/],
    ['bare', 'artifact.checksum-unknown', /checksum at .* cannot be read \(HTTP 404\)/],
    ['other', 'artifact.checksum-malformed', /holds no sha256 of other-v1.tar.gz/],
    ['page', 'artifact.checksum-malformed', /holds no sha256/],
    ['huge', 'artifact.checksum-malformed', /too large/],
    ['broken', 'artifact.unreachable', /HTTP 503/],
    ['cut', 'artifact.unreachable', /broke off/],
    ['hang', 'artifact.unreachable', /did not answer within 1 s/],
  ])('%s', async (name, code, words) => {
    const found = artifacts.find(source(name), 'v1')
    await expect(found).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
      next: expect.stringMatching(/.+/),
    })
  })
  test('a checksum file that is not there', async () => {
    const missing = {
      ...source('app'),
      checksum: { by: 'file' as const, path: join(folder, 'none'), algorithm: 'sha256' as const },
    }
    await expect(artifacts.find(missing, 'v1')).rejects.toMatchObject({ code: 'artifact.checksum-unknown' })
  })
})
