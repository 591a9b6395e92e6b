import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../lib/fault.ts'
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
 * Brings up the sandbox: hosts with user-service v1.0.0, artifacts, load and Prometheus, all on 127.0.0.1.
 * With PROMETHEUS_URL in `env` that server is used, and the scrape section that its operator must add is printed.
 * Throws Faults `demo.*`; only the folder with the logs is left then, and not even that after `signal`.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const { folder, say, env = process.env, hosts: plans, rps = 25, signal } = options
  const began = performance.now()
  const since = () => (performance.now() - began) / 1000
  const cannot = unsupported(env)
  if (cannot !== undefined) say(cannot)
  const given = env.PROMETHEUS_URL === '' ? undefined : env.PROMETHEUS_URL
  const parts: Part[] = given === undefined ? ['curl', 'prometheus'] : ['curl']
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
    const [fleet, artifacts] = await all(
      startFleet({ folder, ...(plans ? { hosts: plans } : {}) }).then((started) => {
        undo.push(started.stop)
        return started
      }),
      startArtifacts({ folder: join(folder, 'artifacts') }).then((started) => {
        undo.push(started.close)
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
      await provision(hosts, artifacts.files.find(({ version }) => version === firstVersion)!)
      const load = startLoad({ targets: hosts.map((host) => `http://${serviceAddress(host)}/`), rps })
      undo.push(load.stop)
      pids.push(load.pid)
      say(`user-service ${firstVersion} runs on each, under ${rps} requests/s, after ${since().toFixed(1)} s.`)
    }
    const metrics = async () => {
      if (given !== undefined) return given
      if (found.prometheus === undefined) return undefined
      const targets = scrapeTargets(hosts)
      const prometheus = await startPrometheus({
        folder: join(folder, 'prometheus'),
        targets,
        binary: found.prometheus,
        signal: quit,
      })
      undo.push(prometheus.stop)
      pids.push(...prometheus.pids)
      say(`Prometheus has scraped them all after ${since().toFixed(1)} s: ${prometheus.url}`)
      return prometheus.url
    }
    const [, prometheusUrl] = await all(
      services().catch((error: unknown) => {
        failure.abort(error)
        throw error
      }),
      metrics(),
    )
    signal?.throwIfAborted()
    if (given !== undefined)
      say(`Metrics are read from ${given}. It must scrape the sandbox:\n${scrapeConfigText(scrapeTargets(hosts))}`)
    if (prometheusUrl === undefined) say('Going on without Prometheus: every gate will hold as inconclusive.')
    const seconds = since()
    say(`The sandbox is up after ${seconds.toFixed(1)} s.`)
    return {
      hosts,
      fleet,
      prometheusUrl,
      artifactUrl: artifacts.url,
      keyPath: fleet.keyPath,
      config: worldConfig({ hosts, artifactUrl: artifacts.url, prometheusUrl, folder }),
      seconds,
      processes: () => (undo.length === 0 ? [] : [...fleet.processes(), ...pids.filter(alive)]),
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

/** `host` and `service` are the service's own labels, too, with the same values: see scrapeConfig. */
function scrapeTargets(hosts: SandboxHost[]): ScrapeTarget[] {
  return hosts.map((host) => ({
    address: serviceAddress(host),
    labels: { host: host.id, region: host.region, service: 'user-service' },
  }))
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
