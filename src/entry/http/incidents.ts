import { z } from 'zod'
import { EPISODES, type Episode, episodeId, episodeSchema } from '../../incident/alert.ts'
import type { IncidentDesk } from '../../incident/desk.ts'
import type { Incident } from '../../incident/incident.ts'
import type { AlertPage, AlertView, IncidentPage, IncidentView } from '../../ports/console.ts'
import type { App, ServerDeps } from './deps.ts'
import { answers, key, pageSize, tone, word } from './schema.ts'

const view = z.object({
  id: z.string(),
  title: z.string(),
  severity: z.enum(['critical', 'warning', 'info']),
  state: z.string(),
  tone,
  service: z.string().optional(),
  hosts: z.array(z.string()),
  firing: z.number(),
  resolved: z.number(),
  since: z.string(),
  openedAt: z.string(),
  resolvedAt: z.string().optional(),
  acknowledgedBy: z.string().optional(),
  release: z.string().optional(),
  channel: z.string(),
  card: z.string(),
}) satisfies z.ZodType<IncidentView>

const page = z.object({ incidents: z.array(view), more: z.boolean() }) satisfies z.ZodType<IncidentPage>

const words = z.record(z.string(), z.string())
const alertView = z.object({
  fingerprint: z.string(),
  startsAt: z.string(),
  endsAt: z.string().optional(),
  status: z.enum(['firing', 'resolved']),
  labels: words,
  annotations: words,
  url: z.string().optional(),
}) satisfies z.ZodType<AlertView>

const alertPage = z.object({
  alerts: z.array(alertView),
  total: z.number(),
  next: z.string().optional(),
}) satisfies z.ZodType<AlertPage>

const incidentId = z.string().regex(/^A-\d{1,9}$/, 'is not the id of an incident, such as A-17')

const filter = z.strictObject({
  /** `open` as long as something in it fires, `over` after that. */
  state: z.enum(['open', 'over']).optional(),
  service: word.optional(),
  before: incidentId.optional(),
  limit: pageSize,
})

const alertFilter = z.strictObject({
  incident: incidentId,
  after: key.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

/** Incidents and their alerts, for those who look. */
export function incidentRoutes(app: App, { desk }: ServerDeps): void {
  const tags = ['incidents']
  app.get(
    '/api/v1/incidents',
    { schema: { tags, summary: 'Incidents, newest first', querystring: filter, response: answers(page) } },
    async ({ query }): Promise<IncidentPage> => list(desk, query),
  )
  app.get(
    '/api/v1/incidents/:id',
    {
      schema: {
        tags,
        summary: 'One incident',
        params: z.strictObject({ id: incidentId }),
        response: answers(view),
      },
    },
    async ({ params: { id } }): Promise<IncidentView> => incidentView(await desk.incidents.need(id)),
  )
  app.get(
    '/api/v1/alerts',
    {
      schema: {
        tags,
        summary: 'Every alert of an incident, in the order of first hearing',
        querystring: alertFilter,
        response: answers(alertPage),
      },
    },
    async ({ query }): Promise<AlertPage> => {
      await desk.incidents.need(query.incident)
      return alertsOf(desk, query)
    },
  )
}

async function list(desk: IncidentDesk, query: z.infer<typeof filter>): Promise<IncidentPage> {
  const { state, service, before, limit } = query
  const found: Incident[] = []
  const below = before === undefined ? undefined : Number(before.slice('A-'.length))
  for await (const incident of desk.incidents.newest(below)) {
    if (state !== undefined && (incident.state.at === 'resolved') !== (state === 'over')) continue
    if (service !== undefined && incident.service !== service) continue
    found.push(incident)
    if (found.length > limit) break
  }
  return { incidents: found.slice(0, limit).map(incidentView), more: found.length > limit }
}

const tones = { critical: 'bad', warning: 'warn', info: 'info' } as const

/** The incident as lists show it. */
export function incidentView(incident: Incident): IncidentView {
  const { id, title, severity, service, hosts, firing, resolved, since, openedAt, channel } = incident
  const { state, acknowledged, release } = incident
  const over = state.at === 'resolved'
  return {
    id,
    title,
    severity,
    state: over ? 'resolved' : acknowledged === undefined ? 'firing' : 'acknowledged',
    tone: over ? 'good' : tones[severity],
    ...(service === undefined ? {} : { service }),
    hosts,
    firing,
    resolved,
    since,
    openedAt,
    ...(over ? { resolvedAt: state.when } : {}),
    ...(acknowledged === undefined ? {} : { acknowledgedBy: acknowledged.by }),
    ...(release === undefined ? {} : { release: release.id }),
    channel,
    card: `${id}/card`,
  }
}

interface Placed {
  /** When it was first heard, and its id: unique, and ascending in the order of pages. */
  place: string
  version: number
  episode: Episode
}

/** Rows that have not changed since the last page are not parsed again. */
const parsed = new WeakMap<IncidentDesk, { incident: string; rows: Map<string, Placed> }>()

async function alertsOf(
  desk: IncidentDesk,
  { incident, after, limit }: z.infer<typeof alertFilter>,
): Promise<AlertPage> {
  const kept = parsed.get(desk)
  const known = kept?.incident === incident ? kept.rows : new Map<string, Placed>()
  const rows = new Map<string, Placed>()
  for (const { id, version, document } of await desk.store.find(EPISODES, { where: { incident } })) {
    const same = known.get(id)
    if (same?.version === version) rows.set(id, same)
    else {
      const episode = episodeSchema.parse(document)
      rows.set(id, { place: `${episode.firstHeardAt} ${episodeId(episode.alert)}`, version, episode })
    }
  }
  parsed.set(desk, { incident, rows })
  const all = [...rows.values()].sort((a, b) => (a.place < b.place ? -1 : 1))
  const start = after === undefined ? 0 : all.findIndex(({ place }) => place > after)
  const shown = start === -1 ? [] : all.slice(start, start + limit)
  const more = start !== -1 && start + shown.length < all.length
  return {
    alerts: shown.map(({ episode }) => alertView.parse(viewOf(episode))),
    total: all.length,
    ...(more ? { next: shown.at(-1)?.place } : {}),
  }
}

function viewOf({ alert }: Episode): AlertView {
  const { fingerprint, startsAt, endsAt, status, labels, annotations, generatorUrl } = alert
  return { fingerprint, startsAt, endsAt, status, labels, annotations, url: generatorUrl }
}
