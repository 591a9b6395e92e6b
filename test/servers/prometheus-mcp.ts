import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** The release that the adapter was made for. */
const pythonPackage = 'prometheus-mcp-server==1.6.2'
const npmPackage = 'prometheus-mcp@1.1.3'

/**
 * The program of pab1it0/prometheus-mcp-server in a virtual environment, made once and kept for the next run in
 * ~/.cache/rollcall-test (or ROLLCALL_TEST_CACHE). On Debian, as root, python3-venv is installed when it is missing.
 */
export async function pythonPrometheusMcp(): Promise<string> {
  const folder = join(cacheFolder(), pythonPackage.replace('==', '-'))
  const program = join(folder, 'bin', 'prometheus-mcp-server')
  await once(folder, program, async () => {
    const made = await run('python3', ['-m', 'venv', '--clear', folder], 120_000)
    if (made.code !== 0) {
      await venvOnDebian(made.output)
      need(await run('python3', ['-m', 'venv', '--clear', folder], 120_000), 'python3 -m venv')
    }
    const pip = join(folder, 'bin', 'pip')
    need(await run(pip, ['install', '--quiet', '--disable-pip-version-check', pythonPackage], 300_000), 'pip install')
  })
  return program
}

/** The script of npm prometheus-mcp, installed once into the same cache folder, without any install script of its dependencies. */
export async function npmPrometheusMcp(): Promise<string> {
  const folder = join(cacheFolder(), npmPackage.replace('@', '-'))
  const script = join(folder, 'node_modules', 'prometheus-mcp', 'dist', 'index.mjs')
  await once(folder, script, async () => {
    await mkdir(folder, { recursive: true })
    const flags = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']
    need(await run('npm', [...flags, npmPackage], 300_000), 'npm install')
  })
  return script
}

function cacheFolder(): string {
  return process.env.ROLLCALL_TEST_CACHE ?? join(homedir(), '.cache', 'rollcall-test')
}

/** Makes what is not there; a half-made one of a run that was ended is made anew. Scripts of a venv hold its path, so it is made in its place. */
async function once(folder: string, program: string, make: () => Promise<void>): Promise<void> {
  const done = `${folder}.done`
  if (existsSync(done) && existsSync(program)) return
  await mkdir(dirname(folder), { recursive: true })
  await rm(folder, { recursive: true, force: true })
  await make()
  if (!existsSync(program)) throw new Error(`${program} is missing after the installation`)
  await writeFile(done, '')
}

/** Debian's python3 has no ensurepip of its own. */
async function venvOnDebian(said: string): Promise<void> {
  const how = 'apt-get install -y --no-install-recommends python3-venv'
  const osRelease = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const forbidden = (process.env.ROLLCALL_NO_INSTALL ?? '0') !== '0'
  if (forbidden || process.geteuid?.() !== 0 || !/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(osRelease))
    throw new Error(`python3 -m venv failed; get it with: ${how}\n${said}`)
  const quiet = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1', LC_ALL: 'C' }
  const patience = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20', '-o', 'DPkg::Lock::Timeout=30']
  // One dead source among several makes the update fail although the lists that matter are there: the installation decides.
  await run('apt-get', ['update', '-q', ...patience], 120_000, quiet)
  const install = ['install', '-y', '-q', '--no-install-recommends', ...patience, 'python3-venv']
  need(await run('apt-get', install, 180_000, quiet), how)
}

function need({ code, output }: { code: number; output: string }, what: string): void {
  if (code !== 0) throw new Error(`${what} failed with ${code}: ${output.slice(-2000)}`)
}

/** In a process group of its own, which is ended after `ms`. */
function run(
  program: string,
  args: string[],
  ms: number,
  env = process.env,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: Buffer) => {
      output = (output + chunk).slice(-65_536)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const late = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, ms)
    child.on('error', (error) => {
      clearTimeout(late)
      resolve({ code: 127, output: error.message })
    })
    child.on('close', (code) => {
      clearTimeout(late)
      resolve({ code: code ?? 1, output })
    })
  })
}
