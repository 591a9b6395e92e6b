import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe } from 'vitest'

/** True when the real suites are left out on purpose. */
export const skipReal = process.env.ROLLCALL_SKIP_REAL === '1'

/** `describe` for suites that need the real program. */
export const describeReal = skipReal ? describe.skip : describe

export interface Target {
  /** host:port. */
  address: string
  labels?: Record<string, string>
}

export interface RealPrometheus {
  url: string
  stop(): Promise<void>
}

/** The binary: PROMETHEUS_BIN, else from PATH. Throws with the line that says what to install. */
export function prometheusBinary(): string {
  const wanted = process.env.PROMETHEUS_BIN
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const file of wanted === undefined ? folders.map((folder) => join(folder, 'prometheus')) : [wanted]) {
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // the next one
    }
  }
  throw new Error(
    'Prometheus is needed for this suite: apt-get install prometheus (or set PROMETHEUS_BIN); ROLLCALL_SKIP_REAL=1 leaves it out',
  )
}

/** Starts Prometheus on a free port of 127.0.0.1, in a folder of its own, scraping the targets each second, and waits until it is ready. */
export async function startPrometheus(targets: readonly Target[]): Promise<RealPrometheus> {
  const binary = prometheusBinary()
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(binary, targets)
    } catch (error) {
      // Between choosing the port and listening on it another program may have taken it.
      if (attempt === 3) throw error
    }
  }
}

async function start(binary: string, targets: readonly Target[]): Promise<RealPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-prometheus-'))
  const jobs = targets.map(({ address, labels }) => ({ targets: [address], labels: labels ?? {} }))
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '900ms' },
    scrape_configs: [
      {
        job_name: 'rollcall-test',
        honor_labels: true,
        static_configs: jobs,
        // A target with this label is one that is found and not scraped.
        relabel_configs: [{ source_labels: ['__drop'], regex: 'yes', action: 'drop' }],
      },
    ],
  }
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  const flags = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
  ]
  const child = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async () => {
    await end(child)
    process.removeListener('exit', kill)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await ready(child, `http://${address}`)
  } catch (error) {
    await stop()
    throw new Error(`${(error as Error).message}: ${said}`)
  }
  return { url: `http://${address}`, stop }
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  const until = Date.now() + 20_000
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`)
    const answer = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined)
    if (answer?.ok) return
    await sleep(50)
  }
  throw new Error('prometheus was not ready in 20 s')
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(late)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Asks until the condition holds; throws with the last answer after `seconds`. */
export async function until<T>(seconds: number, ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (holds(answer)) return answer
    if (Date.now() > deadline) throw new Error(`not so within ${seconds} s: ${JSON.stringify(answer).slice(0, 2000)}`)
    await sleep(200)
  }
}
