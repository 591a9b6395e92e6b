import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { mcpSchema, resolveServers } from '../../../src/adapters/mcp-client/config.ts'
import { createMcpTools, type McpTools, type McpToolsOptions } from '../../../src/adapters/mcp-client/index.ts'
import { createLog, type Log } from '../../../src/lib/log.ts'
import { createMemoryStore } from '../../fakes/memory-store.ts'

export const badServer = (...args: string[]) => [process.execPath, 'test/servers/mcp-bad.ts', ...args].map(absolute)

/** Children run in a folder of their own. */
function absolute(word: string): string {
  return word.startsWith('test/') ? `${process.cwd()}/${word}` : word
}

export interface Tried {
  tools: McpTools
  /** All that was logged, as JSON lines. */
  logged: () => string
}

/** Tools over servers as the configuration would name them. */
export function toolsOf(servers: object[], options: Partial<McpToolsOptions> = {}): Tried {
  const lines: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log: Log = createLog({ level: 'debug', stream, env: {} })
  const env = { PATH: process.env.PATH, ...options.env }
  const plans = resolveServers(mcpSchema.parse({ servers, automatic: false }), { prometheusConfigured: false, env })
  const tools = createMcpTools({ servers: plans, store: createMemoryStore(), log, ...options, env })
  return { tools, logged: () => lines.join('') }
}

export const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Asks until it holds, at most `seconds`. */
export async function until(what: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
  const end = Date.now() + seconds * 1000
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`not so within ${seconds} s`)
    await sleep(25)
  }
}
