import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '../lib/fault.ts'

/** Every process on a sandbox host inherits this variable, however it was detached; its value names the fleet. */
export const MARK = 'ROLLCALL_SANDBOX'

/** Ids of the living processes that carry the mark of a fleet in their environment. */
export function marked(mark: string): number[] {
  const word = `${MARK}=${mark}`
  if (process.platform !== 'linux') return markedByPs(word)
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      return readFileSync(`/proc/${entry}/environ`, 'latin1').split('\0').includes(word) ? [Number(entry)] : []
    } catch {
      return [] // gone in the meantime, or another user's
    }
  })
}

/** BSD's `e` flag appends the environment to the command. */
function markedByPs(word: string): number[] {
  const lines = execFileSync('ps', ['axeww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 << 20 })
  return lines.split('\n').flatMap((line) => (line.split(/\s+/).includes(word) ? [Number.parseInt(line, 10)] : []))
}

/** Ends every process that carries the mark, again until none is left. Throws Fault `demo.processes-left` after `ms`. */
export async function endMarked(mark: string, ms = 4000): Promise<void> {
  const until = Date.now() + ms
  for (let left = marked(mark); left.length > 0; left = marked(mark)) {
    if (Date.now() > until) {
      throw new Fault('demo.processes-left', {
        say: `processes of the sandbox hosts did not end: ${left.join(', ')}`,
        next: `kill -9 ${left.join(' ')}`,
      })
    }
    for (const pid of left) endNow(pid)
    await delay(20)
  }
}

/** SIGKILL; silent when the process is gone. A negative id means its process group. */
export function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it was quicker
  }
}

/** True while the process exists; a zombie, which nobody has waited for yet, does not count on Linux. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    if (process.platform !== 'linux') return true
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/**
 * Ports of 127.0.0.1 that nobody uses now. They lie below the range from which systems give out the ports of
 * outgoing connections (Linux 32768, macOS 49152), so that a port stays free while its service is being restarted.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held: { port: number; close: () => void }[] = []
  for (let tries = 0; held.length < count && tries < count + 200; tries++) {
    const server = await listening(20_000 + Math.floor(Math.random() * 12_000))
    if (server) held.push(server)
  }
  for (const { close } of held) close()
  if (held.length < count) {
    throw new Fault('demo.no-free-port', {
      say: `found ${held.length} of ${count} free ports between 20000 and 32000 on 127.0.0.1`,
      next: 'end what listens there, then start again',
    })
  }
  return held.map(({ port }) => port)
}

function listening(port: number): Promise<{ port: number; close: () => void } | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => resolve({ port, close: () => server.close() }))
  })
}
