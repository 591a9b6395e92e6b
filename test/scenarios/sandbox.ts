import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type App, clientFolder, createApp, readConfig } from '../../src/app.ts'
import { type Fleet, type SandboxHost, startFleet } from '../../src/demo/fleet.ts'
import { provision, releasesFolder } from '../../src/demo/provision.ts'
import { worldConfig } from '../../src/demo/world-config.ts'
import type { CommandAnswer } from '../../src/entry/command.ts'
import { createLog } from '../../src/lib/log.ts'
import { createRedactor } from '../../src/lib/redact.ts'
import type { Answer } from '../../src/release/answer.ts'
import type { Release } from '../../src/release/release.ts'
import { needs } from '../demo/needs.ts'
import { type Packages, startPackages, userService } from './packages.ts'

/** Parts of the configuration that a test changes; the rest is the sandbox's. */
export interface Change {
  policy?: Record<string, unknown>
  recipe?: Record<string, unknown>
  delivery?: 'host' | 'upload'
  prometheus?: Record<string, unknown>
  ssh?: Record<string, unknown>
  /** Serves the console on a free port; with `demo` whoever opens it may be any of the people. Left out, nothing listens. */
  console?: { demo: boolean }
  /** Whole sections of rollcall.yaml that take the place of the sandbox's. */
  sections?: Record<string, unknown>
  /** Of the bot's process; secrets are read from here. */
  env?: Record<string, string>
}

export interface Sandbox {
  folder: string
  fleet: Fleet
  hosts: SandboxHost[]
  host(id: string): SandboxHost
  packages: Packages
  app(): App
  /** What a rollcall.yaml for it holds, with the change that is in force. */
  config(): Record<string, unknown>
  /** Everything that the channel has shown so far. */
  channel(): string
  /** Everything that was logged so far. */
  logged(): string
  type(person: string, text: string): Promise<CommandAnswer>
  /** Presses what the card shows; waits until it shows it. */
  press(person: string, release: string, action: string): Promise<Answer>
  buttonOf(release: string, action: string): Promise<string>
  /** Requested by alice; resolves with the release's id once the flow has begun. */
  request(version: string, ...hosts: string[]): Promise<string>
  /** Requested by alice, approved by bob. */
  approved(version: string, ...hosts: string[]): Promise<string>
  /** Waits until the release stands there; throws at once when it has ended elsewhere. */
  reach(release: string, at: Release['state']['at'], seconds?: number): Promise<Release>
  /** Waits until the document is as asked; for what `reach` cannot tell apart, such as one hold from the next. */
  becomes(release: string, what: (release: Release) => boolean, seconds?: number): Promise<Release>
  /** The card as the terminal shows it, in one line per block. */
  card(release: string): Promise<string>
  /** What runs where, asked three ways that must agree: the bot's probe, the service itself, the link on the disk. */
  running(): Promise<Record<string, string>>
  /** Versions that were started on the host since it was set up, one per start. */
  starts(host: string): string[]
  /** The host's own record of changes: `release--host--step--attempt version rc`. */
  audit(host: string): string[]
  /** Every path under the host's home, without the job protocol's own folder. */
  files(host: string): string[]
  /** Promotes the held gates of a release that nothing measures, until it is done. */
  promoted(release: string): Promise<Release>
  /** What an interrupted deploy would leave: unpacked trees, uploads, scripts of jobs that are over. */
  leftovers(host: string): string[]
  /** The command lines of all processes on the hosts. */
  commands(): string[]
  /** Ends what a failed test has left under way: takes it back, or rejects it while it waits. */
  settle(): Promise<void>
  /** Ends the bot and starts it again on the same data, with another configuration. */
  restart(change: Change): Promise<void>
  /** Ends the bot for good: its folder and its data are for another process now. */
  leave(): Promise<void>
  close(): Promise<void>
}

const first = 'v1.0.0'
const over = ['refused', 'rejected', 'expired', 'superseded', 'done', 'rolled back', 'aborted']

/** A bot on a fleet of real SSH servers with user-service v1.0.0 on each; windows are a second, and nothing measures unless told. */
export async function startSandbox(
  options: Change & { ids?: string[]; beforeServices?: (fleet: Fleet) => (() => void) | undefined } = {},
): Promise<Sandbox> {
  await needs('curl', 'flock', 'setsid', 'tar', 'sha256sum')
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-scenario-'))
  const undo: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 5 })]
  const close = async () => {
    while (undo.length > 0) await undo.pop()?.()
  }
  try {
    const packages = await startPackages()
    undo.push(packages.close)
    const ids = options.ids ?? ['bj-1', 'sh-1']
    const fleet = await startFleet({
      folder,
      hosts: ids.map((id) => ({ id, region: id.startsWith('bj') ? 'beijing' : 'shanghai' })),
    })
    let release: (() => void) | undefined
    undo.push(async () => release?.(), fleet.stop)
    release = options.beforeServices?.(fleet)
    const file = join(folder, 'first.tar.gz')
    await writeFile(file, userService(first))
    const sha256 = execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64)
    await provision(fleet.hosts, { version: first, file, sha256 })
    const sandbox = await withBot({ folder, fleet, packages, change: options, close })
    undo.push(sandbox.leave)
    return sandbox
  } catch (error) {
    await close()
    throw error
  }
}

