import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { stringify } from 'yaml'
import type { SandboxHost } from '../../src/demo/fleet.ts'
import { type Leashed, leash } from '../../src/demo/leash.ts'
import { startLoad } from '../../src/demo/load.ts'
import { freePorts } from '../../src/demo/processes.ts'
import type { Release } from '../../src/release/release.ts'
import { needs } from '../demo/needs.ts'
import type { Sandbox } from './sandbox.ts'

/** A real Prometheus at one address, which tests stop, start, empty and point elsewhere. */
export interface Steered {
  url: string
  /** With the data that it had, unless told to forget. Resolves when it answers. */
  start(options?: { forget?: boolean }): Promise<void>
  stop(): Promise<void>
  /** Scrapes these hosts from now on, and no other; resolves when each has been scraped twice. */
  aim(hosts: readonly SandboxHost[]): Promise<void>
  /** Scrapes nothing from the next start on. */
  aimNowhere(): void
  /** The values that a query has now. */
  ask(query: string): Promise<number[]>
}

/** Scrapes twice a second, so that a window of seconds has enough points. It ends with this process. */
export async function steeredPrometheus(folder: string): Promise<Steered> {
  const { prometheus: binary } = await needs('prometheus')
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const config = join(folder, 'prometheus.yml')
  const data = join(folder, 'prometheus-data')
  let program: Leashed | undefined
  let aimed: readonly SandboxHost[] = []
  const write = async () => {
    await mkdir(folder, { recursive: true })
    const targets = aimed.map((host) => ({
      targets: [`${host.ip}:${host.servicePort}`],
      labels: { host: host.id, region: host.region, service: 'user-service' },
    }))
    const job = { job_name: 'scenario', honor_labels: true, static_configs: targets }
    await writeFile(
      config,
      stringify({ global: { scrape_interval: '500ms', scrape_timeout: '400ms' }, scrape_configs: [job] }),
    )
  }
  const ask = async (query: string): Promise<number[]> => {
    const answer = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`)
    const body = (await answer.json()) as { data?: { result?: { value: [number, string] }[] } }
    return (body.data?.result ?? []).map(({ value }) => Number(value[1]))
  }
  const eventually = async (what: string, ask: () => Promise<boolean>) => {
    for (const until = performance.now() + 20_000; !(await ask().catch(() => false)); await delay(50)) {
      if (performance.now() > until) throw new Error(`Prometheus: not within 20 s: ${what}`)
    }
  }
  return {
    url,
    ask,
    async start({ forget = false } = {}) {
      if (forget) await rm(data, { recursive: true, force: true })
      await write()
      program = await leash(
        binary,
        [
          `--config.file=${config}`,
          `--storage.tsdb.path=${data}`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--web.enable-lifecycle',
        ],
        join(folder, 'prometheus.log'),
      )
      await eventually('ready', async () => (await fetch(`${url}/-/ready`)).ok)
    },
    async stop() {
      await program?.stop()
      program = undefined
    },
    aimNowhere() {
      aimed = []
    },
    async aim(hosts) {
      aimed = hosts
      await write()
      const { ok } = await fetch(`${url}/-/reload`, { method: 'POST' })
      if (!ok) throw new Error('Prometheus did not take its new configuration')
      await eventually('scraped', async () => {
        const counts = await ask('count_over_time(up[2s])')
        return hosts.length === 0 || (counts.length >= hosts.length && counts.every((count) => count >= 2))
      })
    },
  }
}

/** Requests on every host, `rps` each; the result ends them. */
export function loadOn(hosts: readonly SandboxHost[], rps: number): () => Promise<void> {
  return startLoad({ targets: hosts.map((host) => `http://${host.ip}:${host.servicePort}/`), rps }).stop
}

/** Windows of eight seconds, limits as configured: what passes is what has been measured, not what is fast today. */
export const measuredPolicy = {
  windows: ['8s', '8s'],
  interval: '1s',
  warmup: '0s',
  minRequests: 60,
  freshSeconds: 3,
  rateWindow: '2s',
  thresholds: { errorRate: '5%', latency: '2s', cpu: 2, memory: '4GB' },
}

const observing = ({ state }: Release) => state.at === 'rolling out' && state.doing === 'observing'

/** Waits for the window, and then until at most so many seconds of it are left. */
export async function within(bot: Sandbox, release: string, left: number): Promise<void> {
  const { state } = await bot.becomes(release, observing)
  const until = state.at === 'rolling out' ? Date.parse(state.until ?? '') : 0
  await delay(Math.max(0, until - Date.now() - left * 1000))
}

/** One release, hold by hold. */
export function followHolds(bot: Sandbox, id: string) {
  let turn = 0
  return {
    /** The next hold: why, as the card shows it, too. */
    async holds(): Promise<string> {
      const release = await bot.becomes(id, (found) => found.state.at === 'held' && found.turn > turn)
      turn = release.turn
      const why = release.state.at === 'held' ? release.state.why : ''
      expect(await bot.card(id)).toContain(`Held: ${why}`)
      return why
    },
    async resume() {
      expect((await bot.press('alice', id, 'release.resume')).ok).toBe(true)
      await bot.becomes(id, observing)
    },
    /** Nobody presses anything: it must still stand there. */
    async staysHeld() {
      await delay(1200)
      expect(await bot.app().desk.releases.need(id)).toMatchObject({ turn, state: { at: 'held' } })
    },
  }
}
