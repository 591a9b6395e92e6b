import { z } from 'zod'
import type { Json, Store } from '../ports/store.ts'
import { type Survey, surveySchema } from './survey.ts'

/** What the queries of a report gave: medians before and since the onset, and the last value, series by series. */
export const answersSchema = z.array(
  z.object({
    query: z.string(),
    series: z.array(
      z.object({
        labels: z.string(),
        before: z.number().nullable(),
        since: z.number().nullable(),
        last: z.number().nullable(),
      }),
    ),
  }),
)
export type KeptAnswers = z.infer<typeof answersSchema>

/** Documents that belong to a report, under its id. */
export function keptOf(store: Store) {
  const read = async (collection: string, id: string): Promise<Json | undefined> =>
    (await store.get(collection, id))?.document
  return {
    survey: async (report: string): Promise<Survey | undefined> =>
      surveySchema.optional().parse(await read('surveys', report)),
    putSurvey: (report: string, survey: Survey) => replace(store, 'surveys', report, survey as unknown as Json),
    answers: async (report: string): Promise<KeptAnswers> =>
      answersSchema.parse((await read('report-answers', report)) ?? []),
    putAnswers: (report: string, answers: KeptAnswers) => replace(store, 'report-answers', report, answers),
    /** The whole conversation with the model, for replay. */
    putTranscript: (report: string, transcript: unknown) => replace(store, 'transcripts', report, transcript as Json),
  }
}

/** Puts a document whether or not there is one: a step that is run again writes the same once more. */
export async function replace(store: Store, collection: string, id: string, document: Json): Promise<void> {
  for (;;) {
    if (await store.insert(collection, id, document)) return
    const row = await store.get(collection, id)
    if (row !== undefined && (await store.put(collection, id, document, row.version)) !== undefined) return
  }
}