async function withBot(parts: {
  folder: string
  fleet: Fleet
  packages: Packages
  change: Change
  close: () => Promise<void>
}): Promise<Sandbox> {
  const { folder, fleet, packages, close } = parts
  let change = parts.change
  const shown: string[] = []
  const logged: string[] = []
  const config = () => configOf(folder, fleet, packages, change)
  const open = async (): Promise<App> => {
    const read = readConfig(config(), { ...process.env, ...change.env })
    const web = change.console && { ...change.console, webRoot: await clientFolder(() => {}) }
    const sink = { write: (line: string) => void logged.push(line) }
    const app = await createApp(read, {
      write: (text) => void shown.push(text),
      color: false,
      log: createLog({ redact: createRedactor(read.secrets), env: {}, level: 'debug', stream: sink }),
      console: web,
    })
    await app.start()
    return app
  }
  let app = await open()
  let left = false
  const host = (id: string): SandboxHost => fleet.hosts.find((each) => each.id === id) ?? fail(`no host ${id}`)
  const root = (id: string) => join(host(id).root, releasesFolder)

  const leaves = async (release: string, at: Release['state']['at']) => {
    while ((await app.desk.releases.need(release)).state.at === at) await delay(20)
  }

  const sandbox: Sandbox = {
    folder,
    fleet,
    hosts: fleet.hosts,
    host,
    packages,
    app: () => app,
    config,
    channel: () => shown.join(''),
    logged: () => logged.join(''),
    type: (person, text) => app.command(person, text),
    async buttonOf(release, action) {
      const until = performance.now() + 10_000
      for (;;) {
        const { buttons } = await app.card(release)
        const button = buttons.find((each) => each.action === action)
        if (button !== undefined) return button.id
        if (performance.now() > until) fail(`the card of ${release} has no ${action}: ${await sandbox.card(release)}`)
        await delay(20)
      }
    },
    press: async (person, release, action) => app.press(person, await sandbox.buttonOf(release, action)),
    async request(version, ...hosts) {
      const answer = await app.command('alice', `/release user-service ${version} ${hosts.join(' ')}`)
      return /^R-\d+/.exec(answer.text)?.[0] ?? fail(`not requested: ${answer.text}`)
    },
    async approved(version, ...hosts) {
      const id = await sandbox.request(version, ...hosts)
      await sandbox.reach(id, 'awaiting approval')
      const answer = await sandbox.press('bob', id, 'release.approve')
      return answer.ok ? id : fail(`not approved: ${answer.text}`)
    },
    async reach(release, at, seconds = 30) {
      const until = performance.now() + seconds * 1000
      for (;;) {
        const found = await app.desk.releases.get(release)
        if (found?.state.at === at) {
          // The last words stand in the channel once the flow has ended.
          if (over.includes(at)) await app.desk.flows.finished(release)
          return found
        }
        const stands = JSON.stringify(found?.state)
        if (found !== undefined && over.includes(found.state.at)) fail(`${release} ended as ${stands}, not ${at}`)
        if (performance.now() > until) fail(`${release} is ${stands} after ${seconds} s, not ${at}`)
        await delay(20)
      }
    },
    async becomes(release, what, seconds = 30) {
      const until = performance.now() + seconds * 1000
      for (;;) {
        const found = await app.desk.releases.need(release)
        if (what(found)) return found
        if (performance.now() > until) fail(`${release} is ${JSON.stringify(found.state)} after ${seconds} s`)
        await delay(20)
      }
    },
    async promoted(release) {
      const { plan } = await app.desk.releases.need(release)
      for (const _ of plan?.batches ?? []) {
        await sandbox.reach(release, 'held')
        const { ok, text } = await sandbox.press('alice', release, 'release.promote')
        if (!ok) fail(`not promoted: ${text}`)
        await leaves(release, 'held')
      }
      return sandbox.reach(release, 'done')
    },
    card: async (release) => app.render(await app.card(release)),
    async running() {
      const { message } = await app.command('vera', '/hosts user-service')
      const table = message?.blocks.find((block) => block.type === 'table')
      const probed = table?.type === 'table' ? table.rows : fail('no table of hosts')
      const rows = await Promise.all(
        probed.map(async ([, id = '', , version = '', state = '']) => {
          const said = await versionServed(host(id))
          const linked = readlinkSync(join(root(id), 'current'))
          const agree = version === linked && (state !== 'running' || said === version)
          return [id, agree ? `${version} ${state}` : `probe ${version} ${state}, served ${said}, linked ${linked}`]
        }),
      )
      return Object.fromEntries(rows)
    },
    starts: (id) => lines(join(host(id).root, 'starts')),
    audit: (id) =>
      lines(join(root(id), '.rollcall/audit.log')).map((line) => {
        const entry = JSON.parse(line) as { key: string; to: string; rc: number }
        // Behind the number stands which Rollcall gave it.
        return `${entry.key.replace(/^(R-\d+)\.\w+/, '$1')} ${entry.to} ${entry.rc}`
      }),
    files: (id) => walk(host(id).root, '').filter((path) => !path.startsWith(`${releasesFolder}/.rollcall`)),
    leftovers: (id) =>
      walk(join(root(id), '.rollcall'), '').filter(
        (path) =>
          // Uploads under way, unpacked trees, pruned releases, half-made links and files.
          /^tmp\.|^jobs\/[^/]+\/(tree|old\.[^/]+)(\/|$)|(^|\/)(current\.new|rc\.tmp)$/.test(path) ||
          // What is emptied rather than removed.
          (/^jobs\/[^/]+\/(upload|tar|script|runner)$/.test(path) && sizeOf(join(root(id), '.rollcall', path)) > 0),
      ),
    commands: () =>
      fleet.processes().flatMap((pid) => {
        const file = `/proc/${pid}/cmdline`
        return existsSync(file) ? [readFileSync(file, 'utf8').replaceAll('\0', ' ').trim()] : []
      }),
    async settle() {
      for (const { id } of await app.desk.releases.list()) {
        for (const until = performance.now() + 30_000; performance.now() < until; await delay(50)) {
          const { buttons } = await app.card(id)
          const { state } = await app.desk.releases.need(id)
          if (over.includes(state.at)) break
          const way = buttons.find(({ action }) => action === 'release.rollback' || action === 'release.reject')
          if (way !== undefined) await app.press('bob', way.id)
        }
      }
    },
    async restart(next) {
      await app.stop(2000)
      change = { ...parts.change, ...next }
      app = await open()
    },
    async leave() {
      if (!left) await app.stop(2000)
      left = true
    },
    close,
  }
  return sandbox
}

