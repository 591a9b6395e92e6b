import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf, tarOf, until } from '../adapters/ssh/kit.ts'
import type { ChildOptions, FileText, Press } from './kill-child.ts'
import { type Sshd, startSshd } from './sshd.ts'

const root = join(import.meta.dirname, '..', '..')
/** Per core of its machine the first host has the least load: the order of hosts must not hang on when the average ticks. */
const CORES = [4096, 64, 1]
const OLD = 'v1.0.0'

/** A host: an sshd of its own, whose home folder holds the service's root and what its scripts leave outside of it. */
export interface KillHost {
  id: string
  sshd: Sshd
  /** <home>/shop, the service's root. */
  service: string
  /** One line for each start and each stop of the service. */
  effects(): string[]
  /** Its service's nth start stops in its middle until `hold(0)`. */
  hold(nth: number): void
  /** Pids of the service's processes that live on this host. */
  daemons(): number[]
}

/** A story, and the hosts that it is played on. */
export interface Scene {
  name: string
  hosts: string[]
  /** The host on which the new version does not start. */
  bad?: string
  until: ChildOptions['until']
  /** The first checksum is that of another package: published anew, it makes an approval lapse. */
  lapse?: boolean
  /** The host whose first start stops in its middle until somebody lets it go. */
  held?: string
  /** What of the policy is not as usual. */
  policy?: Record<string, unknown>
  /** What people press before they press what they usually do: bob approves, alice promotes what is held. */
  presses?: (world: World) => Press[]
}

/** What people do in the world beside pressing. */
export interface World {
  /** The host's trouble ends: the new version starts on it. */
  repair(host: string): FileText
  /** The start that is held on this host goes on. */
  letGo(host: string): FileText
  /** The package's checksum as it is. */
  publish(): FileText
}

const USUALLY: Press[] = [
  { by: 'bob', action: 'release.approve', at: 'awaiting approval' },
  { by: 'alice', action: 'release.promote', at: 'held' },
]

export const CANDIDATE = 'v1.1.0'
export const NEXT = 'v1.2.0'

/** Files of the service. Each start prints some lines over `seconds`, with letters of several bytes among them. */
const FILES = {
  start: `#!/bin/sh
home=\${ROLLCALL_ROOT%/*}
. "$home/behaviour"
echo "start $ROLLCALL_VERSION\${1:+ $1}" >>"$home/effects"
for part in 1 2 3 4; do
  echo "starting $ROLLCALL_VERSION, part $part of 4: grün, 启动"
  sleep "$pause"
  # Held in its middle as long as the file says so.
  [ "$part" = 2 ] && while [ "$(cat "$home/hold")" = "$(grep -c ^start "$home/effects")" ]; do sleep 0.02; done
done 2>/dev/null
if [ "$ROLLCALL_VERSION" = "$bad" ]; then echo "the port is taken" >&2; exit 3; fi
sleep 300 </dev/null >/dev/null 2>&1 &
echo $! >pid
`,
  stop: `#!/bin/sh
echo "stop $ROLLCALL_VERSION" >>"\${ROLLCALL_ROOT%/*}/effects"
[ -f pid ] && kill "$(cat pid)"
rm -f pid
`,
  health: '#!/bin/sh\nkill -0 "$(cat pid)"\n',
}

