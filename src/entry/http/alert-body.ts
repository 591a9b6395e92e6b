import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Alert, Delivery } from '../../incident/alert.ts'
import type { AlertsConfig } from '../../incident/config.ts'

/** Labels or annotations that are kept of one alert, and characters of a name and of a value: what is more is cut off. */
const MOST = { labels: 100, annotations: 50, name: 200, label: 2000, annotation: 5000, text: 5000, short: 500 }
/** A URL that is longer is left out: cut off, it would be another one. */
const MOST_URL = 4000
/** A longer key of a group, or fingerprint, is kept as its hash: cut off, two might be one. */
const MOST_KEY = 1000
const MOST_FINGERPRINT = 100

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const words = z.record(z.string(), scalar)
const instant = z
  .union([z.string(), z.number()])
  .refine((value) => instantOf(value) !== undefined, 'is not a time, such as 2026-01-31T09:00:00Z')

/** Webhook version 4; fields that are not named here, such as those of newer servers, are ignored. */
export const alertmanagerBody = z.object({
  version: z.union([z.string(), z.number()]),
  groupKey: z.string().min(1),
  truncatedAlerts: z.number().nullish(),
  receiver: scalar.optional(),
  groupLabels: words.nullish(),
  externalURL: scalar.optional(),
  alerts: z.array(
    z.object({
      status: z.enum(['firing', 'resolved']),
      labels: words,
      annotations: words.nullish(),
      startsAt: instant,
      endsAt: scalar.optional(),
      generatorURL: scalar.optional(),
      fingerprint: z.string().nullish(),
    }),
  ),
})

/** The specification's own callback: one alert. Only when it began and something that names it are asked for. */
export const callbackBody = z
  .object({
    key: scalar.optional(),
    status: scalar.optional(),
    desc: scalar.optional(),
    startsAt: instant,
    endsAt: scalar.optional(),
    severity: scalar.optional(),
    alertname: scalar.optional(),
    generatorUrl: scalar.optional(),
    generatorURL: scalar.optional(),
    needHandle: scalar.optional(),
    isEmergent: scalar.optional(),
    repoAddress: scalar.optional(),
    tag: scalar.optional(),
    labels: words.nullish(),
    annotations: words.nullish(),
    values: scalar.optional(),
  })
  .refine(({ key, alertname, labels }) => Boolean(key) || Boolean(alertname) || Object.keys(labels ?? {}).length > 0, {
    path: ['key'],
    error: 'nothing names the alert: give key, alertname or labels',
  })

/** Who sent it, and when it came. */
export interface Arrived {
  source: string
  at: Date
}

/** What Alertmanager sent, with its times as instants and its texts within bounds. */
export function fromAlertmanager(body: z.output<typeof alertmanagerBody>, { source, at }: Arrived): Delivery {
  const receivedAt = at.toISOString()
  return {
    group: {
      source,
      key: bounded(body.groupKey, MOST_KEY),
      labels: some(body.groupLabels, MOST.labels, MOST.label),
      receiver: cut(textOf(body.receiver), MOST.name),
      ...url('externalUrl', body.externalURL),
    },
    alerts: body.alerts.map(
      (alert): Alert => ({
        source,
        fingerprint: bounded(alert.fingerprint || fingerprintOf(alert.labels), MOST_FINGERPRINT),
        status: alert.status,
        startsAt: instantOf(alert.startsAt) ?? receivedAt,
        ...(alert.status === 'resolved' ? { endsAt: instantOf(alert.endsAt) ?? receivedAt } : {}),
        receivedAt,
        labels: some(alert.labels, MOST.labels, MOST.label),
        annotations: some(alert.annotations, MOST.annotations, MOST.annotation),
        ...url('generatorUrl', alert.generatorURL),
      }),
    ),
    truncated: Math.max(0, Math.trunc(body.truncatedAlerts ?? 0)),
    receivedAt,
  }
}

/**
 * What the callback sent. It names no group: alerts of one key and name, service and deployment stand in one thread. Its
 * fingerprint is that of key, name and labels, so that the resolve, which carries the same, is known by it.
 */
