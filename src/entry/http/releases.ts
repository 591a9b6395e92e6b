import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { ReleaseDetail, ReleasePage, ReleaseView, SeriesView } from '../../ports/console.ts'
import { offerButtons } from '../../release/button.ts'
import type { Desk } from '../../release/desk.ts'
import { newestReleases } from '../../release/history.ts'
import { issueDocument, numberOf, type Release } from '../../release/release.ts'
import type { App, ServerDeps } from './deps.ts'
import { isMasked, maskAll } from './mask.ts'
import { releaseDetail, releaseView } from './release-view.ts'
import { answers, button, message, moment, pageSize, tone, word } from './schema.ts'
import { seriesOf } from './series.ts'
import { createShared } from './share.ts'

const view = z.object({
  id: z.string(),
  service: z.string(),
  candidate: z.string(),
  current: z.string().nullable(),
  requester: z.string(),
  approvals: z.array(z.object({ by: z.string(), at: z.string() })),
  approvalsNeeded: z.number(),
  state: z.string(),
  headline: z.string(),
  tone,
  over: z.boolean(),
  createdAt: z.string(),
  startedAt: z.string().optional(),
  endedAt: z.string().optional(),
  seconds: z.number().optional(),
  batches: z.number(),
  hosts: z.record(z.string(), z.number()),
}) satisfies z.ZodType<ReleaseView>

const page = z.object({ releases: z.array(view), more: z.boolean() }) satisfies z.ZodType<ReleasePage>

const job = z.object({
  id: z.string(),
  step: z.string(),
  attempt: z.number(),
  state: z.string(),
  startedAt: z.string(),
  endedAt: z.string().optional(),
})

const detail = view.extend({
  card: message,
  buttons: z.array(button),
  channel: z.string(),
  planHash: z.string(),
  steps: z.array(
    z.object({
      step_name: z.string(),
      status: z.string(),
      summary: z.string(),
      details: z.record(z.string(), z.unknown()),
      timestamp: z.string(),
    }),
  ),
  risks: z.array(z.object({ type: z.string(), mitigation: z.string(), source: z.string(), why: z.string() })),
  metrics: z.array(
    z.object({
      key: z.string(),
      name: z.string(),
      query: z.string(),
      limits: z.array(z.string()),
      source: z.string(),
    }),
  ),
  notes: z.array(z.string()),
  now: z.object({ batch: z.number(), doing: z.string(), since: z.string(), until: z.string().optional() }).optional(),
  plan: z
    .object({
      artifact: z.object({ url: z.string(), algorithm: z.string(), digest: z.string() }),
      batches: z.array(
        z.object({ id: z.number(), hosts: z.array(z.string()), windowSeconds: z.number(), atOnce: z.number() }),
      ),
      gate: z.string(),
      rollback: z.object({ atOnce: z.number(), versions: z.record(z.string(), z.string().nullable()) }),
    })
    .optional(),
  progress: z.array(
    z.object({
      host: z.string(),
      region: z.string(),
      batch: z.number(),
      state: z.string(),
      version: z.string().nullable().optional(),
      before: z.string().nullable(),
      why: z.string().optional(),
      deployedAt: z.string().optional(),
      jobs: z.array(job),
    }),
  ),
  verdicts: z.array(
    z.object({
      batch: z.number(),
      at: z.string(),
      verdict: z.string(),
      why: z.string(),
      metrics: z.array(
        z.object({
          key: z.string(),
          name: z.string(),
          verdict: z.string(),
          why: z.string(),
          value: z.number().optional(),
          limit: z.number().optional(),
          samples: z.number().optional(),
        }),
      ),
    }),
  ),
}) satisfies z.ZodType<ReleaseDetail>

const period = z.object({ from: z.number(), to: z.number() })

const series = z.object({
  windows: z.array(
    z.object({
      name: z.string(),
      batch: z.number(),
      before: period,
      after: period,
      at: z.number(),
      verdict: z.string(),
      why: z.string(),
      metrics: z.array(
        z.object({
          key: z.string(),
          name: z.string(),
          unit: z.enum(['cores', 'bytes', 'ratio', 'seconds', 'per_second']),
          query: z.string(),
          verdict: z.string(),
          why: z.string(),
          limits: z.object({ warn: z.number().optional(), fail: z.number().optional() }),
          hosts: z.array(
            z.object({
              host: z.string(),
              group: z.enum(['upgraded', 'waiting']),
              deployedAt: z.number().optional(),
              points: z.array(z.tuple([z.number(), z.number()])),
            }),
          ),
        }),
      ),
    }),
  ),
}) satisfies z.ZodType<SeriesView>

