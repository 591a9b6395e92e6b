import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { stringify } from 'yaml'
import { newKeyPair } from '../../src/demo/keys.ts'
import { startWorld, type World } from '../../src/demo/world.ts'
import { needs, skipReal } from '../demo/needs.ts'
import { until } from '../demo/until.ts'

// Several releases end to end in one test, on a machine that other suites may keep busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

interface Ended {
  code: number | null
  out: string
  err: string
}

/** The program as a person starts it. */
function rollcall(args: string[]): { child: ChildProcess; said: () => string; ended: Promise<Ended> } {
  const { PROMETHEUS_URL: _, ...env } = process.env
  const child = spawn(process.execPath, ['src/main.ts', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const heard = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    heard.out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    heard.err += chunk.toString()
  })
  const ended = new Promise<Ended>((done) => child.once('close', (code) => done({ code, ...heard })))
  return { child, said: () => heard.out + heard.err, ended }
}
const run = (...args: string[]): Promise<Ended> => rollcall(args).ended

/** Ten mistakes of ten kinds. */
const tenMistakes = `# a configuration as somebody might write it
services:
  - name: User_Service
    artifact:
      url: https://packages.test/user-service.tar.gz
      checksum: { sha256Url: 'https://packages.test/user-service-{version}.tar.gz.sha256' }
    recipe:
      root: /opt/../etc
      start: bin/start --port 8080
      stop: [bin/stop]
      health: { timeout: 10s }
    policy:
      batches: ['1', '50%']
      approvalExpires: soon
hosts:
  - { id: web-1, ip: 10.0.0.1, user: deploy, key: client-key, bastion: jump-1 }
  - { id: web-1, ip: 10.0.0.2, user: deploy, key: client-key }
people:
  - { id: alice, roles: [opperator] }
`

const mistaken = [
  'services[0].name',
  'services[0].artifact.url',
  'services[0].recipe.root',
  'services[0].recipe.start',
  'services[0].recipe.health',
  'services[0].policy.batches',
  'services[0].policy.approvalExpires',
  'people[0].roles[0]',
  'hosts[1].id',
  'hosts[0].bastion',
]

describe('a configuration with ten mistakes', () => {
  let folder: string
  let file: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-scenario-setup-'))
    file = join(folder, 'rollcall.yaml')
    await writeFile(file, tenMistakes)
    await writeFile(join(folder, 'client-key'), newKeyPair().private, { mode: 0o600 })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test('serve names each with its place and what to do, ends with 2, and touches nothing', async () => {
    const { code, out, err } = await run('serve', '--config', file)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    const [head, ...lines] = err.trimEnd().split('\n')
    expect(head).toBe('10 problems in the configuration:')
    expect(lines.map((line) => line.slice(0, line.indexOf(':')))).toEqual(mistaken)
    for (const line of lines) expect(line).toMatch(/^\S+: .+\. .+\.?/)
    expect(err).toContain('people[0].roles[0]: not one of the values that are allowed. Did you mean operator?')
    expect(err).toContain('Next: correct them, then type rollcall doctor')
    expect(existsSync(join(folder, '.rollcall'))).toBe(false)
  })

  test('doctor lists the same ten, whole, and ends with 1', async () => {
    const { code, out } = await run('doctor', '--config', file)
    expect(code).toBe(1)
    for (const path of mistaken) expect(unwrapped(out, 1)).toContain(path)
    expect(out).toContain('0 ok, 0 to look at, 10 failed.')
  })

  test('that is not there, and a word that is no command', async () => {
    const missing = await run('serve', '--config', join(folder, 'none.yaml'))
    expect(missing).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^There is no file .*none\.yaml\. Next: copy rollcall\.example\.yaml/),
    })
    expect(await run('sevre')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^There is no command "sevre"\.[\s\S]*rollcall serve/),
    })
    expect(await run('serve', '--confg', 'x')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^Unknown option '--confg'[\s\S]*rollcall serve/),
    })
  })
})

