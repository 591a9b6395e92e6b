import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HostConfig } from '../../src/adapters/ssh/config.ts'
import { createSshTarget, scanHostKeys } from '../../src/adapters/ssh/index.ts'
import { encodeKey } from '../../src/adapters/ssh/protocol.ts'
import { Fault, toDocument } from '../../src/lib/fault.ts'
import type { Recipe } from '../../src/ports/target.ts'
import {
  createKit,
  createProxy,
  effects,
  jobOf,
  type Kit,
  keyOf,
  runAndRead,
  serviceTar,
  until,
} from '../adapters/ssh/kit.ts'
import { type Sshd, skipReal, startSshd } from './sshd.ts'

describe.skipIf(skipReal)('connections to a real sshd', () => {
  let sshd: Sshd
  let kit: Kit
  let recipe: Recipe
  const faults: Fault[] = []

  beforeAll(async () => {
    sshd = await startSshd()
    kit = await createKit()
    recipe = kit.recipe('svc')
  })
  afterAll(async () => {
    await sshd?.stop()
    await kit?.stop()
  })

  /** The Fault of one probe; kept for the leak test at the end. */
  async function faultOf(host: HostConfig, options = {}, more = {}): Promise<Fault> {
    const target = createSshTarget({ hosts: [host], options, ...more })
    try {
      await target.probe(host.id, recipe)
    } catch (error) {
      if (error instanceof Fault) {
        faults.push(error)
        return error
      }
      throw error
    } finally {
      await target.close()
    }
    throw new Error('it did not fail')
  }
  const fingerprint = (name: string) =>
    execFileSync('ssh-keygen', ['-lf', join(sshd.folder, `${name}.pub`)], { encoding: 'utf8' }).split(' ')[1]!
  const authentications = () =>
    sshd.log().match(/(Accepted|Failed|Invalid user|Connection closed by authenticating)/g)?.length ?? 0

  describe('host keys', () => {
    test('an unknown key is refused before authentication, with its fingerprint and the command that pins it', async () => {
      const before = authentications()
      const fault = await faultOf(sshd.host(1, { hostKey: undefined }))
      expect(fault).toMatchObject({ code: 'target.host-key-unknown', next: 'rollcall enroll host-1', retry: false })
      expect(fault.message).toContain(fingerprint('ed25519'))
      expect(fault.message).toContain(`127.0.1.1:${sshd.port}`)
      expect(authentications()).toBe(before)
    })

    test('a changed key is refused before authentication, with both fingerprints', async () => {
      const other = await startSshd()
      const before = authentications()
      const fault = await faultOf(sshd.host(1, { hostKey: other.hostKeys.ed25519 }))
      await other.stop()
      expect(fault).toMatchObject({ code: 'target.host-key-changed', retry: false })
      expect(fault.message).toContain(fingerprint('ed25519'))
      expect(fault.message).toMatch(/pinned is SHA256:/)
      expect(fault.next).toBe('check first whether host-1 was set up anew; if it was: rollcall enroll --replace host-1')
      expect(authentications()).toBe(before)
      expect(existsSync(recipe.root)).toBe(false)
    })

    test.each(['ed25519', 'ecdsa', 'rsa'] as const)(
      'a pinned %s key is asked for, whichever others the server has',
      async (type) => {
        const target = createSshTarget({ hosts: [sshd.host(1, { hostKey: sshd.hostKeys[type] })] })
        expect((await target.probe('host-1', recipe)).state).toBe('absent')
        await target.close()
      },
    )

    test.each(['ed25519', 'ecdsa', 'rsa'] as const)('the fingerprint of the %s key alone is enough', async (type) => {
      const target = createSshTarget({ hosts: [sshd.host(1, { hostKey: fingerprint(type) })] })
      expect((await target.probe('host-1', recipe)).state).toBe('absent')
      await target.close()
    })

    test('a fingerprint that no key of the server has', async () => {
      const fault = await faultOf(sshd.host(1, { hostKey: `SHA256:${'A'.repeat(43)}` }))
      expect(fault.code).toBe('target.host-key-changed')
      for (const type of ['ed25519', 'ecdsa', 'rsa']) expect(fault.message).toContain(fingerprint(type))
    })

    test('a key that the operator has pinned since is taken once the old one was refused, and holds', async () => {
      const old = await startSshd()
      await old.stop()
      const asked: unknown[] = []
      const target = createSshTarget({
        hosts: [sshd.host(1, { hostKey: old.hostKeys.ed25519 }), sshd.host(2, { hostKey: undefined })],
        repin: async (id, refused) => {
          asked.push([id, refused])
          return sshd.hostKeys.ed25519
        },
      })
      for (const id of ['host-1', 'host-2', 'host-1']) {
        expect((await target.probe(id, recipe)).state).toBe('absent')
        await target.leave([id])
      }
      expect(asked).toEqual([
        ['host-1', old.hostKeys.ed25519],
        ['host-2', undefined],
      ])
      await target.close()
    })

    test('a key that is pinned since but is not the one presented is refused all the same, unauthenticated', async () => {
      const old = await startSshd()
      await old.stop()
      const before = authentications()
      const repin = async () => old.hostKeys.ecdsa
      const fault = await faultOf(sshd.host(1, { hostKey: old.hostKeys.ed25519 }), {}, { repin })
      expect(fault.code).toBe('target.host-key-changed')
      expect(authentications()).toBe(before)
    })

    test('a bastion is taken back in the same way, and only its own key is asked for', async () => {
      const bastion = await startSshd()
      const asked: string[] = []
      const host = sshd.host(1, { bastion: 'jump' })
      const { region: _r, labels: _l, ...rest } = bastion.host(7)
      const target = createSshTarget({
        hosts: [host],
        bastions: [{ ...rest, id: 'jump', hostKey: sshd.hostKeys.ed25519 }],
        repin: async (id) => {
          asked.push(id)
          return bastion.hostKeys.ed25519
        },
      })
      expect((await target.probe('host-1', recipe)).state).toBe('absent')
      expect(asked).toEqual(['jump'])
      await target.close()
      await bastion.stop()
    })

    test('scan shows every key, ed25519 first, and authenticates nothing', async () => {
      const before = authentications()
      const keys = await scanHostKeys({ id: 'new', ip: '127.0.1.9', port: sshd.port })
      expect(keys.map(({ fingerprint }) => fingerprint)).toEqual(['ed25519', 'ecdsa', 'rsa'].map(fingerprint))
      expect(keys.map(({ line }) => line)).toEqual([sshd.hostKeys.ed25519, sshd.hostKeys.ecdsa, sshd.hostKeys.rsa])
      expect(authentications()).toBe(before)
    })

    test('a server with one key only: scan and both kinds of pin', async () => {
      const single = await startSshd({ serve: ['rsa'] })
      const keys = await scanHostKeys(single.host(1))
      expect(keys.map(({ type }) => type)).toEqual(['ssh-rsa'])
      for (const hostKey of [keys[0]!.line, keys[0]!.fingerprint]) {
        const target = createSshTarget({ hosts: [single.host(1, { hostKey })] })
        expect((await target.probe('host-1', recipe)).state).toBe('absent')
        await target.close()
      }
      const fault = await faultOf(single.host(1, { hostKey: sshd.hostKeys.ed25519 }))
      expect(fault.code).toBe('target.host-key-changed')
      await single.stop()
    })
  })

  describe('signing in', () => {
    const keygen = (name: string, passphrase = '') => {
      const path = join(kit.folder, name)
      if (!existsSync(path)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', path])
      return path
    }

    test('starts with the key: no round with `none`', async () => {
      const counting = await startSshd({ config: ['MaxAuthTries 1'] })
      const target = createSshTarget({ hosts: [counting.host(1)] })
      expect((await target.probe('host-1', recipe)).state).toBe('absent')
      await target.close()
      await counting.stop()
    })

    test('a key that the host does not know', async () => {
      const key = keygen('stranger')
      const fault = await faultOf(sshd.host(1, { key }))
      expect(fault).toMatchObject({ code: 'target.authentication', retry: false })
      expect(fault.message).toContain(key)
      expect(fault.next).toContain('authorized_keys on host-1')
    })

    test('a key file that is not there, not readable as a key, public, or locked', async () => {
      const missing = await faultOf(sshd.host(1, { key: '/nowhere/key' }))
      expect(missing).toMatchObject({ code: 'target.authentication' })
      expect(missing.message).toContain('/nowhere/key cannot be read (ENOENT)')
      const garbage = join(kit.folder, 'garbage')
      writeFileSync(garbage, 'geheim geheim')
      expect((await faultOf(sshd.host(1, { key: garbage }))).message).toContain(`${garbage} is not a private key`)
      const open = await faultOf(sshd.host(1, { key: `${keygen('open')}.pub` }))
      expect(open.message).toContain('is a public key')
      const locked = await faultOf(sshd.host(1, { key: keygen('locked', 'sesam') }))
      expect(locked.message).toContain('protected by a passphrase')
      expect(locked.next).toContain('ssh-add')
    })

    test('an agent', async () => {
      const socket = join(kit.folder, 'agent.sock')
      const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' })
      const before = process.env.SSH_AUTH_SOCK
      try {
        await until('the agent listens', () => existsSync(socket))
        process.env.SSH_AUTH_SOCK = socket
        const key = join(kit.folder, 'for-agent')
        writeFileSync(key, readFileSync(sshd.key))
        chmodSync(key, 0o600)
        execFileSync('ssh-add', ['-q', key], { stdio: 'ignore' })
        const host = sshd.host(1, { key: undefined, agent: true })
        const target = createSshTarget({ hosts: [host] })
        expect((await target.probe('host-1', recipe)).state).toBe('absent')
        await target.close()
        execFileSync('ssh-add', ['-q', '-D'], { stdio: 'ignore' })
        expect(await faultOf(host)).toMatchObject({ code: 'target.authentication' })
        delete process.env.SSH_AUTH_SOCK
        expect((await faultOf(host)).message).toContain('SSH_AUTH_SOCK is not')
      } finally {
        if (before === undefined) delete process.env.SSH_AUTH_SOCK
        else process.env.SSH_AUTH_SOCK = before
        agent.kill()
        await once(agent, 'exit')
      }
    })
  })

  describe('a host that cannot be reached', () => {
    test('nothing listens', async () => {
      const fault = await faultOf(sshd.host(1, { port: 9 }))
      expect(fault).toMatchObject({ code: 'target.unreachable', retry: true })
      expect(fault.message).toBe('host-1 (127.0.1.1:9) refused the connection.')
      expect(fault.data).toMatchObject({ host: 'host-1', ip: '127.0.1.1', port: 9 })
    })

    test('something listens and says nothing', async () => {
      const mute = createServer(() => {})
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
      const port = (mute.address() as AddressInfo).port
      const fault = await faultOf(sshd.host(1, { ip: '127.0.0.1', port }), { handshakeSeconds: 0.3 })
      mute.close()
      expect(fault).toMatchObject({ code: 'target.timeout', retry: true, data: { seconds: 0.3 } })
      expect(fault.message).toContain('did not finish the SSH handshake in 0.3 s')
    })

    test('something listens that is no SSH server, or hangs up', async () => {
      for (const answer of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
        const web = createServer((socket) => void socket.end(answer).on('error', () => {}))
        await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
        const port = (web.address() as AddressInfo).port
        const fault = await faultOf(sshd.host(1, { ip: '127.0.0.1', port }), { handshakeSeconds: 2 })
        web.close()
        expect(fault).toMatchObject({ code: 'target.unreachable', retry: true })
      }
    })

    test('a host that is not configured', async () => {
      const target = createSshTarget({ hosts: [] })
      await expect(target.probe('web-9', recipe)).rejects.toMatchObject({ code: 'target.unknown-host' })
      await target.close()
    })

    test('a host that hangs in the middle of a call', async () => {
      const proxy = await createProxy(sshd.port)
      const target = createSshTarget({
        hosts: [sshd.host(1, { ip: '127.0.0.1', port: proxy.port })],
        options: { commandSeconds: 0.5 },
      })
      // The shell waits for something that never comes: a health command does not end.
      const hung = { ...recipe, health: { ...recipe.health, command: ['sleep', '2'] } }
      const job = jobOf(target, kit.recipe('hang'), keyOf('hang'), 'v1', {
        artifact: kit.artifact('/hang', serviceTar('v1')),
      })
      await runAndRead(target, 'host-1', job)
      const fault = await target.probe('host-1', { ...hung, root: job.recipe.root }).catch((error: Fault) => error)
      expect(fault).toMatchObject({ code: 'target.timeout', retry: true })
      expect((fault as Fault).message).toContain('did not finish probe in 0.5 s')
      await target.close()
      await proxy.stop()
    })
  })

  describe('one connection per host', () => {
    const connections = () => sshd.log().match(/Accepted publickey/g)?.length ?? 0

    test('is shared by all calls, ended by leave and by idleness, and opened anew', async () => {
      const target = createSshTarget({ hosts: [sshd.host(1)], options: { idleSeconds: 0.3 } })
      const before = connections()
      await Promise.all(Array.from({ length: 20 }, () => target.probe('host-1', recipe)))
      expect(connections()).toBe(before + 1)
      await target.leave(['host-1', 'host-unknown'])
      await target.probe('host-1', recipe)
      expect(connections()).toBe(before + 2)
      const closed = () => sshd.log().match(/Disconnected from user|Received disconnect/g)?.length ?? 0
      const ended = closed()
      await until('the idle connection is closed', () => closed() > ended)
      await target.probe('host-1', recipe)
      expect(connections()).toBe(before + 3)
      await target.close()
    })

    test('a connection that died is replaced by the next call', async () => {
      const proxy = await createProxy(sshd.port)
      const target = createSshTarget({ hosts: [sshd.host(1, { ip: '127.0.0.1', port: proxy.port })] })
      await target.probe('host-1', recipe)
      proxy.cut()
      await until('the next call works', async () => {
        try {
          return (await target.probe('host-1', recipe)).state === 'absent'
        } catch {
          return false
        }
      })
      expect(proxy.state.connections).toBe(2)
      await target.close()
      await proxy.stop()
    })

    test('a peer that falls silent is noticed by keepalives, long before the call would have been given up', async () => {
      const proxy = await createProxy(sshd.port)
      const target = createSshTarget({
        hosts: [sshd.host(1, { ip: '127.0.0.1', port: proxy.port })],
        // ssh2 ends the connection at the third silence of 0.2 s.
        options: { keepaliveSeconds: 0.2, keepaliveMisses: 2, commandSeconds: 8, silenceSeconds: 8 },
      })
      await target.probe('host-1', recipe)
      proxy.state.mute = true
      const began = performance.now()
      await expect(target.probe('host-1', recipe)).rejects.toMatchObject({ code: 'target.unreachable', retry: true })
      expect(performance.now() - began).toBeLessThan(3000)
      await target.close()
      await proxy.stop()
    }, 20_000)

    test('starts are capped: 60 hosts at once are never more than 16 handshakes', async () => {
      // One server plays all the hosts; it counts a start for a moment longer than we do.
      const strict = await startSshd({ config: ['MaxStartups 32:100:32'] })
      const hosts = Array.from({ length: 60 }, (_, i) => strict.host(i + 1))
      const target = createSshTarget({ hosts })
      const facts = await Promise.all(hosts.map(({ id }) => target.probe(id, recipe)))
      expect(facts).toHaveLength(60)
      expect(strict.log()).not.toContain('drop connection')
      const greedy = createSshTarget({ hosts, options: { startsAtOnce: 60, startJitterMs: 0 } })
      const answers = await Promise.allSettled(hosts.map(({ id }) => greedy.probe(id, recipe)))
      expect(answers.some(({ status }) => status === 'rejected')).toBe(true)
      await target.close()
      await greedy.close()
      await strict.stop()
    }, 60_000)
  })

  describe('a bastion', () => {
    test('60 hosts go through one connection to it', async () => {
      // One server plays all the hosts; the bastion has the default limit, which a connection per host would trip.
      const many = await startSshd({ config: ['MaxStartups 100:30:200'] })
      const bastion = await startSshd({ config: ['MaxStartups 10:30:100'] })
      const hosts = Array.from({ length: 60 }, (_, i) => many.host(i + 1, { bastion: 'jump' }))
      const { id: _, region: _r, labels: _l, ...rest } = bastion.host(7)
      const target = createSshTarget({ hosts, bastions: [{ ...rest, id: 'jump' }] })
      const facts = await Promise.allSettled(hosts.map(({ id }) => target.probe(id, recipe)))
      expect(facts.filter(({ status }) => status === 'fulfilled')).toHaveLength(60)
      expect(bastion.log().match(/Accepted publickey/g)).toHaveLength(1)
      const keys = await scanHostKeys(hosts[0]!, { bastions: [{ ...rest, id: 'jump' }] })
      expect(keys).toHaveLength(3)
      await target.close()
      await bastion.stop()
      await many.stop()
    }, 60_000)

    test('has a mandatory host key of its own', async () => {
      const host = sshd.host(1, { bastion: 'host-2' })
      const fault = await faultOf(host, {}, { hosts: [host, sshd.host(2, { hostKey: undefined })] })
      expect(fault).toMatchObject({ code: 'target.host-key-unknown', next: 'rollcall enroll host-2' })
    })

    test('that does not reach the host is named', async () => {
      const host = sshd.host(1, { bastion: 'host-2', port: 9 })
      const fault = await faultOf(host, {}, { hosts: [host, sshd.host(2)] })
      expect(fault).toMatchObject({ code: 'target.unreachable', retry: true })
      expect(fault.message).toContain('host-1 (127.0.1.1:9) cannot be reached through host-2')
      const lost = sshd.host(1, { bastion: 'nowhere' })
      expect(await faultOf(lost)).toMatchObject({ code: 'target.unknown-host' })
    })
  })

  describe('a connection that is lost while a job runs', () => {
    const loud =
      'i=0; while [ $i -lt 30 ]; do echo "line $i äöü"; head -c 3000 /dev/zero | tr "\\0" x; echo; sleep 0.1; i=$((i+1)); done'

    test('is taken up again where it broke: one run, the whole log', async () => {
      const proxy = await createProxy(sshd.port)
      const target = createSshTarget({
        hosts: [sshd.host(1, { ip: '127.0.0.1', port: proxy.port })],
        options: { reconnectSeconds: [0.05, 0.1, 0.2] },
      })
      const job = jobOf(target, kit.recipe('cut'), keyOf('cut'), 'v1', {
        artifact: kit.artifact('/cut', serviceTar('v1', loud)),
      })
      let next = 20_000
      let cuts = 0
      proxy.state.onBytes = (bytes) => {
        if (bytes < next || cuts >= 4) return
        cuts++
        next = bytes + 15_000
        proxy.cut()
      }
      const { state, log } = await runAndRead(target, 'host-1', job)
      expect(state).toEqual({ at: 'done', rc: 0 })
      expect(cuts).toBe(4)
      expect(log.split('\n').filter((line) => line.startsWith('line'))).toEqual(
        Array.from({ length: 30 }, (_, i) => `line ${i} äöü`),
      )
      expect(effects(job.recipe)).toEqual(['v1'])
      await target.close()
      await proxy.stop()
    }, 30_000)

    test('is given up after a bounded number of tries, and the same run works later', async () => {
      const proxy = await createProxy(sshd.port)
      const host = sshd.host(1, { ip: '127.0.0.1', port: proxy.port })
      const target = createSshTarget({ hosts: [host], options: { reconnectSeconds: [0.05, 0.1] } })
      const job = jobOf(target, kit.recipe('gone'), keyOf('gone'), 'v1', {
        artifact: kit.artifact('/gone', serviceTar('v1', loud)),
      })
      proxy.state.onBytes = (bytes) => {
        if (bytes < 20_000) return
        proxy.state.refuse = true
        proxy.cut()
      }
      let at = 0
      let log = ''
      const keep = async (chunk: { text: string; offset: number; bytes: number }) => {
        at = chunk.offset + chunk.bytes
        log += chunk.text
      }
      const fault = await target.run('host-1', job, 0, keep).catch((error: unknown) => error)
      expect(fault).toMatchObject({ code: 'target.unreachable', retry: true })
      expect(proxy.state.connections).toBe(3)
      proxy.state.refuse = false
      proxy.state.onBytes = () => {}
      expect(await target.run('host-1', job, at, keep)).toEqual({ at: 'done', rc: 0 })
      expect(log.split('\n').filter((line) => line.startsWith('line'))).toHaveLength(30)
      expect(effects(job.recipe)).toEqual(['v1'])
      await target.close()
      await proxy.stop()
    }, 30_000)

    test('in the middle of the upload: the upload is sent anew and nothing of the first is left', async () => {
      const proxy = await createProxy(sshd.port)
      const target = createSshTarget({
        hosts: [sshd.host(1, { ip: '127.0.0.1', port: proxy.port })],
        options: { reconnectSeconds: [0.05, 0.1] },
      })
      const noise = { name: 'noise', text: Array.from({ length: 400_000 }, (_, i) => (i * 7919) % 9973).join(' ') }
      const job = jobOf(target, kit.recipe('mid'), keyOf('mid'), 'v1', {
        artifact: kit.artifact('/mid', serviceTar('v1', '', [noise])),
      })
      const upload = join(job.recipe.root, '.rollcall')
      const following = runAndRead(target, 'host-1', job)
      await until('the upload has begun', () => existsSync(upload))
      proxy.cut()
      expect((await following).state).toEqual({ at: 'done', rc: 0 })
      expect(effects(job.recipe)).toEqual(['v1'])
      await until(
        'the cut upload is cleared away',
        () => !execFileSync('ls', [upload], { encoding: 'utf8' }).includes('tmp.'),
      )
      await target.close()
      await proxy.stop()
    }, 30_000)

    test('a sink that fails ends the following, not the job', async () => {
      const target = createSshTarget({ hosts: [sshd.host(1)] })
      const job = jobOf(target, kit.recipe('sink'), keyOf('sink'), 'v1', {
        artifact: kit.artifact('/sink', serviceTar('v1')),
      })
      const full = new Fault('store.unavailable', { say: 'full' })
      await expect(target.run('host-1', job, 0, () => Promise.reject(full))).rejects.toBe(full)
      expect((await runAndRead(target, 'host-1', job)).state).toEqual({ at: 'done', rc: 0 })
      expect(effects(job.recipe)).toEqual(['v1'])
      await target.close()
    })
  })

  describe('a host that talks something else', () => {
    test.each([
      ['noise without end', 'cat /dev/zero', 'target.protocol'],
      ['lines without end', 'yes', 'target.protocol'],
      ['an error', 'echo "This account is not available." >&2; exit 1', 'target.protocol'],
    ])('%s', async (_, command, code) => {
      const odd = await startSshd({ config: [`ForceCommand ${command}`] })
      const fault = await faultOf(odd.host(1))
      await odd.stop()
      expect(fault).toMatchObject({ code })
      expect(fault.message.length).toBeLessThan(500)
      expect(fault.message).not.toContain('\0')
    })

    test('a login banner before the answer does no harm', async () => {
      const chatty = await startSshd({ config: ['ForceCommand echo "Welcome to prod"; eval "$SSH_ORIGINAL_COMMAND"'] })
      const target = createSshTarget({ hosts: [chatty.host(1)] })
      expect((await target.probe('host-1', recipe)).state).toBe('absent')
      await target.close()
      await chatty.stop()
    })

    test('tools that are missing are named', async () => {
      const bin = join(kit.folder, 'few')
      execFileSync('sh', [
        '-c',
        `mkdir ${bin} && ln -s /usr/bin/* /bin/* ${bin} 2>/dev/null; cd ${bin} && rm -f flock curl wget xz sed readlink ls chmod sleep`,
      ])
      const bare = await startSshd({ env: { PATH: bin } })
      const target = createSshTarget({ hosts: [bare.host(1)] })
      expect((await target.probe('host-1', recipe)).missing).toEqual([
        'ls',
        'chmod',
        'readlink',
        'sed',
        'flock',
        'sleep',
        'curl or wget',
      ])
      await target.close()
      await bare.stop()
    })
  })

  test('a job that cannot be right is not sent', async () => {
    const target = createSshTarget({ hosts: [sshd.host(1)] })
    const good = jobOf(target, recipe, keyOf('bad'), 'v1', { artifact: kit.artifact('/bad', serviceTar('v1')) })
    const health = { timeoutSeconds: 1, passes: 1 }
    for (const bad of [
      { ...good, version: '../v1' },
      { ...good, version: '-rf' },
      { ...good, version: 'v1;reboot' },
      { ...good, version: 'current' },
      { ...good, artifact: undefined },
      { ...good, artifact: { ...good.artifact!, url: 'file:///etc/passwd' } },
      { ...good, artifact: { ...good.artifact!, digest: 'abc' } },
      { ...good, recipe: { ...recipe, root: '/' } },
      { ...good, recipe: { ...recipe, root: 'opt/x' } },
      { ...good, recipe: { ...recipe, root: '/opt/../etc' } },
      { ...good, recipe: { ...recipe, health } },
      { ...good, recipe: { ...recipe, run: { by: 'systemd' as const, unit: '--all', sudo: true } } },
    ]) {
      await expect(target.run('host-1', bad, 0, async () => {})).rejects.toMatchObject({ code: 'target.bad-job' })
    }
    const nul = { ...good, recipe: { ...recipe, service: 'a\0b' } }
    await expect(target.run('host-1', nul, 0, async () => {})).rejects.toBeInstanceOf(Fault)
    await expect(target.look('host-1', keyOf('other'), 0)).rejects.toMatchObject({ code: 'target.root-unknown' })
    expect(existsSync(join(recipe.root, '.rollcall/jobs', encodeKey(good.key)))).toBe(false)
    await target.close()
  })

  test('no fault carries key material', () => {
    expect(faults.length).toBeGreaterThan(15)
    const secret = readFileSync(sshd.key, 'utf8').split('\n').slice(1, -2)
    for (const fault of faults) {
      const shown = JSON.stringify(toDocument(fault)) + String(fault.stack) + JSON.stringify(fault.cause ?? null)
      expect(shown).not.toContain('PRIVATE KEY')
      expect(shown).not.toContain('geheim')
      expect(shown).not.toContain('sesam')
      for (const line of secret) expect(shown).not.toContain(line)
      expect(fault.message).not.toBe('')
    }
  })
})
