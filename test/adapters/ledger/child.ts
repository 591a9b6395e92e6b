import { appendFileSync } from 'node:fs'
import { createLedger, ledgerIndexes } from '../../../src/adapters/ledger/index.ts'
import { createSqliteStore, lockFolder } from '../../../src/adapters/sqlite/index.ts'
import { Fault } from '../../../src/lib/fault.ts'
import type { Flow } from '../../../src/ports/flow.ts'

/** One process of the kill suites: starts flows, sends them their events, and waits until all have ended. */
export interface ChildOptions {
  folder: string
  /** Lines of JSON: every effect, and every point when `points` is set. */
  log: string
  exclusive: boolean
  /** Flows to start; those of earlier processes are taken over in any case. */
  ids: string[]
  /** Wait for these too before the end. */
  all: string[]
  /** Sends itself a signal when the point is reached for the nth time. */
  signalAt?: { point: string; nth: number; signal: 'SIGKILL' | 'SIGSTOP' }
  points?: boolean
  /** Milliseconds that each effect takes. */
  effectMs: number
  leaseMs?: number
  /** Stay until SIGTERM, then drain. */
  stay?: boolean
}

const options: ChildOptions = JSON.parse(process.argv[2] ?? '')
const note = (line: object) => appendFileSync(options.log, `${JSON.stringify({ pid: process.pid, ...line })}\n`)
let hits = 0
const stopped = options.stay ? new Promise<void>((resolve) => process.once('SIGTERM', resolve)) : undefined

const lock = options.exclusive ? lockFolder(options.folder) : undefined
const store = await createSqliteStore({ folder: options.folder, indexes: ledgerIndexes })
const flows = createLedger({
  store,
  exclusive: options.exclusive,
  leaseMs: options.leaseMs,
  pollMs: 50,
  probe: (point) => {
    if (options.points) note({ point })
    const at = options.signalAt
    if (at?.point !== point || ++hits !== at.nth) return
    note({ signal: at.signal })
    process.kill(process.pid, at.signal)
  },
})

const hosts = ['web-1', 'web-2', 'web-3']

flows.define('roll', async (flow, input) => {
  const effect =
    <T>(step: string, work: () => T) =>
    async () => {
      note({ effect: step, flow: flow.id })
      await new Promise((resolve) => setTimeout(resolve, options.effectMs))
      return work()
    }
  const step = <T>(name: string, work: () => T, retry?: Parameters<Flow['step']>[2]) =>
    flow.step(name, effect(name, work), retry)

  await flow.phase('preparing')
  const token = await step('token', () => Math.random())
  const started = await flow.now('started')
  const approval = await flow.wait('approval', { until: new Date(started.getTime() + 3_600_000) })
  await flow.phase('rolling out')
  const deployed = await Promise.all(
    hosts.map((host) =>
      step(`deploy ${host}`, () => {
        if (host === 'web-2') throw new Fault('deploy.failed', { say: `${host} refused.` })
        return `${host} ${token}`
      }).catch((fault: Fault) => fault.code),
    ),
  )
  const second = await flow.wait('second')
  const nothing = await flow.wait('window', { until: new Date(started.getTime() + 1) })
  let tries = 0
  await step(
    'flaky',
    () => {
      if (++tries < 2) throw new Fault('target.unreachable', { say: 'Not yet.', retry: true })
    },
    { delays: [1] },
  )
  const result = {
    input,
    token,
    deployed,
    mail: [approval, second].map((event) => event?.data),
    nothing: nothing === undefined,
  }
  await flow.step('report', async () => note({ result, flow: flow.id }))
  await flow.phase('reported')
})

await flows.open()
note({ opened: true })
for (const id of options.ids) {
  await flows.start('roll', id, { id })
}
for (const id of options.all) {
  await flows.send(id, 'one', `one for ${id}`)
  await flows.send(id, 'one', `again for ${id}`)
  await flows.send(id, 'two', `two for ${id}`)
}

if (stopped) await stopped
else for (const id of options.all) await flows.finished(id)
await flows.close(5_000)
note({ closed: true })
await store.close()
lock?.release()
