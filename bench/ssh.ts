/**
 * `node bench/ssh.ts [--hosts 200] [--runs 3] [--ansible-runs 1] [--at-once 8]`
 *
 * The whole executor on many loopback hosts of one sshd (127.0.1.1 and on), beside the least that OpenSSH can do (one
 * exec with script and artifact on stdin) and beside ansible, if it is installed. Each run deploys a 1 MiB release over
 * an older one on every host, in new roots: send, verify sha256, unpack, stop, switch, start, health check.
 * Each contender runs in processes of its own; all share the machine with the server, so 8 deploys at once keep two cores
 * busy, and more only queue for them (the server's work shows up as delay in our event loop).
 */
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir, totalmem, userInfo } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import pLimit from 'p-limit'
import type { HostConfig } from '../src/adapters/ssh/config.ts'
import { createSshTarget } from '../src/adapters/ssh/index.ts'
import { quote } from '../src/adapters/ssh/quote.ts'
import type { Artifact } from '../src/ports/target.ts'
import { startSshd } from '../test/real/sshd.ts'

interface Figures {
  wall: number
  cpu: number
  /** What sshd and everything below it has used meanwhile. */
  server?: number
  rss: number | undefined
  p99: number | undefined
}

/** What our child process is told. */
interface Task {
  hosts: HostConfig[]
  roots: string
  artifact: Artifact
  atOnce: number
}

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '200' },
    runs: { type: 'string', default: '3' },
    'ansible-runs': { type: 'string', default: '1' },
    'at-once': { type: 'string', default: '8' },
    child: { type: 'string' },
  },
})

/** Our side, alone in its process: its CPU, memory and event loop are nobody else's. */
async function ours(task: Task): Promise<void> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const target = createSshTarget({ hosts: task.hosts })
  const limit = pLimit(task.atOnce)
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  delay.enable()
  await Promise.all(
    task.hosts.map((host) =>
      limit(async () => {
        const key = { release: 'bench', host: host.id, step: 'deploy', attempt: 1 }
        const recipe = {
          service: 'bench',
          root: join(task.roots, host.id),
          run: { by: 'commands' as const, start: ['./start'], stop: ['./stop'] },
          health: { command: ['./health'], timeoutSeconds: 30, passes: 1 },
          commandSeconds: 30,
          keep: 3,
        }
        const { artifact } = task
        const job = { key, kind: 'deploy' as const, version: 'v1', artifact, recipe, epoch: 1, by: 'bench' }
        const full = { ...job, scriptDigest: target.scriptDigest, timeoutSeconds: 120 }
        const state = await target.run(host.id, full, 0, async () => {})
        if (state.at !== 'done' || state.rc !== 0) throw new Error(`${host.id}: ${JSON.stringify(state)}`)
        await target.leave([host.id])
      }),
    ),
  )
  const wall = (performance.now() - began) / 1000
  delay.disable()
  const { user, system } = process.cpuUsage(cpuBefore)
  await target.close()
  const figures: Figures = {
    wall,
    cpu: (user + system) / 1e6,
    rss: process.resourceUsage().maxRSS / 1024,
    p99: delay.percentile(99) / 1e6,
  }
  process.stdout.write(JSON.stringify(figures))
}

