import { expect, test } from 'vitest'
import {
  gatePolicySchema,
  type HostCounts,
  type HostPoints,
  judge,
  type Observation,
  type Outcome,
} from '../../src/release/gate.ts'
import { deriveThresholds } from '../../src/release/thresholds.ts'
import { binomial, counted, metric, normal, observe, seeded } from './gate-world.ts'

// Windows of 12 samples, one per second, each looking back 4 s, on six hosts of which one is upgraded; a baseline of 60 s.
const policy = gatePolicySchema.parse({})
const samples = 12
const look = 4

interface Regression {
  errorShare?: number
  latency?: number
}

/**
 * Noise as fleets have it: hosts that differ in level (15 %), a level that drifts by host and period (4 %) and for all hosts
 * (10 %), noise from sample to sample that overlapping windows smooth, and error shares that differ by host and period.
 */
function windowOf(random: () => number, requests: number, regression: Regression = {}): Observation {
  const common = 1 + 0.1 * normal(random)
  const walk = (level: number, count: number, end: number) => {
    const raw = Array.from({ length: count + look - 1 }, () => level * Math.exp(0.12 * normal(random)))
    return Array.from({ length: count }, (_, i): [number, number] => [
      end - count + 1 + i,
      raw.slice(i, i + look).reduce((sum, value) => sum + value, 0) / look,
    ])
  }
  const hosts: HostPoints[] = []
  const cpu: HostPoints[] = []
  const counts: HostCounts[] = []
  for (let i = 0; i < 6; i++) {
    const group = i === 0 ? 'upgraded' : 'waiting'
    const level = 0.08 * Math.exp(0.15 * normal(random))
    const drift = () => Math.exp(0.04 * normal(random))
    const slower = i === 0 ? (regression.latency ?? 1) : 1
    const after = walk(level * drift() * common * slower, samples, 1000)
    hosts.push({ host: `h${i}`, group, before: walk(level * drift(), 60, 900), after, ageSeconds: 1, notNumbers: 0 })
    cpu.push({
      host: `h${i}`,
      group,
      before: walk(0.1 * drift(), 60, 900),
      after: walk(0.1 * drift() * common, samples, 1000),
      ageSeconds: 1,
      notNumbers: 0,
    })
    const share = () => 0.002 * random()
    const now = share() + (i === 0 ? (regression.errorShare ?? 0) : 0)
    counts.push(
      counted(
        `h${i}`,
        group,
        [binomial(random, requests * 5, share()), requests * 5],
        [binomial(random, requests, now), requests],
      ),
    )
  }
  const limitOf = (points: HostPoints[], key: 'latency' | 'cpu', kind: 'seconds' | 'cores') => {
    const history = points.flatMap(({ before }) => before.map(([, value]) => value))
    return deriveThresholds({ key, kind, direction: 'up-is-bad' }, history).thresholds
  }
  return observe(
    [
      metric('error_rate', hosts, { limits: { warn: 0.005, fail: 0.01 } }),
      metric('latency', hosts, { windowSeconds: look, limits: limitOf(hosts, 'latency', 'seconds') }),
      metric('cpu', cpu, { windowSeconds: look, limits: limitOf(cpu, 'cpu', 'cores') }),
    ],
    counts,
  )
}

function shares(runs: number, seed: number, make: (random: () => number) => Observation): Record<Outcome, number> {
  const random = seeded(seed)
  const tally = { pass: 0, fail: 0, inconclusive: 0, error: 0 }
  for (let i = 0; i < runs; i++) tally[judge(make(random), policy).at] += 1 / runs
  return tally
}

const percent = (value: number) => `${(value * 100).toFixed(1).padStart(5)} %`
const line = (what: string, tally: Record<Outcome, number>) =>
  console.log(
    `${what.padEnd(44)} fail ${percent(tally.fail)}   hold ${percent(tally.inconclusive)}   pass ${percent(tally.pass)}`,
  )

test('a good release is condemned in at most 1 % of 500 noisy windows, and passes in at least 95 %', () => {
  for (const requests of [100, 300]) {
    const tally = shares(500, 42 + requests, (random) => windowOf(random, requests))
    line(`A/A, ${requests} requests`, tally)
    expect(tally.fail).toBeLessThanOrEqual(0.01)
    expect(tally.pass).toBeGreaterThanOrEqual(0.95)
  }
})

test('8 % errors in a window of 12 samples are condemned in more than 99 %, and never passed at 100 requests', () => {
  const some = shares(500, 7, (random) => windowOf(random, 100 + Math.floor(random() * 200), { errorShare: 0.08 }))
  line('8 % errors, 100 to 300 requests', some)
  expect(some.fail).toBeGreaterThan(0.99)
  const fewest = shares(1000, 8, (random) => windowOf(random, 100, { errorShare: 0.08 }))
  line('8 % errors, 100 requests', fewest)
  expect(fewest.fail).toBeGreaterThan(0.97)
  expect(fewest.pass).toBeLessThan(0.005)
})

test('larger regressions are found more often', () => {
  const found = [0.01, 0.02, 0.04].map((errorShare) => {
    const tally = shares(200, 9, (random) => windowOf(random, 200, { errorShare }))
    line(`${errorShare * 100} % errors, 200 requests`, tally)
    return tally.fail
  })
  expect(found).toEqual([...found].sort((a, b) => a - b))
  expect(found.at(-1)).toBeGreaterThan(0.9)
  const slow = [1.5, 2, 4].map((latency) => {
    const tally = shares(200, 10, (random) => windowOf(random, 200, { latency }))
    line(`latency x ${latency}`, tally)
    return tally.fail
  })
  expect(slow).toEqual([...slow].sort((a, b) => a - b))
  expect(slow.at(-1)).toBeGreaterThan(0.95)
})
