import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Kind, RankedMetric, RankInput } from '../src/incident/rank.ts'
import { Fault } from '../src/lib/fault.ts'
import { median } from '../src/lib/statistics.ts'

export interface Scenario {
  /** `high_traffic/train/issue_0`. */
  name: string
  input: RankInput & { target: string; symptom: Kind }
  /** The node that was broken on purpose. */
  cause: string
}

export interface ScenarioSet {
  name: string
  scenarios: Scenario[]
}

const targetSchema = z.object({
  target: z.object({ node: z.string(), metric: z.string(), timestamp: z.number() }),
  root_cause: z.object({ node: z.string() }),
})

const kinds: Record<string, Kind> = { availability: 'errors', latency: 'latency', requests: 'load' }
/** A change of latency below this is seen by nobody: 5 ms, as on the gate's cards. */
const LATENCY_FLOOR = 0.005
/** A share of errors below this is not told from luck by a few requests: the binomial's standard error at 1 %. */
const QUIET_SHARE = 0.01

/** Seconds. */
const DAY = 86_400

/** One column: metric and statistic of a node, in the order of the rows; NaN where the cell is empty. */
interface Column {
  node: string
  metric: string
  statistic: string
  values: number[]
}

interface Sheet {
  /** Seconds since 1970; a row stands for the interval that begins then. */
  times: number[]
  columns: Column[]
}

/**
 * Reads a folder of the PetShop layout: `<set>/graph.csv`, `<set>/[noissue/]metrics.csv` and `<set>/<part>/<issue>/{metrics.csv,target.json}`.
 * The onset is the target's timestamp; the row in which it lies holds both sides of it and is left out. The set's `noissue` rows,
 * where there are some, were recorded at another time: they stand as history that ends a day before the issue's own. Availability (percent) becomes a share of errors.
 * Faults: `rca.no-folder`, `rca.no-scenarios`, `rca.bad-file`.
 */
export async function readPetshop(folder: string): Promise<ScenarioSet[]> {
  const sets: ScenarioSet[] = []
  for (const name of await folders(folder)) {
    const graph = await text(join(folder, name, 'graph.csv'))
    if (graph === undefined) continue
    const scenarios = await scenariosOf(join(folder, name), callsOf(graph))
    if (scenarios.length > 0)
      sets.push({ name, scenarios: scenarios.map((each) => ({ ...each, name: `${name}/${each.name}` })) })
  }
  if (sets.length === 0) {
    throw new Fault('rca.no-scenarios', {
      say: `${folder} holds no scenarios of the PetShop layout: no <set>/graph.csv with <set>/<part>/<issue>/target.json beside it.`,
      next: 'give the folder that holds the sets: npm run bench:rca -- <folder>',
    })
  }
  return sets
}

async function scenariosOf(set: string, calls: RankInput['calls']): Promise<Scenario[]> {
  const calm = await text(join(set, 'noissue', 'metrics.csv'))
  const history = calm === undefined ? undefined : sheetOf(calm, join(set, 'noissue', 'metrics.csv'))
  const scenarios: Scenario[] = []
  for (const part of await folders(set)) {
    for (const issue of await folders(join(set, part))) {
      const folder = join(set, part, issue)
      const [metrics, json] = [await text(join(folder, 'metrics.csv')), await text(join(folder, 'target.json'))]
      if (metrics === undefined || json === undefined) continue
      const { target, root_cause } = targetOf(json, join(folder, 'target.json'))
      const sheet = sheetOf(metrics, join(folder, 'metrics.csv'))
      const nodes = nodesOf(sheet, history, target.timestamp)
      const symptom = kinds[target.metric] ?? 'other'
      const input = { onset: target.timestamp, nodes, calls, target: target.node, symptom }
      scenarios.push({ name: `${part}/${issue}`, input, cause: root_cause.node })
    }
  }
  return scenarios
}

