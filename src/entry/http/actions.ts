import { z } from 'zod'
import type { Press, PressAnswer } from '../../ports/console.ts'
import { mayPress, press } from '../actions.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import { fromOf } from './guard.ts'
import { answers, key } from './schema.ts'

const pressAnswer = z.object({
  ok: z.boolean(),
  text: z.string(),
  next: z.string().optional(),
}) satisfies z.ZodType<PressAnswer>

const body = z.strictObject({ button: key }) satisfies z.ZodType<Press>

/** A press on a button, and what it would be answered, for a client that asks its question only when there is one. A press answers 200 with words whether it counted or not: both are ordinary. */
export function actionRoutes(app: App, { desk }: ServerDeps): void {
  const question = z.strictObject({ button: key })
  app.get(
    '/api/v1/actions',
    {
      schema: {
        tags: ['actions'],
        summary: 'What a press would be answered now, without pressing',
        querystring: question,
        response: answers(pressAnswer),
      },
    },
    async (request): Promise<PressAnswer> => {
      const { ok, text } = await mayPress(desk, personOf(request), request.query.button, fromOf(request))
      return { ok, text }
    },
  )

  app.post(
    '/api/v1/actions',
    { schema: { tags: ['actions'], summary: 'A press on a button', body, response: answers(pressAnswer) } },
    async (request): Promise<PressAnswer> => {
      const { ok, text } = await press(desk, request.body.button, personOf(request), fromOf(request))
      return { ok, text }
    },
  )
}
