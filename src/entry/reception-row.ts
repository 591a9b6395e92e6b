import { z } from 'zod'
import { newId } from '../lib/id.ts'
import type { Json } from '../ports/store.ts'
import { type Answer, type Envelope, surfaceNames } from '../ports/surface.ts'
import { message } from './http/schema.ts'

export const INBOX = 'inbox'

/** Rows are looked up by whether something is still to be done about them, and by the line in which they stand. */
export const receptionIndexes = [
  { collection: INBOX, field: 'pending' },
  { collection: INBOX, field: 'lane' },
]

/** Characters of a reply; adapters keep addresses in it, no texts. */
const REPLY_MOST = 16_000
/** Characters of a text that stay in a row that is done. The Store has no delete: rows stay, so they are small. */
const TEXT_KEPT = 500

const json = z.custom<Json>((value) => {
  try {
    return (JSON.stringify(value)?.length ?? Number.POSITIVE_INFINITY) <= REPLY_MOST
  } catch {
    return false
  }
})

export const envelopeSchema = z.strictObject({
  surface: z.enum(surfaceNames),
  id: z.string().min(1).max(200).refine(isWhole),
  user: z.string().min(1).max(200).refine(isWhole),
  channel: z.string().min(1).max(200).optional(),
  deed: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('typed'), text: z.string().max(10_000) }),
    z.strictObject({
      kind: z.literal('pressed'),
      button: z.string().min(1).max(500).refine(isWhole),
      fields: z
        .record(z.string().regex(/^[a-z][a-z-]{0,30}$/), z.string().max(500))
        .refine((fields) => Object.keys(fields).length <= 10, 'has more than 10 fields'),
    }),
  ]),
  reply: json,
  at: z.string().max(40),
}) satisfies z.ZodType<Envelope>

const readableSchema = envelopeSchema.pick({ surface: true, user: true, reply: true }).strip()

/** What has to be known of an envelope that is not as it should be, to tell the person so; undefined when that is not in it. */
export function readableOf(envelope: unknown): Envelope | undefined {
  const { data } = readableSchema.safeParse(envelope)
  if (data === undefined) return undefined
  const id = envelopeSchema.shape.id.safeParse((envelope as { id?: unknown }).id).data ?? newId()
  return { ...data, id, deed: { kind: 'typed', text: '' }, at: '' }
}

function isWhole(text: string): boolean {
  return text.isWellFormed()
}

const answerSchema = z.object({ ok: z.boolean(), text: z.string(), message: message.optional() })

/**
 * One thing that somebody did. `new`: nothing was begun. `doing`: it was begun, and may have been done. `owed`: it is done, and the
 * answer stands here. `done`: the answer has arrived, or was given up.
 */
const rowSchema = z.object({
  state: z.enum(['new', 'doing', 'owed', 'done']),
  pending: z.boolean(),
  lane: z.string(),
  /** Sorts within the lane, in the order in which the store numbered it. */
  order: z.string(),
  /** The process that has it, or had it last. */
  worker: z.string(),
  /** How often it was begun. */
  attempt: z.number(),
  /** Refusals of the same stranger that were not answered before this one. */
  missed: z.number().optional(),
  /** ISO; since when the answer stands here. */
  owedAt: z.string().optional(),
  answer: answerSchema.optional(),
  envelope: envelopeSchema,
})
export type InboxRow = z.infer<typeof rowSchema>

export function readRow(document: Json): InboxRow {
  return rowSchema.parse(document)
}

export function rowId({ surface, id }: Pick<Envelope, 'surface' | 'id'>): string {
  return `${surface}/${id}`
}

/** What one person does in one place is done in the order in which it came. */
export function laneOf({ surface, user, channel }: Envelope): string {
  return JSON.stringify([surface, user, channel ?? null])
}

export function owed(row: InboxRow, answer: Answer, at: Date): InboxRow {
  return { ...row, state: 'owed', answer, owedAt: at.toISOString() }
}

/** The row as it stays: without the answer, and without most of a long text. */
export function done({ answer: _, ...row }: InboxRow): InboxRow {
  const { deed } = row.envelope
  const short = deed.kind === 'typed' ? { ...deed, text: deed.text.slice(0, TEXT_KEPT).toWellFormed() } : deed
  return { ...row, state: 'done', pending: false, envelope: { ...row.envelope, deed: short, reply: null } }
}
