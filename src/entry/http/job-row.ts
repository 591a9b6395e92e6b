import { z } from 'zod'
import type { JobView } from '../../ports/console.ts'
import type { Row } from '../../ports/store.ts'

const stateSchema = z.object({ at: z.string(), rc: z.number().optional(), reason: z.string().optional() })

const rowSchema = z.object({
  host: z.string(),
  step: z.string(),
  attempt: z.number(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  state: stateSchema,
})

/** A job as its row in the collection `jobs` knows it, with its state in words and whether it has ended. */
export function jobRow({ id, document }: Row): JobView & { host: string } {
  const { host, step, attempt, startedAt, endedAt, state } = rowSchema.parse(document)
  return {
    id,
    host,
    step,
    attempt,
    state: stateInWords(state),
    startedAt,
    ...(endedAt === undefined ? {} : { endedAt }),
  }
}

function stateInWords({ at, rc, reason }: z.infer<typeof stateSchema>): string {
  return at === 'done' ? `done ${rc ?? 0}${reason ? `: ${reason}` : ''}` : at
}

export function hasEnded(row: Row): boolean {
  return !['new', 'starting', 'running', 'orphaned'].includes(rowSchema.parse(row.document).state.at)
}
