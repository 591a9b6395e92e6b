import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSshTarget } from '../../src/adapters/ssh/index.ts'
import { deployArgs, deployScript } from '../../src/adapters/ssh/protocol.ts'
import type { Artifact, Recipe, Target } from '../../src/ports/target.ts'
import {
  createKit,
  digestOf,
  effects,
  jobOf,
  type Kit,
  keyOf,
  type Member,
  readIn,
  releasesIn,
  runAndRead,
  serviceTar,
  tarOf,
} from '../adapters/ssh/kit.ts'
import { type Sshd, skipReal, startSshd } from './sshd.ts'

describe.skipIf(skipReal)('a deploy over a real sshd', () => {
  let sshd: Sshd
  let kit: Kit
  let target: Target
  let count = 0
  /** A new root and a new job key. */
  const fresh = (more: Partial<Recipe> = {}) => kit.recipe(`svc-${++count}`, more)
  const deploy = (recipe: Recipe, version: string, artifact: Artifact, more = {}) =>
    runAndRead(target, 'host-1', jobOf(target, recipe, keyOf(`r${++count}`), version, { artifact, ...more }))

  beforeAll(async () => {
    sshd = await startSshd()
    kit = await createKit()
    target = createSshTarget({ hosts: [sshd.host(1)] })
  })
  afterAll(async () => {
    await target?.close()
    await sshd?.stop()
    await kit?.stop()
  })

  test('puts a release on the host, and the probe says so', async () => {
    const recipe = fresh()
    const before = await target.probe('host-1', recipe)
    expect(before).toMatchObject({ state: 'absent', versions: [], epoch: 0, missing: [] })
    const artifact = kit.artifact('/a', serviceTar('1.0.0'))
    const { state, log } = await deploy(recipe, '1.0.0', artifact, { epoch: 3 })
    expect(state).toEqual({ at: 'done', rc: 0 })
    expect(log).toContain('== done: 1.0.0')
    expect(readlinkSync(join(recipe.root, 'current'))).toBe('1.0.0')
    const facts = await target.probe('host-1', recipe)
    expect(facts).toMatchObject({ state: 'running', version: '1.0.0', versions: ['1.0.0'], epoch: 3, host: 'host-1' })
    expect(facts.previous).toBeUndefined()
    expect(facts.freeDiskMb).toBeGreaterThan(0)
    expect(facts.cpus).toBeGreaterThan(0)
    expect(facts.bootId).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    expect(Math.abs(facts.clockSkewSeconds)).toBeLessThan(2)
    expect(statSync(join(recipe.root, '.rollcall')).mode & 0o777).toBe(0o700)
    expect(statSync(join(recipe.root, '1.0.0')).mode & 0o055).toBe(0o055)
  })

  test.each([
    ['upload', 'sha256'],
    ['upload', 'md5'],
    ['host', 'sha256'],
    ['host', 'md5'],
  ] as const)('takes the artifact by %s with %s', async (delivery, algorithm) => {
    const recipe = fresh()
    const artifact = kit.artifact(`/by-${delivery}-${algorithm}`, serviceTar('1.0.0'), { delivery, algorithm })
    const { state, log } = await deploy(recipe, '1.0.0', artifact)
    expect(state).toEqual({ at: 'done', rc: 0 })
    expect(readIn(recipe, 'current/version')).toBe('1.0.0\n')
    // What is done stands in the order in which it is done.
    expect(log.split('\n').flatMap((line) => /^== (\w+)/.exec(line)?.[1] ?? [])).toEqual([
      ...(delivery === 'host' ? ['download', 'verify'] : []),
      ...['disk', 'unpack', 'switch', 'start', 'health', 'done'],
    ])
  })

  test('a host without curl downloads with wget', async () => {
    // PATH of the payload is that of the login; a folder of links to everything but curl stands in for such a host.
    const bin = join(kit.folder, 'bin')
    mkdirSync(bin)
    execFileSync('sh', ['-c', `cd ${bin} && ln -s /usr/bin/* /bin/* . 2>/dev/null; rm -f curl`], { stdio: 'ignore' })
    const without = await startSshd({ env: { PATH: bin } })
    const other = createSshTarget({ hosts: [without.host(1)] })
    try {
      const recipe = fresh({ health: { url: kit.url('/healthy'), timeoutSeconds: 3, passes: 1 } })
      kit.artifact('/healthy', Buffer.from('ok'))
      const artifact = kit.artifact('/by-wget', serviceTar('1.0.0'), { delivery: 'host' })
      const job = jobOf(other, recipe, keyOf('wget'), '1.0.0', { artifact })
      expect((await runAndRead(other, 'host-1', job)).state).toEqual({ at: 'done', rc: 0 })
      expect(await other.probe('host-1', recipe)).toMatchObject({ state: 'running', missing: [] })
      const lost = { ...artifact, url: kit.url('/nothing-here') }
      const failing = jobOf(other, fresh(), keyOf('wget-404'), '1.0.0', { artifact: lost })
      expect((await runAndRead(other, 'host-1', failing)).state).toMatchObject({ at: 'done', rc: 1 })
    } finally {
      await other.close()
      await without.stop()
    }
  })

  test.each([
    ['plain tar', (tar: Buffer) => tar],
    ['xz', (tar: Buffer) => execFileSync('xz', ['-c'], { input: tar })],
  ])('unpacks %s', async (name, pack) => {
    const recipe = fresh()
    const tar = tarOf([
      { name: 'start', mode: 0o755, text: '#!/bin/sh\ntouch running\n' },
      { name: 'stop', mode: 0o755, text: '#!/bin/sh\n' },
    ])
    const artifact = kit.artifact(`/packed-${name.replace(' ', '-')}`, pack(tar))
    expect((await deploy(recipe, '1.0.0', artifact)).state).toEqual({ at: 'done', rc: 0 })
    // The archive says nothing of the folder itself: the user's umask does (sshd's is at least 022), not that of .rollcall.
    expect(statSync(join(recipe.root, '1.0.0')).mode & 0o777).toBe(0o777 & ~(process.umask() | 0o022))
  })

  test.each([
    ['done', 'exec /usr/bin/env -u PATH sync "$@"', { at: 'done', rc: 0 }],
    ['an old one without -f', `case $# in 0) ;; *) echo "sync: invalid option -- 'f'" >&2; exit 1 ;; esac`, { rc: 0 }],
    [
      'failed',
      'echo "sync: error syncing: Input/output error" >&2; exit 1',
      { rc: 1, reason: 'unpack: cannot be written to the disk: sync: error syncing: Input/output error' },
    ],
  ])('a release is synced before it has its name: %s', async (name, script, expected) => {
    const bin = join(kit.folder, `bin-${++count}`)
    mkdirSync(bin)
    const told = 'cd "$ROLLCALL_ROOT" && echo "$#: $(ls)" >>.rollcall/synced\n'
    writeFileSync(join(bin, 'sync'), `#!/bin/sh\n${told}${script}\n`, { mode: 0o755 })
    const watched = await startSshd({ env: { PATH: `${bin}:/usr/bin:/bin` } })
    const other = createSshTarget({ hosts: [watched.host(1)] })
    try {
      const recipe = fresh()
      const artifact = kit.artifact(`/sync-${count}`, serviceTar('v1'))
      const job = jobOf(other, recipe, keyOf('sync'), 'v1', { artifact })
      expect((await runAndRead(other, 'host-1', job)).state).toMatchObject(expected)
      expect(readIn(recipe, '.rollcall/synced')).toBe(name.startsWith('an old') ? '2: \n0: \n' : '2: \n')
      expect(releasesIn(recipe)).toEqual(expected.rc === 0 ? ['v1'] : [])
    } finally {
      await other.close()
      await watched.stop()
    }
  })

  test('switches forth and back, records the previous release and writes one audit line per change', async () => {
    const recipe = fresh()
    await deploy(recipe, 'v1', kit.artifact('/v1', serviceTar('v1')))
    await deploy(recipe, 'v2', kit.artifact('/v2', serviceTar('v2')))
    expect(await target.probe('host-1', recipe)).toMatchObject({
      version: 'v2',
      previous: 'v1',
      versions: ['v1', 'v2'],
    })
    const back = jobOf(target, recipe, { ...keyOf('back'), step: 'rollback' }, 'v1', { kind: 'switch', epoch: 2 })
    expect((await runAndRead(target, 'host-1', back)).state).toEqual({ at: 'done', rc: 0 })
    expect(await target.probe('host-1', recipe)).toMatchObject({ version: 'v1', previous: 'v2', state: 'running' })
    expect(effects(recipe)).toEqual(['v1', 'v2', 'v1'])
    // The old release was stopped in its own folder.
    expect(existsSync(join(recipe.root, 'v2/running'))).toBe(false)
    const audit = readIn(recipe, '.rollcall/audit.log')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(audit.map(({ kind, from, to, rc, by }) => ({ kind, from, to, rc, by }))).toEqual([
      { kind: 'deploy', from: '', to: 'v1', rc: 0, by: 'alice, bob' },
      { kind: 'deploy', from: 'v1', to: 'v2', rc: 0, by: 'alice, bob' },
      { kind: 'switch', from: 'v2', to: 'v1', rc: 0, by: 'alice, bob' },
    ])
    expect(audit[1]?.digest).toBe(`sha256:${digestOf(serviceTar('v2'))}`)
    expect(audit[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  })

  test('a switch to a release that is not there changes nothing', async () => {
    const recipe = fresh()
    await deploy(recipe, 'v1', kit.artifact('/s1', serviceTar('v1')))
    const job = jobOf(target, recipe, keyOf('nowhere'), 'v9', { kind: 'switch' })
    const { state } = await runAndRead(target, 'host-1', job)
    expect(state).toEqual({ at: 'done', rc: 1, reason: 'switch: v9 is not on this host' })
    expect(await target.probe('host-1', recipe)).toMatchObject({ version: 'v1', state: 'running' })
  })

  test('remove stops the service and drops current', async () => {
    const recipe = fresh()
    await deploy(recipe, 'v1', kit.artifact('/r1', serviceTar('v1')))
    const job = jobOf(target, recipe, keyOf('remove'), 'v1', { kind: 'remove' })
    expect((await runAndRead(target, 'host-1', job)).state).toEqual({ at: 'done', rc: 0 })
    expect(existsSync(join(recipe.root, 'v1/running'))).toBe(false)
    const facts = await target.probe('host-1', recipe)
    expect(facts).toMatchObject({ state: 'absent', versions: ['v1'] })
    expect(facts.version).toBeUndefined()
  })

  test('deploying the current version again restarts it without sending or fetching it again', async () => {
    const recipe = fresh()
    const artifact = kit.artifact('/again', serviceTar('v1'), { delivery: 'host' })
    await deploy(recipe, 'v1', artifact)
    const { state, log } = await deploy(recipe, 'v1', artifact)
    expect(state).toEqual({ at: 'done', rc: 0 })
    expect(log).toContain('v1 lies here complete')
    expect(kit.asked('/again')).toBe(1)
    expect(effects(recipe)).toEqual(['v1', 'v1'])
  })

  test('refuses to put other content under a version that lies there', async () => {
    const recipe = fresh()
    await deploy(recipe, 'v1', kit.artifact('/same-1', serviceTar('v1')))
    const { state } = await deploy(recipe, 'v1', kit.artifact('/same-2', serviceTar('v1', 'echo other')))
    expect(state).toMatchObject({ at: 'done', rc: 1 })
    expect(state.at === 'done' && state.reason).toMatch(/^unpack: v1 lies here with another content/)
    expect(effects(recipe)).toEqual(['v1'])
  })

  test('keeps N releases, among them the current, the previous and one that is in use', async () => {
    const recipe = fresh({ keep: 2 })
    for (const version of ['v1', 'v2', 'v3', 'v4']) {
      expect((await deploy(recipe, version, kit.artifact(`/keep-${version}`, serviceTar(version)))).state.at).toBe(
        'done',
      )
    }
    expect(releasesIn(recipe)).toEqual(['v3', 'v4'])
    await deploy(
      recipe,
      'v5',
      kit.artifact('/keep-v5', serviceTar('v5', 'exec >/dev/null 2>&1\nsleep 30 &\necho $! >pid')),
    )
    await deploy(recipe, 'v6', kit.artifact('/keep-v6', serviceTar('v6')))
    await deploy(recipe, 'v7', kit.artifact('/keep-v7', serviceTar('v7')))
    // v5's process still runs in its folder.
    expect(releasesIn(recipe)).toEqual(['v5', 'v6', 'v7'])
    process.kill(Number(readIn(recipe, 'v5/pid')))
  })

  test('start and stop get the values as they are, and no shell sees them', async () => {
    const recipe = fresh()
    const odd = ['a b', '', '$(touch hacked)', '`id`', "it's", '--help', ';', '*', 'ü\n\t"', '\\']
    recipe.run = { by: 'commands', start: ['./say', ...odd], stop: ['./stop'] }
    const say =
      '#!/bin/sh\nprintf "%s\\n" "$ROLLCALL_SERVICE" "$ROLLCALL_VERSION" >env\nprintf "%s\\0" "$@" >said\ntouch running\n'
    await deploy(recipe, 'v1', kit.artifact('/odd', serviceTar('v1', '', [{ name: 'say', mode: 0o755, text: say }])))
    expect(readIn(recipe, 'current/said')).toBe(`${odd.join('\0')}\0`)
    expect(readIn(recipe, 'current/env')).toBe(`${recipe.service}\nv1\n`)
    expect(existsSync(join(recipe.root, 'current/hacked'))).toBe(false)
  })

  describe('an artifact that is not as it should be', () => {
    /** Deploys over v1 and expects that v1 stays as it was. */
    async function spoil(artifact: Artifact) {
      const recipe = fresh()
      await deploy(recipe, 'v1', kit.artifact('/whole', serviceTar('v1')))
      const { state } = await deploy(recipe, 'v2', artifact)
      expect(releasesIn(recipe)).toEqual(['v1'])
      expect(await target.probe('host-1', recipe)).toMatchObject({ version: 'v1', state: 'running', versions: ['v1'] })
      expect(effects(recipe)).toEqual(['v1'])
      return state
    }
    const reason = (state: Awaited<ReturnType<typeof spoil>>) => (state.at === 'done' ? state.reason : state)

    test('404 on the host', async () => {
      const artifact = { ...kit.artifact('/x', serviceTar('v2')), url: kit.url('/gone'), delivery: 'host' as const }
      expect(reason(await spoil(artifact))).toMatch(/^download: .*404/)
    })

    test('404 on the bot', async () => {
      const artifact = { ...kit.artifact('/x', serviceTar('v2', 'echo')), url: kit.url('/gone?token=geheim') }
      const state = await spoil(artifact)
      expect(state).toMatchObject({ at: 'refused', why: 'upload' })
      expect(JSON.stringify(state)).toMatch(/answered 404/)
      expect(JSON.stringify(state)).not.toContain('geheim')
    })

    test('a server that fails is worth another try', async () => {
      const artifact = kit.artifact('/broken', (_request, response) => void response.writeHead(503).end(), {
        digest: 'b'.repeat(64),
      })
      const job = jobOf(target, fresh(), keyOf('broken'), 'v1', { artifact })
      await expect(runAndRead(target, 'host-1', job)).rejects.toMatchObject({ code: 'target.artifact', retry: true })
      expect(await target.look('host-1', job.key, 0)).toMatchObject({ state: { at: 'new' } })
    })

    test('a wrong checksum', async () => {
      const wrong = { ...kit.artifact('/wrong', serviceTar('v2')), digest: 'a'.repeat(64) }
      expect(reason(await spoil({ ...wrong, delivery: 'host' }))).toMatch(
        /^verify: the artifact's sha256 is [0-9a-f]{64}/,
      )
      const state = await spoil({ ...wrong, delivery: 'upload' })
      expect(state).toMatchObject({ at: 'refused', why: 'upload' })
    })

    test('a redirect to another protocol', async () => {
      const artifact = kit.artifact(
        '/away',
        (_request, response) => void response.writeHead(302, { location: 'file:///etc/hostname' }).end(),
        { delivery: 'host' },
      )
      expect(reason(await spoil(artifact))).toMatch(/^download: .*[Pp]rotocol/)
    })

    test('truncated', async () => {
      const whole = serviceTar('v2', '', [{ name: 'big', text: 'x'.repeat(100_000) }])
      const half = whole.subarray(0, whole.length / 2)
      expect(reason(await spoil(kit.artifact('/half', half)))).toMatch(/^unpack: not a tar archive \(.*unexpected end/)
    })

    test('not an archive', async () => {
      const page = Buffer.from('<html>sign in first</html>'.repeat(100))
      expect(reason(await spoil(kit.artifact('/page', page)))).toBe('unpack: not a tar archive')
      expect(reason(await spoil(kit.artifact('/page.gz', gzipSync(page))))).toBe('unpack: not a tar archive')
    })

    test('empty', async () => {
      expect(reason(await spoil(kit.artifact('/empty.gz', gzipSync(tarOf([])))))).toMatch(
        /^unpack: an archive without members/,
      )
    })

    const file = (name: string): Member => ({ name, text: 'x' })
    test.each<[string, Member[], string]>([
      ['an absolute name', [file('/tmp/rollcall-hostile')], '/tmp/rollcall-hostile'],
      ['..', [file('../../../outside')], '../../../outside'],
      ['.. in the middle', [file('a/../../outside')], 'a/../../outside'],
      ['a link to an absolute place', [{ name: 'l', type: '2', link: '/etc/passwd' }], 'l'],
      ['a link out of the folder', [{ name: 'a/l', type: '2', link: '../../outside' }], 'a/l'],
      ['a link with .. behind a name', [{ name: 'a/b/l', type: '2', link: 'x/../../../../o' }], 'a/b/l'],
      ['a hard link out', [{ name: 'h', type: '1', link: '../../effects' }], 'h'],
      ['an absolute hard link', [{ name: 'h', type: '1', link: '/etc/passwd' }], 'h'],
      ['a member behind a link', [{ name: 'a', type: '2', link: 'b' }, file('a/x')], 'a/x'],
      ['a member before its link', [file('a/x'), { name: 'a', type: '2', link: 'b' }], 'a/x'],
      ['a name that looks like a link', [{ name: 'l -> x', type: '2', link: '../..' }], 'l -> x -> ../..'],
      ['a device', [{ name: 'null', type: '3' }], 'null'],
      ['a fifo', [{ name: 'pipe', type: '6' }], 'pipe'],
      ['our own marker', [file('./.rollcall-digest')], '.rollcall-digest'],
      ['a line break in a name', [file('a\n-rw-r--r-- 0/0 1 2024-01-01 00:00 b/../../x')], 'a\\n'],
      ['an owner with spaces', [{ ...file('../x'), owner: 'a b c d e f' }], '../x'],
    ])('hostile: %s', async (name, members, named) => {
      const artifact = kit.artifact(
        `/hostile-${name.replaceAll(/\W/g, '-')}`,
        gzipSync(tarOf([file('ok'), ...members])),
      )
      const said = reason(await spoil(artifact))
      expect(said).toContain('unpack: refused member ')
      expect(said).toContain(named)
      expect(existsSync('/tmp/rollcall-hostile')).toBe(false)
    })

    test('links that stay inside are fine, and setuid bits are dropped', async () => {
      const recipe = fresh()
      const members: Member[] = [
        { name: 'bin/', type: '5' },
        { name: 'bin/tool', type: '2', link: '../lib/tool.js' },
        { name: 'lib/tool.js', text: 'x' },
        { name: 'lib/same.js', type: '1', link: 'lib/tool.js' },
        { name: 'lib/shell', text: 'x', mode: 0o6755 },
      ]
      const { state } = await deploy(recipe, 'v1', kit.artifact('/links', serviceTar('v1', '', members)))
      expect(state).toEqual({ at: 'done', rc: 0 })
      expect(readIn(recipe, 'current/bin/tool')).toBe('x')
      expect(statSync(join(recipe.root, 'v1/lib/shell')).mode & 0o7777).toBe(0o755)
    })
  })

  describe('a service that does not do its part', () => {
    test('start that fails: said with its exit and the state of the host', async () => {
      const recipe = fresh()
      const { state, log } = await deploy(
        recipe,
        'v1',
        kit.artifact('/f1', serviceTar('v1', 'echo no port >&2; exit 3')),
      )
      expect(state).toEqual({
        at: 'done',
        rc: 1,
        reason: 'start: exit 3; current is v1, the service may be down',
      })
      expect(log).toContain('no port')
      expect(await target.probe('host-1', recipe)).toMatchObject({ version: 'v1', state: 'unhealthy' })
    })

    test('start that is not there', async () => {
      const recipe = fresh({ run: { by: 'commands', start: ['./begin'], stop: ['./stop'] } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/f2', serviceTar('v1')))
      expect(state.at === 'done' && state.reason).toMatch(/^start: exit 127;/)
    })

    test('start that hangs is ended with everything it started', async () => {
      const recipe = fresh({ commandSeconds: 1 })
      const hang = 'sleep 4711 & echo $! >child; trap "" TERM; while :; do sleep 1; done'
      const { state } = await deploy(recipe, 'v1', kit.artifact('/f3', serviceTar('v1', hang)))
      expect(state).toEqual({
        at: 'done',
        rc: 1,
        reason: 'start: did not return in 1 s; current is v1, the service may be down',
      })
      expect(existsSync(`/proc/${readIn(recipe, 'current/child').trim()}`)).toBe(false)
    })

    test('stop that hangs: nothing is switched', async () => {
      const recipe = fresh({ commandSeconds: 1, run: { by: 'commands', start: ['./start'], stop: ['sleep', '60'] } })
      await deploy(recipe, 'v1', kit.artifact('/f4', serviceTar('v1')))
      const { state } = await deploy(recipe, 'v2', kit.artifact('/f5', serviceTar('v2')))
      expect(state).toEqual({ at: 'done', rc: 1, reason: 'stop: did not return in 1 s; current is still v1' })
      expect(readlinkSync(join(recipe.root, 'current'))).toBe('v1')
    })

    test('stop that fails stops the deploy only while the old release still answers', async () => {
      const recipe = fresh({ run: { by: 'commands', start: ['./start'], stop: ['false'] } })
      await deploy(recipe, 'v1', kit.artifact('/f6', serviceTar('v1')))
      const first = await deploy(recipe, 'v2', kit.artifact('/f7', serviceTar('v2')))
      expect(first.state).toEqual({
        at: 'done',
        rc: 1,
        reason: 'stop: exit 1, and the old release still answers; current is still v1',
      })
      execFileSync('rm', [join(recipe.root, 'v1/running')])
      const second = await deploy(recipe, 'v2', kit.artifact('/f7', serviceTar('v2')))
      expect(second.state).toEqual({ at: 'done', rc: 0 })
    })

    test('health that never answers', async () => {
      const url = kit.url('/sick')
      kit.artifact('/sick', (_request, response) => void response.writeHead(500).end())
      const recipe = fresh({ health: { url, timeoutSeconds: 1, passes: 1 } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/h1', serviceTar('v1')))
      expect(state).toEqual({
        at: 'done',
        rc: 1,
        reason: `health: no 2xx answer from ${url} in 1 s (last: HTTP 500); current is v1`,
      })
      expect(await target.probe('host-1', recipe)).toMatchObject({ state: 'unhealthy' })
    })

    test('health that nobody listens for: stopped', async () => {
      const recipe = fresh({ health: { url: 'http://127.0.0.1:9/', timeoutSeconds: 1, passes: 1 } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/h2', serviceTar('v1')))
      expect(state.at === 'done' && state.reason).toMatch(/last: curl exit 7\)/)
      expect(await target.probe('host-1', recipe)).toMatchObject({ state: 'stopped', version: 'v1' })
    })

    test('health that flaps', async () => {
      let good = false
      kit.artifact('/flap', (_request, response) => {
        good = !good
        response.writeHead(good ? 200 : 503).end()
      })
      const recipe = fresh({ health: { url: kit.url('/flap'), timeoutSeconds: 2, passes: 2 } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/h3', serviceTar('v1')))
      expect(state.at === 'done' && state.reason).toMatch(
        /^health: not 2 good answers in a row in 2 s \(\d of \d were good/,
      )
    })

    test('a redirect is not a 2xx', async () => {
      kit.artifact('/moved', (_request, response) => void response.writeHead(302, { location: '/' }).end())
      const recipe = fresh({ health: { url: kit.url('/moved'), timeoutSeconds: 1, passes: 1 } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/h4', serviceTar('v1')))
      expect(state.at === 'done' && state.reason).toContain('HTTP 302')
    })

    test('a health command that hangs is ended', async () => {
      const recipe = fresh({ health: { command: ['sleep', '4712'], timeoutSeconds: 1, passes: 1 } })
      const { state } = await deploy(recipe, 'v1', kit.artifact('/h5', serviceTar('v1')))
      expect(state.at === 'done' && state.reason).toMatch(/did not exit 0 in 1 s \(last: no answer\); current is v1$/)
    })

    test('the job as a whole has its time on the host', async () => {
      const recipe = fresh()
      const slow = 'sleep 4713 & echo $! >child; wait'
      const { state } = await deploy(recipe, 'v1', kit.artifact('/t1', serviceTar('v1', slow)), { timeoutSeconds: 1 })
      expect(state).toEqual({ at: 'done', rc: 124, reason: 'timeout: not done in 1 s, at start' })
      expect(existsSync(`/proc/${readIn(recipe, 'current/child').trim()}`)).toBe(false)
    })
  })

  describe('a full disk', () => {
    test('is seen before anything is unpacked', async () => {
      const recipe = fresh()
      const job = jobOf(target, recipe, keyOf('huge'), 'v1', { artifact: kit.artifact('/huge', serviceTar('v1')) })
      const folder = join(kit.folder, 'huge-job')
      mkdirSync(join(recipe.root, '.rollcall'), { recursive: true })
      mkdirSync(join(folder, 'tree'), { recursive: true })
      writeFileSync(join(folder, 'args'), deployArgs(job, 1e15))
      writeFileSync(join(folder, 'upload'), serviceTar('v1'))
      writeFileSync(join(folder, 'script'), deployScript)
      expect(spawnSync('sh', ['script', folder], { cwd: folder }).status).toBe(1)
      expect(readFileSync(join(folder, 'reason'), 'utf8')).toMatch(
        /^disk: 2861022949 MB are needed in .*, \d+ MB are free\n$/,
      )
      expect(releasesIn(recipe)).toEqual([])
    })

    test.each(['upload', 'host'] as const)(
      'that is hit while writing leaves no half release (%s)',
      async (delivery) => {
        // No process under this sshd can write a file of more than 2 MiB.
        const small = await startSshd({ under: 'ulimit -f 4096' })
        const other = createSshTarget({ hosts: [small.host(1)] })
        try {
          const recipe = fresh()
          const first = jobOf(other, recipe, keyOf(`small-${delivery}`), 'v1', {
            artifact: kit.artifact('/small', serviceTar('v1')),
          })
          expect((await runAndRead(other, 'host-1', first)).state).toEqual({ at: 'done', rc: 0 })
          const big = gzipSync(tarOf([{ name: 'zeros', text: '0'.repeat(4_000_000) }]))
          const artifact = kit.artifact(`/big-${delivery}`, big, { delivery })
          const job = jobOf(other, recipe, keyOf(`big-${delivery}`), 'v2', { artifact })
          const { state } = await runAndRead(other, 'host-1', job)
          expect(state).toMatchObject({ at: 'done', rc: 1 })
          expect(state.at === 'done' && state.reason).toMatch(/^unpack: the archive cannot be expanded/)
          expect(releasesIn(recipe)).toEqual(['v1'])
          expect(await other.probe('host-1', recipe)).toMatchObject({ version: 'v1', state: 'running' })
          const noise = Buffer.from(Array.from({ length: 4_000_000 }, (_, i) => (i * i * 31 + (i >> 7)) & 255))
          const lump = jobOf(other, recipe, keyOf(`lump-${delivery}`), 'v3', {
            artifact: kit.artifact(`/lump-${delivery}`, noise, { delivery }),
          })
          const { state: second } = await runAndRead(other, 'host-1', lump)
          expect(second).toMatchObject(delivery === 'upload' ? { at: 'refused', why: 'upload' } : { at: 'done', rc: 1 })
          expect(releasesIn(recipe)).toEqual(['v1'])
        } finally {
          await other.close()
          await small.stop()
        }
      },
    )
  })
})
