import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KnowledgeEntry, loadKnowledge } from '../../src/knowledge/knowledge.ts'
import { predictRisks } from '../../src/knowledge/predict.ts'

const entry = (part: Partial<KnowledgeEntry>): KnowledgeEntry => ({
  title: 'T',
  service: [],
  tags: [],
  type: 'memory_leak',
  signals: [],
  mitigation: 'restart',
  weight: 1,
  source: 'knowledge/a.md',
  text: '',
  ...part,
})
const service = { name: 'user-service', tags: ['http'] }
const alone = { upstream: [], downstream: [] }

describe('predictRisks', () => {
  test("gives the details in the specification's JSON", () => {
    const entries = [
      entry({ service: ['user-service'], type: 'memory_leak', mitigation: 'restart' }),
      entry({ tags: ['http'], type: 'cpu_spike', mitigation: 'rollback' }),
    ]
    expect(predictRisks({ service, neighbours: alone, entries }).details).toEqual({
      risks: [
        { mitigation: 'restart', type: 'memory_leak' },
        { mitigation: 'rollback', type: 'cpu_spike' },
      ],
      service: 'user-service',
    })
  })

  test('ranks its own name over a callee, a caller, a tag and what holds for all, each with source and reason', () => {
    const entries = [
      entry({ tags: ['any'], type: 'e', source: 'knowledge/e.md' }),
      entry({ tags: ['http'], type: 'd', source: 'knowledge/d.md' }),
      entry({ service: ['gateway'], type: 'c', source: 'knowledge/c.md' }),
      entry({ service: ['user-db'], type: 'b', source: 'knowledge/b.md' }),
      entry({ service: ['user-service'], type: 'a', source: 'knowledge/a.md' }),
      entry({ service: ['unrelated'], tags: ['kafka'], type: 'f' }),
    ]
    const { risks } = predictRisks({ service, neighbours: { upstream: ['gateway'], downstream: ['user-db'] }, entries })
    expect(risks.map(({ type, source, why }) => [type, source, why])).toEqual([
      ['a', 'knowledge/a.md', 'written for user-service'],
      ['b', 'knowledge/b.md', 'written for user-db, which user-service calls'],
      ['c', 'knowledge/c.md', 'written for gateway, which calls user-service'],
      ['d', 'knowledge/d.md', 'user-service is tagged http'],
      ['e', 'knowledge/e.md', 'holds for every release'],
    ])
  })

  test('names a fault type once, with the mitigation of the entry that fits best', () => {
    const entries = [
      entry({ tags: ['http'], mitigation: 'rollback', source: 'knowledge/general.md' }),
      entry({ service: ['user-service'], mitigation: 'restart', source: 'knowledge/own.md' }),
    ]
    const { risks } = predictRisks({ service, neighbours: alone, entries })
    expect(risks).toMatchObject([{ mitigation: 'restart', source: 'knowledge/own.md' }])
  })

  test('a weight moves an entry, and being called or calling counts as a tag', () => {
    const entries = [entry({ tags: ['http'], type: 'a' }), entry({ tags: ['calls-others'], type: 'b', weight: 2 })]
    expect(predictRisks({ service, neighbours: alone, entries }).risks.map((risk) => risk.type)).toEqual(['a'])
    const neighbours = { upstream: [], downstream: ['user-db'] }
    expect(predictRisks({ service, neighbours, entries }).risks.map((risk) => risk.type)).toEqual(['b', 'a'])
  })

  test('the order of the files does not matter', () => {
    const some = fc.record({
      service: fc.subarray(['user-service', 'gateway', 'user-db']),
      tags: fc.subarray(['http', 'any', 'calls-others']),
      type: fc.constantFrom('a', 'b', 'c'),
      source: fc.constantFrom('knowledge/1.md', 'knowledge/2.md', 'knowledge/3.md'),
    })
    const neighbours = { upstream: ['gateway'], downstream: ['user-db'] }
    fc.assert(
      fc.property(fc.uniqueArray(some, { selector: (each) => `${each.type} ${each.source}` }), (parts) => {
        const entries = parts.map(entry)
        const forward = predictRisks({ service, neighbours, entries })
        expect(predictRisks({ service, neighbours, entries: [...entries].reverse() })).toEqual(forward)
      }),
    )
  })

  test('the files of this repository give a plain HTTP service risks it can meet, and no queue risks', async () => {
    const { entries } = await loadKnowledge('knowledge')
    const { risks } = predictRisks({ service, neighbours: { upstream: [], downstream: ['user-db'] }, entries })
    const types = risks.map((risk) => risk.type)
    expect(types).toEqual(
      expect.arrayContaining(['error_burst', 'memory_leak', 'cpu_spike', 'dependency_timeout', 'config_error']),
    )
    expect(types).not.toContain('queue_backlog')
    expect(types).not.toContain('contract_break')
  })
})
