import { z } from 'zod'
import { Fault } from '../lib/fault.ts'
import type { Json, Store } from '../ports/store.ts'
import { chosenMetricSchema, verdictSchema } from './gate.ts'
import { planSchema } from './plan.ts'

/** A step of the preparation, in the JSON of the specification (docs: StepResult). */
const stepResultSchema = z.object({
  step_name: z.enum(['VersionCheck', 'RiskPrediction', 'MetricAnalysis', 'ReleasePlan']),
  status: z.enum(['success', 'failed', 'warning']),
  summary: z.string(),
  details: z.record(z.string(), z.unknown()),
  timestamp: z.string(),
})
export type StepResult = z.infer<typeof stepResultSchema>

/** What a person may do next about a release that is held. */
const OFFERS = ['resume', 'promote', 'retry', 'skip', 'rollback', 'abort'] as const
export type Offer = (typeof OFFERS)[number]

export const stateSchema = z.discriminatedUnion('at', [
  z.object({ at: z.literal('preparing') }),
  /** The facts forbid it; nothing was touched. */
  z.object({ at: z.literal('refused'), why: z.string(), next: z.string() }),
  z.object({ at: z.literal('awaiting approval'), until: z.string() }),
  z.object({ at: z.literal('approved') }),
  z.object({ at: z.literal('rejected'), by: z.string(), when: z.string() }),
  z.object({ at: z.literal('expired'), when: z.string() }),
  z.object({ at: z.literal('superseded'), by: z.string() }),
  z.object({
    at: z.literal('rolling out'),
    batch: z.number(),
    doing: z.enum(['deploying', 'observing']),
    since: z.string(),
    until: z.string().optional(),
  }),
  z.object({
    at: z.literal('held'),
    /** The verdict that led here, if it was one. */
    gate: z.enum(['fail', 'inconclusive', 'error']).optional(),
    why: z.string(),
    /** What to do that no button does. */
    next: z.string().optional(),
    offers: z.array(z.enum(OFFERS)),
    batch: z.number(),
    since: z.string(),
  }),
  z.object({ at: z.literal('done'), when: z.string() }),
  z.object({ at: z.literal('rolling back'), why: z.string(), by: z.string(), since: z.string() }),
  z.object({ at: z.literal('rolled back'), why: z.string(), by: z.string(), when: z.string() }),
  z.object({ at: z.literal('aborted'), why: z.string(), by: z.string(), when: z.string() }),
])
export type State = z.infer<typeof stateSchema>

const hostProgressSchema = z.object({
  at: z.enum(['pending', 'deploying', 'healthy', 'failed', 'unreachable', 'skipped', 'rolling back', 'rolled back']),
  /** The version that runs there as last seen; null when the service was never there, undefined when nobody knows. */
  version: z.string().nullable().optional(),
  /** What ran there before this release; the rollback target. */
  before: z.string().nullable(),
  why: z.string().optional(),
  /** When the new version took over, ISO. */
  deployedAt: z.string().optional(),
  /** The number in the last job key. */
  attempt: z.number(),
})
export type HostProgress = z.infer<typeof hostProgressSchema>

