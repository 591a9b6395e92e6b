import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MongoClient } from 'mongodb'
import { describe, expect, it, vi } from 'vitest'
import { find } from '../../src/demo/parts.ts'
import { alive } from '../../src/demo/processes.ts'
import { mongoServer } from './mongo.ts'
import { javaServer, mongoParts } from './mongo-parts.ts'
import { mongoProxy } from './mongo-proxy.ts'

const ping = async (uri: string) => {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 1_000, socketTimeoutMS: 1_000 })
  try {
    await client.db('admin').command({ ping: 1 })
    return true
  } catch {
    return false
  } finally {
    await client.close()
  }
}
const given = (await mongoParts()).kind === 'given'

describe("the tests' MongoDB server", () => {
  it('answers, says what it is, and is gone after stop', async () => {
    const server = await mongoServer()
    expect(server.kind).toMatch(/^(MongoDB|mongod|mongo-java-server) \d/)
    expect(await ping(server.uri)).toBe(true)
    expect(server.database()).not.toBe(server.database())
    await server.stop()
    if (!given) expect(await ping(server.uri)).toBe(false)
  })

  it.skipIf(given)('ends when the process that started it is killed', async () => {
    const module = fileURLToPath(new URL('./mongo.ts', import.meta.url))
    const code = `import { mongoServer } from ${JSON.stringify(module)}
      const server = await mongoServer()
      console.log(server.pid, server.uri)
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const line = await new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))))
    const [pid, uri = ''] = line.trim().split(' ')
    expect(await ping(uri)).toBe(true)
    child.kill('SIGKILL')
    await vi.waitFor(() => expect(alive(Number(pid))).toBe(false), { timeout: 5_000, interval: 20 })
  })

  it.skipIf(given)('answers nothing while it is frozen, and goes on after', async () => {
    const server = await mongoServer()
    server.freeze()
    expect(await ping(server.uri)).toBe(false)
    server.thaw()
    expect(await ping(server.uri)).toBe(true)
    await server.stop()
  })

  it('can be cut off and come back on its port, with its data', async () => {
    const server = await mongoServer()
    const proxy = await mongoProxy(server.uri)
    const client = new MongoClient(proxy.uri, { serverSelectionTimeoutMS: 2_000 })
    const rows = client.db(server.database()).collection('rows')
    await rows.insertOne({ n: 1 })
    await proxy.close()
    expect(await ping(proxy.uri)).toBe(false)
    await proxy.open()
    expect(await rows.countDocuments()).toBe(1)
    await client.close()
    await proxy.stop()
    await server.stop()
  })

  it('says what to install when Java is there without Maven or a compiler', async () => {
    const into = await mkdtemp(join(tmpdir(), 'rollcall-mongo-parts-'))
    await expect(javaServer({ PATH: into }, { into })).rejects.toThrow(/Maven \(mvn\) is not on PATH/)
    await rm(into, { recursive: true, force: true })
  })

  it.skipIf(find('mvn') === undefined || find('javac') === undefined)(
    'is made once, however many ask for it at the same time, and leaves nothing half made',
    async () => {
      const into = await mkdtemp(join(tmpdir(), 'rollcall-mongo-parts-'))
      const paths = await Promise.all([1, 2].map(() => javaServer(process.env, { into })))
      expect(new Set(paths).size).toBe(1)
      expect(readdirSync(into)).toHaveLength(1)
      await rm(into, { recursive: true, force: true })
    },
    120_000,
  )
})
