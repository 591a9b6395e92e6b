/**
 * System parts that the demo and the real test suites need: found on PATH, else installed with the system's package
 * manager when that is possible without a question, else named with the command that brings them.
 * By itself: `node src/demo/parts.ts prometheus sshd curl`; exit code 1 when one is missing, 2 for an unknown name.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { endNow } from './processes.ts'

type Family = 'debian' | 'fedora' | 'alpine' | 'macos'

interface Entry extends Record<Family, string> {
  /** What Debian's package would start and enable. */
  units: string[]
  /** Names of the program, the first that is found is taken; the part's own when left out. */
  programs?: string[]
}

/** Package per family; dnf also takes the path of a program. */
const catalogue = {
  prometheus: {
    debian: 'prometheus',
    fedora: '/usr/bin/prometheus',
    alpine: 'prometheus',
    macos: 'prometheus',
    units: ['prometheus.service'],
  },
  alertmanager: {
    debian: 'prometheus-alertmanager',
    fedora: '/usr/bin/alertmanager',
    alpine: 'alertmanager',
    macos: 'alertmanager',
    units: ['prometheus-alertmanager.service'],
    programs: ['prometheus-alertmanager', 'alertmanager'],
  },
  sshd: {
    debian: 'openssh-server',
    fedora: 'openssh-server',
    alpine: 'openssh-server',
    macos: 'openssh',
    units: ['ssh.service', 'ssh.socket'],
  },
  ssh: { debian: 'openssh-client', fedora: 'openssh-clients', alpine: 'openssh-client', macos: 'openssh', units: [] },
  curl: { debian: 'curl', fedora: 'curl', alpine: 'curl', macos: 'curl', units: [] },
  tar: { debian: 'tar', fedora: 'tar', alpine: 'tar', macos: 'gnu-tar', units: [] },
  flock: { debian: 'util-linux', fedora: 'util-linux', alpine: 'flock', macos: 'util-linux', units: [] },
  setsid: { debian: 'util-linux', fedora: 'util-linux', alpine: 'setsid', macos: 'util-linux', units: [] },
  chromium: { debian: 'chromium', fedora: 'chromium', alpine: 'chromium', macos: 'chromium', units: [] },
  // For the tests only: they run MongoDB's protocol on a server in Java where there is no mongod.
  javac: {
    debian: 'default-jdk-headless',
    fedora: 'java-latest-openjdk-devel',
    alpine: 'openjdk17-jdk',
    macos: 'openjdk',
    units: [],
  },
  mvn: { debian: 'maven', fedora: 'maven', alpine: 'maven', macos: 'maven', units: [] },
  sha256sum: { debian: 'coreutils', fedora: 'coreutils', alpine: 'coreutils', macos: 'coreutils', units: [] },
} satisfies Record<string, Entry>

export type Part = keyof typeof catalogue

export interface Missing {
  part: Part
  /** The command that brings it on this system. */
  get: string
  /** Why it was not installed now. */
  why: string
}

export interface Obtained {
  /** Path of each part that is here. */
  found: Partial<Record<Part, string>>
  missing: Missing[]
}

/** What decides whether and how something can be installed; taken from this machine unless a test says otherwise. */
export interface System {
  platform: string
  /** Effective user id; 0 is root. */
  uid: number
  /** Text of /etc/os-release. */
  osRelease: string
  /** Debian's hook that says whether packages may start services. */
  policyFile: string
}

function thisSystem(): System {
  const osRelease = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  return { platform: process.platform, uid: process.geteuid?.() ?? -1, osRelease, policyFile: '/usr/sbin/policy-rc.d' }
}

/**
 * Path of each part, installing what lacks when this is root on Debian or Ubuntu with apt-get and ROLLCALL_NO_INSTALL is
 * not set. At most `ms` (90 s). Services that a package brings are neither started nor enabled; those that are there
 * already are left alone. Never throws for a part that cannot be had: it is in `missing` then.
 */
export async function obtain(
  parts: readonly Part[],
  options: { say: (line: string) => void; env?: NodeJS.ProcessEnv; system?: System; ms?: number },
): Promise<Obtained> {
  const { say, env = process.env, system = thisSystem(), ms = 90_000 } = options
  const first = look(parts, env)
  if (first.lacking.length === 0) return { found: first.found, missing: [] }
  const refusal = mayNotInstall(system, env)
  if (refusal !== undefined) return { found: first.found, missing: name(first.lacking, system, refusal) }
  const packages = [...new Set(first.lacking.map((part) => catalogue[part].debian))]
  say(`Installing ${packages.join(', ')} with apt-get (ROLLCALL_NO_INSTALL=1 forbids this).`)
  const failure = await install(packages, first.lacking, { env, system, ms })
  const second = look(parts, env)
  if (second.lacking.length > 0 && failure !== undefined) say(failure)
  const why = failure === undefined ? 'its package was installed, the program is still not on PATH' : 'apt-get failed'
  return { found: second.found, missing: name(second.lacking, system, why) }
}

/** One line per missing part, for a person. */
export function missingLine({ part, get, why }: Missing): string {
  return `${part} is missing (${why}). Get it with: ${get}`
}

