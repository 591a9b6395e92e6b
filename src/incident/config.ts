import { z } from 'zod'
import { durationSchema } from '../release/policy-config.ts'

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'name an environment variable, such as ALERTMANAGER_TOKEN')
const labelName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a label name')
const channel = z.string().min(1).max(100)
const personId = z.string().min(1).max(63)

const sourceSchema = z.strictObject({
  /** Stands on cards and in silences. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'use lower-case letters, digits and - only, at most 31'),
  /** The bearer token that it sends; without one it is believed from loopback only. */
  tokenEnv: variable.optional(),
  /** What Rollcall sends to its API as a bearer token, where that asks for one. */
  apiTokenEnv: variable.optional(),
  /** Its API, for silences. */
  url: z.url({ protocol: /^https?$/, error: 'give a whole address, such as http://alertmanager:9093' }).optional(),
})

const levelSchema = z.strictObject({
  /** Time without acknowledgement after which this level is told. */
  after: durationSchema.prefault('0s'),
  channel: channel.optional(),
  /** Ids of people who are named in the message. */
  people: z.array(personId).max(20).default([]),
})

const severitySchema = z.strictObject({
  /** In the order of their times; the first is told at once. */
  levels: z.array(levelSchema).min(1).max(10).prefault([{}]),
  /** While it fires unacknowledged and all levels have been told: how often the last one is reminded. */
  remind: durationSchema.prefault('1h'),
})

/** What alerts are taken from, how they are joined to services and hosts, and who is told of them when. */
export const alertsSchema = z.strictObject({
  sources: z
    .array(sourceSchema)
    .max(20)
    .refine((sources) => new Set(sources.map(({ name }) => name)).size === sources.length, 'two sources have one name')
    .default([]),
  /** Where threads are opened unless a level says otherwise; the channel of releases when left out. */
  channel: channel.optional(),
  /** The first label of these that an alert carries names its service, or its host. */
  serviceLabels: z.array(labelName).min(1).default(['service', 'job', 'app']),
  hostLabels: z.array(labelName).min(1).default(['host', 'hostname', 'instance', 'node']),
  severityLabel: labelName.default('severity'),
  /** Values of that label; what is not among them counts as `warning`. */
  severities: z.record(z.string().min(1).max(40), z.enum(['critical', 'warning', 'info'])).default({
    critical: 'critical',
    page: 'critical',
    error: 'critical',
    warning: 'warning',
    info: 'info',
    none: 'info',
  }),
  critical: severitySchema.prefault({}),
  warning: severitySchema.prefault({}),
  info: severitySchema.prefault({}),
  /** Whether a new thread is diagnosed by itself, by severity. */
  diagnose: z.array(z.enum(['critical', 'warning', 'info'])).default(['critical', 'warning']),
  /** Diagnoses that run at the same time. */
  diagnosesAtOnce: z.int().min(1).max(10).default(2),
  /** A release that ended longer ago than this is not asked whether it did it. */
  releaseMemory: durationSchema.prefault('24h'),
})
export type AlertsConfig = z.output<typeof alertsSchema>
export type Severity = 'critical' | 'warning' | 'info'
