import { z } from 'zod'
import type { Json, Store } from '../ports/store.ts'

const labels = z.record(z.string(), z.string())

/** One alert as it was last heard, whichever way it came. Texts come from outside: they are capped, and never instructions. */
export const alertSchema = z.object({
  /** Name of the source in the configuration. */
  source: z.string(),
  fingerprint: z.string(),
  status: z.enum(['firing', 'resolved']),
  /** ISO, as the source gave it: part of the episode's identity. */
  startsAt: z.string(),
  /** ISO; missing while it fires. */
  endsAt: z.string().optional(),
  /** ISO; when it was heard last. */
  receivedAt: z.string(),
  labels,
  annotations: labels,
  /** The graph behind it; http or https only. */
  generatorUrl: z.string().optional(),
  /** What only the specification's own callback says. */
  callback: z
    .object({
      key: z.string(),
      desc: z.string(),
      values: z.number().optional(),
      needHandle: z.boolean(),
      isEmergent: z.boolean(),
      repoAddress: z.string(),
      tag: z.string(),
      severity: z.string(),
    })
    .optional(),
})
export type Alert = z.infer<typeof alertSchema>

/** The group that a source sent an alert in: one thread per group, as long as something in it fires. */
export const groupSchema = z.object({
  source: z.string(),
  /** As the source names it; opaque. */
  key: z.string(),
  labels,
  receiver: z.string(),
  /** The source's own pages; http or https only. */
  externalUrl: z.string().optional(),
})
export type AlertGroup = z.infer<typeof groupSchema>

/** What one request brought. */
export const deliverySchema = z.object({
  group: groupSchema,
  alerts: z.array(alertSchema),
  /** Alerts of the group that the source left out. */
  truncated: z.number(),
  receivedAt: z.string(),
})
export type Delivery = z.infer<typeof deliverySchema>

/** An episode is (fingerprint, startsAt): the same alert firing anew is another one. */
export const episodeSchema = z.object({
  alert: alertSchema,
  /** Id of the incident whose thread it stands in. */
  incident: z.string(),
  firstHeardAt: z.string(),
  /** Times that it was heard with something new. */
  heard: z.number(),
  /** Numbers of the deliveries that brought it first, and something new last; none at or before the latter is applied again. */
  firstDelivery: z.number().optional(),
  delivery: z.number().optional(),
  /** The incident that it was attached to for a moment, while that one was being closed. */
  movedFrom: z.string().optional(),
})
export type Episode = z.infer<typeof episodeSchema>

export const EPISODES = 'episodes'

/** Ids sort by incident and order of first hearing only within one incident's own index (field `incident`). */
export function episodeId({
  source,
  fingerprint,
  startsAt,
}: Pick<Alert, 'source' | 'fingerprint' | 'startsAt'>): string {
  return `${source}/${fingerprint}/${startsAt}`
}

/** All episodes of an incident, by first hearing. */
export async function episodesOf(store: Store, incident: string): Promise<Episode[]> {
  const rows = await store.find(EPISODES, { where: { incident } })
  return rows
    .map((row) => episodeSchema.parse(row.document))
    .sort(
      (a, b) => a.firstHeardAt.localeCompare(b.firstHeardAt) || a.alert.fingerprint.localeCompare(b.alert.fingerprint),
    )
}

export function toJson(value: unknown): Json {
  return value as Json
}
