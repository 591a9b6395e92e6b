import { z } from 'zod'

const points = z.array(z.tuple([z.number(), z.number()]))

/** One metric of one service, host by host, around the onset. Times are seconds since 1970; points ascend and are finite. */
export const signalSchema = z.object({
  service: z.string(),
  /** How the service stands to the one that the alert names. */
  role: z.enum(['alert', 'service', 'upstream', 'downstream']),
  /** `alert` is the alert's own expression without its comparison. */
  key: z.enum(['error_rate', 'latency', 'traffic', 'cpu', 'memory', 'up', 'alert']),
  /** For people: Error Rate, Latency, … */
  name: z.string(),
  unit: z.enum(['ratio', 'seconds', 'bytes', 'cores', 'per_second', 'count']),
  /** As it was asked; asked again it gives the same series. */
  query: z.string(),
  /** Which way is bad; `up` unless told. */
  bad: z.enum(['up', 'down']).optional(),
  /** From which value on it is bad, where the alert's expression or the release's plan says so. */
  limit: z.number().optional(),
  hosts: z.array(
    z.object({
      host: z.string(),
      group: z.enum(['upgraded', 'waiting', 'other']),
      /** When the new version took over there. */
      deployedAt: z.number().optional(),
      points,
    }),
  ),
})
export type Signal = z.infer<typeof signalSchema>

/** What the metrics say around an incident: read once, stored, and judged as often as one likes. */
export const surveySchema = z.object({
  incident: z.string(),
  at: z.number(),
  from: z.number(),
  to: z.number(),
  stepSeconds: z.number(),
  service: z.string().optional(),
  /** Hosts that the alerts name. */
  alerting: z.array(z.string()),
  /** When the trouble began: the first change in the alerting series, at the latest the alert's start. */
  onset: z.number(),
  /** How the onset is known: from the series, or only from the alert. */
  onsetFrom: z.enum(['series', 'alert']),
  release: z
    .object({
      id: z.string(),
      candidate: z.string(),
      current: z.string().nullable(),
      /** First host that got it, seconds since 1970. */
      startedAt: z.number().optional(),
      /** How long the first host took from the job's beginning to the new version being healthy, seconds. */
      jobSeconds: z.number().optional(),
      upgraded: z.array(z.object({ host: z.string(), at: z.number() })),
      others: z.array(z.string()),
    })
    .optional(),
  signals: z.array(signalSchema),
  /** Other releases that changed hosts of the service, or of a service that it calls, within the window. */
  otherReleases: z
    .array(
      z.object({
        id: z.string(),
        service: z.string(),
        candidate: z.string(),
        startedAt: z.number(),
        /** Where it stood when the survey was read; missing where that was not noted. */
        state: z.enum(['rolling out', 'held', 'over']).optional(),
      }),
    )
    .default([]),
  /** Certificates that the service or its neighbours present and that have expired. */
  expired: z.array(z.object({ name: z.string(), at: z.number() })).default([]),
  /** Scrape targets of the service and its neighbours that are down, or that went down after the onset window began. */
  down: z.array(z.object({ service: z.string(), host: z.string(), since: z.number() })),
  /** What could not be asked, a sentence each. */
  gaps: z.array(z.string()),
})
export type Survey = z.infer<typeof surveySchema>