async function main(): Promise<void> {
  const count = Number(values.hosts)
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-bench-'))
  const sshd = await startSshd({ config: ['MaxStartups 1000:30:2000', 'LogLevel INFO'] })
  const hosts = Array.from({ length: count }, (_, i) => sshd.host(i + 1))
  const archive = makeArchive(folder)
  const bytes = readFileSync(archive)
  const server = createServer((_, response) => void response.end(bytes))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/release.tar.gz`
  const digest = createHash('sha256').update(bytes).digest('hex')
  const artifact: Artifact = { url, algorithm: 'sha256', digest, delivery: 'upload' }
  const knownHosts = join(folder, 'known_hosts')
  writeFileSync(knownHosts, hosts.map((host) => `[${host.ip}]:${host.port} ${host.hostKey}\n`).join(''))
  let run = 0

  /**
   * New roots with v0 running, one per host; checked afterwards. They stay until the end: ext4 does not reuse an inode
   * for 5 s after it was deleted and looks for another one by one, so that clearing up would slow the next contender down.
   */
  async function onNewRoots(contender: (roots: string) => Promise<Figures>): Promise<Figures> {
    const roots = join(folder, `run-${++run}`)
    for (const host of hosts) prepareRoot(join(roots, host.id), folder)
    const before = familySeconds(sshd.pid)
    const figures = await contender(roots)
    figures.server = familySeconds(sshd.pid) - before
    for (const host of hosts) checkRoot(join(roots, host.id))
    return figures
  }
  const contenders = {
    rollcall: (roots: string) => {
      const task = join(folder, 'task.json')
      writeFileSync(task, JSON.stringify({ hosts, roots, artifact, atOnce: Number(values['at-once']) } satisfies Task))
      return runOurs(task)
    },
    floor: (roots: string) => runFloor({ folder, roots, hosts, archive, digest, knownHosts }),
    ansible: (roots: string) => runAnsible({ folder, roots, hosts, archive, digest, knownHosts }),
  }
  const results: Record<keyof typeof contenders, Figures[]> = { rollcall: [], floor: [], ansible: [] }
  try {
    const ansibleRuns = hasAnsible() ? Number(values['ansible-runs']) : 0
    for (let i = 0; i < Math.max(Number(values.runs), ansibleRuns); i++) {
      for (const name of ['floor', 'rollcall', 'ansible'] as const) {
        if (i >= (name === 'ansible' ? ansibleRuns : Number(values.runs))) continue
        const figures = await onNewRoots(contenders[name])
        results[name].push(figures)
        console.log(`run ${i + 1}, ${name}: ${figures.wall.toFixed(2)} s`)
      }
    }
    console.log(report(count, results))
  } finally {
    server.closeAllConnections()
    server.close()
    await sshd.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function makeArchive(folder: string): string {
  const content = join(folder, 'content')
  mkdirSync(content)
  writeFileSync(join(content, 'blob'), randomBytes(1024 * 1024))
  const script = (name: string, text: string) =>
    writeFileSync(join(content, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  script('start', 'echo $$ >pid && touch running')
  script('stop', 'rm -f running')
  script('health', '[ -f running ]')
  execFileSync('tar', ['-czf', join(folder, 'release.tar.gz'), '-C', content, '.'])
  return join(folder, 'release.tar.gz')
}

function prepareRoot(root: string, folder: string): void {
  mkdirSync(join(root, 'v0'), { recursive: true })
  for (const name of ['start', 'stop', 'health']) symlinkSync(join(folder, 'content', name), join(root, 'v0', name))
  writeFileSync(join(root, 'v0', 'running'), '')
  symlinkSync('v0', join(root, 'current'))
}

function checkRoot(root: string): void {
  const good =
    existsSync(join(root, 'current/running')) &&
    existsSync(join(root, 'v1/blob')) &&
    existsSync(join(root, 'v1/pid')) &&
    !existsSync(join(root, 'v0/running'))
  if (!good) throw new Error(`${root} was not deployed`)
}

/** User and system seconds of a process and of all its children that have ended; see proc_pid_stat(5), fields 14 to 17. */
function familySeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / 100, 0)
}

/** Summed resident memory of a process and all below it, in MB; pages that they share count each time. */
function treeMb(pid: number): number {
  const parents = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)])
    } catch {
      // It has ended in between.
    }
  }
  const sum = (id: number): number => {
    let own = 0
    try {
      own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0) / 1024
    } catch {
      // As above.
    }
    return (parents.get(id) ?? []).reduce((total, child) => total + sum(child), own)
  }
  return sum(pid)
}

function capture(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  return new Promise<{ stdout: string; wall: number; rss: number }>((resolve, reject) => {
    const began = performance.now()
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let rss = 0
    const sampler = setInterval(() => {
      rss = Math.max(rss, treeMb(child.pid ?? 0))
    }, 1000)
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString()
    })
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString()
    })
    child.on('close', (code) => {
      clearInterval(sampler)
      if (code === 0) resolve({ stdout, wall: (performance.now() - began) / 1000, rss })
      else reject(new Error(`${command} ended with ${code}: ${stderr.slice(-2000)}${stdout.slice(-2000)}`))
    })
    child.on('error', reject)
  })
}

async function runOurs(task: string): Promise<Figures> {
  const { stdout } = await capture(process.execPath, [import.meta.filename, '--child', task])
  return JSON.parse(stdout) as Figures
}

interface Scene {
  folder: string
  roots: string
  hosts: HostConfig[]
  archive: string
  digest: string
  knownHosts: string
}

/** The cheapest offers that both sides have, as our own client makes them. */
const sshOptions = (scene: Scene, key: string) => [
  ...['-F', 'none', '-i', key],
  ...[
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${scene.knownHosts}`,
    'PreferredAuthentications=publickey',
    'KexAlgorithms=curve25519-sha256',
    'Ciphers=aes128-gcm@openssh.com',
    'HostKeyAlgorithms=ssh-ed25519',
  ].flatMap((option) => ['-o', option]),
]

