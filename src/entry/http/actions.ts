import { z } from 'zod'
import { createSieves } from '../../access/sieve.ts'
import type { Press, PressAnswer } from '../../ports/console.ts'
import type { Answer } from '../../release/answer.ts'
import { mayPress, press } from '../actions.ts'
import { type App, personOf, type ServerDeps } from './deps.ts'
import { fromOf } from './guard.ts'
import { presses } from './limits.ts'
import { answers, key } from './schema.ts'

const pressAnswer = z.object({
  ok: z.boolean(),
  text: z.string(),
  next: z.string().optional(),
}) satisfies z.ZodType<PressAnswer>

const asked = z.strictObject({ button: key })

/** What is filled in is text from a person: capped here, and read by the action that asked for it. */
const pressed = z.strictObject({
  button: key,
  fields: z
    .record(z.string().regex(/^[a-z][a-z-]{0,30}$/), z.string().max(500))
    .refine((fields) => Object.keys(fields).length <= 10, 'has more than 10 fields')
    .optional(),
}) satisfies z.ZodType<Press>

/**
 * A press on a button, and what it would be answered, for a client that asks its question only when there is one. A press answers
 * 200 with words whether it counted or not: both are ordinary.
 */
export function actionRoutes(app: App, { desk }: ServerDeps): void {
  const tags = ['actions']
  const sieves = createSieves(desk.clock)
  app.get(
    '/api/v1/actions',
    {
      // A refusal is audited, so that asking has a limit as pressing has.
      config: { rateLimit: presses },
      schema: {
        tags,
        summary: 'What a press would be answered now, without pressing',
        querystring: asked,
        response: answers(pressAnswer),
      },
    },
    async (request): Promise<PressAnswer> => {
      const person = personOf(request)
      return split(await mayPress(desk, person, request.query.button, fromOf(request), sieves(person.id)))
    },
  )

  app.post(
    '/api/v1/actions',
    { schema: { tags, summary: 'A press on a button', body: pressed, response: answers(pressAnswer) } },
    async (request): Promise<PressAnswer> =>
      split(await press(desk, request.body.button, personOf(request), fromOf(request), request.body.fields)),
  )
}

/** What happened apart from what to do next, which stands at the end of the words (src/release/answer.ts). */
function split({ ok, text }: Answer): PressAnswer {
  const [, said, next] = /^(.*?) Next: (.*?)\.?$/s.exec(text) ?? []
  return said === undefined || next === undefined ? { ok, text } : { ok, text: said, next }
}
