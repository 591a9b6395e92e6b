import { z } from 'zod'
import { asFault } from '../lib/fault.ts'
import type { Message, Post } from '../ports/chat.ts'
import type { Lead } from '../ports/lead.ts'
import type { Json } from '../ports/store.ts'
import { post } from '../release/show.ts'
import type { IncidentDesk } from './desk.ts'

/** What goes out first when several wait: new cards, lines in a thread, edits, and last what can wait: summaries, reminders. */
const RANKS = ['card', 'line', 'edit', 'reminder'] as const
export type Rank = (typeof RANKS)[number]

const EVERY_MS = 1000
/** So often the one process that sends looks for what the others have queued. */
const LOOK_MS = 1000
/** The lead that is held by whoever sends. */
const LEAD = 'posts'
const COLLECTION = 'incident-posts'

const rowSchema = z.object({
  waiting: z.boolean(),
  /** ISO; since when it waits. */
  since: z.string(),
  rank: z.enum(RANKS),
  post: z
    .object({
      key: z.string(),
      channel: z.string(),
      thread: z.string().optional(),
      message: z.custom<Message>((value) => typeof value === 'object' && value !== null),
    })
    .optional(),
})
type PostRow = z.infer<typeof rowSchema>

interface Line {
  /** By message key. */
  waiting: Map<string, { rank: number; place: number }>
  timer: NodeJS.Timeout | undefined
  sending: boolean
  /** On the steady clock; when the last post went out. */
  last: number
}
interface Pacer {
  lines: Map<string, Line>
  opened: Promise<void> | undefined
  places: number
  stopped: boolean
  /** Where several processes share the store: the right to send. */
  lead: Lead | undefined
  looking: NodeJS.Timeout | undefined
}
const pacers = new WeakMap<IncidentDesk, Pacer>()

/**
 * Owes a post to its channel. The rule: it resolves when the row in `incident-posts` is durable, and from then on the channel's
 * sender owes it, over a kill as well: `openPosts` goes on with every row that still waits. A channel gets at most one post or
 * edit of incidents a second, cards first; a message that waits is replaced by its newest words and keeps its place. Whoever
 * crashed before the row was there puts it again, under the same key: nothing is lost, and nothing stands there twice.
 * Where several processes share the store, one of them sends (lead `posts`), and finds within a second what the others queue.
 */
export function queuePost(desk: IncidentDesk, message: Post, rank: Rank): Promise<void> {
  return queueDrawn(desk, message.key, rank, async () => message)
}

/**
 * Owes what `draw` makes, which reads the documents as they stand. When somebody else queues the same message in the meantime it
 * is drawn once more: of two drawings the one that has looked later stays.
 */
export async function queueDrawn(
  desk: IncidentDesk,
  key: string,
  rank: Rank,
  draw: () => Promise<Omit<Post, 'key' | 'basis'>>,
): Promise<void> {
  await openPosts(desk)
  for (;;) {
    const row = await desk.store.get(COLLECTION, key)
    const message = { ...(await draw()), key }
    const before = row === undefined ? undefined : rowSchema.parse(row.document)
    const waits = before?.waiting === true
    const after: PostRow = {
      waiting: true,
      since: waits ? before.since : desk.clock().toISOString(),
      rank: waits && RANKS.indexOf(before.rank) < RANKS.indexOf(rank) ? before.rank : rank,
      post: message,
    }
    const document = after as unknown as Json
    const done =
      row === undefined
        ? await desk.store.insert(COLLECTION, key, document)
        : (await desk.store.put(COLLECTION, key, document, row.version)) !== undefined
    if (!done) continue
    if (maySend(pacerOf(desk))) enqueue(desk, message.channel, key, after.rank)
    return
  }
}

/**
 * Goes on with what a process that has died still owed. Once per desk; whoever queues something waits for it. Where several
 * processes share the store it stands for the lead instead, and whoever holds that goes on with it.
 */
export function openPosts(desk: IncidentDesk): Promise<void> {
  const pacer = pacerOf(desk)
  pacer.opened ??= open(desk, pacer).catch((error: unknown) => {
    pacer.opened = undefined
    throw error
  })
  return pacer.opened
}

async function open(desk: IncidentDesk, pacer: Pacer): Promise<void> {
  if (desk.leads === undefined) return readOwed(desk)
  if (pacer.stopped) return
  pacer.lead = desk.leads.campaign(LEAD, {
    gained() {
      // The holder before may have sent something a moment ago.
      for (const line of pacer.lines.values()) line.last = performance.now()
      look(desk, pacer)
    },
    lost() {
      clearTimeout(pacer.looking)
      forget(pacer)
    },
  })
}

/** Reads what waits, now and every second as long as this process sends. */
function look(desk: IncidentDesk, pacer: Pacer): void {
  if (pacer.stopped || !maySend(pacer)) return
  readOwed(desk)
    .catch((error: unknown) => desk.log.warn({ code: asFault(error).code }, 'posts of incidents not looked for'))
    .finally(() => {
      clearTimeout(pacer.looking)
      pacer.looking = setTimeout(() => look(desk, pacer), LOOK_MS).unref()
    })
}