function nodesOf(issue: Sheet, history: Sheet | undefined, onset: number): RankInput['nodes'] {
  const step = (issue.times[1] ?? 0) - (issue.times[0] ?? 0)
  const first = issue.times[0] ?? 0
  const rows = history?.times.length ?? 0
  const past = new Map((history?.columns ?? []).map((column) => [keyOf(column), column.values]))
  const points = (column: Column): [number, number][] => [
    ...(past.get(keyOf(column)) ?? []).map((value, n): [number, number] => [first - DAY - (rows - n) * step, value]),
    ...column.values
      .map((value, n): [number, number] => [issue.times[n] ?? Number.NaN, value])
      .filter(([at]) => at >= onset || at + step <= onset),
  ]
  const requests = new Map(
    issue.columns
      .filter(({ metric }) => metric === 'requests')
      .map((column) => [column.node, typical(points(column), onset)]),
  )
  const nodes = new Map<string, RankedMetric[]>()
  for (const column of issue.columns) {
    const { node, metric, statistic } = column
    const raw = points(column)
    const each: RankedMetric = {
      name: `${metric} ${statistic}`,
      kind: kinds[metric] ?? 'other',
      points: metric === 'availability' ? raw.map(([at, percent]): [number, number] => [at, 1 - percent / 100]) : raw,
      floor: floorOf(metric, requests.get(node) ?? 1),
    }
    nodes.set(node, [...(nodes.get(node) ?? []), each])
  }
  return [...nodes].map(([name, metrics]) => ({ name, metrics }))
}

/** Requests are counted, so they scatter by the root of their number (Poisson). */
function floorOf(metric: string, requests: number): number | undefined {
  const count = Math.max(1, requests)
  if (metric === 'availability') return Math.sqrt((QUIET_SHARE * (1 - QUIET_SHARE)) / count)
  if (metric === 'requests') return Math.sqrt(count)
  return metric === 'latency' ? LATENCY_FLOOR : undefined
}

function typical(points: readonly [number, number][], onset: number): number {
  const before = points.filter(([at, value]) => at < onset && Number.isFinite(value)).map(([, value]) => value)
  return before.length === 0 ? 1 : median(before)
}

function keyOf({ node, metric, statistic }: Column): string {
  return JSON.stringify([node, metric, statistic])
}

/** An adjacency matrix; a row calls the columns that are not 0. */
function callsOf(csv: string): { from: string; to: string }[] {
  const [head = [], ...rows] = cells(csv)
  return rows.flatMap(([from = '', ...row]) =>
    row.flatMap((cell, n) => (Number(cell) !== 0 ? [{ from, to: head[n + 1] ?? '' }] : [])),
  )
}

/** Three rows of head (node, metric, statistic), one that names the index, then a row of values per interval. */
function sheetOf(csv: string, path: string): Sheet {
  const [node, metric, statistic, , ...rows] = cells(csv)
  if (node?.[0] !== 'microservice' || metric?.[0] !== 'metric' || statistic?.[0] !== 'statistic' || rows.length < 2) {
    throw new Fault('rca.bad-file', {
      say: `${path} is not a table with the three head rows microservice, metric and statistic and at least two rows of values.`,
      next: 'give a folder of the PetShop layout',
    })
  }
  const columns = node.slice(1).map((name, n) => ({
    node: name,
    metric: metric[n + 1] ?? '',
    statistic: statistic[n + 1] ?? '',
    values: rows.map((row) => (row[n + 1] === undefined || row[n + 1] === '' ? Number.NaN : Number(row[n + 1]))),
  }))
  return { times: rows.map(([at]) => Number(at)), columns }
}

function targetOf(json: string, path: string): z.output<typeof targetSchema> {
  try {
    return targetSchema.parse(JSON.parse(json))
  } catch (cause) {
    throw new Fault('rca.bad-file', {
      say: `${path} does not name a target and a root cause.`,
      next: 'give a folder of the PetShop layout',
      cause,
    })
  }
}

function cells(csv: string): string[][] {
  return csv
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .map(cellsOf)
}

/** Cells of one line; quoted ones may hold commas, and doubled quotes stand for one. */
function cellsOf(line: string): string[] {
  // With a comma before each cell no cell is found by an empty match, which would step over the next comma.
  return [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? '') : quoted.replaceAll('""', '"'),
  )
}

async function folders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  } catch (cause) {
    throw new Fault('rca.no-folder', { say: `${path} cannot be read.`, next: 'npm run bench:rca -- <folder>', cause })
  }
}

async function text(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
