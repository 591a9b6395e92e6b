/**
 * `node bench/rca.ts [folder]`
 *
 * The ranker over labelled incidents of the PetShop layout, metrics only, with the onset known: top-1 (the broken node is named
 * first) and average top-5 (mean of top-1 to top-5) by node, per set and overall. Beside it each single score, plain (all metrics of
 * a node, the largest counts; a scale of 0 counts as 1) and in the ranker, and what the ranker gains by each of its parts.
 * Left out: the ranker's constant is chosen on the other sets and measured on this one.
 * A set in which one node is always the cause says little: the last lines say how many causes there are, and what naming the
 * most frequent one without looking would score.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { DISCOUNT, type RankOptions, rank } from '../src/incident/rank.ts'
import { asFault } from '../src/lib/fault.ts'
import { MAD_TO_SIGMA, mad, mean, median, quantile, variance } from '../src/lib/statistics.ts'
import { readPetshop, type Scenario, type ScenarioSet } from './petshop.ts'

const DISCOUNTS = [1, 0.5, 0.25, 0.125]

interface Figures {
  top1: number
  average5: number
}

type Ranking = (scenario: Scenario) => string[]

/** Largest plain score of any metric, by node. */
function plain(score: (before: number[], after: number[]) => number): (scenario: Scenario) => Map<string, number> {
  return ({ input }) =>
    new Map(
      input.nodes.map(({ name, metrics }) => {
        const scores = metrics.map(({ points }) => {
          const known = points.filter(([, value]) => Number.isFinite(value))
          const before = known.filter(([at]) => at < input.onset).map(([, value]) => value)
          const after = known.filter(([at]) => at >= input.onset).map(([, value]) => value)
          return before.length === 0 || after.length === 0 ? 0 : score(before, after)
        })
        return [name, Math.max(0, ...scores)]
      }),
    )
}

const farthest = (values: number[], from: number) => Math.max(...values.map((value) => Math.abs(value - from)))
const plainShift = plain((a, b) => Math.abs(median(b) - median(a)) / (MAD_TO_SIGMA * mad(a) || 1))
const plainPeak = plain((a, b) => farthest(b, mean(a)) / (Math.sqrt(variance(a)) || 1))
const plainRobust = plain((a, b) => farthest(b, median(a)) / (quantile(a, 0.75) - quantile(a, 0.25) || 1))

const sorted = (scores: Map<string, number>) =>
  [...scores].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name]) => name)

/** The nodes that come first, then the others, each by plain max |z|. */
function first(picks: (name: string, scores: Map<string, number>, scenario: Scenario) => boolean): Ranking {
  return (scenario) => {
    const scores = plainPeak(scenario)
    const order = sorted(scores)
    const picked = new Set(order.filter((name) => picks(name, scores, scenario)))
    return [...picked, ...order.filter((name) => !picked.has(name))]
  }
}

/** What the alerting node calls, directly or through others. */
const reached = first((name, _, { input }) => {
  const found = new Set([input.target])
  for (const caller of found) for (const { from, to } of input.calls) if (from === caller) found.add(to)
  return found.has(name)
})

/** Nodes above three scales none of whose callees is. */
const deepest = first((name, scores, { input }) => {
  const bad = (node: string) => (scores.get(node) ?? 0) >= 3
  return bad(name) && !input.calls.some(({ from, to }) => from === name && to !== name && bad(to))
})

type Part = 'calls' | 'symptom'

function ranker(options: RankOptions, ...without: Part[]): Ranking {
  const known = new WeakMap<Scenario, string[]>()
  return (scenario) => {
    const answer = known.get(scenario) ?? order(scenario)
    known.set(scenario, answer)
    return answer
  }

  function order({ input }: Scenario): string[] {
    const { target, symptom, ...rest } = input
    const given = {
      ...rest,
      ...(without.includes('calls') ? { calls: [] } : { target }),
      ...(without.includes('symptom') ? {} : { symptom }),
    }
    return rank(given, options).map(({ name }) => name)
  }
}

