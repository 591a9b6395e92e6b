import { z } from 'zod'
import type { Message } from '../../ports/chat.ts'
import type { Json, Row, Store } from '../../ports/store.ts'
import { type SurfaceName, surfaceNames } from '../../ports/surface.ts'
import { lookOf, rankOf } from './outbox-rank.ts'
import type { Kind } from './outbox-rates.ts'

const COLLECTION = 'outbox'

/** What `find` is asked for. */
export const outboxIndexes = [
  { collection: COLLECTION, field: 'waiting' },
  { collection: COLLECTION, field: 'refused' },
]

const json = z.custom<Json>((value) => value !== undefined)

const rowSchema = z.object({
  surface: z.enum(surfaceNames),
  key: z.string(),
  channel: z.string(),
  /** The surface's id of the channel, as it was when this was noted. */
  place: z.string(),
  thread: z.string().optional(),
  /** In the order of first posting. */
  number: z.number(),
  waiting: z.boolean(),
  refused: z.boolean(),
  /** ISO; since when it waits, if it does. */
  since: z.string(),
  rank: z.number(),
  /** The newest revision that we were told of. */
  wanted: z.number(),
  shown: z
    .object({
      revision: z.number(),
      digest: z.string(),
      face: z.string(),
      asks: z.boolean(),
      /** Missing when it stands in another message, the one it was merged into. */
      identity: json.optional(),
      mark: z.string().optional(),
      /** ISO. */
      at: z.string(),
    })
    .optional(),
  /** ISO; a send was begun then, and nobody knows what came of it. */
  sendingSince: z.string().optional(),
  /** ISO; the last of the sends that were begun since then. */
  triedAt: z.string().optional(),
  refusal: z.object({ why: z.string(), next: z.string(), at: z.string() }).optional(),
  /** The messages that are, or are being, shown in this one, and at which revision. */
  carries: z.array(z.object({ key: z.string(), revision: z.number() })).optional(),
  /** It is shown, but the rows of those that it carries do not say so yet. */
  noting: z.boolean().optional(),
  mergedInto: z.string().optional(),
})
export type OutboxRow = z.infer<typeof rowSchema>

/** A row at the version at which it was read or written. */
export interface Kept {
  version: number
  row: OutboxRow
}

/** What sending this row would be to the surface. */
export function kindOf({ shown }: OutboxRow): Kind {
  return shown?.identity === undefined ? 'new' : 'edit'
}

/** A message of the channel's record, as far as the outbox needs it. */
export interface PostNow {
  key: string
  channel: string
  thread?: string
  message: Message
  revision: number
  number: number
  /** ISO. */
  changedAt: string
}

const postSchema = z.object({
  channel: z.string(),
  thread: z.string().optional(),
  message: z.custom<Message>((value) => typeof value === 'object' && value !== null),
  revision: z.number(),
  number: z.number().default(0),
  postedAt: z.string().default(''),
  editedAt: z.string().optional(),
})

export async function readPost(store: Store, key: string): Promise<PostNow | undefined> {
  const row = await store.get('messages', key)
  if (row === undefined) return undefined
  const { postedAt, editedAt, ...post } = postSchema.parse(row.document)
  return { key, ...post, changedAt: editedAt ?? postedAt }
}

/** The rows of one surface. All calls throw the store's faults. */
export interface Rows {
  get(key: string): Promise<Kept | undefined>
  waiting(limit?: number): Promise<Kept[]>
  refused(limit?: number): Promise<Kept[]>
  /** One compare-and-set; undefined when somebody else was faster. */
  put(before: Kept, row: OutboxRow): Promise<Kept | undefined>
  /**
   * Writes what `edit` makes of the row, read anew as often as somebody else was faster; undefined leaves it as it is. Resolves
   * with the row as it stands then.
   */
  change(key: string, edit: (row: OutboxRow | undefined) => OutboxRow | undefined): Promise<Kept | undefined>
}

export function createRows(store: Store, surface: SurfaceName): Rows {
  const idOf = (key: string) => `${surface}/${key}`
  const find = async (field: 'waiting' | 'refused', limit?: number) => {
    const query = { where: { [field]: true }, prefix: `${surface}/` }
    return (await store.find(COLLECTION, limit === undefined ? query : { ...query, limit })).map(parse)
  }

  const rows: Rows = {
    get: async (key) => {
      const row = await store.get(COLLECTION, idOf(key))
      return row === undefined ? undefined : parse(row)
    },
    waiting: (limit) => find('waiting', limit),
    refused: (limit) => find('refused', limit),
    put: async (before, row) => {
      const version = await store.put(COLLECTION, idOf(row.key), row as unknown as Json, before.version)
      return version === undefined ? undefined : { version, row }
    },
    change: async (key, edit) => {
      for (;;) {
        const before = await rows.get(key)
        const row = edit(before?.row)
        if (row === undefined) return before
        if (before !== undefined) {
          const after = await rows.put(before, row)
          if (after !== undefined) return after
        } else if (await store.insert(COLLECTION, idOf(key), row as unknown as Json)) return { version: 1, row }
      }
    },
  }
  return rows
}

/** The row of a message that is to be shown as it is now; undefined when the row says so already. */
export function noted(
  before: OutboxRow | undefined,
  post: PostNow,
  where: { surface: SurfaceName; place: string; at: string },
): OutboxRow | undefined {
  const { surface, place, at } = where
  const { key, channel, thread, number, revision } = post
  const moved = before !== undefined && before.place !== place
  if (before !== undefined && !moved && before.wanted >= revision) return undefined
  const kept = moved ? undefined : before
  const look = lookOf(post.message)
  const shown = kept?.shown
  // Edited back to what is shown, and no send under way that may change that.
  const same = shown?.digest === look.digest && kept?.sendingSince === undefined
  return {
    surface,
    key,
    channel,
    place,
    thread,
    number,
    waiting: !same || kept?.noting === true,
    refused: false,
    since: kept?.waiting ? kept.since : at,
    rank: rankOf(post, shown),
    wanted: revision,
    shown: same ? { ...shown, revision } : shown,
    sendingSince: kept?.sendingSince,
    triedAt: kept?.triedAt,
    carries: kept?.carries,
    noting: kept?.noting,
    mergedInto: kept?.mergedInto,
  }
}

function parse(row: Row): Kept {
  return { version: row.version, row: rowSchema.parse(row.document) }
}
