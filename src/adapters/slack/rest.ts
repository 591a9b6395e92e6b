import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Bot, call } from './bot.ts'
import { upload } from './upload.ts'

const RESTS = 'slack-rests'
const MOST_AT_ONCE = 20
const TRIES = 5

const rowSchema = z.object({
  channel: z.string(),
  thread: z.string(),
  /** The file that is attached there, and what it holds. */
  file: z.string().optional(),
  digest: z.string().optional(),
  /** What is to be attached in its place. */
  wanted: z.object({ digest: z.string(), name: z.string(), title: z.string(), text: z.string() }).optional(),
  pending: z.boolean(),
  /** Milliseconds; not attached again before. */
  due: z.number(),
})
type Row = z.infer<typeof rowSchema>

interface Rest {
  /** The key of the message. */
  key: string
  place: string
  /** The message below which it stands. */
  thread: string
  title: string
  file: { name: string; text: string }
}

const idOf = (place: string, key: string): string =>
  createHash('sha256').update(`${place}\n${key}`).digest('hex').slice(0, 40)

async function read(bot: Bot, id: string): Promise<{ row: Row; version: number } | undefined> {
  const found = await bot.store.get(RESTS, id)
  const row = rowSchema.safeParse(found?.document)
  return found !== undefined && row.success ? { row: row.data, version: found.version } : undefined
}

/** Changes the row by compare-and-set. Undefined when there is none, or when others were faster each time. */
async function change(bot: Bot, id: string, next: (row: Row) => Row | undefined): Promise<Row | undefined> {
  for (let tries = 0; tries < TRIES; tries++) {
    const known = await read(bot, id)
    const row = known === undefined ? undefined : next(known.row)
    if (known === undefined || row === undefined) return undefined
    if ((await bot.store.put(RESTS, id, row, known.version)) !== undefined) return row
  }
  return undefined
}

/**
 * What is too long for messages, as a file in their thread: at once where none stands, else at most once in `timings.rest`, from
 * a durable row, so that the last state always gets there. The one before is removed. Returns what it holds now or will hold.
 */
export async function attachRest(bot: Bot, { key, place, thread, title, file }: Rest): Promise<string> {
  const id = idOf(place, key)
  const digest = createHash('sha256').update(file.text).digest('hex').slice(0, 16)
  const wanted = { digest, name: file.name, title, text: file.text }
  const first: Row = { channel: place, thread, wanted, pending: true, due: 0 }
  if (!(await bot.store.insert(RESTS, id, first))) {
    await change(bot, id, (row) => {
      // In another thread it is another file.
      if (row.thread !== thread) return { ...first, ...(row.file === undefined ? {} : { file: row.file }) }
      if (row.digest !== digest) return { ...row, wanted, pending: true }
      return row.pending ? settled(row) : undefined
    })
  }
  await flush(bot, id)
  return digest
}

/** The message fits again: no file stands below it any more. */
export async function detachRest(bot: Bot, { key, place }: Pick<Rest, 'key' | 'place'>): Promise<void> {
  let old: string | undefined
  await change(bot, idOf(place, key), (row) => {
    old = row.file
    if (row.file === undefined && !row.pending) return undefined
    const { channel, thread, due } = row
    return { channel, thread, due, pending: false }
  })
  await remove(bot, old)
}

/** Attaches what has waited long enough: what was put off, what failed, and what a process that has died left behind. */
export async function attachWaiting(bot: Bot): Promise<void> {
  const rows = await bot.store.find(RESTS, { where: { pending: true }, limit: MOST_AT_ONCE })
  for (const { id } of rows) await flush(bot, id)
}

function settled(row: Row): Row {
  const { wanted: _, ...rest } = row
  return { ...rest, pending: false }
}

async function flush(bot: Bot, id: string): Promise<void> {
  const now = bot.clock().getTime()
  // Others leave it alone for as long; should this process die, they take it up after that.
  const mine = await change(bot, id, (row) =>
    row.pending && row.due <= now ? { ...row, due: now + bot.timings.rest } : undefined,
  )
  if (mine?.wanted === undefined) return
  const { channel, thread, wanted, file: old } = mine
  const bytes = Buffer.from(wanted.text)
  const done = await upload(bot, { name: wanted.name, title: wanted.title, bytes }, { channel, thread })
  if (!done.ok) {
    bot.log.warn({ id, failure: done.failure }, 'slack rest of a message not attached, trying again later')
    return
  }
  const noted = await change(bot, id, (row) => {
    const next: Row = { ...row, file: done.file, digest: wanted.digest }
    // What stood there before is right again, or nothing is wanted any more.
    if (!row.pending) return undefined
    // It may have changed meanwhile, or moved.
    if (row.thread !== thread) return { ...row, file: done.file }
    return row.wanted?.digest === wanted.digest ? settled(next) : next
  })
  await remove(bot, noted === undefined ? done.file : old)
}

async function remove(bot: Bot, file: string | undefined): Promise<void> {
  if (file === undefined) return
  const removed = await call(bot, () => bot.client.files.delete({ file }))
  if (!removed.ok) bot.log.info({ file, failure: removed.failure }, 'slack file not removed')
}
