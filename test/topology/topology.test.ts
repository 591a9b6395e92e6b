import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTopology, neighbours, reach } from '../../src/topology/topology.ts'

const declared = (name: string, part: { upstream?: string[]; downstream?: string[] } = {}) => ({
  name,
  upstream: [],
  downstream: [],
  ...part,
})

describe('neighbours', () => {
  test('an edge declared at one end is seen from both', () => {
    const services = [
      declared('users', { upstream: ['gateway'], downstream: ['db'] }),
      declared('gateway'),
      declared('mail', { downstream: ['users'] }),
    ]
    expect(neighbours(services, 'users')).toEqual({ upstream: ['gateway', 'mail'], downstream: ['db'] })
    expect(neighbours(services, 'gateway')).toEqual({ upstream: [], downstream: ['users'] })
    expect(neighbours(services, 'db')).toEqual({ upstream: ['users'], downstream: [] })
    expect(neighbours(services, 'nobody')).toEqual({ upstream: [], downstream: [] })
  })

  test('a service is no neighbour of itself', () => {
    expect(neighbours([declared('a', { upstream: ['a'], downstream: ['a'] })], 'a')).toEqual({
      upstream: [],
      downstream: [],
    })
  })
})

describe('reach', () => {
  const cycle = createTopology([
    declared('a', { downstream: ['b'] }),
    declared('b', { downstream: ['c'] }),
    declared('c', { downstream: ['a', 'd'] }),
  ])

  test('walks a cycle once, nearest first, without the service itself', () => {
    expect(reach(cycle, 'a', 'downstream')).toEqual([
      { name: 'b', hops: 1 },
      { name: 'c', hops: 2 },
      { name: 'd', hops: 3 },
    ])
    expect(reach(cycle, 'a', 'upstream').map(({ name }) => name)).toEqual(['c', 'b'])
  })

  test('ends on every graph, and both directions agree', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const graph = fc.array(fc.record({ name, upstream: fc.uniqueArray(name), downstream: fc.uniqueArray(name) }), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(graph, (services) => {
        const topology = createTopology(services)
        for (const from of topology.keys()) {
          for (const { name: to } of reach(topology, from, 'downstream')) {
            expect(reach(topology, to, 'upstream').map((each) => each.name)).toContain(from)
          }
        }
      }),
    )
  })
})