describe.skipIf(skipReal)('a configuration of living hosts', () => {
  let parent: string
  let world: World
  let file: string
  beforeAll(async () => {
    await needs('prometheus', 'curl', 'flock', 'setsid', 'tar', 'sha256sum')
    parent = await mkdtemp(join(tmpdir(), 'rollcall-scenario-setup-'))
    const { PROMETHEUS_URL: _, ...env } = process.env
    const hosts = ['bj-1', 'sh-1', 'sh-2'].map((id) => ({ id, region: id.slice(0, 2) }))
    world = await startWorld({ folder: join(parent, 'world'), say: () => {}, env, hosts })
    file = join(parent, 'rollcall.yaml')
  })
  afterAll(async () => {
    await world?.stop()
    await rm(parent, { recursive: true, force: true })
  })
  const write = async (change: Record<string, unknown> = {}) => {
    const config = { ...world.config, knowledge: resolve('knowledge'), ...change }
    await writeFile(file, stringify(config))
  }

  test('doctor finds all well, says what it looked at, and ends with 0', async () => {
    await write()
    // Prometheus lists a service once it has been scraped a while.
    let ended: Ended = { code: null, out: '', err: '' }
    await until(
      'all ok',
      async () => {
        ended = await run('doctor', '--config', file)
        return ended.out.includes('0 to look at, 0 failed')
      },
      30_000,
    )
    expect(ended.code).toBe(0)
    const subjects = unwrapped(ended.out, 1)
    for (const subject of ['bj-1', 'sh-1', 'sh-2', world.prometheusUrl, join(parent, 'world/rollcall'), 'people', file])
      expect(subjects).toContain(subject)
  })

  test('doctor names a dead host, a changed key and a dead Prometheus, each with a remedy, and ends with 1', async () => {
    await write({ prometheus: { url: 'http://127.0.0.1:1' } })
    await world.fleet.down('bj-1')
    await world.fleet.changeHostKey('sh-1')
    const ended = await run('doctor', '--config', file)
    await world.fleet.up('bj-1')
    expect(ended.code).toBe(1)
    expect(ended.out).toContain('3 failed.')
    const [found, remedies] = [unwrapped(ended.out, 2), unwrapped(ended.out, 3)]
    expect(found).toMatch(/bj-1\(127\.0\.0\.1:\d+\)refusedtheconnection/)
    expect(found).toMatch(/pinnedisSHA256:[\w+/]{43},itpresentsSHA256:[\w+/]{43}\.Nothingwassent/)
    expect(found).toContain('Prometheusathttp://127.0.0.1:1cannotbereached')
    expect(remedies).toContain('checkthemachineandthenetwork')
    expect(remedies).toContain('checkfirstwhethersh-1wassetupanew;ifitwas:rollcallenroll--replacesh-1')
    expect(remedies).toContain('curlhttp://127.0.0.1:1/-/ready')
  })

  test('enroll pins keys beside the hosts, keeps comments, and replaces a changed key only when told to', async () => {
    const { hosts, ...rest } = world.config
    const text = [
      stringify({ ...rest, knowledge: resolve('knowledge') }).trimEnd(),
      '# the fleet',
      'hosts:',
      ...hosts.map(
        ({ id, ip, port, user, key }) =>
          `  # ${id} is old\n  - id: ${id}\n    ip: ${ip} # inside\n    port: ${port}\n    user: ${user}\n    key: ${key}`,
      ),
      '# the end',
      '',
    ].join('\n')
    await writeFile(file, text)
    const unknown = await run('doctor', '--config', file)
    expect(unknown.code).toBe(1)
    expect(unwrapped(unknown.out, 3)).toContain('rollcallenrollsh-2')

    const first = await run('enroll', '--yes', '--config', file)
    expect(first.code).toBe(0)
    const pinned = await readFile(file, 'utf8')
    for (const host of world.fleet.hosts) expect(pinned).toContain(`hostKey: ${host.hostKey}`)
    expect(
      pinned
        .split('\n')
        .filter((line) => !line.includes('hostKey:'))
        .join('\n'),
    ).toBe(text)

    const before = world.fleet.hosts.find(({ id }) => id === 'sh-2')?.hostKey ?? ''
    const after = await world.fleet.changeHostKey('sh-2')
    const refused = await run('enroll', 'sh-2', '--yes', '--config', file)
    expect(refused).toMatchObject({
      code: 1,
      out: expect.stringMatching(/CHANGED: the pinned key is SHA256:[\s\S]*rollcall enroll --replace sh-2/),
    })
    expect(await readFile(file, 'utf8')).toBe(pinned)
    expect(await run('enroll', 'sh-2', '--yes', '--replace', '--config', file)).toMatchObject({ code: 0 })
    expect(await readFile(file, 'utf8')).toBe(pinned.replace(before, after))
    expect(await run('enroll', 'sh-9', '--config', file)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/There is no host "sh-9".*sh-/),
    })
  })

  test('a key that is pinned while serve runs is taken without a restart', async () => {
    const me = { id: 'me', roles: ['operator'], surfaces: { terminal: userInfo().username } }
    const hosts = world.config.hosts.map((host) => ({
      ...host,
      hostKey: world.fleet.hosts.find(({ id }) => id === host.id)?.hostKey,
    }))
    await write({ hosts, people: [...world.config.people, me], console: { port: 0 } })
    const serve = rollcall(['serve', '--config', file])
    try {
      await until('it listens', () => serve.said().includes('Rollcall listens'), 15_000)
      const answer = async (what: RegExp) => {
        const before = serve.said().length
        await until(
          String(what),
          async () => {
            serve.child.stdin?.write('/hosts user-service\n')
            await delay(300)
            return what.test(serve.said().slice(before))
          },
          20_000,
        )
      }
      await answer(/sh-1 .*running/)
      await world.fleet.changeHostKey('sh-1')
      await answer(/The host key of sh-1 .* has changed/)
      expect(await run('enroll', 'sh-1', '--yes', '--replace', '--config', file)).toMatchObject({ code: 0 })
      await answer(/sh-1 .*running/)
      expect(serve.said()).toMatch(/"host":"sh-1",.*"msg":"host key re-read from the configuration"/)
    } finally {
      serve.child.kill('SIGTERM')
    }
    expect(await serve.ended).toMatchObject({ code: 0 })
  })

  test('serve on the same data twice: the second says who has it; SIGTERM ends the first with 0', async () => {
    const first = rollcall(['serve', '--config', file])
    try {
      await until('it listens', () => first.said().includes('Rollcall listens'), 15_000)
      expect(await run('serve', '--config', file)).toMatchObject({
        code: 1,
        err: expect.stringMatching(/is in use by process \d+ since .* Next: stop that process/),
      })
    } finally {
      first.child.kill('SIGTERM')
    }
    expect(await first.ended).toMatchObject({ code: 0 })
  })
})

/** One column of doctor's table without its wrapping: all cells, without any space. */
function unwrapped(table: string, column: number): string {
  return table
    .split('\n')
    .map((line) => (line.startsWith('│') ? (line.split('│')[column + 1] ?? '') : ''))
    .join('')
    .replaceAll(/\s/g, '')
}
