import type { Neighbours } from '../topology/topology.ts'
import type { KnowledgeEntry } from './knowledge.ts'

export interface Risk {
  type: string
  mitigation: string
  title: string
  signals: string[]
  /** The knowledge file that says so. */
  source: string
  /** Why it concerns this release. */
  why: string
  score: number
}

export interface Prediction {
  /** Highest score first, one per type, at most ten. */
  risks: Risk[]
  /** The details of the RiskPrediction step, in the specification's JSON. */
  details: { risks: { mitigation: string; type: string }[]; service: string }
}

const mostRisks = 10

// What names the service outranks what names a neighbour, which outranks what fits its kind; `any` fits everything and ranks last.
// A callee's fault shows up in the service itself, a caller's only as changed traffic: downstream outranks upstream.
const score = { service: 4, downstream: 2.5, upstream: 2, tag: 1, any: 0.5 }

/**
 * The faults to expect when this service is released: each knowledge entry scores by how it was found (above; every further tag
 * that matches adds one) times its weight. Pure; equal input gives equal output, whatever the order of the entries.
 */
export function predictRisks(input: {
  service: { name: string; tags: readonly string[] }
  neighbours: Neighbours
  entries: readonly KnowledgeEntry[]
}): Prediction {
  const { service, neighbours, entries } = input
  const ranked = entries.flatMap((entry) => assess(entry, service, neighbours)).sort(byRank)
  const risks = ranked
    .filter((risk, i) => ranked.findIndex((other) => other.type === risk.type) === i)
    .slice(0, mostRisks)
  return {
    risks,
    details: { risks: risks.map(({ mitigation, type }) => ({ mitigation, type })), service: service.name },
  }
}

function assess(
  entry: KnowledgeEntry,
  service: { name: string; tags: readonly string[] },
  { upstream, downstream }: Neighbours,
): Risk[] {
  const tags = new Set([
    ...service.tags,
    ...(downstream.length > 0 ? ['calls-others'] : []),
    ...(upstream.length > 0 ? ['called-by-others'] : []),
  ])
  const named = (names: readonly string[]): string[] => names.filter((name) => entry.service.includes(name))
  const reasons: [number, string][] = []
  if (entry.service.includes(service.name)) reasons.push([score.service, `written for ${service.name}`])
  const [callees, callers] = [named(downstream), named(upstream)]
  if (callees.length > 0)
    reasons.push([score.downstream, `written for ${callees.join(', ')}, which ${service.name} calls`])
  if (callers.length > 0)
    reasons.push([score.upstream, `written for ${callers.join(', ')}, which calls ${service.name}`])
  const fitting = [...new Set(entry.tags)].filter((tag) => tags.has(tag)).sort()
  if (fitting.length > 0)
    reasons.push([
      score.tag * fitting.length,
      `${service.name} is tagged ${fitting.map((tag) => meaning(tag)).join(', ')}`,
    ])
  if (reasons.length === 0 && entry.tags.includes('any')) reasons.push([score.any, 'holds for every release'])
  if (reasons.length === 0) return []
  return [
    {
      type: entry.type,
      mitigation: entry.mitigation,
      title: entry.title,
      signals: entry.signals,
      source: entry.source,
      why: reasons.map(([, why]) => why).join('; '),
      score: reasons.reduce((sum, [points]) => sum + points, 0) * entry.weight,
    },
  ]
}

function meaning(tag: string): string {
  if (tag === 'calls-others') return 'as calling other services'
  return tag === 'called-by-others' ? 'as called by other services' : tag
}

function byRank(a: Risk, b: Risk): number {
  return (
    b.score - a.score || compare(a.type, b.type) || compare(a.source, b.source) || compare(a.mitigation, b.mitigation)
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