export function fromCallback(
  body: z.output<typeof callbackBody>,
  { source, at }: Arrived,
  config: Pick<AlertsConfig, 'serviceLabels'>,
): Delivery {
  const receivedAt = at.toISOString()
  const labels = some(body.labels, MOST.labels, MOST.label)
  const key = textOf(body.key)
  const name = textOf(body.alertname) || (labels.alertname ?? key)
  const service = config.serviceLabels.map((each) => labels[each]).find((value) => value)
  const about = { deploymentId: labels.deploymentId, service }
  const endsAt = instantOf(body.endsAt)
  const status = statusOf(textOf(body.status), endsAt, at)
  const values = body.values === '' ? Number.NaN : Number(body.values ?? Number.NaN)
  return {
    group: {
      source,
      key: bounded(`callback:${JSON.stringify([key, name, about.deploymentId ?? '', about.service ?? ''])}`, MOST_KEY),
      labels: some({ alertname: name, ...about }, MOST.labels, MOST.label),
      receiver: 'callback',
    },
    alerts: [
      {
        source,
        fingerprint: fingerprintOf({ ...body.labels, ' key': key, ' name': name }),
        status,
        startsAt: instantOf(body.startsAt) ?? receivedAt,
        ...(status === 'resolved' ? { endsAt: endsAt ?? receivedAt } : {}),
        receivedAt,
        labels: name === '' ? labels : { ...labels, alertname: cut(name, MOST.label) },
        annotations: some(body.annotations, MOST.annotations, MOST.annotation),
        ...url('generatorUrl', body.generatorUrl ?? body.generatorURL),
        callback: {
          key: cut(key, MOST.short),
          desc: cut(textOf(body.desc), MOST.text, true),
          ...(Number.isFinite(values) ? { values } : {}),
          needHandle: isTrue(body.needHandle),
          isEmergent: isTrue(body.isEmergent),
          repoAddress: cut(textOf(body.repoAddress), MOST.short),
          tag: cut(textOf(body.tag), MOST.short),
          severity: cut(textOf(body.severity), MOST.short),
        },
      },
    ],
    truncated: 0,
    receivedAt,
  }
}

type Scalar = z.output<typeof scalar> | undefined

/** What says that it is over; whatever else is said, it fires. Who says nothing but when it ended has said so as well. */
function statusOf(said: string, endsAt: string | undefined, now: Date): Alert['status'] {
  const ended = said === '' && endsAt !== undefined && Date.parse(endsAt) <= now.getTime()
  return ended || ['resolved', 'recovered', 'ok'].includes(said.toLowerCase()) ? 'resolved' : 'firing'
}

function textOf(value: Scalar): string {
  return value === undefined || value === null ? '' : String(value)
}

function isTrue(value: Scalar): boolean {
  return value === true || value === 1 || value === 'true' || value === '1'
}

/**
 * At most so many characters, none of them half of one, and none that controls a terminal or reorders a text. One line, unless
 * lines are kept.
 */
function cut(text: string, most: number, lines = false): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}]+/gu, (found) => (lines && found.includes('\n') ? '\n' : ' '))
  return (plain.length > most ? `${plain.slice(0, most - 1)}…` : plain).toWellFormed()
}

function bounded(text: string, most: number): string {
  return text.length <= most ? text.toWellFormed() : `sha256:${hash(text)}`
}

function hash(text: string): string {
  return createHash('sha256').update(text.toWellFormed()).digest('hex')
}

function some(from: Record<string, Scalar> | null | undefined, count: number, most: number): Record<string, string> {
  const entries = Object.entries(from ?? {}).filter(([name, value]) => value !== undefined && name !== '__proto__')
  return Object.fromEntries(
    entries
      .slice(0, count)
      .map(([name, value]) => [cut(name, MOST.name), cut(textOf(value), most, most === MOST.annotation)]),
  )
}

/** For sources that send none: the same labels give the same one, in whatever order they come. */
function fingerprintOf(labels: Record<string, Scalar>): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash(JSON.stringify(sorted.map(([name, value]) => [name, textOf(value)]))).slice(0, 32)
}

/** Only pages: no other scheme, and no name or password in it. */
function url<K extends string>(key: K, given: Scalar): { [key in K]?: string } {
  const parsed = typeof given === 'string' && given.length <= MOST_URL ? URL.parse(given) : null
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return {}
  parsed.username = ''
  parsed.password = ''
  return { [key]: parsed.href } as { [key in K]?: string }
}

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:([Zz])|([+-]\d{2}:?\d{2}))?$/
/** Numbers below are seconds since 1970, others are milliseconds. */
const SECONDS_BELOW = 100_000_000_000

/**
 * A time as ISO 8601 in UTC, to the millisecond, so that equal instants are equal texts: RFC 3339 with whatever fraction (the rest
 * is cut off) and offset (none means UTC), or a number of seconds or milliseconds since 1970. Undefined for what is none, and for
 * the years before 1970: the zero time 0001-01-01T00:00:00Z says that there is none.
 */
export function instantOf(value: Scalar): string | undefined {
  if (typeof value === 'string' && /^\d{9,14}(\.\d+)?$/.test(value)) return instantOf(Number(value))
  if (typeof value === 'number') {
    const ms = Math.trunc(value < SECONDS_BELOW ? value * 1000 : value)
    return ms > 0 && ms < 8.64e15 ? isoOf(ms) : undefined
  }
  const [, day, time, fraction = '', , offset] = rfc3339.exec(typeof value === 'string' ? value.trim() : '') ?? []
  if (day === undefined) return undefined
  const zone = offset === undefined ? 'Z' : offset.includes(':') ? offset : `${offset.slice(0, 3)}:${offset.slice(3)}`
  return isoOf(Date.parse(`${day}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}${zone}`))
}

function isoOf(ms: number): string | undefined {
  return ms > 0 && ms < Date.UTC(10_000, 0) ? new Date(ms).toISOString() : undefined
}
