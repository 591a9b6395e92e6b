import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { HostFacts, Recipe } from '../ports/target.ts'
import type { ChosenMetric } from './gate.ts'
import { sizeOf } from './policy-config.ts'

const recipeSchema = z.object({
  service: z.string(),
  root: z.string(),
  run: z.discriminatedUnion('by', [
    z.object({ by: z.literal('commands'), start: z.array(z.string()), stop: z.array(z.string()) }),
    z.object({ by: z.literal('systemd'), unit: z.string(), sudo: z.boolean() }),
  ]),
  health: z.object({
    url: z.string().optional(),
    command: z.array(z.string()).optional(),
    timeoutSeconds: z.number(),
    passes: z.number(),
  }),
  commandSeconds: z.number(),
  keep: z.number(),
})

/** The part of the policy that decides during the rollout; times in milliseconds, freshSeconds in seconds. */
export const rulesSchema = z.object({
  gate: z.enum(['automatic', 'ask']),
  failureBudget: z.object({ failed: z.number(), unreachable: z.number() }),
  failureLimit: z.number(),
  interval: z.number(),
  minRequests: z.number(),
  warmup: z.number(),
  freshSeconds: z.number(),
  rateWindow: z.number().optional(),
})
export type Rules = z.infer<typeof rulesSchema>

export const planSchema = z.object({
  service: z.string(),
  candidate: z.string(),
  artifact: z.object({
    url: z.string(),
    algorithm: z.enum(['sha256', 'md5']),
    digest: z.string(),
    delivery: z.enum(['host', 'upload']),
  }),
  scriptDigest: z.string(),
  /** Commands and paths as approved; a configuration that changes later does not reach this release. */
  recipe: recipeSchema,
  /** By what the gate judges and what happens then; approved as well. */
  rules: rulesSchema,
  batches: z.array(
    z.object({
      id: z.number(),
      hosts: z.array(z.object({ id: z.string(), ip: z.string() })),
      windowSeconds: z.number(),
      /** Hosts changed at the same time, so that enough stay healthy. */
      atOnce: z.number(),
    }),
  ),
  thresholds: z.array(
    z.object({ key: z.string(), query: z.string(), warn: z.number().optional(), fail: z.number().optional() }),
  ),
  /** Per host: the version to go back to; null takes the service away again. */
  rollback: z.object({ atOnce: z.number(), versions: z.record(z.string(), z.string().nullable()) }),
})
export type Plan = z.infer<typeof planSchema>

export interface PlanFacts {
  service: string
  candidate: string
  artifact: Plan['artifact']
  scriptDigest: string
  recipe: Recipe
  policy: { batches: string[]; windows: number[]; minHealthyPercent: number; rollbackBatch: string } & Rules
  /** Target hosts with what the probe saw; the order does not matter. */
  hosts: { id: string; ip: string; region: string; facts: HostFacts }[]
  metrics: ChosenMetric[]
}

/**
 * Batches, windows and the way back, from facts alone. The first host is the healthy one with the least load per
 * core; the others follow so that each batch takes from every region in turn. Batch sizes in the policy are cumulative
 * (`1`, `10%`, `33%`, `100%`: hosts that have the version after the batch); one that adds no host is left out with its window.
 */