function forget(pacer: Pacer): void {
  for (const line of pacer.lines.values()) {
    clearTimeout(line.timer)
    line.timer = undefined
    line.waiting.clear()
  }
}

/** Asked right before each sending. */
function maySend({ lead }: Pacer): boolean {
  return lead === undefined || lead.held()
}

/** Sends nothing more; what waits goes out after the next start, or from another process at once. */
export function stopPosts(desk: IncidentDesk): void {
  const pacer = pacerOf(desk)
  pacer.stopped = true
  clearTimeout(pacer.looking)
  for (const line of pacer.lines.values()) clearTimeout(line.timer)
  pacer.lead?.release().catch((error: unknown) => desk.log.debug({ err: error }, 'lead not released'))
}

/** Posts that wait or are on their way. */
export function owedPosts(desk: IncidentDesk): number {
  return [...pacerOf(desk).lines.values()].reduce((sum, line) => sum + line.waiting.size + (line.sending ? 1 : 0), 0)
}

/** Posts of one channel that wait, whoever sends them. */
export async function owedIn(desk: IncidentDesk, channel: string): Promise<number> {
  const pacer = pacerOf(desk)
  if (maySend(pacer)) return pacer.lines.get(channel)?.waiting.size ?? 0
  return (await waitingRows(desk)).filter((row) => row.post?.channel === channel).length
}

async function waitingRows(desk: IncidentDesk): Promise<PostRow[]> {
  const rows = await desk.store.find(COLLECTION, { where: { waiting: true } })
  return rows.map((row) => rowSchema.parse(row.document)).sort((a, b) => a.since.localeCompare(b.since))
}

async function readOwed(desk: IncidentDesk): Promise<void> {
  for (const { post: message, rank } of await waitingRows(desk)) {
    if (message !== undefined) enqueue(desk, message.channel, message.key, rank)
  }
}

function enqueue(desk: IncidentDesk, channel: string, key: string, rank: Rank): void {
  const pacer = pacerOf(desk)
  const line = pacer.lines.get(channel) ?? {
    waiting: new Map(),
    timer: undefined,
    sending: false,
    last: pacer.lead === undefined ? Number.NEGATIVE_INFINITY : performance.now(),
  }
  pacer.lines.set(channel, line)
  const known = line.waiting.get(key)
  const place = known?.place ?? ++pacer.places
  line.waiting.set(key, { place, rank: Math.min(known?.rank ?? RANKS.length, RANKS.indexOf(rank)) })
  schedule(desk, line)
}

function schedule(desk: IncidentDesk, line: Line, atLeastMs = 0): void {
  if (pacerOf(desk).stopped || line.sending || line.timer !== undefined || line.waiting.size === 0) return
  const wait = Math.max(atLeastMs, line.last + everyMs(desk) - performance.now(), 0)
  line.timer = setTimeout(() => {
    line.timer = undefined
    void next(desk, line)
  }, wait)
  line.timer.unref()
}

async function next(desk: IncidentDesk, line: Line): Promise<void> {
  if (!maySend(pacerOf(desk))) return
  const [first] = [...line.waiting].sort(([, a], [, b]) => a.rank - b.rank || a.place - b.place)
  if (first === undefined) return
  const [key, place] = first
  line.waiting.delete(key)
  line.sending = true
  let patience = 0
  try {
    if (await send(desk, key)) line.last = performance.now()
  } catch (error) {
    desk.log.warn({ key, code: asFault(error).code }, 'post of an incident not sent, tried again')
    line.waiting.set(key, place)
    patience = EVERY_MS
  } finally {
    line.sending = false
    schedule(desk, line, patience)
  }
}

/** False when nothing was to be sent. A message that was replaced on the way waits again: its row says so. */
async function send(desk: IncidentDesk, key: string): Promise<boolean> {
  const row = await desk.store.get(COLLECTION, key)
  if (row === undefined) return false
  const { waiting, post: message, ...rest } = rowSchema.parse(row.document)
  if (!waiting || message === undefined || !maySend(pacerOf(desk))) return false
  // The row's version: a sender that was held up never puts older words in the place of newer ones.
  await post(desk, { ...message, basis: row.version })
  await desk.store.put(COLLECTION, key, { ...rest, waiting: false }, row.version)
  return true
}

function everyMs(desk: IncidentDesk): number {
  return desk.postEveryMs ?? EVERY_MS
}

function pacerOf(desk: IncidentDesk): Pacer {
  const known = pacers.get(desk)
  if (known !== undefined) return known
  const fresh: Pacer = {
    lines: new Map(),
    opened: undefined,
    places: 0,
    stopped: false,
    lead: undefined,
    looking: undefined,
  }
  pacers.set(desk, fresh)
  return fresh
}
