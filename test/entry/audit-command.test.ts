import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createApp, readConfig } from '../../src/app.ts'
import { tokens, verifyAudit } from '../../src/cli.ts'
import { createLog } from '../../src/lib/log.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-command-'))
  file = join(folder, 'rollcall.yaml')
  const key = join(folder, 'key')
  writeFileSync(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '), { mode: 0o600 })
  const url = 'http://127.0.0.1:9/user-service-{version}.tar.gz'
  const config = {
    services: [
      {
        name: 'user-service',
        artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
        recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:9/health' } },
      },
    ],
    hosts: [{ id: 'web-1', ip: '127.0.0.1', user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
    people: [
      { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice' } },
      { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
    ],
    store: { folder: join(folder, 'data') },
  }
  // What is JSON is YAML.
  writeFileSync(file, JSON.stringify(config))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function audit(kept: Parameters<typeof verifyAudit>[1] = {}): Promise<{ code: number; said: string }> {
  let said = ''
  const code = await verifyAudit(file, kept, (text) => {
    said += text
  })
  return { code, said }
}

function tamper(sql: string) {
  const db = new DatabaseSync(join(folder, 'data/rollcall.db'))
  db.exec(sql)
  db.close()
}

describe('rollcall audit', () => {
  beforeEach(async () => {
    for (let n = 0; n < 8; n++) await tokens(file, 'alice', { list: false }, () => {})
  })

  test('says that a log is whole, with its head', async () => {
    const { code, said } = await audit()
    expect(said).toMatch(/^The audit log is whole: 8 entries, head [0-9a-f]{64}\n$/)
    expect(code).toBe(0)
  })

  test('says that one was emptied, although nobody has noted a head', async () => {
    tamper('DELETE FROM entries')
    const { code, said } = await audit()
    expect(said).toContain('broken at entry 0: 8 of 8 entries are missing at the end\n')
    expect(said).toContain('audit.head')
    expect(code).toBe(1)
  })

  test('says that one was made shorter', async () => {
    tamper("DELETE FROM entries WHERE stream = 'audit' AND seq >= 6")
    expect(await audit()).toMatchObject({ code: 1, said: expect.stringContaining('broken at entry 6: 2 of 8 entries') })
  })

  test('names the row that cannot be read', async () => {
    tamper("UPDATE entries SET entry = 'not json' WHERE stream = 'audit' AND seq = 5")
    expect(await audit()).toMatchObject({ code: 1, said: expect.stringContaining('broken at entry 5: entry 5 cannot') })
  })

  test('says when no head is kept that could show what is missing', async () => {
    rmSync(join(folder, 'data/audit.head'))
    expect(await audit()).toMatchObject({ code: 0, said: expect.stringMatching(/There is no .*audit\.head/) })
  })
})

test('who starts Rollcall on an audit log that was emptied reads so in the log; the head is in it too', async () => {
  const run = async () => {
    const lines: string[] = []
    const log = createLog({ level: 'info', env: {}, stream: { write: (line: string) => lines.push(line) } })
    const app = await createApp(readConfig(file, {}), { log, write: () => {} })
    await app.start()
    await app.command('alice', '/release abort R-9')
    await app.stop()
    return lines.map((line) => JSON.parse(line) as { msg: string; level: unknown; entries?: number; head?: string })
  }
  const first = await run()
  expect(first.filter(({ msg }) => msg === 'audit head')).toEqual([
    expect.objectContaining({ entries: 0 }),
    expect.objectContaining({ entries: 1, head: expect.stringMatching(/^[0-9a-f]{64}$/) }),
  ])
  expect(first.some(({ msg }) => msg.includes('does not hold the head'))).toBe(false)
  expect(JSON.parse(readFileSync(join(folder, 'data/audit.head'), 'utf8'))).toMatchObject({ entries: 1 })
  tamper("DELETE FROM entries WHERE stream = 'audit'")
  expect((await run()).filter(({ msg }) => msg.includes('does not hold the head'))).toHaveLength(1)
})
