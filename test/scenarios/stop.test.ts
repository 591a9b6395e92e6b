import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { createApp, readConfig } from '../../src/app.ts'
import { createLog } from '../../src/lib/log.ts'
import { skipReal } from '../demo/needs.ts'
import { mongoServer } from '../servers/mongo.ts'
import { mongoProxy } from '../servers/mongo-proxy.ts'

const url = 'http://127.0.0.1:9/user-service-{version}.tar.gz'
const config = (folder: string, database: string) => ({
  services: [
    {
      name: 'user-service',
      artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
      recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { command: ['true'] } },
    },
  ],
  hosts: [{ id: 'web-1', ip: '127.0.0.1', user: 'nobody', agent: true, hostKey: `SHA256:${'A'.repeat(43)}` }],
  people: [
    { id: 'alice', roles: ['operator'], surfaces: { console: 'alice' } },
    { id: 'bob', roles: ['approver'], surfaces: { console: 'bob' } },
  ],
  store: { kind: 'mongo', uriEnv: 'STOP_MONGODB_URI', database, folder },
})

test.skipIf(skipReal)(
  'a stop keeps to its time while the database is away, and gives the folder back',
  { timeout: 60_000 },
  async () => {
    const mongo = await mongoServer()
    const proxy = await mongoProxy(mongo.uri)
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-stop-'))
    vi.stubEnv('STOP_MONGODB_URI', proxy.uri)
    vi.stubEnv('SSH_AUTH_SOCK', '/dev/null')
    const logged: string[] = []
    try {
      const read = readConfig(config(folder, mongo.database()))
      const log = createLog({ env: {}, level: 'debug', stream: { write: (line: string) => void logged.push(line) } })
      const app = await createApp(read, { write: () => {}, log })
      await app.start()
      proxy.close()
      const from = performance.now()
      await app.stop(3000)
      // Its time, and the little that each of its parts gets after that.
      expect(performance.now() - from).toBeLessThan(12_000)
      expect(logged.join('')).toContain('not ended')
      proxy.open()
      const again = await createApp(read, { write: () => {}, log })
      await again.start()
      await again.stop(3000)
    } finally {
      vi.unstubAllEnvs()
      await proxy.stop()
      await mongo.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
