import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Behaviour } from './artifacts.ts'
import { type Leashed, leash } from './leash.ts'
import { freePorts } from './processes.ts'
import { comesUp, notUp } from './up.ts'

/** What user-service depends on: one instance, on no host of the fleet. It is no business of the bot, which only knows its name. */
export interface AccountStore {
  name: string
  /** Its label in the metrics. */
  host: string
  /** host:port. */
  address: string
  url: string
  running(): boolean
  /** Of its process and of the shell that ends it with this one; empty while it is stopped. */
  pids(): number[]
  /** Doing it twice is harmless, as with `start`. */
  stop(): Promise<void>
  /** Resolves when it answers. Fault `demo.account-store`. */
  start(): Promise<void>
}

const NAME = 'account-store'
const HOST = 'store-1'
const behaviour: Behaviour & { version: string } = {
  version: 'v3.4.0',
  errorRate: 0,
  medianMs: 1,
  sigma: 0.3,
  addedMs: 0,
  accountShare: 0,
}

/** Starts account-store on a free port of 127.0.0.1, which it keeps: the program of user-service under another name. It ends with this process. */
export async function startAccountStore({ folder }: { folder: string }): Promise<AccountStore> {
  await mkdir(folder, { recursive: true })
  const program = join(folder, 'server.mjs')
  const log = join(folder, `${NAME}.log`)
  await copyFile(fileURLToPath(new URL('service/server.mjs', import.meta.url)), program)
  await writeFile(join(folder, 'behaviour.json'), `${JSON.stringify(behaviour)}\n`)
  const [port] = await freePorts(1)
  const address = `127.0.0.1:${port}`
  const settings = [`SERVICE=${NAME}`, `HOST_ID=${HOST}`, `PORT=${port}`]
  let running: Leashed | undefined
  // One after the other: whoever presses quickly gets what was asked for last.
  let turn = Promise.resolve()
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const next = turn.then(act)
    turn = next.catch(() => {})
    return next
  }
  const begin = async () => {
    if (running !== undefined && !running.exited()) return
    const started = await leash('env', [...settings, process.execPath, program], log)
    running = started
    const ask = async (signal: AbortSignal) => {
      const answer = await fetch(`http://${address}/health`, { signal })
      const { service } = (await answer.json()) as { service: string }
      return service === NAME ? undefined : `${service} answers there`
    }
    try {
      await comesUp({ program: started, until: Date.now() + 15_000, signal: undefined, ask })
    } catch (cause) {
      throw await notUp(started, { code: `demo.${NAME}`, name: NAME, log, cause })
    }
  }
  const end = async () => {
    await running?.stop()
    running = undefined
  }
  const store: AccountStore = {
    name: NAME,
    host: HOST,
    address,
    url: `http://${address}/`,
    running: () => running?.exited() === false,
    pids: () => running?.pids ?? [],
    stop: () => inTurn(end),
    start: () => inTurn(begin),
  }
  await store.start()
  return store
}