/** The same work without the protocol: no token, no lock, no fence, no runner, no watch, no audit, no log to come back to. */
const floorScript = `set -e
root=$1 digest=$2 new=$1/tmp.$$
mkdir "$new"
cat >"$new.tar.gz"
echo "$digest  $new.tar.gz" | sha256sum -c --quiet
tar -xzf "$new.tar.gz" -C "$new" --no-same-owner --no-same-permissions
mv -T "$new" "$root/v1"
old=$(readlink "$root/current")
cd "$root/$old" && ./stop
ln -s v1 "$root/current.new" && mv -T "$root/current.new" "$root/current"
cd "$root/v1" && ./start
./health
rm "$new.tar.gz"`

/** User and system seconds of all children, as the shell's \`times\` prints them. */
function childSeconds(times: string): number {
  const last = times.trim().split('\n').at(-1) ?? ''
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0)
}

async function runFloor(scene: Scene): Promise<Figures> {
  const user = userInfo().username
  const key = scene.hosts[0]?.key ?? ''
  const lines = scene.hosts.map((host) => {
    const remote = quote(['sh', '-c', floorScript, 'sh', join(scene.roots, host.id), scene.digest])
    const command = ['ssh', ...sshOptions(scene, key), '-p', String(host.port), `${user}@${host.ip}`, remote]
    return `exec ${quote(command)} <${quote([scene.archive])}`
  })
  lines.forEach((line, i) => {
    writeFileSync(join(scene.roots, `go-${i}`), line)
  })
  const all = lines.map((_, i) => join(scene.roots, `go-${i}`)).join('\n')
  writeFileSync(join(scene.roots, 'all'), `${all}\n`)
  const { stdout, wall, rss } = await capture('bash', [
    '-c',
    `xargs -P 32 -n 1 sh <${quote([join(scene.roots, 'all')])} && times`,
  ])
  return { wall, cpu: childSeconds(stdout), rss, p99: undefined }
}

