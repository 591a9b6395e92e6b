import { z } from 'zod'
import type { FaultDocument } from '../../lib/fault.ts'
import type { Json } from '../../ports/store.ts'
import { abandoned, type Context, persist, unreadable } from './context.ts'

const FaultShape: z.ZodType<FaultDocument> = z.object({
  code: z.string(),
  say: z.string(),
  next: z.string(),
  retry: z.boolean(),
  data: z.record(z.string(), z.unknown()),
})

const name = z.string()
/** Milliseconds since 1970. */
const time = z.number()
const AnyJson = z.custom<Json>((value) => value !== undefined)

/** One thing that happened in a flow. */
const Mark = z.discriminatedUnion('is', [
  /** `value` is missing when the step gave undefined. */
  z.object({ is: z.literal('step'), name, value: AnyJson.optional(), fault: FaultShape.optional() }),
  z.object({ is: z.literal('waiting'), name, until: time.optional() }),
  /** `mail` is the event's number in the mailbox; missing when the deadline came first. */
  z.object({ is: z.literal('wait'), name, mail: z.number().optional() }),
  z.object({ is: z.literal('now'), name, at: time }),
  z.object({ is: z.literal('phase'), name }),
  z.object({ is: z.literal('end'), fault: FaultShape.optional() }),
])

/** One entry of the stream `flow/<id>`: a claim of ownership, or what its owner recorded in one write. */
const JournalEntry = z.union([z.object({ claim: z.string() }), z.object({ fence: z.number(), marks: z.array(Mark) })])

export type Mark = z.infer<typeof Mark>
type MarkOf<K extends Mark['is']> = Extract<Mark, { is: K }>

/** What the journal of a flow says so far. */
export interface Past {
  /** The sequence number that a claim must take. */
  next: number
  /** The worker of the last claim. */
  owner: string | undefined
  steps: Map<string, MarkOf<'step'>>
  begun: Map<string, MarkOf<'waiting'>>
  waits: Map<string, MarkOf<'wait'>>
  nows: Map<string, number>
  phases: Set<string>
  /** The last phase; empty before the first. */
  phase: string
  end: MarkOf<'end'> | undefined
}

const streamOf = (id: string) => `flow/${id}`

/** Reads the whole journal of a flow. Throws Fault `flow.unreadable`. */
export async function readPast(ctx: Context, id: string): Promise<Past> {
  const past: Past = {
    next: 0,
    owner: undefined,
    steps: new Map(),
    begun: new Map(),
    waits: new Map(),
    nows: new Map(),
    phases: new Set(),
    phase: '',
    end: undefined,
  }
  for (const { seq, entry } of await ctx.store.read(streamOf(id))) {
    past.next = seq + 1
    const parsed = JournalEntry.safeParse(entry)
    if (!parsed.success) throw unreadable(id, 'journal')
    if ('claim' in parsed.data) past.owner = parsed.data.claim
    else for (const mark of parsed.data.marks) record(past, mark)
  }
  return past
}

function record(past: Past, mark: Mark): void {
  if (mark.is === 'step') past.steps.set(mark.name, mark)
  else if (mark.is === 'waiting') past.begun.set(mark.name, mark)
  else if (mark.is === 'wait') past.waits.set(mark.name, mark)
  else if (mark.is === 'now') past.nows.set(mark.name, mark.at)
  else if (mark.is === 'end') past.end = mark
  else {
    past.phases.add(mark.name)
    past.phase = mark.name
  }
}

/**
 * Takes ownership: appends a claim at the next number of the journal. The number is the fencing token: whoever owned the flow
 * before will find it taken at the next write. Undefined when somebody else wrote in between.
 */
export async function claimJournal(ctx: Context, id: string, past: Past): Promise<number | undefined> {
  return ctx.store.append(streamOf(id), { claim: ctx.worker }, past.next)
}

export interface Journal {
  /** Resolves when the mark is on disk; never when the flow was fenced or the ledger gave it up. */
  write(mark: Mark): Promise<void>
  /** True while a write is on its way. */
  busy(): boolean
  /** Gives the flow up: what is not yet handed to the store is dropped. Resolves when nothing is on its way any more. */
  stop(): Promise<void>
  /** False when another owner's claim stands where this one's next entry would. */
  owned(): Promise<boolean>
}

/** Bounds one entry, well under the 16 MiB that a document of MongoDB may have. */
const maxEntryCharacters = 1024 * 1024

/**
 * The owner's side of a journal. Every entry goes to the next number and to no other, and only after the one before it is
 * on disk: so each write checks the fence by itself, with no more than a single-document insert. What is asked for while a
 * write is on its way goes into the next entry together, so many steps at once share a commit.
 */
export function createJournal(ctx: Context, id: string, fence: number, onLost: (error?: unknown) => void): Journal {
  const queue: { mark: Mark; size: number; done: () => void }[] = []
  let next = fence + 1
  let stopped = false
  let writing: Promise<void> | undefined

  const take = () => {
    let count = 0
    let size = 0
    for (const item of queue) {
      size += item.size
      if (count > 0 && size > maxEntryCharacters) break
      count++
    }
    return queue.splice(0, count)
  }

  const append = async (entry: { fence: number; marks: Mark[] }): Promise<boolean> => {
    const seq = await ctx.store.append(streamOf(id), entry as unknown as Json, next)
    if (seq !== undefined) return true
    // An attempt before this one may have failed only on its way back: then the entry that stands there is this owner's.
    const [there] = await ctx.store.read(streamOf(id), next, 1)
    const parsed = JournalEntry.safeParse(there?.entry)
    return parsed.success && 'fence' in parsed.data && parsed.data.fence === fence
  }

  const flush = async () => {
    // Lets the marks of this turn gather.
    await null
    while (queue.length > 0 && !stopped) {
      const batch = take()
      const written = await persist(ctx, () => append({ fence, marks: batch.map((item) => item.mark) }))
      if (!written?.value) {
        stopped = true
        if (written) onLost()
        return
      }
      next++
      for (const item of batch) item.done()
    }
  }

  const start = () => {
    writing ??= flush()
      .catch((error: unknown) => {
        stopped = true
        onLost(error)
      })
      .finally(() => {
        writing = undefined
        if (queue.length > 0 && !stopped) start()
      })
  }

  return {
    write: (mark) => {
      if (stopped || ctx.halted.aborted) return abandoned()
      return new Promise((done) => {
        queue.push({ mark, size: JSON.stringify(mark).length, done })
        start()
      })
    },
    busy: () => writing !== undefined,
    stop: async () => {
      stopped = true
      await writing
    },
    owned: async () => {
      const [there] = await ctx.store.read(streamOf(id), next, 1)
      return there === undefined || writing !== undefined
    },
  }
}