/** One for each value of the constant, so that none is asked twice. */
const byDiscount = new Map(DISCOUNTS.map((discount) => [discount, ranker({ discount })]))
const shipped = ranker({})

function measure(scenarios: readonly Scenario[], ranking: Ranking): Figures {
  const places = scenarios.map((scenario) => ranking(scenario).indexOf(scenario.cause))
  const within = (k: number) => places.filter((place) => place >= 0 && place < k).length / scenarios.length
  return { top1: within(1), average5: mean([1, 2, 3, 4, 5].map(within)) }
}

const show = ({ top1, average5 }: Figures) => `${top1.toFixed(2)} / ${average5.toFixed(2)}`

/** The constant that is best on the other sets; the first of equals. */
function chosenOn(sets: readonly ScenarioSet[]): { discount: number; ranking: Ranking } {
  const others = sets.flatMap(({ scenarios }) => scenarios)
  const tried = [...byDiscount].map(([discount, ranking]) => {
    const { top1, average5 } = measure(others, ranking)
    return { discount, ranking, sum: top1 + average5 }
  })
  return tried.reduce((best, each) => (each.sum > best.sum ? each : best))
}

function leftOut(sets: readonly ScenarioSet[]): { cells: string[]; all: Figures } {
  const chosen = new Map<string, Ranking>()
  const cells = sets.map((set) => {
    const { discount, ranking } = chosenOn(sets.filter((other) => other !== set))
    for (const { name } of set.scenarios) chosen.set(name, ranking)
    return `${show(measure(set.scenarios, ranking))} (${discount})`
  })
  const all = sets.flatMap(({ scenarios }) => scenarios)
  return { cells, all: measure(all, (scenario) => (chosen.get(scenario.name) ?? shipped)(scenario)) }
}

function print(sets: readonly ScenarioSet[]): void {
  const all = sets.flatMap(({ scenarios }) => scenarios)
  const head = ['top-1 / average top-5', ...sets.map(({ name, scenarios }) => `${name} (${scenarios.length})`)]
  const table = new Table({ head: [...head, `all (${all.length})`], style: { head: [], border: [] } })
  const add = (name: string, ranking: Ranking) =>
    table.push([name, ...sets.map(({ scenarios }) => show(measure(scenarios, ranking))), show(measure(all, ranking))])
  add('plain median shift', (scenario) => sorted(plainShift(scenario)))
  add('plain max |z|', (scenario) => sorted(plainPeak(scenario)))
  add('plain robust max over IQR', (scenario) => sorted(plainRobust(scenario)))
  add('plain max |z|, callees of the alert first', reached)
  add('plain max |z|, no anomalous callee first', deepest)
  add('ranker, median shift only', ranker({ by: 'shift' }))
  add('ranker, max |z| only', ranker({ by: 'peak' }))
  add('ranker, robust max only', ranker({ by: 'robust' }))
  add('fusion alone', ranker({}, 'calls', 'symptom'))
  add('fusion + call graph', ranker({}, 'symptom'))
  add('fusion + kind of alert', ranker({}, 'calls'))
  for (const [discount, ranking] of byDiscount) {
    const name = `fusion + both, discount ${discount}`
    add(discount === DISCOUNT ? `${name} (as shipped)` : name, ranking)
  }
  if (sets.length > 1) {
    const { cells, all: figures } = leftOut(sets)
    table.push(['left out (discount chosen on the others)', ...cells, show(figures)])
  }
  console.log(table.toString())
  const causes = Map.groupBy(all, ({ cause }) => cause)
  const [most] = [...causes.values()].sort((a, b) => b.length - a.length)
  const share = ((most?.length ?? 0) / all.length).toFixed(2)
  console.log(`${all.length} scenarios, ${causes.size} different cause${causes.size === 1 ? '' : 's'}.`)
  console.log(`Naming the most frequent cause each time, without looking, would have a top-1 of ${share}.`)
}

try {
  const { positionals } = parseArgs({ allowPositionals: true })
  print(await readPetshop(positionals[0] ?? '../shared/data/petshop'))
} catch (error) {
  console.error(asFault(error).line)
  process.exitCode = 1
}
