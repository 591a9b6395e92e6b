/**
 * A small load on HTTP services: `node src/demo/load.ts` with one line of JSON on stdin, `{ "targets": [url], "rps": n }`.
 * It ends when stdin does, and so with the process that started it.
 */
import { spawn } from 'node:child_process'
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'

export interface LoadPlan {
  targets: string[]
  /** Requests per second on each target. */
  rps: number
}

export interface Load {
  pid: number
  stop(): Promise<void>
}

/** Starts the load in a process of its own, so that its work does not delay the demo or the hosts. */
export function startLoad(plan: LoadPlan): Load {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    detached: true,
    env: { PATH: process.env.PATH },
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  child.stdin.on('error', () => {})
  child.stdin.write(`${JSON.stringify(plan)}\n`)
  return {
    pid: child.pid ?? 0,
    stop: () => {
      child.kill('SIGKILL')
      return gone
    },
  }
}

/** Requests in flight on one target; beyond it a tick is dropped, so that a slow service is not buried. */
const inFlightLimit = 32

/** Open loop: requests come at their rate whether or not earlier ones were answered, as users do. */
function press(target: string, rps: number): void {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlightLimit })
  let inFlight = 0
  const next = () => {
    // Poisson arrivals: exponential gaps with mean 1 / rps.
    setTimeout(next, (-Math.log(1 - Math.random()) * 1000) / rps)
    if (inFlight >= inFlightLimit) return
    inFlight += 1
    get(target, { agent, timeout: 5000 }, (response) => response.resume())
      .on('timeout', function (this: { destroy(): void }) {
        this.destroy()
      })
      .on('error', () => {}) // a service that restarts refuses for a moment
      .on('close', () => {
        inFlight -= 1
      })
  }
  next()
}

if (import.meta.main) {
  let head = ''
  process.stdin.setEncoding('utf8')
  process.stdin.on('data', (chunk: string) => {
    const begun = head.includes('\n')
    head += begun ? '' : chunk
    if (begun || !head.includes('\n')) return
    const { targets, rps } = JSON.parse(head.slice(0, head.indexOf('\n'))) as LoadPlan
    for (const target of targets) press(target, rps)
  })
  process.stdin.on('end', () => process.exit(0))
  process.stdin.on('error', () => process.exit(0))
}