function hasAnsible(): boolean {
  try {
    execFileSync('ansible-playbook', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    console.log('ansible is not installed: left out')
    return false
  }
}

/** As a person would write it, with every advice for speed: no facts, 50 forks, pipelining, ControlPersist. */
async function runAnsible(scene: Scene): Promise<Figures> {
  const home = join(scene.folder, 'ansible')
  mkdirSync(join(home, 'cp'), { recursive: true })
  const key = scene.hosts[0]?.key ?? ''
  const inventory = scene.hosts.map(
    (host) =>
      `${host.id} ansible_host=${host.ip} ansible_port=${host.port} ansible_user=${userInfo().username} root=${join(scene.roots, host.id)}`,
  )
  writeFileSync(join(home, 'hosts'), `${inventory.join('\n')}\n`)
  writeFileSync(
    join(home, 'ansible.cfg'),
    [
      '[defaults]',
      'forks = 50',
      'gathering = explicit',
      'interpreter_python = /usr/bin/python3',
      `local_tmp = ${join(home, 'tmp')}`,
      `remote_tmp = ${join(home, 'remote')}`,
      `private_key_file = ${key}`,
      'display_ok_hosts = false',
      '[ssh_connection]',
      'pipelining = true',
      `control_path_dir = ${join(home, 'cp')}`,
      `ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o KexAlgorithms=curve25519-sha256 -o Ciphers=aes128-gcm@openssh.com -o StrictHostKeyChecking=yes -o UserKnownHostsFile=${scene.knownHosts}`,
    ].join('\n'),
  )
  writeFileSync(
    join(home, 'deploy.yml'),
    `- hosts: all
  gather_facts: false
  tasks:
    - file: { path: "{{ root }}/v1", state: directory, mode: "0755" }
    - copy: { src: "${scene.archive}", dest: "{{ root }}/release.tar.gz" }
    - command: { cmd: "sha256sum -c --quiet", stdin: "${scene.digest}  {{ root }}/release.tar.gz" }
    - unarchive: { src: "{{ root }}/release.tar.gz", dest: "{{ root }}/v1", remote_src: true, owner: "${userInfo().username}" }
    - command: { cmd: ./stop, chdir: "{{ root }}/current" }
    - file: { src: v1, dest: "{{ root }}/current", state: link }
    - command: { cmd: ./start, chdir: "{{ root }}/current" }
    - command: { cmd: ./health, chdir: "{{ root }}/current" }
      register: health
      until: health.rc == 0
      retries: 30
      delay: 1
    - file: { path: "{{ root }}/release.tar.gz", state: absent }
`,
  )
  try {
    const command = 'ansible-playbook -i hosts deploy.yml >out 2>&1 || { tail -40 out; exit 1; }; times'
    const env = { ...process.env, ANSIBLE_CONFIG: join(home, 'ansible.cfg'), HOME: home }
    const { stdout, wall, rss } = await capture('bash', ['-c', command], { cwd: home, env })
    return { wall, cpu: childSeconds(stdout), rss, p99: undefined }
  } finally {
    for (const name of readdirSync(join(home, 'cp'))) {
      try {
        const socket = `ControlPath=${join(home, 'cp', name)}`
        execFileSync('ssh', ['-F', 'none', '-o', socket, '-O', 'exit', 'x'], { stdio: 'ignore' })
      } catch {
        // It has ended by itself.
      }
    }
    await rm(home, { recursive: true, force: true })
  }
}

function median(numbers: (number | undefined)[]): number | undefined {
  const known = numbers.filter((each) => each !== undefined).sort((a, b) => a - b)
  const half = known.length >> 1
  return known.length % 2 === 1 ? known[half] : ((known[half - 1] ?? 0) + (known[half] ?? 0)) / 2 || undefined
}

function report(count: number, results: Record<'rollcall' | 'floor' | 'ansible', Figures[]>): string {
  const table = new Table({
    head: [
      'contender',
      'runs',
      'wall s',
      'client CPU s',
      'server CPU s',
      'peak RSS MB',
      'event loop p99 ms',
      'wall / floor',
    ],
    style: { head: [], border: [] },
  })
  const wall = (name: keyof typeof results) => median(results[name].map((each) => each.wall))
  const show = (value: number | undefined, digits = 1) => (value === undefined ? '-' : value.toFixed(digits))
  const ratio = (a: number | undefined, b: number | undefined) =>
    a === undefined || b === undefined ? undefined : a / b
  const names = {
    rollcall: 'rollcall: the whole executor',
    floor: 'OpenSSH client, one exec, 32 at once',
    ansible: 'ansible, 50 forks, pipelining, ControlPersist',
  }
  for (const name of ['rollcall', 'floor', 'ansible'] as const) {
    const of = results[name]
    if (of.length === 0) continue
    table.push([
      names[name],
      of.length,
      show(wall(name), 2),
      show(median(of.map((each) => each.cpu))),
      show(median(of.map((each) => each.server))),
      show(median(of.map((each) => each.rss)), 0),
      show(median(of.map((each) => each.p99))),
      show(ratio(wall(name), wall('floor')), 2),
    ])
  }
  const toFloor = ratio(wall('rollcall'), wall('floor')) ?? Number.NaN
  const toAnsible = ratio(wall('ansible'), wall('rollcall'))
  const p99 = median(results.rollcall.map((each) => each.p99)) ?? Number.NaN
  const rss = median(results.rollcall.map((each) => each.rss)) ?? Number.NaN
  const aim = (holds: boolean, text: string) => `${holds ? 'holds' : 'FAILS'}  ${text}`
  return [
    `${count} hosts on one sshd, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}; medians`,
    table.toString(),
    aim(toFloor <= 1.3, `wall ${toFloor.toFixed(2)}x of the floor (aim: at most 1.3x)`),
    toAnsible === undefined
      ? 'not measured  ansible'
      : aim(toAnsible >= 15, `${toAnsible.toFixed(1)}x faster than ansible (aim: at least 15x)`),
    aim(p99 <= 60, `event loop p99 ${p99.toFixed(1)} ms (aim: at most 60 ms)`),
    aim(rss < 200, `peak RSS ${rss.toFixed(0)} MB (aim: under 200 MB)`),
  ].join('\n')
}

if (values.child !== undefined) await ours(JSON.parse(readFileSync(values.child, 'utf8')) as Task)
else await main()
