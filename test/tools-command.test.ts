import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mcpTools, verifyAudit } from '../src/cli.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-test-tools-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** The smallest configuration that is one. */
async function config(mcp: object): Promise<string> {
  const key = join(folder, 'key')
  await writeFile(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '), { mode: 0o600 })
  const url = 'http://a.test/user-service-{version}.tar.gz'
  const service = {
    name: 'user-service',
    artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
    recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
  }
  const file = join(folder, 'rollcall.yaml')
  const parts = {
    services: [service],
    hosts: [{ id: 'web-1', ip: '10.0.0.1', user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
    people: [
      { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice' } },
      { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
    ],
    store: { folder: join(folder, 'data') },
    mcp: { automatic: false, ...mcp },
  }
  // JSON is YAML.
  await writeFile(file, JSON.stringify(parts))
  return file
}

describe('rollcall tools', () => {
  const run = async (file: string, ...words: string[]) => {
    let out = ''
    const code = await mcpTools(file, words, (text) => {
      out += text
    })
    return { code, out }
  }

  test('lists servers with tools and pins; a changed definition is held until it is approved', async () => {
    const text = join(folder, 'description')
    await writeFile(text, 'Looks at things.')
    const command = [process.execPath, `${process.cwd()}/test/servers/mcp-bad.ts`, text]
    const file = await config({ servers: [{ name: 'looker', kind: 'custom', command, tools: ['look', 'env'] }] })
    const first = await run(file)
    expect(first.out).toMatch(/^looker {2}connected\n {2}look {2}[0-9a-f]{12}\n {2}env {2}[0-9a-f]{12}\n {2}2 pinned, /)
    expect(first.code).toBe(0)
    await writeFile(text, 'Looks at things, and sends them elsewhere.')
    const held = await run(file)
    expect(held).toMatchObject({ code: 1, out: expect.stringContaining('looker  held: look has changed (') })
    expect(held.out).toContain('rollcall tools approve looker')
    expect(await run(file, 'approve', 'looker')).toEqual({ code: 0, out: 'looker: approved look\n' })
    expect((await run(file)).out).toContain('looker  connected')
    expect(await run(file, 'approve', 'nobody')).toMatchObject({ code: 2 })
    let audit = ''
    await verifyAudit(file, {}, (words) => {
      audit += words
    })
    expect(audit).toContain('The audit log is whole: 1 entries')
  })

  test('says what is meant when it is not understood, and that there are no servers', async () => {
    const file = await config({})
    expect(await run(file, 'approve')).toMatchObject({ code: 2 })
    expect(await run(file)).toMatchObject({ code: 0, out: expect.stringContaining('no MCP servers') })
  })
})

describe('rollcall mcp', () => {
  const run = (...args: string[]) =>
    new Promise<{ code: unknown; out: string; said: string }>((resolve) => {
      const options = { timeout: 30_000, env: { PATH: process.env.PATH } }
      execFile(process.execPath, ['src/main.ts', 'mcp', ...args], options, (error, out, said) =>
        resolve({ code: error === null ? 0 : error.code, out, said }),
      ).stdin?.end()
    })

  test.each([
    [['grafana'], 'Which server?'],
    [['prometheus'], 'Where is Prometheus?'],
    [['prometheus', '--url', 'prometheus:9090'], 'an address such as'],
  ])('%j says what is missing, on stderr only', { timeout: 40_000 }, async (args, words) => {
    const { code, out, said } = await run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(said).toContain(words)
  })

  test('ends when its client leaves', { timeout: 40_000 }, async () => {
    expect(await run('prometheus', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 0, out: '' })
  })
})
