import { z } from 'zod'
import type { Block, Button, Message } from '../../ports/chat.ts'
import type { Refusal } from '../../ports/console.ts'

export const refusal = z.object({ code: z.string(), say: z.string(), next: z.string() }) satisfies z.ZodType<Refusal>

/** The answers of a route: what it gives, and a refusal for everything else. */
export function answers<S extends z.ZodType>(schema: S) {
  return { 200: schema, '4xx': refusal, '5xx': refusal }
}

const tone = z.enum(['plain', 'info', 'good', 'warn', 'bad'])

const block = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('fields'), items: z.array(z.object({ label: z.string(), value: z.string() })) }),
  z.object({
    type: z.literal('table'),
    caption: z.string().optional(),
    columns: z.array(z.string()),
    rows: z.array(z.array(z.string())),
    news: z.array(z.string()).optional(),
  }),
  z.object({
    type: z.literal('progress'),
    items: z.array(z.object({ label: z.string(), done: z.number(), total: z.number(), note: z.string() })),
  }),
  z.object({ type: z.literal('code'), text: z.string() }),
  z.object({ type: z.literal('links'), items: z.array(z.object({ label: z.string(), url: z.string() })) }),
  z.object({ type: z.literal('picture'), id: z.string(), alt: z.string(), width: z.number(), height: z.number() }),
]) satisfies z.ZodType<Block>

export const button = z.object({
  id: z.string(),
  action: z.string(),
  label: z.string(),
  style: z.enum(['primary', 'danger', 'plain']),
  confirm: z.string().optional(),
  fields: z
    .array(
      z.object({
        name: z.string(),
        label: z.string(),
        kind: z.enum(['text', 'duration']),
        value: z.string().optional(),
        required: z.boolean(),
        most: z.number(),
      }),
    )
    .optional(),
}) satisfies z.ZodType<Button>

export const message = z.object({
  title: z.string(),
  tone,
  blocks: z.array(block),
  buttons: z.array(button),
}) satisfies z.ZodType<Message>

export { tone }

/** A page's size in a query. */
export const pageSize = z.coerce.number().int().min(1).max(100).default(30)

/** A name in a query or body: long enough for whatever is real, short enough to be compared with everything. */
export const word = z.string().min(1).max(200)

/** A key or id as the store knows it. */
export const key = z.string().min(1).max(500)

/** A day (its beginning, in UTC) or a moment. */
export const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })])
