import { describe, expect, test } from 'vitest'
import { mcpSchema, resolveServers, secretVariables } from '../../../src/adapters/mcp-client/config.ts'
import { nameTools } from '../../../src/adapters/mcp-client/kinds.ts'
import { commandOf } from '../../../src/adapters/mcp-client/stdio.ts'

const resolve = (config: object, env: Record<string, string> = {}, prometheusConfigured = true) =>
  resolveServers(mcpSchema.parse(config), { prometheusConfigured, env })

describe('the servers', () => {
  test('that are there by themselves are the bundled one and, with a token, GitHub', () => {
    expect(resolve({}, {}, false)).toEqual([])
    expect(resolve({})).toMatchObject([{ name: 'prometheus', kind: 'prometheus', way: { by: 'memory' } }])
    expect(resolve({}, { GITHUB_TOKEN: 'x' })[1]).toMatchObject({
      name: 'github',
      way: {
        by: 'http',
        url: 'https://api.githubcopilot.com/mcp/',
        headers: { 'X-MCP-Toolsets': 'repos,issues,pull_requests', 'X-MCP-Readonly': 'true' },
        headersEnv: { Authorization: 'GITHUB_TOKEN' },
      },
    })
    expect(resolve({ automatic: false }, { GITHUB_TOKEN: 'x' })).toEqual([])
  })

  test('of the file take the place of those', () => {
    const servers = [
      {
        name: 'prod',
        kind: 'prometheus-mcp-server',
        command: ['prometheus-mcp-server'],
        env: ['PROMETHEUS_TOKEN', 'LANGUAGE'],
      },
      { name: 'hub', kind: 'github', url: 'https://github.example.com/mcp', toolsets: ['repos'] },
    ]
    const plans = resolve({ servers }, { GITHUB_TOKEN: 'x' })
    expect(plans.map(({ name }) => name)).toEqual(['prod', 'hub'])
    expect(plans[1]?.way).toMatchObject({
      url: 'https://github.example.com/mcp',
      headers: { 'X-MCP-Toolsets': 'repos' },
    })
    expect(secretVariables(plans)).toEqual(['PROMETHEUS_TOKEN', 'GITHUB_TOKEN'])
  })

  test.each([
    ['neither a command nor an address', { name: 'a', kind: 'prometheus-mcp' }],
    ['both', { name: 'a', kind: 'prometheus-mcp', command: ['x'], url: 'http://127.0.0.1/mcp' }],
    ['a custom server without its list of tools', { name: 'a', kind: 'custom', command: ['x'] }],
    ['a password in the address', { name: 'a', kind: 'github', url: 'https://me:secret@example.com/mcp' }],
    ['an address of another kind', { name: 'a', kind: 'github', url: 'file:///etc/passwd' }],
    [
      'a value where a name of a variable belongs',
      { name: 'a', kind: 'github', headersEnv: { Authorization: 'Bearer x' } },
    ],
    ['a word that it does not know', { name: 'a', kind: 'github', privileged: true }],
    ['an image that is an option', { name: 'a', kind: 'custom', tools: ['t'], container: { image: '--privileged' } }],
  ])('%s is refused', (_what, server) => {
    expect(mcpSchema.safeParse({ servers: [server] }).success).toBe(false)
  })

  test('of one name are refused', () => {
    const one = { name: 'a', kind: 'github' }
    expect(mcpSchema.safeParse({ servers: [one, one] }).error?.issues[0]?.message).toBe('two servers have one name')
  })

  test('give each tool a name of its own, whoever is away', () => {
    const servers = ['eu', 'us'].map((name) => ({ name, kind: 'prometheus', command: ['x'] }))
    expect([...nameTools(resolve({ servers })).keys()].filter((name) => name.includes('execute_query'))).toEqual([
      'execute_query',
      'us_execute_query',
    ])
    const custom = { name: 'c', kind: 'custom', command: ['x'], tools: ['read_result', 'a.b'] }
    expect([...nameTools(resolve({ servers: [custom] }, {}, false)).keys()]).toEqual(['c_read_result', 'a_b'])
  })
})

test('a container gets variables by name, no rights and bounds; the value of a secret stands on no command line', () => {
  const [plan] = resolve({
    servers: [
      {
        name: 'prod',
        kind: 'prometheus-mcp-server',
        env: ['PROMETHEUS_TOKEN'],
        set: { PROMETHEUS_URL: 'http://prometheus:9090' },
        container: { runtime: 'podman', image: 'ghcr.io/pab1it0/prometheus-mcp-server:1.6.2', args: ['--network=mon'] },
      },
    ],
  })
  if (plan?.way.by !== 'stdio') throw new Error('not over stdio')
  const { argv, after } = commandOf(plan.name, plan.way)
  const name = argv[argv.indexOf('--name') + 1]
  expect(name).toMatch(/^rollcall-mcp-prod-/)
  expect(argv).toEqual([
    ...['podman', 'run', '--rm', '--interactive', '--init', '--name', name],
    ...['--cap-drop=ALL', '--security-opt=no-new-privileges', '--read-only', '--tmpfs=/tmp'],
    ...['--memory=512m', '--pids-limit=256', '--env', 'PROMETHEUS_TOKEN', '--env', 'PROMETHEUS_URL'],
    ...['--network=mon', 'ghcr.io/pab1it0/prometheus-mcp-server:1.6.2'],
  ])
  expect(after).toEqual(['podman', 'rm', '--force', name])
})