export const releaseSchema = z.object({
  id: z.string(),
  /** Random, part of every job key: numbers begin anew in another data folder, what lies on a host does not. */
  token: z.string(),
  /** The flow that listens to orders now: the release's own, or that of its rollback. */
  flow: z.string(),
  /** Somebody pressed Roll back or Abort, and the flow has not come to it yet. */
  stop: z.object({ kind: z.enum(['rollback', 'abort']), by: z.string(), turn: z.number() }).optional(),
  service: z.string(),
  candidate: z.string(),
  current: z.string().nullable(),
  requester: z.string(),
  channel: z.string(),
  createdAt: z.string(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
  /** Host ids the request was narrowed to; empty for all. */
  only: z.array(z.string()),
  overrideFreeze: z.boolean(),
  state: stateSchema,
  /** Grows when what people may do changes; buttons are bound to it. */
  turn: z.number(),
  approvalsNeeded: z.number(),
  approvals: z.array(z.object({ by: z.string(), at: z.string() })),
  steps: z.array(stepResultSchema),
  risks: z.array(z.object({ type: z.string(), mitigation: z.string(), source: z.string(), why: z.string() })),
  metrics: z.array(chosenMetricSchema),
  plan: planSchema.optional(),
  planHash: z.string(),
  epoch: z.number(),
  hosts: z.record(z.string(), hostProgressSchema),
  /** The last verdict of each batch. */
  verdicts: z.array(
    z.object({
      batch: z.number(),
      at: z.string(),
      verdict: verdictSchema,
      /** The gate has failed, in this window or an earlier one of the batch, and no look since has passed. */
      failed: z.boolean().optional(),
    }),
  ),
  notes: z.array(z.string()),
})
export type Release = z.infer<typeof releaseSchema>

/** States from which nothing moves by itself any more. */
export function isOver(state: State): boolean {
  return ['refused', 'rejected', 'expired', 'superseded', 'done', 'rolled back', 'aborted'].includes(state.at)
}

/** True when the release is over and its version, or half of it, may still lie on hosts. */
export function onHosts(release: Release): boolean {
  const touched = Object.values(release.hosts).some((host) => !['pending', 'rolled back'].includes(host.at))
  return release.state.at === 'done' || (release.state.at === 'aborted' && touched)
}

/** True when the version was on hosts at some time, so that it is known to exist: what was only asked for may be a typo. */
export function wasReleased({ candidate, state, hosts }: Release): boolean {
  const there = Object.values(hosts).some(({ version }) => version === candidate)
  return state.at === 'done' || state.at === 'rolled back' || there
}

/** True when the gate has failed the batch that is under way or held, and no look since has passed. */
export function gateFailed({ state, verdicts }: Release): boolean {
  if (state.at !== 'held' && state.at !== 'rolling out') return false
  const last = verdicts.findLast(({ batch }) => batch === state.batch)
  return (state.at === 'held' && state.gate === 'fail') || last?.verdict.at === 'fail' || last?.failed === true
}

/** Hosts that failed or could not be reached, and that nobody has skipped. */
export function failingHosts(release: Release): string[] {
  return Object.keys(release.hosts).filter((id) => ['failed', 'unreachable'].includes(release.hosts[id]?.at ?? ''))
}

/** The specification's release issue: exactly `candidate, created_at, service, steps[], title`. */
export function issueDocument(release: Release): Json {
  return {
    candidate: release.candidate,
    created_at: release.createdAt,
    service: release.service,
    steps: release.steps as unknown as Json,
    title: `Release Preparation - ${release.service} ${release.candidate}`,
  }
}

const COLLECTION = 'releases'
/** Entry n of this stream is the request that became R-<n + 1>. */
const NUMBERS = 'release-numbers'
const numberedSchema = z.object({ service: z.string(), candidate: z.string(), by: z.string() })
/** Numbers looked through at a time. */
const PAGE = 100

interface Wish {
  change: (release: Release) => Release | undefined
  resolve: (release: Release) => void
  reject: (error: unknown) => void
}

function unknown(id: string): Fault {
  return new Fault('release.unknown', { say: `There is no release ${id}.`, next: 'type /status to see the releases' })
}

/** The releases as typed documents. `change` may run several times (compare-and-set): it must be pure and leave its argument alone. */
export function releases(store: Store) {
  // Hosts of a wave report at the same time: what has come while one write was under way goes into the next as a whole.
  const waiting = new Map<string, Wish[]>()
  async function serve(id: string, wishes: Wish[]): Promise<void> {
    while (wishes.length > 0) {
      const now = wishes.splice(0)
      try {
        const results = await writeAll(id, now)
        for (const [index, wish] of now.entries()) wish.resolve(results[index] as Release)
      } catch (error) {
        for (const wish of now) wish.reject(error)
      }
    }
    waiting.delete(id)
  }
  /** All changes in order in one compare-and-set; each wish gets the document as it was after its own change. */
  async function writeAll(id: string, wishes: Wish[]): Promise<Release[]> {
    for (;;) {
      const row = await store.get(COLLECTION, id)
      if (row === undefined) throw unknown(id)
      const before = parse(row.document)
      const results: Release[] = []
      let last = before
      for (const wish of wishes) {
        last = wish.change(last) ?? last
        results.push(last)
      }
      if (last === before) return results
      if ((await store.put(COLLECTION, id, last as unknown as Json, row.version)) !== undefined) return results
    }
  }
  const parse = (document: Json): Release => releaseSchema.parse(document)
  return {
    async get(id: string): Promise<Release | undefined> {
      const row = await store.get(COLLECTION, id)
      return row === undefined ? undefined : parse(row.document)
    },
    /** The release, or Fault `release.unknown`. */
    async need(id: string): Promise<Release> {
      const release = await this.get(id)
      if (release === undefined) throw unknown(id)
      return release
    },
    insert(release: Release): Promise<boolean> {
      return store.insert(COLLECTION, release.id, release as unknown as Json)
    },
    /** Compare-and-set until it holds. Returning undefined from `change` leaves the document as it is. */
    update(id: string, change: Wish['change']): Promise<Release> {
      return new Promise((resolve, reject) => {
        const wishes = waiting.get(id)
        if (wishes !== undefined) return void wishes.push({ change, resolve, reject })
        const fresh = [{ change, resolve, reject }]
        waiting.set(id, fresh)
        void serve(id, fresh)
      })
    },
    /** The next number, as an id; a crash right after it leaves a gap. */
    async newId(wish: z.infer<typeof numberedSchema>): Promise<string> {
      return `R-${((await store.append(NUMBERS, wish)) ?? 0) + 1}`
    },
    /** How many have been asked for, ever. */
    async count(): Promise<number> {
      const [last] = await store.last(NUMBERS, 1)
      return last === undefined ? 0 : last.seq + 1
    },
    /** From the newest back, each read only when it is asked for: the first ones cost the same however many there are. */
    async *newest(where: { service?: string } = {}): AsyncGenerator<Release> {
      for (let end = await this.count(); end > 0; end -= PAGE) {
        const from = Math.max(0, end - PAGE)
        for (const { seq, entry } of (await store.read(NUMBERS, from, end - from)).reverse()) {
          if (where.service !== undefined && numberedSchema.parse(entry).service !== where.service) continue
          const release = await this.get(`R-${seq + 1}`)
          if (release !== undefined) yield release
        }
      }
    },
    /** Every one, newest first; parses them all. */
    async list(where: { service?: string } = {}): Promise<Release[]> {
      const rows = await store.find(COLLECTION, {
        where: where.service === undefined ? {} : { service: where.service },
      })
      return rows.map((row) => parse(row.document)).sort((a, b) => numberOf(b.id) - numberOf(a.id))
    },
  }
}
export type Releases = ReturnType<typeof releases>

/** R-142 -> 142. */
export function numberOf(id: string): number {
  return Number(id.replace(/^\D*/, ''))
}