export function planRelease(facts: PlanFacts): Plan {
  const ordered = spread(facts.hosts)
  const total = ordered.length
  const atOnce = mostAtOnce(total, facts.policy.minHealthyPercent)
  const batches: Plan['batches'] = []
  let reached = 0
  facts.policy.batches.forEach((size, index) => {
    const last = index === facts.policy.batches.length - 1
    const until = last ? total : Math.max(reached, sizeOf(size, total))
    const hosts = ordered.slice(reached, until).map(({ id, ip }) => ({ id, ip }))
    reached = until
    if (hosts.length === 0) return
    batches.push({ id: batches.length + 1, hosts, windowSeconds: (facts.policy.windows[index] ?? 0) / 1000, atOnce })
  })
  return {
    service: facts.service,
    candidate: facts.candidate,
    artifact: {
      url: facts.artifact.url,
      algorithm: facts.artifact.algorithm,
      digest: facts.artifact.digest,
      delivery: facts.artifact.delivery,
    },
    scriptDigest: facts.scriptDigest,
    recipe: facts.recipe,
    rules: rulesSchema.parse(facts.policy),
    batches,
    thresholds: facts.metrics.map(({ key, query, thresholds }) => ({
      key,
      query,
      warn: thresholds.warn,
      fail: thresholds.fail,
    })),
    rollback: {
      atOnce: sizeOf(facts.policy.rollbackBatch, total),
      versions: Object.fromEntries(ordered.map((host) => [host.id, host.facts.version ?? null])),
    },
  }
}

/** How many hosts may be away at once when `percent` of them must serve; at least one, or nothing could ever be released. */
export function mostAtOnce(total: number, percent: number): number {
  return Math.max(1, Math.floor((total * (100 - percent)) / 100))
}

function loadPerCore(facts: HostFacts): number {
  return facts.load1 / Math.max(1, facts.cpus)
}

/** The canary first, then region after region in turn; within a region healthy and idle hosts first. */
function spread<T extends { id: string; region: string; facts: HostFacts }>(hosts: T[]): T[] {
  const sick = (host: T) => (host.facts.state === 'running' ? 0 : 1)
  const best = [...hosts].sort(
    (a, b) => sick(a) - sick(b) || loadPerCore(a.facts) - loadPerCore(b.facts) || (a.id < b.id ? -1 : 1),
  )
  const lanes = new Map<string, T[]>()
  for (const host of best) lanes.set(host.region, [...(lanes.get(host.region) ?? []), host])
  const ordered: T[] = []
  while (ordered.length < hosts.length) {
    for (const lane of lanes.values()) {
      const next = lane.shift()
      if (next !== undefined) ordered.push(next)
    }
  }
  return ordered
}

/**
 * sha256 over everything that approval is bound to: service, version, artifact, ordered hosts and batches, windows, thresholds,
 * script, recipe and the way back. Not prose, and not facts that change nothing (load, disk).
 */
export function planHash(plan: Plan): string {
  return digestOf(plan)
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex')
}

/** JSON with sorted keys, so that equal values have equal digests. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** What differs between two plans, one short line each; empty when the hashes are equal. */
export function planDifference(before: Plan, after: Plan): string[] {
  const lines: string[] = []
  const say = (label: string, a: unknown, b: unknown) => {
    if (canonical(a) !== canonical(b)) lines.push(`${label}: ${show(a)} → ${show(b)}`)
  }
  say(
    'artifact',
    `${before.artifact.algorithm}:${before.artifact.digest.slice(0, 12)}`,
    `${after.artifact.algorithm}:${after.artifact.digest.slice(0, 12)}`,
  )
  say('artifact URL', before.artifact.url, after.artifact.url)
  say('deploy script', before.scriptDigest.slice(0, 12), after.scriptDigest.slice(0, 12))
  say('recipe', before.recipe, after.recipe)
  say('rules of the gate', before.rules, after.rules)
  say('batches', before.batches.map(batchLine).join(' | '), after.batches.map(batchLine).join(' | '))
  say('thresholds', before.thresholds, after.thresholds)
  for (const id of new Set([...Object.keys(before.rollback.versions), ...Object.keys(after.rollback.versions)])) {
    say(`${id} runs`, before.rollback.versions[id] ?? 'nothing', after.rollback.versions[id] ?? 'nothing')
  }
  return lines
}

function batchLine(batch: Plan['batches'][number]): string {
  return `${batch.hosts.map((host) => host.id).join(', ')} (${batch.windowSeconds} s)`
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : canonical(value)
}
