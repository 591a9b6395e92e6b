import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Problem } from '../../src/config/problems.ts'
import { Fault } from '../../src/lib/fault.ts'

let home: string
let key: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'config-'))
  key = join(home, 'key')
  writeFileSync(key, ['-----BEGIN OPENSSH PRIVATE', 'KEY-----'].join(' '))
  chmodSync(key, 0o600)
})
afterAll(() => rmSync(home, { recursive: true }))

const url = 'http://a.test/user-service-{version}.tar.gz'
const service = (part: object = {}) => ({
  name: 'user-service',
  artifact: { url, checksum: { sha256Url: `${url}.sha256` } },
  recipe: { start: ['bin/start'], stop: ['bin/stop'], health: { url: 'http://127.0.0.1:8080/health' } },
  ...part,
})
const host = (part: object = {}) => ({
  id: 'web-1',
  ip: '10.0.0.1',
  user: 'deploy',
  key,
  hostKey: `SHA256:${'A'.repeat(43)}`,
  ...part,
})
const people = [
  { id: 'alice', roles: ['operator'], surfaces: { terminal: 'alice' } },
  { id: 'bob', roles: ['approver'], surfaces: { terminal: 'bob' } },
]
const good = (part: object = {}) => ({ services: [service()], hosts: [host()], people, ...part })

