import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Fault } from '../lib/fault.ts'
import { leash } from './leash.ts'
import { freePorts } from './processes.ts'
import { comesUp, notUp } from './up.ts'

export interface Alertmanager {
  url: string
  pid: number
  /** Of Alertmanager and of the shell that ends it with this process. */
  pids: number[]
  /** From now on it sends to this webhook, what fires already included. Fault `demo.alertmanager` when it refuses. */
  deliverTo(webhookUrl: string): Promise<void>
  stop(): Promise<void>
}

/**
 * Its configuration: one thread's worth of alerts per service and alert name, with times for a sandbox that plays in minutes.
 * Without a webhook it takes alerts and tells nobody.
 */
export function alertmanagerConfig(webhookUrl: string | undefined): object {
  return {
    route: {
      receiver: 'rollcall',
      group_by: ['alertname', 'service'],
      group_wait: '1s',
      group_interval: '2s',
      repeat_interval: '1h',
    },
    receivers: [
      {
        name: 'rollcall',
        ...(webhookUrl === undefined ? {} : { webhook_configs: [{ url: webhookUrl, send_resolved: true }] }),
      },
    ],
  }
}

/** The same as text, for the operator of an Alertmanager that is not ours. */
export function alertmanagerConfigText(webhookUrl: string): string {
  return stringify(alertmanagerConfig(webhookUrl))
}

/**
 * Starts Alertmanager as a child on a free port of 127.0.0.1, alone, with configuration, data and log in `folder`, and
 * resolves when it is ready. It ends with this process. Throws Fault `demo.alertmanager`.
 */
export async function startAlertmanager(options: {
  folder: string
  binary: string
  /** May be said later, with `deliverTo`. */
  webhookUrl?: string
  ms?: number
  /** Gives up waiting. */
  signal?: AbortSignal
}): Promise<Alertmanager> {
  const { folder, binary, ms = 30_000, signal } = options
  const log = join(folder, 'alertmanager.log')
  const config = join(folder, 'alertmanager.yml')
  await mkdir(folder, { recursive: true })
  const write = (webhookUrl: string | undefined) => writeFile(config, stringify(alertmanagerConfig(webhookUrl)))
  await write(options.webhookUrl)
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const program = await leash(
    binary,
    [
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      `--web.external-url=${url}`,
      // One of a kind: it looks for no others, and listens for none.
      '--cluster.listen-address=',
    ],
    log,
  )
  const ask = async (bound: AbortSignal) => {
    const ready = await fetch(`${url}/-/ready`, { signal: bound })
    return ready.ok ? undefined : `it answers ${ready.status}`
  }
  try {
    await comesUp({ program, until: Date.now() + ms, signal, ask })
  } catch (cause) {
    throw await notUp(program, { code: 'demo.alertmanager', name: `Alertmanager (${binary})`, log, cause })
  }
  return {
    url,
    pid: program.pid,
    pids: program.pids,
    deliverTo: async (webhookUrl) => {
      await write(webhookUrl)
      const answer = await fetch(`${url}/-/reload`, { method: 'POST', signal: AbortSignal.timeout(5000) })
      if (answer.ok) return
      const why = (await answer.text()).trim()
      throw new Fault('demo.alertmanager', { say: `Alertmanager refused its webhook: ${why}`, next: `read ${log}` })
    },
    stop: program.stop,
  }
}
