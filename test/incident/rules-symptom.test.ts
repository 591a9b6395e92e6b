import { describe, expect, test } from 'vitest'
import { judge } from '../../src/incident/judge.ts'
import type { Kind } from '../../src/incident/rank.ts'
import { reportByRules } from '../../src/incident/rules.ts'
import { findingsOf } from '../../src/incident/rules-findings.ts'
import { symptomOf } from '../../src/incident/rules-symptom.ts'
import type { Signal } from '../../src/incident/survey.ts'
import { episode, incident } from './rules-cases.ts'
import { signal, survey, T } from './survey-kit.ts'

const alert = (unit: Signal['unit'], query: string, name = 'Alert') =>
  signal({ role: 'alert', key: 'alert', name, unit, query, level: () => 1 })

describe('what an alert is about', () => {
  test.each<[string, Signal | undefined, string, Kind | undefined]>([
    ['a ratio', alert('ratio', 'a / b'), '', 'errors'],
    ['a ratio of a resource', alert('ratio', 'node_memory_free_bytes / node_memory_total_bytes'), '', 'use'],
    ['seconds', alert('seconds', 'http_request_duration_seconds'), '', 'latency'],
    ['failed requests a second', alert('count', 'sum(rate(http_requests_total{code=~"5.."}[1m]))'), '', 'errors'],
    ['requests a second', alert('count', 'sum(rate(http_requests_total[1m]))'), '', 'load'],
    ['a target', alert('count', 'up{job="shop"}'), '', 'errors'],
    ['a machine', alert('count', 'rate(node_cpu_seconds_total{mode="idle"}[1m])'), '', 'use'],
    ['an expression that says nothing', alert('count', 'shop_depth', 'ShopErrors'), '', 'errors'],
    ['an alert whose expression is not known', undefined, 'HighLatency', 'latency'],
    ['an alert that is called by its percentile', undefined, 'shop p99 above limit', 'latency'],
    ['a word within a word', undefined, 'DownloadPayload', undefined],
    ['several alerts', undefined, '3 alerts', undefined],
  ])('%s', (_, own, title, kind) => {
    expect(symptomOf(survey({ signals: own === undefined ? [] : [own] }), title)).toBe(kind)
  })
})

describe('suspects', () => {
  const callee = (service: string, part: Partial<Signal>, level: (at: number) => number) =>
    signal({
      service,
      role: 'downstream',
      query: `${service} ${part.key}`,
      on: [],
      off: [`${service}-1`],
      ...part,
      level,
    })
  const risen = (before: number, after: number) => (at: number) => (at >= T.onset ? after : before)
  // Beside its own level the latency of mail rose more than the errors of store did.
  const mail = callee('mail', { key: 'latency', name: 'Latency', unit: 'seconds' }, risen(0.02, 0.5))
  const store = callee('store', { key: 'error_rate', name: 'Error Rate', unit: 'ratio' }, risen(0.001, 0.09))
  const given = (own: Signal) => survey({ release: undefined, signals: [own, mail, store] })
  const of = (own: Signal) => findingsOf(given(own), '').services.map(({ name }) => name)

  test('of the alert’s kind come first', () => {
    const errors = signal({ role: 'alert', key: 'alert', name: 'Errors', unit: 'ratio', query: 'e', level: () => 0 })
    const slow = signal({ role: 'alert', key: 'alert', name: 'Slow', unit: 'seconds', query: 's', level: () => 0 })
    expect(of(errors).slice(0, 2)).toEqual(['store', 'mail'])
    expect(of(slow).slice(0, 2)).toEqual(['mail', 'store'])
  })

  test('are told in that order', () => {
    const errors = signal({ role: 'alert', key: 'alert', name: 'Errors', unit: 'ratio', query: 'e', level: () => 0 })
    const { content } = reportByRules(given(errors), judge(given(errors)), incident(), [episode()], 'en')
    expect(content).toContain('Services by suspicion: store (Error Rate 0.1 % → 9 %), mail (Latency 20 ms → 500 ms).')
  })

  test('hold the alert’s own series of its kind: what a callee shows as well may explain it', () => {
    const own = signal({ role: 'alert', key: 'alert', name: 'E', unit: 'ratio', query: 'e', level: risen(0.001, 0.08) })
    const [first, ...others] = findingsOf(given(own), '').services
    expect(first?.name).toBe('store')
    expect(others.find(({ name }) => name === 'shop')?.reason).toEqual({ at: 'explained', by: ['store'] })
  })
})
