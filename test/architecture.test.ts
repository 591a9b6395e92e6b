import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { actions } from '../src/access/policy.ts'

const features = ['release', 'knowledge', 'topology', 'access']

/** Left may import right, and itself. What is not named may import nothing; app, cli, tests and benches may import everything. */
const mayImport: Record<string, string[]> = {
  lib: [],
  ports: ['lib'],
  access: ['ports', 'lib'],
  topology: ['ports', 'lib'],
  agent: ['ports', 'lib'],
  knowledge: ['agent', 'topology', 'ports', 'lib'],
  release: ['knowledge', 'agent', 'topology', 'access', 'ports', 'lib'],
  incident: ['release', 'knowledge', 'agent', 'topology', 'access', 'ports', 'lib'],
  inspection: ['incident', 'release', 'knowledge', 'agent', 'topology', 'access', 'ports', 'lib'],
  adapters: ['ports', 'lib'],
  entry: ['inspection', 'incident', 'agent', ...features, 'ports', 'lib'],
  commands: ['entry', 'inspection', 'incident', 'agent', ...features, 'ports', 'lib'],
  config: ['*/config.ts', 'lib'],
  demo: ['app', 'adapters', 'ports', 'lib'],
  main: ['app', 'cli', 'demo', 'config', 'lib'],
  web: ['ports'],
}

const ours = '^(src|commands|test|bench)/'

function pathsOf(name: string): string[] {
  if (name === 'commands') return ['^commands/']
  if (name === '*/config.ts') return ['^src/[^/]+/config\\.ts$', '^src/adapters/[^/]+/config\\.ts$']
  // What one of these three puts together may stand in several files, such as src/app-chat.ts.
  return [['app', 'cli', 'main'].includes(name) ? `^src/${name}[a-z-]*\\.ts$` : `^src/${name}/`]
}

const rules: IForbiddenRuleType[] = [
  ...Object.entries(mayImport).map(([name, allowed]) => ({
    name: `${name} imports only ${allowed.join(', ') || 'itself'}`,
    severity: 'error' as const,
    from: { path: pathsOf(name) },
    to: { path: ours, pathNot: [name, ...allowed].flatMap(pathsOf) },
  })),
  {
    name: 'an adapter imports no other adapter',
    severity: 'error',
    from: { path: '^src/adapters/([^/]+)/' },
    to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
  },
  {
    name: 'sources import no tests',
    severity: 'error',
    from: { path: '^(src|commands)/' },
    to: { path: '^(test|bench)/' },
  },
  { name: 'files form no cycle', severity: 'error', from: {}, to: { circular: true } },
  { name: 'folders form no cycle', severity: 'error', scope: 'folder', from: {}, to: { circular: true } },
]

/** The broken rules under a folder, one line each: `rule: from -> to`. */
async function violations(folder: string): Promise<{ found: string[]; edges: number }> {
  const present = readdirSync(folder).filter((name) => ['src', 'commands', 'test', 'bench'].includes(name))
  // TypeScript 7 offers no API to read imports with; swc sees `import type` as well.
  const { output } = await cruise(present, {
    baseDir: folder,
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)node_modules/' },
    validate: true,
    ruleSet: { forbidden: rules },
  })
  const result = output as ICruiseResult
  return {
    found: result.summary.violations.map(({ rule, from, to, cycle }) => {
      const way = cycle === undefined ? to : cycle.map((step) => step.name).join(' -> ')
      return `${rule.name}: ${from} -> ${way}`
    }),
    edges: result.modules
      .flatMap((module) => module.dependencies)
      .filter((edge) => /^(src|commands)\//.test(edge.resolved)).length,
  }
}

describe('the folder rules', () => {
  test('hold', async () => {
    const { found, edges } = await violations(process.cwd())
    expect(found).toEqual([])
    // If imports were not seen at all, every rule would hold.
    expect(edges).toBeGreaterThan(50)
  })

  test('cover every folder of src', () => {
    const names = readdirSync('src', { withFileTypes: true }).map((entry) =>
      entry.isDirectory() ? entry.name : entry.name.replace(/\.ts$/, ''),
    )
    // app, and cli beside it, put everything together.
    expect(names.filter((name) => !Object.hasOwn(mayImport, name) && !/^(app|cli)(-[a-z]+)?$/.test(name))).toEqual([])
  })
})

