import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { HostFacts } from '../../src/ports/target.ts'
import { toRecipe } from '../../src/release/config.ts'
import {
  mostAtOnce,
  type PlanFacts,
  planDifference,
  planHash,
  planRelease,
  planSchema,
} from '../../src/release/plan.ts'
import { aService } from '../fakes/service.ts'

const facts = (host: string, more: Partial<HostFacts> = {}): HostFacts => ({
  host,
  version: 'v1.0.0',
  versions: ['v1.0.0'],
  state: 'running',
  freeDiskMb: 1000,
  load1: 1,
  cpus: 1,
  missing: [],
  epoch: 0,
  bootId: 'b',
  clockSkewSeconds: 0,
  ...more,
})

function input(hosts: PlanFacts['hosts'], policy: Record<string, unknown> = {}): PlanFacts {
  const service = aService(policy)
  return {
    service: service.name,
    candidate: 'v1.1.0',
    artifact: { url: 'http://a/x.tar.gz', algorithm: 'sha256', digest: 'a'.repeat(64), delivery: 'host' },
    scriptDigest: 'b'.repeat(64),
    recipe: toRecipe(service),
    policy: service.policy,
    hosts,
    metrics: [],
  }
}

const fleet = (count: number, regions = ['bj', 'sh']) =>
  Array.from({ length: count }, (_, i) => {
    const region = regions[i % regions.length] ?? 'x'
    const id = `${region}-${i + 1}`
    return { id, ip: `10.0.0.${i + 1}`, region, facts: facts(id) }
  })

describe('planRelease', () => {
  test('six hosts in two regions: one canary, a third, the rest; never more than a third away at once', () => {
    const plan = planRelease(input(fleet(6)))
    expect(plan.batches.map((batch) => batch.hosts.length)).toEqual([1, 1, 4])
    expect(plan.batches.map((batch) => batch.windowSeconds)).toEqual([600, 900, 900])
    expect(plan.batches.map((batch) => batch.atOnce)).toEqual([2, 2, 2])
  })

  test('a hundred hosts: 1, 10 %, 33 %, all', () => {
    const plan = planRelease(input(fleet(100)))
    expect(plan.batches.map((batch) => batch.hosts.length)).toEqual([1, 9, 23, 67])
    expect(plan.rollback.atOnce).toBe(33)
  })

  test('a batch is spread over the regions', () => {
    const [, second] = planRelease(
      input(fleet(40), { batches: ['1', '50%', '100%'], windows: ['1m', '1m', '1m'] }),
    ).batches
    const regions = second?.hosts.map((host) => host.id.slice(0, 2)) ?? []
    expect(regions.filter((region) => region === 'bj')).toHaveLength(
      regions.filter((region) => region === 'sh').length + (regions.length % 2 === 0 ? 0 : -1),
    )
  })

  test('the canary is the healthy host with the least load per core', () => {
    const hosts = fleet(4)
    hosts[0]!.facts = facts('bj-1', { load1: 0, state: 'unhealthy' })
    // Neither the first by name, nor the one with the least load.
    hosts[1]!.facts = facts('sh-2', { load1: 1, cpus: 2 })
    hosts[2]!.facts = facts('bj-3', { load1: 4, cpus: 1 })
    hosts[3]!.facts = facts('sh-4', { load1: 2, cpus: 8 })
    expect(planRelease(input(hosts)).batches[0]?.hosts).toEqual([{ id: 'sh-4', ip: '10.0.0.4' }])
  })

  test('each host goes back to what it ran, and to nothing where nothing ran', () => {
    const hosts = fleet(2)
    hosts[1]!.facts = facts('sh-2', { version: undefined, versions: [], state: 'absent' })
    expect(planRelease(input(hosts)).rollback.versions).toEqual({ 'bj-1': 'v1.0.0', 'sh-2': null })
  })

  test('every host is in exactly one batch, whatever the fleet and the policy (property)', () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 20 }).map(String),
      fc.integer({ min: 1, max: 99 }).map((n) => `${n}%`),
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(size, { maxLength: 5 }),
        fc.integer({ min: 0, max: 100 }),
        (count, sizes, healthy) => {
          const base = input(fleet(count, ['a', 'b', 'c']))
          const policy = {
            ...base.policy,
            batches: [...sizes, '100%'],
            windows: [...sizes.map(() => 1000), 1000],
            minHealthyPercent: healthy,
          }
          const plan = planRelease({ ...base, policy })
          const ids = plan.batches.flatMap((batch) => batch.hosts.map((host) => host.id))
          expect([...ids].sort()).toEqual(base.hosts.map((host) => host.id).sort())
          expect(plan.batches.every((batch) => batch.hosts.length > 0 && batch.atOnce >= 1)).toBe(true)
          expect(plan.batches.map((batch) => batch.id)).toEqual(plan.batches.map((_, i) => i + 1))
        },
      ),
    )
  })

  test('mostAtOnce keeps the asked share healthy wherever more than one host allows it (property)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 100 }), (total, percent) => {
        const away = mostAtOnce(total, percent)
        expect(away === 1 || (total - away) * 100 >= percent * total).toBe(true)
      }),
    )
  })
})

describe('planHash', () => {
  const plan = planRelease(input(fleet(6)))

  test('does not depend on the order of keys, nor on a trip through the store', () => {
    const turned = planSchema.parse(JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(plan).reverse()))))
    expect(planHash(turned)).toBe(planHash(plan))
  })

  test('is the same whatever the load is, and another for another artifact, script, recipe, window, threshold or way back', () => {
    const base = input(fleet(6))
    const busier = {
      ...base,
      hosts: base.hosts.map((host) => ({ ...host, facts: { ...host.facts, load1: 9, cpus: 2, freeDiskMb: 1 } })),
    }
    expect(planHash(planRelease(busier))).toBe(planHash(plan))
    const others: PlanFacts[] = [
      { ...base, candidate: 'v1.1.1' },
      { ...base, artifact: { ...base.artifact, digest: 'c'.repeat(64) } },
      { ...base, scriptDigest: 'd'.repeat(64) },
      { ...base, recipe: { ...base.recipe, keep: 9 } },
      { ...base, policy: { ...base.policy, windows: [1, 2, 3, 4].map((n) => n * 1000) } },
      { ...base, hosts: base.hosts.map((host) => ({ ...host, facts: { ...host.facts, version: 'v0.9.0' } })) },
      { ...base, hosts: base.hosts.slice(1) },
    ]
    const hashes = others.map((other) => planHash(planRelease(other)))
    expect(new Set([...hashes, planHash(plan)]).size).toBe(others.length + 1)
    for (const other of others.slice(1)) expect(planDifference(plan, planRelease(other))).not.toEqual([])
  })

  test('equal plans show no difference', () => {
    expect(planDifference(plan, structuredClone(plan))).toEqual([])
  })
})
