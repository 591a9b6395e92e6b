import { asFault, Fault } from '../../lib/fault.ts'
import type { Story } from '../../ports/flow.ts'
import { type Context, persist } from './context.ts'
import { findRunning, readFlow, showEnd, showOwner, showReleased } from './flows.ts'
import { claimJournal, readPast } from './journal.ts'
import { createLease } from './lease.ts'
import { createMailbox, type Mailbox } from './mailbox.ts'
import { type Run, startRun } from './run.ts'

/** Each waiting flow's mailbox is looked into at least once in so many polls, whoever forgot to ring. */
const sweepPolls = 20
/** Flows that are claimed at once: their writes share commits, and the event loop gets its turns. */
const claimsAtOnce = 250
/** Entries of the own bell that have been heard, before they are forgotten. */
const rungKept = 1_000

/** Which flows this worker owns: taking them over, running them, letting go of them. */
export interface Ownership {
  runs: ReadonlyMap<string, Run>
  /** Resolves when the flow that is being taken over is run, or was left to another. */
  claiming(id: string): Promise<void>
  /** Takes the flow over and runs it, unless it has ended, is run here already, or belongs to a living worker. Never rejects. */
  adopt(id: string): Promise<void>
  /** Takes over what nobody owns, now and from now on. */
  open(): Promise<void>
  /** Renews the lease if others may already have taken this worker for gone. */
  refresh(): Promise<void>
  /** True when others may already have taken this worker for gone. */
  overdue(): boolean
  /** Shows life and gives up the flows that were taken over meanwhile; false when that is not possible. */
  renewed(): Promise<boolean>
  /** Says that something lies in the flow's mailbox, to whoever owns it. The mailbox when it is this worker. */
  ring(id: string): Promise<Mailbox | undefined>
  /** Ends all runs; nothing is written to a journal after that, and others may take the flows. */
  release(): Promise<void>
}

export interface OwnershipOptions {
  exclusive: boolean
  leaseMs: number
  pollMs: number
  stories: ReadonlyMap<string, Story>
  /** Told when a worker was found gone and its flows were taken over. */
  onGone(): void
}

export function unknownKind(kind: string): Fault {
  return new Fault('flow.unknown-kind', {
    say: `There is no story of the kind "${kind}" in this version of Rollcall.`,
    next: 'start the version that has it',
    data: { kind },
  })
}