/** The specification's release issue. */
const issue = z.object({
  candidate: z.string(),
  created_at: z.string(),
  service: z.string(),
  steps: detail.shape.steps,
  title: z.string(),
})

const releaseId = z.string().regex(/^R-\d{1,9}$/, 'is not the id of a release, such as R-7')

const filter = z.strictObject({
  service: word.optional(),
  state: word.optional(),
  /** Who asked for it or approved it. */
  person: word.optional(),
  version: word.optional(),
  /** By the time of the request; a day as `to` is meant to its end. */
  from: moment.optional(),
  to: moment.optional(),
  before: releaseId.optional(),
  limit: pageSize,
})

export function releaseRoutes(app: App, { desk, feed }: ServerDeps): void {
  const tags = ['releases']
  const shared = createShared<ReleaseDetail>(feed, 'release')
  const sharedSeries = createShared<SeriesView>(feed, 'release')
  const params = z.strictObject({ id: releaseId })

  app.get(
    '/api/v1/releases',
    { schema: { tags, summary: 'Releases, newest first', querystring: filter, response: answers(page) } },
    async ({ query }): Promise<ReleasePage> => list(desk, query),
  )
  app.get(
    '/api/v1/releases/:id',
    { schema: { tags, summary: 'One release', params, response: answers(detail) } },
    async ({ params: { id } }, reply): Promise<ReleaseDetail> => {
      const { value, text } = await shared(id, async () => {
        const release = await desk.releases.need(id)
        const buttons = await offerButtons(desk.store, release)
        const value = isMasked(detail.parse(maskAll(await releaseDetail(desk, release, buttons), desk.redact)))
        return { value, text: JSON.stringify(value) }
      })
      sendShared(reply, value, text)
      return value
    },
  )
  app.get(
    '/api/v1/releases/:id/series',
    { schema: { tags, summary: 'What the gate saw', params, response: answers(series) } },
    async ({ params: { id } }, reply): Promise<SeriesView> => {
      const { value, text } = await sharedSeries(id, async () => {
        const value = isMasked(maskAll(await seriesOf(desk, await desk.releases.need(id)), desk.redact))
        return { value, text: JSON.stringify(value) }
      })
      sendShared(reply, value, text)
      return value
    },
  )
  app.get(
    '/api/v1/releases/:id/issue',
    { schema: { tags, summary: 'The release issue as JSON', params, response: answers(issue) } },
    async ({ params: { id } }) => issue.parse(issueDocument(await desk.releases.need(id))),
  )
}

/** The JSON that was made once, unless a hook has changed the answer for this reader. */
function sendShared(reply: Pick<FastifyReply, 'type' | 'serializer'>, value: object, text: string): void {
  reply.type('application/json; charset=utf-8')
  reply.serializer((payload: unknown) => (payload === value ? text : JSON.stringify(payload)))
}

async function list(desk: Desk, query: z.infer<typeof filter>): Promise<ReleasePage> {
  const { service, version, state, person, before, limit } = query
  const from = query.from === undefined ? undefined : Date.parse(query.from)
  const to = query.to === undefined ? undefined : endOf(query.to)
  const fits = (release: Release): boolean =>
    (state === undefined || release.state.at === state) &&
    (person === undefined || release.requester === person || release.approvals.some(({ by }) => by === person)) &&
    (to === undefined || Date.parse(release.createdAt) <= to)
  const found: Release[] = []
  const below = before === undefined ? undefined : numberOf(before)
  for await (const release of newestReleases(desk, { below, service, version })) {
    // Older ones were asked for earlier.
    if (from !== undefined && Date.parse(release.createdAt) < from) break
    if (fits(release)) found.push(release)
    if (found.length > limit) break
  }
  const now = desk.clock()
  return { releases: found.slice(0, limit).map((release) => releaseView(release, now)), more: found.length > limit }
}

function endOf(moment: string): number {
  const day = moment.length === 'yyyy-mm-dd'.length
  return Date.parse(moment) + (day ? 86_400_000 - 1 : 0)
}
