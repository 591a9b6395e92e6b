import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { find, type Obtained, obtain, type Part, type System } from '../../src/demo/parts.ts'
import { alive } from '../../src/demo/processes.ts'
import { unsupported } from '../../src/demo/unsupported.ts'

const debian = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
const ubuntu = 'ID=ubuntu\nID_LIKE=debian\n'
const fedora = 'ID="fedora"\n'
const rocky = 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'
const alpine = 'ID=alpine\n'

describe('obtain', () => {
  let folder: string
  let bin: string
  let said: string[]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rollcall-parts-'))
    bin = join(folder, 'bin')
    mkdirSync(bin)
    said = []
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  // [what is so, system, extra environment, is apt-get called?, words of the command that a person is given]
  const decisions: [string, Partial<System>, NodeJS.ProcessEnv, boolean, string | undefined][] = [
    ['root on Debian installs', { osRelease: debian }, {}, true, undefined],
    ['root on Ubuntu installs', { osRelease: ubuntu }, {}, true, undefined],
    ['ROLLCALL_NO_INSTALL=0 does not forbid', { osRelease: debian }, { ROLLCALL_NO_INSTALL: '0' }, true, undefined],
    [
      'ROLLCALL_NO_INSTALL=1 forbids',
      { osRelease: debian },
      { ROLLCALL_NO_INSTALL: '1' },
      false,
      'apt-get update && apt-get install -y',
    ],
    [
      'a user on Debian is told',
      { osRelease: debian, uid: 1000 },
      {},
      false,
      'sudo apt-get install -y --no-install-recommends prometheus',
    ],
    ['Fedora is told', { osRelease: fedora, uid: 1000 }, {}, false, 'sudo dnf install -y /usr/bin/prometheus'],
    ['a relative of Fedora is told', { osRelease: rocky }, {}, false, 'dnf install -y /usr/bin/prometheus'],
    ['Alpine is told', { osRelease: alpine }, {}, false, 'apk add prometheus'],
    ['macOS is told', { platform: 'darwin', osRelease: '', uid: 501 }, {}, false, 'brew install prometheus'],
    ['an unknown system is told', { osRelease: 'ID=plan9\n' }, {}, false, 'the package of your system'],
  ]
  test.each(decisions)('%s', async (_, system, env, installs, words) => {
    apt('printf "#!/bin/sh\\n" > "$BIN/prometheus"; chmod 755 "$BIN/prometheus"')
    const { found, missing } = await ask(['prometheus'], system, env)
    expect(called().length > 0).toBe(installs)
    if (words === undefined) expect(found.prometheus).toBe(join(bin, 'prometheus'))
    else expect(missing).toEqual([{ part: 'prometheus', why: expect.any(String), get: expect.stringContaining(words) }])
  })

  test.each(['prometheus-alertmanager', 'alertmanager'])('Alertmanager is found as %s, too', async (name) => {
    apt('exit 1')
    program(name, 'exit 0')
    expect(await ask(['alertmanager'])).toEqual({ found: { alertmanager: join(bin, name) }, missing: [] })
    expect(called()).toEqual([])
  })

  test.each([
    [debian, 'apt-get install -y --no-install-recommends prometheus-alertmanager'],
    [fedora, 'dnf install -y /usr/bin/alertmanager'],
    [alpine, 'apk add alertmanager'],
    ['ID=plan9\n', 'brings the program "alertmanager"'],
  ])('without it and without root a person is told how to get it: %j', async (osRelease, words) => {
    const { missing } = await ask(['alertmanager'], { osRelease, uid: 1000 })
    expect(missing).toEqual([{ part: 'alertmanager', why: expect.any(String), get: expect.stringContaining(words) }])
  })

  test("Debian's Alertmanager is installed without its unit being started or enabled", async () => {
    apt('printf "#!/bin/sh\\n" > "$BIN/prometheus-alertmanager"; chmod 755 "$BIN/prometheus-alertmanager"')
    program('systemctl', 'echo "systemctl $*" >> "$LOG"')
    expect((await ask(['alertmanager'])).found.alertmanager).toBe(join(bin, 'prometheus-alertmanager'))
    expect(called()).toContain('systemctl disable prometheus-alertmanager.service')
  })

  test('what is on PATH is taken as it is, without a word and without apt-get', async () => {
    apt('exit 1')
    program('curl', 'exit 0')
    expect(await ask(['curl'])).toEqual({ found: { curl: join(bin, 'curl') }, missing: [] })
    expect(said).toEqual([])
    expect(called()).toEqual([])
  })

  test('a folder or a file that cannot be run is not a program', () => {
    mkdirSync(join(bin, 'curl'))
    writeFileSync(join(bin, 'tar'), '')
    expect(find('curl', { PATH: bin })).toBeUndefined()
    expect(find('tar', { PATH: bin })).toBeUndefined()
  })

  test('all that lacks is installed in one update and one install, each package once, and nothing is asked', async () => {
    apt(
      'for p in prometheus flock setsid; do printf "#!/bin/sh\\n" > "$BIN/$p"; chmod 755 "$BIN/$p"; done; echo "frontend=$DEBIAN_FRONTEND" >> "$LOG"',
    )
    program('curl', 'exit 0')
    const { missing } = await ask(['prometheus', 'curl', 'flock', 'setsid'])
    expect(missing).toEqual([])
    const calls = called().filter((line) => line.startsWith('apt-get'))
    expect(calls).toHaveLength(2)
    expect(calls[0]).toMatch(/^apt-get update/)
    expect(calls[1]).toMatch(/^apt-get install -y .*--no-install-recommends .* prometheus util-linux$/)
    expect(called()).toContain('frontend=noninteractive')
    expect(said).toEqual(['Installing prometheus, util-linux with apt-get (ROLLCALL_NO_INSTALL=1 forbids this).'])
  })

  test('while packages are installed no service may start, afterwards the hook is gone and their units are disabled', async () => {
    const policy = join(folder, 'policy-rc.d')
    apt(
      `"${policy}" prometheus start; echo "policy=$?" >> "$LOG"; printf '#!/bin/sh\\n' > "$BIN/prometheus"; chmod 755 "$BIN/prometheus"`,
    )
    program('systemctl', 'echo "systemctl $*" >> "$LOG"')
    await ask(['prometheus'])
    expect(called()).toContain('policy=101')
    expect(called()).toContain('systemctl disable prometheus.service')
    expect(existsSync(policy)).toBe(false)
  })

  test('a hook of the machine that says no is used and stays; one that says yes stops the installation', async () => {
    const policy = join(folder, 'policy-rc.d')
    apt('printf "#!/bin/sh\\n" > "$BIN/prometheus"; chmod 755 "$BIN/prometheus"')
    writeFileSync(policy, '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    const { missing } = await ask(['prometheus'])
    expect(missing).toHaveLength(1)
    expect(called()).toEqual([])
    expect(said.join('\n')).toContain(policy)
    writeFileSync(policy, '#!/bin/sh\nexit 101\n')
    expect((await ask(['prometheus'])).missing).toEqual([])
    expect(readFileSync(policy, 'utf8')).toBe('#!/bin/sh\nexit 101\n')
  })

  test('a failing apt-get is quoted, the hook goes, and the part is missing with its command', async () => {
    apt('echo "E: Unable to locate package prometheus" >&2; exit 100')
    const { missing } = await ask(['prometheus'])
    expect(missing[0]).toMatchObject({ part: 'prometheus', why: 'apt-get failed' })
    expect(said.join('\n')).toContain('E: Unable to locate package prometheus')
    expect(existsSync(join(folder, 'policy-rc.d'))).toBe(false)
  })

  test('an update that fails for one source does not stop an installation that works', async () => {
    apt('[ "$1" = update ] && exit 100; printf "#!/bin/sh\\n" > "$BIN/curl"; chmod 755 "$BIN/curl"')
    expect((await ask(['curl'])).missing).toEqual([])
    expect(said).toHaveLength(1)
  })

  test('an apt-get that hangs is ended with its children when the time is over', async () => {
    apt('sleep 300 & echo "child=$!" >> "$LOG"; wait')
    const began = performance.now()
    const { missing } = await ask(['curl'], {}, {}, 700)
    expect(performance.now() - began).toBeLessThan(5000)
    expect(missing).toHaveLength(1)
    expect(said.join('\n')).toContain('took longer')
    const children = called().flatMap((line) => (line.startsWith('child=') ? [Number(line.slice(6))] : []))
    expect(children.length).toBeGreaterThan(0)
    expect(children.filter(alive)).toEqual([])
  })

  test('by itself it prints paths, names what is missing with exit code 1, and an unknown part with 2', () => {
    program('curl', 'exit 0')
    const file = fileURLToPath(new URL('../../src/demo/parts.ts', import.meta.url))
    const call = (...parts: string[]) =>
      spawnSync(process.execPath, [file, ...parts], { encoding: 'utf8', env: { PATH: bin, ROLLCALL_NO_INSTALL: '1' } })
    expect(call('curl')).toMatchObject({ status: 0, stdout: `curl ${join(bin, 'curl')}\n`, stderr: '' })
    const lacking = call('curl', 'prometheus')
    expect(lacking.status).toBe(1)
    expect(lacking.stderr).toMatch(
      /^prometheus is missing \(ROLLCALL_NO_INSTALL forbids installing it\)\. Get it with: /,
    )
    expect(call('apache').status).toBe(2)
    expect(call().status).toBe(2)
  })

  function ask(
    parts: Part[],
    system: Partial<System> = {},
    env: NodeJS.ProcessEnv = {},
    ms = 20_000,
  ): Promise<Obtained> {
    return obtain(parts, {
      say: (line) => said.push(line),
      env: { PATH: bin, BIN: bin, LOG: join(folder, 'log'), ...env },
      system: { platform: 'linux', uid: 0, osRelease: debian, policyFile: join(folder, 'policy-rc.d'), ...system },
      ms,
    })
  }

  /** A package manager that notes how it was called. Its own PATH is a usual one. */
  function apt(body: string): void {
    program('apt-get', `echo "apt-get $*" >> "$LOG"\n${body}`)
  }

  function program(name: string, body: string): void {
    writeFileSync(join(bin, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}\n`)
    chmodSync(join(bin, name), 0o755)
  }

  function called(): string[] {
    const log = join(folder, 'log')
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  }
})

describe('unsupported', () => {
  test('says nothing on a Linux that has everything, and names what lacks on one that has not', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-parts-'))
    try {
      for (const name of ['sh', 'flock', 'setsid', 'tar']) writeFileSync(join(folder, name), '', { mode: 0o755 })
      expect(unsupported({ PATH: folder }, 'linux')).toMatch(/need sha256sum on PATH/)
      writeFileSync(join(folder, 'sha256sum'), '', { mode: 0o755 })
      expect(unsupported({ PATH: folder }, 'linux')).toBeUndefined()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('says in one line that macOS cannot run deployments on sandbox hosts', () => {
    const line = unsupported({ PATH: '' }, 'darwin')
    expect(line).toMatch(/macOS cannot run deployments/)
    expect(line).not.toContain('\n')
  })
})
