import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { type MongoParts, mongoParts } from './mongo-parts.ts'

export interface MongoServer {
  /** Without a database; options of the connection may be in it. */
  uri: string
  /** Which server the suite runs on, in words. */
  kind: string
  /** Of the server's process; undefined for that of MONGODB_URI. */
  pid: number | undefined
  /** The name of a database that nobody else uses; it is dropped by `stop`. */
  database(): string
  /** Answers nothing until `thaw`; connections stay open. Not for a server given by MONGODB_URI. */
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

const startMs = 30_000

/**
 * A MongoDB server for one test file: MONGODB_URI's, else a process of its own on a free port, with its data in memory or in a
 * temporary folder. It ends with `stop`, and with this process however that ends. For outages put `mongoProxy` before it.
 * Throws when none of the servers can be had, with what to install.
 */
export async function mongoServer(): Promise<MongoServer> {
  const parts = await mongoParts()
  const databases: string[] = []
  const database = () => {
    const name = `rollcall-test-${randomBytes(6).toString('hex')}`
    databases.push(name)
    return name
  }
  if (parts.kind === 'given') {
    const { uri } = parts
    const version = await withClient(uri, async (client) => {
      const info = await client.db('admin').command({ buildInfo: 1 })
      return String(info.version)
    })
    const refuse = () => {
      throw new Error('The server of MONGODB_URI is not ours to freeze: put mongoProxy before it.')
    }
    const drop = () =>
      withClient(uri, async (client) => {
        for (const name of databases) await client.db(name).dropDatabase()
      })
    return {
      uri,
      pid: undefined,
      kind: `MongoDB ${version} (MONGODB_URI)`,
      database,
      freeze: refuse,
      thaw: refuse,
      stop: drop,
    }
  }
  const started = await start(parts)
  return {
    uri: `mongodb://127.0.0.1:${started.port}/`,
    kind: started.kind,
    pid: started.pid,
    database,
    freeze: () => void process.kill(started.pid, 'SIGSTOP'),
    thaw: () => void process.kill(started.pid, 'SIGCONT'),
    stop: started.stop,
  }
}

interface Started {
  port: number
  /** The server's own. */
  pid: number
  kind: string
  stop(): Promise<void>
}

async function start(parts: Exclude<MongoParts, { kind: 'given' }>): Promise<Started> {
  if (parts.kind === 'java') {
    const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xmx512m']
    const child = spawn(parts.java, [...flags, '-cp', parts.classPath, 'Launcher'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const port = Number(await firstLine(child))
    const kind = 'mongo-java-server 1.47.0 (MongoDB 5.0 protocol)'
    return { port, pid: child.pid!, kind, stop: () => end(child, child.pid!) }
  }
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-mongod-'))
  const port = await freePort()
  const words = ['--port', `${port}`, '--bind_ip', '127.0.0.1', '--nounixsocket', '--dbpath', folder, '--quiet']
  // mongod does not look at its standard input: the shell does, and ends it when ours is gone.
  const shell = 'd=$1; shift; "$@" >/dev/null 2>&1 & p=$!; echo $p; cat >/dev/null; kill -9 $p; rm -rf "$d"'
  const child = spawn('/bin/sh', ['-c', shell, 'sh', folder, parts.program, ...words], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const pid = Number(await firstLine(child))
  const stop = async () => {
    await end(child, pid)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const version = await answer(port)
    return { port, pid, kind: `mongod ${version}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function answer(port: number): Promise<string> {
  const until = Date.now() + startMs
  for (;;) {
    try {
      return await withClient(`mongodb://127.0.0.1:${port}/?serverSelectionTimeoutMS=500`, async (client) => {
        const info = await client.db('admin').command({ buildInfo: 1 })
        return String(info.version)
      })
    } catch (error) {
      if (Date.now() > until) throw new Error('mongod does not answer', { cause: error })
      await sleep(100)
    }
  }
}

async function withClient<T>(uri: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(uri)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`The MongoDB server did not start within ${startMs / 1000} s.`))
    }, startMs)
    let said = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk
      if (!said.includes('\n')) return
      clearTimeout(late)
      resolve(said.slice(0, said.indexOf('\n')))
    })
    child.once('error', (error) => {
      clearTimeout(late)
      reject(error)
    })
    child.once('exit', (code) => {
      clearTimeout(late)
      reject(new Error(`The MongoDB server ended with code ${code} before it listened.`))
    })
  })
}

/** Its standard input ends, which ends it; after 5 s it is killed. */
async function end(child: ChildProcess, pid: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  process.kill(pid, 'SIGCONT')
  child.stdin?.end()
  const late = setTimeout(() => {
    process.kill(pid, 'SIGKILL')
    child.kill('SIGKILL')
  }, 5_000)
  await gone
  clearTimeout(late)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
