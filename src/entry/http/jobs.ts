import { z } from 'zod'
import { Fault } from '../../lib/fault.ts'
import type { OutputView } from '../../ports/console.ts'
import type { Desk } from '../../release/desk.ts'
import type { App, ServerDeps } from './deps.ts'
import { hasEnded, jobRow } from './job-row.ts'
import { answers, key } from './schema.ts'

const outputView = z.object({
  job: z.string(),
  text: z.string(),
  next: z.number(),
  over: z.boolean(),
  state: z.string(),
}) satisfies z.ZodType<OutputView>

/** Bytes of a job's log in one answer; a client that follows asks again at once for the rest. */
const BYTES = 64 * 1024
const CHUNKS = 200
/** Characters before and after that are looked at as well, so that a secret on the border is seen whole. */
const CONTEXT = 4096
/** Bytes before an offset within which the chunk before it begins; a host sends chunks of at most 64 kB. */
const CHUNK_BYTES = 128 * 1024

const chunkSchema = z.object({ text: z.string(), bytes: z.number() })

export function jobRoutes(app: App, { desk }: ServerDeps): void {
  const querystring = z.strictObject({
    job: key,
    from: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  })
  const summary = "A job's output from a byte offset on"
  app.get(
    '/api/v1/jobs/output',
    { schema: { tags: ['jobs'], summary, querystring, response: answers(outputView) } },
    async ({ query }): Promise<OutputView> => readSome(desk, query.job, query.from),
  )
}

/** At most 64 kB of the output. Chunks are given whole: `next` is where the next one begins. Fault `entry.unknown-job`. */
export async function readSome(desk: Desk, job: string, from: number): Promise<OutputView> {
  const row = await desk.store.get('jobs', job)
  if (row === undefined) {
    throw new Fault('entry.unknown-job', { say: 'There is no such job.', next: 'open the release that ran it' })
  }
  const ended = hasEnded(row)
  const chunks = await read(desk, job, from, CHUNKS)
  let count = 0
  for (let bytes = 0; count < chunks.length && (count === 0 || bytes < BYTES); count++)
    bytes += chunks[count]?.bytes ?? 0
  // A line that is still being written may end in half a secret: it is given once it is whole.
  if (!ended && count === chunks.length && count > 0 && chunks[count - 1]?.text.endsWith('\n') === false) count--
  const taken = chunks.slice(0, count)
  const after = textOf(chunks.slice(count)).slice(0, CONTEXT)
  const last = taken.at(-1)
  return {
    job,
    text: last === undefined ? '' : between(desk.redact, await before(desk, job, from), textOf(taken), after),
    next: last === undefined ? from : last.offset + last.bytes,
    over: ended && count === chunks.length && chunks.length < CHUNKS,
    state: jobRow(row).state,
  }
}

interface Chunk {
  offset: number
  text: string
  bytes: number
}

async function read(desk: Desk, job: string, from: number, limit: number): Promise<Chunk[]> {
  const entries = await desk.store.read(`output/${job}`, from, limit)
  return entries.map(({ seq, entry }) => ({ offset: seq, ...chunkSchema.parse(entry) }))
}

/** What stands directly before an offset. */
async function before(desk: Desk, job: string, from: number): Promise<string> {
  if (from === 0) return ''
  // Mostly small chunks: the near ones will do. When the one before is large, it begins further back.
  for (const back of [CONTEXT, CHUNK_BYTES]) {
    const near = (await read(desk, job, Math.max(0, from - back), back)).filter(({ offset }) => offset < from)
    const last = near.at(-1)
    if (last !== undefined && last.offset + last.bytes === from) return textOf(near).slice(-CONTEXT)
  }
  return ''
}

function textOf(chunks: Chunk[]): string {
  return chunks.map(({ text }) => text).join('')
}

/** The middle, masked as part of the whole: a secret that begins before it or ends after it is masked as well. */
function between(redact: Desk['redact'], head: string, middle: string, tail: string): string {
  const whole = redact(head + middle + tail)
  const start = common(whole, redact(head), (text, at) => text[at])
  const rest = whole.slice(start)
  const end = common(rest, redact(tail), (text, at) => text[text.length - 1 - at])
  return rest.slice(0, rest.length - end)
}

function common(a: string, b: string, at: (text: string, index: number) => string | undefined): number {
  const most = Math.min(a.length, b.length)
  let same = 0
  while (same < most && at(a, same) === at(b, same)) same++
  return same
}
