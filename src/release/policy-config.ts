import { z } from 'zod'
import { parseDuration } from '../lib/duration.ts'

/** `90s`, `30m`, `1h30m` in YAML; milliseconds after parsing. */
export const durationSchema = z.string().transform((text, context) => {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  context.addIssue({
    code: 'custom',
    message: `${JSON.stringify(text)} is not a duration`,
    params: { remedy: 'write it like 90s, 30m or 1h30m' },
  })
  return z.NEVER
})

/** A positive duration; milliseconds after parsing. */
const positive = durationSchema.refine((ms) => ms > 0, 'must be longer than nothing')

// YAML reads `1` as a number and `10%` as text; both mean a size.
const sizeSchema = z
  .union([z.string(), z.number()], 'expected a number of hosts or a percentage')
  .transform((size, context) => {
    const text = String(size)
    const ok = /^[1-9]\d{0,5}$/.test(text) || /^([1-9]\d?|100)%$/.test(text)
    if (ok) return text
    context.addIssue({
      code: 'custom',
      message: `${JSON.stringify(text)} is not a batch size`,
      params: { remedy: 'write a number of hosts such as 1, or a percentage from 1% to 100%' },
    })
    return z.NEVER
  })

/** A share: `1%` or 0.01. */
const ratioSchema = limit('a share', 'write it like 1% or 0.01', (text) => {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)
  return percent ? Number(percent[1]) / 100 : plain(text)
}).refine((ratio) => ratio <= 1, 'a share is at most 100%')

const byteUnits: Record<string, number> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const bytesSchema = limit('an amount of memory', 'write it like 512MB or 2GiB', (text) => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(B|[KMGT]i?B)?$/.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * (byteUnits[unit ?? 'B'] ?? 1)
})

const secondsSchema = limit('a latency', 'write it like 500ms or 2s', (text) => {
  const ms = parseDuration(text)
  return ms === undefined ? plain(text) : ms / 1000
})

const coresSchema = limit(
  'an amount of CPU',
  'write cores, such as 1.5, or a share of one core, such as 80%',
  (text) => {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)
    return percent ? Number(percent[1]) / 100 : plain(text)
  },
)

/** Absolute limits that win over those derived from history. After parsing: cores, bytes, share of requests (0 to 1), seconds. */
const thresholdsSchema = z.strictObject({
  cpu: coresSchema.optional(),
  memory: bytesSchema.optional(),
  errorRate: ratioSchema.optional(),
  latency: secondsSchema.optional(),
})

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** A window in which nothing is released. It begins on the named days; when `to` is not after `from` it ends on the next day. */
export const freezeSchema = z.strictObject({
  days: z
    .array(z.enum(weekdays))
    .min(1)
    .default([...weekdays]),
  from: z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as 18:00'),
  to: z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day such as 08:00, or 24:00'),
  timeZone: z
    .string()
    .refine(isTimeZone, { error: 'is not a time zone', params: { remedy: 'use an IANA name such as Europe/Berlin' } }),
  reason: z.string().min(1).max(200),
})
export type Freeze = z.output<typeof freezeSchema>

const defaultBatches = ['1', '10%', '33%', '100%'] as const
/** Milliseconds per batch; `strict` bakes for 1 h, 12 h, then 2 to 4 h. A plan with more batches repeats the last. */
const profileWindows = {
  standard: ['10m', '10m', '15m', '15m'],
  strict: ['1h', '12h', '2h', '4h'],
} as const

/** How a service may be released. Defaults: the Release section of the design. */
export const policySchema = z
  .strictObject({
    profile: z.enum(['standard', 'strict']).default('standard'),
    /** Cumulative: how many hosts have the new version after each batch. The first never takes more than 10 % of the hosts, but one host at least. */
    batches: z
      .array(sizeSchema)
      .min(1, 'give at least one batch')
      .max(50)
      .refine((sizes) => sizes.at(-1) === '100%', {
        error: 'the last batch must be 100%',
        params: { remedy: 'end the list with 100%' },
      })
      .refine(ascending, {
        error: 'sizes must grow from batch to batch',
        params: { remedy: 'sort them, each is the total after that batch' },
      })
      .default([...defaultBatches]),
    windows: z.array(durationSchema).min(1).max(50).optional(),
    minRequests: z.int().min(0).default(100),
    minHealthyPercent: z.number().min(0).max(100).default(66),
    gate: z.enum(['automatic', 'ask']).default('automatic'),
    failureBudget: z
      .strictObject({ failed: z.int().min(0).default(0), unreachable: z.int().min(0).default(0) })
      .prefault({}),
    approvals: z.int().min(1).max(20).default(1),
    approvalExpires: positive.prefault('30m'),
    interval: positive.prefault('15s'),
    failureLimit: z.int().min(1).default(2),
    warmup: durationSchema.prefault('30s'),
    freeze: z.array(freezeSchema).default([]),
    freezeOverrideApprovals: z.int().min(1).max(20).default(2),
    rollbackBatch: sizeSchema.prefault('33%'),
    thresholds: thresholdsSchema.prefault({}),
    allowDowngrade: z.boolean().default(false),
    /** A sample older than this many seconds is no data. */
    freshSeconds: z.number().positive().default(60),
    /** Range of rate(); derived from the scrape interval when left out. */
    rateWindow: positive.optional(),
  })
  .superRefine(
    (policy, context) => {
      const [batches, windows] = [policy.batches?.length, policy.windows?.length]
      if (batches === undefined || windows === undefined || batches === windows) return
      context.addIssue({
        code: 'custom',
        path: ['windows'],
        message: `${windows} window${windows === 1 ? '' : 's'} for ${batches} batch${batches === 1 ? '' : 'es'}`,
        params: { remedy: 'give one window per batch, or leave windows out' },
      })
    },
    {
      when: ({ value }) => typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, 'windows')),
    },
  )
  .transform((policy) => ({
    ...policy,
    windows: policy.windows ?? defaultWindows(policy.profile, policy.batches.length),
  }))

/** Durations in milliseconds; `batches` and `rollbackBatch` as text, a count or a percentage. */
export type Policy = z.output<typeof policySchema>

/** The profile's windows for this many batches, milliseconds; the last one is repeated. */
function defaultWindows(profile: keyof typeof profileWindows, batches: number): number[] {
  const windows = profileWindows[profile]
  return Array.from({ length: batches }, (_, i) => parseDuration(windows[i] ?? windows[3]) ?? 0)
}

/** Hosts out of `total` that a size such as `1` or `10%` stands for: percentages are rounded to the nearest, 1 at least, `total` at most. */
export function sizeOf(size: string, total: number): number {
  const count = size.endsWith('%') ? Math.round((total * Number(size.slice(0, -1))) / 100) : Number(size)
  return Math.min(total, Math.max(1, count))
}

function ascending(sizes: string[]): boolean {
  const grows = (kind: string[]): boolean =>
    kind.every((size, i) => i === 0 || Number.parseInt(size, 10) > Number.parseInt(kind[i - 1] ?? '0', 10))
  return grows(sizes.filter((size) => size.endsWith('%'))) && grows(sizes.filter((size) => !size.endsWith('%')))
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function limit(what: string, remedy: string, parse: (text: string) => number | undefined) {
  return z.union([z.string(), z.number()], `expected ${what}`).transform((input, context) => {
    const value = parse(String(input))
    if (value !== undefined && Number.isFinite(value) && value >= 0) return value
    context.addIssue({ code: 'custom', message: `${JSON.stringify(input)} is not ${what}`, params: { remedy } })
    return z.NEVER
  })
}

function plain(text: string): number | undefined {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}