function configOf(folder: string, fleet: Fleet, packages: Packages, change: Change): Record<string, unknown> {
  const base = worldConfig({ hosts: fleet.hosts, artifactUrl: packages.url, prometheusUrl: undefined, folder })
  const [service] = base.services as [{ artifact: object; recipe: object; policy: object }]
  return {
    ...base,
    people: [...base.people, { id: 'carol', roles: ['operator', 'approver'], surfaces: { terminal: 'carol' } }],
    services: [
      {
        ...service,
        artifact: { ...service.artifact, delivery: change.delivery ?? 'host' },
        recipe: {
          ...service.recipe,
          health: { command: ['bin/health'], timeout: '5s', passes: 2 },
          commandTimeout: '5s',
          keep: 20,
          ...change.recipe,
        },
        policy: {
          ...service.policy,
          batches: ['1', '100%'],
          windows: ['1s', '1s'],
          interval: '500ms',
          warmup: '0s',
          ...change.policy,
        },
      },
    ],
    ssh: { connectSeconds: 5, reconnectSeconds: [0.1, 0.2, 0.4], ...change.ssh },
    ...(change.prometheus === undefined ? {} : { prometheus: change.prometheus }),
    ...(change.console === undefined ? {} : { console: { port: 0 } }),
    ...change.sections,
  }
}

async function versionServed(host: SandboxHost): Promise<string> {
  try {
    const answer = await fetch(`http://${host.ip}:${host.servicePort}/health`, { signal: AbortSignal.timeout(3000) })
    return ((await answer.json()) as { version: string }).version
  } catch {
    return 'nothing'
  }
}

/** Bytes of a file; a folder counts nothing. */
function sizeOf(path: string): number {
  const found = statSync(path)
  return found.isFile() ? found.size : 0
}

function lines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

function walk(folder: string, below: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(join(folder, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      return entry.isDirectory() ? [path, ...walk(folder, path)] : [path]
    })
    .toSorted()
}

/** Makes the folder a disk of its own of so many MB; the result gives it back. Undefined where that is not permitted. */
export function smallDisk(folder: string, megabytes: number): (() => void) | undefined {
  mkdirSync(folder, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'rollcall-test', folder], {
      stdio: 'pipe',
    })
  } catch {
    return undefined
  }
  const release = () => {
    process.removeListener('exit', release)
    // Lazily: what still looks into it keeps it, nobody new gets there.
    execFileSync('umount', ['-l', folder], { stdio: 'pipe' })
  }
  process.once('exit', release)
  return release
}

function fail(why: string): never {
  throw new Error(why)
}
