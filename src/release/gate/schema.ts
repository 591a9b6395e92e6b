import { z } from 'zod'

export const metricKey = z.enum(['cpu', 'memory', 'error_rate', 'latency', 'traffic'])
export type MetricKey = z.infer<typeof metricKey>

/** Unit of a metric's values: share 0..1, seconds, bytes, CPU cores in use, events per second. */
export const metricKind = z.enum(['ratio', 'seconds', 'bytes', 'cores', 'per_second'])
export type MetricKind = z.infer<typeof metricKind>

/** In the metric's unit; `text` is how people read them ("0.1%", "2GB", "250ms"). Traffic has no limit: zeros and no text. */
export const thresholds = z.object({ warn: z.number(), fail: z.number(), text: z.array(z.string()) })
export type Thresholds = z.infer<typeof thresholds>

/** A metric that a release of one service is watched by. Part of what is approved. */
export const chosenMetricSchema = z.object({
  key: metricKey,
  /** The name in the release issue: CPU, Memory, Error Rate, Latency, Traffic. */
  name: z.string(),
  /** Metric names that measure it; the query uses the first ones. */
  candidates: z.array(z.string()),
  kind: metricKind,
  direction: z.enum(['up-is-bad', 'both']),
  /** PromQL with one series per value of `hostLabel`; `$window` stands for the rate window ("60s"). */
  query: z.string(),
  /** PromQL with the time of each host's last sample; without it the age is taken from the last point. */
  freshQuery: z.string().optional(),
  /** How requests (and errors) are counted per host. `increase`: the query gives a count over `$window`; `rate`: per second. */
  counts: z
    .object({ by: z.enum(['increase', 'rate']), requests: z.string(), errors: z.string().optional() })
    .optional(),
  hostLabel: z.string(),
  scrapeSeconds: z.number().positive(),
  thresholds,
  /** In words: what the query measures and which history the thresholds come from. */
  source: z.string(),
})
export type ChosenMetric = z.infer<typeof chosenMetricSchema>

export const group = z.enum(['upgraded', 'waiting'])
export type Group = z.infer<typeof group>

const points = z.array(z.tuple([z.number(), z.number()]))

/** One host's samples of one metric: [seconds since 1970, value], ascending, finite. */
const hostPoints = z.object({
  host: z.string(),
  group,
  before: points,
  after: points,
  /** Seconds between the end of the window and the last sample; undefined when there is no current one. */
  ageSeconds: z.number().optional(),
  /** Samples of the window that were NaN or infinite and were left out. */
  notNumbers: z.number(),
})
export type HostPoints = z.infer<typeof hostPoints>

const faultSeen = z.object({ code: z.string(), say: z.string() })

const metricObservation = z.object({
  key: metricKey,
  name: z.string(),
  kind: metricKind,
  direction: z.enum(['up-is-bad', 'both']),
  limits: z.object({ warn: z.number().optional(), fail: z.number().optional() }),
  /** As it was asked, the rate window filled in. */
  query: z.string(),
  /** Seconds that each point looks back: points closer than this share data. */
  windowSeconds: z.number(),
  scrapeSeconds: z.number(),
  hosts: z.array(hostPoints),
  fault: faultSeen.optional(),
})
export type MetricObservation = z.infer<typeof metricObservation>

/** Events of one period; `errors` is missing when only requests are counted. */
export const tally = z.object({ requests: z.number(), errors: z.number().optional() })
export type Tally = z.infer<typeof tally>

const hostCounts = z.object({ host: z.string(), group, before: tally.optional(), after: tally.optional() })
export type HostCounts = z.infer<typeof hostCounts>

const period = z.object({ from: z.number(), to: z.number() })

/** Everything that a verdict is made of; times in seconds since 1970. Plain JSON, so it is stored and judged again at will. */
export const observationSchema = z.object({
  at: z.number(),
  before: period,
  /** Starts after the warm-up of the hosts that were upgraded last. */
  after: period,
  metrics: z.array(metricObservation),
  /** Missing when no chosen metric counts requests. */
  counts: z
    .object({ hosts: z.array(hostCounts), queries: z.array(z.string()), fault: faultSeen.optional() })
    .optional(),
})
export type Observation = z.infer<typeof observationSchema>