/** Three real sshd, an artifact server's URL and a data folder; one story after the other is played in it. */
export async function createSlot(name: string, artifacts: Artifacts, cache: string) {
  const folder = await mkdtemp(join(tmpdir(), `rollcall-${name}-`))
  const sshds: Sshd[] = []
  try {
    // One after the other: they look for free ports.
    for (const cores of CORES) sshds.push(await startSshd({ env: { OMP_NUM_THREADS: String(cores) } }))
  } catch (error) {
    for (const sshd of sshds) await sshd.stop()
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  const children = new Set<ChildProcess>()
  const config = join(folder, 'rollcall.yaml')
  const sums = join(folder, 'SUMS')
  const data = join(folder, 'data')
  const transcript = join(folder, 'transcript')
  const points = join(folder, 'points')
  let hosts: KillHost[] = []
  let pause = 0

  const homeOf = (id: string) => hosts.find((host) => host.id === id)?.sshd.folder ?? ''
  const behaviour = (id: string, bad: string): FileText => ({
    file: join(homeOf(id), 'behaviour'),
    text: `pause=${pause} bad=${bad}\n`,
  })
  const world: World = {
    repair: (host) => behaviour(host, ''),
    letGo: (host) => ({ file: join(homeOf(host), 'hold'), text: '0\n' }),
    publish: () => ({ file: sums, text: artifacts.sums }),
  }

  /** A new data folder, and new hosts that run v1.0.0. Each start takes `seconds`. */
  async function reset(scene: Scene, seconds: number): Promise<void> {
    await endChildren()
    for (const sshd of sshds) await endProcessesIn(join(sshd.folder, 'shop'))
    for (const path of [data, transcript, points]) rmSync(path, { recursive: true, force: true })
    hosts = scene.hosts.map((id, i) => hostOf(id, sshds[i]!))
    pause = seconds / 4
    for (const sshd of sshds) {
      for (const path of ['shop', 'effects']) rmSync(join(sshd.folder, path), { recursive: true, force: true })
    }
    for (const host of hosts) {
      const { file, text } = behaviour(host.id, scene.bad === host.id ? CANDIDATE : '')
      writeFileSync(file, text)
      host.hold(scene.held === host.id ? 1 : 0)
      startOld(host)
    }
    writeFileSync(sums, scene.lapse ? artifacts.sums.replace(/^[0-9a-f]{64}/, '0'.repeat(64)) : artifacts.sums)
    configure(scene.policy)
  }

  /** Writes the configuration that the next process reads. */
  function configure(policy: object = {}, recipe: object = {}): void {
    writeFileSync(config, JSON.stringify(configFor(hosts, { url: artifacts.url, sums, data }, policy, recipe)))
  }

  function launch(argv: string[]) {
    const child = spawn(process.execPath, argv, {
      cwd: folder,
      env: { ...process.env, NODE_COMPILE_CACHE: cache, ROLLCALL_LOG: 'warn' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    children.add(child)
    const said = { out: '', errors: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.errors += text))
    const ended = once(child, 'close').then(() => {
      children.delete(child)
      return { code: child.exitCode, signal: child.signalCode, ...said }
    })
    return { child, ended, said }
  }

  async function endChildren(): Promise<void> {
    for (const child of [...children]) {
      const gone = once(child, 'close')
      child.kill('SIGKILL')
      await gone
    }
  }

  return {
    name,
    data,
    transcript,
    config,
    hosts: () => hosts,
    reset,
    configure,
    /** The bot with its people. */
    play: (scene: Scene, how: { record?: boolean; killAt?: ChildOptions['killAt']; version?: string } = {}) => {
      const { record, killAt, version = CANDIDATE } = how
      const presses = [...(scene.presses?.(world) ?? []), ...USUALLY]
      const always = { config, transcript, until: scene.until, presses, version, killAt }
      const all: ChildOptions = { ...always, ...(record ? { points } : {}) }
      return launch([join(import.meta.dirname, 'kill-child.ts'), JSON.stringify(all)])
    },
    /** The bot as people start it; they type into its input. */
    serve: () => launch([join(root, 'src', 'main.ts'), 'serve', '--config', config]),
    points: () => readFileSync(points, 'utf8').trimEnd().split('\n'),
    async dispose(): Promise<void> {
      await endChildren()
      for (const sshd of sshds) {
        await endProcessesIn(join(sshd.folder, 'shop'))
        await sshd.stop()
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
export type Slot = Awaited<ReturnType<typeof createSlot>>

function hostOf(id: string, sshd: Sshd): KillHost {
  const service = join(sshd.folder, 'shop')
  return {
    id,
    sshd,
    service,
    effects: () => readLines(join(sshd.folder, 'effects')),
    hold: (nth) => writeFileSync(join(sshd.folder, 'hold'), `${nth}\n`),
    daemons: () => processesIn(service).filter((pid) => readCommand(pid)[1] === '300'),
  }
}

/** The old version, laid by hand as on a host that is new to Rollcall. */
function startOld(host: KillHost): void {
  const release = join(host.service, OLD)
  mkdirSync(release, { recursive: true })
  for (const [name, text] of Object.entries(FILES)) {
    writeFileSync(join(release, name), text)
    chmodSync(join(release, name), 0o755)
  }
  symlinkSync(OLD, join(host.service, 'current'))
  const daemon = spawn('sleep', ['300'], { cwd: release, detached: true, stdio: 'ignore' })
  daemon.unref()
  writeFileSync(join(release, 'pid'), `${daemon.pid}\n`)
}

function configFor(
  hosts: KillHost[],
  at: { url: string; sums: string; data: string },
  policy: object,
  recipe: object,
): object {
  const url = `${at.url}/shop-{version}.tar.gz`
  return {
    services: [
      {
        name: 'shop',
        artifact: { url, checksum: { file: at.sums } },
        recipe: {
          root: '~/shop',
          start: ['./start'],
          stop: ['./stop'],
          health: { command: ['./health'], timeout: '10s', passes: 1 },
          commandTimeout: '15s',
          ...recipe,
        },
        policy: {
          batches: ['1', '100%'],
          // One look per window; without Prometheus it is inconclusive, and a person promotes.
          windows: ['30ms', '30ms'],
          interval: '30ms',
          warmup: '0s',
          minHealthyPercent: 0,
          ...policy,
        },
      },
    ],
    hosts: hosts.map(({ id, sshd }, i) => {
      const { ip, port, user, key, hostKey } = sshd.host(i + 1)
      return { id, ip, port, user, key, hostKey, region: 'here' }
    }),
    people: [
      { id: 'alice', roles: ['operator'], surfaces: { terminal: userInfo().username } },
      { id: 'bob', roles: ['approver'], surfaces: { console: 'bob' } },
      { id: 'carol', roles: ['approver'], surfaces: { console: 'carol' } },
      { id: 'dave', roles: ['approver'], surfaces: { console: 'dave' } },
    ],
    store: { folder: at.data },
    knowledge: join(root, 'knowledge'),
  }
}

export interface Artifacts {
  url: string
  /** The packages' lines as sha256sum writes them; the candidate's comes first. */
  sums: string
  close(): Promise<void>
}

/** The packages of the candidate and of the version after it, on a free port. */
export async function serveArtifacts(): Promise<Artifacts> {
  const packages = new Map([CANDIDATE, NEXT].map((version) => [`shop-${version}.tar.gz`, packageOf(version)]))
  const server = createServer((request, response) => {
    const body = packages.get(request.url?.slice(1) ?? '')
    response.writeHead(body ? 200 : 404, { 'content-length': body?.length ?? 0 })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sums: [...packages].map(([name, body]) => `${digestOf(body)}  ${name}\n`).join(''),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function packageOf(version: string): Buffer {
  const members = Object.entries(FILES).map(([file, text]) => ({ name: file, text, mode: 0o755 }))
  return gzipSync(tarOf([...members, { name: 'version', text: `${version}\n` }]))
}

export function readLines(path: string): string[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

/** Processes that work in a folder: the service's own, and whatever a job has left behind. */
function processesIn(folder: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const cwd = readlinkSync(`/proc/${name}/cwd`)
      return cwd === folder || cwd.startsWith(`${folder}/`) ? [Number(name)] : []
    } catch {
      // It has ended, or belongs to somebody else.
      return []
    }
  })
}

function readCommand(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

async function endProcessesIn(folder: string): Promise<void> {
  await until(`no process works in ${folder}`, () => {
    const left = processesIn(folder)
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
    return left.length === 0
  })
}