describe('the folder rules on a bad tree', () => {
  let folder: string
  let found: string[]
  const bad: Record<string, string> = {
    'src/lib/a.ts': "import type { B } from '../release/b.ts'\nexport type A = B\n",
    'src/release/b.ts': 'export type B = string\n',
    'src/release/c.ts': "export { D } from './d.ts'\nexport const C = 1\n",
    'src/release/d.ts': "import { C } from './c.ts'\nexport const D = C\n",
    'src/release/e.ts': "import { index } from '../adapters/ssh/index.ts'\nexport const E = index\n",
    'src/adapters/ssh/index.ts': "import { other } from '../sqlite/index.ts'\nexport const index = other\n",
    'src/adapters/sqlite/index.ts': "import { F } from '../../release/gate/f.ts'\nexport const other = F\n",
    'src/adapters/sqlite/config.ts': 'export const sqlite = 1\n',
    'src/release/gate/f.ts': "import { G } from '../steps/g.ts'\nexport const F = G\n",
    'src/release/steps/g.ts': "export const load = () => import('../gate/h.ts')\nexport const G = 1\n",
    'src/release/gate/h.ts': 'export const H = 1\n',
    'src/config/load.ts':
      "import { sqlite } from '../adapters/sqlite/config.ts'\nimport { other } from '../adapters/sqlite/index.ts'\nexport const all = [sqlite, other]\n",
    'src/entry/http.ts': "import { t } from '../../test/t.ts'\nexport const http = t\n",
    'src/main.ts': "import { http } from './entry/http.ts'\nhttp\n",
    'commands/release.ts': "import { all } from '../src/config/load.ts'\nexport const release = all\n",
    'test/t.ts': 'export const t = 1\n',
  }
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'architecture-'))
    for (const [path, text] of Object.entries(bad)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    found = (await violations(folder)).found
  })
  afterAll(() => rm(folder, { recursive: true }))

  test.each([
    ['a type import counts', 'lib imports only itself: src/lib/a.ts -> src/release/b.ts'],
    ['a feature imports no adapter', /^release imports only .*: src\/release\/e\.ts -> src\/adapters\/ssh\/index\.ts$/],
    [
      'an adapter imports no feature',
      /^adapters imports only .*: src\/adapters\/sqlite\/index\.ts -> src\/release\/gate\/f\.ts$/,
    ],
    [
      'adapters are apart',
      'an adapter imports no other adapter: src/adapters/ssh/index.ts -> src/adapters/sqlite/index.ts',
    ],
    [
      'config imports no code of adapters',
      /^config imports only .*: src\/config\/load\.ts -> src\/adapters\/sqlite\/index\.ts$/,
    ],
    ['sources import no tests', 'sources import no tests: src/entry/http.ts -> test/t.ts'],
    ['main goes through app', /^main imports only .*: src\/main\.ts -> src\/entry\/http\.ts$/],
    ['commands read no configuration', /^commands imports only .*: commands\/release\.ts -> src\/config\/load\.ts$/],
    ['two files import each other', /^files form no cycle: src\/release\/c\.ts -> .*src\/release\/d\.ts/],
    ['folders import each other though no files do', /^folders form no cycle: .*src\/release\/(gate|steps)/],
  ])('%s', (_name, line) => {
    expect(found).toContainEqual(typeof line === 'string' ? line : expect.stringMatching(line))
  })

  test('what is allowed is not reported', () => {
    expect(found.join('\n')).not.toContain('src/config/load.ts -> src/adapters/sqlite/config.ts')
  })
})

describe('name is path', () => {
  test.each(actions)('the action %s has its file', (action) => {
    const [area, name] = action.split('.')
    // What only reads is a command, or a route of the console, and nothing else.
    const paths = name === 'read' ? [`commands/${area}.ts`, `src/entry/http/${area}.ts`] : [`src/${area}/${name}.ts`]
    expect(sources().filter((path) => paths.includes(path))).not.toEqual([])
  })

  test('a fault is raised in the folder that its code begins with', () => {
    const astray = sources().flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/new Fault\(\s*(['"`])([a-z-]+)\.[a-z-]+\1/g)].flatMap(
        ([, , area = '']) =>
          (raisedIn[area] ?? [`src/${area}/`]).some((folder) => path.startsWith(folder)) ? [] : [`${area} in ${path}`],
      ),
    )
    expect(astray).toEqual([])
  })
})

/** Areas whose folder has another name: those of ports are raised by the adapters of the port, those of lib in lib. */
const raisedIn: Record<string, string[]> = {
  target: ['src/adapters/ssh/'],
  store: ['src/adapters/sqlite/', 'src/adapters/mongo/', 'src/lib/store-arguments.ts', 'src/cli-store.ts'],
  flow: ['src/adapters/ledger/'],
  metrics: ['src/adapters/prometheus/'],
  silence: ['src/adapters/alertmanager/'],
  picture: ['src/adapters/charts/'],
  tools: ['src/adapters/mcp-client/'],
  access: ['src/access/', 'src/entry/http/alert-sources.ts'],
  alerts: ['src/entry/http/'],
  artifact: ['src/adapters/http-artifacts/'],
  chat: ['src/adapters/terminal/', 'src/adapters/channel/', 'src/adapters/slack/', 'src/adapters/wecom/'],
  internal: ['src/lib/'],
  redact: ['src/lib/'],
  version: ['src/lib/'],
  command: ['src/entry/', 'commands/'],
  action: ['src/entry/'],
  doctor: ['src/entry/'],
  enroll: ['src/entry/'],
  console: ['src/entry/http/'],
}

function sources(): string[] {
  return ['src', 'commands'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => `${folder}/${name}`),
  )
}
