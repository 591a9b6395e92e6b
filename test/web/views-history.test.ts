import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ReleaseView } from '../../src/ports/console.ts'
import { changesOf } from '../../src/web/views/audit/changes.ts'
import * as audit from '../../src/web/views/audit/filter.ts'
import { forServer, readFilter, STATES, summarize, touchedOf, writeFilter } from '../../src/web/views/history/filter.ts'

const release = (change: Partial<ReleaseView>): ReleaseView => ({
  id: 'rel-1',
  service: 'user-service',
  candidate: '1.1.0',
  current: '1.0.0',
  requester: 'alice',
  approvals: [],
  approvalsNeeded: 1,
  state: 'done',
  headline: '',
  tone: 'good',
  over: true,
  createdAt: '2026-01-02T08:00:00.000Z',
  batches: 1,
  hosts: {},
  ...change,
})

describe('the filter of the history', () => {
  test('comes back from the address as it went there', () => {
    const text = fc.string({ minLength: 1 }).filter((value) => value === value.trim())
    const day = fc
      .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10))
    const filters = fc.record(
      { service: text, state: fc.constantFrom(...STATES), person: text, version: text, from: day, to: day },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(filters, (filter) => {
        expect(readFilter(new URLSearchParams(writeFilter(filter)))).toEqual(filter)
      }),
    )
  })

  test('ignores what is no day', () => {
    expect(readFilter(new URLSearchParams('from=yesterday&to=2026-13-45&person=+'))).toEqual({})
  })

  test('asks for whole days in the time zone of the reader', () => {
    const asked = forServer({ service: 'user-service', from: '2026-01-02', to: '2026-01-02' })
    expect(asked.service).toBe('user-service')
    expect(new Date(asked.from ?? '').getTime()).toBe(new Date(2026, 0, 2).getTime())
    expect(new Date(asked.to ?? '').getTime()).toBe(new Date(2026, 0, 3).getTime() - 1)
  })

  test('asks for nothing that was not chosen', () => {
    expect(forServer({})).toEqual({})
  })
})

describe('the summary of the history', () => {
  const startedAt = '2026-01-02T08:05:00.000Z'
  const shown = [
    release({ seconds: 100, startedAt }),
    release({ seconds: 300, startedAt }),
    release({ state: 'rolled back', seconds: 9000, startedAt }),
    release({ state: 'aborted', startedAt }),
    release({ state: 'aborted' }),
    release({ state: 'rejected' }),
    release({ state: 'rolling out', over: false, seconds: 10, startedAt }),
  ]

  test('counts outcomes; what touched no host is neither success nor failure', () => {
    expect(summarize(shown)).toEqual({
      shown: 7,
      running: 1,
      done: 2,
      rolledBack: 1,
      aborted: 1,
      success: 0.5,
      medianSeconds: 200,
    })
  })

  test('claims no success share of nothing', () => {
    expect(summarize([release({ state: 'expired' })])).toMatchObject({ success: undefined, medianSeconds: undefined })
  })
})

describe('the hosts of a release', () => {
  test('are counted by whether anything happened to them', () => {
    expect(touchedOf(release({ hosts: { 'rolled back': 1, pending: 5 } }))).toEqual({ touched: 1, total: 6 })
    expect(touchedOf(release({ hosts: { healthy: 6 } }))).toEqual({ touched: 6, total: 6 })
    expect(touchedOf(release({ hosts: {} }))).toEqual({ touched: 0, total: 0 })
  })
})

describe('the filter of the audit log', () => {
  test('comes back from the address as it went there', () => {
    for (const filter of [{}, { person: 'alice' }, { person: 'bob', action: 'release.approve', result: 'refused' }]) {
      expect(audit.readFilter(new URLSearchParams(audit.writeFilter(filter)))).toEqual(filter)
    }
    expect(audit.writeFilter({ person: 'alice', result: undefined })).toEqual({ person: 'alice' })
  })

  test('asks for no result that there is not', () => {
    expect(audit.readFilter(new URLSearchParams('result=maybe&person=%20'))).toEqual({})
  })
})

describe('the changes of an audit entry', () => {
  test('are the leaves that differ', () => {
    const before = { state: 'awaiting approval', approvals: [], turn: 1, kept: { deep: true } }
    const after = { state: 'approved', approvals: [{ by: 'bob' }], turn: 2, kept: { deep: true } }
    expect(changesOf(before, after)).toEqual([
      { path: 'state', before: '"awaiting approval"', after: '"approved"' },
      { path: 'approvals.0.by', before: undefined, after: '"bob"' },
      { path: 'turn', before: '1', after: '2' },
    ])
  })

  test('name what came and what went', () => {
    expect(changesOf(undefined, { a: 1 })).toEqual([{ path: 'a', before: undefined, after: '1' }])
    expect(changesOf({ a: { b: null } }, {})).toEqual([{ path: 'a.b', before: 'null', after: undefined }])
    expect(changesOf({ a: 1 }, { a: {} })).toEqual([
      { path: 'a', before: '1' },
      { path: 'a', before: undefined, after: '{}' },
    ])
    expect(changesOf('x', undefined)).toEqual([{ path: '', before: '"x"', after: undefined }])
  })

  test('of equal documents are none', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const document = value as Parameters<typeof changesOf>[0]
        expect(changesOf(document, structuredClone(document))).toEqual([])
      }),
    )
  })

  test('show a key called __proto__ like any other', () => {
    const after = JSON.parse('{"__proto__": {"admin": true}}')
    expect(changesOf({}, after)).toEqual([{ path: '__proto__.admin', before: undefined, after: 'true' }])
  })
})
