import { z } from 'zod'

const checkSchema = z.object({
  /** timing, comparison, traffic, dependency, saturation, certificate, node. */
  name: z.string(),
  /** Whether it speaks for the release being the cause, against it, or not at all. */
  speaks: z.enum(['for', 'against', 'nothing']),
  /** A sentence with the numbers. */
  why: z.string(),
})

/** Whether the release did it. A rollback is offered on `release` only. */
export const verdictSchema = z.object({
  at: z.enum(['release', 'not the release', 'unknown']),
  /** One sentence for the headline. */
  why: z.string(),
  checks: z.array(checkSchema),
})
export type Verdict = z.infer<typeof verdictSchema>
