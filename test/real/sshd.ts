import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type HostConfig, hostSchema } from '../../src/adapters/ssh/config.ts'

const usual = ['/usr/sbin/sshd', '/usr/bin/sshd', '/usr/local/sbin/sshd', '/opt/homebrew/sbin/sshd']
const sshdPath = usual.find((path) => existsSync(path))

/** True when the real suites must not run; a missing sshd alone never skips them. */
export const skipReal = process.env.ROLLCALL_SKIP_REAL === '1'

export interface Sshd {
  folder: string
  port: number
  /** Path of the private key that may sign in as the current user. */
  key: string
  /** The OpenSSH public key line of each host key. */
  hostKeys: { ed25519: string; ecdsa: string; rsa: string }
  /** Host `n` of the many that this one server plays: 127.0.1.n for n up to 250, then 127.0.2.1 and so on. */
  host(n: number, more?: Partial<HostConfig>): HostConfig
  /** What the server has logged so far. */
  log(): string
  pid: number
  stop(): Promise<void>
}

export interface SshdOptions {
  /** Lines for sshd_config; they win over those of this helper. */
  config?: string[]
  /** Environment of the sessions. HOME is the server's folder unless told otherwise, so that nobody's ~/.bashrc slows tests down. */
  env?: Record<string, string>
  /** Runs sshd under this shell prefix, such as `ulimit -f 4096`. */
  under?: string
  /** Host key types to serve; all three unless told otherwise. */
  serve?: ('ed25519' | 'ecdsa' | 'rsa')[]
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '0.0.0.0', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** A real OpenSSH server of its own: own keys, own port on every 127.x.y.z, the current user. Ends with `stop`. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  if (sshdPath === undefined) {
    throw new Error(
      'sshd is missing. Install it (Debian, Ubuntu: apt-get install openssh-server), or set ROLLCALL_SKIP_REAL=1',
    )
  }
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-sshd-'))
  const keygen = (name: string, ...how: string[]) => {
    execFileSync('ssh-keygen', ['-q', '-N', '', '-C', '', ...how, '-f', join(folder, name)])
    return readFileSync(join(folder, `${name}.pub`), 'utf8').trim()
  }
  const user = keygen('user', '-t', 'ed25519')
  const hostKeys = {
    ed25519: keygen('ed25519', '-t', 'ed25519'),
    ecdsa: keygen('ecdsa', '-t', 'ecdsa', '-b', '256'),
    rsa: keygen('rsa', '-t', 'rsa', '-b', '2048'),
  }
  await writeFile(join(folder, 'authorized_keys'), `${user}\n`, { mode: 0o600 })
  await chmod(folder, 0o755)
  // As root, sshd insists on its privilege separation folder.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 })
  const serve = options.serve ?? ['ed25519', 'ecdsa', 'rsa']
  for (let tries = 1; ; tries++) {
    const port = await freePort()
    const config = [
      ...(options.config ?? []),
      `Port ${port}`,
      `SetEnv ${Object.entries({ HOME: folder, ...options.env })
        .map(([name, value]) => `"${name}=${value}"`)
        .join(' ')}`,
      'ListenAddress 0.0.0.0',
      ...serve.map((type) => `HostKey ${join(folder, type)}`),
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `PidFile none`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'PrintMotd no',
      'UseDNS no',
      'LogLevel VERBOSE',
      // Of this one the last line counts, not the first. The default: 10:30:100.
      ...(options.config?.some((line) => line.startsWith('MaxStartups')) ? [] : ['MaxStartups 10:30:100']),
    ]
    await writeFile(join(folder, 'sshd_config'), `${config.join('\n')}\n`)
    const log = join(folder, 'sshd.log')
    await writeFile(log, '')
    const command = [sshdPath, '-D', '-e', '-f', join(folder, 'sshd_config')]
    const child =
      options.under === undefined
        ? spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] })
        : spawn('sh', ['-c', `${options.under}; exec "$@"`, 'sh', ...command], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (data: Buffer) => appendFileSync(log, data))
    if (await listening(child, log)) {
      return {
        folder,
        port,
        key: join(folder, 'user'),
        hostKeys,
        pid: child.pid!,
        log: () => readFileSync(log, 'utf8'),
        host: (n, more = {}) =>
          hostSchema.parse({
            id: `host-${n}`,
            ip: `127.0.${1 + Math.floor((n - 1) / 250)}.${1 + ((n - 1) % 250)}`,
            port,
            user: userInfo().username,
            key: join(folder, 'user'),
            hostKey: hostKeys[serve[0]!],
            ...more,
          }),
        async stop() {
          await end(child)
          await rm(folder, { recursive: true, force: true })
        },
      }
    }
    const said = await readFile(log, 'utf8')
    await end(child)
    // The free port may have been taken in between.
    if (tries < 3 && /address already in use/i.test(said)) continue
    await rm(folder, { recursive: true, force: true })
    throw new Error(`sshd does not start: ${said.trim()}`)
  }
}

async function listening(child: ChildProcess, log: string): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null || child.signalCode !== null) return false
    if (readFileSync(log, 'utf8').includes('Server listening')) return true
    await sleep(50)
  }
  return false
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}
