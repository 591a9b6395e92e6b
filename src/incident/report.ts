import { z } from 'zod'
import type { Json, Store } from '../ports/store.ts'
import { verdictSchema } from './verdict.ts'

/** The specification's report: what a model has to answer with, and what is kept as `content`. */
export const diagnosisSchema = z.object({
  promQL: z.array(z.string().min(1).max(2000)).max(20),
  content: z.string().min(1).max(20_000),
})
export type Diagnosis = z.infer<typeof diagnosisSchema>

const checkedQuery = z.object({
  query: z.string(),
  at: z.enum(['ok', 'empty', 'failed']),
  /** Number of series, or why it failed. */
  note: z.string(),
})

/** A number that the text cites and that no answer of this diagnosis holds. */
const checkedNumber = z.object({ text: z.string(), at: z.enum(['found', 'not found']) })

export const reportSchema = z.object({
  /** `<subject>/<version>`. */
  id: z.string(),
  /** The deployment's id, or the episode's where no release is joined: there is one current report each. */
  deploymentId: z.string(),
  version: z.number(),
  incident: z.string(),
  /** The diagnosis flow that writes it, `<incident>/diagnosis-<n>`. */
  flow: z.string().optional(),
  /** The diagnosis as JSON text, as the specification has it; why it failed when it did. */
  content: z.string(),
  status: z.enum(['generating', 'completed', 'failed']),
  createdTime: z.string(),
  updatedTime: z.string(),
  by: z.enum(['model', 'rules']),
  /** The model that answered. */
  model: z.string().optional(),
  /** Why the rules wrote it although a model is configured. */
  fellBack: z.string().optional(),
  verdict: verdictSchema.optional(),
  /** Hosts that the joined release had begun to change when the metrics were about to be read. */
  begun: z.array(z.string()).optional(),
  queries: z.array(checkedQuery),
  numbers: z.array(checkedNumber),
  pictures: z.array(z.object({ id: z.string(), alt: z.string(), width: z.number(), height: z.number() })),
  /** What it cost. */
  steps: z.number(),
  tools: z.record(z.string(), z.number()),
  tokens: z.object({ input: z.number(), cacheRead: z.number(), cacheWrite: z.number(), output: z.number() }),
  /** US dollars; missing when no prices are configured. */
  cost: z.number().optional(),
  seconds: z.number(),
})
export type Report = z.infer<typeof reportSchema>

const COLLECTION = 'reports'

/** The reports as typed documents. */
export function reports(store: Store) {
  return {
    async get(id: string): Promise<Report | undefined> {
      const row = await store.get(COLLECTION, id)
      return row === undefined ? undefined : reportSchema.parse(row.document)
    },
    /** False when that version exists already. */
    insert(report: Report): Promise<boolean> {
      return store.insert(COLLECTION, report.id, report as unknown as Json)
    },
    async update(id: string, change: (report: Report) => Report): Promise<Report | undefined> {
      for (;;) {
        const row = await store.get(COLLECTION, id)
        if (row === undefined) return undefined
        const after = change(reportSchema.parse(row.document))
        if ((await store.put(COLLECTION, id, after as unknown as Json, row.version)) !== undefined) return after
      }
    },
    /** All versions for a deployment or episode, ascending. */
    async versions(deploymentId: string): Promise<Report[]> {
      const rows = await store.find(COLLECTION, { where: { deploymentId } })
      return rows.map((row) => reportSchema.parse(row.document)).sort((a, b) => a.version - b.version)
    },
  }
}
export type Reports = ReturnType<typeof reports>