export function createOwnership(ctx: Context, options: OwnershipOptions): Ownership {
  const { exclusive, leaseMs, pollMs, stories, onGone } = options
  const lease = createLease(ctx, leaseMs, pollMs)
  const runs = new Map<string, Run>()
  /** Entered before the first look into it, so that no event falls between a look and the run. */
  const mailboxes = new Map<string, Mailbox>()
  const claims = new Map<string, Promise<void>>()
  const leftAlone = new Set<string>()
  const timers: NodeJS.Timeout[] = []
  let opened = false
  let polling = false
  let polls = 0
  let rung = 0
  let forgotten = 0

  const adopt = (id: string): Promise<void> => {
    if (runs.has(id) || leftAlone.has(id)) return Promise.resolve()
    const started =
      claims.get(id) ??
      persist(ctx, () => claim(id))
        .then(() => {}, leave(id))
        .finally(() => claims.delete(id))
    claims.set(id, started)
    return started
  }

  const leave = (id: string) => (error: unknown) => {
    leftAlone.add(id)
    mailboxes.delete(id)
    const { code, line } = asFault(error)
    ctx.log.error({ flow: id, code, line }, 'flow left alone')
  }

  const claim = async (id: string): Promise<void> => {
    while (!ctx.draining.aborted) {
      const flow = await readFlow(ctx, id)
      if (flow?.state !== 'running') return
      const { kind, input } = flow
      const story = stories.get(kind)
      if (!story) throw unknownKind(kind)
      const past = await readPast(ctx, id)
      if (past.end) return showEnd(ctx, id, past.end.fault, past.phase)
      const owner = past.owner ?? flow.owner
      if (!exclusive && owner !== ctx.worker && lease.alive(owner)) return
      ctx.probe(`before claim ${kind}`)
      const fence = await claimJournal(ctx, id, past)
      if (fence === undefined) continue
      ctx.probe(`journaled claim ${kind}`)
      // Before the mailbox is read: what was posted by a sender that still sees the owner before is found there then.
      if (flow.owner !== ctx.worker && !(await showOwner(ctx, id, fence))) return
      const consumed = [...past.waits.values()].flatMap(({ mail }) => mail ?? [])
      const mailbox = createMailbox(ctx, id, new Set(consumed))
      mailboxes.set(id, mailbox)
      await mailbox.pull()
      const run = startRun(ctx, { id, kind, input, story, past, fence, mailbox, overdue, renew: renewed })
      runs.set(id, run)
      run.over.then(() => {
        runs.delete(id)
        mailboxes.delete(id)
        if (run.refused()) leftAlone.add(id)
      })
      return
    }
  }

  const adoptAll = async (ids: string[]) => {
    for (let from = 0; from < ids.length; from += claimsAtOnce) {
      await Promise.all(ids.slice(from, from + claimsAtOnce).map(adopt))
    }
  }

  /** After a stall that was longer than the lease: shows life again, and lets go of the flows that were taken over. */
  const renew = async () => {
    await lease.beat()
    await Promise.all([...runs.values()].map((run) => run.check()))
  }

  const overdue = () => opened && !exclusive && lease.overdue()

  const renewed = async (): Promise<boolean> => {
    try {
      return (await persist(ctx, renew)) !== undefined
    } catch (error) {
      ctx.log.error({ code: asFault(error).code }, 'lease cannot be renewed, no step starts')
      return false
    }
  }

  const beat = () => (lease.overdue() ? renew() : lease.beat())

  const poll = async () => {
    if (polling) return
    polling = true
    try {
      const silent = await lease.look()
      const orphans = await findRunning(ctx, '')
      for (const worker of silent) orphans.push(...(await findRunning(ctx, worker)))
      if (polls % sweepPolls === 0) orphans.push(...(await findRunning(ctx)).filter(({ owner }) => isAstray(owner)))
      await adoptAll(orphans.map(({ id }) => id))
      for (const worker of silent) await lease.bury(worker)
      if (silent.length > 0) onGone()
      await pullRung()
      await pullSome()
      polls++
    } finally {
      polling = false
    }
  }

  /** A worker that is gone; or this one, whose `start` may have failed on its way back. What runs here is not taken again. */
  const isAstray = (owner: string) => owner === ctx.worker || !lease.alive(owner)

  const pullRung = async () => {
    const stream = `bell/${ctx.worker}`
    for (const { seq, entry } of await ctx.store.read(stream, rung)) {
      await mailboxes.get(String(entry))?.pull()
      rung = seq + 1
    }
    if (rung - forgotten < rungKept) return
    await ctx.store.trim(stream, rung)
    forgotten = rung
  }

  /** Some of the waiting flows in turn: for events whose sender ended before it rang. */
  const pullSome = async () => {
    const waiting = [...runs.values()].filter((run) => run.mailbox.waiting())
    const some = waiting.filter((_, place) => place % sweepPolls === polls % sweepPolls)
    await Promise.all(some.map((run) => run.mailbox.pull()))
  }

  const every = (ms: number, task: string, work: () => Promise<void>) => {
    const run = () =>
      work().catch((error: unknown) => ctx.log.warn({ code: asFault(error).code, task }, 'ledger is behind'))
    timers.push(setInterval(run, ms))
  }

  return {
    runs,
    adopt,
    refresh: async () => {
      if (overdue()) await renewed()
    },
    overdue,
    renewed,
    claiming: async (id) => claims.get(id),

    open: async () => {
      if (exclusive) {
        opened = true
        return adoptAll((await findRunning(ctx)).map(({ id }) => id))
      }
      await lease.beat()
      opened = true
      every(lease.beatMs, 'beat', beat)
      every(pollMs, 'poll', poll)
      await poll()
    },

    ring: async (id) => {
      const mailbox = mailboxes.get(id)
      if (mailbox) await persist(ctx, mailbox.pull)
      if (mailbox || exclusive) return mailbox
      const owner = (await readFlow(ctx, id))?.owner ?? ''
      if (owner !== '' && owner !== ctx.worker) await ctx.store.append(`bell/${owner}`, id)
      return undefined
    },

    release: async () => {
      for (const timer of timers) clearInterval(timer)
      await Promise.allSettled(claims.values())
      const mine = [...runs]
      await Promise.all(mine.map(([, run]) => run.stop()))
      if (exclusive || !opened) return
      try {
        await Promise.all(mine.map(([id]) => showReleased(ctx, id)))
        await lease.close()
      } catch (error) {
        ctx.log.warn({ code: asFault(error).code }, 'flows not released, others wait for the lease')
      }
    },
  }
}
