import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type GatePolicy,
  gatePolicySchema,
  type HostCounts,
  type HostPoints,
  judge,
  type MetricKey,
  type Observation,
} from '../../src/release/gate.ts'
import { counted, host, metric, observe } from './gate-world.ts'

const policy = gatePolicySchema.parse({ required: [] })
const values = fc.array(
  fc.integer({ min: 1, max: 40 }).map((n) => n / 100),
  { maxLength: 14 },
)
const share = fc.tuple(fc.nat(40), fc.integer({ min: 40, max: 600 }))
const one = fc.record({
  before: values,
  after: values,
  past: fc.option(share),
  now: fc.option(share),
  age: fc.constantFrom(1, 1, 1, 1, 1, 90, undefined),
})
const fleet = fc.record({
  upgraded: fc.array(one, { minLength: 1, maxLength: 4 }),
  waiting: fc.array(one, { maxLength: 5 }),
  limit: fc.integer({ min: 1, max: 40 }).map((n) => n / 100),
})
type Fleet = typeof fleet extends fc.Arbitrary<infer T> ? T : never
const keys: MetricKey[] = ['error_rate', 'latency', 'cpu']

function world(of: Fleet): Observation {
  const all = (['upgraded', 'waiting'] as const).flatMap((group) =>
    of[group].map((each, i) => ({ ...each, group, name: `${group}-${i}` })),
  )
  // A list of its own for each metric: the tests change them one by one.
  const hosts = () =>
    all.map((each): HostPoints => host(each.name, each.group, each.before, each.after, { ageSeconds: each.age }))
  const counts = all.map(
    (each): HostCounts => counted(each.name, each.group, each.past ?? undefined, each.now ?? undefined),
  )
  return observe(
    keys.map((key) => metric(key, hosts(), { limits: { fail: of.limit } })),
    counts,
  )
}

const outcomes = (observation: Observation, rules: GatePolicy = policy) =>
  judge(observation, rules).metrics.map(({ at }) => at)

describe('the gate, whatever it is given', () => {
  test('worse data on upgraded hosts never turns a fail into anything else', () => {
    const rises = fc.array(fc.nat(30), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fleet, rises, (of, rise) => {
        const plain = world(of)
        const worse = structuredClone(plain)
        const by = (i: number) => rise[i % rise.length] as number
        for (const { hosts } of worse.metrics)
          for (const each of hosts.filter(({ group }) => group === 'upgraded'))
            each.after = each.after.map(([at, value], i) => [at, value + by(i) / 100])
        worse.counts?.hosts.forEach(({ group, after }, i) => {
          if (group === 'upgraded' && after !== undefined)
            after.errors = Math.min(after.requests, (after.errors ?? 0) + by(i))
        })
        const [before, now] = [outcomes(plain), outcomes(worse)]
        before.forEach((at, i) => {
          if (at === 'fail') expect(now[i]).toBe('fail')
        })
        if (judge(plain, policy).at === 'fail') expect(judge(worse, policy).at).toBe('fail')
      }),
      { numRuns: 1500 },
    )
  })

  test('no data on upgraded hosts never gives pass or fail', () => {
    fc.assert(
      fc.property(fleet, fc.constantFrom('ended', 'stale', 'empty'), (of, how) => {
        const observation = world(of)
        for (const { hosts } of observation.metrics)
          for (const each of hosts.filter(({ group }) => group === 'upgraded')) {
            if (how === 'stale') each.ageSeconds = 3600
            else each.ageSeconds = undefined
            if (how === 'empty') Object.assign(each, { before: [], after: [] })
          }
        expect(outcomes(observation)).toEqual(keys.map(() => 'inconclusive'))
        expect(judge(observation, policy).at).toBe('inconclusive')
      }),
    )
  })

  test('the order of hosts does not matter', () => {
    fc.assert(
      fc.property(fleet, fc.integer(), (of, seed) => {
        const observation = world(of)
        const mixed = structuredClone(observation)
        const order = <T>(list: T[]) =>
          list.sort((a, b) => JSON.stringify([seed, a]).length - JSON.stringify([seed, b]).length).reverse()
        for (const each of mixed.metrics) order(each.hosts)
        order(mixed.counts?.hosts ?? [])
        expect(outcomes(mixed)).toEqual(outcomes(observation))
      }),
    )
  })

  test('the unit does not matter: values, limits and floors scaled together give the same verdict', () => {
    fc.assert(
      fc.property(fleet, fc.constantFrom(2, 8, 0.5, 1024), (of, factor) => {
        const observation = world(of)
        const scaled = structuredClone(observation)
        for (const each of scaled.metrics) {
          if (each.key !== 'latency') continue
          each.limits.fail = of.limit * factor
          for (const one of each.hosts)
            for (const when of ['before', 'after'] as const)
              one[when] = one[when].map(([at, value]) => [at, value * factor])
        }
        const rules = { ...policy, floors: { ...policy.floors, seconds: policy.floors.seconds * factor } }
        expect(outcomes(scaled, rules)).toEqual(outcomes(observation))
      }),
    )
  })

  test('it answers in words and numbers for anything that its schema admits', () => {
    fc.assert(
      fc.property(fleet, (of) => {
        const verdict = judge(world(of), policy)
        for (const { why, value } of verdict.metrics) {
          expect(why).not.toMatch(/NaN|undefined|Infinity/)
          if (value !== undefined) expect(Number.isFinite(value)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
