import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createArtifacts } from '../../../src/adapters/ssh/artifact.ts'
import { sshOptionsSchema } from '../../../src/adapters/ssh/config.ts'
import { createKit, type Kit } from './kit.ts'

const options = (more = {}) => sshOptionsSchema.parse(more)

describe('artifacts that the bot fetches for an upload', () => {
  let kit: Kit
  beforeAll(async () => {
    kit = await createKit()
  })
  afterAll(() => kit.stop())

  test('a small one is fetched once and shared as bytes', async () => {
    const artifacts = createArtifacts(options())
    const body = randomBytes(100_000)
    const artifact = kit.artifact('/small', body)
    const [one, two] = await Promise.all([artifacts.get(artifact), artifacts.get(artifact)])
    expect(one).toBe(two)
    expect(Buffer.isBuffer(one) && one.equals(body)).toBe(true)
    expect(kit.asked('/small')).toBe(1)
    await artifacts.close()
  })

  test('a large one lies in a file without a name, which is gone with the process', async () => {
    const before = process.env.TMPDIR
    process.env.TMPDIR = kit.folder
    const artifacts = createArtifacts(options())
    const body = randomBytes(17 * 1024 * 1024)
    const file = await artifacts.get(kit.artifact('/large', body))
    if (Buffer.isBuffer(file)) throw new Error('it was kept in memory')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(body.length), 0, body.length, 0)
    expect(bytesRead === body.length && buffer.equals(body)).toBe(true)
    expect(readdirSync(kit.folder)).toEqual([])
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    await artifacts.close()
    await expect(file.read(Buffer.alloc(1), 0, 1, 0)).rejects.toThrow()
  })

  test('what fails is asked for again', async () => {
    const artifacts = createArtifacts(options())
    let good = false
    const body = Buffer.from('at last')
    const artifact = kit.artifact(
      '/later',
      (_request, response) => void (good ? response.end(body) : response.writeHead(502).end()),
    )
    const known = { ...artifact, digest: kit.artifact('/x', body).digest }
    await expect(artifacts.get(known)).rejects.toMatchObject({ code: 'target.artifact', retry: true })
    good = true
    expect(await artifacts.get(known)).toEqual(body)
    await artifacts.close()
  })

  test.each<[string, object, object]>([
    ['gone', {}, { retry: false, message: expect.stringContaining('404') }],
    ['changed', {}, { retry: false, message: expect.stringContaining('approved was') }],
    ['huge', { maxArtifactMb: 0.01 }, { retry: false, message: expect.stringContaining('larger than 0.01 MB') }],
    ['stalled', { downloadStallSeconds: 0.2 }, { retry: true, message: expect.stringContaining('nothing for 0.2 s') }],
    ['refused', {}, { retry: true, message: expect.stringContaining('could not be fetched') }],
  ])('%s', async (name, more, fault) => {
    const artifacts = createArtifacts(options(more))
    const huge = kit.artifact('/huge', randomBytes(50_000))
    const cases: Record<string, typeof huge> = {
      gone: { ...huge, url: `${kit.url('/gone')}?token=geheim` },
      changed: { ...huge, digest: 'c'.repeat(64) },
      huge,
      stalled: kit.artifact('/stalled', (_request, response) => void response.write('a')),
      refused: { ...huge, url: 'http://user:geheim@127.0.0.1:9/x' },
    }
    const error = await artifacts.get(cases[name]!).catch((each: unknown) => each)
    expect(error).toMatchObject({ code: 'target.artifact', ...fault })
    expect(String(error)).not.toContain('geheim')
    await artifacts.close()
  })
})
