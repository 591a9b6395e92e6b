import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract } from 'tar'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Artifacts, buildArtifact, startArtifacts, versions } from '../../src/demo/artifacts.ts'

describe('the artifact server', () => {
  let folder: string
  let artifacts: Artifacts

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'rollcall-artifacts-'))
    artifacts = await startArtifacts({ folder: join(folder, 'served') })
  })
  afterAll(async () => {
    await artifacts?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(['v1.0.0', 'v1.1.0', 'v1.2.0', 'v1.3.0'])(
    'serves %s with the checksum that sha256sum accepts',
    async (version) => {
      const name = `user-service-${version}.tar.gz`
      const packed = await bytes(`${artifacts.url}/user-service/${name}`)
      const checksum = (await bytes(`${artifacts.url}/user-service/${name}.sha256`)).toString()
      const digest = createHash('sha256').update(packed).digest('hex')
      expect(checksum).toBe(`${digest}  ${name}\n`)
      expect(artifacts.files.find((file) => file.version === version)?.sha256).toBe(digest)
    },
  )

  test('answers HEAD with the size, 404 for what it does not have and 405 for other methods', async () => {
    const url = `${artifacts.url}/user-service/user-service-v1.1.0.tar.gz`
    const head = await fetch(url, { method: 'HEAD' })
    expect(Number(head.headers.get('content-length'))).toBe((await bytes(url)).length)
    expect((await fetch(url, { method: 'PUT' })).status).toBe(405)
    writeFileSync(join(folder, 'secret'), 'x')
    for (const path of ['/', '/user-service/user-service-v9.9.9.tar.gz', '/user-service/..%2f..%2fsecret', '/served']) {
      const answer = await fetch(artifacts.url + path)
      await answer.arrayBuffer()
      expect(answer.status).toBe(404)
    }
  })

  test('an artifact unpacks to a release: server, behaviour of its version, and programs that can be run', async () => {
    const release = mkdtempSync(join(folder, 'release-'))
    await extract({ file: artifacts.files.find(({ version }) => version === 'v1.2.0')!.file, cwd: release })
    const behaviour = JSON.parse(readFileSync(join(release, 'behaviour.json'), 'utf8'))
    expect(behaviour).toEqual({ version: 'v1.2.0', ...versions['v1.2.0'] })
    for (const name of ['start', 'stop', 'health']) {
      const file = join(release, 'bin', name)
      expect(statSync(file).mode & 0o111).toBe(0o111)
      execFileSync('sh', ['-n', file])
    }
    execFileSync(process.execPath, ['--check', join(release, 'server.mjs')])
  })

  test('the same sources give the same bytes, another behaviour gives others', async () => {
    const good = versions['v1.0.0']!
    const first = await buildArtifact(join(folder, 'a'), 'v1.0.0', good)
    const second = await buildArtifact(join(folder, 'b'), 'v1.0.0', good)
    const other = await buildArtifact(join(folder, 'c'), 'v1.0.0', { ...good, errorRate: 0.5 })
    expect(second.sha256).toBe(first.sha256)
    expect(other.sha256).not.toBe(first.sha256)
  })
})

async function bytes(url: string): Promise<Buffer> {
  const answer = await fetch(url)
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}
