import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { Fault } from '../lib/fault.ts'
import { type Leashed, leash } from './leash.ts'
import { freePorts } from './processes.ts'

export interface ScrapeTarget {
  /** host:port. */
  address: string
  labels: Record<string, string>
}

export interface Prometheus {
  url: string
  pid: number
  /** Of Prometheus and of the shell that ends it with this process. */
  pids: number[]
  stop(): Promise<void>
}

/**
 * The scrape section for these targets, each second. With `honor_labels` a label that the service itself puts on a
 * series (service, version, host) wins over the target's label of that name; without it, the service's would be
 * renamed to exported_host and so on. The target labels still stand on `up`, which a dead service cannot label.
 */
export function scrapeConfig(targets: ScrapeTarget[]): { scrape_configs: object[] } {
  return {
    scrape_configs: [
      {
        job_name: 'rollcall-demo',
        honor_labels: true,
        scrape_interval: '1s',
        scrape_timeout: '900ms',
        static_configs: targets.map(({ address, labels }) => ({ targets: [address], labels })),
      },
    ],
  }
}

/** The same as text, for the operator of a Prometheus that is not ours. */
export function scrapeConfigText(targets: ScrapeTarget[]): string {
  return stringify(scrapeConfig(targets))
}

/**
 * Starts Prometheus as a child on a free port of 127.0.0.1 with configuration, data and log in `folder`, and resolves when
 * it is ready and has scraped every target. It ends with this process. Throws Fault `demo.prometheus`.
 */
export async function startPrometheus(options: {
  folder: string
  targets: ScrapeTarget[]
  binary: string
  ms?: number
  /** Gives up waiting. */
  signal?: AbortSignal
}): Promise<Prometheus> {
  const { folder, targets, binary, ms = 30_000, signal } = options
  const log = join(folder, 'prometheus.log')
  const config = join(folder, 'prometheus.yml')
  await mkdir(folder, { recursive: true })
  await writeFile(
    config,
    stringify({ global: { scrape_interval: '1s', scrape_timeout: '900ms' }, ...scrapeConfig(targets) }),
  )
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const program = await leash(
    binary,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--storage.tsdb.retention.time=1d',
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    log,
  )
  try {
    await scraped({ url, targets, program, until: Date.now() + ms, signal })
  } catch (error) {
    await program.stop()
    const said = (await readFile(log, 'utf8').catch(() => '')).split('\n')
    const last = said.filter((line) => /level=(error|ERROR)|rror:/.test(line)).slice(-2)
    throw new Fault('demo.prometheus', {
      say: `Prometheus (${binary}) did not come up: ${[(error as Error).message, ...last].join(' | ')}`,
      next: `read ${log}`,
      cause: error,
    })
  }
  return { url, pid: program.pid, pids: program.pids, stop: program.stop }
}

interface ActiveTargets {
  data: { activeTargets: { scrapeUrl: string; health: string; lastError: string }[] }
}

async function scraped(wait: {
  url: string
  targets: ScrapeTarget[]
  program: Leashed
  until: number
  signal: AbortSignal | undefined
}): Promise<void> {
  const { url, targets, program, until, signal } = wait
  let lacking = targets.map(({ address }) => address)
  let why = 'it does not answer'
  while (!program.exited()) {
    signal?.throwIfAborted()
    if (Date.now() > until) throw new Error(`not ready in time: ${why}`)
    await delay(100)
    try {
      const bound = { signal: AbortSignal.timeout(2000) }
      const ready = await fetch(`${url}/-/ready`, bound)
      const answer = await fetch(`${url}/api/v1/targets?state=active`, bound)
      if (!ready.ok || !answer.ok) continue
      // Only our own targets count: another server on this port would not have them.
      const { data } = (await answer.json()) as ActiveTargets
      const up = data.activeTargets
        .filter(({ health }) => health === 'up')
        .map(({ scrapeUrl }) => new URL(scrapeUrl).host)
      lacking = lacking.filter((address) => !up.includes(address))
      if (lacking.length === 0) return
      const failed = data.activeTargets.find(({ lastError }) => lastError !== '')
      why = `not scraped yet: ${lacking.join(', ')}${failed ? ` (${failed.lastError})` : ''}`
    } catch {
      // not yet
    }
  }
  throw new Error('it ended')
}
