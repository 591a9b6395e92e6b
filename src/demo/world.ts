import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../lib/fault.ts'
import { type AccountStore, startAccountStore } from './account-store.ts'
import { alertRulesText } from './alert-rules.ts'
import { type Alertmanager, alertmanagerConfigText, startAlertmanager } from './alertmanager.ts'
import { startArtifacts } from './artifacts.ts'
import { type Fleet, type HostPlan, type SandboxHost, startFleet } from './fleet.ts'
import { startLoad } from './load.ts'
import { missingLine, obtain, type Part } from './parts.ts'
import { alive } from './processes.ts'
import { type ScrapeTarget, scrapeConfigText, startPrometheus } from './prometheus.ts'
import { provision } from './provision.ts'
import { unsupported } from './unsupported.ts'
import { type WorldConfig, worldConfig } from './world-config.ts'

export interface World {
  hosts: SandboxHost[]
  /** To take a host down, change its key, and the like. */
  fleet: Fleet
  /** Undefined when there is no Prometheus: a gate then holds as inconclusive. */
  prometheusUrl: string | undefined
  /** Undefined when there is no Alertmanager: no alert comes then. */
  alertmanagerUrl: string | undefined
  /** Says where alerts go, which is known once the bot listens: its `POST /api/v1/alertmanager`. */
  alertsTo(webhookUrl: string): Promise<void>
  /** account-store, which user-service asks for a share of its requests. */
  dependency: Pick<AccountStore, 'name' | 'running' | 'stop' | 'start'>
  artifactUrl: string
  keyPath: string
  /** What a rollcall.yaml for this world holds. */
  config: WorldConfig
  /** Seconds that it took to come up, installations included. */
  seconds: number
  /** Ids of all living processes of this world. */
  processes(): number[]
  /** Ends every process and removes the folder unless told to keep it. Doing it twice is harmless. */
  stop(options?: { keep?: boolean }): Promise<void>
}

export interface WorldOptions {
  /** Made here, or empty: it is removed as a whole at the end. */
  folder: string
  say: (line: string) => void
  env?: NodeJS.ProcessEnv
  hosts?: HostPlan[]
  /** Requests per second on each host. */
  rps?: number
  /** Ends the bring-up: what has been started is stopped, and the promise rejects with the signal's reason. */
  signal?: AbortSignal
}

const firstVersion = 'v1.0.0'

