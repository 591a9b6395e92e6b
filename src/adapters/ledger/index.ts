import { randomUUID } from 'node:crypto'
import { Fault, fromDocument } from '../../lib/fault.ts'
import type { FlowStatus, Flows, Story } from '../../ports/flow.ts'
import type { Store } from '../../ports/store.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Context, type Log, pause, silent } from './context.ts'
import { createDeadlines } from './deadlines.ts'
import { createEffects, fencedStore } from './fence.ts'
import { insertFlow, readFlow } from './flows.ts'
import { readPast } from './journal.ts'
import { firstWithKey, post } from './mailbox.ts'
import { createOwnership, unknownKind } from './ownership.ts'

export type { Clock } from './clock.ts'
export type { Log } from './context.ts'
export { ledgerIndexes } from './flows.ts'

export interface LedgerOptions {
  store: Store
  /**
   * True when no other process can use the store (SQLite with its folder locked): every unfinished flow is taken over at
   * once on opening, and nothing is polled. False: ownership goes by lease, and events of other processes by polling.
   */
  exclusive: boolean
  log?: Log
  clock?: Clock
  /**
   * Called synchronously at every durable point: `before`, `after` (the effect, before its record) and `journaled`
   * `<kind>:<step>`; `before|begun|after|journaled wait <kind>:<name>`; `before|journaled now|phase <kind>:<name>`;
   * `before|journaled start|claim <kind>`; `before|journaled|recorded end <kind>`; `before|journaled send`.
   */
  probe?: (point: string) => void
  /** A worker that was killed is replaced within this many milliseconds. */
  leaseMs?: number
  /** Milliseconds within which released flows and events from other processes are seen. */
  pollMs?: number
}

/** The Flows port, and what only a process needs that shares its store with others. */
export interface Ledger extends Flows {
  /**
   * The store for everything that effects write: after this process was stopped for longer than its lease, or cut off, an effect
   * that goes on writes nothing that belongs to a flow of another process by now (Fault `flow.fenced`). The same store when
   * `exclusive`.
   */
  fenced(store: Store): Store
  /** Calls `told` when another process was found dead and its flows are taken over; the answer ends that. Never when `exclusive`. */
  onGone(told: () => void): () => void
}

const defaultDrainMs = 10_000

/**
 * The Flows port as a step ledger over any Store. A flow is a document (`flows`), a journal (stream `flow/<id>`) and a mailbox
 * (stream `mail/<id>`); workers have a row each (`workers`) and a stream `bell/<worker>` by which others say which mailbox to
 * look into. Only single-document atomicity is asked of the store: a claim takes the next number of the journal, and whoever
 * owned the flow before finds that number taken (see `createJournal`).
 * While the store is unavailable, flows wait for it; `start`, `send`, `status` and `finished` throw what the store throws.
 */
export function createLedger(options: LedgerOptions): Ledger {
  const { store, exclusive, clock = systemClock, leaseMs = 10_000, pollMs = 250 } = options
  const draining = new AbortController()
  const halted = new AbortController()
  const stories = new Map<string, Story>()
  const ctx: Context = {
    store,
    log: options.log ?? silent,
    clock,
    probe: options.probe ?? (() => {}),
    deadlines: createDeadlines(clock),
    worker: randomUUID(),
    draining: draining.signal,
    halted: halted.signal,
    effects: exclusive ? undefined : createEffects(),
  }
  const gone = new Set<() => void>()
  const onGone = () => {
    for (const told of gone) told()
  }
  const owned = createOwnership(ctx, { exclusive, leaseMs, pollMs, stories, onGone })
  let opened = false
  let closing: Promise<void> | undefined

  /** True when the flow is done; throws its fault when it failed. */
  const ended = async (id: string): Promise<boolean> => {
    const flow = await readFlow(ctx, id)
    if (!flow)
      throw new Fault('flow.not-found', { say: `There is no flow ${id}.`, next: 'check the id', data: { flow: id } })
    if (flow.fault) throw fromDocument(flow.fault)
    return flow.state !== 'running'
  }

  const drain = async (ms: number) => {
    draining.abort()
    const limit = performance.now() + ms
    const busy = () => [...owned.runs.values()].some((run) => run.busy())
    // Idle twice, a turn apart: what the end of an effect sets going shows only then.
    for (let idle = 0; idle < 2 && performance.now() < limit; ) {
      await pause(idle === 0 ? 5 : 0, halted.signal)
      idle = busy() ? 0 : idle + 1
    }
    halted.abort()
    ctx.deadlines.stop()
    await owned.release()
  }

  return {
    define: (kind, story) => {
      if (opened || stories.has(kind)) {
        throw new Fault('flow.defined-late', {
          say: `The story "${kind}" was defined ${opened ? 'after the flows were opened' : 'twice'}.`,
          next: 'this is a defect of Rollcall, report it',
        })
      }
      stories.set(kind, story)
    },

    open: async () => {
      if (opened || closing) {
        throw new Fault('flow.opened-twice', {
          say: 'The flows were opened before.',
          next: 'this is a defect of Rollcall, report it',
        })
      }
      opened = true
      await owned.open()
    },

    start: async (kind, id, input) => {
      if (!stories.has(kind)) throw unknownKind(kind)
      const running = opened && !closing
      if (running) await owned.refresh()
      ctx.probe(`before start ${kind}`)
      if (!(await insertFlow(ctx, id, { kind, input, owner: running ? ctx.worker : '' }))) return false
      ctx.probe(`journaled start ${kind}`)
      if (running) owned.adopt(id)
      return true
    },

    send: async (id, key, data) => {
      const mailbox = owned.runs.get(id)?.mailbox
      if ((mailbox ? mailbox.find(key) : await firstWithKey(store, id, key)) !== undefined) {
        // The one who sent it may have ended before it told the owner.
        await owned.ring(id)
        return false
      }
      ctx.probe('before send')
      const seq = await post(store, id, { key, at: new Date(clock.wall()).toISOString(), data })
      ctx.probe('journaled send')
      const told = await owned.ring(id)
      return (told?.find(key) ?? (await firstWithKey(store, id, key))) === seq
    },

    status: async (id): Promise<FlowStatus | undefined> => {
      const run = owned.runs.get(id)
      if (run) return run.status()
      const flow = await readFlow(ctx, id)
      if (!flow) return undefined
      if (flow.fault) return { at: 'failed', phase: flow.phase, why: fromDocument(flow.fault).line }
      if (flow.state !== 'running') return { at: 'done', phase: flow.phase }
      const { begun, waits, phase } = await readPast(ctx, id)
      return { at: 'running', phase, waiting: [...begun.keys()].filter((name) => !waits.has(name)).at(-1) }
    },

    finished: async (id) => {
      while (!(await ended(id))) {
        if (ctx.halted.aborted) {
          throw new Fault('flow.closed', { say: 'Rollcall is stopping.', next: 'ask again when it runs', retry: true })
        }
        await owned.claiming(id)
        const run = owned.runs.get(id)
        await (run ? run.over : pause(pollMs, ctx.halted))
      }
    },

    fenced: (plain) => (ctx.effects === undefined ? plain : fencedStore(plain, ctx.effects, owned)),

    onGone: (told) => {
      gone.add(told)
      return () => void gone.delete(told)
    },

    close: (ms = defaultDrainMs) => {
      closing ??= drain(ms)
      return closing
    },
  }
}