export const gatePolicySchema = z.object({
  /** Chance of condemning a good release by one comparison; divided by `looks`. */
  alpha: z.number().positive().max(0.2).default(0.01),
  /** How often one window is judged: each look gets alpha / looks (Bonferroni). */
  looks: z.int().positive().default(1),
  /** Requests that the upgraded hosts must have answered in the window. */
  minRequests: z.int().nonnegative().default(100),
  /** Points that each upgraded host must have in the window. */
  minSamples: z.int().positive().default(5),
  /** Cliff's delta from which a difference counts; 0.33 is "medium" (Romano et al. 2006). */
  minEffect: z.number().min(0).max(1).default(0.33),
  /** Worsening, relative to what was expected without the release, from which it counts. */
  minRelative: z.number().nonnegative().default(0.2),
  /** Smallest worsening that counts at all, by unit; for error shares this is the floor for new errors as well. */
  floors: z
    .object({
      ratio: z.number().nonnegative().default(0.005),
      seconds: z.number().nonnegative().default(0.01),
      bytes: z.number().nonnegative().default(16e6),
      cores: z.number().nonnegative().default(0.05),
      per_second: z.number().nonnegative().default(0.1),
    })
    .prefault({}),
  /** Errors that there must be before errors condemn. */
  minErrors: z.int().positive().default(3),
  /** Oldest last sample; default four scrape intervals, at least 5 s. */
  freshSeconds: z.number().positive().optional(),
  /** Seconds after a deploy that are left out (start, caches, just-in-time compilers). */
  warmupSeconds: z.number().nonnegative().default(10),
  /** Without waiting hosts, traffic that grew by this factor makes a latency comparison inconclusive. */
  surge: z.number().min(1).default(1.5),
  /** Metrics without which nothing passes. */
  required: z.array(metricKey).default(['error_rate']),
})
export type GatePolicy = z.infer<typeof gatePolicySchema>

/** Upgraded against waiting hosts, or against their own past when none waits. */
export const comparison = z.object({
  against: z.enum(['waiting', 'before']),
  control: z.number(),
  treated: z.number(),
  /** Difference in differences (or plain difference where there is no past), in the metric's unit. */
  did: z.number(),
  /** did relative to what was expected without the release; missing when nothing was expected (a zero baseline). */
  relative: z.number().optional(),
  p: z.number(),
  /** Cliff's delta for samples, difference of shares for counts. */
  effect: z.number(),
  /** One-sided lower bound of did from the spread between control hosts. */
  low: z.number().optional(),
  worse: z.boolean(),
})
export type Comparison = z.infer<typeof comparison>

export const outcome = z.enum(['pass', 'fail', 'inconclusive', 'error'])
export type Outcome = z.infer<typeof outcome>

const metricVerdict = z.object({
  key: metricKey,
  at: outcome,
  /** Of the upgraded hosts: pooled error share, or the highest host's median. */
  value: z.number().optional(),
  limit: z.number().optional(),
  samples: z.object({ upgraded: z.number(), waiting: z.number(), requests: z.number().optional() }),
  comparison: comparison.optional(),
  /** What this window would have seen with a chance of 80 %, in the metric's unit. */
  smallestRegression: z.number().optional(),
  query: z.string(),
  /** One plain sentence with the numbers. */
  why: z.string(),
})
export type MetricVerdict = z.infer<typeof metricVerdict>

export const verdictSchema = z.object({
  at: outcome,
  why: z.string(),
  metrics: z.array(metricVerdict),
  /** End of the window, seconds since 1970. */
  time: z.number(),
  hosts: z.object({ upgraded: z.array(z.string()), waiting: z.array(z.string()) }),
})
export type Verdict = z.infer<typeof verdictSchema>