/**
 * Brings up the sandbox: hosts with user-service v1.0.0, account-store, artifacts, load, Prometheus and Alertmanager, all on
 * 127.0.0.1. With PROMETHEUS_URL or ALERTMANAGER_URL in `env` that server is used, and what its operator must add is printed.
 * Throws Faults `demo.*`; only the folder with the logs is left then, and not even that after `signal`.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { folder, say, env = process.env, hosts: plans, rps = 25, signal } = options
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  const cannot = unsupported(env)
  if (cannot !== undefined) say(cannot)
  const given = { prometheus: addressIn(env, 'PROMETHEUS_URL'), alertmanager: addressIn(env, 'ALERTMANAGER_URL') }
  const parts: Part[] = ['curl']
  if (given.prometheus === undefined) {
    parts.push('prometheus')
    // One that is not ours would not know of it.
    if (given.alertmanager === undefined) parts.push('alertmanager')
  }
  const { found, missing } = await obtain(parts, { say, env })
  for (const one of missing) say(missingLine(one))
  await claim(folder)

  const undo: (() => Promise<void>)[] = []
  const stop = async ({ keep = false }: { keep?: boolean } = {}): Promise<void> => {
    // In reverse: nothing loses what it stands on. Each is tried, whatever became of the others.
    const failures: unknown[] = []
    while (undo.length > 0) await undo.pop()!().catch((error: unknown) => failures.push(error))
    if (!keep) await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    if (failures.length > 0) throw failures[0]
  }
  try {
    const [[fleet, artifacts], store] = await all(
      all(
        startFleet({ folder, ...(plans ? { hosts: plans } : {}) }).then((started) => {
          undo.push(started.stop)
          return started
        }),
        startArtifacts({ folder: join(folder, 'artifacts') }).then((started) => {
          undo.push(started.close)
          return started
        }),
      ),
      startAccountStore({ folder: join(folder, 'account-store') }).then((started) => {
        undo.push(started.stop)
        return started
      }),
    )
    signal?.throwIfAborted()
    const { hosts } = fleet
    say(`${hosts.length} hosts answer SSH after ${since().toFixed(1)} s.`)
    const pids: number[] = []
    // A service that does not start leaves Prometheus nothing to wait for.
    const failure = new AbortController()
    const quit = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal
    const services = async () => {
      const first = artifacts.files.find(({ version }) => version === firstVersion)!
      await provision(hosts, first, { accountStore: store.url })
      const load = startLoad({ targets: hosts.map((host) => `http://${serviceAddress(host)}/`), rps })
      undo.push(load.stop)
      pids.push(load.pid)
      say(`user-service ${firstVersion} runs on each, under ${rps} requests/s, after ${since().toFixed(1)} s.`)
    }
    const targets = scrapeTargets(hosts, store)
    let alertmanager: Alertmanager | undefined
    const metrics = async () => {
      if (found.alertmanager !== undefined && found.prometheus !== undefined) {
        alertmanager = await startAlertmanager({
          folder: join(folder, 'alertmanager'),
          binary: found.alertmanager,
          signal: quit,
        })
        undo.push(alertmanager.stop)
        pids.push(...alertmanager.pids)
      }
      const alertmanagerUrl = given.alertmanager ?? alertmanager?.url
      if (given.prometheus !== undefined) return { prometheusUrl: given.prometheus, alertmanagerUrl }
      if (found.prometheus === undefined) return {}
      const prometheus = await startPrometheus({
        folder: join(folder, 'prometheus'),
        targets,
        binary: found.prometheus,
        ...(alertmanagerUrl === undefined ? {} : { alertmanagerUrl }),
        signal: quit,
      })
      undo.push(prometheus.stop)
      pids.push(...prometheus.pids)
      say(`Prometheus has scraped them all after ${since().toFixed(1)} s: ${prometheus.url}`)
      if (alertmanager !== undefined) say(`Alertmanager takes its alerts: ${alertmanager.url}`)
      return { prometheusUrl: prometheus.url, alertmanagerUrl }
    }
    const [, { prometheusUrl, alertmanagerUrl }] = await all(
      services().catch((error: unknown) => {
        failure.abort(error)
        throw error
      }),
      metrics(),
    )
    signal?.throwIfAborted()
    if (given.prometheus !== undefined)
      say(`Metrics are read from ${given.prometheus}. It must scrape the sandbox:\n${scrapeConfigText(targets)}`)
    if (given.prometheus !== undefined && alertmanagerUrl !== undefined)
      say(`For alerts it must evaluate these rules, and send to ${alertmanagerUrl}:\n${alertRulesText()}`)
    if (prometheusUrl === undefined) say('Going on without Prometheus: every gate will hold as inconclusive.')
    if (alertmanagerUrl === undefined) say('Going on without Alertmanager: no alert will come.')
    const seconds = since()
    say(`The sandbox is up after ${seconds.toFixed(1)} s.`)
    return {
      hosts,
      fleet,
      prometheusUrl,
      alertmanagerUrl,
      alertsTo: async (webhookUrl) => {
        await alertmanager?.deliverTo(webhookUrl)
        if (given.alertmanager !== undefined)
          say(`${given.alertmanager} must send to the bot:\n${alertmanagerConfigText(webhookUrl)}`)
      },
      dependency: store,
      artifactUrl: artifacts.url,
      keyPath: fleet.keyPath,
      config: worldConfig({
        hosts,
        artifactUrl: artifacts.url,
        prometheusUrl,
        alertmanagerUrl,
        downstream: [store.name],
        folder,
      }),
      seconds,
      processes: () => (undo.length === 0 ? [] : [...fleet.processes(), ...[...pids, ...store.pids()].filter(alive)]),
      stop,
    }
  } catch (error) {
    const keep = signal?.aborted !== true
    await stop({ keep }).catch(() => {})
    if (keep) say(`The sandbox did not come up. Its logs are kept in ${folder}`)
    throw error
  }
}

const serviceAddress = ({ ip, servicePort }: SandboxHost): string => `${ip}:${servicePort}`

function addressIn(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name]
}

/** `host` and `service` are the service's own labels, too, with the same values: see scrapeConfig. */
function scrapeTargets(hosts: SandboxHost[], store: AccountStore): ScrapeTarget[] {
  return [
    ...hosts.map((host) => ({
      address: serviceAddress(host),
      labels: { host: host.id, region: host.region, service: 'user-service' },
    })),
    { address: store.address, labels: { host: store.host, service: store.name } },
  ]
}

/** The folder is removed at the end, so it must hold nothing of anybody else's. */
async function claim(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await readdir(folder)).length === 0) return
  throw new Fault('demo.folder-not-empty', {
    say: `${folder} is not empty, and the sandbox removes its folder when it ends`,
    next: 'name an empty folder, or one that does not exist',
  })
}

/** As Promise.all, but waits for both before it rejects: what comes up late is then known and can be stopped. */
async function all<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b])
  if (first.status === 'rejected') throw first.reason
  if (second.status === 'rejected') throw second.reason
  return [first.value, second.value]
}
