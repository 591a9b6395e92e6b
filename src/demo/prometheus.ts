import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { alertRulesText } from './alert-rules.ts'
import { leash } from './leash.ts'
import { freePorts } from './processes.ts'
import { comesUp, notUp } from './up.ts'

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

/** Where alerts go, and the rules that raise them. `alertmanagerUrl` is a whole URL without a path. */
export function alertingConfig(alertmanagerUrl: string, ruleFile: string): object {
  const { protocol, host } = new URL(alertmanagerUrl)
  return {
    alerting: { alertmanagers: [{ scheme: protocol.replace(':', ''), static_configs: [{ targets: [host] }] }] },
    rule_files: [ruleFile],
  }
}

/**
 * Starts Prometheus as a child on a free port of 127.0.0.1 with configuration, data and log in `folder`, and resolves when
 * it is ready and has scraped every target. With `alertmanagerUrl` it evaluates the sandbox's alerting rules and sends there.
 * It ends with this process. Throws Fault `demo.prometheus`.
 */
export async function startPrometheus(options: {
  folder: string
  targets: ScrapeTarget[]
  binary: string
  alertmanagerUrl?: string
  ms?: number
  /** Gives up waiting. */
  signal?: AbortSignal
}): Promise<Prometheus> {
  const { folder, targets, binary, alertmanagerUrl, ms = 30_000, signal } = options
  const log = join(folder, 'prometheus.log')
  const config = join(folder, 'prometheus.yml')
  const rules = join(folder, 'alert-rules.yml')
  await mkdir(folder, { recursive: true })
  await writeFile(rules, alertRulesText())
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '900ms', evaluation_interval: '1s' },
      ...(alertmanagerUrl === undefined ? {} : alertingConfig(alertmanagerUrl, rules)),
      ...scrapeConfig(targets),
    }),
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
      // The links in alerts lead to it, not to the name of the machine.
      `--web.external-url=${url}`,
    ],
    log,
  )
  try {
    await comesUp({ program, until: Date.now() + ms, signal, ask: scraped(url, targets) })
  } catch (cause) {
    throw await notUp(program, { code: 'demo.prometheus', name: `Prometheus (${binary})`, log, cause })
  }
  return { url, pid: program.pid, pids: program.pids, stop: program.stop }
}

interface ActiveTargets {
  data: { activeTargets: { scrapeUrl: string; health: string; lastError: string }[] }
}

/** Asks whether every target has been scraped once; otherwise answers with what lacks. */
function scraped(url: string, targets: ScrapeTarget[]): (signal: AbortSignal) => Promise<string | undefined> {
  let lacking = targets.map(({ address }) => address)
  return async (signal) => {
    const ready = await fetch(`${url}/-/ready`, { signal })
    const answer = await fetch(`${url}/api/v1/targets?state=active`, { signal })
    if (!ready.ok || !answer.ok) return `it answers ${ready.status} and ${answer.status}`
    // Only our own targets count: another server on this port would not have them.
    const { data } = (await answer.json()) as ActiveTargets
    const up = data.activeTargets
      .filter(({ health }) => health === 'up')
      .map(({ scrapeUrl }) => new URL(scrapeUrl).host)
    lacking = lacking.filter((address) => !up.includes(address))
    if (lacking.length === 0) return undefined
    const failed = data.activeTargets.find(({ lastError }) => lastError !== '')
    return `not scraped yet: ${lacking.join(', ')}${failed ? ` (${failed.lastError})` : ''}`
  }
}
