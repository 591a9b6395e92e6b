import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { doctor, mcpTools, verifyAudit } from '../src/cli.ts'
import { alive, until } from './adapters/mcp-client/world.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollcall-test-tools-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** The smallest configuration that is one. */
async function config(mcp: object): Promise<string> {
  const key = join(folder, 'key')
  await writeFile(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '), { mode: 0o600 })
  const url = 'http://127.0.0.1:1/user-service-{version}.tar.gz'
  const service = {
    name: 'user-service',
    artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
    recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
  }
  const file = join(folder, 'rollcall.yaml')
  const parts = {
    services: [service],
    hosts: [{ id: 'web-1', ip: '127.0.0.1', port: 1, user: 'deploy', key, hostKey: `SHA256:${'A'.repeat(43)}` }],
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
    expect(first.out).toMatch(/^looker {2}connected\n {2}look {2}[0-9a-f]{64}\n {2}env {2}[0-9a-f]{64}\n {2}2 pinned, /)
    expect(first.code).toBe(0)
    await writeFile(text, 'Looks at things, and sends them elsewhere.')
    const held = await run(file)
    expect(held).toMatchObject({ code: 1, out: expect.stringContaining('looker  held: look has changed (') })
    expect(held.out).toContain('held: look now says "Looks at things, and sends them elsewhere."')
    expect(held.out).toContain('rollcall tools approve looker')
    expect(await run(file, 'approve', 'looker')).toEqual({ code: 0, out: 'looker: approved look\n' })
    expect((await run(file)).out).toContain('looker  connected')
    expect(await run(file, 'approve', 'loker')).toMatchObject({ code: 2, out: expect.stringContaining('mean looker?') })
    let audit = ''
    await verifyAudit(file, {}, (words) => {
      audit += words
    })
    expect(audit).toContain('The audit log is whole: 1 entries')
  })

  test('says what is meant when it is not understood, and that there are no servers', async () => {
    const file = await config({})
    expect(await run(file, 'approve')).toMatchObject({ code: 2 })
    expect(await run(file, 'approve', 'looker', 'more')).toMatchObject({ code: 2 })
    expect(await run(file, 'list')).toMatchObject({ code: 2, out: expect.stringContaining('no rollcall tools list') })
    expect(await run(file)).toMatchObject({ code: 0, out: expect.stringContaining('no MCP servers') })
  })
})

describe('rollcall doctor', () => {
  const run = async (file: string): Promise<string> => {
    let out = ''
    await doctor(
      file,
      (text) => {
        out += text
      },
      false,
    )
    return out.replace(/[│─┌┐└┘├┤┬┴┼\s]+/g, ' ')
  }

  test('pins no tool by looking, tells which are held, away or missing, and leaves no process behind', async () => {
    const text = join(folder, 'description')
    const pids = join(folder, 'pids')
    await writeFile(text, 'Looks at things.')
    const words = [process.execPath, `${process.cwd()}/test/servers/mcp-bad.ts`, text]
    const command = ['/bin/sh', '-c', 'echo $$ >> "$0"; exec "$@"', pids, ...words]
    const server = { name: 'looker', kind: 'custom', command, tools: ['look', 'env', 'lok'] }
    const gone = { name: 'gone', kind: 'custom', command: [join(folder, 'no-such-program')], tools: ['look'] }
    const file = await config({ servers: [server, gone] })
    const first = await run(file)
    expect(first).toContain('warn tools connected, 2 tools; it has no tool lok that')
    expect(first).toMatch(/warn tools away: there is no program .*no-such-program/)
    await writeFile(text, 'Looks elsewhere.')
    expect(await run(file)).toContain('connected, 2 tools')
    await mcpTools(file, [], () => {})
    await writeFile(text, 'Looks at things, and sends them elsewhere.')
    expect(await run(file)).toContain('warn tools held: look has changed (')
    const started = (await readFile(pids, 'utf8')).trim().split('\n').map(Number)
    expect(started).toHaveLength(4)
    expect(started.filter(alive)).toEqual([])
  }, 60_000)

  test('ended in the middle, leaves no program and no folder of a server that hangs', async () => {
    const pid = join(folder, 'pid')
    const command = ['/bin/sh', '-c', 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 600', pid]
    const file = await config({ servers: [{ name: 'mute', kind: 'custom', command, tools: ['look'] }] })
    const env = { PATH: process.env.PATH, TMPDIR: folder }
    const child = spawn(process.execPath, ['src/main.ts', 'doctor', '--config', file], { env, stdio: 'ignore' })
    const ended = once(child, 'exit')
    await until(() => existsSync(pid), 20)
    expect((await readdir(folder)).filter((name) => name.startsWith('rollcall-mcp-'))).toHaveLength(1)
    // Twice: at once, as somebody who does not want to wait.
    await until(() => child.kill('SIGINT') === false || child.exitCode !== null, 20)
    expect(await ended).toEqual([130, null])
    const started = Number(await readFile(pid, 'utf8'))
    await until(() => !alive(started))
    expect((await readdir(folder)).filter((name) => name.startsWith('rollcall-mcp-'))).toEqual([])
  }, 60_000)
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
    [['prometheus', '--url', ''], 'Where is Prometheus?'],
    [['prometheus', 'more', '--url', 'http://127.0.0.1:1'], 'Which server?'],
    [['prometheus', '--url', 'prometheus:9090'], '--url is no address of a Prometheus. Next: rollcall mcp'],
    [['prometheus', '--url', 'http://a:b@127.0.0.1:1'], 'PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD'],
  ])('%j says what is missing, on stderr only', { timeout: 40_000 }, async (args, words) => {
    const { code, out, said } = await run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(said).toContain(words)
  })

  test('ends when its client leaves', { timeout: 40_000 }, async () => {
    expect(await run('prometheus', '--url', 'http://127.0.0.1:1')).toMatchObject({ code: 0, out: '' })
  })
})