function faultOf(source: string | object, env: Record<string, string> = {}): Fault {
  try {
    loadConfig(source, { HOME: home, ...env })
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('no problem was found')
}
const problemsOf = (source: string | object, env?: Record<string, string>) =>
  faultOf(source, env).data.problems as Problem[]
const warningsOf = (source: object) => loadConfig(source, {}).warnings.map(({ path, say }) => `${path}: ${say}`)

describe('loadConfig', () => {
  test('reads a small configuration with every default', () => {
    expect(loadConfig(good(), {})).toMatchObject({
      hosts: [{ id: 'web-1', port: 22, key }],
      prometheus: undefined,
      store: { kind: 'sqlite', folder: join(process.cwd(), '.rollcall') },
      console: {
        host: '127.0.0.1',
        port: 8888,
        allowedHosts: [],
        trustedProxies: ['127.0.0.0/8', '::1'],
        sessionHours: 12,
        sessionDays: 7,
      },
      knowledge: join(process.cwd(), 'knowledge'),
      language: 'en',
      log: { level: 'info' },
      file: undefined,
      warnings: [],
      secrets: [],
    })
  })

  test('starts relative paths at the folder of the file, and ~ at the home folder', () => {
    const file = join(home, 'rollcall.yaml')
    writeFileSync(join(home, 'SUMS'), '')
    const checked = service({ artifact: { url, checksum: { file: 'SUMS' } } })
    writeFileSync(
      file,
      JSON.stringify(good({ services: [checked], hosts: [host({ key: '~/key' })], store: { folder: 'data' } })),
    )
    const config = loadConfig(file, { HOME: home })
    expect(config.hosts[0]?.key).toBe(key)
    expect(config.store.folder).toBe(join(home, 'data'))
    expect(config.services[0]?.artifact.checksum).toMatchObject({ path: join(home, 'SUMS') })
    expect(config.file).toBe(file)
  })

  test('reports a configuration with many mistakes at once, each with its path and a remedy', () => {
    const fault = faultOf(
      {
        servces: [],
        services: [
          service({
            recipe: { strat: ['bin/start'], stop: ['bin/stop'], health: {}, commandTimeout: '60' },
            hosts: { ids: ['web-9'] },
            policy: { batches: [1, '100%'], windows: ['10m'], aprovals: 1, gate: 'auto' },
          }),
          service({ artifact: { url: 'http://a.test/x', checksum: {} } }),
          { name: 'orders' },
        ],
        hosts: [host(), host({ port: 70_000 }), host({ id: 'web-3', key: '/no/such/key', bastion: 'jmp' })],
        bastions: [host({ id: 'jump', hostKey: undefined, region: 'x' })],
        people: [{ id: 'alice', roles: ['operater'] }, 'bob'],
        prometheus: { bearerTokenEnv: 'PROM_TOKEN', headers: { 'X-Token': 'x' }, tlsCaFile: '/no/ca.pem' },
        language: 'de',
      },
      {},
    )
    expect(fault.code).toBe('config.invalid')
    const problems = fault.data.problems as Problem[]
    expect(problems.map(({ path, say }) => `${path}: ${say}`).sort()).toEqual([
      'bastions[0].region: unknown key.',
      'hosts[1].id: web-1 is that of hosts[0] already',
      'hosts[1].port: Too big: expected number to be <=65535',
      'hosts[2].bastion: no bastion has the id jmp. Did you mean jump?',
      'hosts[2].key: no such file /no/such/key',
      'language: not one of the values that are allowed.',
      expect.stringMatching(
        /^people\[0\]\.roles\[0\]: not one of the values that are allowed\. Did you mean operator\?/,
      ),
      'people[1]: expected a group of keys, found a text',
      'prometheus.bearerTokenEnv: the environment variable PROM_TOKEN is not set',
      'prometheus.headers.X-Token: a secret does not belong into this file',
      'prometheus.tlsCaFile: no such file /no/ca.pem',
      expect.stringMatching(/^prometheus\.url: missing/),
      'servces: unknown section. Did you mean services?',
      'services[0].hosts.ids[0]: no host has the id web-9. Did you mean web-1?',
      'services[0].policy.aprovals: unknown key. Did you mean approvals?',
      'services[0].policy.gate: not one of the values that are allowed.',
      'services[0].policy.windows: 1 window for 2 batches',
      'services[0].recipe.commandTimeout: "60" is not a duration',
      'services[0].recipe.health: has neither url nor command',
      'services[0].recipe.strat: unknown key. Did you mean start?',
      'services[0].recipe: does not say how the service is started and stopped',
      'services[1].artifact.checksum: needs exactly one of sha256Url, md5Url and file',
      'services[1].artifact.url: has no {version}',
      'services[1].name: user-service is that of services[0] already',
      'services[2].artifact: missing',
      'services[2].recipe: missing',
    ])
    expect(problems.every(({ remedy }) => remedy.length > 5)).toBe(true)
    expect(fault.message.split('\n')).toHaveLength(problems.length + 1)
    expect(fault.message).toContain(
      'hosts[2].key: no such file /no/such/key. Create it with: ssh-keygen -t ed25519 -f /no/such/key.',
    )
  })

  test('what is found between items is told at once, also where an item lacks something else', () => {
    const problems = problemsOf({
      services: [{ name: 'orders', hosts: { ids: ['web-1', 'web-9'], region: ['x'] } }, { name: 'orders' }],
      hosts: [
        host({ user: undefined }),
        { id: 'web-1', key: '/no/such/key', bastion: 'jmp' },
        host({ id: 'web-3', user: undefined }),
      ],
      bastions: [{ id: 'jump' }],
      people: [
        { id: 'alice', surfaces: { terminal: 'a' } },
        { id: 'alice', roles: ['approver'], surfaces: { terminal: 'a' } },
      ],
    }).map(({ path, say }) => `${path}: ${say}`)
    for (const line of [
      'services[1].name: orders is that of services[0] already',
      'services[0].hosts.ids[1]: no host has the id web-9. Did you mean web-1?',
      'services[0].hosts.region: unknown key. Did you mean regions?',
      'hosts[0].user: missing',
      'hosts[1].id: web-1 is that of hosts[0] already',
      'hosts[1].ip: missing',
      'hosts[1].key: no such file /no/such/key',
      'hosts[1].bastion: no bastion has the id jmp. Did you mean jump?',
      'hosts[2].port: 10.0.0.1:22 is that of hosts[0] already',
      'people[0].roles: missing',
      'people[1].id: alice is that of people[0] already',
      'people[1].surfaces.terminal: a is that of people[0] already',
    ])
      expect(problems).toContainEqual(expect.stringContaining(line))
  })

  test('a surface that does not exist names those that do', () => {
    const wrong = { id: 'alice', roles: ['operator'], surfaces: { termnal: 'alice' } }
    expect(problemsOf(good({ people: [wrong, people[1]] }))).toContainEqual({
      path: 'people[0].surfaces.termnal',
      say: 'unknown key. Did you mean terminal?',
      remedy: 'remove it, or use one of: terminal, console, slack, wecom',
    })
  })

  test('knowledge that is not beside the file is the bundled one, unless a folder is named', () => {
    const file = join(home, 'rollcall.yaml')
    const at = (part: object) => {
      writeFileSync(file, JSON.stringify(good(part)))
      return loadConfig(file, { HOME: home }).knowledge
    }
    expect(at({})).toBe(resolve('knowledge'))
    expect(at({ knowledge: 'ours' })).toBe(join(home, 'ours'))
    mkdirSync(join(home, 'knowledge'))
    expect(at({})).toBe(join(home, 'knowledge'))
    rmSync(join(home, 'knowledge'), { recursive: true })
  })

  test('YAML that cannot be read is located, and nothing of it is repeated', () => {
    const file = join(home, 'broken.yaml')
    writeFileSync(file, 'services:\n  - name: "hunter2hunter2\nhosts: [\n')
    const fault = faultOf(file)
    const problems = fault.data.problems as Problem[]
    expect(problems[0]).toMatchObject({ path: expect.stringMatching(/broken\.yaml:\d+:\d+$/) })
    expect(JSON.stringify([fault.message, problems])).not.toContain('hunter2')
  })

  test('a key given twice, an empty file and a list are problems', () => {
    const file = join(home, 'odd.yaml')
    for (const [text, say] of [
      ['services: []\nservices: []\n', 'Map keys must be unique'],
      ['', 'does not hold sections'],
      ['- a\n', 'does not hold sections'],
      [`a: &a [x]\nb: &b [${'*a,'.repeat(200)}]\nc: [${'*b,'.repeat(200)}]\n`, 'alias'],
    ]) {
      writeFileSync(file, text ?? '')
      expect(problemsOf(file)[0]?.say, text).toContain(say)
    }
  })

  test('a file that is not there says how to begin', () => {
    expect(faultOf(join(home, 'none.yaml'))).toMatchObject({
      code: 'config.missing',
      next: expect.stringContaining('rollcall.example.yaml'),
    })
  })

  test('whatever the object is, the answer is a configuration or a list of problems', () => {
    const mutated = fc.tuple(
      fc.constantFrom('services', 'hosts', 'people', 'bastions', 'ssh', 'store', 'prometheus', 'policy'),
      fc.jsonValue(),
      fc.boolean(),
    )
    fc.assert(
      fc.property(mutated, ([section, value, inList]) => {
        const item =
          section === 'policy' ? { services: [service({ policy: value })] } : { [section]: inList ? [value] : value }
        try {
          loadConfig(good(item), {})
        } catch (error) {
          expect(error).toMatchObject({ code: 'config.invalid' })
          for (const problem of (error as Fault).data.problems as Problem[])
            expect(problem.path.length * problem.say.length * problem.remedy.length).toBeGreaterThan(0)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('what shows only when the parts are seen together', () => {
  const say = (source: object, env?: Record<string, string>) =>
    problemsOf(source, env).map(({ path, say }) => `${path}: ${say}`)

  test('hosts: one address twice, a circle of bastions, a bastion behind a bastion, itself', () => {
    expect(say(good({ hosts: [host(), host({ id: 'web-2' })] }))).toEqual([
      'hosts[1].port: 10.0.0.1:22 is that of hosts[0] already',
    ])
    const chain = (ways: Record<string, string | undefined>) =>
      Object.entries(ways).map(([id, bastion], i) => host({ id, ip: `10.0.0.${i}`, ...(bastion ? { bastion } : {}) }))
    expect(say(good({ hosts: chain({ a: 'b', b: 'a' }) }))[0]).toContain(
      'hosts[0].bastion: the bastions form a circle: a -> b -> a',
    )
    expect(say(good({ hosts: chain({ a: 'b', b: 'c', c: undefined }) }))).toEqual([
      'hosts[0].bastion: b is itself behind c',
    ])
    expect(say(good({ hosts: chain({ a: 'a' }) }))).toEqual(['hosts[0].bastion: a host cannot be its own bastion'])
    expect(loadConfig(good({ hosts: chain({ a: 'b', b: undefined }) }), {}).hosts).toHaveLength(2)
  })

  test('keys: open to others, a public key, a folder; an agent that is not there', () => {
    const [open, pub] = [join(home, 'open'), join(home, 'key.pub')]
    writeFileSync(open, '')
    chmodSync(open, 0o644)
    writeFileSync(pub, 'ssh-ed25519 AAAA', { mode: 0o600 })
    const wrong = (path: string) => problemsOf(good({ hosts: [host({ key: path })] }))[0]
    expect(wrong(open)).toEqual({
      path: 'hosts[0].key',
      say: `${open} may be read by others (mode 644)`,
      remedy: `type: chmod 600 ${open}`,
    })
    // Readable by the group alone is too open as well.
    chmodSync(open, 0o640)
    expect(wrong(open)?.say).toContain('mode 640')
    expect(wrong(pub)).toMatchObject({ say: `${pub} is not a private key` })
    expect(wrong(home)).toMatchObject({ say: `${home} is not a file` })
    const agent = good({ hosts: [host({ key: undefined, agent: true })] })
    expect(say(agent)).toEqual(['hosts[0].agent: SSH_AUTH_SOCK is not set'])
    expect(loadConfig(agent, { SSH_AUTH_SOCK: '/tmp/x' }).hosts).toHaveLength(1)
  })

  test('services: no host fits, an unknown region, one folder for two, a missing file of checksums', () => {
    expect(say(good({ services: [service({ hosts: { labels: { tier: 'db' } } })] }))).toEqual([
      'services[0].hosts: the selector names no host',
    ])
    expect(
      say(good({ hosts: [host({ region: 'shanghai' })], services: [service({ hosts: { regions: ['shangai'] } })] })),
    ).toEqual(['services[0].hosts.regions[0]: no host is in the region shangai. Did you mean shanghai?'])
    const root = { ...service().recipe, root: '/srv/app' }
    expect(say(good({ services: [service({ recipe: root }), service({ name: 'b', recipe: root })] }))).toEqual([
      'services[1].recipe.root: /srv/app on web-1 belongs to another service already',
    ])
    expect(say(good({ services: [service({ artifact: { url, checksum: { file: '/no/SUMS' } } })] }))).toEqual([
      'services[0].artifact.checksum.file: no such file /no/SUMS',
    ])
  })

  test('people: nobody to request, nobody else to approve, one surface id for two', () => {
    const only = (...list: object[]) => say(good({ people: list }))
    expect(only({ id: 'bob', roles: ['approver'], surfaces: { terminal: 'b' } })).toEqual([
      'people: nobody may request a release',
    ])
    expect(only({ id: 'root', roles: ['admin'], surfaces: { terminal: 'r' } })).toEqual([
      'services[0].policy.approvals: no release could ever be approved: 1 needed, the requester does not count, and 1 may approve (root)',
    ])
    expect(only(...people, { id: 'carl', roles: ['viewer'], surfaces: { terminal: 'bob' } })).toEqual([
      'people[2].surfaces.terminal: bob is that of people[1] already',
    ])
    expect(say(good({ services: [service({ policy: { approvals: 2 } })] }))).toHaveLength(1)
  })

  test('prometheus: a secret in a header, one that is not set, one that is too short', () => {
    const at = (prometheus: object, env?: Record<string, string>) =>
      say(good({ prometheus: { url: 'http://p:9090', ...prometheus } }), env)
    expect(at({ headers: { 'X-Auth': 'hunter2hunter2' } })).toEqual([
      'prometheus.headers.X-Auth: a secret does not belong into this file',
    ])
    expect(at({ bearerTokenEnv: 'T' }, { T: 'abc' })).toEqual([
      'prometheus.bearerTokenEnv: T is too short to be kept out of logs',
    ])
    expect(at({ basicAuth: { user: 'u', passwordEnv: 'P' } })).toEqual([
      'prometheus.basicAuth.passwordEnv: the environment variable P is not set',
    ])
    const config = loadConfig(good({ prometheus: { url: 'http://p:9090', bearerTokenEnv: 'T' } }), { T: 'long-enough' })
    expect(config.secrets).toEqual(['long-enough'])
  })

  const sso = { issuer: 'https://login.test', clientId: 'rollcall' }
  const console = (part: object) => good({ console: part })

  test.each<[string, object, string]>([
    ['listening openly', { host: '0.0.0.0' }, 'console.host: 0.0.0.0 is reached from other machines'],
    ['listening on one outer address', { host: '10.0.0.5' }, 'console.host: 10.0.0.5 is reached'],
    ['an open name', { host: 'localhost.evil.test' }, 'console.host: localhost.evil.test is reached'],
    [
      'listening openly behind http',
      { host: '::', publicUrl: 'http://r.test' },
      'console.publicUrl: people would send',
    ],
    [
      'a public address without TLS',
      { publicUrl: 'http://r.test' },
      'console.publicUrl: people would send their tokens',
    ],
    ['a public address with a path', { publicUrl: 'https://r.test/ops' }, 'console.publicUrl: give it without a path'],
    ['a public address that is none', { publicUrl: 'r.test' }, 'console.publicUrl: give a whole address'],
    [
      'a provider by http',
      { oidc: { ...sso, issuer: 'http://login.test' } },
      'console.oidc.issuer: a provider on another',
    ],
    ['no openid', { oidc: { ...sso, scopes: ['email'] } }, 'console.oidc.scopes: add openid'],
    ['a secret in the file', { oidc: { ...sso, clientSecret: 'x' } }, 'console.oidc.clientSecret: unknown key'],
    ['a secret that is not set', { oidc: { ...sso, clientSecretEnv: 'NOT_SET' } }, 'the environment variable NOT_SET'],
    ['sessions without end', { sessionHours: 0 }, 'console.sessionHours'],
    ['a proxy that is no address', { trustedProxies: ['proxy.test'] }, 'console.trustedProxies[0]: give an address or'],
    [
      'a range that is none',
      { trustedProxies: ['10.0.0.0/33'] },
      'console.trustedProxies[0]: give an address or a range',
    ],
    [
      'everybody as a proxy',
      { trustedProxies: ['::1', '0.0.0.0/0'] },
      'console.trustedProxies: 0.0.0.0/0 is everybody',
    ],
  ])('console: %s is refused', (_name, part, words) => {
    const problems = problemsOf(console(part))
    expect(problems.map(({ path, say }) => `${path}: ${say}`)).toEqual([expect.stringContaining(words)])
    expect(problems[0]?.remedy).toMatch(/.+/)
  })

  test('console: behind TLS it may listen openly, and a secret of the provider is kept out of the log', () => {
    const part = { host: '0.0.0.0', publicUrl: 'https://r.test', oidc: { ...sso, clientSecretEnv: 'OIDC' } }
    const config = loadConfig(console(part), { OIDC: 'long-enough' })
    expect(config.secrets).toEqual(['long-enough'])
    expect(config.console.oidc).toMatchObject({ label: 'single sign-on', scopes: ['openid'] })
    expect(loadConfig(console({ oidc: { ...sso, issuer: 'http://127.0.0.1:9/' } }), {}).warnings).toMatchObject([
      { path: 'console.oidc', say: expect.stringContaining('nobody has an account') },
    ])
  })

  test('warnings forbid nothing: an unknown neighbour, no pinned key, a hurried window, a person without a surface', () => {
    expect(warningsOf(good({ services: [service({ upstream: ['user-servce'] })] }))).toEqual([
      'services[0].upstream[0]: user-servce is no service here. Did you mean user-service?',
    ])
    expect(warningsOf(good({ hosts: [host({ hostKey: undefined })] }))).toEqual([
      'hosts[0].hostKey: no host key is pinned: this host will be refused',
    ])
    expect(warningsOf(good({ services: [service({ policy: { windows: ['40s', '10m', '10m', '10m'] } })] }))).toEqual([
      expect.stringContaining('services[0].policy.windows[0]'),
    ])
    expect(warningsOf(good({ people: [...people, { id: 'carl', roles: ['viewer'] }] }))).toEqual([
      expect.stringContaining('people[2].surfaces'),
    ])
  })
})