/** Where a program lies, searched on PATH and then where daemons lie, which is off the PATH of many users. */
export function find(program: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  if (program === 'sshd') folders.push('/usr/sbin', '/usr/local/sbin')
  return folders.map((folder) => join(folder, program)).find(executable)
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function look(parts: readonly Part[], env: NodeJS.ProcessEnv): { found: Obtained['found']; lacking: Part[] } {
  const found: Obtained['found'] = {}
  const lacking: Part[] = []
  for (const part of parts) {
    const path = programsOf(part)
      .map((program) => find(program, env))
      .find((each) => each !== undefined)
    if (path === undefined) lacking.push(part)
    else found[part] = path
  }
  return { found, lacking }
}

function programsOf(part: Part): string[] {
  const entry: Entry = catalogue[part]
  return entry.programs ?? [part]
}

/** Why nothing may be installed here, or undefined. */
function mayNotInstall(system: System, env: NodeJS.ProcessEnv): string | undefined {
  const forbidden = env.ROLLCALL_NO_INSTALL ?? ''
  if (forbidden !== '' && forbidden !== '0') return 'ROLLCALL_NO_INSTALL forbids installing it'
  if (familyOf(system) !== 'debian' || find('apt-get', env) === undefined)
    return 'it is not installed by itself on this system'
  if (system.uid !== 0) return 'installing it needs root'
  return undefined
}

function familyOf({ platform, osRelease }: System): Family | undefined {
  if (platform === 'darwin') return 'macos'
  const ids = [...osRelease.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap((match) =>
    match[1]!.replaceAll('"', '').split(/\s+/),
  )
  if (ids.some((id) => id === 'debian' || id === 'ubuntu')) return 'debian'
  if (ids.some((id) => ['fedora', 'rhel', 'centos'].includes(id))) return 'fedora'
  return ids.includes('alpine') ? 'alpine' : undefined
}

function name(parts: Part[], system: System, why: string): Missing[] {
  return parts.map((part) => ({ part, why, get: command(part, system) }))
}

function command(part: Part, system: System): string {
  const family = familyOf(system)
  if (family === undefined) return `the package of your system that brings the program "${programsOf(part).at(-1)}"`
  const as = system.uid === 0 ? '' : 'sudo '
  const wanted = catalogue[part][family]
  switch (family) {
    case 'debian':
      return `${as}apt-get update && ${as}apt-get install -y --no-install-recommends ${wanted}`
    case 'fedora':
      return `${as}dnf install -y ${wanted}`
    case 'alpine':
      return `${as}apk add ${wanted}`
    case 'macos':
      return `brew install ${wanted}`
  }
}

interface Setting {
  env: NodeJS.ProcessEnv
  system: System
  ms: number
}

/** Returns what apt-get said when it failed. */
async function install(packages: string[], parts: Part[], { env, system, ms }: Setting): Promise<string | undefined> {
  const until = Date.now() + ms
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1', LC_ALL: 'C' }
  const patience = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'DPkg::Lock::Timeout=30']
  const policy = forbidStarts(system.policyFile, until)
  if (policy.refused !== undefined) return policy.refused
  try {
    // One dead source among several makes the update fail although the lists that matter are there: the installation decides.
    const update = await run('apt-get', ['update', '-q', ...patience], quiet, until - Date.now())
    const wanted = ['install', '-y', '-q', '--no-install-recommends', ...patience, ...packages]
    const added = await run('apt-get', wanted, quiet, until - Date.now())
    if (added.code !== 0) return tail(`${update.code === 0 ? '' : update.output}${added.output}`)
    // Or the next boot would start what we did not.
    const units = parts.flatMap((part) => catalogue[part].units)
    if (units.length > 0 && find('systemctl', env)) await run('systemctl', ['disable', ...units], quiet, 10_000)
    return undefined
  } finally {
    policy.lift()
  }
}

/**
 * Packages ask policy-rc.d before they start a service; exit code 101 means no (Debian's invoke-rc.d(8)). A hook that is
 * there already is left alone, and must say no, too. Ours stops saying no at `until`, should we be killed before it is removed.
 */
function forbidStarts(file: string, until: number): { lift: () => void; refused?: string } {
  if (existsSync(file)) {
    const forbids = /\bexit 101\b/.test(readFileSync(file, 'utf8'))
    return {
      lift: () => {},
      ...(forbids ? {} : { refused: `${file} lets packages start their services: nothing was installed` }),
    }
  }
  const lift = () => rmSync(file, { force: true })
  const deadline = Math.ceil(until / 1000) + 30
  writeFileSync(
    file,
    `#!/bin/sh\n# Rollcall, while it installs a part.\n[ "$(date +%s)" -lt ${deadline} ] && exit 101\nexit 0\n`,
    {
      mode: 0o755,
    },
  )
  process.once('exit', lift)
  return {
    lift: () => {
      process.removeListener('exit', lift)
      lift()
    },
  }
}

/** Runs a program in a process group of its own; the group is ended after `ms`. Keeps the last 64 KiB of its output. */
function run(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  ms: number,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer) => {
      output = (output + chunk).slice(-65_536)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const late = setTimeout(
      () => {
        output += `${program} was ended: it took longer than the time that was left\n`
        if (child.pid !== undefined) endNow(-child.pid)
      },
      Math.max(ms, 1),
    )
    child.on('error', (error) => {
      clearTimeout(late)
      resolve({ code: 127, output: `${output}${error.message}\n` })
    })
    child.on('close', (code) => {
      clearTimeout(late)
      resolve({ code: code ?? 1, output })
    })
  })
}

function tail(output: string): string {
  return output.trimEnd().split('\n').slice(-15).join('\n')
}

if (import.meta.main) {
  const asked = process.argv.slice(2)
  const unknown = asked.filter((one) => !Object.hasOwn(catalogue, one))
  if (asked.length === 0 || unknown.length > 0) {
    console.error(`usage: node src/demo/parts.ts PART...; parts: ${Object.keys(catalogue).join(', ')}`)
    process.exit(2)
  }
  const { found, missing } = await obtain(asked as Part[], { say: (line) => console.error(line) })
  for (const [part, path] of Object.entries(found)) console.log(`${part} ${path}`)
  for (const one of missing) console.error(missingLine(one))
  process.exitCode = missing.length > 0 ? 1 : 0
}
