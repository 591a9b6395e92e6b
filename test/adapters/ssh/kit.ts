import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Artifact, Job, JobKey, Output, Recipe, Target } from '../../../src/ports/target.ts'

/** One member of a tar archive, written by hand so that hostile ones can be made, too. */
export interface Member {
  name: string
  text?: string
  /** '0' file, '1' hard link, '2' symbolic link, '3' character device, '5' folder, '6' fifo. */
  type?: string
  link?: string
  mode?: number
  owner?: string
}

/** A ustar archive; see POSIX pax, "ustar Interchange Format". */
export function tarOf(members: Member[]): Buffer {
  const blocks = members.flatMap((member) => {
    const data = Buffer.from(member.text ?? '')
    const head = Buffer.alloc(512)
    const put = (at: number, text: string) => head.write(text, at, 'utf8')
    put(0, member.name)
    put(100, (member.mode ?? (member.type === '5' ? 0o755 : 0o644)).toString(8).padStart(7, '0'))
    put(108, '0000000')
    put(116, '0000000')
    put(124, data.length.toString(8).padStart(11, '0'))
    put(136, '00000000000')
    put(156, member.type ?? '0')
    put(157, member.link ?? '')
    put(257, 'ustar')
    put(263, '00')
    put(265, member.owner ?? 'root')
    put(297, 'root')
    head.fill(' ', 148, 156)
    const sum = head.reduce((total, byte) => total + byte, 0)
    put(148, `${sum.toString(8).padStart(6, '0')}\0 `)
    return [head, data, Buffer.alloc((512 - (data.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/** The service that the tests deploy: start and stop are scripts of the release, each start leaves a line in `effects`. */
export function serviceTar(version: string, start = '', more: Member[] = []): Buffer {
  return gzipSync(
    tarOf([
      { name: './', type: '5' },
      {
        name: './start',
        mode: 0o755,
        text: `#!/bin/sh\necho "$ROLLCALL_VERSION" >>"$ROLLCALL_ROOT/effects"\n${start}\ntouch running\n`,
      },
      { name: './stop', mode: 0o755, text: '#!/bin/sh\nrm -f running\n' },
      { name: './version', text: `${version}\n` },
      ...more,
    ]),
  )
}

export const digestOf = (bytes: Buffer, algorithm: 'sha256' | 'md5' = 'sha256') =>
  createHash(algorithm).update(bytes).digest('hex')

export interface Kit {
  folder: string
  /** Serves bytes (or an answer of its own) at a path; the artifact for it. */
  artifact(
    path: string,
    body: Buffer | ((request: IncomingMessage, response: ServerResponse) => void),
    more?: Partial<Artifact>,
  ): Artifact
  /** How often a path was asked for. */
  asked(path: string): number
  url(path: string): string
  /** A recipe with a root of its own. */
  recipe(name: string, more?: Partial<Recipe>): Recipe
  stop(): Promise<void>
}

/** A temporary folder and an artifact server. */
export async function createKit(): Promise<Kit> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-ssh-'))
  const routes = new Map<string, Buffer | ((request: IncomingMessage, response: ServerResponse) => void)>()
  const counts = new Map<string, number>()
  const server = createHttpServer((request, response) => {
    const path = request.url ?? '/'
    counts.set(path, (counts.get(path) ?? 0) + 1)
    const body = routes.get(path)
    if (typeof body === 'function') return body(request, response)
    response.statusCode = body === undefined ? 404 : 200
    response.end(body ?? 'not here')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = (path: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
  return {
    folder,
    url,
    asked: (path) => counts.get(path) ?? 0,
    artifact(path, body, more = {}) {
      routes.set(path, body)
      const digest = digestOf(typeof body === 'function' ? Buffer.alloc(0) : body, more.algorithm)
      return { url: url(path), algorithm: 'sha256', digest, delivery: 'upload', ...more }
    },
    recipe: (name, more = {}) => ({
      service: name,
      root: join(folder, name),
      run: { by: 'commands', start: ['./start'], stop: ['./stop'] },
      health: { command: ['test', '-f', 'running'], timeoutSeconds: 5, passes: 1 },
      commandSeconds: 10,
      keep: 3,
      ...more,
    }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export const keyOf = (release: string, attempt = 1): JobKey => ({ release, host: 'host-1', step: 'deploy', attempt })

export function jobOf(target: Target, recipe: Recipe, key: JobKey, version: string, more: Partial<Job> = {}): Job {
  return {
    key,
    kind: 'deploy',
    version,
    recipe,
    epoch: 1,
    scriptDigest: target.scriptDigest,
    by: 'alice, bob',
    timeoutSeconds: 60,
    ...more,
  }
}

/** Runs a job and collects its log; fails when a chunk does not follow on the one before. */
export async function runAndRead(target: Target, host: string, job: Job, from = 0) {
  let at = from
  let log = ''
  const state = await target.run(host, job, from, async (chunk: Output) => {
    if (chunk.offset !== at) throw new Error(`chunk at ${chunk.offset}, expected ${at}`)
    at += chunk.bytes
    log += chunk.text
  })
  return { state, log, at }
}

/** Lines that the starts of a service have left. */
export function effects(recipe: Recipe): string[] {
  const path = join(recipe.root, 'effects')
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
}

export const readIn = (recipe: Recipe, path: string): string => readFileSync(join(recipe.root, path), 'utf8')

/** Folders in the root that look like a release. */
export const releasesIn = (recipe: Recipe): string[] =>
  readdirSync(recipe.root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== '.rollcall')
    .map((entry) => entry.name)
    .sort()

/** Polls until the condition holds; fails after `seconds`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  const end = performance.now() + seconds * 1000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await sleep(10)
  }
}

/** The process runs, and is not a zombie. */
export function lives(pid: number): boolean {
  try {
    return !/^\S+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Processes whose command line holds a text. */
export function processesWith(text: string): string[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(text) && !line.includes('ps -eo'))
}

/** A TCP proxy on 127.0.0.1 that can cut what runs through it, or (`mute`) drop it without a word, as a firewall does. */
export async function createProxy(port: number, ip = '127.0.0.1') {
  const open = new Set<Socket>()
  const state = { bytes: 0, connections: 0, refuse: false, mute: false, onBytes: (_: number) => {} }
  const server = createServer((client) => {
    state.connections++
    if (state.refuse) return client.destroy()
    const upstream = connect(port, ip)
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => open.delete(socket))
    }
    client.on('data', (data) => {
      if (!state.mute) upstream.write(data)
    })
    upstream.on('data', (data) => {
      if (state.mute) return
      state.bytes += data.length
      client.write(data)
      state.onBytes(state.bytes)
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    state,
    cut,
    async stop() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export const write = (path: string, text: string) => writeFile(path, text)
