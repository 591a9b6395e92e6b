import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type ClientChannel, type ConnectConfig } from 'ssh2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fleet, type SandboxHost, startFleet } from '../../src/demo/fleet.ts'
import { newKeyPair } from '../../src/demo/keys.ts'
import { alive } from '../../src/demo/processes.ts'
import { remotely } from '../../src/demo/remote.ts'
import { needs, skipReal } from './needs.ts'
import { until } from './until.ts'

describe.skipIf(skipReal)('the sandbox fleet', () => {
  let folder: string
  let fleet: Fleet
  let host: SandboxHost

  beforeAll(async () => {
    await needs('setsid', 'sha256sum')
    folder = mkdtempSync(join(tmpdir(), 'rollcall-fleet-'))
    fleet = await startFleet({ folder, hosts: [1, 2].map((n) => ({ id: `h-${n}`, region: 'lab' })) })
    host = fleet.hosts[0]!
  })

  afterAll(async () => {
    await fleet?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('gives every host a port, a key, a root and a service port of its own, and a client key only its owner can read', () => {
    const [a, b] = fleet.hosts as [SandboxHost, SandboxHost]
    expect(new Set([a.port, b.port, a.servicePort, b.servicePort]).size).toBe(4)
    expect(a.hostKey).not.toBe(b.hostKey)
    expect(a.root).not.toBe(b.root)
    expect(statSync(fleet.keyPath).mode & 0o777).toBe(0o600)
  })

  test('presents the host key that it says', async () => {
    await expect(remotely(host, 'true')).resolves.toMatchObject({ code: 0 })
    await expect(remotely({ ...host, hostKey: fleet.hosts[1]!.hostKey }, 'true')).rejects.toThrow(/h-1/)
  })

  test('runs a real sh in the root of the host, with HOME there and the PATH of the bot', async () => {
    const { code, stdout } = await remotely(host, 'echo "$HOME|$PWD|$USER|$PATH"; readlink /proc/$$/exe >&2')
    expect(code).toBe(0)
    expect(stdout.trim()).toBe(`${host.root}|${host.root}|${host.user}|${process.env.PATH}`)
  })

  test('reports exit codes, signals, output and errors apart', async () => {
    await expect(remotely(host, 'echo out; echo err >&2; exit 7')).resolves.toEqual({
      code: 7,
      signal: undefined,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    await expect(remotely(host, 'kill -KILL $$')).resolves.toMatchObject({ code: undefined, signal: 'SIGKILL' })
    await expect(remotely(host, 'no-such-program')).resolves.toMatchObject({ code: 127 })
  })

  test('refuses another key, another user, a password and no credentials', async () => {
    const other = newKeyPair().private
    const right = readFileSync(host.keyPath)
    await expect(connect(host, { privateKey: other })).rejects.toThrow(/authentication/)
    await expect(connect(host, { privateKey: right, username: 'root' })).rejects.toThrow(/authentication/)
    await expect(connect(host, { password: 'deploy' })).rejects.toThrow(/authentication/)
    await expect(connect(host, {})).rejects.toThrow(/authentication/)
  })

  test('refuses shell, pty, sftp, other subsystems, forwarding and environment', async () => {
    const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
    try {
      const refused = (ask: (done: (error?: Error) => void) => void) =>
        expect(
          new Promise<void>((resolve, reject) => ask((error) => (error ? reject(error) : resolve()))),
        ).rejects.toThrow()
      await refused((done) => client.shell((error) => done(error)))
      await refused((done) => client.exec('true', { pty: true }, (error) => done(error)))
      await refused((done) => client.sftp((error) => done(error)))
      await refused((done) => client.subsys('netconf', (error) => done(error)))
      await refused((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', host.port, (error) => done(error)))
      await refused((done) => client.forwardIn('127.0.0.1', 0, (error) => done(error)))
      const channel = await exec(client, 'echo "[$SECRET]"', { env: { SECRET: 'x' } })
      expect(await text(channel)).toBe('[]\n')
    } finally {
      client.end()
    }
  })

  test('carries 16 MiB in and 16 MiB out unharmed, beyond the window of the channel', async () => {
    const data = randomBytes(16 << 20)
    const { stdout, code } = await remotely(host, 'cat > blob; sha256sum < blob', data)
    expect(code).toBe(0)
    expect(stdout.split(' ')[0]).toBe(createHash('sha256').update(data).digest('hex'))
    const back = await connect(host, { privateKey: readFileSync(host.keyPath) })
    const hash = createHash('sha256')
    const channel = await exec(back, 'cat blob; rm blob')
    for await (const chunk of channel) hash.update(chunk as Buffer)
    back.end()
    expect(hash.digest('hex')).toBe(createHash('sha256').update(data).digest('hex'))
  })

  test('does not lose the exit code of a command that leaves 8 MiB of input unread', async () => {
    await expect(remotely(host, 'exit 3', Buffer.alloc(8 << 20))).resolves.toMatchObject({ code: 3 })
  })

  test('delivers 8 MiB on each of both outputs whole before the exit code, to a reader that is slow to begin', async () => {
    const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
    const channel = await exec(client, 'head -c 8388608 /dev/zero; head -c 8388608 /dev/zero >&2; exit 5')
    await new Promise((resolve) => setTimeout(resolve, 200))
    let out = 0
    let err = 0
    const code = await new Promise<number>((resolve) => {
      let status = -1
      channel.on('exit', (value: number) => {
        status = value
      })
      channel.on('close', () => resolve(status))
      channel.on('data', (chunk: Buffer) => {
        out += chunk.length
      })
      channel.stderr.on('data', (chunk: Buffer) => {
        err += chunk.length
      })
    })
    client.end()
    expect({ out, err, code }).toEqual({ out: 8 << 20, err: 8 << 20, code: 5 })
  })

  test('drops the input of a command that has closed its own, and lets it go on', async () => {
    const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
    const channel = await exec(client, 'exec <&-; echo closed; sleep 300')
    await new Promise((resolve) => channel.once('data', resolve))
    await new Promise((resolve) => channel.write(Buffer.alloc(16 << 20), resolve))
    let ended = false
    channel.on('close', () => {
      ended = true
    })
    await expect(remotely(host, 'true')).resolves.toMatchObject({ code: 0 })
    expect(ended).toBe(false)
    client.end()
  })

  test('holds back a command whose output nobody takes', async () => {
    const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
    const channel = await exec(
      client,
      'i=0; while :; do head -c 1048576 /dev/zero; i=$((i+1)); echo $i > written; done',
    )
    const written = () =>
      existsSync(join(host.root, 'written')) ? Number(readFileSync(join(host.root, 'written'), 'utf8')) : 0
    let seen = -1
    let same = 0
    // Stalled: the count stands still for half a second.
    await until('the command is held back', () => {
      same = written() === seen ? same + 1 : 0
      seen = written()
      return seen > 0 && same > 25
    })
    expect(seen).toBeLessThan(16)
    channel.resume()
    await until('it goes on once the output is read', () => written() > seen)
    client.end()
  })

  test('ends what hangs on a connection that breaks, and leaves alone what has a session of its own', async () => {
    const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
    const script =
      'sleep 300 & echo $! > hanging; setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $! > detached; wait'
    const channel = await exec(client, script)
    // Input that the command has not read must not hide from it that the line is gone.
    channel.write(Buffer.alloc(4 << 20))
    const pid = (name: string) =>
      Number(existsSync(join(host.root, name)) && readFileSync(join(host.root, name), 'utf8'))
    await until('both run', () => pid('hanging') > 0 && pid('detached') > 0)
    client.destroy()
    await until('the hanging one ended', () => !alive(pid('hanging')))
    expect(alive(pid('detached'))).toBe(true)
    expect(fleet.processes()).toContain(pid('detached'))
  })

  test('takes a host off the network and back, and changes its key', async () => {
    const target = fleet.hosts[1]!
    const { client, closed } = await watched(target)
    await fleet.down(target.id)
    await closed
    client.end()
    await expect(remotely(target, 'true')).rejects.toThrow(/ECONNREFUSED/)
    await expect(remotely(host, 'true')).resolves.toMatchObject({ code: 0 })
    await fleet.up(target.id)
    await expect(remotely(target, 'true')).resolves.toMatchObject({ code: 0 })
    const old = { ...target }
    expect(await fleet.changeHostKey(target.id)).toBe(target.hostKey)
    await expect(remotely(old, 'true')).rejects.toThrow()
    await expect(remotely(target, 'true')).resolves.toMatchObject({ code: 0 })
  })

  test('says which hosts there are when asked for another', async () => {
    await expect(fleet.down('h-9')).rejects.toMatchObject({
      code: 'demo.unknown-host',
      next: expect.stringContaining('h-1, h-2'),
    })
  })

  test('comes back on the same ports with the same keys after its servers were killed, and what ran on the hosts goes on', async () => {
    await remotely(host, 'setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $! > survivor')
    const survivor = Number(readFileSync(join(host.root, 'survivor'), 'utf8'))
    const before = fleet.pid()
    process.kill(before, 'SIGKILL')
    await until(
      'other servers answer',
      () =>
        fleet.pid() !== before &&
        remotely(host, 'true').then(
          () => true,
          () => false,
        ),
    )
    expect(alive(survivor)).toBe(true)
    await fleet.restart()
    await expect(remotely(host, 'true')).resolves.toMatchObject({ code: 0 })
    expect(alive(survivor)).toBe(true)
  })

  test('answers with 255 and the reason when a command cannot be started', async () => {
    const own = mkdtempSync(join(tmpdir(), 'rollcall-fleet-'))
    const short = await startFleet({ folder: own, hosts: [{ id: 'h', region: 'lab' }] })
    rmSync(short.hosts[0]!.root, { recursive: true })
    const result = await remotely(short.hosts[0]!, 'true')
    await short.stop()
    rmSync(own, { recursive: true })
    expect(result).toMatchObject({ code: 255, stderr: expect.stringContaining('ENOENT') })
  })

  test('leaves no process when it stops', async () => {
    const own = mkdtempSync(join(tmpdir(), 'rollcall-fleet-'))
    const short = await startFleet({ folder: own, hosts: [{ id: 'h', region: 'lab' }] })
    await remotely(short.hosts[0]!, 'setsid nohup sleep 300 </dev/null >/dev/null 2>&1 &')
    const pids = short.processes()
    expect(pids).toHaveLength(2)
    await short.stop()
    await short.stop()
    expect(pids.filter(alive)).toEqual([])
    expect(short.processes()).toEqual([])
    rmSync(own, { recursive: true })
  })
})

function connect(host: SandboxHost, credentials: ConnectConfig): Promise<Client> {
  const client = new Client()
  return new Promise((resolve, reject) => {
    client
      .on('ready', () => resolve(client))
      .on('error', reject)
      .connect({ host: host.ip, port: host.port, username: host.user, readyTimeout: 5000, ...credentials })
  })
}

async function watched(host: SandboxHost): Promise<{ client: Client; closed: Promise<void> }> {
  const client = await connect(host, { privateKey: readFileSync(host.keyPath) })
  return { client, closed: new Promise((resolve) => client.once('close', () => resolve())) }
}

function exec(client: Client, command: string, options: { env?: NodeJS.ProcessEnv } = {}): Promise<ClientChannel> {
  return new Promise((resolve, reject) =>
    client.exec(command, options, (error, channel) => (error ? reject(error) : resolve(channel))),
  )
}

async function text(channel: ClientChannel): Promise<string> {
  let all = ''
  for await (const chunk of channel) all += chunk
  return all
}
