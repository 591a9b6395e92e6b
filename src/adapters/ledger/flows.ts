import { z } from 'zod'
import type { FaultDocument } from '../../lib/fault.ts'
import type { Json } from '../../ports/store.ts'
import { type Context, unreadable } from './context.ts'

/** The document of a flow in the collection `flows`. What happened in it is in its journal; this is how flows are found. */
const FlowDocument = z.object({
  kind: z.string(),
  input: z.custom<Json>((value) => value !== undefined),
  state: z.enum(['running', 'done', 'failed']),
  /** The worker that runs it; empty when nobody does or it has ended. */
  owner: z.string(),
  /** The journal's number of the owner's claim; -1 before the first. */
  fence: z.number(),
  /** The last phase, once the flow has ended. */
  phase: z.string(),
  fault: z
    .object({
      code: z.string(),
      say: z.string(),
      next: z.string(),
      retry: z.boolean(),
      data: z.record(z.string(), z.unknown()),
    })
    .optional(),
})

export type FlowDocument = z.infer<typeof FlowDocument>

/** Fields that the ledger looks flows and workers up by; a store that has indexes should be given these. */
export const ledgerIndexes = [
  { collection: 'flows', field: 'state' },
  { collection: 'flows', field: 'owner' },
  { collection: 'workers', field: 'state' },
]

export async function insertFlow(ctx: Context, id: string, flow: Pick<FlowDocument, 'kind' | 'input' | 'owner'>) {
  return ctx.store.insert('flows', id, { ...flow, state: 'running', fence: -1, phase: '' })
}

/** Throws Fault `flow.unreadable`. */
export async function readFlow(ctx: Context, id: string): Promise<FlowDocument | undefined> {
  const row = await ctx.store.get('flows', id)
  return row && parse(id, row.document)
}

function parse(id: string, document: Json): FlowDocument {
  const parsed = FlowDocument.safeParse(document)
  if (!parsed.success) throw unreadable(id, 'document')
  return parsed.data
}

/** Changes the document by compare-and-set until it holds; `change` gives undefined to leave it alone, false then. */
async function update(ctx: Context, id: string, change: (flow: FlowDocument) => FlowDocument | undefined) {
  for (;;) {
    const row = await ctx.store.get('flows', id)
    const changed = row && change(parse(id, row.document))
    if (!row || !changed) return false
    if ((await ctx.store.put('flows', id, changed as unknown as Json, row.version)) !== undefined) return true
  }
}

/** Shows who owns the flow since its claim at `fence`. False when the flow has ended or a later claim was shown. */
export async function showOwner(ctx: Context, id: string, fence: number): Promise<boolean> {
  return update(ctx, id, (flow) =>
    flow.state === 'running' && flow.fence <= fence ? { ...flow, owner: ctx.worker, fence } : undefined,
  )
}

/** Shows that nobody owns the flow, unless somebody else does meanwhile. */
export async function showReleased(ctx: Context, id: string): Promise<boolean> {
  return update(ctx, id, (flow) =>
    flow.state === 'running' && flow.owner === ctx.worker ? { ...flow, owner: '' } : undefined,
  )
}

/** Shows the end that the journal holds; whoever finds it there may do so. */
export async function showEnd(ctx: Context, id: string, fault: FaultDocument | undefined, phase: string) {
  const state = fault ? 'failed' : 'done'
  await update(ctx, id, (flow) => (flow.state === 'running' ? { ...flow, state, owner: '', phase, fault } : undefined))
}

/** Ids of the unfinished flows, all of them or those that one worker owns (`''`: that nobody does). */
export async function findRunning(ctx: Context, owner?: string): Promise<{ id: string; owner: string }[]> {
  const where: Record<string, string> = owner === undefined ? { state: 'running' } : { state: 'running', owner }
  const rows = await ctx.store.find('flows', { where })
  return rows.map(({ id, document }) => {
    const holder = FlowDocument.shape.owner.safeParse((document as { owner?: Json }).owner)
    return { id, owner: holder.data ?? '' }
  })
}
